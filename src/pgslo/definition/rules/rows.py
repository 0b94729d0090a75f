"""The kinds of rule over rows, one class each: what the author may say, and nothing about how it is enforced."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pgslo.definition import names
from pgslo.definition.rules.base import Number, OnBreach, Operator, Rule, Scalar
from pgslo.expression import Expression

FormatName = Literal[
    "email",
    "uuid",
    "url",
    "hostname",
    "ipv4",
    "ipv6",
    "date",
    "time",
    "timestamp",
    "json",
    "base64",
    "slug",
    "e164",
]


class NotNull(Rule):
    """The column has a value."""

    kind = "not_null"


class NotBlank(Rule):
    """The text has a character other than whitespace."""

    kind = "not_blank"


class Range(Rule):
    """The value lies between two bounds, which belong to the range; NaN and infinity never do."""

    kind = "range"
    min: Number | str | None = None
    max: Number | str | None = None


class AcceptedValues(Rule):
    """The value is one of a list."""

    kind = "accepted_values"
    values: tuple[Scalar, ...] = Field(min_length=1)


class NotAcceptedValues(Rule):
    """The value is none of a list."""

    kind = "not_accepted_values"
    values: tuple[Scalar, ...] = Field(min_length=1)


class Length(Rule):
    """The text has a length in characters between two bounds."""

    kind = "length"
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class Pattern(Rule):
    """The text matches a POSIX regular expression, as PostgreSQL's ``~`` reads it."""

    kind = "pattern"
    matches: str
    ignore_case: bool = False


class Format(Rule):
    """The text is written in a well-known format."""

    kind = "format"
    format: FormatName


class ExpressionRule(Rule):
    """A condition over the row's own columns holds."""

    kind = "expression"
    expression: Expression

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.expression.columns


class Compare(Rule):
    """Two columns of the row compare as stated; a NULL on either side passes."""

    kind = "compare"
    left: str
    operator: Operator
    right: str

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return (self.left, self.right)


class References(Rule):
    """The value exists in another table; a NULL in any of the columns passes."""

    kind = "references"
    columns: tuple[str, ...] = Field(min_length=1)
    table: str
    to: tuple[str, ...] = Field(min_length=1)

    @property
    def relation(self) -> tuple[str, str]:
        """Schema and name of the other table as the catalogue spells them; ``table`` is how SQL writes it."""
        schema, name = names.split(self.table)
        return schema, name

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns


class Unique(Rule):
    """No two rows have the same values in these columns; a NULL in any of them passes."""

    kind = "unique"
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns


class Schema(Rule):
    """The table has these columns with these types."""

    kind = "schema"
    columns: dict[str, str] = Field(min_length=1)
    extra: Literal["allow", "forbid"] = "allow"


class Repair(Rule):
    """Wrong values are mended before the row is judged; the old value is kept.

    The steps run in the order of the attributes; ``default`` last, for NULL and NaN.
    """

    kind = "repair"
    on_breach: OnBreach = "repair"
    trim: bool = False
    lower: bool = False
    map: dict[str, Scalar | None] | None = None
    expression: Expression | None = None
    round: int | None = Field(default=None, ge=-10, le=15)
    clip: tuple[Number | str | None, Number | str | None] | None = None
    default: Scalar | None = None

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.expression.columns if self.expression else ()


class Custom(Rule):
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

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.condition.columns
