"""Assertions as objects: the constraint that says it natively, or triggers that note touched groups for a check at COMMIT."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import Name, Relation
from pgslo.compile import assertion_constraints as constraints
from pgslo.compile import promises, session_settings
from pgslo.compile.arrival import unseen_children
from pgslo.compile.artifact import Artifact, Statement, table
from pgslo.compile.assertion_commit import CommitCompiler, Looked
from pgslo.compile.assertion_forms import FormCompiler
from pgslo.compile.assertion_groups import Parts, Touch
from pgslo.compile.mechanisms import Choice
from pgslo.compile.writes import Undoing, WriteCompiler
from pgslo.definition import assertions as forms
from pgslo.definition.rules import Assertion, Definition
from pgslo.errors import CatalogError, DefinitionError, DefinitionErrors, Location
from pgslo.expression import session, tables_read
from pgslo.expression.derivation import Event
from pgslo.expression.session import Settings
from pgslo.sql import Sql

_TRIGGERS: dict[Event, str] = {
    "INSERT": "trigger_statement",
    "UPDATE": "trigger_changed",
    "DELETE": "trigger_taken",
    "TRUNCATE": "trigger_truncate",
}
_KEYS = Sql("text[]")
#: The table is not what the assertion was written for; any other error of one that rejects is the writer's.
_SCHEMA_MOVED = Sql("syntax_error_or_access_rule_violation OR invalid_schema_name OR feature_not_supported")


@dataclass(frozen=True)
class Validation:
    """A query for groups that break an assertion now, to be run before it is applied.

    Attributes:
        text: Returns groups and what is wrong with them, at most six.
        rule: The assertion.
        refuses: Whether it cannot be applied while there are any.
    """

    text: Sql
    rule: Assertion
    definition: str
    refuses: bool


@dataclass(frozen=True)
class Asserted:
    """What the assertions of a definition come to.

    Attributes:
        told: Each as the runtime is told of it, among the other rules.
        notes: What the author should know, though it is no error.
    """

    choices: tuple[Choice, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    told: tuple[dict[str, Any], ...] = ()
    probes: tuple[tuple[Sql, Location], ...] = ()
    validations: tuple[Validation, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the definition's table whose readers are told."""
        return frozenset(str(name) for one in self.told for name in one["columns"])


@dataclass(frozen=True)
class _Held:
    """One assertion and how it is enforced."""

    rule: Assertion
    parts: Parts
    function: str
    choice: Choice
    native: Artifact | None

    @property
    def is_enforced(self) -> bool:
        """Whether a transaction that breaks it is refused by its check, and not by a constraint."""
        return self.rule.on_breach == "reject" and self.choice.mechanism != "native"


# One context class for each template.


@dataclass(frozen=True)
class _Check:
    source: Sql
    function: Sql
    promise: Sql
    of_all: Sql
    of_touched: Sql
    undoing: tuple[Undoing, ...]
    undo: Undoing


@dataclass(frozen=True)
class _Written:
    key: Sql
    bucket: Sql
    rows: Sql
    about: Sql


@dataclass(frozen=True)
class _Changed:
    key: Sql
    bucket: Sql
    values: tuple[Sql, ...]
    about: Sql


@dataclass(frozen=True)
class _Every:
    last: Sql


@dataclass(frozen=True)
class _Hidden:
    check: Sql


@dataclass(frozen=True)
class _Case:
    event: Sql
    groups: Sql


@dataclass(frozen=True)
class _Noted:
    label: Sql
    promise: Sql
    name: Sql
    note: Sql
    refuses: Sql
    cases: tuple[_Case, ...]


@dataclass(frozen=True)
class _Touching:
    source: Sql
    function: Sql
    definition: Sql
    guards: tuple[Sql, ...]
    assertions: tuple[_Noted, ...]


@dataclass(frozen=True)
class _Declare:
    document: Sql


@dataclass(frozen=True)
class _Wait:
    table: Sql


@dataclass(frozen=True)
class _Named:
    definition: Sql
    assertion: Sql


@dataclass(frozen=True)
class _Breaches:
    of_all: Sql


def tables(definition: Definition) -> set[Name]:
    """Other tables whose facts are needed."""
    found: set[Name] = set()
    for rule in definition.assertions:
        if isinstance(rule, forms.AcrossTables):
            found.add(rule.table)
        if isinstance(rule, forms.ReturnsNothing):
            found |= {*tables_read(rule.query), *rule.check_on}
    return found


