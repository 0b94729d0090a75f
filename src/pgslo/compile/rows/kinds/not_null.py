"""NOT NULL, as a condition and as a constraint."""

from __future__ import annotations

from dataclasses import replace

from pgslo import sql
from pgslo.catalog import Name
from pgslo.compile.artifact import Artifact, Constraint, Statement
from pgslo.compile.artifact import NotNull as NotNullContext
from pgslo.compile.choice import Choice
from pgslo.compile.rows.constraints import SCAN, unchecked
from pgslo.compile.rows.kinds.base import RowKind, Value
from pgslo.compile.snippets.literals import COMPOSITE
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.trust import untrusted
from pgslo.definition import rules
from pgslo.sql import Sql


class NotNull(RowKind[rules.NotNull]):
    """A column has a value."""

    calls_operators = False
    may_raise = False

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        column = self.own()
        value = Value(value_of(column, row))
        if column.category == COMPOSITE:
            # To SQL, a row of NULLs IS NULL, though it is a value.
            return sql.render("not_null_composite", value)
        return self.rendered(value)

    def choose(self, writes: Writes) -> Choice:
        """Return the cheapest mechanism that can enforce the rule."""
        # A path into a value is not a column that can be NOT NULL.
        if self.rule.on_breach != "reject" or self.rule.where is not None or self.rule.paths:
            return super().choose(writes)
        return Choice(
            self.rule,
            "native",
            "NOT NULL costs a write nothing and no writer gets round it; its error is PostgreSQL's own (23502)",
        )

    def wanted_constraint(self) -> dict[str, object]:
        """Return what has to be in the database for the rule."""
        return {"kind": "not_null", "columns": [self.rule.column]}

    def constraint(self, definition: str, reason: str) -> Artifact | None:
        """Return what makes the column NOT NULL, or ``None`` if it is so already."""
        relation, column = self.subject.relation, self.own()
        own: Name = (relation.schema, relation.name)
        where = f"{relation.schema}.{relation.name}"
        ours = any(
            one.kind == "not_null" and one.names == (column.name,) and one.relation == own
            for one in self.subject.catalog.installed
        )
        if column.not_null and not ours:
            return None
        context = NotNullContext.of(own, column.name)
        constraint = Constraint(context.table, context.constraint)
        made = Artifact(
            kind="not_null",
            names=(column.name,),
            relation=own,
            definition=definition,
            create=(
                Statement(
                    sql.render("not_null_check", context),
                    "ACCESS EXCLUSIVE",
                    where,
                    hazards=("for a moment; new rows are held to it from here on",),
                ),
                Statement(
                    sql.render("validate", constraint),
                    "SHARE UPDATE EXCLUSIVE",
                    where,
                    later=True,
                    hazards=(SCAN,),
                ),
                Statement(
                    sql.render("not_null_set", context),
                    "ACCESS EXCLUSIVE",
                    where,
                    later=True,
                    hazards=("for a moment: the check proves it, nothing is read",),
                    then=(sql.render("drop_constraint", constraint), sql.render("not_null_note", context)),
                ),
            ),
            reason=reason,
        )
        stranger = untrusted(relation, self.subject)
        if stranger is None:
            return made
        # SET NOT NULL looks for a CHECK that proves it, and simplifies every CHECK as the role that applies.
        return replace(
            made, create=made.create[:1], known_as=made.fingerprint, note=unchecked(self.rule, stranger)
        )
