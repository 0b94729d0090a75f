"""Rows that differ, by a query and as a unique index."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Column, Relation
from pgslo.compile.artifact import Artifact, Statement, qualified
from pgslo.compile.choice import Choice
from pgslo.compile.rows.constraints import SCAN
from pgslo.compile.rows.kinds.base import Given
from pgslo.compile.rows.kinds.lookups import LookupKind, Pair
from pgslo.compile.snippets import session_settings, texts
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table import paths
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.column_types import without_domain
from pgslo.compile.table.subject import NEW
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Alone:
    """A query of the same table: which of the rows found count, and how many are too many."""

    table: Sql
    pins: tuple[Sql, ...]
    first: Pair
    others: tuple[Pair, ...]
    scope: tuple[Sql, ...]
    limit: Sql


@dataclass(frozen=True)
class _WithNulls:
    """A query for each way in which values of the row can be NULL, of which one finds rows."""

    table: Sql
    pins: tuple[Sql, ...]
    ways: tuple[Sql, ...]
    scope: tuple[Sql, ...]
    limit: Sql


@dataclass(frozen=True)
class _Doubles:
    """A query of values that several rows have, and the conditions for the rows that it is about."""

    table: Sql
    columns: Sql
    conditions: tuple[Sql, ...]


@dataclass(frozen=True)
class _OtherKey:
    """The key of a row found, of the row to be written, and of the row it replaces."""

    other: Sql
    new: Sql
    old: Sql
    inserts: Sql


@dataclass(frozen=True)
class _OtherRow:
    """The ctid of the row to be replaced, which identifies it."""

    table: Sql
    place: Sql
    inserts: Sql


@dataclass(frozen=True)
class _UniqueIndex:
    concurrently: Sql
    index: Sql
    table: Sql
    columns: Sql
    nulls: Sql
    where: Sql


_OTHER = Sql("other")
_EQUAL, _BOTH_NULL = "unique_equal", "unique_both_null"
#: The columns that may be NULL in a query: it has a branch for each way in which they can be, so twice as many for each.
_MOST_NULLABLE = 4
#: The first major version with NULLS NOT DISTINCT.
_NOT_DISTINCT = 15


class Unique(LookupKind[rules.Unique]):
    """No two rows have the same values in some columns."""

    or_else = "; or use on_breach: reject, which builds a unique index"

    def looked_up(self, row: Sql, given: Given, *, pinned: bool) -> Sql:
        """Return what the rule asks of a row."""
        rule, relation = self.rule, self.subject.relation
        pairs = tuple(
            Pair(
                given(without_domain(column, value_of(column, row)), column.base_type),
                without_domain(column, value_of(column, _OTHER)),
            )
            for own in rule.columns
            for column in [self.subject.column(own, rule.location)]
        )
        # Before the row is stored there must be none like it; after the statement it is there itself.
        scope = (self._other_rows(given),) if row == NEW else ()
        if rule.where:
            scope = (*scope, rule.where.qualified(Sql("other")))
        table, pins = (
            sql.identifier(relation.schema, relation.name),
            self.pins(self.subject.name, pinned=pinned),
        )
        limit = Sql("1" if row == NEW else "2")
        if rule.nulls == "same":
            return sql.render("unique_with_nulls", _WithNulls(table, pins, self._ways(pairs), scope, limit))
        return self.rendered(_Alone(table, pins, pairs[0], pairs[1:], scope, limit))

    def _ways(self, pairs: tuple[Pair, ...]) -> tuple[Sql, ...]:
        """Return a condition for each way in which values of the row can be NULL; an index finds rows by each of them."""
        each = [(_EQUAL, _BOTH_NULL) if name in self._nullable() else (_EQUAL,) for name in self.rule.columns]
        return tuple(
            sql.join(" AND ", (sql.render(stem, pair) for stem, pair in zip(way, pairs, strict=True)))
            for way in itertools.product(*each)
        )

    def _nullable(self) -> tuple[str, ...]:
        """Return the columns that may be NULL; those that are not only because of a rule may be at any time."""
        relation = self.subject.relation
        ruled = {
            one.names[0]
            for one in self.subject.catalog.installed
            if one.kind == "not_null" and one.relation == (relation.schema, relation.name)
        }
        return tuple(
            name
            for name in self.rule.columns
            if (column := self.subject.column(name, self.rule.location)).name in ruled or not column.not_null
        )

    def finds_null(self) -> bool:
        """Whether two NULLs are the same, in columns that may be NULL."""
        return self.rule.nulls == "same" and bool(self._nullable())

    def check_lookup(self) -> None:
        """Make sure that a trigger finds rows by an index, and that a query for NULLs has not too many branches."""
        rule = self.rule
        for name in rule.paths:
            column = self.subject.column(name, rule.location)
            raise CatalogError(
                f"no index finds rows by {name}, which is inside of a column",
                detail=f"on_breach: {rule.on_breach} looks each written row up; without an index a write would read the whole table.",
                hint=f"use on_breach: reject, which builds a unique index, or make it a column: {paths.generated(self.subject.relation, column)}",
                location=rule.location,
            )
        super().check_lookup()
        nullable = self._nullable()
        if rule.nulls == "same" and len(nullable) > _MOST_NULLABLE:
            raise CatalogError(
                f"{len(nullable)} of the columns may be NULL ({', '.join(nullable)}); a query for duplicates takes at most {_MOST_NULLABLE} of them",
                detail="nulls: same looks rows up by each way in which columns can be NULL; each column doubles them.",
                hint=f"make columns that have a value in every row NOT NULL{self.or_else}",
                location=self.rule.place("nulls"),
            )

    def _other_rows(self, given: Given) -> Sql:
        """The condition for a row to be another than the one about to be written."""
        key = self.subject.relation.primary_key
        inserts = given(Sql("TG_OP = 'INSERT'"), "boolean")
        if not key or set(key) <= set(self.rule.columns):
            stored = given(Sql("OLD.tableoid"), "oid"), given(Sql("OLD.ctid"), "tid")
            return sql.render("unique_other_row", _OtherRow(*stored, inserts))
        columns = [self.subject.column(name, self.rule.location) for name in key]

        # A row with this key is the one that INSERT … ON CONFLICT is about to update.
        def of(alias: str) -> Sql:
            return sql.join(
                ", ",
                (
                    given(texts.comparable(column, Sql(alias)), column.base_type if column.plain else "text")
                    for column in columns
                ),
            )

        other = sql.join(", ", (texts.comparable(column, Sql("other")) for column in columns))
        return sql.render("unique_other_key", _OtherKey(other, of("NEW"), of("OLD"), inserts))

    def by_query(self) -> Sql:
        """Return a query that returns what several rows have."""
        context = _Doubles(
            qualified(self.subject.name),
            self.columns_of_query(),
            self.conditions_of_query(with_null=self.rule.nulls == "same"),
        )
        return sql.render("unique_query", context)

    def searched(self) -> tuple[Relation, tuple[str, ...]]:
        """Return the table itself, and the rule's columns."""
        return self.subject.relation, self.rule.columns

    def choose(self, writes: Writes) -> Choice:
        """Return the cheapest mechanism that can enforce the rule."""
        if self.rule.on_breach != "reject":
            return super().choose(writes)
        return Choice(
            self.rule,
            "native",
            "only a unique index holds between concurrent writers; its error is PostgreSQL's own (23505)",
        )

    def wanted_constraint(self) -> dict[str, object] | None:
        """Return what has to be in the database for the rule; ``None`` for an index of some rows or of expressions, which only pgslo makes."""
        if self.rule.where is not None or self.rule.paths:
            return None
        wanted: dict[str, object] = {"kind": "unique", "columns": list(self.rule.columns)}
        return wanted | {"nulls": "same"} if self.finds_null() else wanted

    def constraint(self, definition: str, reason: str) -> Artifact | None:
        """Return a unique index, or ``None`` if the table has one."""
        rule, relation = self.rule, self.subject.relation
        not_distinct = self.finds_null()
        if rule.where is None and relation.has_unique(rule.columns, nulls_same=not_distinct):
            return None
        if not_distinct and self.subject.catalog.major < _NOT_DISTINCT:
            raise CatalogError(
                f"no index of PostgreSQL {self.subject.catalog.major} takes two NULLs for the same",
                detail=f"NULLS NOT DISTINCT is there from PostgreSQL {_NOT_DISTINCT} on; {', '.join(self._nullable())} may be NULL.",
                hint=f"make columns that have a value in every row NOT NULL, use on_breach: quarantine, flag or warn, or upgrade to PostgreSQL {_NOT_DISTINCT}",
                location=rule.place("nulls"),
            )
        missing = [name for name in relation.partition_key if name not in rule.columns]
        if missing:
            raise CatalogError(
                f"rows of a {'hypertable' if relation.is_hypertable else 'partitioned table'} cannot be unique without its partition key ({', '.join(relation.partition_key)})",
                hint=f"add {', '.join(missing)} to the columns, or use on_breach: warn with an index to look rows up",
                location=rule.location,
            )
        if rule.where and session_settings.needed((rule.where,), relation):
            raise CatalogError(
                "an index cannot hold a condition that depends on settings of the session",
                hint="say the zone, as in AT TIME ZONE 'UTC', or use on_breach: quarantine, flag or warn",
                location=rule.where.location,
            )
        columns = [self.subject.column(column, rule.location) for column in rule.columns]
        for column in columns:
            if column.inside is not None and not column.inside.is_indexable:
                raise CatalogError(
                    f'no index can hold "{column.name}": it depends on the session, or on a function of pgslo',
                    hint="a unique rule can be about the column itself, a key of jsonb, a field, a bound or a length",
                    location=rule.location,
                )
        partitioned = relation.kind == "p" or relation.is_hypertable
        name = naming.fit("pgslo", relation.name, rule.name)
        where = f"{relation.schema}.{relation.name}"
        context = _UniqueIndex(
            # An index of a partitioned table, or of a hypertable, cannot be built concurrently.
            concurrently=Sql("" if partitioned else " CONCURRENTLY"),
            index=sql.identifier(name),
            table=qualified((relation.schema, relation.name)),
            columns=sql.join(", ", (_indexed(column) for column in columns)),
            nulls=Sql(" NULLS NOT DISTINCT" if not_distinct else ""),
            where=Sql(
                f" WHERE {rule.where.qualified(qualified((relation.schema, relation.name)))}"
                if rule.where
                else ""
            ),
        )
        index = sql.identifier(relation.schema, name)
        return Artifact(
            kind="unique_index",
            names=(relation.schema, name),
            relation=(relation.schema, relation.name),
            definition=definition,
            create=(
                Statement(
                    sql.render("unique_index", context),
                    "ACCESS EXCLUSIVE" if partitioned else "SHARE UPDATE EXCLUSIVE",
                    where,
                    alone=not partitioned,
                    later=not partitioned,
                    hazards=("blocks writes while it is built",)
                    if partitioned
                    else (SCAN, "waits for transactions that are open now"),
                ),
            ),
            reason=reason,
            commented=Sql(f"INDEX {index}"),
        )


def _indexed(column: Column) -> Sql:
    """Return the key of an index: the column, or the expression for a path into one."""
    name = sql.identifier(column.inside.column if column.inside else column.name)
    return Sql(f"({name.text.join(column.inside.value)})") if column.inside else name
