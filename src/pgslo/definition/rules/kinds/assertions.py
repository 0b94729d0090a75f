"""The kinds of assertion, one class each: rules about several rows, or several tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from pgslo.definition import wording
from pgslo.definition.rules.base import Assertion, Rule, Table
from pgslo.definition.rules.kinds.rows import References, Unique
from pgslo.definition.rules.syntax import COLUMNS, Syntax, Unfit, Ways, direct, two_bounds
from pgslo.definition.yaml.lists import ListOf, MapOf
from pgslo.definition.yaml.named import Condition, Name, Relation, Statement, canonical
from pgslo.definition.yaml.nodes import Mapping, Node
from pgslo.definition.yaml.values import Boolean, Bound, Integer, Number, OneOf, Shape
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Expression, Query, tables_read

#: Ours and theirs: columns of this table, each with the one of the other table that has to be equal.
On = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Counterparts:
    """Columns that have the same names in both tables, or ours with theirs."""

    def read(self, node: Node) -> On:
        """Pairs of ours and theirs."""
        if isinstance(node, Mapping):
            return tuple((Name().read(key), Name().read(value)) for key, value in _entries(node))
        return tuple((name, name) for name in ListOf(Name(), single=True).read(node))

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"anyOf": [Name().schema(), ListOf(Name()).schema(), MapOf(Name()).schema()]}


def _entries(node: Mapping) -> Iterator[tuple[Any, Node]]:
    if not node.entries:
        raise DefinitionError("the mapping may not be empty", location=node.location)
    yield from node.entries


_ROW = OneOf("thing", ("row",))
_NUMBER = Bound(numbers_only=True)
_OTHER: dict[str, Shape] = {"table": Relation(), "on": Counterparts(), "where": Condition()}


class _OfValue(Assertion):
    """An assertion about the values of one column."""

    value: str

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        fields = super().fields(written, column)
        return {"value": fields.pop("column")} | fields


class _OfRows(Assertion):
    """An assertion about the number of rows."""

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values, without ``row``, which is the only value of ``of``."""
        return {key: value for key, value in super().fields(written, column).items() if key != "of"}


class AllEqual(_OfValue):
    """All rows of a group have the same value in a column; NULL is ignored."""

    kind = "all_equal"
    syntax = Ways(assertions=direct("column", Name(), "all_equal: salary"))

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"the same {self.value} in all rows{wording.for_each(self.group_by)}"


class AtMostOne(_OfRows):
    """A group has no more than one row."""

    kind = "at_most_one"
    syntax = Ways(assertions=direct("of", _ROW, "at_most_one: row"))
    by_index = True
    deferred_by_default = False

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error if the table could have no more than one row."""
        yield from super().check()
        if not self.group_by and self.where is None:
            yield DefinitionError(
                "the table could have no more than one row",
                hint='Say of which rows there may be one, with "where", with "group_by", or both.',
                location=self.location,
            )

    @property
    def distinct(self) -> tuple[str, ...]:
        """Columns in which no two rows may have the same values."""
        return self.group_by

    def as_rule(self) -> Rule:
        """Return the rule over rows that states the same."""
        return Unique(
            name=self.name,
            columns=self.group_by,
            where=self.where,
            location=self.location,
            places=self.places,
        )

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"at most one row{wording.for_each(self.group_by)}"


class ExactlyOne(_OfRows):
    """A group has one row: with a condition, each existing group has one row that meets it."""

    kind = "exactly_one"
    syntax = Ways(assertions=direct("of", _ROW, "exactly_one: row"))

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"exactly one row{wording.for_each(self.group_by)}"


class Count(Assertion):
    """A group has a number of rows between two bounds."""

    kind = "count"
    syntax = Ways(assertions=two_bounds(Integer(0, 2**31 - 1), "count: {min: 1, max: 3}"))
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for bounds that no number of rows meets, or every one."""
        yield from super().check()
        if self.min is not None and self.max is not None and self.min > self.max:
            yield DefinitionError(
                f"the lower bound {self.min} is above the upper bound {self.max}", location=self.place("min")
            )
        elif self.min == 0 and self.max is None:
            yield DefinitionError("a count of at least 0 always holds", location=self.place("min"))

    def expected(self) -> str:
        """Return the expected state in words."""
        low = f"{self.min:,}" if self.min else None
        high = None if self.max is None else f"{self.max:,}"
        return f"{wording.bounds(low, high)} rows{wording.for_each(self.group_by)}"


class AddsUpTo(_OfValue):
    """A column adds up to a total in each group; a NULL adds nothing, and a group without values passes."""

    kind = "adds_up_to"
    syntax = Ways(
        assertions=Syntax(
            "adds_up_to: {column: weight, total: 1}",
            parameters={"column": Name(), "total": _NUMBER, "tolerance": _NUMBER},
            required=("column", "total"),
        )
    )
    total: Number
    tolerance: Number = 0

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for a tolerance below zero."""
        yield from super().check()
        if self.tolerance < 0:
            yield DefinitionError("a tolerance may not be negative", location=self.place("tolerance"))

    def expected(self) -> str:
        """Return the expected state in words."""
        within = f" within {self.tolerance}" if self.tolerance else ""
        return f"{self.value} adding up to {self.total}{within}{wording.for_each(self.group_by)}"


class AcrossTables(Assertion):
    """What forms about two tables say.

    Attributes:
        table: The other one, schema and name.
        on: Which columns have to be equal; a row with NULL in one of them needs no counterpart.
        among: Rows of the other table that it is about.
    """

    unfit = Unfit(("check_on", "group_by"), "its groups are the rows that are equal in on")
    table: Table
    on: On = Field(min_length=1)
    among: Expression | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression over a row that it holds."""
        return (*super().expressions, *((self.among,) if self.among else ()))

    @property
    def tables(self) -> dict[Table, Location]:
        """The other table, with the location where it is named."""
        return {self.table: self.place("table")}

    @property
    def there(self) -> str:
        """The other table, the rows of it that are meant, and the columns that have to be equal, in words."""
        equal = ", ".join(ours if ours == theirs else f"{ours} = {theirs}" for ours, theirs in self.on)
        among = f" with {wording.one_line(self.among.text)}" if self.among is not None else ""
        return f"{'.'.join(self.table)}{among} by {equal}"


