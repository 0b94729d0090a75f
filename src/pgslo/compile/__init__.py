"""From a definition and the facts of a database to the objects that enforce it. Pure: the same input, the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from pgslo import naming, sql
from pgslo.catalog import TEXT, Catalog, Name, Relation
from pgslo.compile import (
    assertions,
    conditions,
    declared,
    keys,
    measures,
    measuring,
    mechanisms,
    native,
    pairs,
    placement,
    post_processing,
    reading,
    repairs,
    unjudged,
    views,
)
from pgslo.compile.arrival import unseen_children
from pgslo.compile.artifact import Artifact, Lock, Statement, drop, read_comment, table
from pgslo.compile.assertions import Validation
from pgslo.compile.conditions import Subject
from pgslo.compile.measures import Measured
from pgslo.compile.measuring import Measuring
from pgslo.compile.mechanisms import Choice
from pgslo.compile.registration import is_measured, registration
from pgslo.compile.writes import WriteCompiler
from pgslo.definition import rules
from pgslo.definition.assertions import ReturnsNothing
from pgslo.definition.rules import Definition
from pgslo.definition.shadow import as_enforced
from pgslo.errors import CatalogError, DefinitionError, DefinitionErrors, Location
from pgslo.expression import Expression, Query, columns_read
from pgslo.sql import Sql

_Made = TypeVar("_Made")

_NOT_OURS_TO_GUARD = {
    "pg_catalog",
    "information_schema",
    naming.API_SCHEMA,
    naming.CATALOG_SCHEMA,
    naming.GENERATED_SCHEMA,
}

__all__ = [
    "Artifact",
    "Choice",
    "Compiled",
    "Lock",
    "Probe",
    "Statement",
    "Validation",
    "compile_definition",
    "drop",
    "read_comment",
]


@dataclass(frozen=True)
class Probe:
    """A query that PostgreSQL itself has to accept before anything is applied; it is run and rolled back.

    Attributes:
        text: The query, with no side effects.
        location: Where what it judges stands, for the error.
    """

    text: Sql
    location: Location


@dataclass(frozen=True)
class Compiled:
    """What a definition comes to.

    Attributes:
        artifacts: In the order in which they are to be made.
        choices: How each rule is enforced, and why.
        probes: What PostgreSQL has to accept.
        notes: What the author should know, though it is no error.
        validations: What the rows that are there have to keep before it is applied.
        reads_others: Whether it is about relations of which another role decides what reading them runs.
    """

    definition: Definition
    artifacts: tuple[Artifact, ...]
    choices: tuple[Choice, ...]
    probes: tuple[Probe, ...]
    notes: tuple[str, ...]
    validations: tuple[Validation, ...] = ()
    reads_others: bool = False


@dataclass(frozen=True)
class _Probe:
    table: Sql
    condition: Sql


def value_probe(relation: Name, expression: Expression) -> Sql:
    """A query whose result has the expression's type and no row."""
    return sql.render("probe_value", _Probe(table(relation), expression.qualified(conditions.ROW)))


def view_probe(view: Sql, query: Query) -> Sql:
    """A view over a query of an author's own, which tells what the query depends on."""
    return sql.render("probe_view", _View(view, query.sql()))


def queries(definition: Definition) -> Iterator[Query]:
    """Yield the queries of the author's own that a definition holds, of rules and of assertions."""
    for rule in definition.rules:
        if isinstance(rule, rules.QueryRule) and rule.enabled:
            yield rule.query
    for asserted in definition.assertions:
        if isinstance(asserted, ReturnsNothing) and asserted.enabled:
            yield asserted.query


@dataclass(frozen=True)
class _View:
    view: Sql
    query: Sql


@dataclass(frozen=True)
class _Regex:
    value: Sql
    table: Sql
    regex: Sql


@dataclass(frozen=True)
class _Order:
    left: Sql
    right: Sql
    table: Sql


@dataclass(frozen=True)
class _Typed:
    value: Sql
    type: Sql


@dataclass(frozen=True)
class _Grouped:
    table: Sql
    raw: Sql


