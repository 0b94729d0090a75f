"""The shape of a definition file as JSON Schema, for editors; made of the same forms that the loader reads by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgslo.definition.rules import Assertion, Definition, Gate, RowRule
from pgslo.definition.syntax.custom_kinds import CustomKind
from pgslo.definition.syntax.forms import (
    ASSERTION_FORMS,
    ASSERTION_OPTIONS,
    FILE_FORMS,
    OPTIONS,
    Form,
    StableName,
    column_forms,
    row_forms,
)
from pgslo.definition.syntax.keys import (
    BATCH_KEYS,
    GATE_KEYS,
    GATE_SNAPSHOTS,
    OBJECTIVE_KEYS,
    PLAIN_KEYS,
    QUARANTINE_KEYS,
    SNAPSHOT_KEYS,
    TASK_KEYS,
)
from pgslo.definition.syntax.predictions import KIND, PARTS
from pgslo.definition.yaml.named import ColumnOrPath
from pgslo.definition.yaml.values import Shape

#: Changes when a file that was right becomes wrong.
VERSION = 1

_PREDICTION_PARTS = {
    "predictions": "Which columns hold score, class, model version and time.",
    "post_process": "Steps that make the served score from the model's score.",
    "labels": "Where the truth comes from, and when it is complete.",
}
_NO_KINDS: Mapping[str, CustomKind] = {}
_DESCRIPTIONS = {
    "table": "The table, with its schema: features.user_stats.",
    "description": "The content, in a sentence.",
    "owner": "The team that is notified and answers.",
    "key": "Columns that name a row in messages; without them, the primary key.",
    "writes": "How rows arrive; without it, pgslo chooses and the plan says why.",
    "fires": "always: rows of a subscription and of the replica role are evaluated as well, and not rejected.",
    "guarded": "Schema of the guarded views; without it, guarded.",
    "readers": "Roles that may read the guarded views.",
    "on_read": "What readers of a column get while a rule about it is missed.",
    "name": "A stable id; without it, <column>_<kind>.",
    "tags": "Words to find it by.",
    "enabled": "false leaves it out of the database.",
    "enforce": "false: measured in shadow, but no write is refused, diverted or changed.",
    "where": "Rows it is about; the others pass.",
    "on_breach": "What happens to a write that breaks it.",
    "at_least": "Fraction of a batch's rows that have to pass.",
    "at_most": "Rows of a batch that may fail.",
    "samples": "Keys of failing rows to keep per batch, at most.",
    "warn_below": "A batch with less misses it.",
    "warn_above": "A batch with more misses it.",
    "reject_below": "A statement that leaves a batch with less is refused.",
    "reject_above": "A statement that leaves a batch with more is refused.",
    "target": "Share of batches, or of the time, that is to meet it.",
    "window": "Over which the target is to be reached.",
    "budgeting": "Whether batches are counted or the time they cover.",
    "opens_after": "Batches in a row that have to miss it before an incident opens.",
    "resolves_after": "Batches in a row that have to meet it before the incident resolves.",
    "settle": "How long after its last write a batch is taken as complete; without it, ten minutes.",
    "max_bytes": "Bytes of rows that may wait in quarantine; rows beyond are rejected. As many bytes of records of repairs are kept. 1 GB without it.",
    "watch": "false: no bounds are learned.",
    "unwatched": "Columns for which no bounds are learned.",
    "holidays": "Days that are not like others, as 2026-11-26 or, each year, 12-25; learned bounds are wide on them.",
    "history": "How far back profiles and verdicts are kept: 400 batches, or a span such as 365 days; 10,000 batches by default.",
    "sensitivity": "2 reports deviations from the baseline that are half as large, 0.5 only those twice as large.",
    "group_by": "Columns whose values make a group; each group has to satisfy the rule.",
    "deferred": "true: held when the transaction commits; false: after each statement as well.",
    "validated": "false: only later writes are checked.",
    "check_on": "Tables whose every write is checked, where this cannot be read from the query.",
    "by": "A column or expression; rows with the same value are a batch.",
    "every": "A batch for each such span of time.",
    "show_names": "true: batches are named by their values, also by text; everybody who may read the table sees the names.",
    "contact": "The recipient of notifications.",
    "reads": "Columns it reads.",
    "sql": "Its query, in which the columns are found.",
    "view": "A view of its own with these columns alone.",
    "batches": "How many of the newest judged batches have to be healthy.",
    "training": "The snapshot that it is trained on.",
    "evaluation": "The snapshot that it is tried on; it may not end before the training set.",
    "snapshot": "Its name; delays_* is the newest of those whose names begin so.",
    "max_age": "How long ago it may have been taken.",
}


def json_schema(kinds: Mapping[str, CustomKind] = _NO_KINDS) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a definition file.

    What only the loader can judge, such as an expression or two names that are the same, is left to it.

    Args:
        kinds: The organisation's own kinds, by name.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:pgslo:definition:{VERSION}",
        "title": "pgslo definition",
        "description": _sentence(Definition),
        "type": "object",
        "additionalProperties": False,
        "required": ["table"],
        "$defs": _described({key: shape for key, shape in OPTIONS.items() if key != "on_breach"}),
        "properties": {
            **_described(PLAIN_KEYS),
            "batch": {
                "description": "What a batch is: what the objectives are judged on.",
                "anyOf": [{"const": "statement"}, {**_object(_described(BATCH_KEYS)), "minProperties": 1}],
            },
            "objective": {
                "description": "How many of the batches, or of the time, are to be met.",
                **_object(_described(OBJECTIVE_KEYS)),
                "required": ["target", "window"],
            },
            "quarantine": {
                "description": "How much may wait in quarantine.",
                **_object(_described(QUARANTINE_KEYS)),
            },
            **{name: _file_kind(form) for name, form in sorted(FILE_FORMS.items())},
            "columns": {
                "description": "Rules by column, or by a path into one: bag.geo.country, emb.norm.",
                "type": "object",
                "propertyNames": ColumnOrPath().schema(),
                "additionalProperties": {"type": "array", "items": _column_rule(column_forms(kinds))},
            },
            "rules": {
                "description": "Rules about more than one column, each under its name.",
                "type": "array",
                "items": _named_rule(row_forms(kinds)),
            },
            "assertions": {
                "description": "Rules about several rows or several tables, each under its name.",
                "type": "array",
                "items": _named_assertion(),
            },
            "kind": {"description": "predictions: a model's output.", **KIND.schema()},
            **{key: {"description": _PREDICTION_PARTS[key], **part.schema()} for key, part in PARTS.items()},
            "tasks": {
                "description": "Consumers and the columns they read.",
                "type": "object",
                "propertyNames": StableName("task").schema(),
                "additionalProperties": {
                    **_object({**_described(TASK_KEYS), "gate": _gate()}),
                    "anyOf": [{"required": ["reads"]}, {"required": ["sql"]}],
                },
            },
        },
    }


def _gate() -> dict[str, Any]:
    snapshot = {
        "anyOf": [
            SNAPSHOT_KEYS["snapshot"].schema(),
            {**_object(_described(SNAPSHOT_KEYS)), "required": ["snapshot"]},
        ]
    }
    wanted = {name: {"description": _DESCRIPTIONS[name], **snapshot} for name in GATE_SNAPSHOTS}
    return {"description": _sentence(Gate), **_object({**_described(GATE_KEYS), **wanted})}


def _sentence(documented: type) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0].replace("``", "")


def _described(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    return {
        key: {"description": _DESCRIPTIONS[key], **shape.schema()} if key in _DESCRIPTIONS else shape.schema()
        for key, shape in shapes.items()
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _options(form: Form) -> dict[str, Any]:
    """What every rule may say, as far as it fits the kind."""
    return _referred(form.rule.unfit.options, form.rule.actions)


def _referred(without: tuple[str, ...], actions: tuple[str, ...]) -> dict[str, Any]:
    """Options by reference; each is described once."""
    options: dict[str, Any] = {key: {"$ref": f"#/$defs/{key}"} for key in OPTIONS if key not in without}
    return {**options, "on_breach": {"description": _DESCRIPTIONS["on_breach"], "enum": list(actions)}}


def _mapping(form: Form, options: dict[str, Any]) -> dict[str, Any]:
    """A kind's parameters, and the options among them."""
    schema = _object({**{key: shape.schema() for key, shape in form.parameters.items()}, **options})
    if form.required:
        schema["required"] = list(form.required)
    # Options that count as one of them may be elsewhere: under "rules" beside the kind.
    if form.one_of and all(key in schema["properties"] for key in form.one_of):
        schema["anyOf"] = [{"required": [key]} for key in form.one_of]
    return schema


