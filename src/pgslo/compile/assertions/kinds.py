"""What each form of assertion comes to in SQL: the query that finds groups that break it, and what can break it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgslo import sql
from pgslo.catalog import NUMERIC, Relation
from pgslo.compile.artifact import qualified
from pgslo.compile.assertions.groups import (
    BUCKETS,
    GROUP,
    NOTHING,
    OTHER,
    TRUE,
    Form,
    Parts,
    key_value,
)
from pgslo.compile.assertions.queries import QueryCompiler
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import texts
from pgslo.compile.table.column_types import check_casts
from pgslo.compile.table.subject import ROW
from pgslo.definition.rules import assertions as forms
from pgslo.errors import CatalogError
from pgslo.expression.queries.derivation import ADDING, ALL_EVENTS, REMOVING, Event
from pgslo.sql import Sql

# Context classes, one for each template.


@dataclass(frozen=True)
class _Rows:
    row_key: Sql
    rows: Sql


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
class _Across(Form):
    others: Sql = NOTHING
    other_name: Sql = NOTHING


@dataclass(frozen=True)
class _Pair:
    ours: Sql
    theirs: Sql
    our_text: Sql
    their_text: Sql
    label: Sql


@dataclass(frozen=True)
class _Same(Form):
    other_name: Sql = NOTHING
    other_rows: Sql = NOTHING
    other_matches: Sql = NOTHING
    pairs: tuple[_Pair, ...] = ()


@dataclass(frozen=True)
class _Spans(Form):
    start: Sql = NOTHING
    end: Sql = NOTHING


@dataclass(frozen=True)
class _Order(Form):
    order: Sql = NOTHING
    ordered: Sql = NOTHING
    operator: Sql = NOTHING


@dataclass(frozen=True)
class _Comparison:
    ours: Sql
    operator: Sql
    theirs: Sql
    our_table: Sql
    their_table: Sql


class FormCompiler(QueryCompiler):
    """One assertion of one definition."""

    def parts(self) -> Parts:
        """What the assertion comes to.

        Raises:
            CatalogError: A table or column does not exist, or has a type that the form cannot judge.
        """
        made = self.compiled()
        # What writers run; the runtime looks at parts itself before it reads all groups.
        looked = FormCompiler(self.rule, self._table, pinned=True).compiled()
        return replace(made, of_touched=looked.of_touched)

    def compiled(self) -> Parts:
        """Return the same, with one way to read tables in all queries."""
        match self.rule:
            case forms.ReturnsNothing():
                return self._query(self.rule)
            case forms.AcrossTables():
                return self._across(self.rule)
        return self._of_one_table()

    # Forms about one table

    def _of_one_table(self) -> Parts:
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
        template, form, columns, events = self._one_table_form(
            Form(
                groups=touched,
                group_key=key,
                group_shown=shown,
                rows=rows,
                row_keys=sql.render("assertion_rows", _Rows(of_row, rows)),
                row_key=of_row,
                table_name=sql.literal(f"{relation.schema}.{relation.name}"),
                is_there=Sql(f"EXISTS (SELECT FROM {self._rows(relation, ROW, rule.group_by, TRUE)})")
                if rule.group_by
                else TRUE,
            )
        )
        # Rows that the condition leaves out make a group as well, where one has to have rows.
        counts_all = isinstance(rule, forms.ExactlyOne | forms.Count)
        if rule.group_by:
            events = tuple(event for event in events if event != "TRUNCATE")
        about = TRUE if counts_all and rule.group_by else where
        buckets = BUCKETS if rule.group_by else 1
        of_all_rows = Sql(f"{qualified((relation.schema, relation.name))} AS {ROW} WHERE {about}")
        group_columns = tuple(key_value(relation, name, ROW) for name in rule.group_by)
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

    def _one_table_form(self, base: Form) -> tuple[str, Form, tuple[str, ...], tuple[Event, ...]]:
        """Template, context, columns besides those of groups and conditions, and events."""
        rule, common = self.rule, vars(base)

        def value(name: str, parameter: str = "column") -> Sql:
            self._column(name, parameter)
            return Sql(f"{ROW}.{sql.identifier(name)}")

        template = f"assertions/{rule.kind}"
        match rule:
            case forms.AllEqual():
                self._probe_comparison(rule.value, "=", rule.value, "column")
                of = common | {
                    "value": value(rule.value),
                    "text": texts.text(self._column(rule.value, "column"), ROW),
                    "column_name": sql.literal(rule.value),
                }
                return template, Form(**of), (rule.value,), ADDING
            case forms.AtMostOne():
                return template, base, (), ADDING
            case forms.ExactlyOne():
                return template, base, (), ALL_EVENTS
            case forms.Count():
                low, high = rule.min or 0, rule.max if rule.max is not None else 2**62
                wanted = _between(rule.min, rule.max)
                bounds = {"low": sql.literal(low), "high": sql.literal(high), "wanted": sql.literal(wanted)}
                return template, _Count(**common, **bounds), (), ALL_EVENTS if low > 0 else ADDING
            case forms.AddsUpTo():
                self._check_sum(rule)
                of = common | {"value": value(rule.value), "column_name": sql.literal(rule.value)}
                wanted = f"{rule.total} (within {rule.tolerance})" if rule.tolerance else str(rule.total)
                total = {
                    "total": sql.literal(rule.total),
                    "tolerance": sql.literal(rule.tolerance),
                    "wanted": sql.literal(wanted),
                }
                return template, _Sum(**of, **total), (rule.value,), ("INSERT", "UPDATE", "DELETE")
            case forms.NeverOverlap():
                spans = {"start": value(rule.start, "from"), "end": value(rule.end, "to")}
                self._probe_comparison(rule.start, "<", rule.end, "to")
                return template, _Spans(**common, **spans), (rule.start, rule.end), ADDING
            case forms.KeepsOrder():
                return template, self._order(rule, common, value), (rule.value, *rule.order), ADDING
            case _:
                raise AssertionError(rule.kind)

    def _check_sum(self, rule: forms.AddsUpTo) -> None:
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

    def _order(self, rule: forms.KeepsOrder, common: dict[str, Sql], value: object) -> _Order:
        assert callable(value)
        own = value(rule.value)
        self._probe_comparison(rule.value, "<", rule.value, "column")
        for name in rule.order:
            self._probe_comparison(name, "<", name, "order")
        columns = [value(name, "order") for name in rule.order]
        # Rows of one moment are put in the order that keeps the promise, if any does.
        tie = "ASC" if rule.direction == "rising" else "DESC"
        strict = "=" if rule.strictly else ""
        return _Order(
            **(common | {"value": own, "column_name": sql.literal(rule.value)}),
            order=sql.join(", ", (*columns, Sql(f"{own} {tie}"))),
            ordered=sql.join(" AND ", (Sql(f"{column} IS NOT NULL") for column in columns)),
            operator=Sql(("<" if rule.direction == "rising" else ">") + strict),
        )

    def _probe_comparison(
        self, ours: str, operator: str, theirs: str, parameter: str, *, of: Relation | None = None
    ) -> None:
        """Have PostgreSQL say at the parameter, and not of the whole assertion, that it cannot compare two columns."""
        relation = self._table.relation
        one, two = self._column(ours, parameter), self._column(theirs, parameter, of=of)
        if operator != "=":
            for column in (one, two):
                check_casts(column, self.rule.place(parameter))
        other = of or relation
        probe = _Comparison(
            ours=Sql(f"{ROW}.{sql.identifier(ours)}"),
            operator=Sql(operator),
            theirs=Sql(f"{OTHER}.{sql.identifier(theirs)}"),
            our_table=qualified((relation.schema, relation.name)),
            their_table=qualified((other.schema, other.name)),
        )
        self._probes.append((sql.render("assertion_probe_comparison", probe), self.rule.place(parameter)))

    # Forms about two tables

    def _across(self, rule: forms.AcrossTables) -> Parts:
        relation, other = self._table.relation, self._other(rule)
        ours, theirs = tuple(one for one, _ in rule.on), tuple(one for _, one in rule.on)
        place = rule.place("on")
        types = tuple(
            self._type((self._column(one, "on"), self._column(two, "on", of=other)), place)
            for one, two in rule.on
        )
        self._bucket_probe(types, place)
        where, among = self._where(rule.where, relation, ROW), self._where(rule.among, other, OTHER)
        about_other = rule.among.qualified(ROW) if rule.among else TRUE
        key, shown, touched = self._group(ours, types)
        rows, others = self._rows(relation, ROW, ours, where), self._rows(other, OTHER, theirs, among)
        of_row = row_key(self._table, ROW)
        common = {
            "groups": touched,
            "group_key": key,
            "group_shown": shown,
            "rows": rows,
            "row_keys": sql.render("assertion_rows", _Rows(of_row, rows)),
            "row_key": of_row,
            "table_name": sql.literal(f"{relation.schema}.{relation.name}"),
            "other_name": sql.literal(f"{other.schema}.{other.name}"),
        }
        read = (*ours, *(rule.where.columns if rule.where else ()))
        read_there = (*theirs, *(rule.among.columns if rule.among else ()))
        here, there = ADDING, ADDING
        match rule:
            case forms.NoneWithout():
                form: Form = _Across(**common, others=others)
                there = REMOVING
            case forms.ExistsForEach():
                form = _Across(**common, others=others)
                here = REMOVING
            case forms.SameAsThere():
                form = self._same(rule, common, other, among)
                read += tuple(one for one, _ in rule.columns)
                read_there += tuple(one for _, one in rule.columns)
            case _:
                raise AssertionError(rule.kind)
        from_other = isinstance(rule, forms.ExistsForEach)
        source, row, columns, condition = (
            (other, OTHER, theirs, among) if from_other else (relation, ROW, ours, where)
        )
        every = Sql(f"{qualified((source.schema, source.name))} AS {row} WHERE {condition}")
        groups = self._all_groups(tuple(key_value(source, name, row) for name in columns), types, every)
        template = f"assertions/{rule.kind}"
        return self._finish(
            Parts(
                touches=(
                    self._touch(relation, here, read, ours, types, where, BUCKETS),
                    self._touch(other, there, read_there, theirs, types, about_other, BUCKETS),
                ),
                of_all=sql.render(template, type(form)(**(vars(form) | {"groups": groups}))),
                of_touched=sql.render(template, form),
                buckets=BUCKETS,
                lookups=((relation, ours, place), (other, theirs, place)),
                cost=f"rows of both tables that are equal in {', '.join(ours)}",
            )
        )

    def _other(self, rule: forms.AcrossTables) -> Relation:
        name = ".".join(rule.table)
        other = self._catalog.relations.get(rule.table)
        if other is None:
            raise CatalogError(f"table {name} does not exist", location=rule.place("table"))
        if other.kind not in ("r", "p") or other.is_partition:
            raise CatalogError(
                f"{name} is not a table whose writes could all be seen",
                hint="name the table itself, not a view or a partition of it",
                location=rule.place("table"),
            )
        if rule.table == (self._table.relation.schema, self._table.relation.name):
            raise CatalogError(
                "the other table is this one", hint='say it with "sql"', location=rule.place("table")
            )
        return other

    def _same(self, rule: forms.SameAsThere, common: dict[str, Sql], other: Relation, among: Sql) -> _Same:
        pairs = []
        for ours, theirs in rule.columns:
            one, two = self._column(ours, "columns"), self._column(theirs, "columns", of=other)
            our_text, their_text = texts.text(one, ROW), texts.text(two, OTHER)
            values = our_text, their_text
            if one.plain and two.plain:
                self._probe_comparison(ours, "=", theirs, "columns", of=other)
                values = Sql(f"{ROW}.{sql.identifier(ours)}"), Sql(f"{OTHER}.{sql.identifier(theirs)}")
            pairs.append(_Pair(*values, our_text, their_text, sql.literal(ours)))
        matches = [
            Sql(f"{key_value(other, theirs, OTHER)} = {GROUP}.g{n}") for n, (_, theirs) in enumerate(rule.on)
        ]
        return _Same(
            **common,
            other_rows=Sql(f"{qualified(rule.table)} AS {OTHER}"),
            other_matches=sql.join(" AND ", (*self._pins(other), *matches, among)),
            pairs=tuple(pairs),
        )

    # A query of the author's own


def _between(low: int | None, high: int | None) -> str:
    if high is None:
        return f"at least {low}"
    if not low:
        return f"at most {high}"
    return str(low) if low == high else f"between {low} and {high}"