def compile_definition(definition: Definition, catalog: Catalog) -> Compiled:
    """Work out what a definition needs in this database.

    Raises:
        DefinitionErrors: All that does not fit: tables, columns, types, keys, mechanisms.
    """
    relation, key = _relation(definition, catalog)
    definition = _with_reads(as_enforced(definition), relation)
    compiler = _collect(lambda: WriteCompiler(definition, catalog, relation, key))
    choices: list[Choice] = []
    errors: list[DefinitionError] = []
    made: list[Artifact | None] = []
    probes = _batch_probes(definition, compiler)
    over_batches: dict[str, Measured] = {}
    for rule in definition.rules:
        if not rule.enabled:
            continue
        try:
            if isinstance(rule, rules.BatchRule):
                one = measures.measure(rule, compiler)
                over_batches[rule.name] = one
                choices.append(one.choice)
                probes += [Probe(text, place) for text, place in one.probes]
                continue
            choice = _choose(rule, compiler)
            measures.check_share(rule, compiler)
            if choice.mechanism == "native":
                made.append(native.artifact(rule, definition, compiler.subject, choice.reason))
                if made[-1] is None:
                    choice = Choice(rule, "native", "the table has it already; nothing is created")
                choice = replace(choice, rests_on=native.rests_on(rule, made[-1]))
            probes += _probes(rule, compiler)
            choices.append(choice)
        except DefinitionErrors as group:
            errors += group.errors
        except DefinitionError as error:
            errors.append(error)
    errors += _unknown_columns(definition, compiler)
    errors += keys.check(definition)
    asserted = assertions.Asserted()
    if refused := tuple(placement.check_assertions(definition, catalog)):
        errors += refused
    else:
        try:
            asserted = _collect(lambda: assertions.asserted(definition, compiler))
            probes += [Probe(text, place) for text, place in asserted.probes]
        except DefinitionErrors as group:
            errors += group.errors
    errors += reading.check(definition, catalog)
    errors += placement.check(definition, catalog, (*choices, *asserted.choices))
    if errors:
        # A column that is not there is no news the second time.
        raise DefinitionErrors(tuple({str(error): error for error in errors}.values()))

    chosen = tuple(choices)
    repairing = tuple(choice.rule for choice in chosen if choice.mechanism == "repair trigger")
    processed = _post_processed(compiler, probes)
    triggers = _collect(lambda: (*repairs.artifacts(compiler, repairing), *compiler.artifacts(chosen)))
    for_owner = _collect(lambda: (*compiler.lookups(chosen), *compiler.for_owner(writes=_diverts(chosen))))
    counted = tuple(choice.rule for choice in chosen if choice.mechanism == "statement trigger")
    tallies = {tally.name: tally for one in over_batches.values() for tally in one.tallies}
    refuses = any(one.rejects for one in over_batches.values()) or any(
        rule.reject_below is not None for rule in counted
    )
    measured = _collect(
        lambda: measuring.measuring(
            compiler,
            counted,
            tuple(tallies.values()),
            profiles=definition.watch or bool(over_batches),
            refuses=refuses,
        )
    )
    paired = _collect(lambda: pairs.Compiler(compiler)) if pairs.wanted(definition) else None
    again = _collect(lambda: unjudged.judge(compiler, chosen))
    own = tuple(artifact for one in over_batches.values() for artifact in one.artifacts)
    triggers = (
        *for_owner,
        *processed,
        *triggers,
        *measured.artifacts,
        *(again or ()),
        *own,
        *asserted.artifacts,
        *_collect(lambda: paired.artifacts() if paired else ()),
    )
    watches = definition.watch and is_measured(compiler, measured)
    learning = frozenset(one.column.name for one in measured.watched if watches)
    guarded = _collect(
        lambda: views.artifacts(
            definition, catalog, relation, key, compiler.batching, learning, asserted.columns
        )
    )
    told = _collect(
        lambda: registration(
            compiler,
            chosen,
            key,
            replace(measured, judge=again[-1].names[0] if again else None),
            tuple(tallies),
            over_batches,
            paired,
            asserted.told,
        )
    )
    artifacts = (
        *(one for one in triggers if one.kind == "function"),
        told,
        *(one for one in made if one is not None),
        *(one for one in triggers if one.kind != "function"),
        *guarded,
    )
    errors += placement.check_triggers(definition, catalog, artifacts)
    if errors:
        raise DefinitionErrors(tuple(errors))
    changed = post_processing.note(definition, catalog)
    notes = (*_notes(compiler, chosen, measured), *((changed,) if changed else ()))
    reads_others = reading.reads_others(definition, relation, catalog)
    if reads_others and asserted.validations:
        # A plan would run the code of others with the rights of whoever plans.
        notes = (*notes, "assertions are checked against existing rows by apply, not by the plan")
    return Compiled(
        definition,
        artifacts,
        (*chosen, *asserted.choices),
        tuple(probes),
        (
            *notes,
            *asserted.notes,
            *(one.note for one in artifacts if one.note),
            *reading.hazards(definition, relation, catalog),
            *placement.notes(definition, catalog),
        ),
        () if reads_others else asserted.validations,
        reads_others=reads_others,
    )


