"""Reader of OpenSLO, v1 and v1alpha: objectives, of tables that ``--map`` names.

An SLO names no table, and its indicator is a query of a monitoring system. It can define here how often rules of a table
are to be met.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from typing import Any

from pgslo.importing.formats.base import Document, Source
from pgslo.importing.mapping import spans
from pgslo.importing.model import Found, Outcome, Remark, Rule, SourceTable, UnmappableError, mapped
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, plain

_SHOWN = 160
_METHODS = {"occurrences": "occurrences", "timeslices": "time_slices", "ratiotimeslices": "time_slices"}
_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_ALONE = 1


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the objectives of SLOs."""
    del options
    source = Source(_outcome)
    for document in documents:
        for root in (node for node in document.nodes if isinstance(node, Mapping)):
            kind = root.text("kind") or "an object"
            if kind != "SLO":
                source.ignored.append(f"{document.path}: {kind[:40]}, which has no objective")
                continue
            name = root.mapping("metadata").text("name") or "slo"
            table = SourceTable(f"openslo:{name}", name, only_by_map=True)
            table.description = root.mapping("spec").text("description") or ""
            source.tables.append(table)
            source.found += _objectives(root.mapping("spec"), table)
    return source


def _objectives(spec: Mapping, table: SourceTable) -> list[Found]:
    listed = spec.mappings("objectives") or (spec,)
    found = []
    for number, one in enumerate(listed):
        said: dict[str, Any] = {
            "target": one.text("target"),
            "percent": one.text("targetPercent"),
            "method": spec.text("budgetingMethod") or "Occurrences",
            "window": plain(spec.get("timeWindow", "timeWindows") or one.get("timeWindow")),
            "first": number == 0,
            "several": len(listed) > _ALONE,
        }
        shown = f"objective of {said['target'] or said['percent'] or 'nothing'}"
        found.append(Found("objective", one.location, table, None, shown[:_SHOWN], said))
    return found


def _outcome(found: Found) -> Outcome:
    """An objective of the table, which holds for each of its rules.

    Raises:
        UnmappableError: It says no share, or no rolling window.
    """
    said = found.body
    if said["several"]:
        raise UnmappableError("no_word", "an SLO with several objectives, and a table has one")
    target = _share(said["target"], said["percent"])
    window = _window(said["window"])
    method = _METHODS.get(str(said["method"]).lower())
    if method is None:
        raise UnmappableError("unclear", f"{str(said['method'])[:40]} is not a known way of budgeting")
    parameters: dict[str, Any] = {"target": target, "window": window}
    if method != "occurrences":
        parameters["budgeting"] = method
    return mapped(Rule("objective", "file", None, parameters), remarks=(Remark("objective_of_table"),))


def _share(target: str | None, percent: str | None) -> decimal.Decimal:
    try:
        share = decimal.Decimal(target or "") if target is not None else decimal.Decimal(percent or "") / 100
    except decimal.InvalidOperation:
        raise UnmappableError("unclear", "it has no target") from None
    if not share.is_finite() or not 0 <= share <= 1:
        raise UnmappableError("unclear", f"a target of {share} is not a share")
    return share


def _window(said: Any) -> str:
    """The window as a span: ``duration: 28d``, or a count of units in the alpha version."""
    windows = said if isinstance(said, list) else [said]
    if len(windows) != _ALONE or not isinstance(windows[0], dict):
        raise UnmappableError("unclear", "it has no window, or several")
    window = windows[0]
    if not (window.get("isRolling") or window.get("rolling")):
        raise UnmappableError("no_word", "a window of the calendar, and windows here roll")
    if "duration" in window:
        return spans.short(str(window["duration"]))
    unit = _UNITS.get(str(window.get("unit", "")).lower().removesuffix("s"))
    count = window.get("count")
    if unit is None or isinstance(count, bool) or not isinstance(count, int):
        raise UnmappableError("no_word", f"a window of {str(count)[:20]} {str(window.get('unit'))[:20]}")
    return spans.short(f"{count}{unit}")
