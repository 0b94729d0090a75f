"""Columns over time: their charts, the result of each batch, and the line with their current state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pgslo.report.chart import Chart, Mark, State
from pgslo.report.facts import Row


def column_of(
    name: str,
    key: str,
    history: Sequence[Row],
    summaries: Sequence[Row],
    incidents: Sequence[Row],
    rules: Sequence[Row],
    order: Mapping[str, int],
) -> dict[str, Any]:
    """A column as the templates print it.

    Args:
        name: Its name.
        key: Distinguishes its drawings from others.
        history: Its batches, oldest first.
        summaries: Rules of its table with their summaries.
        incidents: Those of its table.
        rules: Verdicts with figures of rules about it.
        order: Places of batches.
    """
    mine = [row for row in incidents if name in row["columns"]]
    still = [row for row in mine if row["resolved_at"] is None]
    states = _states(history, mine)
    charts = _rule_charts(rules, mine, order)
    if not any(row["kind"] == "completeness" for row in rules):
        shares = [
            Mark(row["batch"], row["present"] / row["rows"] if row["rows"] > 0 else None, states[n])
            for n, row in enumerate(history)
        ]
        charts.append(Chart(f"{name}: not null", shares, "%"))
    scores = [Mark(row["batch"], row["score"], states[n], None, 1.0) for n, row in enumerate(history)]
    charts.append(Chart(f"{name}: drift score, 1 is the bound", scores))
    shown = _shown(charts, key)
    line = [
        f"{chart.title.removeprefix(name + ': ')} {chart.formatted(chart.values[-1])}"
        for chart in charts
        if chart.values
    ]
    return shown | {
        "name": name,
        "summaries": [
            row["summary"] for row in summaries if name in row["columns"] and row["kind"] != "learned"
        ],
        "state": _state(still) or ("met" if history or summaries else ""),
        "line": ", ".join(line),
        "batches": [
            {
                "name": row["batch"],
                "rows": row["rows"],
                "present": f"{row['present'] / row['rows'] * 100:.4g} %" if row["rows"] > 0 else "",
                "score": "" if row["score"] is None else f"{row['score']:.3g}",
                "state": states[n],
            }
            for n, row in enumerate(history)
        ],
    }


def volume_of(
    key: str, history: Sequence[Row], incidents: Sequence[Row], rules: Sequence[Row], order: Mapping[str, int]
) -> dict[str, Any]:
    """The table as a whole: rows by batch, and rules about no column."""
    mine = [row for row in incidents if not row["columns"]]
    states = _states(history, mine)
    charts = _rule_charts(rules, mine, order)
    rows = [Mark(row["batch"], float(row["rows"]), states[n]) for n, row in enumerate(history)]
    charts.append(Chart("rows by batch", rows))
    return _shown(charts, key)


def _shown(charts: Sequence[Chart], key: str) -> dict[str, Any]:
    known = [chart for chart in charts if chart.values]
    shown: dict[str, Any] = {
        "charts": [
            {
                "title": chart.title,
                "sentence": chart.sentence(),
                "svg": "" if chart.is_flat else chart.drawn(f"{key}-{n}"),
            }
            for n, chart in enumerate(known)
        ],
        "best": [],
    }
    if known:
        # Figures with bounds of their own say most, then what moves.
        best = min(
            known, key=lambda chart: (all(m.low is m.high is None for m in chart.marks), chart.is_flat)
        )
        shown["best"] = [best]
    return shown


def _rule_charts(rules: Sequence[Row], incidents: Sequence[Row], order: Mapping[str, int]) -> list[Chart]:
    by_rule: dict[str, list[Row]] = {}
    for row in rules:
        by_rule.setdefault(row["rule"], []).append(row)
    charts = []
    for rule, rows in by_rule.items():
        # A batch that was judged again keeps its place, which is the table's; others follow in their turn.
        known = sorted(
            (row for row in rows if row["batch"] in order or not order),
            key=lambda r: order.get(r["batch"], 0),
        )
        states = _states(
            [{"batch": r["batch"], "is_missed": r["verdict"] == "missed"} for r in known],
            [row for row in incidents if row["rule"] == rule],
        )
        share = bool(known) and known[0]["kind"] == "completeness"
        charts.append(
            Chart(
                rule,
                [Mark(r["batch"], r["value"], states[n], r["low"], r["high"]) for n, r in enumerate(known)],
                "%" if share else "",
            )
        )
    return charts


def _states(history: Sequence[Row], incidents: Sequence[Row]) -> list[State]:
    """The result of each batch: those that an incident opened with and that miss nothing now were healed."""
    missed = {b for row in incidents if row["tier"] != "suspect" for b in row["missed"] or ()}
    suspect = {b for row in incidents if row["tier"] == "suspect" for b in row["missed"] or ()}
    opened = {row["opened_batch"] for row in incidents}

    def state(row: Row) -> State:
        batch = row["batch"]
        if batch in missed or (row["is_missed"] and batch not in suspect):
            return "missed"
        if batch in suspect:
            return "suspect"
        return "healed" if batch in opened else ""

    return [state(row) for row in history]


def _state(still: Sequence[Row]) -> str:
    """What the open incidents of a column come to."""
    if not still:
        return ""
    return "suspect" if all(row["tier"] == "suspect" for row in still) else "missed"