def _unknown_columns(definition: Definition, compiler: WriteCompiler) -> Iterator[DefinitionError]:
    """Yield an error for each column that is named where no rule looks it up, and that the table has not."""
    named = (
        *((name, f"columns.{name}") for name in definition.listed),
        *((name, "unwatched") for name in definition.unwatched),
    )
    for name, place in named:
        try:
            compiler.subject.column(name, definition.place(place))
        except DefinitionError as error:
            yield error


def _post_processed(compiler: WriteCompiler, probes: list[Probe]) -> tuple[Artifact, ...]:
    """What the post-processing of predictions needs; what PostgreSQL has to accept of it is added to the probes."""
    definition = compiler.definition
    if definition.post_process is None:
        return ()
    steps = _collect(
        lambda: post_processing.Compiler(definition, compiler.subject.catalog, compiler.relation)
    )
    probes += [Probe(text, place) for text, place in steps.probes()]
    return _collect(lambda: steps.artifacts(compiler))


def _diverts(choices: tuple[Choice, ...]) -> bool:
    """Whether rows can be held in quarantine."""
    return any(choice.rule.on_breach == "quarantine" for choice in choices)


def _collect(make: Callable[[], _Made]) -> _Made:
    try:
        return make()
    except DefinitionError as error:
        raise DefinitionErrors((error,)) from error


def _relation(definition: Definition, catalog: Catalog) -> tuple[Relation, tuple[str, ...]]:
    place = definition.places.get("table", definition.location)
    relation = catalog.relations.get((definition.schema_name, definition.table_name))
    if relation is None:
        raise DefinitionErrors(
            (
                CatalogError(
                    f"table {definition.name} does not exist",
                    hint="or this role may not see its schema",
                    location=place,
                ),
            )
        )
    if definition.schema_name in _NOT_OURS_TO_GUARD:
        raise DefinitionErrors(
            (
                CatalogError(
                    f"{definition.name} belongs to PostgreSQL or to pgslo itself and cannot be guarded",
                    location=place,
                ),
            )
        )
    kinds = {
        "v": "a view",
        "m": "a materialized view",
        "f": "a foreign table",
        "S": "a sequence",
        "c": "a type",
        "i": "an index",
    }
    if relation.kind not in ("r", "p"):
        raise DefinitionErrors(
            (
                CatalogError(
                    f"{definition.name} is {kinds.get(relation.kind, 'not a table')}, which has no triggers for the rows written to it",
                    hint="write the definition for the table that is written to",
                    location=place,
                ),
            )
        )
    if relation.is_partition:
        raise DefinitionErrors(
            (
                CatalogError(
                    f"{definition.name} is a partition",
                    detail="Rows that come through the partitioned table do not fire the statement triggers of a partition.",
                    hint=f"write the definition for {'.'.join(relation.parents[0])}"
                    if relation.parents
                    else None,
                    location=place,
                ),
            )
        )
    key = keys.of(definition, relation, Subject(relation, catalog))
    return relation, key