def asserted(definition: Definition, compiler: WriteCompiler) -> Asserted:
    """Work out what the assertions of a definition need.

    Raises:
        DefinitionErrors: What does not fit the database.
    """
    held: list[_Held] = []
    errors: list[DefinitionError] = []
    for rule in definition.assertions:
        if not rule.enabled:
            continue
        try:
            held.append(_hold(rule, compiler))
        except DefinitionErrors as group:
            errors += group.errors
        except DefinitionError as error:
            errors.append(error)
    if errors:
        raise DefinitionErrors(tuple({str(error): error for error in errors}.values()))
    if not held:
        return Asserted()
    declared = tuple(_declaration(one, definition, compiler) for one in held)
    known = {
        (one.identity, one.fingerprint)
        for one in compiler.subject.catalog.installed
        if one.kind == "assertion" and one.validated
    }
    validations = tuple(
        Validation(
            sql.render("assertion_breaches", _Breaches(one.parts.of_all)),
            one.rule,
            definition.name,
            refuses=one.rule.on_breach == "reject",
        )
        for one, artifact in zip(held, declared, strict=True)
        if one.rule.validated
        and not one.parts.hidden
        and (artifact.identity, artifact.fingerprint) not in known
    )
    return Asserted(
        choices=tuple(one.choice for one in held),
        artifacts=(
            *(_check_function(one, definition, compiler) for one in held),
            *declared,
            *(one.native for one in held if one.native is not None),
            *_touching(held, definition, compiler),
        ),
        told=tuple(_told(one) for one in held),
        probes=tuple(probe for one in held for probe in one.parts.probes),
        validations=validations,
        notes=tuple(note for one in held for note in (*one.parts.notes, *_notes(one, compiler))),
    )


def _hold(rule: Assertion, compiler: WriteCompiler) -> _Held:
    parts = FormCompiler(rule, compiler).parts()
    relation = compiler.relation
    function = naming.fit(relation.schema, relation.name, rule.name, "breaches")
    chosen = constraints.constraint(rule, compiler)
    if isinstance(chosen, tuple):
        made, reason = chosen
        choice = Choice(rule, "native", reason, constraints.rests_on(rule, made))
        return _Held(rule, parts, function, choice, made)
    _check_lookups(rule, parts)
    if rule.on_breach != "reject":
        when = "when the transaction commits" if rule.is_deferred else "after each statement"
        reason = f"{when}, {parts.cost} as the writer sees it, and by tick() as all see it; nobody waits"
    else:
        early = "" if rule.is_deferred else "after each statement as its transaction sees it, and again "
        each = " for each group" if parts.buckets > 1 else ""
        reason = f"{early}when the transaction commits, {parts.cost}, one transaction after the other{each}"
    if chosen:
        reason = f"{reason}; {chosen}"
    return _Held(rule, parts, function, Choice(rule, "at commit", reason), None)


def _check_lookups(rule: Assertion, parts: Parts) -> None:
    for relation, columns, place in parts.lookups:
        if relation.has_lookup(columns):
            continue
        listed = ", ".join(str(sql.identifier(column)) for column in columns)
        qualified = sql.identifier(relation.schema, relation.name)
        raise CatalogError(
            f"{relation.schema}.{relation.name} has no index that finds rows by {', '.join(columns)}",
            detail=f'"{rule.kind}" looks at the rows of each group that is written to; without an index it would read the whole table.',
            hint=f"CREATE INDEX CONCURRENTLY ON {qualified} ({listed})",
            location=place,
        )


# Functions and triggers


def _source(held: Sequence[_Held], definition: Definition) -> Sql:
    """What a function is made from: when a column's type changes the words do, and so sessions plan it anew."""
    read = {
        f"{column.name} {column.type}"
        for one in held
        for touch in one.parts.touches
        for column in touch.relation.columns
        if column.name in touch.columns
    }
    return Sql(promises.one_line(f"the definition of {definition.name} with {', '.join(sorted(read))}"))


def _settings(held: Sequence[_Held], compiler: WriteCompiler) -> frozenset[Settings]:
    """What conditions and keys of groups depend on: a key has to be the same text in every session."""
    touches = [touch for one in held for touch in one.parts.touches]
    types = (
        column.base_type
        for touch in touches
        for column in touch.relation.columns
        if column.name in touch.columns
    )
    relations = (compiler.relation, *(touch.relation for touch in touches))
    found = session_settings.needed([one.rule for one in held], *relations) | session.of_types(types)
    return session_settings.ALL if any(one.parts.hidden for one in held) else found


