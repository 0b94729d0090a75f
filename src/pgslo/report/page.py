"""What the report says, worked out of rows before the template prints it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pgslo.display import printable
from pgslo.report.drawing import Bar, Point, gauge, sparkline, timeline

Row = Mapping[str, Any]
_WHOLE = "*"


@dataclass(frozen=True)
class Facts:
    """Rows of the queries of the same name in ``sql/catalog``.

    Attributes:
        database: Its name.
        now: The database's clock.
        days: How far the timeline goes back.
    """

    database: str
    now: dt.datetime
    status: Sequence[Row]
    incidents: Sequence[Row]
    budgets: Sequence[Row]
    readers: Sequence[Row]
    promises: Sequence[Row]
    column_history: Sequence[Row]
    days: int = 30


def render(facts: Facts) -> str:
    """The report as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables = [_table(row, facts) for row in facts.status]
    still = sum(row["state"] == "open" for row in facts.incidents)
    suspect = sum(row["state"] == "open" and row["tier"] == "suspect" for row in facts.incidents)
    over = sum(row["state"] == "over" for row in facts.incidents)
    page = environment.get_template("page.html.j2").render(
        database=facts.database,
        made_at=_moment(facts.now),
        tables=tables,
        days=facts.days,
        figures=(
            ("tables", len(tables), ""),
            ("open incidents", still, "bad" if still > suspect else "low"),
            *((("suspect among them", suspect, "low"),) if suspect else ()),
            ("over, missed batches still stored", over, "low"),
            ("rules that cannot be judged", sum(row["broken_rules"] for row in facts.status), "low"),
            (
                "error budgets used up",
                sum(row["state"] == "missed" for row in facts.budgets if row["rule"] is not None),
                "low",
            ),
            ("rows in quarantine", sum(row["quarantined_rows"] for row in facts.status), ""),
        ),
    )
    return printable(page)


def _table(status: Row, facts: Facts) -> dict[str, Any]:
    name = status["definition"]

    def mine(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row["definition"] == name]

    incidents = mine(facts.incidents)
    promises = mine(facts.promises)
    history: dict[str, list[Row]] = {}
    for row in mine(facts.column_history):
        history.setdefault(row["column_name"], []).append(row)
    columns = dict.fromkeys(column for row in promises for column in row["columns"])
    columns |= dict.fromkeys(column for column in history if column != _WHOLE)
    still = [row for row in incidents if row["resolved_at"] is None]
    return {
        "name": name,
        "owner": status["owner"] or "unknown",
        "rules": status["rules"],
        "written": _moment(status["last_recorded_at"]) or "never",
        "quarantined": status["quarantined_rows"],
        "difference": status["schema_difference"],
        "is_bad": bool(still or status["schema_difference"]),
        "volume": _volume(history.get(_WHOLE, ())),
        "columns": [_column(column, history.get(column, ()), promises, still) for column in columns],
        "open": [_open(row) for row in still],
        "timeline": _timeline(incidents, facts),
        "lanes": list(dict.fromkeys(row["rule"] for row in _shown(incidents, facts))),
        "past": sum(row["resolved_at"] is not None for row in incidents),
        "budgets": [
            _budget(row)
            for row in mine(facts.budgets)
            # Of rules that nobody wrote, those that have cost something.
            if row["missed"] or not (row["rule"] or "").endswith("_learned")
        ],
        "readers": [
            {
                "kind": row["kind"],
                "name": row["name"],
                "contact": row["contact"] or "",
                "columns": ", ".join(row["columns"]) or "rows alone",
                "broken": ", ".join(
                    dict.fromkeys(
                        column for one in still for column in one["columns"] if column in row["columns"]
                    )
                ),
            }
            for row in mine(facts.readers)
        ],
    }


def _volume(history: Sequence[Row]) -> Markup:
    points = [Point(row["batch"], float(row["rows"]), row["is_missed"]) for row in history]
    top = max((point.value or 0 for point in points), default=0) or 1
    return sparkline(points, low=0, high=top, label="rows by batch")


