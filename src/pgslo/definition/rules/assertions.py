"""The kinds of assertion, one class each: promises about several rows, or several tables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pgslo.definition.rules.base import Assertion, Number
from pgslo.expression import Expression, Query

#: Ours and theirs: columns of this table, each with the one of the other table that has to be equal.
On = tuple[tuple[str, str], ...]


class AllEqual(Assertion):
    """All rows of a group have the same value in a column; a NULL is no value."""

    kind = "all_equal"
    value: str


class AtMostOne(Assertion):
    """A group has no more than one row."""

    kind = "at_most_one"
    deferred_by_default = False


class ExactlyOne(Assertion):
    """A group has one row: with a condition, each group that is there has one row that meets it."""

    kind = "exactly_one"


class Count(Assertion):
    """A group has a number of rows between two bounds."""

    kind = "count"
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class AddsUpTo(Assertion):
    """A column adds up to a total in each group; a NULL adds nothing, and a group without values passes."""

    kind = "adds_up_to"
    value: str
    total: Number
    tolerance: Number = 0


class AcrossTables(Assertion):
    """What forms about two tables say.

    Attributes:
        table: The other one, schema and name.
        on: Which columns have to be equal; a NULL in one of them has no counterpart and wants none.
        among: Rows of the other table that it is about.
    """

    table: tuple[str, str]
    on: On = Field(min_length=1)
    among: Expression | None = None


class NoneWithout(AcrossTables):
    """No row is without its counterpart in another table."""

    kind = "none_without"
    deferred_by_default = False


class ExistsForEach(AcrossTables):
    """For each row of another table there is a row here."""

    kind = "exists_for_each"


class SameAsThere(AcrossTables):
    """Rows with the same key here and in another table have the same values; two NULLs are the same."""

    kind = "same_as"
    columns: On = Field(min_length=1)


class NeverOverlap(Assertion):
    """Spans from one column to another do not overlap; the end does not belong to a span, and NULL is an open end."""

    kind = "no_overlap"
    deferred_by_default = False
    start: str
    end: str


class KeepsOrder(Assertion):
    """Values only rise, or only fall, in the order of other columns."""

    kind = "monotonic"
    value: str
    order: tuple[str, ...] = Field(min_length=1)
    direction: Literal["rising", "falling"] = "rising"
    strictly: bool = False


class ReturnsNothing(Assertion):
    """A query of the author's own, which finds what breaks the promise, returns no rows.

    Attributes:
        check_on: Tables whose every write is checked, where the query itself does not tell.
    """

    kind = "sql"
    query: Query
    check_on: tuple[tuple[str, str], ...] = ()


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