def _check_function(one: _Held, definition: Definition, compiler: WriteCompiler) -> Artifact:
    context = _Check(
        source=_source((one,), definition),
        function=sql.identifier(naming.GENERATED_SCHEMA, one.function),
        promise=Sql(promises.one_line(promises.promise(one.rule))),
        of_all=one.parts.of_all,
        of_touched=one.parts.of_touched,
        undoing=compiler.quickly_undoing,
        undo=compiler.undo(with_locks=False),
    )
    template = "assertion_check_hidden" if one.parts.hidden else "assertion_check"
    return compiler.function(
        one.function,
        sql.render(template, context),
        "finds the groups that break the assertion",
        arguments=_KEYS,
        reads_table=True,
        settings=_settings((one,), compiler),
    )


def _touching(held: list[_Held], definition: Definition, compiler: WriteCompiler) -> list[Artifact]:
    """For each table that can break an assertion one function that notes touched groups, and its triggers."""
    touched: dict[Name, list[tuple[_Held, Touch]]] = {}
    for one in held:
        if one.choice.mechanism != "native":
            for touch in one.parts.touches:
                if touch.events:
                    touched.setdefault((touch.relation.schema, touch.relation.name), []).append((one, touch))
    own: Name = (compiler.relation.schema, compiler.relation.name)
    commit = CommitCompiler(compiler)
    source = Sql(promises.one_line(f"the definition of {definition.name}"))
    made: list[Artifact] = []
    if enforced := [one for one in held if one.is_enforced]:
        looked = [_looked(one) for one in enforced]
        settings = _settings(enforced, compiler) | session_settings.LOOKUPS
        # Any error: the second look says of it what the writer may see.
        made += commit.artifacts(looked, _source(enforced, definition), Sql("OTHERS"), settings)
    for name, found in touched.items():
        relation = found[0][1].relation
        of_other = () if name == own else name
        function = naming.fit(*own, "assert", *of_other)
        context = _Touching(
            source=source,
            function=sql.identifier(naming.GENERATED_SCHEMA, function),
            definition=sql.literal(definition.name),
            guards=compiler.guards(relation, returns=Sql("NULL")),
            assertions=tuple(_noted(one, touch, commit) for one, touch in found),
        )
        made.append(
            compiler.function(
                function,
                sql.render("assertion_touch", context),
                "notes which groups a statement touches",
                settings=_settings([one for one, _ in found], compiler),
            )
        )
        events = dict.fromkeys(event for _, touch in found for event in touch.events)
        made += _triggers(relation, tuple(events), function, own if of_other else None, compiler.trigger)
    return made


def _triggers(
    relation: Relation,
    events: tuple[Event, ...],
    function: str,
    guest_of: Name | None,
    make: Callable[..., Artifact],
) -> list[Artifact]:
    own: Name = (relation.schema, relation.name)
    made = []
    for on in (own, *relation.partitions):
        for event in events:
            plain = naming.trigger(naming.ASSERT_ORDER, "assert", event.lower())
            reason = "an AFTER STATEMENT trigger: one look at a statement's rows"
            if on != own:
                reason = "rows written straight to a partition do not fire the triggers of the whole table"
            name = naming.fit(plain, *guest_of) if guest_of else plain
            made.append(make(_TRIGGERS[event], name, event, function, on, reason))
    return made


def _looked(one: _Held) -> Looked:
    check = sql.literal(one.function)
    function = sql.identifier(naming.GENERATED_SCHEMA, one.function)
    return Looked(
        label=Sql(one.rule.name),
        promise=Sql(promises.one_line(promises.promise(one.rule))),
        check=check,
        # Only its check runs a query read-only.
        of_touched=sql.render("assertion_looked_hidden", _Hidden(function))
        if one.parts.hidden
        else one.parts.of_touched,
    )


def _noted(one: _Held, touch: Touch, commit: CommitCompiler) -> _Noted:
    enforced = one.rule.on_breach == "reject"
    return _Noted(
        label=Sql(one.rule.name),
        promise=Sql(promises.one_line(promises.promise(one.rule))),
        name=sql.literal(one.rule.name),
        note=commit.note(one.function, enforced=enforced, deferred=one.rule.is_deferred),
        refuses=sql.literal(enforced),
        cases=tuple(
            _Case(sql.literal(event), _groups(event, touch, one.parts.buckets)) for event in touch.events
        ),
    )