class NoneWithout(AcrossTables):
    """No row is without its counterpart in another table."""

    kind = "none_without"
    syntax = Ways(
        assertions=Syntax(
            "none_without: {table: features.user_stats, on: [user_id, feature_date]}",
            parameters=_OTHER,
            required=("table", "on"),
        )
    )
    deferred_by_default = False

    def as_rule(self) -> Rule:
        """Return the rule over rows that states the same."""
        return References(
            name=self.name,
            columns=tuple(one for one, _ in self.on),
            table=canonical(self.table),
            to=tuple(one for _, one in self.on),
            location=self.location,
            places=self.places,
        )

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"no row without one of {self.there}"


class ExistsForEach(AcrossTables):
    """For each row of another table there is a row here."""

    kind = "exists_for_each"
    syntax = Ways(
        assertions=Syntax(
            "exists_for_each: {table: app.users, on: user_id, where: active}",
            parameters=_OTHER,
            required=("table", "on"),
        )
    )

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"a row for each row of {self.there}"


class SameAsThere(AcrossTables):
    """Rows with the same key here and in another table have the same values; two NULLs are the same."""

    kind = "same_as"
    syntax = Ways(
        assertions=Syntax(
            "same_as: {table: serving.user_stats, on: user_id, columns: [age, country]}",
            parameters={**_OTHER, "columns": Counterparts()},
            required=("table", "on", "columns"),
        )
    )
    columns: On = Field(min_length=1)

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"the same {', '.join(one for one, _ in self.columns)} as in {self.there}"


class NeverOverlap(Assertion):
    """Spans from one column to another do not overlap; the end does not belong to a span, and NULL is an open end."""

    kind = "no_overlap"
    syntax = Ways(
        assertions=Syntax(
            "no_overlap: {from: valid_from, to: valid_to}",
            parameters={"from": Name(), "to": Name()},
            required=("from", "to"),
        )
    )
    deferred_by_default = False
    start: str
    end: str

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        fields = super().fields(written, column)
        return {"start": fields.pop("from"), "end": fields.pop("to")} | fields

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for a span from a column to itself."""
        yield from super().check()
        if self.start == self.end:
            yield DefinitionError("a span needs two columns", location=self.place("to"))

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"spans from {self.start} to {self.end} that do not overlap{wording.for_each(self.group_by)}"


class KeepsOrder(_OfValue):
    """Values only rise, or only fall, in the order of other columns."""

    kind = "monotonic"
    syntax = Ways(
        assertions=Syntax(
            "monotonic: {column: version, order: trained_at}",
            parameters={
                "column": Name(),
                "order": COLUMNS,
                "direction": OneOf("direction", ("rising", "falling")),
                "strictly": Boolean(),
            },
            required=("column", "order"),
        )
    )
    order: tuple[str, ...] = Field(min_length=1)
    direction: Literal["rising", "falling"] = "rising"
    strictly: bool = False

    def expected(self) -> str:
        """Return the expected state in words."""
        strictly = "strictly " if self.strictly else ""
        return f"{self.value} {strictly}{self.direction} by {', '.join(self.order)}{wording.for_each(self.group_by)}"


class ReturnsNothing(Assertion):
    """A query of the author's own, which finds violations, returns no rows.

    Attributes:
        check_on: Tables whose every write is checked, where this cannot be read from the query.
    """

    kind = "sql"
    syntax = Ways(
        assertions=direct(
            "query",
            Statement(),
            'sql: "SELECT s.name FROM hr.staff s WHERE s.salary > 2 * (SELECT min(t.salary) FROM hr.staff t)"',
        )
    )
    unfit = Unfit(("where",), "the query says which rows it is about")
    query: Query
    check_on: tuple[tuple[str, str], ...] = ()

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"no rows from {wording.one_line(self.query.text)[:200]}{wording.for_each(self.group_by)}"

    @property
    def queries(self) -> tuple[Query, ...]:
        """Queries of the author's own that it holds."""
        return (self.query,)

    @property
    def tables(self) -> dict[Table, Location]:
        """The tables that the query reads, and those whose every write is checked."""
        return dict.fromkeys((*tables_read(self.query), *self.check_on), self.query.location)


#: By the word that definitions use.
ASSERTIONS: dict[str, type[Assertion]] = {
    form.kind: form
    for form in (
        AllEqual,
        AtMostOne,
        ExactlyOne,
        Count,
        AddsUpTo,
        ExistsForEach,
        NoneWithout,
        NeverOverlap,
        KeepsOrder,
        SameAsThere,
        ReturnsNothing,
    )
}
