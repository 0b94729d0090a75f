"""The registration of a definition: one document, whose fingerprint shows whether it has to be written again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pgslo import sql
from pgslo.compile.artifact import Artifact, Statement
from pgslo.compile.part import Part
from pgslo.compile.snippets.documents import document
from pgslo.compile.snippets.literals import seconds
from pgslo.compile.table import reading
from pgslo.compile.table.batching import Batching
from pgslo.compile.table.context import TableContext
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


#: What the document says of a definition, in this order.
_FIELDS = (
    "name",
    "relation",
    "owner",
    "description",
    "key",
    "writes",
    "batch_every",
    "batch_by",
    "batch_place",
    "batch_name",
    "batch_key",
    "schema",
    "on_read",
    "max_bytes",
    "settle",
    "batch_is_of_row",
    "recount",
    "judge",
    "outbox",
    "told",
    "batch_column",
    "place_is_number",
    "sensitivity",
    "holidays",
    "history_batches",
    "history_span",
    "tallies",
    "target",
    "span",
    "budgeting",
    "max_age",
    "age_of",
    "readers",
    "types",
    "reader",
    "writer",
    "post_processing",
    "reads",
    "pairs",
    "watched",
    "learns",
    "rules",
    "tasks",
)


def registration(table: TableContext, so_far: Part) -> Part:
    """Make the registration of names, owners, summaries and measures."""
    told = _told(table, so_far)
    return Part(artifacts=(_artifact(table.definition, told),), registered=told)


def _told(table: TableContext, so_far: Part) -> dict[str, Any]:
    """The registration of the definition, by field."""
    # The runtime makes rules for learned bounds: one for each column that is watched, and one for the table.
    stated = tuple(one for one in so_far.rules if one["kind"] != "learned")
    said = {
        **_stated(table),
        **so_far.registered,
        "rules": _in_order(table.definition, _resting(table.definition, stated)),
    }
    if len(stated) < len(so_far.rules):
        said["learns"] = True
    if so_far.tallies:
        said["tallies"] = [tally.name for tally in so_far.tallies]
    return {name: said[name] for name in _FIELDS if name in said}


def _artifact(definition: Definition, told: dict[str, Any]) -> Artifact:
    plain = Artifact("registration", (definition.name,), definition.name, (Statement(document(told)),), "")
    text = sql.render("register", _Register(document({**told, "fingerprint": plain.fingerprint})))
    return Artifact(
        kind="registration",
        names=(definition.name,),
        definition=definition.name,
        create=(Statement(text),),
        reason="registers names, owners and summaries for messages",
        replaceable=True,
        known_as=plain.fingerprint,
    )


def _stated(table: TableContext) -> dict[str, Any]:
    """What the definition itself says."""
    definition, batching = table.definition, table.batching
    read = reading.others(definition, table.subject)
    return {
        "name": definition.name,
        "relation": str(table.qualified),
        "owner": definition.owner,
        "description": definition.description,
        "key": table.key,
        "writes": table.writes.mode,
        "batch_every": batching.every,
        "batch_by": batching.raw_row.text if batching.by_value else None,
        "batch_place": batching.place.text if batching.by_value else None,
        "batch_name": batching.name.text if batching.by_value else None,
        "batch_key": batching.identity,
        "on_read": definition.on_read,
        **({"max_bytes": definition.max_bytes} if definition.max_bytes != _MAX_BYTES else {}),
        "settle": seconds(definition.settle or _SETTLE),
        "batch_column": batching.column,
        **({"place_is_number": True} if batching.by_value and not batching.dated else {}),
        "sensitivity": definition.sensitivity,
        **_holidays(definition, batching),
        **_history(definition),
        **_objective(definition),
        **({"readers": definition.readers} if definition.readers else {}),
        **({"reads": read} if read else {}),
        "tasks": [_task(task) for task in definition.tasks],
    }


def _resting(definition: Definition, told: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """The same, with the other relations that a rule reads: without one of them, it cannot be evaluated."""
    stated = {rule.name: rule for rule in definition.rules}
    read: dict[str, list[dict[str, Any]]] = {}
    for one in reading.reads(definition):
        columns = (
            [theirs for _, theirs in stated[one.by].compared_with.get(one.name, ())]
            if one.by in stated
            else []
        )
        read.setdefault(one.by, []).append({"table": one.name, **({"columns": columns} if columns else {})})
    return tuple(
        rule | {"rests_on": {"kind": "relations", "columns": [], "relations": relations}}
        if "rests_on" not in rule
        and (relations := read.get(reading.LABELS if rule["kind"] == "ml_metric" else rule["name"], []))
        else rule
        for rule in told
    )


def _in_order(definition: Definition, told: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Rules as the definition has them, then assertions."""
    place = {rule.name: n for n, rule in enumerate((*definition.rules, *definition.assertions))}
    return sorted(told, key=lambda one: place[one["name"]])


def _task(task: rules.Task) -> dict[str, Any]:
    """The registration of a task."""
    return {
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


def _gate(gate: rules.Gate) -> dict[str, object]:
    """The registration of a task's gate."""
    told: dict[str, object] = {"batches": gate.batches}
    if gate.suspects != "stop":
        told["suspects"] = gate.suspects
    for name, wanted in (("training", gate.training), ("evaluation", gate.evaluation)):
        if wanted is not None:
            age = {"max_age": seconds(wanted.max_age)} if wanted.max_age else {}
            told[name] = {"snapshot": wanted.snapshot, **age}
    return told


def _objective(definition: Definition) -> dict[str, object]:
    if definition.target is None or definition.window is None:
        return {}
    return {
        "target": definition.target,
        "span": seconds(definition.window),
        "budgeting": definition.budgeting,
    }


def _history(definition: Definition) -> dict[str, object]:
    match definition.history:
        case None:
            return {}
        case int(batches):
            return {"history_batches": batches}
        case span:
            return {"history_span": seconds(span)}


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
