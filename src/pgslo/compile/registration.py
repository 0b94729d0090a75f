"""What the runtime is told of a definition: one document, whose fingerprint says whether it has to be told anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from pgslo import sql
from pgslo.compile import conditions, measures, measuring, pairs, post_processing, promises, reading, writes
from pgslo.compile.arrival import Batching
from pgslo.compile.artifact import Artifact, Statement
from pgslo.compile.constants import seconds
from pgslo.compile.measures import Measured
from pgslo.compile.measuring import Measuring
from pgslo.compile.mechanisms import Choice
from pgslo.compile.writes import WriteCompiler
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: How long after its last write a batch is taken as complete, unless the definition says otherwise.
_SETTLE = timedelta(minutes=10)
#: The bound of a quarantine that the runtime takes where the document names none.
_MAX_BYTES = 2**30


@dataclass(frozen=True)
class _Register:
    document: Sql


def is_measured(compiler: WriteCompiler, measured: Measuring) -> bool:
    """Whether batches are measured: triggers count them, or the table can be asked."""
    return compiler.writes.mode == "bulk" or measured.recount is not None


def registration(
    compiler: WriteCompiler,
    choices: tuple[Choice, ...],
    key: tuple[str, ...],
    measured: Measuring,
    tallies: tuple[str, ...],
    over_batches: dict[str, Measured],
    paired: pairs.Compiler | None,
    asserted: tuple[dict[str, object], ...],
) -> Artifact:
    """What tells the runtime names, owners, promises and ways to measure.

    Args:
        compiler: Of the definition.
        choices: How its rules are enforced.
        key: Columns by which people are told of a row.
        measured: How its batches are measured.
        tallies: Sums that rules over a batch need, in their order.
        over_batches: How each rule over batches is measured, by its name.
        paired: What pairs predictions with labels, if anything does.
        asserted: Its assertions, as the runtime is told.

    Raises:
        CatalogError: It lists holidays, and its batches have no date.
    """
    definition = compiler.definition
    counted = is_measured(compiler, measured)
    watches = definition.watch and counted
    schema = next((choice.rule for choice in choices if isinstance(choice.rule, rules.Schema)), None)
    document = {
        "name": definition.name,
        "relation": str(compiler.table),
        "owner": definition.owner,
        "description": definition.description,
        "key": key,
        "writes": compiler.writes.mode,
        "batch_every": compiler.batching.every,
        "batch_by": compiler.batching.raw_row.text if compiler.batching.by_value else None,
        "batch_place": compiler.batching.place.text if compiler.batching.by_value else None,
        "schema": json.loads(writes.wanted_schema(schema)) if isinstance(schema, rules.Schema) else None,
        "on_read": definition.on_read,
        **({"max_bytes": definition.max_bytes} if definition.max_bytes != _MAX_BYTES else {}),
        "settle": seconds(definition.settle or _SETTLE),
        "batch_is_of_row": measured.of_row,
        "recount": measured.recount,
        "judge": measured.judge,
        "batch_column": compiler.batching.column,
        **({"place_is_number": True} if compiler.batching.by_value and not compiler.batching.dated else {}),
        "sensitivity": definition.sensitivity,
        **_holidays(definition, compiler.batching),
        **({"tallies": tallies} if tallies else {}),
        **_objective(definition),
        **_freshness(over_batches),
        **({"readers": definition.readers} if definition.readers else {}),
        **_for_owner(compiler, choices),
        **post_processing.registered(definition),
        **({"reads": read} if (read := reading.others(definition, compiler.subject)) else {}),
        **({"pairs": paired.document()} if paired else {}),
        "watched": [{"name": one.column.name, "kind": one.kind} for one in measured.watched if counted],
        "rules": [
            *(measuring.learned(measured.watched) if watches else ()),
            *(_registered(choice, over_batches.get(choice.rule.name)) for choice in choices),
            *asserted,
        ],
        "tasks": [
            {
                "name": task.name,
                "contact": task.contact,
                "reads": task.reads,
                "reads_from": "sql" if task.sql is not None else "definition",
                "view": task.view,
                "on_read": task.on_read,
                **({"gate": _gate(task.gate)} if task.gate else {}),
                **({"within": seconds(task.window)} if task.window is not None else {}),
                **({"batches": task.batches} if task.batches != "all" else {}),
            }
            for task in definition.tasks
        ],
    }
    plain = Artifact(
        "registration", (definition.name,), definition.name, (Statement(_document(document)),), ""
    )
    text = sql.render("register", _Register(_document({**document, "fingerprint": plain.fingerprint})))
    return Artifact(
        kind="registration",
        names=(definition.name,),
        definition=definition.name,
        create=(Statement(text),),
        reason="tells the runtime names, owners and promises for its messages",
        replaceable=True,
        known_as=plain.fingerprint,
    )


def _gate(gate: rules.Gate) -> dict[str, object]:
    """A task's gate as the runtime is told."""
    told: dict[str, object] = {"batches": gate.batches}
    for name, wanted in (("training", gate.training), ("evaluation", gate.evaluation)):
        if wanted is not None:
            age = {"max_age": seconds(wanted.max_age)} if wanted.max_age else {}
            told[name] = {"snapshot": wanted.snapshot, **age}
    return told


