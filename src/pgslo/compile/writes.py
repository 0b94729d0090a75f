"""What stands in the way of a write: the functions and triggers for rules over rows and for the schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import Catalog, Name, Relation
from pgslo.compile import conditions, declared, promises, reading, session_settings, texts
from pgslo.compile.arrival import arrival, batching
from pgslo.compile.artifact import Artifact, Statement, table
from pgslo.compile.conditions import NEW, ROW, Subject
from pgslo.compile.mechanisms import Choice, Mechanism
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError
from pgslo.expression import session
from pgslo.expression.session import Settings
from pgslo.sql import Sql

_NO_ARGUMENTS = Sql("")
_ROW_AND_RULE = Sql("record, text")
#: What an AFTER trigger function returns.
_NO_ROW = Sql("NULL")
#: The key of a row of a table that has none.
_NO_KEY = Sql("'(none)'")
#: Templates of the triggers that PostgreSQL clones to partitions.
_FOR_EACH_ROW = frozenset({"trigger_row", "trigger_after_row"})
#: Templates of the triggers that see all rows of a statement, in a transition table.
_FOR_ALL_ROWS = frozenset({"trigger_statement", "trigger_taken", "trigger_changed"})

# One context class for each template.


@dataclass(frozen=True)
class _Labelled:
    label: Sql
    text: Sql


@dataclass(frozen=True)
class _Shown:
    columns: tuple[_Labelled, ...]


@dataclass(frozen=True)
class _RowKey:
    columns: tuple[_Labelled, ...]


@dataclass(frozen=True)
class _Excerpt:
    definition: Sql
    names: Sql
    values: tuple[Sql, ...]


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class Described:
    """A rule as templates print it.

    Attributes:
        shown: Values of the failing row's columns, as text; of a rule that rejects, those that the writer may see.
        row_key: The key of the failing row, in the same way.
        raised: The error that the condition raised, in the same way.
        fields: The fields of the row that the rule and the key read, and then those by which its batch is told.
    """

    label: Sql
    name: Sql
    ordinal: Sql
    passes: Sql
    shown: Sql
    row_key: Sql
    raised: Sql
    column_name: Sql
    promise: Sql
    promise_text: Sql
    owner: Sql
    warns: Sql
    samples: Sql
    refuses: Sql
    fields: tuple[Sql, ...]


@dataclass(frozen=True)
class Header:
    """What every function on written rows has."""

    source: Sql
    function: Sql
    definition: Sql
    schema_name: Sql
    table_name: Sql
    owner: Sql
    row_key: Sql
    writer_key: Sql
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql
    guards: tuple[Sql, ...]


@dataclass(frozen=True)
class _TypesGuard:
    definition: Sql
    known: Sql
    row: Sql


@dataclass(frozen=True)
class _WriteRow(Header):
    first: Sql
    others: tuple[Sql, ...]
    fields: Sql
    refuses: Sql
    rejecting: tuple[Described, ...]
    noting: tuple[Described, ...]


@dataclass(frozen=True)
class _WriteQuarantine(Header):
    first: Sql
    others: tuple[Sql, ...]
    fields: Sql
    refuses: Sql
    rules: tuple[Described, ...]
    old_key: Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _JudgeRow:
    source: Sql
    function: Sql
    rules: tuple[Described, ...]


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
class _Schema:
    source: Sql
    function: Sql
    definition: Sql
    wanted: Sql
    schema_name: Sql
    table_name: Sql
    rule: Sql
    owner: Sql


#: Objects of a lower number came with PostgreSQL.
_FIRST_OWN_NUMBER = 16384


@dataclass(frozen=True)
class _Function:
    function: Sql


@dataclass(frozen=True)
class _Given:
    function: Sql
    owner: Sql


@dataclass(frozen=True)
class _Begun:
    with_locks: Sql


@dataclass(frozen=True)
class _Ended(_Begun):
    table: Sql


@dataclass(frozen=True)
class Undoing:
    """The begin and the end of a block in which code of other roles may run: what it does is undone, settings as well."""

    begin: Sql
    end: Sql


@dataclass(frozen=True)
class _ForOwner:
    source: Sql
    function: Sql
    names: Sql
    undo: Undoing


@dataclass(frozen=True)
class _Pinned:
    table: Sql
    name: Sql
    number: Sql


@dataclass(frozen=True)
class _Lookup:
    source: Sql
    function: Sql
    arguments: Sql
    promise: Sql
    condition: Sql
    pins: tuple[_Pinned, ...]
    undo: Undoing


class WriteCompiler:
    """Makes the functions and triggers of one definition."""

    def __init__(
        self, definition: Definition, catalog: Catalog, relation: Relation, key: tuple[str, ...]
    ) -> None:
        self.definition = definition
        self.relation = relation
        self.subject = Subject(relation, catalog)
        self.key = key
        self.writes = arrival(definition)
        self.batching = batching(definition, self.subject, self.writes)
        self.table = table((relation.schema, relation.name))

    def owner(self, rule: rules.Rule | None = None) -> str:
        """Who answers for a rule."""
        own = rule.owner if rule else None
        return own or self.definition.owner or "unknown"

    def undo(self, *, with_locks: bool = True) -> Undoing:
        """The block for what may run code of other roles.

        Args:
            with_locks: Whether locks of the session are compared as well, which costs more than a look-up.
        """
        locks = sql.literal(with_locks)
        relation = sql.literal(f"{self.relation.schema}.{self.relation.name}")
        return Undoing(
            sql.render("undo_begin", _Begun(locks)), sql.render("undo_end", _Ended(locks, relation))
        )

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

    def for_owner(self, *, writes: bool) -> tuple[Artifact, ...]:
        """What lets the runtime read, or also write, a table of another role with that role's rights.

        Args:
            writes: Whether rows can be released from quarantine.
        """
        if not self.subject.is_of_another:
            return ()
        whats = {"read": "reads the table for the runtime, with the rights of its owner"}
        if writes:
            whats["write"] = "writes a released row with the rights of the table's owner"
        made = []
        for what, reason in whats.items():
            name = self.function_name(f"{what}_as_owner")
            # Named in a comment: the owner is granted EXECUTE on what is called.
            called = f"{self.batching.name}, {self.batching.place}, {self.batching.raw_row}"
            context = _ForOwner(
                self.source(),
                sql.identifier(naming.GENERATED_SCHEMA, name),
                Sql(promises.one_line(called)),
                self.undo(),
            )
            text = sql.render(f"{what}_as_owner", context)
            arguments = Sql("text, text" if what == "write" else "text")
            made.append(self.function(name, text, reason, arguments=arguments, reads_table=True))
        return tuple(made)

    def lookups(self, choices: tuple[Choice, ...]) -> tuple[Artifact, ...]:
        """Functions by which triggers look rows up in tables that another role can replace, with the owner's rights."""
        made = []
        for choice in choices:
            rule = choice.rule
            if choice.mechanism not in ("row trigger", "statement trigger"):
                continue
            row = NEW if choice.mechanism == "row trigger" else ROW
            found = conditions.lookup(rule, self.subject, row)
            if found is None:
                continue
            context = _Lookup(
                self.source(),
                sql.identifier(naming.GENERATED_SCHEMA, found.function),
                found.types,
                Sql(promises.one_line(promises.promise(rule))),
                found.condition,
                _pins(found.pinned),
                self.undo(with_locks=False),
            )
            made.append(
                self.function(
                    found.function,
                    sql.render("lookup", context),
                    f'looks rows up for rule "{rule.name}" with the rights of the table\'s owner',
                    arguments=found.types,
                    reads_table=True,
                    owner=found.owner,
                )
            )
        return tuple(made)

    def artifacts(self, choices: tuple[Choice, ...]) -> tuple[Artifact, ...]:
        """Functions and triggers for the rules that are enforced by other triggers than those on whole statements."""

        def of(mechanism: Mechanism) -> tuple[rules.Rule, ...]:
            return tuple(choice.rule for choice in choices if choice.mechanism == mechanism)

        made: list[Artifact] = []
        by_row, by_schema = of("row trigger"), of("schema trigger")
        diverting = tuple(rule for rule in by_row if rule.on_breach == "quarantine")
        judging = tuple(rule for rule in by_row if rule.on_breach != "quarantine")
        if diverting:
            made += self._quarantine(diverting)
        if judging:
            made += self._row(judging)
        if by_schema:
            made += self._schema(by_schema[0])
        return tuple(made)

    def _quarantine(self, diverting: tuple[rules.Rule, ...]) -> list[Artifact]:
        function = self.function_name("quarantine")
        described = self.described(diverting, NEW)
        context = _WriteQuarantine(
            **self.header(function, NEW, diverting, returns=NEW),
            first=described[0].passes,
            others=tuple(one.passes for one in described[1:]),
            fields=_fields(NEW, self._read(diverting)),
            refuses=sql.literal(any(refuses(rule) for rule in diverting)),
            rules=described,
            old_key=sql.join(
                ", ",
                (sql.render("iso_text", _Value(Sql(f"OLD.{sql.identifier(name)}"))) for name in self.key),
            ),
        )
        return [
            self.function(
                function,
                sql.render("write_quarantine", context),
                "all quarantining rules in one condition; a look at each only when it fails",
                settings=self.settings(diverting),
            ),
            self.trigger(
                "trigger_row",
                naming.trigger(naming.ENFORCE_ORDER, "quarantine", "row"),
                "INSERT OR UPDATE",
                function,
                (self.relation.schema, self.relation.name),
                "a BEFORE ROW trigger; PostgreSQL clones it to every partition",
            ),
        ]

    def _row(self, judging: tuple[rules.Rule, ...]) -> list[Artifact]:
        function = self.function_name("write_row")
        described = self.described(judging, NEW)
        context = _WriteRow(
            **self.header(function, NEW, judging),
            first=described[0].passes,
            others=tuple(one.passes for one in described[1:]),
            fields=_fields(NEW, self._read(judging)),
            refuses=sql.literal(any(refuses(rule) for rule in judging)),
            rejecting=with_breach(judging, described, "reject"),
            noting=with_breach(judging, described, "warn", "flag"),
        )
        return [
            self.function(
                function,
                sql.render("write_row", context),
                "all row rules in one condition; a look at each only when it fails",
                settings=self.settings(judging),
            ),
            self.trigger(
                "trigger_after_row",
                naming.trigger(naming.MEASURE_ORDER, "measure", "row"),
                "INSERT OR UPDATE",
                function,
                (self.relation.schema, self.relation.name),
                "an AFTER ROW trigger judges what was stored, once, whatever other triggers and ON CONFLICT do; PostgreSQL clones it to every partition",
            ),
        ]

    def _schema(self, rule: rules.Rule) -> list[Artifact]:
        assert isinstance(rule, rules.Schema)
        function = self.function_name("schema")
        context = _Schema(
            source=self.source(),
            function=sql.identifier(naming.GENERATED_SCHEMA, function),
            definition=sql.literal(self.definition.name),
            wanted=Sql(f"{sql.literal(wanted_schema(rule))}::jsonb"),
            schema_name=sql.literal(self.relation.schema),
            table_name=sql.literal(self.relation.name),
            rule=sql.literal(rule.name),
            owner=sql.literal(self.owner(rule)),
        )
        trigger = naming.trigger(naming.ENFORCE_ORDER, "schema", "statement")
        own: Name = (self.relation.schema, self.relation.name)
        return [
            self.function(
                function,
                sql.render("rules/schema", context),
                "compares the table's columns with the definition",
            ),
            *(
                self.trigger(
                    "trigger_schema",
                    trigger,
                    "INSERT OR UPDATE",
                    function,
                    name,
                    "a BEFORE STATEMENT trigger: one look a statement, not a row",
                    apart=name != own,
                )
                for name in (own, *self.relation.partitions)
            ),
        ]

    def settings(self, of: Iterable[object]) -> frozenset[Settings]:
        """Return the settings that a function needs which evaluates these rules and tells batches apart."""
        judged = tuple(of)
        found = session_settings.needed((*judged, self.definition.batch), self.relation)
        for rule in judged:
            if isinstance(rule, rules.References):
                found |= self._compared(rule)
            if isinstance(rule, rules.References | rules.Unique):
                found |= session_settings.LOOKUPS
        return found

    def _compared(self, rule: rules.References) -> frozenset[Settings]:
        other = self.subject.catalog.relations.get(conditions.reference(rule))
        found: frozenset[Settings] = frozenset()
        for own_name, other_name in zip(rule.columns, rule.to, strict=True):
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
        qualified = Sql(f"{sql.identifier(naming.GENERATED_SCHEMA, name)}({arguments})")
        called = Sql(f"FUNCTION {qualified}")
        catalog = self.subject.catalog
        owner = (owner or self.relation.owner) if reads_table else catalog.keeper
        made = Artifact(
            kind="function",
            names=(name,),
            definition=self.definition.name,
            create=(
                Statement(text),
                *session_settings.statements(qualified, settings),
                *self._without_policies(qualified, reads_table=reads_table),
                Statement(sql.render("revoke", _Function(qualified))),
            ),
            reason=reason,
            commented=called,
            replaceable=True,
            owner=owner if reads_table else "",
        )
        if owner in ("", catalog.user):
            return made
        # Who applies it makes no other function of it: the fingerprint is that of the text.
        context = _Given(sql.literal(str(qualified)), sql.literal(owner))
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
            sql.identifier(name), Sql(event), table(on), sql.identifier(naming.GENERATED_SCHEMA, function)
        )
        stands = Sql(f"{sql.identifier(name)} ON {table(on)}")
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
        if self.subject.catalog.engine.is_yugabyte:
            raise CatalogError(
                "YugabyteDB cannot show a trigger all rows of a statement",
                detail="Rules over batches, groups, shares and labels need such triggers, and so do learned bounds.",
                hint="declare writes: stream and watch: false, with rules about single rows alone",
                location=self.definition.place("table"),
            )
        relation = self.subject.catalog.relations.get(on)
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
        read = self._read(of)
        typed = [f"{one.name} {one.type}" for one in self.relation.columns if of and one.name in read]
        columns = f" with {', '.join(typed)}" if typed else ""
        # A comment line in SQL: nothing in it may end the line.
        return Sql(promises.one_line(f"the definition of {self.definition.name}{columns}"))

    def _read(self, of: tuple[rules.Rule, ...]) -> tuple[str, ...]:
        """The columns that a function reads which judges these rules and tells rows and batches apart."""
        own = (name for rule in of for name in conditions.columns(rule))
        return tuple(dict.fromkeys((*self.key, *self._batch_columns(), *own)))

    def _batch_columns(self) -> tuple[str, ...]:
        batch = self.definition.batch
        return batch.by.columns if batch and batch.by else ()

    def header(
        self, function: str, row: Sql, of: tuple[rules.Rule, ...], *, returns: Sql = _NO_ROW
    ) -> dict[str, Any]:
        """The fields of :class:`Header` for a function on ``row`` that judges these rules."""
        raw = self.batching.raw_new if row == NEW else self.batching.raw_row
        return {
            "source": self.source(of),
            "function": sql.identifier(naming.GENERATED_SCHEMA, function),
            "definition": sql.literal(self.definition.name),
            "schema_name": sql.literal(self.relation.schema),
            "table_name": sql.literal(self.relation.name),
            "owner": sql.literal(self.owner()),
            "row_key": self.row_key(row),
            "writer_key": self.writer_key(row),
            "batch_raw": raw,
            "batch_name": self.batching.name,
            "batch_place": self.batching.place,
            "guards": self.guards(self.relation, returns=returns),
        }

    def guards(self, relation: Relation, *, returns: Sql) -> tuple[Sql, ...]:
        """The first statement of a trigger function on a table whose owner has fewer rights than pgslo's owner.

        Whoever owns a table can give its columns other types after apply, and owners of types define their casts.

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
        if relation.owner in ("", self.subject.catalog.keeper):
            return None
        return tuple(
            f"{column.name} {column.type_number}"
            for column in relation.columns
            if column.type_number >= _FIRST_OWN_NUMBER
        )

    def row_key(self, row: Sql) -> Sql:
        """An expression that prints a row's key as PostgreSQL does: ``(a, b) = (1, 2)``."""
        if not self.key:
            return _NO_KEY
        labels = [", "] * len(self.key)
        labels[0] = f"({', '.join(self.key)}) = ("
        return sql.render(
            "row_key",
            _RowKey(
                tuple(
                    _Labelled(sql.literal(label), self.text(name, row))
                    for label, name in zip(labels, self.key, strict=True)
                ),
            ),
        )

    def writer_key(self, row: Sql) -> Sql:
        """The same for the writer, who may not see every value."""
        return self._excerpt("writer_key", self.key, row) if self.key else _NO_KEY

    def text(self, name: str, row: Sql) -> Sql:
        """A column's value in a row as text, for people."""
        return texts.text(self.subject.column(name, self.definition.location), row)

    def _excerpt(self, template: str, columns: tuple[str, ...], row: Sql) -> Sql:
        """What of a failing row an error shows to the writer."""
        names = sql.join(", ", (sql.literal(name) for name in columns))
        return sql.render(
            template,
            _Excerpt(
                sql.literal(self.definition.name),
                Sql(f"ARRAY[{names}]::text[]"),
                tuple(self.text(name, row) for name in columns),
            ),
        )

    def judge_row(
        self,
        name: str,
        judged: tuple[rules.Rule, ...],
        described: tuple[Described, ...],
        *,
        reads_table: bool = False,
    ) -> Artifact:
        """The function that evaluates one rule for one row, whatever error its condition raises.

        Args:
            name: Its name, without the schema.
            judged: The rules.
            described: The same, for the template.
            reads_table: Whether the owner of the table owns it.
        """
        function = sql.identifier(naming.GENERATED_SCHEMA, name)
        return self.function(
            name,
            sql.render("judge_row", _JudgeRow(self.source(judged), function, described)),
            "evaluates one rule for one row; no cursor is open meanwhile",
            arguments=_ROW_AND_RULE,
            reads_table=reads_table,
        )

    def described(
        self, judged: tuple[rules.Rule, ...], row: Sql, *, by_owner: bool = False
    ) -> tuple[Described, ...]:
        """Rules over a row, for templates; numbered from 1.

        Args:
            judged: The rules.
            row: How the row is called.
            by_owner: Whether they are evaluated with the rights of the table's owner, who may look rows up.
        """
        return tuple(
            self._describe(rule, row, ordinal, by_owner=by_owner)
            for ordinal, rule in enumerate(judged, start=1)
        )

    def _describe(self, rule: rules.Rule, row: Sql, ordinal: int, *, by_owner: bool) -> Described:
        promise = promises.promise(rule)
        columns = conditions.columns(rule)
        if rule.on_breach == "reject":
            # An error is for the writer, who may lack the right to read; what is kept is for stewards.
            shown = self._excerpt("writer_shown", columns, row)
            row_key = self.writer_key(row)
            raised = self._excerpt("writer_raised", columns, row)
        else:
            shown = sql.render(
                "shown",
                _Shown(tuple(_Labelled(sql.literal(f"{name} = "), self.text(name, row)) for name in columns)),
            )
            row_key = self.row_key(row)
            raised = sql.render("raised", _Nothing())
        return Described(
            label=Sql(promises.one_line(rule.name)),
            name=sql.literal(rule.name),
            ordinal=sql.literal(ordinal),
            passes=conditions.passes(rule, self.subject, row, by_owner=by_owner),
            shown=shown,
            row_key=row_key,
            raised=raised,
            column_name=sql.literal(rule.column or ""),
            promise=sql.literal(promise),
            promise_text=Sql(promises.one_line(promise)),
            owner=sql.literal(self.owner(rule)),
            warns=Sql(f"ARRAY[{sql.literal(rule.name)}]" if rule.on_breach == "warn" else "'{}'::text[]"),
            samples=sql.literal(rule.samples),
            refuses=sql.literal(refuses(rule)),
            fields=tuple(
                _fields(row, names)
                for names in (tuple(dict.fromkeys((*columns, *self.key))), self._batch_columns())
                if names
            ),
        )


def _fields(row: Sql, names: tuple[str, ...]) -> Sql:
    # A table without a key may have a rule that reads no column.
    return sql.join(", ", (Sql(f"{row}.{sql.identifier(name)}") for name in names)) if names else Sql("NULL")


def _pins(relation: Relation | None) -> tuple[_Pinned, ...]:
    if relation is None:
        return ()
    name = table((relation.schema, relation.name))
    return (_Pinned(name, sql.literal(str(name)), sql.literal(relation.number)),)


def refuses(rule: rules.Rule) -> bool:
    """Whether a row or statement that the rule does not accept is not stored."""
    return rule.on_breach in ("reject", "quarantine") or rule.reject_below is not None


def with_breach(
    chosen: tuple[rules.Rule, ...], described: tuple[Described, ...], *on_breach: str
) -> tuple[Described, ...]:
    """Those of the rules that do one of these on a breach."""
    return tuple(one for rule, one in zip(chosen, described, strict=True) if rule.on_breach in on_breach)


def wanted_schema(rule: rules.Schema) -> str:
    """The schema rule as JSON, in the order of the definition."""
    return json.dumps({"columns": declared.wanted_types(rule), "extra": rule.extra}, ensure_ascii=False)
