"""From what was seen of a table to rules that a person would keep.

Few and strong: a rule is proposed where there is a reason for it besides "so it was until now". What is only usual (null shares,
means, volumes) is left to learned bounds, which need no threshold; and no bound is ever a value that happened to be the largest.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from pgslo.catalog import NUMERIC, TEXT
from pgslo.definition import names
from pgslo.definition.yaml.scalars import scalar
from pgslo.sql import identifier
from pgslo.suggest.facts import ColumnSeen, Facts

#: 99 % of the normal distribution lie between its negative and it.
_Z = 2.575829
#: Shares that people write.
_STEPS = (0.9999, 0.9995, 0.999, 0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.85, 0.8)
#: Fewer values say too little for a rule about them.
_FEW = 50
_MANY = 300
_CLOSED = 30
_DAY = 86_400
_CLOCK = {"date", "timestamp without time zone", "timestamp with time zone"}
_NOT_A_LOAD = re.compile(
    r"birth|dob|expir|due|valid|hire|end|deadline|until|from|scheduled|planned|target|label|outcome"
)
_LOADED = re.compile(
    r"(^|_)(ds|dt|date|day|batch|load(ed)?|partition|snapshot|as_of|created|inserted|ingest(ed)?|event|recorded|received|observed|measured|ts|time|timestamp|at)(_|$)"
)
_LOAD_NUMBER = re.compile(r"(^|_)(batch|load|run|job|snapshot)(_?(id|no|nr|number|key))?$")
_IDENTIFIER = re.compile(r"(^|_)(id|key|code|no|nr|number|uuid|hash|zip|postcode|phone)$")


@dataclass(frozen=True)
class Line:
    """One line of the file: its text without indentation, and its reason."""

    text: str
    reason: str
    off: bool = False


@dataclass(frozen=True)
class Batching:
    """The column that tells the batch, and the span it is cut into."""

    column: str
    every: str | None
    reason: str


@dataclass(frozen=True)
class Proposal:
    """What the file will say.

    Attributes:
        head: Lines of the file itself.
        columns: Rules by column, in the table's order.
        rules: Rules about several columns.
        remarks: What was looked at and left out.
    """

    head: tuple[Line, ...]
    columns: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    rules: tuple[Line, ...] = ()
    remarks: tuple[str, ...] = ()


def wilson_low(hits: int, of: int, z: float = _Z) -> float:
    """The lower end of Wilson's score interval (E. B. Wilson, JASA 22 (1927) 209)."""
    if not of:
        return 0.0
    share, weight = hits / of, z * z / of
    reach = z * math.sqrt(share * (1 - share) / of + weight / (4 * of))
    return max((share + weight / 2 - reach) / (1 + weight), 0.0)


# Batches


def choose_batch(facts: Facts) -> Batching | None:
    """The column that most likely tells what was loaded together, or ``None``."""
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
    return Batching(column.name, "1 day", "a time in each row, cut into days in UTC")


