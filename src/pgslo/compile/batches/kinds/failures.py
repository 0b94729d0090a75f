"""Failures that functions count: gaps, rows out of order, overlaps, rows without the same in another table, a query's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pgslo import sql
from pgslo.catalog import NUMERIC
from pgslo.compile.batches.kinds.base import Parts, of_row
from pgslo.compile.batches.kinds.functions import FailureKind, Function, OfRows, Value, columns_of, partition
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import literals
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.column_types import check_casts, check_operators, check_query
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

_BY_CALENDAR = "existing batches are compared with expected ones, when one is closed and by the clock; writes pay nothing"
#: The next batch that comes does not fill the hole.
_RESOLVES_AFTER = 5


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Probe:
    table: Sql
    condition: Sql


@dataclass(frozen=True)
class _Found:
    table: Sql
    matches: Sql


@dataclass(frozen=True)
class _Query:
    query: Sql


@dataclass(frozen=True)
class _NoGap(OfRows):
    value: Sql
    step: Sql
    per: Sql
    partition: Sql


@dataclass(frozen=True)
class _Monotonic(OfRows):
    value: Sql
    operator: Sql
    order: Sql
    partition: Sql
    row_key: Sql


@dataclass(frozen=True)
class _NoOverlap(OfRows):
    start: Sql
    end: Sql
    partition: Sql
    row_key: Sql


@dataclass(frozen=True)
class _SameAs(OfRows):
    found: Sql
    row_key: Sql


@dataclass(frozen=True)
class _QueryRule(Function):
    query: Sql
    undo: Undoing


class NoGap(FailureKind[rules.NoGap]):
    """Steps between values that are too large, or batches that did not come."""

    def parts(self) -> Parts:
        """Return the function that looks for gaps between values, or the one that reports a batch that did not come.

        Raises:
            CatalogError: The time of the next batch is unknown.
        """
        if self.rule.of == "values":
            return super().parts()
        rule, batching = self.rule, self.table.batching
        is_span = isinstance(rule.every, timedelta)
        if not batching.by_value or is_span is not batching.dated:
            raise CatalogError(
                f"batches of {self.table.definition.name} do not follow each other by steps of {rule.expected().removeprefix('a batch every ')}",
                detail="Times are a span apart, and numbers a number; batches by any other value have no order of their own.",
                hint="batch: {by: …} has to name a date or a time stamp for a span, and a number for a number",
                location=rule.place("every"),
            )
        step = int(rule.every.total_seconds()) if isinstance(rule.every, timedelta) else rule.every
        measure: dict[str, Any] = {"form": "batches", "step": step}
        if rule.on:
            measure["on"] = list(rule.on)
        if rule.max_delay is not None:
            measure["max_delay"] = int(rule.max_delay.total_seconds())
        return Parts(measure, _BY_CALENDAR, resolves_after=_RESOLVES_AFTER)

    def counted(self) -> tuple[str, str]:
        """Return the name of a counted item: singular, and plural."""
        return "gap", "gaps"

    def context(self) -> Function:
        """Return what the template of the function gets."""
        rule, column = self.rule, self.own()
        self.check_columns(rule.per, "per")
        is_span = isinstance(rule.every, timedelta)
        if is_span and column.base_type not in literals.DAYS:
            raise self.unfit(column, "steps of time are between dates or time stamps")
        if not is_span and (column.category != NUMERIC or column.base_type == "money"):
            raise self.unfit(column, "a step that is a number is between numbers")
        step = (
            Sql(f"{sql.literal(literals.seconds(rule.every))}::interval")
            if isinstance(rule.every, timedelta)
            else sql.literal(rule.every)
        )
        value = of_row(column)
        per = Sql(f"{columns_of('r', rule.per)}, ") if rule.per else Sql("")
        return _NoGap(
            **self.of_rows(value),
            value=value,
            step=step,
            per=per,
            partition=partition(rule.per, "v"),
        )


class Monotonic(FailureKind[rules.Monotonic]):
    """Rows whose value does not rise, or does not fall."""

    def counted(self) -> tuple[str, str]:
        """Return the name of a counted item: singular, and plural."""
        return "row out of order", "rows out of order"

    def context(self) -> Function:
        """Return what the template of the function gets."""
        rule, column = self.rule, self.own()
        self.check_ordered(column)
        for key, listed in (("order", rule.order), ("per", rule.per)):
            self.check_columns(listed, key)
        operators = {
            ("rising", False): "<",
            ("rising", True): "<=",
            ("falling", False): ">",
            ("falling", True): ">=",
        }
        value = of_row(column)
        return _Monotonic(
            **self.of_rows(value),
            value=value,
            operator=Sql(operators[rule.direction, rule.strictly]),
            order=columns_of("r", rule.order),
            partition=partition(rule.per, "r"),
            row_key=row_key(self.table, ROW),
        )


class NoOverlap(FailureKind[rules.NoOverlap]):
    """Spans that begin before an earlier one ends."""

    def counted(self) -> tuple[str, str]:
        """Return the name of a counted item: singular, and plural."""
        return "span that overlaps an earlier one", "spans that overlap an earlier one"

    def context(self) -> Function:
        """Return what the template of the function gets."""
        rule = self.rule
        start = self.own("from", rule.start)
        end = self.own("to", rule.end)
        self.check_columns(rule.per, "per")
        for column in (start, end):
            self.check_ordered(column)
        if start.base_type != end.base_type:
            raise CatalogError(
                f'a span cannot go from "{start.name}" of type {start.type} to "{end.name}" of type {end.type}',
                location=rule.place("to"),
            )
        closed = of_row(end)
        is_open = end.base_type in literals.DAYS
        return _NoOverlap(
            **self.of_rows(*((of_row(start),) if is_open else (of_row(start), closed))),
            start=of_row(start),
            end=sql.render("open_end", Value(closed)) if is_open else closed,
            partition=partition(rule.per, "r"),
            row_key=row_key(self.table, ROW),
        )


class SameAs(FailureKind[rules.SameAs]):
    """Rows without the same row in another table."""

    by_clock = True

    def counted(self) -> tuple[str, str]:
        """Return the name of a counted item: singular, and plural."""
        without = f"without the same row in {self.rule.table}"
        return f"row {without}", f"rows {without}"

    def context(self) -> Function:
        """Return what the template of the function gets."""
        self._check()
        rule = self.rule
        matches = sql.join(
            " AND ",
            (
                *(sql.render("same_as_key", _Column(sql.identifier(name))) for name in rule.on),
                *(sql.render("same_as_pair", _Column(sql.identifier(name))) for name in rule.columns),
            ),
        )
        found = sql.render("same_as_found", _Found(sql.identifier(*rule.relation), matches))
        return _SameAs(**self.of_rows(), found=found, row_key=row_key(self.table, ROW))

    def probes(self, context: _SameAs) -> tuple[tuple[Sql, Location], ...]:
        """Have PostgreSQL check whether it can compare the columns."""
        probe = _Probe(self.table.qualified, context.found)
        return ((sql.render("probe_condition", probe), self.rule.place("table")),)

    def _check(self) -> None:
        """Make sure that no cast decides about equality."""
        rule = self.rule
        other = self.table.subject.catalog.relations.get(rule.relation)
        for key, listed in (("on", rule.on), ("columns", rule.columns)):
            self.check_columns(listed, key)
            for name in listed:
                column = self.table.subject.column(name, rule.place(key))
                check_operators(column, rule.place(key))
                check_casts(column, rule.place(key))
                theirs = other.column(name) if other else None
                if (
                    theirs is not None
                    and column.base_type != theirs.base_type
                    and not (column.plain and theirs.plain)
                ):
                    raise self.unfit(
                        column,
                        f"the other table has {theirs.type}, and a cast would decide about equality",
                    )
                if not column.has_equality:
                    raise self.unfit(column, "its values cannot be compared")


class QueryRule(FailureKind[rules.QueryRule]):
    """Rows that an author's own query returns."""

    by_clock = True

    def counted(self) -> tuple[str, str]:
        """Return the name of a counted item: singular, and plural."""
        return "row returned", "rows returned"

    def context(self) -> Function:
        """Return what the template of the function gets."""
        query = self.rule.query
        check_query(query, self.table.subject.catalog)
        return _QueryRule(**self.header(), query=query.sql(), undo=self.table.undo())

    def probes(self, context: _QueryRule) -> tuple[tuple[Sql, Location], ...]:
        """Have PostgreSQL check whether it accepts the query."""
        return ((sql.render("probe_query", _Query(context.query)), self.rule.query.location),)
