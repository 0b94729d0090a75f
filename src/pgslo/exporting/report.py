"""The report of an export: for people, as JSON with a schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgslo.exporting.model import STATUSES, Exported
from pgslo.exporting.reasons import REASONS

VERSION = 1
_WORDS = {"exported": "as they are", "changed": "changed", "not_expressible": "not expressible"}


def counts(done: Exported) -> dict[str, int]:
    """Return how many rules have each status."""
    found = {str(status): 0 for status in STATUSES}
    for one in done.entries:
        found[one.status] += 1
    return found


def report(done: Exported) -> dict[str, Any]:
    """Return the report: every rule is in ``rules`` once."""
    return {
        "version": VERSION,
        "format": done.format,
        "files": list(done.files),
        "counts": counts(done),
        "rules": [
            {
                "source": {
                    "file": one.location.path,
                    "line": one.location.line,
                    "column": one.location.column,
                },
                "table": one.table,
                "column": one.column,
                "rule": one.rule,
                "kind": one.kind,
                "status": one.status,
                "reason": one.reason,
                "message": one.message,
                "target": one.path,
            }
            for one in done.entries
        ],
    }


def lines(done: Exported) -> Iterator[str]:
    """Return a line for each rule that is not as it was."""
    for one in done.entries:
        if one.status != "exported":
            yield f"{one.location}: {_WORDS[one.status]}: {one.rule} ({one.kind}): {one.message}"


def last_line(done: Exported, see: str) -> str:
    """Return the counts in a line, and where to look."""
    total = len(done.entries)
    parts = ", ".join(f"{number} {_WORDS[status]}" for status, number in counts(done).items())
    return f"{total} {'rule' if total == 1 else 'rules'}: {parts}; see {see}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the report."""
    text: dict[str, Any] = {"type": "string"}
    maybe: dict[str, Any] = {"type": ["string", "null"]}
    line: dict[str, Any] = {"type": "integer", "minimum": 1}
    number: dict[str, Any] = {"type": "integer", "minimum": 0}
    rule = _object(
        source=_object(file=text, line=line, column=line),
        table=text,
        column=maybe,
        rule=text,
        kind=text,
        status={"enum": list(STATUSES)},
        reason={"enum": [*REASONS, None]},
        message=maybe,
        target=maybe,
    )
    whole = _object(
        version={"const": VERSION},
        format=text,
        files={"type": "array", "items": text},
        counts=_object(**{str(status): number for status in STATUSES}),
        rules={"type": "array", "items": rule},
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of pgslo export",
        **whole,
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