def _words(name: str) -> str:
    """A name in lower case with its words apart: ``User Id``, ``userId`` and ``user_id`` are the same."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()).strip("_")


def _batch_score(facts: Facts, seen: ColumnSeen) -> float:
    column, name = seen.column, _words(seen.name)
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


# The whole


def propose(facts: Facts, batch: Batching | None) -> Proposal:
    """Work out what a file for this table says.

    Args:
        facts: What was seen.
        batch: The column that tells the batch.
    """
    head = list(_readers(facts))
    remarks: list[str] = []
    key = facts.relation.primary_key
    if key:
        remarks.append(
            f"key: the primary key ({', '.join(key)}) is taken; PostgreSQL keeps it unique and not null."
        )
    elif facts.unique:
        listed = ", ".join(scalar(name) for name in facts.unique)
        head.append(Line(f"key: [{listed}]", "no primary key; counted: different in each row"))
    else:
        guess = ", ".join(scalar(name) for name in _guessed_key(facts, batch))
        head.append(
            Line(
                f"key: [{guess}]",
                "a guess: no primary key, and nothing was found that tells each row; messages name rows by it",
            )
        )
    if batch is None:
        remarks.append(
            "batch: no column tells which rows were loaded together. batch: {by: <date, time or load number>} lets shares, volume and learned bounds be judged per load."
        )
    else:
        every = f", every: {batch.every}" if batch.every else ""
        head.append(Line(f"batch: {{by: {scalar(_expression(batch.column))}{every}}}", batch.reason))
        fresh = _freshness(facts, batch)
        if fresh is not None:
            head.append(fresh)
        if facts.batches:
            sizes = [one.rows for one in facts.batches]
            remarks.append(
                f"row_count: {len(sizes)} batches of {min(sizes):,} to {max(sizes):,} rows, {statistics.median(sizes):,.0f} in the middle; volume is watched by a learned bound."
            )
    columns: dict[str, tuple[Line, ...]] = {}
    enforced: list[str] = []
    usual: list[str] = []
    for place, seen in enumerate(facts.columns):
        if seen.column.generated:
            continue
        lines = _of_column(facts, seen, place, batch)
        if lines:
            columns[seen.name] = lines
        if seen.column.not_null and seen.name not in key:
            enforced.append(seen.name)
        elif seen.present < seen.sampled * _STEPS[-1]:
            usual.append(f"{seen.name} {100 * seen.present / max(seen.sampled, 1):.0f} %")
    if batch is not None and any(
        line.text.startswith("completeness") for lines in columns.values() for line in lines
    ):
        remarks.append(
            "completeness: the bound is the lower end of the interval for the share with a value, less three times what chance does in a batch of the middle size, and no more than the emptiest batch had."
        )
    if enforced:
        remarks.append(f"NOT NULL by the table itself, so no rule: {', '.join(enforced)}.")
    if usual:
        remarks.append(f"Often NULL, left to learned bounds (share with a value): {', '.join(usual)}.")
    foreign = [
        "(" + ", ".join(one.columns) + ") to " + identifier(*one.table).text
        for one in facts.relation.foreign_keys
    ]
    if foreign:
        remarks.append(f"References that foreign keys keep already: {'; '.join(foreign)}.")
    return Proposal(tuple(head), columns, (), tuple(remarks))


def _readers(facts: Facts) -> Iterator[Line]:
    """Roles that read the table today, but for those whose names no definition can hold."""
    named = [role for role in facts.readers if names.is_name(role)]
    if named:
        yield Line(f"readers: [{', '.join(map(scalar, named))}]", "may read the table today")


def _guessed_key(facts: Facts, batch: Batching | None) -> tuple[str, ...]:
    """What people would most likely call a row by, where nothing proves it."""
    fit = [one for one in facts.columns if one.column.has_equality and one.column.generated != "v"] or list(
        facts.columns
    )
    others = [one for one in fit if batch is None or one.name != batch.column]
    named = [one for one in others if _IDENTIFIER.search(_words(one.name))]
    first = (named or sorted(others, key=lambda one: -one.different) or fit)[0].name
    return (first,) if batch is None or batch.column == first else (first, batch.column)


def _freshness(facts: Facts, batch: Batching) -> Line | None:
    places = [one.place for one in facts.batches if one.place is not None][:60]
    if len(places) < 5:
        return None
    gaps = [newer - older for newer, older in itertools.pairwise(places)]
    usual, largest = statistics.median(gaps), max(gaps)
    # The data of a batch is as old as the batch when the next one is due; a quarter more for a late one.
    seconds = 1.25 * largest + usual
    hours = math.ceil(seconds / 3600)
    span = f"{hours} hours" if hours <= 240 else f"{math.ceil(hours / 24)} days"
    indexed = any(
        i.whole and i.method == "btree" and i.columns[:1] == (batch.column,) for i in facts.relation.indexes
    )
    reason = f"a batch every {_span(usual)}, the longest gap of the last {len(gaps)} was {_span(largest)}"
    if indexed:
        text = f"freshness: {{max_age: {span}, of: {scalar(batch.column)}}}"
    else:
        text = f"freshness: {{max_age: {span}}}"
        reason += f"; of: {scalar(batch.column)} would tell it by the data, and needs an index that begins with that"
    age = facts.now - places[0]
    if age > seconds:
        return Line(
            text,
            f"{reason}; but the newest batch is {_span(age)} old, so it would be missed at once",
            off=True,
        )
    return Line(text, reason)


def _span(seconds: float) -> str:
    for size, word in ((_DAY, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{number} {word}" + ("" if number == "1" else "s")
    return f"{seconds:.0f} seconds"


# Columns


def _of_column(facts: Facts, seen: ColumnSeen, place: int, batch: Batching | None) -> tuple[Line, ...]:
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
    share = next((step for step in _STEPS if step <= bound), None)
    if share is None:
        return []
    told = f"{evidence}: at least {_percent(low)} (Wilson, 99 %)"
    if worst is not None and worst[0] < 1:
        told += f"; the emptiest batch had {_percent(worst[0])}"
    return [Line(f"completeness: {{min: {share}}}", told)]


def _text(facts: Facts, seen: ColumnSeen, *, refers: bool) -> list[Line]:
    del facts
    for name, hits in seen.formats.items():
        if hits >= _FEW and hits >= seen.present * 0.999:
            share = _at_least(hits, seen.present)
            return [Line(f"format: {{format: {name}{share}}}", f"{_of(hits, seen.present)} written like one")]
    if refers:
        return []
    closed = _closed(seen)
    return [closed] if closed else []


def _closed(seen: ColumnSeen) -> Line | None:
    """The list of accepted values, where the set looks closed.

    The chance that the next value is a new one is estimated by the share of values seen once (I. J. Good, Biometrika 40
    (1953) 237); the set counts as closed when that is zero, and a new value among these would have shown.
    """
    if not 2 <= seen.different <= _CLOSED or seen.present < max(_MANY, 20 * seen.different) or seen.single:
        return None
    if len(seen.top) < seen.different or (seen.longest or 0) > 60 or min(n for _, n in seen.top) < 3:
        return None
    values = ", ".join(scalar(value) for value, _ in seen.top)
    # What was never seen in n draws has a chance below 3/n with 95 % confidence.
    return Line(
        f"accepted_values: {{values: [{values}], at_least: {_step(1 - 3 / seen.present)}}}",
        f"{seen.different} values in {seen.present:,} rows, the rarest {min(n for _, n in seen.top):,} times, none once: "
        f"a new one has a chance of 0 (Good-Turing), below {_percent(3 / seen.present)} with 95 % confidence",
    )


#: Names of numbers with bounds by nature, the bounds, and what they are.
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
    name = _words(seen.name)
    for pattern, low, high, what in _NATURAL:
        if pattern.search(name) and low <= least and most <= high:
            return [
                Line(
                    f"range: {{min: {low:g}, max: {high:g}}}",
                    f"{what}: a bound by nature; all {seen.present:,} values keep it",
                )
            ]
    is_numbering = seen.different == seen.present == seen.whole
    if seen.present < _MANY or _IDENTIFIER.search(name) or is_numbering:
        return []
    if least >= 0 and most <= 1 and seen.whole < seen.present * 0.5 and seen.different > _CLOSED:
        return [
            Line(
                "range: {min: 0, max: 1}",
                f"looks like a share: all of {seen.present:,} values lie between 0 and 1, most between them",
            )
        ]
    # A number that comes close to zero and is never below it does not go there by nature: a count, an amount, a duration.
    if least >= 0 and median > 0 and (seen.zero or least < median / 10):
        return [
            Line(
                "range: {min: 0}",
                f"never negative in {seen.present:,} values that come near 0; the largest is no bound",
            )
        ]
    return []


# Words and numbers


def _at_least(hits: int, of: int) -> str:
    return "" if hits == of else f", at_least: {_step(wilson_low(hits, of))}"


def _step(share: float) -> float:
    return next((step for step in _STEPS if step <= share), _STEPS[-1])


def _of(hits: int, of: int) -> str:
    return f"all {of:,} values are" if hits == of else f"{hits:,} of {of:,} values are"


def _percent(share: float) -> str:
    digits = max(0, min(4, 2 - math.floor(math.log10(max(min(1 - share, share), 1e-6) * 100))))
    return (
        f"{100 * math.floor(share * 10 ** (digits + 2)) / 10 ** (digits + 2):.{digits}f} %"
        if share > 0.5
        else f"{100 * share:.2g} %"
    )


def _expression(column: str) -> str:
    return identifier(column).text


def _relation(name: str) -> str:
    return name if re.match(r"[a-z_][a-z0-9_.]*\Z", name) else scalar(name)
