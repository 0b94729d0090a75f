"""The report as SARIF 2.1.0: changes, at their location in the source, and parts kept by hand, in their definition."""

from __future__ import annotations

from importlib import metadata
from typing import Any
from urllib.parse import quote

from pgslo.importing.reasons import REASONS
from pgslo.importing.run import Imported

_LEVELS = {"changed": "note", "not_mapped": "warning"}
_UNREADABLE = "unreadable"
_KEPT = "kept_by_hand"


def sarif(done: Imported) -> dict[str, Any]:
    """Return the report of checks that are changed or not mapped, of files that were not read, and of rules that stay."""
    results = [
        _result(
            entry.outcome.remarks[0].reason,
            _LEVELS[entry.outcome.status],
            f"{entry.found.kind}: {'; '.join(remark.text for remark in entry.outcome.remarks)}",
            (entry.found.location.path, entry.found.location.line, entry.found.location.column),
        )
        for entry in done.entries
        if entry.outcome.status in _LEVELS
    ]
    results += [
        _result(_UNREADABLE, "error", one.message, (one.path, one.line, one.column)) for one in done.failures
    ]
    results += [_result(_KEPT, "note", one.why, (one.path, one.line or 1, 1)) for one in done.kept]
    used = dict.fromkeys(one["ruleId"] for one in results)
    said = REASONS | {
        _UNREADABLE: "the file could not be read",
        _KEPT: "a person edited it, so it stays as it is",
    }
    rules = [{"id": reason, "shortDescription": {"text": said[reason]}} for reason in used]
    driver = {"name": "pgslo import", "version": metadata.version("pgslo"), "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _result(reason: str, level: str, text: str, place: tuple[str, int, int]) -> dict[str, Any]:
    path, line, column = place
    where = {
        "artifactLocation": {"uri": quote(path.replace("\\", "/"))},
        "region": {"startLine": line, "startColumn": column},
    }
    return {
        "ruleId": reason,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": where}],
    }
