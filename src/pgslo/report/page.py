"""What the report says, worked out of rows before the templates print it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pgslo.display import printable
from pgslo.report.chart import Chart, Mark
from pgslo.report.columns import column_of, volume_of
from pgslo.report.drawing import Bar, gauge, timeline
from pgslo.report.facts import WHOLE, Facts, Row
from pgslo.report.histogram import Histogram
from pgslo.report.places import incident_file, table_file


def render(facts: Facts) -> str:
    """The report as one HTML file."""
    tables = [_table(row, facts) for row in facts.status]
    return _page(
        facts, facts.database, tables=tables, wrong=_wrong(tables), figures=_figures(facts), is_whole=True
    )


def pages(facts: Facts) -> dict[str, str]:
    """The report as files of a folder: each table and each incident has an address that stays.

    Returns:
        The files' texts by their paths; ``index.html``, which links to the others, comes last.
    """
    tables = [_table(row, facts) for row in facts.status]
    files: dict[str, str] = {}
    for table in tables:
        for one in table["incidents"]:
            files[incident_file(one["number"])] = _page(
                facts, f"Incident {one['number']}", up="../", alone=table | {"wrong": [one]}
            )
        files[table_file(table["name"])] = _page(
            facts, table["name"], up="../", tables=[table], wrong=_wrong([table]), is_whole=True
        )
    files["index.html"] = _page(
        facts, facts.database, up="./", tables=tables, wrong=_wrong(tables), figures=_figures(facts)
    )
    return files


def _page(facts: Facts, title: str, **more: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"table_file": table_file, "incident_file": incident_file}
    # What a page has not is empty; "up" is where its links begin, and where it is alone it has none.
    given = {"tables": [], "wrong": [], "figures": (), "alone": None, "up": "", "is_whole": False} | more
    page = environment.get_template("page.html.j2").render(
        title=title, database=facts.database, made_at=_moment(facts.now), days=facts.days, **given
    )
    return printable(page)


def _wrong(tables: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Unresolved incidents, the worst first: open, suspect, over; of these the newest."""
    still = [one for table in tables for one in table["incidents"] if one["rank"] is not None]
    return sorted(still, key=lambda one: (one["rank"], -one["number"]))


def _figures(facts: Facts) -> tuple[tuple[str, int, str], ...]:
    still = sum(row["state"] == "open" for row in facts.incidents)
    suspect = sum(row["state"] == "open" and row["tier"] == "suspect" for row in facts.incidents)
    over = sum(row["state"] == "over" for row in facts.incidents)
    return (
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
        ("tables", len(facts.status), ""),
    )


def _table(status: Row, facts: Facts) -> dict[str, Any]:
    name = status["definition"]

    def mine(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row["definition"] == name]

    incidents = mine(facts.incidents)
    summaries = mine(facts.rule_summaries)
    rules = mine(facts.verdicts)
    history: dict[str, list[Row]] = {}
    for row in mine(facts.column_history):
        history.setdefault(row["column_name"], []).append(row)
    names = dict.fromkeys(column for row in summaries for column in row["columns"])
    names |= dict.fromkeys(column for column in history if column != WHOLE)
    still = [row for row in incidents if row["resolved_at"] is None]
    order = {row["batch"]: n for n, row in enumerate(history.get(WHOLE, ()))}
    key = f"t{facts.status.index(status)}"
    columns = [
        column_of(
            column,
            f"{key}-{n}",
            history.get(column, ()),
            summaries,
            incidents,
            [row for row in rules if column in row["columns"]],
            order,
        )
        for n, column in enumerate(names)
    ]
    volume = volume_of(
        f"{key}-v", history.get(WHOLE, ()), incidents, [row for row in rules if not row["columns"]], order
    )
    readers = mine(facts.readers)
    return {
        "name": name,
        "owner": status["owner"] or "unknown",
        "rules": status["rules"],
        "written": _moment(status["last_recorded_at"]) or "never",
        "quarantined": status["quarantined_rows"],
        "difference": status["schema_difference"],
        "is_bad": bool(still or status["schema_difference"]),
        "volume": volume,
        "bad_columns": [column for column in columns if column["state"] in ("missed", "suspect")],
        "columns": [column for column in columns if column["state"] not in ("missed", "suspect")],
        "incidents": [_incident(row, columns, volume, readers, facts) for row in incidents],
        "timeline": _timeline(incidents, facts),
        "lanes": list(dict.fromkeys(row["rule"] for row in _shown(incidents, facts))),
        "budgets": [
            _budget(row)
            for row in mine(facts.budgets)
            # Of learned rules, those that have cost something.
            if row["missed"] or not (row["rule"] or "").endswith("_learned")
        ],
        "readers": [_reader(row, still) for row in readers],
    }