def _groups(event: Event, touch: Touch, buckets: int) -> Sql:
    if event == "TRUNCATE":
        return sql.render("assertion_every_group", _Every(sql.literal(buckets - 1)))
    if event == "UPDATE":
        return sql.render("assertion_changed", _Changed(touch.key, touch.bucket, touch.compared, touch.about))
    rows = Sql("pgslo_new" if event == "INSERT" else "pgslo_old")
    return sql.render("assertion_written", _Written(touch.key, touch.bucket, rows, touch.about))


# What the runtime is told


def _told(one: _Held) -> dict[str, Any]:
    rule = one.rule
    own = one.parts.touches[0]
    return {
        "name": rule.name,
        "kind": rule.kind,
        "columns": own.columns if not isinstance(rule, forms.ReturnsNothing) else (),
        "on_breach": rule.on_breach,
        "at_least": None,
        "at_most": None,
        "samples": rule.samples,
        "mechanism": one.choice.mechanism,
        "promise": promises.promise(rule),
        "owner": rule.owner,
        "description": rule.description,
        "tags": rule.tags,
        "scope": "assertion",
        "measure": {"form": "assertion", "function": one.function},
        **({"rests_on": one.choice.rests_on} if one.choice.rests_on else {}),
    }


def _declaration(one: _Held, definition: Definition, compiler: WriteCompiler) -> Artifact:
    rule = one.rule
    is_native = one.choice.mechanism == "native"
    document: dict[str, Any] = {
        "definition": definition.name,
        "assertion": rule.name,
        "function": one.function,
        "enforced": one.is_enforced,
        "settle": CommitCompiler(compiler).settle_all if one.is_enforced else None,
        "deferred": rule.is_deferred,
        "validated": rule.validated,
        "buckets": one.parts.buckets if one.is_enforced else 0,
        "native": is_native,
        "dependencies": _dependencies(one.parts.touches),
    }
    named = _Named(sql.literal(definition.name), sql.literal(rule.name))
    plain = Artifact(
        "assertion",
        (definition.name, rule.name),
        definition.name,
        (Statement(Sql(f"{_json(document)} {one.parts.of_all} {rule.on_breach}")),),
        "",
    )
    told = sql.render("assertion_declare", _Declare(_json(document | {"fingerprint": plain.fingerprint})))
    validate = Statement(
        sql.render("assertion_validate", named),
        later=True,
        hazards=("reads every group, while others go on reading and writing",),
    )
    wants = rule.validated and not is_native
    # Whoever wrote before the functions knew of it may not have committed, and what he wrote would not be seen.
    read = dict.fromkeys((touch.relation.schema, touch.relation.name) for touch in one.parts.touches)
    waits = tuple(
        Statement(
            sql.render("assertion_wait", _Wait(table(name))),
            "SHARE ROW EXCLUSIVE",
            ".".join(name),
            later=True,
            hazards=("waits for running writes, and lets no new one begin meanwhile",),
        )
        for name in read
    )
    return Artifact(
        kind="assertion",
        names=(definition.name, rule.name),
        definition=definition.name,
        create=(Statement(told), *waits, validate) if wants else (Statement(told),),
        reason="tells the runtime what the assertion depends on"
        + ("; then what is there is held to it" if wants else ""),
        replaceable=True,
        known_as=plain.fingerprint,
    )


def _dependencies(touches: tuple[Touch, ...]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for touch in touches:
        name = table((touch.relation.schema, touch.relation.name)).text
        one = found.setdefault(name, {"relation": name, "columns": [], "events": []})
        one["columns"] = list(dict.fromkeys((*one["columns"], *touch.columns)))
        one["events"] = list(dict.fromkeys((*one["events"], *touch.events)))
    return list(found.values())


def _json(document: object) -> Sql:
    return sql.literal(json.dumps(document, ensure_ascii=False, indent=1))


def _notes(one: _Held, compiler: WriteCompiler) -> tuple[str, ...]:
    notes = []
    if one.parts.buckets == 1 and not one.parts.notes and one.choice.mechanism != "native":
        waits = (
            "; transactions that can break it commit one after the other"
            if one.rule.on_breach == "reject"
            else ""
        )
        notes.append(f"{one.rule.name}: each check reads {one.parts.cost}{waits}")
    for touch in one.parts.touches:
        relation = touch.relation
        if relation.children and relation is not compiler.relation:
            notes.append(unseen_children(relation))
    return tuple(notes)
