"""Assertions about rows of one table and those of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pgslo import sql
from pgslo.catalog import Relation
from pgslo.compile.artifact import qualified
from pgslo.compile.assertions.groups import BUCKETS, GROUP, NOTHING, OTHER, TRUE, Form, Parts, key_value
from pgslo.compile.assertions.kinds.base import AssertionKind, Native, Rows
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import texts
from pgslo.compile.table.subject import ROW
from pgslo.definition.rules.kinds import assertions as rules
from pgslo.errors import CatalogError
from pgslo.expression.queries.derivation import ADDING, REMOVING, Event
from pgslo.sql import Sql

A = TypeVar("A", bound=rules.AcrossTables)
#: What a template gets, and the columns of both tables that are compared besides those that name a group.
Stated = tuple[Form, tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class _Across(Form):
    others: Sql = NOTHING
    other_shown: Sql = NOTHING
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
    other_shown: Sql = NOTHING
    other_rows: Sql = NOTHING
    other_matches: Sql = NOTHING
    pairs: tuple[_Pair, ...] = ()


class _TwoTables(AssertionKind[A]):
    """An assertion about groups that rows of both tables make.

    Attributes:
        here: Statements on its own table that can break it.
        there: Statements on the other one that can.
        groups_from_other: Whether each row of the other table makes a group, and not each row of its own.
    """

    here: ClassVar[tuple[Event, ...]] = ADDING
    there: ClassVar[tuple[Event, ...]] = ADDING
    groups_from_other: ClassVar[bool] = False

    def form(self, common: dict[str, Sql], others: Sql, other: Relation, among: Sql) -> Stated:
        """Return what the template gets.

        Args:
            common: The common part of all kinds.
            others: Rows of the other table in a group.
            other: That table.
            among: Which of its rows are meant.
        """
        del other, among
        return _Across(**common, others=others), (), ()

    def compiled(self) -> Parts:
        """Return the queries over the groups that rows of both tables make."""
        rule = self.rule
        relation, other = self._table.relation, self._other()
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
            "row_keys": sql.render("assertion_rows", Rows(of_row, rows)),
            "row_key": of_row,
            "table_name": sql.literal(f"{relation.schema}.{relation.name}"),
            # Rows of the other table are named by its own columns.
            "other_shown": self._group(theirs, types)[1],
            "other_name": sql.literal(f"{other.schema}.{other.name}"),
        }
        read = (*ours, *(rule.where.columns if rule.where else ()))
        read_there = (*theirs, *(rule.among.columns if rule.among else ()))
        form, compared, compared_there = self.form(common, others, other, among)
        read, read_there = (*read, *compared), (*read_there, *compared_there)
        source, row, columns, condition = (
            (other, OTHER, theirs, among) if self.groups_from_other else (relation, ROW, ours, where)
        )
        every = Sql(f"{qualified((source.schema, source.name))} AS {row} WHERE {condition}")
        groups = self._all_groups(tuple(key_value(source, name, row) for name in columns), types, every)
        template = f"assertions/{rule.kind}"
        return self._finish(
            Parts(
                touches=(
                    self._touch(relation, self.here, read, ours, types, where, BUCKETS),
                    self._touch(other, self.there, read_there, theirs, types, about_other, BUCKETS),
                ),
                of_all=sql.render(template, type(form)(**(vars(form) | {"groups": groups}))),
                of_touched=sql.render(template, form),
                buckets=BUCKETS,
                lookups=((relation, ours, place), (other, theirs, place)),
                cost=f"rows of both tables that are equal in {', '.join(ours)}",
            )
        )

    def _other(self) -> Relation:
        rule = self.rule
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


class NoneWithout(_TwoTables[rules.NoneWithout]):
    """No row is without one in the other table."""

    has_constraint = True
    there = REMOVING

    def constraint(self) -> Native:
        """Return a foreign key, or the reason against it."""
        rule = self.rule
        if rule.where is not None or rule.among is not None:
            return "a foreign key is about all rows"
        theirs = tuple(one for _, one in rule.on)
        other = self._table.subject.catalog.relations[rule.table]
        if not other.has_unique(theirs):
            return f"a foreign key needs {', '.join(theirs)} to be unique in {'.'.join(rule.table)}"
        reason = "a foreign key says the same, at every isolation level"
        return self.constraint_of(rule.as_rule(), reason)


class ExistsForEach(_TwoTables[rules.ExistsForEach]):
    """There is a row for each row of the other table."""

    here = REMOVING
    groups_from_other = True


class SameAsThere(_TwoTables[rules.SameAsThere]):
    """Rows with the same key have the same values."""

    def form(self, common: dict[str, Sql], others: Sql, other: Relation, among: Sql) -> Stated:
        """Return what the template gets."""
        del others
        rule = self.rule
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
        form = _Same(
            **common,
            other_rows=Sql(f"{qualified(rule.table)} AS {OTHER}"),
            other_matches=sql.join(" AND ", (*self._pins(other), *matches, among)),
            pairs=tuple(pairs),
        )
        return form, tuple(one for one, _ in rule.columns), tuple(one for _, one in rule.columns)
