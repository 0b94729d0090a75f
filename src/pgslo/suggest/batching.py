"""The column of a table that determines which rows were loaded together."""

from __future__ import annotations

import re

from pgslo.catalog import NUMERIC
from pgslo.suggest.facts import Arrivals, ColumnSeen, Facts
from pgslo.suggest.proposal import Batching

_CLOCK = {"date", "timestamp without time zone", "timestamp with time zone"}
_NOT_A_LOAD = re.compile(
    r"birth|dob|expir|due|valid|hire|end|deadline|until|from|scheduled|planned|target|label|outcome"
)
_LOADED = re.compile(
    r"(^|_)(ds|dt|date|day|batch|load(ed)?|partition|snapshot|as_of|created|inserted|ingest(ed)?|event|recorded|received|observed|measured|ts|time|timestamp|at)(_|$)"
)
_LOAD_NUMBER = re.compile(r"(^|_)(batch|load|run|job|snapshot)(_?(id|no|nr|number|key))?$")
#: Fewer days do not determine a usual one.
_DAYS = 3
#: Hours of a day with loads, and rows of an hour, at least, where an hour is a batch.
_HOURS, _ROWS = 8, 8
_ROUND_THE_CLOCK = 23
_HOUR = 3600.0


def choose_batch(facts: Facts) -> Batching | None:
    """The most likely column, or ``None``."""
    best: tuple[float, int, ColumnSeen] | None = None
    for place, seen in enumerate(facts.columns):
        score = _batch_score(facts, seen)
        if score >= 2 and (best is None or score > best[0]):
            best = (score, place, seen)
    if best is None:
        return None
    column = best[2].column
    if column.base_type == "date" or column.base_type not in _CLOCK:
        shown = f"{best[2].different:,} different values in {best[2].present:,} rows"
        return Batching(column.name, None, shown)
    hourly = _hourly(facts.arrivals) if facts.arrivals else None
    if hourly:
        return Batching(column.name, "1 hour", f"a time in each row, cut into hours: {hourly}")
    return Batching(column.name, "1 day", "a time in each row, cut into days in UTC")


def _hourly(arrivals: Arrivals) -> str | None:
    """Why hours are loads of their own; ``None`` where a day is one, or nothing is known.

    A broken hour is hardly seen among 24. Hours need rows enough for bounds on their values.
    """
    if arrivals.days < _DAYS or arrivals.hours < _HOURS or arrivals.rows < _ROWS:
        return None
    size = f"{arrivals.rows:,.0f} rows in the middle"
    if _HOURS <= arrivals.moments <= 2 * arrivals.hours:
        return f"{arrivals.moments:,.0f} different times a day, {size}"
    if _HOURS <= arrivals.loads <= 4 * arrivals.hours and arrivals.span <= 2 * _HOUR:
        return f"{arrivals.loads:,.0f} transactions a day wrote the rows, {size}"
    if arrivals.hours >= _ROUND_THE_CLOCK and arrivals.age <= 2 * _HOUR:
        return f"rows come round the clock, the newest {arrivals.age / 60:,.0f} minutes ago, {size}"
    return None


def _batch_score(facts: Facts, seen: ColumnSeen) -> float:
    column, name = seen.column, seen.words
    if seen.present < seen.sampled * 0.99 or column.generated == "v":
        return 0
    relation = facts.relation
    score = 3.0 if column.name in relation.partition_key else 0.0
    score += 1.0 if len(relation.primary_key) > 1 and column.name in relation.primary_key else 0.0
    if column.base_type in _CLOCK:
        score += 2.0 if column.base_type == "date" else 1.0
        score += 1.0 if _LOADED.search(name) else 0.0
        score -= 4.0 if _NOT_A_LOAD.search(name) else 0.0
        score -= 1.5 if "updated" in name or "modified" in name else 0.0
    elif column.category == NUMERIC and _LOAD_NUMBER.search(name):
        score += 2.5
    else:
        return 0
    if column.base_type not in {"timestamp with time zone", "timestamp without time zone"}:
        # Nearly each row its own value: nothing came together.
        score -= 3.0 if seen.present and seen.different > seen.present / 3 else 0.0
    return score
