"""The methods of each kind of assertion when a definition is compiled, with defaults that fit most kinds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pgslo import sql
from pgslo.catalog import Relation
from pgslo.compile.artifact import Artifact, only_made, qualified
from pgslo.compile.assertions.groups import OTHER, A, GroupCompiler, Parts
from pgslo.compile.rows import kinds as row_kinds
from pgslo.compile.snippets import session_settings
from pgslo.compile.table.column_types import check_casts
from pgslo.compile.table.subject import ROW
from pgslo.definition.rules import Rule
from pgslo.sql import Sql

#: A constraint, or ``None`` where the table has it, with why it is chosen; or the reason against it, empty where that is obvious.
Native = tuple[Artifact | None, str] | str


@dataclass(frozen=True)
class _Comparison:
    ours: Sql
    operator: Sql
    theirs: Sql
    our_table: Sql
    their_table: Sql


@dataclass(frozen=True)
class Rows:
    """Rows of a group, and how one of them is named."""

    row_key: Sql
    rows: Sql


class AssertionKind(GroupCompiler[A]):
    """An assertion with its table. Each kind is a subclass, which overrides what differs.

    Attributes:
        has_constraint: Whether a constraint of PostgreSQL can state the same.
    """

    has_constraint: ClassVar[bool] = False

    def parts(self) -> Parts:
        """Return the queries that find groups that break the assertion, and what can break it.

        Raises:
            CatalogError: A table or column does not exist, or has a type that the assertion cannot judge.
        """
        made = self.compiled()
        # What writers run; the runtime looks at parts itself before it reads all groups.
        looked = type(self)(self.rule, self._table, pinned=True).compiled()
        return replace(made, of_touched=looked.of_touched)

    def compiled(self) -> Parts:
        """Return the same, with one way to read tables in all queries."""
        raise NotImplementedError

    def native(self) -> Native:
        """Return the constraint that states the same, or the reason against it."""
        rule = self.rule
        if rule.on_breach != "reject" or not self.has_constraint:
            return ""
        if rule.is_deferred:
            return "writers who conflict in a deferred constraint wait for each other until PostgreSQL ends one of them"
        if session_settings.needed((rule,), self._table.relation):
            return "a constraint evaluates conditions under the settings of each session, which would change them"
        if not rule.validated:
            return "a constraint would apply to existing rows as well"
        return self.constraint()

    def constraint(self) -> Native:
        """Return the constraint of an assertion that may have one."""
        raise NotImplementedError

    def constraint_of(self, rule: Rule, reason: str) -> Native:
        """Return the constraint of a rule over rows that states the same."""
        made = row_kinds.of(rule, self._subject).constraint(self._table.definition.name, reason)
        return made, reason if made else "the table has it already; nothing is created"

    def rests_on(self, made: Artifact | None) -> dict[str, object] | None:
        """Return what has to be in the database for a native assertion."""
        rule = self.rule.as_rule()
        return row_kinds.of(rule, self._subject).rests_on(made) if rule is not None else only_made(made)

    def _probe_comparison(
        self, ours: str, operator: str, theirs: str, parameter: str, *, of: Relation | None = None
    ) -> None:
        """Have PostgreSQL compare two columns, so that an error is at the parameter and not at the whole assertion."""
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