def _choose(rule: rules.Rule, compiler: WriteCompiler) -> Choice:
    subject = compiler.subject
    if isinstance(rule, rules.Schema):
        declared.check_schema(rule, subject)
        return mechanisms.choose(rule, subject, compiler.writes)
    if isinstance(rule, rules.Range) and rule.on_breach == "repair":
        conditions.check(rule, subject)
        return Choice(rule, "repair trigger", "only a BEFORE ROW trigger can change the row")
    conditions.check(rule, subject)
    choice = mechanisms.choose(rule, subject, compiler.writes)
    if choice.mechanism in ("row trigger", "statement trigger") and isinstance(
        rule, rules.References | rules.Unique
    ):
        native.check_lookup(rule, subject)
    return choice


def _probes(rule: rules.Rule, compiler: WriteCompiler) -> list[Probe]:
    """Let PostgreSQL type-check what the author wrote, over the table's own columns, reading no row."""
    if isinstance(rule, rules.Schema):
        return []
    stated: list[tuple[Sql, Location]] = []
    if rule.where:
        stated.append((rule.where.qualified(conditions.ROW), rule.where.location))
    if not isinstance(rule, rules.Repair):
        # Made in any case: that is where a kind refuses a column's type.
        condition = conditions.condition(rule, compiler.subject, conditions.ROW)
        # What a format calls may not be installed yet, and a pattern is tried by itself below.
        if not isinstance(rule, rules.Format | rules.Pattern):
            stated.append((condition, _blame(rule)))
    found = [
        Probe(sql.render("probe_condition", _Probe(compiler.table, condition)), location)
        for condition, location in stated
    ]
    if isinstance(rule, rules.Repair):
        assert rule.column is not None, "repair stands under a column"
        column = compiler.subject.column(rule.column, rule.location)
        found += [
            Probe(sql.render("probe_value", _Probe(compiler.table, step.value)), rule.place(step.parameter))
            for step in repairs.steps(rule, column, conditions.ROW)
        ]
        found += [
            Probe(
                sql.render("probe_constant", _Typed(step.value, Sql(column.base_type))),
                rule.place(step.parameter),
            )
            for step in repairs.constants(rule, column)
        ]
    found += _text_probes(rule, compiler)
    return found


def _batch_probes(definition: Definition, compiler: WriteCompiler) -> list[Probe]:
    """Let PostgreSQL say whether rows can be grouped by what the author calls a batch."""
    if definition.batch is None or definition.batch.by is None:
        return []
    grouped = _Grouped(compiler.table, compiler.batching.raw_row)
    return [Probe(sql.render("probe_batch", grouped), definition.batch.by.location)]


def _text_probes(rule: rules.Rule, compiler: WriteCompiler) -> list[Probe]:
    """Compare empty texts of the columns' collations: whether PostgreSQL can tells only doing it."""

    def value(name: str) -> tuple[Sql, bool]:
        column = compiler.subject.column(name, rule.location)
        return Sql(f"{conditions.ROW}.{sql.identifier(name)}"), column.category == TEXT

    match rule:
        case rules.Pattern(column=str(name)):
            regex = _Regex(value(name)[0], compiler.table, sql.literal(rule.matches))
            return [Probe(sql.render("probe_regex", regex), rule.place("matches"))]
        case rules.Compare():
            (left, left_is_text), (right, right_is_text) = value(rule.left), value(rule.right)
            if left_is_text and right_is_text:
                order = _Order(left, right, compiler.table)
                return [Probe(sql.render("probe_order", order), rule.location)]
    return []


def _blame(rule: rules.Rule) -> Location:
    """Where an author looks first when PostgreSQL does not accept a rule."""
    if isinstance(rule, rules.ExpressionRule):
        return rule.expression.location
    return rule.location


