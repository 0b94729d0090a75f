"""The report as data, and its JSON Schema."""

from __future__ import annotations

from typing import Any

from pgslo.importing.formats.registry import FORMATS
from pgslo.importing.ledger import Entry
from pgslo.importing.model import STATUSES
from pgslo.importing.reasons import REASONS
from pgslo.importing.run import Imported

VERSION = 1


def report(done: Imported) -> dict[str, Any]:
    """Return the report: every check that was found is in ``checks`` once."""
    return {
        "version": VERSION,
        "format": ", ".join(dict.fromkeys(one.format for one in done.recognised if one.format)),
        "files": [{"file": one.path, "format": one.format, "reason": one.reason} for one in done.recognised],
        "tables": list(done.tables.values()),
        "counts": counts(done.entries),
        "checks": [_check(entry) for entry in done.entries],
        "failures": [
            {"file": one.path, "line": one.line, "column": one.column, "message": one.message}
            for one in done.failures
        ],
        "kept_by_hand": [
            {"file": one.path, "line": one.line, "wanted": one.wanted, "message": one.why}
            for one in done.kept
        ],
        "ignored": list(done.ignored),
        "assumed_schema": list(done.assumed),
    }


def counts(entries: tuple[Entry, ...]) -> dict[str, int]:
    """Return how many checks have each status."""
    found = dict.fromkeys(STATUSES, 0)
    for entry in entries:
        found[entry.outcome.status] += 1
    return {str(status): number for status, number in found.items()}


def _check(entry: Entry) -> dict[str, Any]:
    place = entry.found.location
    remarks = entry.outcome.remarks
    return {
        "source": {"file": place.path, "line": place.line, "column": place.column, "id": entry.found.kind},
        "status": entry.outcome.status,
        "table": entry.table,
        "column": entry.found.column,
        "rule": entry.rule,
        "target": None
        if entry.path is None or entry.line is None
        else {"file": entry.path, "line": entry.line},
        "reason": remarks[0].reason if remarks else None,
        "reasons": [one.reason for one in remarks],
        "message": "; ".join(one.text for one in remarks) or None,
        "needs": list(entry.outcome.needs) if entry.outcome.rules else [],
    }


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the report."""
    text: dict[str, Any] = {"type": "string"}
    maybe: dict[str, Any] = {"type": ["string", "null"]}
    line: dict[str, Any] = {"type": "integer", "minimum": 1}
    number: dict[str, Any] = {"type": "integer", "minimum": 0}
    reason: dict[str, Any] = {"enum": list(REASONS)}
    check = _object(
        source=_object(file=text, line=line, column=line, id=text),
        status={"enum": list(STATUSES)},
        table=maybe,
        column=maybe,
        rule=maybe,
        target={"anyOf": [{"type": "null"}, _object(file=text, line=line)]},
        reason={"anyOf": [{"type": "null"}, reason]},
        reasons={"type": "array", "items": reason},
        message=maybe,
        needs={"type": "array", "items": text},
    )
    file = _object(file=text, format={"enum": list(FORMATS)}, reason=text)
    failure = _object(file=text, line=line, column=line, message=text)
    stays = _object(file=text, line={"type": ["integer", "null"], "minimum": 1}, wanted=maybe, message=text)
    whole = _object(
        version={"const": VERSION},
        format=text,
        files={"type": "array", "items": file},
        tables={"type": "array", "items": text},
        counts=_object(**{str(status): number for status in STATUSES}),
        checks={"type": "array", "items": check},
        failures={"type": "array", "items": failure},
        kept_by_hand={"type": "array", "items": stays},
        ignored={"type": "array", "items": text},
        assumed_schema={"type": "array", "items": text},
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of pgslo import",
        **whole,
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
