"""Assertions about groups of rows of one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgslo import sql
from pgslo.catalog import NUMERIC
from pgslo.compile.artifact import qualified
from pgslo.compile.assertions.constraints import exclusion
from pgslo.compile.assertions.groups import BUCKETS, NOTHING, TRUE, A, Form, Parts, key_value
from pgslo.compile.assertions.kinds.base import AssertionKind, Native, Rows
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import texts
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.subject import ROW
from pgslo.definition.rules.kinds import assertions as rules
from pgslo.errors import CatalogError
from pgslo.expression.queries.derivation import ADDING, ALL_EVENTS, Event
from pgslo.sql import Sql

_RANGES = {
    "date": "daterange",
    "timestamp without time zone": "tsrange",
    "timestamp with time zone": "tstzrange",
    "integer": "int4range",
    "bigint": "int8range",
    "numeric": "numrange",
}
#: What a template gets, columns besides those of groups and conditions, and statements that can break the assertion.
Stated = tuple[Form, tuple[str, ...], tuple[Event, ...]]


@dataclass(frozen=True)
class _Count(Form):
    low: Sql = NOTHING
    high: Sql = NOTHING
    wanted: Sql = NOTHING


@dataclass(frozen=True)
class _Sum(Form):
    total: Sql = NOTHING
    tolerance: Sql = NOTHING
    wanted: Sql = NOTHING


@dataclass(frozen=True)
class _Spans(Form):
    start: Sql = NOTHING
    end: Sql = NOTHING


@dataclass(frozen=True)
class _Order(Form):
    order: Sql = NOTHING
    ordered: Sql = NOTHING
    operator: Sql = NOTHING


class _OneTable(AssertionKind[A]):
    """An assertion about groups of rows.

    Attributes:
        counts_all: Whether rows that the condition leaves out make a group as well, because one has to have rows.
    """

    counts_all: ClassVar[bool] = False

    def form(self, base: Form) -> Stated:
        """Return what the template gets.

        Args:
            base: The common part of all kinds.
        """
        raise NotImplementedError

    def value(self, name: str, parameter: str = "column") -> Sql:
        """Return a column's value in a row."""
        return value_of(self._column(name, parameter), ROW)

    def compiled(self) -> Parts:
        """Return the queries over the groups of the table."""
        rule, relation = self.rule, self._table.relation
        grouping = tuple(
            self._column(name, f"group_by.{n}" if f"group_by.{n}" in rule.places else "group_by")
            for n, name in enumerate(rule.group_by)
        )
        types = tuple(self._type((column,), rule.place("group_by")) for column in grouping)
        self._bucket_probe(types, rule.place("group_by"))
        where = self._where(rule.where, relation, ROW)
        key, shown, touched = self._group(rule.group_by, types)
        rows = self._rows(relation, ROW, rule.group_by, where)
        of_row = row_key(self._table, ROW)
        form, columns, events = self.form(
            Form(
                groups=touched,
                group_key=key,
                group_shown=shown,
                rows=rows,
                row_keys=sql.render("assertion_rows", Rows(of_row, rows)),
                row_key=of_row,
                table_name=sql.literal(f"{relation.schema}.{relation.name}"),
                is_there=Sql(f"EXISTS (SELECT FROM {self._rows(relation, ROW, rule.group_by, TRUE)})")
                if rule.group_by
                else TRUE,
            )
        )
        if rule.group_by:
            events = tuple(event for event in events if event != "TRUNCATE")
        about = TRUE if self.counts_all and rule.group_by else where
        buckets = BUCKETS if rule.group_by else 1
        of_all_rows = Sql(f"{qualified((relation.schema, relation.name))} AS {ROW} WHERE {about}")
        group_columns = tuple(key_value(relation, name, ROW) for name in rule.group_by)
        template = f"assertions/{rule.kind}"
        of_all = vars(form) | {"groups": self._all_groups(group_columns, types, of_all_rows)}
        read = (*columns, *(rule.where.columns if rule.where else ()), *rule.group_by)
        cost = "each touched group"
        if not rule.group_by:
            cost = "all rows of the table" + (" that meet its condition" if rule.where else "")
        return self._finish(
            Parts(
                touches=(self._touch(relation, events, read, rule.group_by, types, about, buckets),),
                of_all=sql.render(template, type(form)(**of_all)),
                of_touched=sql.render(template, form),
                buckets=buckets,
                lookups=((relation, rule.group_by, rule.place("group_by")),) if rule.group_by else (),
                cost=cost,
            )
        )


class AllEqual(_OneTable[rules.AllEqual]):
    """All rows of a group have the same value."""

    has_constraint = True

    def form(self, base: Form) -> Stated:
        """Return what the template gets."""
        rule = self.rule
        self._probe_comparison(rule.value, "=", rule.value, "column")
        of = vars(base) | {
            "value": self.value(rule.value),
            "text": texts.text(self._column(rule.value, "column"), ROW),
            "column_name": sql.literal(rule.value),
        }
        return Form(**of), (rule.value,), ADDING

    def constraint(self) -> Native:
        """Return an exclusion constraint, or the reason against it."""
        rule = self.rule
        column = self._table.relation.column(rule.value)
        assert column is not None
        if column.base_type not in self._table.subject.catalog.gist_types:
            return f"an exclusion constraint needs the extension btree_gist, and a type that it knows, which {column.type} is not here"
        return exclusion(rule, self._table, Sql(f"{sql.identifier(rule.value)} WITH <>"), ())


