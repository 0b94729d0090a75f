"""Objectives of a definition's rules as OpenSLO: the share of batches that meet each rule, counted in ``pgslo.budget``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from pgslo.exporting import document
from pgslo.exporting.model import Entry, Statement, Whole, entry
from pgslo.sql import literal

SUFFIX = ".openslo.yaml"
_UNITS = (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60))
#: Of an objective that states none, as pgslo.budget takes it.
_WINDOW = timedelta(days=28)
_METHODS = {"occurrences": "Occurrences", "time_slices": "Timeslices"}


def export(whole: Whole) -> tuple[str, list[Entry]]:
    """Return an SLO for each rule with an objective, and the outcome of each rule."""
    made = whole.definition
    entries: list[Entry] = []
    documents: list[str] = []
    for statement in whole.statements:
        rule = statement.rule
        target = rule.target if rule.target is not None else made.target
        window = rule.window or made.window or _WINDOW
        if not rule.judges:
            entries.append(entry(whole, statement, "not_expressible", "no_word"))
        elif not rule.enabled:
            entries.append(entry(whole, statement, "not_expressible", "off"))
        elif target is None:
            entries.append(entry(whole, statement, "not_expressible", "no_objective"))
        else:
            documents.append(document.text(_slo(whole, statement, target, window)))
            reason = "in_part" if made.budgeting == "time_slices" else None
            entries.append(entry(whole, statement, "changed" if reason else "exported", reason))
    return "---\n".join(documents), entries


def _slo(whole: Whole, statement: Statement, target: float, window: timedelta) -> dict[str, Any]:
    made, rule = whole.definition, statement.rule
    of = (
        f"FROM pgslo.budget WHERE definition = {literal(made.name).text} AND rule = {literal(rule.name).text}"
    )
    name = _name(f"{made.name}-{rule.name}")

    def metric(query: str) -> dict[str, Any]:
        return {"metricSource": {"type": "PostgreSQL", "spec": {"query": query}}}

    ratio = {
        "counter": False,
        "good": metric(f"SELECT judged - missed {of}"),
        "total": metric(f"SELECT judged {of}"),
    }
    spec: dict[str, Any] = {
        "description": rule.summary[:1000],
        "service": _name(made.name),
        "indicator": {"metadata": {"name": f"{name[:58]}-sli"}, "spec": {"ratioMetric": ratio}},
        "timeWindow": [{"duration": _duration(window), "isRolling": True}],
        "budgetingMethod": _METHODS[made.budgeting],
        "objectives": [{"displayName": rule.name, "target": target}],
    }
    if made.budgeting == "time_slices":
        spec["objectives"][0] |= {"timeSliceTarget": target, "timeSliceWindow": "1m"}
    labels = {"definition": made.name, "rule": rule.name}
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name, "displayName": f"{made.name}: {rule.name}", "annotations": _pgslo(labels)},
        "spec": spec,
    }


def _pgslo(said: dict[str, str]) -> dict[str, str]:
    return {f"pgslo/{key}": one for key, one in said.items()}


def _name(text: str) -> str:
    """A name as OpenSLO takes it: letters, digits and dashes, at most 63."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in _UNITS:
        if seconds % size == 0 and seconds:
            return f"{seconds // size}{unit}"
    return f"{-(-seconds // 60)}m"
