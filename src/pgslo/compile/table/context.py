"""What every part of the compiler knows of one definition and its table, and how it makes functions and triggers there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pgslo import naming, sql
from pgslo.catalog import Catalog, Name, Placement, Relation
from pgslo.compile.artifact import Artifact, Statement, qualified
from pgslo.compile.snippets import session_settings
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table import keys, paths, reading
from pgslo.compile.table.batching import Batching, Writes, arrival, batching
from pgslo.compile.table.subject import Subject
from pgslo.compile.table.tasks import with_reads
from pgslo.definition import rules, wording
from pgslo.definition.rules import Definition
from pgslo.definition.shadow import as_enforced
from pgslo.errors import CatalogError
from pgslo.expression import session
from pgslo.expression.session import Settings
from pgslo.sql import Sql

_NO_ARGUMENTS = Sql("")
#: Templates of the triggers that PostgreSQL clones to partitions.
_FOR_EACH_ROW = frozenset({"trigger_row", "trigger_after_row"})
#: Templates of the triggers that see all rows of a statement, in a transition table.
_FOR_ALL_ROWS = frozenset(
    {"trigger_statement", "trigger_measure", "trigger_taken", "trigger_removed", "trigger_changed"}
)
#: Objects of a lower number came with PostgreSQL.
_FIRST_OWN_NUMBER = 16384

# One context class for each template.


@dataclass(frozen=True)
class _TypesGuard:
    definition: Sql
    known: Sql
    row: Sql


@dataclass(frozen=True)
class _FiresAlways:
    table: Sql
    trigger: Sql


@dataclass(frozen=True)
class _Trigger:
    trigger: Sql
    event: Sql
    table: Sql
    function: Sql


@dataclass(frozen=True)
class _Function:
    function: Sql


@dataclass(frozen=True)
class _Given:
    function: Sql
    owner: Sql


@dataclass(frozen=True)
class TableContext:
    """A definition and its table.

    Attributes:
        definition: The definition as it is enforced.
        subject: Its table.
        key: Columns that identify a row in messages; empty for key: none.
        writes: How rows arrive.
        batching: Which batch each of them belongs to.
    """

    definition: Definition
    subject: Subject
    key: tuple[str, ...]
    writes: Writes
    batching: Batching

    @classmethod
    def of(cls, definition: Definition, catalog: Catalog) -> TableContext:
        """Look a definition's table up.

        Raises:
            CatalogError: The table does not exist, or cannot be guarded; or its batches cannot be determined.
            DefinitionErrors: Its key does not fit.
        """
        subject = Subject.of(definition, catalog)
        key = keys.of(definition, subject.relation, subject)
        definition = with_reads(as_enforced(definition), subject.relation)
        definition, relation = paths.with_paths(definition, subject.relation)
        subject = replace(subject, relation=relation)
        writes = arrival(definition)
        return cls(definition, subject, key, writes, batching(definition, subject, writes))

    @property
    def relation(self) -> Relation:
        """The table as the catalogue has it."""
        return self.subject.relation

    @property
    def catalog(self) -> Catalog:
        """The database as it is."""
        return self.subject.catalog

    @property
    def name(self) -> Name:
        """The table's schema and name."""
        return self.subject.name

    @property
    def shards(self) -> Placement | None:
        """Where Citus keeps the rows of the table, if it distributes them by a column."""
        placed = self.catalog.placement(self.name)
        return placed if placed is not None and placed.on_shards else None

    @property
    def qualified(self) -> Sql:
        """The table's qualified name."""
        return qualified(self.name)

    def owner(self, rule: rules.Rule | None = None) -> str:
        """The owner of a rule."""
        own = rule.owner if rule else None
        return own or self.definition.owner or "unknown"

    def undo(self, *, with_locks: bool = True) -> Undoing:
        """Return the block for what may run code of other roles.

        Args:
            with_locks: Whether locks of the session are compared as well, which costs more than a query.
        """
        return Undoing.on(self.relation, with_locks=with_locks)

    def runs_others(self) -> bool:
        """Whether the table, or another that its rules read, is one whose owner is less trusted than pgslo's."""
        return self.subject.is_of_another or self.reads_replaceable()

    @property
    def undoing(self) -> tuple[Undoing, ...]:
        """One block where code of another role than pgslo's owner may run; none otherwise."""
        return (self.undo(),) if self.runs_others() else ()

    @property
    def quickly_undoing(self) -> tuple[Undoing, ...]:
        """Likewise, for what every read or every transaction of a writer runs."""
        return (self.undo(with_locks=False),) if self.runs_others() else ()

    def settings(self, of: Iterable[object]) -> frozenset[Settings]:
        """Return the settings that a function needs which evaluates these rules and distinguishes batches."""
        judged = tuple(of)
        found = session_settings.needed((*judged, self.definition.batch), self.relation)
        for rule in judged:
            if isinstance(rule, rules.Rule) and rule.looks_up:
                found |= self._compared(rule) | session_settings.LOOKUPS
        return found

    def _compared(self, rule: rules.Rule) -> frozenset[Settings]:
        found: frozenset[Settings] = frozenset()
        for table, pairs in rule.compared_with.items():
            other = self.catalog.relations.get(table)
            for own_name, other_name in pairs:
                own, looked = self.relation.column(own_name), other.column(other_name) if other else None
                if own and looked and own.base_type != looked.base_type:
                    found |= session.of_types((own.base_type, looked.base_type))
        return found

    def function(
        self,
        name: str,
        text: Sql,
        reason: str,
        *,
        arguments: Sql = _NO_ARGUMENTS,
        reads_table: bool = False,
        owner: str | None = None,
        settings: frozenset[Settings] = frozenset(),
    ) -> Artifact:
        """A generated function, revoked from PUBLIC so that no other role can attach it to a table.

        Args:
            name: Its name, without the schema.
            text: What creates or replaces it.
            reason: Why there is one.
            arguments: Types of its arguments.
            reads_table: Whether it names tables that others could replace: the owner of the definition's table owns it.
            owner: The role that owns it instead.
            settings: Settings of a session that its conditions depend on; it gets its own.
        """
        called = Sql(f"{sql.identifier(naming.GENERATED_SCHEMA, name)}({arguments})")
        owner = (owner or self.relation.owner) if reads_table else self.catalog.keeper
        made = Artifact(
            kind="function",
            names=(name,),
            definition=self.definition.name,
            create=(
                Statement(text),
                *(Statement(one) for one in session_settings.statements(called, settings)),
                *self._without_policies(called, reads_table=reads_table),
                Statement(sql.render("revoke", _Function(called))),
            ),
            reason=reason,
            commented=Sql(f"FUNCTION {called}"),
            replaceable=True,
            owner=owner if reads_table else "",
        )
        if owner in ("", self.catalog.user):
            return made
        # The function does not depend on the applying role: the fingerprint is that of the text.
        context = _Given(sql.literal(str(called)), sql.literal(owner))
        given = Statement(sql.render("give_function", context))
        return replace(made, create=(*made.create, given), known_as=made.fingerprint)

    def reads_replaceable(self) -> bool:
        """Whether another role decides what reading the other relations of the definition runs."""
        return any(replaceable for *_, replaceable in reading.others(self.definition, self.subject))

    def _without_policies(self, function: Sql, *, reads_table: bool) -> tuple[Statement, ...]:
        """A policy of a relation that another role owns is an error, and no code that runs."""
        if not reads_table or not self.reads_replaceable():
            return ()
        return (Statement(sql.render("session_policies", _Function(function))),)

    def trigger(
        self,
        template: str,
        name: str,
        event: str,
        function: str,
        on: Name,
        reason: str,
        *,
        apart: bool = False,
        replicated: bool = True,
    ) -> Artifact:
        """A trigger that calls a generated function; its text never changes with the rules.

        Args:
            template: What creates it.
            name: Its name.
            event: What fires it.
            function: The function's name.
            on: The table.
            reason: Why there is one.
            apart: Whether it may be created after the others are in force.
            replicated: Whether ``fires: always`` is about it.

        Raises:
            CatalogError: The trigger would make every write to the table fail.
        """
        if template in _FOR_ALL_ROWS:
            self._check_transition_tables(on)
        context = _Trigger(
            sql.identifier(name), Sql(event), qualified(on), sql.identifier(naming.GENERATED_SCHEMA, function)
        )
        stands = Sql(f"{sql.identifier(name)} ON {qualified(on)}")
        where = f"{on[0]}.{on[1]}"
        cloned = template in _FOR_EACH_ROW and self.relation.kind == "p"
        fires_always = replicated and self.definition.fires == "always"
        created = Statement(
            sql.render(template, context),
            "SHARE ROW EXCLUSIVE",
            where,
            hazards=("waits for running writes, and lets no new one begin meanwhile",),
            clones=cloned,
        )
        # Partitions have clones of a row trigger, and no statement trigger of that name that ALTER TABLE would find.
        only = Sql(str(context.table) if cloned else f"ONLY {context.table}")
        always = replace(created, text=sql.render("fires_always", _FiresAlways(only, context.trigger)))
        return Artifact(
            kind="trigger",
            names=(name,),
            relation=on,
            definition=self.definition.name,
            create=(created, always) if fires_always else (created,),
            reason=reason,
            commented=Sql(f"TRIGGER {stands}"),
            replaceable=True,
            apart=apart,
            cloned=cloned,
            fires_always=fires_always,
        )

    def _check_transition_tables(self, on: Name) -> None:
        """Refuse a table with foreign tables below it: every write to it fails once a trigger asks for transition tables."""
        if self.catalog.engine.is_yugabyte:
            raise CatalogError(
                "YugabyteDB cannot show a trigger all rows of a statement",
                detail="Rules over batches, groups, shares and labels need such triggers, and so do learned bounds.",
                hint="declare writes: stream and watch: false, with rules about single rows alone",
                location=self.definition.place("table"),
            )
        relation = self.catalog.relations.get(on)
        if relation is None or not relation.foreign_tables:
            return
        foreign = ".".join(relation.foreign_tables[0])
        needs_stream = relation == self.relation and self.writes.mode == "bulk"
        raise CatalogError(
            f"{foreign} is a foreign table below {'.'.join(on)}: PostgreSQL cannot show a trigger all rows of a statement there",
            detail="Rules over batches, groups, shares and labels need such triggers; with them every write to the table would fail.",
            hint="declare writes: stream, with rules about single rows alone, or take the foreign table out"
            if needs_stream
            else "leave out the rules over batches, groups, shares and labels, or take the foreign table out",
            location=self.definition.place("table"),
        )

    def function_name(self, what: str) -> str:
        """The name of the table's generated function of that kind."""
        return naming.fit(self.relation.schema, self.relation.name, what)

    def source(self, of: tuple[rules.Rule, ...] = ()) -> Sql:
        """What a function is made from, in words: when a column's type changes they do, and the function is replaced.

        Until then a session that wrote before plans its PL/pgSQL conditions again, where PostgreSQL lets it.
        """
        read = self.read_for(of)
        typed = [f"{one.name} {one.type}" for one in self.relation.columns if of and one.name in read]
        columns = f" with {', '.join(typed)}" if typed else ""
        return Sql(wording.comment(f"the definition of {self.definition.name}{columns}"))

    def read_for(self, of: tuple[rules.Rule, ...]) -> tuple[str, ...]:
        """The columns that a function reads which evaluates these rules and distinguishes rows and batches."""
        own = (name for rule in of for name in rule.reads)
        return tuple(dict.fromkeys((*self.key, *self.batch_columns, *own)))

    @property
    def batch_columns(self) -> tuple[str, ...]:
        """The columns that determine the batch of a row."""
        batch = self.definition.batch
        return batch.by.columns if batch and batch.by else ()

    def guards(self, relation: Relation, *, returns: Sql) -> tuple[Sql, ...]:
        """The first statement of a trigger function on a table whose owner has fewer rights than pgslo's owner.

        The owner of a table can give its columns other types after apply, and owners of types define their casts.

        Args:
            relation: The table that the trigger is on.
            returns: What the function returns then: the row, or nothing.
        """
        known = self.known_types(relation)
        if known is None:
            return ()
        listed = Sql(f"ARRAY[{sql.join(', ', (sql.literal(one) for one in known))}]::text[]")
        context = _TypesGuard(sql.literal(self.definition.name), listed, returns)
        return (sql.render("types_guard", context),)

    def known_types(self, relation: Relation) -> tuple[str, ...] | None:
        """Name and type number of each column with a type of a user; None where pgslo's owner owns the table.

        By numbers: a type can be dropped and another one made under its name.
        """
        if relation.owner in ("", self.catalog.keeper):
            return None
        return tuple(
            f"{column.name} {column.type_number}"
            for column in relation.columns
            if column.type_number >= _FIRST_OWN_NUMBER
        )
