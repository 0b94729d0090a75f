"""Values that exist in another table, by a query and as a foreign key."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgslo import naming, sql
from pgslo.catalog import Column, ForeignKey, Name, Relation
from pgslo.compile.artifact import Artifact, Constraint, Statement, qualified
from pgslo.compile.choice import Choice
from pgslo.compile.rows.constraints import SCAN, unchecked
from pgslo.compile.rows.kinds.base import Given
from pgslo.compile.rows.kinds.lookups import LookupKind, Pair
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.column_types import check_casts, check_operators, without_domain
from pgslo.compile.table.subject import Subject
from pgslo.compile.table.trust import is_replaceable, trusted, untrusted
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Referring:
    """A query of another table."""

    table: Sql
    pins: tuple[Sql, ...]
    first: Pair
    others: tuple[Pair, ...]


@dataclass(frozen=True)
class _Orphans:
    """A query of rows without a row in another table, and the conditions for the rows that it is about."""

    table: Sql
    columns: Sql
    conditions: tuple[Sql, ...]
    other: Sql
    equal: Sql


@dataclass(frozen=True)
class _ForeignKey:
    table: Sql
    constraint: Sql
    columns: Sql
    target: Sql
    to: Sql
    not_valid: Sql


class References(LookupKind[rules.References]):
    """A value exists in another table."""

    def looked_up(self, row: Sql, given: Given, *, pinned: bool) -> Sql:
        """Return what the rule asks of a row."""
        pairs = tuple(
            Pair(
                given(without_domain(column, value_of(column, row)), column.base_type),
                without_domain(target, sql.identifier(other)),
            )
            for own, other in zip(self.rule.columns, self.rule.to, strict=True)
            for column, target in [self._columns(own, other)]
        )
        relation = self.rule.relation
        pins = self.pins(relation, pinned=pinned)
        return self.rendered(_Referring(sql.identifier(*relation), pins, pairs[0], pairs[1:]))

    def by_query(self) -> Sql:
        """Return a query that returns the rows without a row in the other table."""
        equal = sql.join(
            " AND ",
            (
                Sql(f"o.{sql.identifier(other)} = t.{sql.identifier(own)}")
                for own, other in zip(self.rule.columns, self.rule.to, strict=True)
            ),
        )
        context = _Orphans(
            qualified(self.subject.name),
            self.columns_of_query(),
            self.conditions_of_query(),
            sql.identifier(*self.rule.relation),
            equal,
        )
        return sql.render("references_query", context)

    def _columns(self, own: str, other: str) -> tuple[Column, Column]:
        """Return a column and the one that it refers to, which no cast may bring together.

        Raises:
            CatalogError: They are of two types, and not both of these are PostgreSQL's own.
        """
        rule = self.rule
        column = self.subject.column(own, rule.location)
        target = self.subject.catalog.relations.get(rule.relation)
        # A table that does not exist is reported where it is looked for.
        found = target.column(other) if target else None
        if found is not None and column.base_type != found.base_type and not (column.plain and found.plain):
            raise self.unfit(
                column,
                f'"{rule.table}.{other}" has type {found.type}, and a cast would decide about the comparison',
            )
        return column, found or column

    def _check_types(self) -> None:
        """Make sure that no cast decides what refers to what."""
        for own, other in zip(self.rule.columns, self.rule.to, strict=True):
            for column in self._columns(own, other):
                check_casts(column, self.rule.location)

    def _target(self) -> Relation:
        """Return the table that the rule refers to.

        Raises:
            CatalogError: It or one of its columns does not exist.
        """
        rule = self.rule
        target = self.subject.catalog.relations.get(rule.relation)
        if target is None:
            raise CatalogError(f"table {rule.table} does not exist", location=rule.place("table"))
        for n, name in enumerate(rule.to):
            place = rule.place(
                f"to.{n}" if f"to.{n}" in rule.places else "to" if "to" in rule.places else "column"
            )
            Subject(target, self.subject.catalog).column(name, place)
        return target

    def searched(self) -> tuple[Relation, tuple[str, ...]]:
        """Return the other table, and its columns."""
        target = self._target()
        for name in self.rule.to:
            check_operators(
                Subject(target, self.subject.catalog).column(name, self.rule.location), self.rule.location
            )
        self._check_types()
        return target, self.rule.to

    def foreign_target(self) -> Relation | None:
        """Return the other table, if another role owns or can replace it than pgslo's owner and its own table's."""
        target = self.subject.catalog.relations.get(self.rule.relation)
        if target is None:
            return None
        if not is_replaceable(target, self.subject):
            return None
        if target.owner in trusted(target, self.subject):
            return target
        reach = self.subject.catalog.reaches[
            ((self.subject.relation.schema, self.subject.relation.name), self.rule.relation)
        ]
        if not reach.may_act:
            raise CatalogError(
                f'"{self.rule.table}" belongs to role {target.owner}, with whose rights it has to be looked up',
                detail="With other rights, policies and indexes of that role would run its code as the role that applies.",
                hint=f"GRANT {target.owner} to the role that applies, or use on_breach: reject, which is a foreign key",
                location=self.rule.place("table"),
            )
        return target

    def choose(self, writes: Writes) -> Choice:
        """Return the cheapest mechanism that can enforce the rule."""
        if not self.rule.is_foreign_key:
            return super().choose(writes)
        return Choice(
            self.rule,
            "native",
            "only a foreign key prevents deletes in the other table; its error is PostgreSQL's own (23503)",
        )

    def wanted_constraint(self) -> dict[str, object]:
        """Return what has to be in the database for the rule."""
        return {
            "kind": "foreign_key",
            "columns": list(self.rule.columns),
            "table": list(self.rule.relation),
        }

    def constraint(self, definition: str, reason: str) -> Artifact | None:
        """Return a foreign key, or ``None`` if the table has it."""
        rule, relation = self.rule, self.subject.relation
        target_name = rule.relation
        if ForeignKey(rule.columns, target_name, rule.to) in relation.foreign_keys:
            return None
        target = self._target()
        if not target.has_unique(rule.to):
            raise CatalogError(
                f"{rule.table} ({', '.join(rule.to)}) has no unique constraint, which a foreign key needs",
                hint="make it unique, or use on_breach: quarantine, flag or warn, which only look the value up",
                location=rule.place("table"),
            )
        # An implicit cast keeps PostgreSQL itself from choosing the operator of a foreign key, or is its choice.
        self._check_types()
        name = naming.fit("pgslo", rule.name)
        own: Name = (relation.schema, relation.name)
        where = f"{relation.schema}.{relation.name}"
        # A foreign key of a partitioned table may be NOT VALID from 18 on.
        at_once = relation.kind == "p" and self.subject.catalog.major < 18
        stranger = untrusted(target, self.subject)
        if at_once and stranger:
            raise CatalogError(
                f"a foreign key to {rule.table} would run functions of role {stranger} with the rights of the role that applies",
                detail="Before PostgreSQL 18 a foreign key of a partitioned table is validated as it is made.",
                hint="use on_breach: quarantine, flag or warn, which only look the value up",
                location=rule.place("table"),
            )
        constraint = Constraint(qualified(own), sql.identifier(name))
        context = _ForeignKey(
            table=qualified(own),
            constraint=sql.identifier(name),
            columns=sql.join(", ", (sql.identifier(column) for column in rule.columns)),
            target=qualified(target_name),
            to=sql.join(", ", (sql.identifier(column) for column in rule.to)),
            not_valid=Sql("" if at_once else " NOT VALID"),
        )
        both = f"{where}, {rule.table}"
        add = Statement(
            sql.render("foreign_key", context),
            "SHARE ROW EXCLUSIVE",
            both,
            hazards=("reads the whole table while writes wait",)
            if at_once
            else ("for a moment; new rows are held to it from here on",),
        )
        validate = Statement(
            sql.render("validate", constraint), "SHARE UPDATE EXCLUSIVE", where, later=True, hazards=(SCAN,)
        )
        made = Artifact(
            kind="foreign_key",
            names=(name,),
            relation=own,
            definition=definition,
            create=(add,) if at_once else (add, validate),
            reason=reason,
            commented=Sql(f"CONSTRAINT {context.constraint} ON {context.table}"),
            refers_to=target_name,
        )
        if stranger is None:
            return made
        # Validation plans a join of both tables as the role that applies. The key is the same for every role.
        return replace(
            made,
            create=(add,),
            known_as=made.fingerprint,
            note=unchecked(rule, stranger),
        )