def _reader(row: Row, still: Sequence[Row]) -> dict[str, Any]:
    broken = dict.fromkeys(column for one in still for column in one["columns"] if column in row["columns"])
    return {
        "kind": row["kind"],
        "name": row["name"],
        "contact": row["contact"] or "",
        "columns": ", ".join(row["columns"]) or "rows alone",
        "broken": ", ".join(broken),
    }


def _incident(
    row: Row,
    columns: Sequence[dict[str, Any]],
    volume: dict[str, Any],
    readers: Sequence[Row],
    given: Facts,
) -> dict[str, Any]:
    facts = row["facts"] or {}
    number = row["incident_id"]
    failures = _failures(
        row, given.incidents, [one for one in given.failures if one["incident_id"] == number]
    )
    mine = [column for column in columns if column["name"] in row["columns"]]
    rank = {"open": 1 if row["tier"] == "suspect" else 0, "over": 2}.get(row["state"])
    return {
        "number": row["incident_id"],
        "rank": rank,
        "table": row["definition"],
        "rule": row["rule"],
        "columns": ", ".join(row["columns"]),
        "summary": row["promise"],
        "since": f"{_moment(row['opened_at'])}, batch {row['opened_batch']}",
        "newest": facts.get("newest missed batch", ""),
        "before": facts.get("profile before", ""),
        "then": facts.get("profile then", ""),
        "writer": facts.get("written by", ""),
        "readers": [
            one["name"] + (f" ({one['contact']})" if one["contact"] else "")
            for one in readers
            if not row["columns"] or set(one["columns"]) & set(row["columns"])
        ],
        "batches": row["missed"] or [],
        "state": _state(row),
        "history": facts.get("history", ""),
        "note": row["note"] or "",
        # Of a rule over rows, those that fail. Of another about several columns, the first: the others are in the table's section.
        "charts": [
            {"title": best.title, "sentence": best.sentence(), "svg": best.drawn(f"i{row['incident_id']}")}
            for best in failures or (mine[0] if mine else volume)["best"]
        ]
        + _histograms([one for one in given.quantiles if one["incident_id"] == row["incident_id"]]),
    }


def _failures(incident: Row, incidents: Sequence[Row], batches: Sequence[Row]) -> list[Chart]:
    """The share of rows that fail the incident's rule, batch by batch; nothing where rows are not counted."""
    missed = {
        batch
        for other in incidents
        if (other["definition"], other["rule"]) == (incident["definition"], incident["rule"])
        for batch in other["missed"] or ()
    }
    marks = [
        Mark(
            one["batch"],
            one["failed"] / one["rows"],
            "missed" if one["batch"] in missed else "",
            high=None if one["failed_at_most"] is None else float(one["failed_at_most"]),
        )
        for one in batches
    ]
    return [Chart(f"{incident['rule']}: rows that fail", marks, "%")] if marks else []


def _histograms(rows: Sequence[Row]) -> list[dict[str, Any]]:
    made = [
        Histogram(
            row["column_name"],
            (row["batch_before"], row["batch"]),
            (row["quantiles_before"], row["quantiles"]),
        )
        for row in rows
    ]
    return [
        {
            "title": one.title,
            "sentence": one.sentence(),
            "svg": one.drawn(f"i{row['incident_id']}-{n}"),
        }
        for n, (row, one) in enumerate(zip(rows, made, strict=True))
        if not one.is_flat
    ]


def _state(row: Row) -> str:
    if row["state"] == "resolved":
        return (
            f"resolved {_moment(row['resolved_at'])}{', ' + row['resolution'] if row['resolution'] else ''}"
        )
    if row["state"] == "over":
        return f"over, {row['stored'] or 'no missed batch is stored'}"
    if row["acknowledged_at"]:
        return f"acknowledged by {row['acknowledged_by']}"
    return "suspect: no notification was sent" if row["tier"] == "suspect" else "not acknowledged yet"


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