def _with_reads(definition: Definition, relation: Relation) -> Definition:
    """The definition with what its tasks read in their SQL, besides what their author listed."""
    table = relation.name
    tasks, errors = [], []
    for task in definition.tasks:
        if task.sql is None:
            tasks.append(task)
            continue
        names = {(relation.schema, table)}
        names |= {(definition.guarded, table + suffix) for suffix in ("", "_strict", "_status", "_healthy")}
        if task.relation is not None:
            names.add(task.relation)
        try:
            read = columns_read(
                task.sql,
                names=names,
                columns=tuple(column.name for column in relation.columns),
                location=task.place("sql"),
            )
        except DefinitionError as error:
            errors.append(error)
            continue
        tasks.append(task.model_copy(update={"reads": tuple(dict.fromkeys((*task.reads, *read)))}))
    if errors:
        raise DefinitionErrors(tuple(errors))
    return definition.model_copy(update={"tasks": tuple(tasks)})


def _depends_on_the_stored_row(rule: rules.Rule) -> bool:
    """Whether a part of a row, as an upsert may send it, can violate a quarantine rule that the merged row satisfies."""
    if rule.on_breach != "quarantine":
        return False
    return isinstance(rule, rules.NotNull) or len(conditions.columns(rule)) > 1


def _replicated(compiler: WriteCompiler, choices: tuple[Choice, ...]) -> list[str]:
    """What becomes of rules that refuse rows where an error would stop replication."""

    def named(*mechanisms: str) -> str:
        return ", ".join(
            choice.rule.name
            for choice in choices
            if choice.mechanism in mechanisms
            and (choice.rule.on_breach == "reject" or choice.rule.reject_below is not None)
        )

    notes = []
    if flagged := named("row trigger", "statement trigger", "schema trigger", "at close"):
        notes.append(
            f"rows of a subscription, and of session_replication_role = replica, are not rejected but flagged: {flagged}"
        )
    if held := named("native"):
        notes.append(f"constraints hold for a subscription as well, which stops at a violation: {held}")
    if compiler.writes.mode == "bulk":
        notes.append(
            "a subscription fires no statement trigger: its rows are evaluated with writes: stream only, and not counted here"
        )
    if compiler.definition.assertions:
        notes.append("assertions are not evaluated for rows of a subscription; pgslo.audit() does that")
    return notes


def _notes(compiler: WriteCompiler, choices: tuple[Choice, ...], measured: Measuring) -> tuple[str, ...]:
    relation, column = compiler.relation, compiler.batching.column
    notes = []
    if (
        compiler.writes.mode == "stream"
        and measured.recount is not None
        and column is not None
        and not any(index.columns[0] == column for index in relation.indexes)
    ):
        notes.append(
            f"no index begins with {column}: batches of a streamed table are counted by it once the table is larger than 16 MB"
        )
    for role in sorted({one.stranger for one in relation.columns if one.stranger}):
        listed = ", ".join(one.name for one in relation.columns if one.stranger == role)
        notes.append(
            f'types of {listed} belong to role "{role}", in whole or in part: it may define casts and domain constraints at any'
            " time, so their values are converted by output functions alone, and no expression or repair may use them"
        )
    if compiler.batching.names == "batch_hidden_name":
        notes.append(
            "batches are named by a hash, because their key may be personal; show_names: true under batch names them by it"
        )
    if relation.children:
        notes.append(unseen_children(relation))
    if compiler.definition.fires == "always":
        notes += _replicated(compiler, choices)
    diverting = [choice.rule.name for choice in choices if choice.rule.on_breach in ("quarantine", "repair")]
    later = [name for name in relation.before_row_triggers if name > "pgslo_"]
    if diverting and later:
        notes.append(
            f"trigger {later[0]} fires after pgslo's BEFORE ROW triggers and may change the rows they let through ({', '.join(diverting)})"
        )
    partial = [choice.rule.name for choice in choices if _depends_on_the_stored_row(choice.rule)]
    if partial:
        notes.append(
            f"rows of INSERT ... ON CONFLICT DO UPDATE are quarantined as they were sent ({', '.join(partial)}): columns that the"
            " statement does not name have their defaults, not the stored values"
        )
    return tuple(notes)