def _kind(form: Form, options: dict[str, Any]) -> dict[str, Any]:
    """What may follow a kind's word."""
    ways = [_mapping(form, options)]
    if form.shorthand is not None:
        ways.append(form.shorthand.schema())
    if form.bare:
        ways.append({"type": "null"})
    return {"description": form.description, "anyOf": ways}


def _file_kind(form: Form) -> dict[str, Any]:
    """What may follow the word of a kind that is a key of the file."""
    if form.shorthand is None and form.required:
        return {"description": form.description, **_mapping(form, _options(form))}
    return _kind(form, _options(form))


def _column_rule(forms: Mapping[str, Form]) -> dict[str, Any]:
    bare = {"enum": [name for name, form in forms.items() if form.bare]}
    kinds = _object({name: _kind(form, _options(form)) for name, form in forms.items()})
    return {"anyOf": [bare, {**kinds, "minProperties": 1, "maxProperties": 1}]}


def _named_rule(forms: Mapping[str, Form]) -> dict[str, Any]:
    options = _referred(("name",), RowRule.actions)
    rule = _object({**{name: _kind(form, {}) for name, form in forms.items()}, **options})
    rule["oneOf"] = [{"required": [name]} for name in forms]
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "propertyNames": StableName("rule").schema(),
        "additionalProperties": rule,
    }


def _named_assertion() -> dict[str, Any]:
    options = {
        **_described(
            {key: shape for key, shape in ASSERTION_OPTIONS.items() if key not in ("name", "on_breach")}
        ),
        "on_breach": {"description": _DESCRIPTIONS["on_breach"], "enum": list(Assertion.actions)},
    }
    forms = {name: _kind(form, {}) for name, form in ASSERTION_FORMS.items()}
    assertion = _object({**forms, **options})
    assertion["oneOf"] = [
        {
            "required": [name],
            "not": {"anyOf": [{"required": [key]} for key in form.rule.unfit.options]},
        }
        for name, form in ASSERTION_FORMS.items()
    ]
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "propertyNames": StableName("assertion").schema(),
        "additionalProperties": assertion,
    }
