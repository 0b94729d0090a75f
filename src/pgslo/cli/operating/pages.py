"""Incidents as ``pgslo status`` shows them, a block for each page, and error budgets in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pgslo.cli import output
from pgslo.cli.session import again
from pgslo.cli.tables import Row, moment
from pgslo.display import one_line


def of(incidents: Sequence[Row]) -> list[list[Row]]:
    """Incidents by page: those that one batch of a table opened; the newest page first."""
    ordered = sorted(incidents, key=lambda row: (-row["page"], row["incident_id"]))
    return [list(together) for _, together in groupby(ordered, key=lambda row: row["page"])]


def show(page: Sequence[Row], budgets: Sequence[Row]) -> None:
    """Print a page as one block, like a message of the watch: common facts are printed once."""
    if len(page) == 1:
        _show_incident(page[0], budgets)
        return
    first = page[0]
    columns = list(dict.fromkeys(column for row in page for column in row["columns"]))
    about = f", {'column' if len(columns) == 1 else 'columns'} {', '.join(columns)}" if columns else ""
    is_open = any(row["state"] == "open" for row in page)
    is_suspect = all(row["tier"] == "suspect" for row in page)
    verb = ("is" if is_open else "was") + " suspect by" if is_suspect else "misses" if is_open else "missed"
    output.say()
    output.say(
        f"page {first['page']}: {first['definition']} {verb} {len(page)} rules{about}",
        fg="red" if is_open and not is_suspect else "yellow",
        bold=True,
    )
    fact("since", f"{moment(first['opened_at'])}, batch {first['opened_batch']}")
    for word, topic, otherwise in (
        ("written by", "written by", None),
        ("read by", "tasks that read it", "no task that a definition names"),
        ("views", "views that read it", None),
    ):
        said = dict.fromkeys(row["facts"].get(topic) for row in page)
        fact(word, "; ".join(one for one in said if one) or otherwise)
    fact("owner", ", ".join(dict.fromkeys(row["owner"] or "unknown" for row in page)))
    for row in page:
        facts = row["facts"]
        output.say(f"  incident {row['incident_id']}: rule {one_line(row['rule'])}")
        left = budget(budgets, row["definition"], row["rule"])
        for word, text in (
            ("state", _state(row)),
            ("batches", facts.get("missed batches") if row["state"] == "over" else None),
            ("summary", row["promise"]),
            ("newest", facts.get("newest missed batch")),
            ("changed", facts.get("changed since")),
            ("budget", budget_said(left) if left else None),
            ("known to", facts.get("acknowledged")),
            ("muted", f"until {facts['muted until']}" if "muted until" in facts else None),
            ("note", row["note"]),
        ):
            if text:
                output.say(f"    {word + ':':12}{one_line(text)}")
    still = [row for row in page if row["state"] == "open"]
    fact("to do", _to_do((still or page)[0]))


def _state(row: Row) -> str | None:
    if row["state"] == "over":
        return f"over, {row['stored'] or 'no missed batch is stored'}"
    return "suspect" if row["tier"] == "suspect" else None


def _show_incident(row: Row, budgets: Sequence[Row]) -> None:
    """An incident that is open or over: what, since when, who reads it, what to do."""
    facts = row["facts"]
    columns = f", column {', '.join(row['columns'])}" if row["columns"] else ""
    is_open, is_suspect = row["state"] == "open", row["tier"] == "suspect"
    verb = (
        ("is suspect by" if is_open else "was suspect by")
        if is_suspect
        else "misses"
        if is_open
        else "missed"
    )
    output.say()
    output.say(
        f"incident {row['incident_id']}: {row['definition']} {verb} rule {row['rule']}{columns}",
        fg="red" if is_open and not is_suspect else "yellow",
        bold=True,
    )
    if row["state"] == "over":
        fact("state", f"over, {row['stored'] or 'no missed batch is stored'}")
        fact("batches", facts.get("missed batches"))
    fact("summary", row["promise"])
    fact("since", f"{moment(row['opened_at'])}, batch {row['opened_batch']}")
    fact("newest", facts.get("newest missed batch"))
    fact("changed", facts.get("changed since"))
    fact("written by", facts.get("written by"))
    fact("together", facts.get("broke together"))
    fact("read by", facts.get("tasks that read it") or "no task that a definition names")
    fact("views", facts.get("views that read it"))
    fact("owner", row["owner"] or "unknown")
    left = budget(budgets, row["definition"], row["rule"])
    fact("budget", budget_said(left) if left else None)
    fact("known to", facts.get("acknowledged"))
    fact("muted", f"until {facts['muted until']}" if "muted until" in facts else None)
    fact("note", row["note"])
    fact("to do", _to_do(row))


def _to_do(row: Row) -> str:
    number = row["incident_id"]
    more = f"more: {again(f'incidents show {number}')}"
    if row["state"] == "open":
        return f"it is over when a later batch satisfies the rule; {more}"
    return f"correct or remove the batches, or: {again(f'incidents accept {number}')} --reason …; {more}"


def fact(word: str, text: str | None) -> None:
    """Print a fact below a heading, unless it is empty."""
    if text:
        output.say(f"  {word + ':':12}{one_line(text)}")


def budget(budgets: Sequence[Row], definition: str, rule: str | None) -> Row | None:
    """The error budget of a rule, or of a table where no rule is named."""
    return next((row for row in budgets if (row["definition"], row["rule"]) == (definition, rule)), None)


def budget_left(row: Row | None) -> str:
    """How much of an error budget is left, in a cell; empty without one."""
    if row is None:
        return ""
    if row["state"] == "unknown":
        return "unknown"
    return f"{row['left_fraction'] * 100:.0f} %"


def budget_said(row: Row) -> str:
    """An error budget in a sentence."""
    goal = f"{row['target'] * 100:.10g} % in {_span(row['window_seconds'])}"
    if row["state"] == "unknown":
        return f"unknown: nothing was judged; the objective is {goal}"
    unit = "batches"
    judged, missed, left = row["judged"], row["missed"], row["left_over"]
    if row["budgeting"] == "time_slices":
        unit, judged, missed, left = "hours", judged / 3600, missed / 3600, left / 3600
    pace = row["burn_rate_lately"]
    lately = f", burning {pace:.3g} times as fast as allowed lately" if pace else ""
    return f"{missed:.10g} of {judged:.4g} {unit} missed, {left:.3g} left ({budget_left(row)}){lately}; the objective is {goal}"


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    return output.counted(seconds // 3600, "hour") if rest else output.counted(days, "day")
