"""Assertions as objects: the constraint that says it natively, or triggers that note touched groups for a check at COMMIT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Name, Relation
from pgslo.compile import placement
from pgslo.compile.artifact import Artifact
from pgslo.compile.assertions import kinds
from pgslo.compile.assertions.commit import CommitCompiler, Looked
from pgslo.compile.assertions.declarations import declaration, told
from pgslo.compile.assertions.groups import Parts, Touch
from pgslo.compile.assertions.held import Held
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part, Probe, Validation
from pgslo.compile.snippets import session_settings
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.batching import unseen_children
from pgslo.compile.table.context import TableContext
from pgslo.definition import wording
from pgslo.definition.rules import Assertion, Definition
from pgslo.errors import CatalogError, Problems
from pgslo.expression import session, tables_read
from pgslo.expression.queries.derivation import Event
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


# One context class for each template.


@dataclass(frozen=True)
class _Check:
    source: Sql
    function: Sql
    summary: Sql
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
    summary: Sql
    name: Sql
    held_by: tuple[Sql, ...]
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
class _Breaches:
    of_all: Sql


def assertions(table: TableContext, problems: Problems) -> Part:
    """Work out what the assertions of a definition need."""
    definition = table.definition
    if refused := tuple(placement.check_assertions(definition, table.catalog)):
        problems.extend(refused)
        return Part()
    held: list[Held] = []
    for rule in definition.assertions:
        if rule.enabled:
            with problems.collecting():
                held.append(_hold(rule, table))
    if not held:
        return Part()
    declared = tuple(declaration(one, definition, table) for one in held)
    known = {
        (one.identity, one.fingerprint)
        for one in table.catalog.installed
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
    return Part(
        choices=tuple(one.choice for one in held),
        artifacts=(
            *(_check_function(one, definition, table) for one in held),
            *declared,
            *(one.native for one in held if one.native is not None),
            *_touching(held, definition, table),
        ),
        rules=tuple(told(one) for one in held),
        probes=tuple(Probe(text, location) for one in held for text, location in one.parts.probes),
        validations=validations,
        notes=tuple(note for one in held for note in (*one.parts.notes, *_notes(one, table))),
    )


def _hold(rule: Assertion, table: TableContext) -> Held:
    kind = kinds.of(rule, table)
    parts = kind.parts()
    relation = table.relation
    function = naming.fit(relation.schema, relation.name, rule.name, "breaches")
    chosen = kind.native()
    if isinstance(chosen, tuple):
        made, reason = chosen
        choice = Choice(rule, "native", reason, kind.rests_on(made))
        return Held(rule, parts, function, choice, made)
    _check_lookups(rule, parts)
    if rule.on_breach != "reject":
        when = "when the transaction commits" if rule.is_deferred else "after each statement"
        reason = (
            f"{when}, {parts.cost} as the writer sees it, and by tick() as all see it; no transaction waits"
        )
    else:
        early = "" if rule.is_deferred else "after each statement as its transaction sees it, and again "
        each = " for each group" if parts.buckets > 1 else ""
        reason = f"{early}when the transaction commits, {parts.cost}, one transaction after the other{each}"
    if chosen:
        reason = f"{reason}; {chosen}"
    return Held(rule, parts, function, Choice(rule, "at commit", reason), None)


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


def _source(held: Sequence[Held], definition: Definition) -> Sql:
    """The input of a function: it changes with a column's type, so that sessions plan it again."""
    read = {
        f"{column.name} {column.type}"
        for one in held
        for touch in one.parts.touches
        for column in touch.relation.columns
        if column.name in touch.columns
    }
    return Sql(wording.comment(f"the definition of {definition.name} with {', '.join(sorted(read))}"))


def _settings(held: Sequence[Held], table: TableContext) -> frozenset[Settings]:
    """What conditions and keys of groups depend on: a key has to be the same text in every session."""
    touches = [touch for one in held for touch in one.parts.touches]
    types = (
        column.base_type
        for touch in touches
        for column in touch.relation.columns
        if column.name in touch.columns
    )
    relations = (table.relation, *(touch.relation for touch in touches))
    found = session_settings.needed([one.rule for one in held], *relations) | session.of_types(types)
    return session_settings.ALL if any(one.parts.hidden for one in held) else found


def _check_function(one: Held, definition: Definition, table: TableContext) -> Artifact:
    context = _Check(
        source=_source((one,), definition),
        function=sql.identifier(naming.GENERATED_SCHEMA, one.function),
        summary=Sql(wording.one_line(one.rule.summary)),
        of_all=one.parts.of_all,
        of_touched=one.parts.of_touched,
        undoing=table.quickly_undoing,
        undo=table.undo(with_locks=False),
    )
    template = "assertion_check_hidden" if one.parts.hidden else "assertion_check"
    return table.function(
        one.function,
        sql.render(template, context),
        "finds the groups that break the assertion",
        arguments=_KEYS,
        reads_table=True,
        settings=_settings((one,), table),
    )


def _touching(held: list[Held], definition: Definition, table: TableContext) -> list[Artifact]:
    """For each table that can break an assertion one function that notes touched groups, and its triggers."""
    touched: dict[Name, list[tuple[Held, Touch]]] = {}
    for one in held:
        if one.choice.mechanism != "native":
            for touch in one.parts.touches:
                if touch.events:
                    touched.setdefault((touch.relation.schema, touch.relation.name), []).append((one, touch))
    own: Name = (table.relation.schema, table.relation.name)
    commit = CommitCompiler(table)
    source = Sql(wording.one_line(f"the definition of {definition.name}"))
    made: list[Artifact] = []
    if enforced := [one for one in held if one.is_enforced]:
        looked = [_looked(one) for one in enforced]
        settings = _settings(enforced, table) | session_settings.LOOKUPS
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
            guards=table.guards(relation, returns=Sql("NULL")),
            assertions=tuple(_noted(one, touch, commit) for one, touch in found),
        )
        made.append(
            table.function(
                function,
                sql.render("assertion_touch", context),
                "notes which groups a statement touches",
                settings=_settings([one for one, _ in found], table),
            )
        )
        events = dict.fromkeys(event for _, touch in found for event in touch.events)
        made += _triggers(relation, tuple(events), function, own if of_other else None, table.trigger)
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


def _looked(one: Held) -> Looked:
    check = sql.literal(one.function)
    function = sql.identifier(naming.GENERATED_SCHEMA, one.function)
    return Looked(
        label=Sql(wording.one_line(one.rule.name)),
        summary=Sql(wording.one_line(one.rule.summary)),
        check=check,
        # Only its check runs a query read-only.
        of_touched=sql.render("assertion_looked_hidden", _Hidden(function))
        if one.parts.hidden
        else one.parts.of_touched,
        read=tuple(
            sql.literal(str(sql.identifier(*name)))
            for query in one.rule.queries
            for name in tables_read(query)
        ),
    )


def _noted(one: Held, touch: Touch, commit: CommitCompiler) -> _Noted:
    enforced = one.rule.on_breach == "reject"
    return _Noted(
        label=Sql(wording.one_line(one.rule.name)),
        summary=Sql(wording.one_line(one.rule.summary)),
        name=sql.literal(one.rule.name),
        held_by=(sql.literal(one.function),) if enforced else (),
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


def _notes(one: Held, table: TableContext) -> tuple[str, ...]:
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
        if relation.children and relation is not table.relation:
            notes.append(unseen_children(relation))
    return tuple(notes)