class AtMostOne(_OneTable[rules.AtMostOne]):
    """A group has no more than one row."""

    has_constraint = True

    def form(self, base: Form) -> Stated:
        """Return what the template gets."""
        return base, (), ADDING

    def constraint(self) -> Native:
        """Return a unique index, or the reason against it."""
        rule = self.rule
        missing = [name for name in self._table.relation.partition_key if name not in rule.group_by]
        if not rule.group_by or missing:
            return "a unique index needs columns" + (", the partition key among them" if missing else "")
        reason = "a unique index says the same, at every isolation level, and is what readers use besides"
        return self.constraint_of(rule.as_rule(), reason)


class ExactlyOne(_OneTable[rules.ExactlyOne]):
    """A group has one row."""

    counts_all = True

    def form(self, base: Form) -> Stated:
        """Return what the template gets."""
        return base, (), ALL_EVENTS


class Count(_OneTable[rules.Count]):
    """A group has a number of rows between two bounds."""

    counts_all = True

    def form(self, base: Form) -> Stated:
        """Return what the template gets."""
        rule = self.rule
        low, high = rule.min or 0, rule.max if rule.max is not None else 2**62
        wanted = _between(rule.min, rule.max)
        bounds = {"low": sql.literal(low), "high": sql.literal(high), "wanted": sql.literal(wanted)}
        return _Count(**vars(base), **bounds), (), ALL_EVENTS if low > 0 else ADDING


class AddsUpTo(_OneTable[rules.AddsUpTo]):
    """A column adds up to a total."""

    def form(self, base: Form) -> Stated:
        """Return what the template gets."""
        rule = self.rule
        self._check_sum()
        of = vars(base) | {"value": self.value(rule.value), "column_name": sql.literal(rule.value)}
        wanted = f"{rule.total} (within {rule.tolerance})" if rule.tolerance else str(rule.total)
        total = {
            "total": sql.literal(rule.total),
            "tolerance": sql.literal(rule.tolerance),
            "wanted": sql.literal(wanted),
        }
        return _Sum(**of, **total), (rule.value,), ("INSERT", "UPDATE", "DELETE")

    def _check_sum(self) -> None:
        rule = self.rule
        column = self._column(rule.value, "column")
        if column.category != NUMERIC or column.base_type == "money":
            raise CatalogError(
                f'column "{column.name}" of type {column.type} cannot be added up',
                location=rule.place("column"),
            )
        if column.base_type in ("real", "double precision") and not rule.tolerance:
            raise CatalogError(
                f'sums of column "{column.name}" of type {column.type} are not exact',
                hint="say how far off a sum may be, for example tolerance: 0.000001",
                location=rule.place("column"),
            )


class NeverOverlap(_OneTable[rules.NeverOverlap]):
    """Spans do not overlap."""

    has_constraint = True

    def form(self, base: Form) -> Stated:
        """Return what the template gets."""
        rule = self.rule
        spans = {"start": self.value(rule.start, "from"), "end": self.value(rule.end, "to")}
        self._probe_comparison(rule.start, "<", rule.end, "to")
        return _Spans(**vars(base), **spans), (rule.start, rule.end), ADDING

    def constraint(self) -> Native:
        """Return an exclusion constraint, or the reason against it."""
        rule = self.rule
        relation = self._table.relation
        start, end = relation.column(rule.start), relation.column(rule.end)
        assert start is not None
        assert end is not None
        made_range = _RANGES.get(start.base_type)
        if made_range is None or start.base_type != end.base_type:
            return f"{start.type} and {end.type} have no range type"
        first, last = sql.identifier(rule.start), sql.identifier(rule.end)
        spans = Sql(f"{made_range}({first}, {last}) WITH &&")
        # A range may not end before it begins; such a row, and one without a beginning, overlaps nothing.
        proper = Sql(f"{first} IS NOT NULL AND ({last} IS NULL OR {first} < {last})")
        return exclusion(rule, self._table, spans, (proper,))


class KeepsOrder(_OneTable[rules.KeepsOrder]):
    """Values only rise, or only fall."""

    def form(self, base: Form) -> Stated:
        """Return what the template gets."""
        rule, common = self.rule, vars(base)
        own = self.value(rule.value)
        self._probe_comparison(rule.value, "<", rule.value, "column")
        for name in rule.order:
            self._probe_comparison(name, "<", name, "order")
        columns = [self.value(name, "order") for name in rule.order]
        # Rows of one time are put in the order that satisfies the rule, if any does.
        tie = "ASC" if rule.direction == "rising" else "DESC"
        strict = "=" if rule.strictly else ""
        form = _Order(
            **(common | {"value": own, "column_name": sql.literal(rule.value)}),
            order=sql.join(", ", (*columns, Sql(f"{own} {tie}"))),
            ordered=sql.join(" AND ", (Sql(f"{column} IS NOT NULL") for column in columns)),
            operator=Sql(("<" if rule.direction == "rising" else ">") + strict),
        )
        return form, (rule.value, *rule.order), ADDING


def _between(low: int | None, high: int | None) -> str:
    if high is None:
        return f"at least {low}"
    if not low:
        return f"at most {high}"
    return str(low) if low == high else f"between {low} and {high}"