def _registered(choice: Choice, measured: Measured | None) -> dict[str, object]:
    """A rule as the runtime is told."""
    rule = choice.rule
    told: dict[str, object] = {
        "name": rule.name,
        "kind": rule.custom_kind if isinstance(rule, rules.Custom) else rule.kind,
        "columns": conditions.columns(rule),
        "on_breach": rule.on_breach,
        "at_least": rule.at_least,
        "at_most": rule.at_most,
        "samples": rule.samples,
        "mechanism": choice.mechanism,
        "promise": promises.promise(rule),
        "owner": rule.owner,
        "description": rule.description,
        "tags": rule.tags,
        "scope": measured.scope if measured else "row",
    }
    if choice.rests_on is not None:
        told["rests_on"] = choice.rests_on
    if measured:
        told["measure"] = measured.measure
        told |= {"warn_low": measured.low, "warn_high": measured.high}
        told |= {"reject_low": measured.reject_low, "reject_high": measured.reject_high}
    elif rule.reject_below is not None:
        told |= {"measure": measures.share(rule), "reject_low": rule.reject_below}
    if rule.target is not None:
        told["target"] = rule.target
    if rule.window is not None:
        told["span"] = seconds(rule.window)
    if (rule.opens_after, rule.resolves_after) != (1, 1):
        told |= {"missed_before_open": rule.opens_after, "met_before_resolve": rule.resolves_after}
    return told


def _objective(definition: Definition) -> dict[str, object]:
    if definition.target is None or definition.window is None:
        return {}
    return {
        "target": definition.target,
        "span": seconds(definition.window),
        "budgeting": definition.budgeting,
    }


def _holidays(definition: Definition, batching: Batching) -> dict[str, object]:
    if batching.dated:
        return {"holidays": definition.holidays} if definition.holidays else {}
    if "holidays" in definition.places:
        raise CatalogError(
            f"batches of {definition.name} have no date, so none is on a holiday",
            hint="leave holidays out, or write batch: {by: <a date or a time stamp>}",
            location=definition.place("holidays"),
        )
    return {}


def _freshness(over_batches: dict[str, Measured]) -> dict[str, object]:
    for one in over_batches.values():
        if one.measure["form"] == "age":
            return {"max_age": f"{one.high:.0f} seconds", "age_of": one.measure.get("function")}
    return {}


def _for_owner(compiler: WriteCompiler, choices: tuple[Choice, ...]) -> dict[str, object]:
    """The functions by which the runtime reads and writes a table of another role with that role's rights."""
    writes = any(choice.rule.on_breach == "quarantine" for choice in choices)
    names = [one.names[0] for one in compiler.for_owner(writes=writes)]
    known = compiler.known_types(compiler.relation)
    return {
        **({} if known is None else {"types": known}),
        **dict(zip(("reader", "writer"), names, strict=False)),
    }


def _document(document: object) -> Sql:
    return sql.literal(json.dumps(document, ensure_ascii=False, indent=1))
