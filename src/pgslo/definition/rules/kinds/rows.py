"""The kinds of rule about several values of a row, or about other rows, one class each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from pydantic import Field

from pgslo.definition import names, wording
from pgslo.definition.rules.base import RowRule, Table, ValueType
from pgslo.definition.rules.syntax import COLUMNS, Syntax, Ways, direct
from pgslo.definition.yaml.named import Condition, Name, Relation, canonical
from pgslo.definition.yaml.values import OneOf
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Expression

Operator = Literal["=", "<>", "<", "<=", ">", ">="]
_COMPARED = Name(instead="compare with a value by range or expression")
_OPERATOR = OneOf("operator", get_args(Operator))
_OPERATORS: dict[Operator, str] = {
    "=": "equal to",
    "<>": "different from",
    "<": "less than",
    "<=": "at most",
    ">": "greater than",
    ">=": "at least",
}
_NULLS = OneOf("choice", ("distinct", "same"))
_EXPRESSION = direct("expression", Condition(), 'expression: "price >= cost"')


class ExpressionRule(RowRule):
    """A condition over the row's own columns holds."""

    kind = "expression"
    syntax = Ways(columns=_EXPRESSION, rules=_EXPRESSION)
    expression: Expression

    def expected(self) -> str:
        """Return the expected state in words."""
        return wording.one_line(self.expression.text)

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return self.expression.columns

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression over a row that it holds."""
        return (self.expression, *super().expressions)


class Compare(RowRule):
    """Two columns of the row compare as stated; a NULL on either side passes."""

    kind = "compare"
    about_values = True
    syntax = Ways(
        columns=Syntax(
            'compare: {operator: ">=", to: event_at}',
            parameters={"operator": _OPERATOR, "to": _COMPARED},
            required=("operator", "to"),
        ),
        rules=Syntax(
            'compare: {left: label_at, operator: ">=", right: event_at}',
            parameters={"left": _COMPARED, "operator": _OPERATOR, "right": _COMPARED},
            required=("left", "operator", "right"),
        ),
    )
    left: str
    operator: Operator
    right: str

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        if column is None:
            return written
        return {"left": column, "operator": written["operator"], "right": written["to"]}

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error if both columns are the same."""
        if self.left == self.right:
            place = self.place("to" if "to" in self.places else "right")
            yield DefinitionError(f'column "{self.left}" is compared with itself', location=place)

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be, beside another: a number where order counts."""
        del name
        return None if self.operator in ("=", "<>") else "number"

    def like(self, name: str) -> str | None:
        """Return the other column."""
        return self.right if name == self.left else self.left

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.left} {_OPERATORS[self.operator]} {self.right}"

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return (self.left, self.right)

    def key_of(self, column: str) -> str | None:
        """Return the parameter whose value is a column."""
        if column not in (self.left, self.right):
            return None
        return "left" if self.left == column else "to" if "to" in self.places else "right"


class LookupRule(RowRule):
    """A rule that looks other rows up by some columns of the row.

    Attributes:
        columns: These columns.
    """

    looks_up = True
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return self.columns

    def key_of(self, column: str) -> str | None:
        """Return the parameter whose value is a column."""
        if column not in self.columns:
            return None
        key = f"columns.{self.columns.index(column)}"
        return key if key in self.places else "columns"


class References(LookupRule):
    """The value exists in another table; a NULL in any of the columns passes."""

    kind = "references"
    syntax = Ways(
        columns=Syntax(
            "references: dim.country.code",
            parameters={"table": Relation(), "column": Name()},
            required=("table", "column"),
            shorthand=Relation(parts=3),
            stands_for=("table", "column"),
        ),
        rules=Syntax(
            "references: {columns: [shop, sku], table: dim.product, to: [shop, sku]}",
            parameters={"columns": COLUMNS, "table": Relation(), "to": COLUMNS},
            required=("columns", "table", "to"),
        ),
    )
    table: str
    to: tuple[str, ...] = Field(min_length=1)

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        fields = written if column is None else {"columns": (column,), "to": (written["column"],)}
        return fields | {"table": canonical(written["table"])}

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error if the columns of both tables are not as many."""
        if len(self.columns) != len(self.to):
            yield DefinitionError(
                f'"columns" has {len(self.columns)} names and "to" has {len(self.to)}',
                location=self.place("to"),
            )

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{', '.join(self.columns)} present in {self.table} ({', '.join(self.to)})"

    @property
    def relation(self) -> Table:
        """Schema and name of the other table as the catalogue spells them; ``table`` is how SQL writes it."""
        schema, name = names.split(self.table)
        return schema, name

    @property
    def tables(self) -> dict[Table, Location]:
        """The other table, with the location where it is named."""
        return {self.relation: self.place("table")}

    @property
    def compared_with(self) -> dict[Table, tuple[tuple[str, str], ...]]:
        """Its columns with those of the other table."""
        return {self.relation: tuple(zip(self.columns, self.to, strict=True))}

    @property
    def is_foreign_key(self) -> bool:
        """Whether a foreign key says the same, so that nothing else reads the other table."""
        return self.on_breach == "reject" and self.where is None


class Unique(LookupRule):
    """No two rows have the same values in these columns.

    Attributes:
        nulls: Whether a row with a NULL is different from all others, or NULL is a value like others.
    """

    kind = "unique"
    about_values = True
    syntax = Ways(
        columns=Syntax("unique", parameters={"nulls": _NULLS}),
        rules=direct("columns", COLUMNS, "unique: [user_id, feature_date]", nulls=_NULLS),
    )
    nulls: Literal["distinct", "same"] = "distinct"

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        return written if column is None else {"columns": (column,), **written}

    def expected(self) -> str:
        """Return the expected state in words."""
        among = ", NULL being a value like others" if self.nulls == "same" else ""
        return f"no two rows with the same {', '.join(self.columns)}{among}"

    @property
    def distinct(self) -> tuple[str, ...]:
        """Columns in which no two rows may have the same values."""
        return self.columns


class Custom(RowRule):
    """A kind of the organisation's own: the condition is what its template prints.

    Attributes:
        custom_kind: The template's stem.
        template: The template's text below its header.
        parameters: The author's values, checked against the header's declarations.
        columns: Other columns the rule is about, from parameters declared as columns.
        condition: What the template prints for these parameters, through the same gate as any expression.
    """

    kind = "custom"
    custom_kind: str
    template: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    condition: Expression

    def expected(self) -> str:
        """Return the expected state in words: the description."""
        wanted = self.description or f"as kind {self.custom_kind} requires"
        return f"{self.column or 'the row'}: {wanted[:1].lower()}{wanted[1:].rstrip('.')}"

    @property
    def word(self) -> str:
        """The kind as definitions and people call it."""
        return self.custom_kind

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return self.condition.columns

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression over a row that it holds."""
        return (self.condition, *super().expressions)

    def key_of(self, column: str) -> str | None:
        """Return the parameter whose value is a column."""
        if column not in self.columns:
            return None
        return next(key for key, value in self.parameters.items() if value == column)