def _column(
    name: str, history: Sequence[Row], promises: Sequence[Row], still: Sequence[Row]
) -> dict[str, Any]:
    shares = [
        Point(row["batch"], row["present"] / row["rows"] if row["rows"] > 0 else None, row["is_missed"])
        for row in history
    ]
    scores = [Point(row["batch"], row["score"], row["is_missed"]) for row in history]
    known = [point.value for point in shares if point.value is not None]
    bad = [row for row in still if name in row["columns"]]
    last_score = next((point.value for point in reversed(scores) if point.value is not None), None)
    return {
        "name": name,
        "promises": [
            row["promise"] for row in promises if name in row["columns"] and row["kind"] != "learned"
        ],
        "state": _column_state(bad) or ("met" if history or promises else ""),
        "completeness": sparkline(
            shares, low=min([0.5, *known]), high=1, label=f"{name}: share not null by batch"
        ),
        "last_share": f"{known[-1] * 100:.1f} %" if known else "",
        "drift": sparkline(
            scores, low=0, high=2, line=1, label=f"{name}: drift score by batch; 1 is the bound"
        ),
        "last_score": f"{last_score:.2f}" if last_score is not None else "",
    }


def _column_state(bad: Sequence[Row]) -> str:
    """What the open incidents of a column come to."""
    if not bad:
        return ""
    return "suspect" if all(row["tier"] == "suspect" for row in bad) else "missed"


def _open(row: Row) -> dict[str, Any]:
    facts = row["facts"] or {}
    return {
        "number": row["incident_id"],
        "rule": row["rule"],
        "columns": ", ".join(row["columns"]),
        "promise": row["promise"],
        "since": f"{_moment(row['opened_at'])}, batch {row['opened_batch']}",
        "newest": facts.get("newest missed batch", ""),
        "writer": facts.get("written by", ""),
        "readers": facts.get("tasks that read it", "no task that a definition names"),
        "state": _state(row),
        "note": row["note"] or "",
    }


def _state(row: Row) -> str:
    if row["state"] == "over":
        return f"over, {row['stored'] or 'no missed batch is stored'}"
    if row["acknowledged_at"]:
        return f"acknowledged by {row['acknowledged_by']}"
    return "suspect: nobody was notified" if row["tier"] == "suspect" else "nobody looks after it yet"


def _shown(incidents: Sequence[Row], facts: Facts) -> list[Row]:
    start = facts.now - dt.timedelta(days=facts.days)
    return [row for row in incidents if row["resolved_at"] is None or row["resolved_at"] >= start]


def _timeline(incidents: Sequence[Row], facts: Facts) -> Markup:
    bars = [
        Bar(
            row["rule"],
            f"incident {row['incident_id']}, {row['rule']}: {_moment(row['opened_at'])} to "
            + (f"{_moment(row['over_at'])}, {row['resolution'] or 'over'}" if row["over_at"] else "now"),
            row["opened_at"],
            row["over_at"],
            "open" if row["over_at"] is None else "false" if row["resolution"] == "false_alarm" else "over",
        )
        for row in _shown(incidents, facts)
    ]
    start = facts.now - dt.timedelta(days=facts.days)
    return timeline(bars, start=start, now=facts.now)


def _budget(row: Row) -> dict[str, Any]:
    in_hours = row["budgeting"] == "time_slices"
    unit = 3600.0 if in_hours else 1.0
    pace = row["burn_rate_lately"]
    return {
        "rule": row["rule"] or "the table as a whole",
        "objective": f"{row['target'] * 100:.10g} % in {row['window_seconds'] / 86_400:.3g} days",
        "missed": f"{row['missed'] / unit:.3g} of {row['judged'] / unit:.4g} {'hours' if in_hours else 'batches'}",
        "left": "unknown" if row["left_fraction"] is None else f"{row['left_fraction'] * 100:.0f} %",
        "gauge": gauge(row["left_fraction"]),
        "pace": f"{pace:.2g} times" if pace is not None else "",
    }


def _moment(when: dt.datetime | None) -> str:
    return "" if when is None else f"{when.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
