"""Rules for one column, each with the evidence for it in the observations."""

from __future__ import annotations

import math
import re
import statistics

from pgslo.catalog import NUMERIC, TEXT
from pgslo.definition.yaml.scalars import scalar
from pgslo.sql import BODY_QUOTE, identifier
from pgslo.suggest.facts import ColumnSeen, Facts
from pgslo.suggest.proposal import Batching, Line

#: Shares that people write.
STEPS = (0.9999, 0.9995, 0.999, 0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.85, 0.8)

#: 99 % of the normal distribution lie between its negative and it.
_Z = 2.575829
#: Fewer values say too little for a rule about them.
_FEW = 50
_MANY = 300
#: Different values of a set that may be closed, at most.
CLOSED = 30
#: Fewer batches do not show how much a share differs from one to the next.
_LEAST_BATCHES = 10


def of_column(facts: Facts, seen: ColumnSeen, place: int, batch: Batching | None) -> tuple[Line, ...]:
    """The rules that a person would keep.

    Args:
        facts: The observations of the table.
        seen: The observations of the column.
        place: Its index among the table's columns.
        batch: The column of the batch.
    """
    lines: list[Line] = []
    names_batch = batch is not None and batch.column == seen.name
    refers = any(one.columns == (seen.name,) for one in facts.relation.foreign_keys)
    lines += _complete(facts, seen, place, batch) if not names_batch else []
    reference = next((one for one in facts.references if one.column == seen.name), None)
    if reference is not None:
        lines.append(
            Line(
                f"references: {{table: {_relation(identifier(*reference.table).text)}, column: {scalar(reference.to)}}}",
                f"all of {reference.different:,} values are there, and the names fit; no foreign key says so",
            )
        )
    if seen.present < _FEW:
        return tuple(lines)
    if seen.column.category == TEXT:
        lines += _text(facts, seen, refers=refers or reference is not None)
    elif (
        seen.column.category == NUMERIC
        and seen.column.base_type != "money"
        and not refers
        and reference is None
    ):
        lines += _number(facts, seen)
    if (
        seen.name in facts.rising
        and seen.name not in facts.relation.primary_key
        and batch is not None
        and not names_batch
    ):
        lines.append(
            Line(
                f"monotonic: {{order: {scalar(batch.column)}}}",
                f"never fell in {facts.rising[seen.name]:,} steps of the newest rows",
            )
        )
    if _is_unique(facts, seen):
        lines.append(Line("unique", f"{seen.present:,} values, all different; an index finds doubles"))
    return tuple(lines)


def _is_unique(facts: Facts, seen: ColumnSeen) -> bool:
    own = (seen.name,)
    return (
        facts.unique == own
        and facts.relation.has_lookup(own)
        and not facts.relation.has_unique(own)
        and facts.relation.primary_key != own
    )


def _complete(facts: Facts, seen: ColumnSeen, place: int, batch: Batching | None) -> list[Line]:
    if seen.column.not_null or seen.name in facts.relation.primary_key or seen.sampled < _MANY:
        return []
    low = wilson_low(seen.present, seen.sampled)
    nulls = seen.sampled - seen.present
    evidence = f"{nulls or 'no'} NULL in {seen.sampled:,} rows"
    if batch is None:
        # Without batches a share is of each statement: only what never happened can be a rule.
        if nulls:
            return []
        return [Line("not_null", f"{evidence}: at least {_percent(low)} have a value (Wilson, 99 %)")]
    sizes = [one.rows for one in facts.batches] or [seen.sampled]
    size = max(statistics.median(sizes), 1)
    bound = low - 3 * math.sqrt(max(low * (1 - low), 0) / size)
    worst = min(
        ((one.present[place] / one.rows, one.rows) for one in facts.batches if one.rows), default=None
    )
    if worst is not None:
        bound = min(bound, worst[0])
    share = next((step for step in STEPS if step <= bound), None)
    if share is None:
        return []
    told = f"{evidence}: at least {_percent(low)} (Wilson, 99 %)"
    if worst is not None and worst[0] < 1:
        told += f"; the emptiest batch had {_percent(worst[0])}"
    shares = [one.present[place] / one.rows for one in facts.batches if one.rows]
    options = ""
    if len(shares) >= _LEAST_BATCHES and statistics.median(shares) < 1:
        # A lasting change to a level near the bound opens few incidents, and not one every few batches.
        options = ", opens_after: 2, resolves_after: 3"
        told += "; it differs from batch to batch, so one miss alone opens no incident"
    return [Line(f"completeness: {{min: {share}{options}}}", told)]


def _text(facts: Facts, seen: ColumnSeen, *, refers: bool) -> list[Line]:
    for name, hits in seen.formats.items():
        if hits >= _FEW and hits >= seen.present * 0.999:
            share = _at_least(hits, seen.present)
            return [Line(f"format: {{format: {name}{share}}}", f"{_of(hits, seen.present)} written like one")]
    if refers:
        return []
    closed = _closed(facts, seen)
    return [closed] if closed else []


