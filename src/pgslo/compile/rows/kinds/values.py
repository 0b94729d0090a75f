"""Conditions on one column's value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pgslo import sql
from pgslo.catalog import BOOLEAN, TEXT, Column
from pgslo.compile.choice import Choice
from pgslo.compile.part import Probe
from pgslo.compile.rows.kinds.base import (
    Bound,
    RowKind,
    Step,
    enum_compared,
    is_manifold,
)
from pgslo.compile.rows.kinds.repairs import clipped
from pgslo.compile.rows.mechanisms import repair_trigger
from pgslo.compile.snippets.literals import UNBOUNDED, constant
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.column_types import is_enum
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.sql import Sql

#: Regular expressions for a character other than whitespace, which Unicode's property White_Space defines. Its codes have
#: another meaning in encodings that do not number characters as Unicode does.
_VISIBLE = r"[^[:space:]\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_VISIBLE_ASCII = "[^[:space:]]"
_UNICODE = {"UTF8", "LATIN1"}
ListRule = TypeVar("ListRule", rules.AcceptedValues, rules.NotAcceptedValues)


@dataclass(frozen=True)
class _Between:
    """A column and its one or two bounds."""

    value: Sql
    first: Bound
    others: tuple[Bound, ...]


@dataclass(frozen=True)
class _Among:
    """A column and a list of constants."""

    value: Sql
    values: Sql


@dataclass(frozen=True)
class _Matching:
    """A column, a matching operator and a regular expression."""

    value: Sql
    operator: Sql
    regex: Sql


@dataclass(frozen=True)
class _Formatted:
    """A column and the function that knows the format."""

    value: Sql
    test: Sql


@dataclass(frozen=True)
class _Regex:
    value: Sql
    table: Sql
    regex: Sql


class NotBlank(RowKind[rules.NotBlank]):
    """Text has a character other than whitespace."""

    may_raise = False

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        column = self.need((TEXT,), "only text can be blank")
        # The blanks that fill a char(n) up are whitespace like any other: no cast is needed.
        visible = _VISIBLE if self.subject.catalog.encoding in _UNICODE else _VISIBLE_ASCII
        return self.rendered(_Matching(value_of(column, row), Sql("~"), sql.literal(visible)))


class Range(RowKind[rules.Range]):
    """A value lies between two bounds, or is made to."""

    may_raise = False

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        column = self.own()
        first, *others = self._bounds(column)
        value = value_of(column, row)
        if is_enum(column):
            compared = (
                enum_compared(column, value, one.operator.text, one.limit) for one in (first, *others)
            )
            return sql.join(" AND ", compared)
        return self.rendered(_Between(value, first, tuple(others)))

    def _bounds(self, column: Column) -> list[Bound]:
        rule = self.rule
        if not column.has_order or column.category == BOOLEAN or is_manifold(column):
            raise self.unfit(column, "it has no useful order")
        bounds = []
        sides = (
            ((("min", ">=", rule.min), ("above", ">", rule.above)), ">", "'-Infinity'"),
            ((("max", "<=", rule.max), ("below", "<", rule.below)), "<", "'Infinity'"),
        )
        for ways, away, end in sides:
            given = [way for way in ways if way[2] is not None]
            for key, operator, limit in given:
                assert limit is not None, key
                bounds.append(Bound(Sql(operator), constant(limit, column, rule.place(key))))
            if not given and column.base_type in UNBOUNDED:
                # NaN is greater than every number, and a feature should not hold infinity.
                bounds.append(Bound(Sql(away), Sql(end)))
        return bounds

    def choose(self, writes: Writes) -> Choice:
        """Return the cheapest mechanism that can enforce the rule."""
        return repair_trigger(self.rule) if self.rule.on_breach == "repair" else super().choose(writes)

    def repair_steps(self, column: Column, row: Sql) -> list[Step]:
        """Return the steps on a value: it is cut to its bounds; a value without a nearest bound becomes NULL, which passes."""
        return [clipped(self.rule, (self.rule.min, self.rule.max), column, row)]


class _ListKind(RowKind[ListRule]):
    """A value is compared with a list.

    Attributes:
        operator: Compares a value with one of the list.
        word: Joins these comparisons.
    """

    may_raise = False
    operator: ClassVar[str]
    word: ClassVar[str]

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        column = self.own()
        values = self._values(column)
        value = value_of(column, row)
        if is_enum(column):
            compared = (enum_compared(column, value, self.operator, one) for one in values)
            return sql.join(self.word, compared)
        return self.rendered(_Among(value, sql.join(", ", values)))

    def _values(self, column: Column) -> tuple[Sql, ...]:
        if not column.has_equality or is_manifold(column):
            raise self.unfit(
                column,
                "its values are not single values to compare with",
                hint="judge a part of it with expression",
            )
        return tuple(
            constant(value, column, self.rule.place(f"values.{n}"))
            for n, value in enumerate(self.rule.values)
        )


class AcceptedValues(_ListKind[rules.AcceptedValues]):
    """A value is one of a list."""

    operator, word = "=", " OR "


class NotAcceptedValues(_ListKind[rules.NotAcceptedValues]):
    """A value is not in a list."""

    operator, word = "<>", " AND "


class Length(RowKind[rules.Length]):
    """Text has a length in characters between two bounds."""

    may_raise = False

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        column = self.need((TEXT,), "length counts characters of text")
        bounds = [
            Bound(Sql(operator), sql.literal(limit))
            for operator, limit in ((">=", self.rule.min), ("<=", self.rule.max))
            if limit is not None
        ]
        return self.rendered(_Between(value_of(column, row), bounds[0], tuple(bounds[1:])))


class Pattern(RowKind[rules.Pattern]):
    """Text matches a regular expression, which is tried alone."""

    may_raise = False
    is_probed = False

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        column = self.need((TEXT,), "a pattern is matched against text")
        # The blanks that fill a char(n) up are not part of its value; its cast to text leaves them out.
        cast = "::text" if column.base_type == "character" else ""
        operator = Sql("~*" if self.rule.ignore_case else "~")
        value = Sql(f"{value_of(column, row)}{cast}")
        return self.rendered(_Matching(value, operator, sql.literal(self.rule.matches)))

    def probes(self, table: TableContext) -> list[Probe]:
        """Let PostgreSQL match an empty text of the column's collation; only that shows whether it can."""
        found = super().probes(table)
        regex = _Regex(value_of(self.own(), ROW), table.qualified, sql.literal(self.rule.matches))
        return [*found, Probe(sql.render("probe_regex", regex), self.rule.place("matches"))]


class Format(RowKind[rules.Format]):
    """Text is written in a format; what knows it may not be installed yet."""

    is_probed = False

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        column = self.need((TEXT,), "a format is a form of text")
        test = Sql(f"pgslo_catalog.is_{self.rule.format}")
        return self.rendered(_Formatted(value_of(column, row), test))