def _closed(facts: Facts, seen: ColumnSeen) -> Line | None:
    """The list of accepted values, where the set looks closed.

    The chance that the next value is a new one is estimated by the share of values seen once (I. J. Good, Biometrika 40
    (1953) 237); the set counts as closed when that is zero, and a new value among these would have shown. That holds for rows
    in any order. A set that grows as time goes by has values that were first seen late: it counts as closed only if all of
    them were there in the first third of the batches.
    """
    if not 2 <= seen.different <= CLOSED or seen.present < max(_MANY, 20 * seen.different) or seen.single:
        return None
    if len(seen.top) < seen.different or (seen.longest or 0) > 60 or min(n for _, n in seen.top) < 3:
        return None
    if any(BODY_QUOTE in value for value, _ in seen.top):
        # No definition may hold it: a writer who writes it often gets no list that cannot be applied.
        return None
    latest, batches = facts.first_seen.get(seen.name, (1, 1))
    if 3 * (latest - 1) >= batches:
        return None
    values = ", ".join(scalar(value) for value, _ in seen.top)
    known = f", all of them in the first {latest} of {batches} batches" if batches > 1 else ""
    # A value that never occurred in n draws has a chance below 3/n with 95 % confidence.
    return Line(
        f"accepted_values: {{values: [{values}], at_least: {_step(1 - 3 / seen.present)}}}",
        f"{seen.different} values in {seen.present:,} rows, the rarest {min(n for _, n in seen.top):,} times, none once{known}: "
        f"a new one has a chance of 0 (Good-Turing), below {_percent(3 / seen.present)} with 95 % confidence",
    )


#: Names of numbers with bounds by nature, the bounds, and their meaning.
_NATURAL: tuple[tuple[re.Pattern[str], float, float, str], ...] = (
    (re.compile(r"(^|_)lat(itude)?$"), -90, 90, "a latitude"),
    (re.compile(r"(^|_)(lon|lng|long)(gitude)?$"), -180, 180, "a longitude"),
    (re.compile(r"(^|_)(pct|percent(age)?)$"), 0, 100, "per cent"),
    (re.compile(r"(^|_)humidity$"), 0, 100, "a humidity in per cent"),
    (re.compile(r"(^|_)hour$"), 0, 23, "an hour of the day"),
    (re.compile(r"(^|_)minute$"), 0, 59, "a minute of the hour"),
    (re.compile(r"(^|_)month$"), 1, 12, "a month"),
    (re.compile(r"(^|_)day(_of_month)?$"), 1, 31, "a day of the month"),
    (re.compile(r"(^|_)(dow|weekday|day_of_week)$"), 0, 7, "a day of the week"),
    (re.compile(r"(^|_)age(_years)?$"), 0, 130, "an age in years"),
    (
        re.compile(r"(^|_)(share|ratio|rate|prob(ability)?|fraction|score|confidence|propensity)(_|$)"),
        0,
        1,
        "a share",
    ),
)


def _number(facts: Facts, seen: ColumnSeen) -> list[Line]:
    if (
        seen.least is None
        or seen.most is None
        or seen.median is None
        or seen.name in facts.relation.primary_key
    ):
        return []
    least, most, median = float(seen.least), float(seen.most), float(seen.median)
    name = seen.words
    for pattern, low, high, what in _NATURAL:
        if pattern.search(name) and low <= least and most <= high:
            return [
                Line(
                    f"range: {{min: {low:g}, max: {high:g}}}",
                    f"{what}: a bound by nature; all {seen.present:,} values keep it",
                )
            ]
    is_numbering = seen.different == seen.present == seen.whole
    if seen.present < _MANY or seen.is_identifier or is_numbering:
        return []
    if least >= 0 and most <= 1 and seen.whole < seen.present * 0.5 and seen.different > CLOSED:
        return [
            Line(
                "range: {min: 0, max: 1}",
                f"looks like a share: all of {seen.present:,} values lie between 0 and 1, most between them",
            )
        ]
    # A number that comes close to zero and is never below it does not go there by nature: a count, an amount, a duration.
    # Where most are 0, only the others show that they rise and do not fall.
    if least >= 0 and seen.present - seen.zero >= _FEW and (seen.zero or least < median / 10):
        near = f", {seen.zero:,} of them 0" if median == 0 else " that come near 0"
        return [
            Line(
                "range: {min: 0}",
                f"never negative in {seen.present:,} values{near}; the largest is not a bound",
            )
        ]
    return []


def wilson_low(hits: int, of: int, z: float = _Z) -> float:
    """The lower end of Wilson's score interval (E. B. Wilson, JASA 22 (1927) 209)."""
    if not of:
        return 0.0
    share, weight = hits / of, z * z / of
    reach = z * math.sqrt(share * (1 - share) / of + weight / (4 * of))
    return max((share + weight / 2 - reach) / (1 + weight), 0.0)


def _at_least(hits: int, of: int) -> str:
    return "" if hits == of else f", at_least: {_step(wilson_low(hits, of))}"


def _step(share: float) -> float:
    return next((step for step in STEPS if step <= share), STEPS[-1])


def _of(hits: int, of: int) -> str:
    return f"all {of:,} values are" if hits == of else f"{hits:,} of {of:,} values are"


def _percent(share: float) -> str:
    digits = max(0, min(4, 2 - math.floor(math.log10(max(min(1 - share, share), 1e-6) * 100))))
    return (
        f"{100 * math.floor(share * 10 ** (digits + 2)) / 10 ** (digits + 2):.{digits}f} %"
        if share > 0.5
        else f"{100 * share:.2g} %"
    )


def _relation(name: str) -> str:
    return name if re.match(r"[a-z_][a-z0-9_.]*\Z", name) else scalar(name)
