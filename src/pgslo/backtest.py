"""How good alerts were in a replay: recall, false alarms and precision, worked out of single judgements.

The replay and the judging happen in the database (``pgslo.backtest``); here its rows are counted.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

#: The table as a whole, as a column.
WHOLE = "*"
#: 97.5 % of the normal distribution lie below it: 95 % confidence on two sides.
_Z = 1.959964
#: Columns that one batch missed, from which on its day is taken for an odd one; and such days at most.
_COLUMNS_OF_A_DAY, _DAYS = 3, 6
#: Alerts of a column that make it a loud one: their number, and their share of all.
_OFTEN, _OFTEN_SHARE = 2, 0.15
#: Share of the faults that may go for half as many false alarms.
_GIVEN_UP = 0.05
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T00:00:00\+00:00)?\Z")
#: What YAML would not read as text.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
#: Where bands of scores begin. From SUSPECT_BELOW on people are notified.
_BANDS = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
SUSPECT_BELOW = 2.0
#: Precision is also computed for a table with few faults.
RARE = 0.02
_NOT_JUDGED = frozenset({"unknown", "left out"})


@dataclass(frozen=True)
class Judged:
    """One column of one batch as it was judged.

    Attributes:
        batch: Its name.
        rows: Its rows.
        column: The column, or ``*`` for the table as a whole.
        fault: The inserted fault; ``None``: the batch is unchanged.
        changed: Share of the values that the fault changed.
        verdict: met, missed, unknown, or left out: a fault of which nothing can be seen.
        score: How many times its bound the farthest number was; ``None`` when unknown or left out.
        detail: The verdict in words.
    """

    batch: str
    rows: int
    column: str
    fault: str | None
    changed: float | None
    verdict: str
    score: float | None
    detail: str

    def is_told(self, times: float = 1.0) -> bool:
        """Whether an alert was raised, or would have been at a multiple of the sensitivity.

        At other than 1 it is close, not exact: what missed leaves the baseline, so one verdict moves later bounds.
        """
        if times == 1.0:
            return self.verdict == "missed"
        return self.score is not None and self.score * times >= 1


@dataclass(frozen=True)
class Share:
    """A number out of a total."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """The share, or ``None`` of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval, 95 % (E. B. Wilson, JASA 22 (1927) 209)."""
        if not self.of:
            return 0.0, 1.0
        share, weight = self.hits / self.of, _Z * _Z / self.of
        middle = share + weight / 2
        reach = _Z * math.sqrt(share * (1 - share) / self.of + weight / (4 * self.of))
        return (middle - reach) / (1 + weight), (middle + reach) / (1 + weight)


@dataclass(frozen=True)
class Group:
    """Alerts on a column, about a fault, or altogether.

    Attributes:
        name: Of what.
        found: Faults that raised an alert on their column.
        false: Alerts without a fault, of column-batches that were judged; nothing for a fault.
        precision: Share of alerts that would be true.
    """

    name: str
    found: Share
    false: Share
    precision: float | None


@dataclass(frozen=True)
class Band:
    """Alerts whose scores lie between two numbers.

    Attributes:
        low: The least score.
        high: The first score that is too high; ``None``: none is.
        found: Faults that raised such an alert on their column.
        false: Such alerts in batches without a fault.
        true_share: The share of such alerts that would be true.
        true_share_if_rare: The same if one batch in 50 has a fault.
    """

    low: float
    high: float | None
    found: int
    false: int
    true_share: float | None
    true_share_if_rare: float | None

    @property
    def name(self) -> str:
        """The two numbers."""
        return f"above {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Point:
    """What another sensitivity would have given, as a factor of the one that was replayed."""

    times: float
    recall: float
    precision: float | None
    false_per_100: float


@dataclass(frozen=True)
class Report:
    """What a replay comes to.

    Attributes:
        first: First and last batch that was judged.
        batches: How many were judged.
        unknown: Faults that could not be judged, because too little was known of their column.
        omitted: Faults that were omitted, by name, because they changed nothing visible.
        found: Over all faults.
        false_per_100: Alerts in 100 batches without a fault.
        noisy: Batches without a fault that raised an alert.
        precision: If the share of batches that was asked for has a fault.
        precision_least: The same at the lower end of the recall's interval and the upper end of the false alarms'.
        precision_if_rare: If one batch in 50 has one.
        cells: Faults found by column and fault.
        curve: Other sensitivities, less sensitive first.
        false_alarms: The alerts without a fault, the worst first.
        bands: Alerts by their scores, the least first.
    """

    first: str
    last: str
    batches: int
    unknown: int
    omitted: dict[str, int]
    found: Share
    false_per_100: float
    noisy: Share
    precision: float | None
    precision_least: float | None
    precision_if_rare: float | None
    columns: tuple[Group, ...]
    faults: tuple[Group, ...]
    cells: dict[tuple[str, str], Share]
    curve: tuple[Point, ...]
    false_alarms: tuple[Judged, ...]
    bands: tuple[Band, ...]


def precision(recall: float | None, false_a_batch: float, rate: float) -> float | None:
    """Expected share of true alerts if this share of batches has one fault each, with the measured rate of false alarms.

    A fault raises one true alert with the probability of the recall; false alarms come in every batch.
    """
    true = rate * (recall or 0.0)
    return true / (true + false_a_batch) if true + false_a_batch > 0 else None


def report(judged: Sequence[Judged], *, rate: float) -> Report:
    """Count.

    Args:
        judged: Rows of the replay, in its order.
        rate: Share of batches with a fault that precision is computed for.
    """
    clean = [one for one in judged if one.fault is None and one.verdict not in _NOT_JUDGED]
    broken = [one for one in judged if one.fault is not None and one.verdict not in _NOT_JUDGED]
    batches = list(dict.fromkeys(one.batch for one in judged if one.fault is None))
    columns = list(dict.fromkeys(one.column for one in judged if one.fault is None))
    columns.sort(key=lambda name: (name == WHOLE,))
    names = list(dict.fromkeys(one.fault for one in broken if one.fault is not None))
    found = _found(broken)
    false_a_batch = sum(one.is_told() for one in clean) / max(len(batches), 1)
    groups = []
    for column in columns:
        mine = _found(one for one in broken if one.column == column)
        false = _found(one for one in clean if one.column == column)
        groups.append(
            Group(column, mine, false, precision(mine.value, false.value or 0.0, rate / len(columns)))
        )
    noisy = {one.batch for one in clean if one.is_told()}
    return Report(
        first=batches[0] if batches else "",
        last=batches[-1] if batches else "",
        batches=len(batches),
        unknown=sum(one.fault is not None and one.verdict == "unknown" for one in judged),
        omitted=Counter(one.fault for one in judged if one.fault is not None and one.verdict == "left out"),
        found=found,
        false_per_100=100 * false_a_batch,
        noisy=Share(len(noisy), len(batches)),
        precision=precision(found.value, false_a_batch, rate) if found.of else None,
        precision_least=precision(
            found.interval[0], _found(clean).interval[1] * len(clean) / max(len(batches), 1), rate
        )
        if found.of
        else None,
        precision_if_rare=precision(found.value, false_a_batch, RARE) if found.of else None,
        columns=tuple(groups),
        faults=tuple(
            Group(name, _found(one for one in broken if one.fault == name), Share(0, 0), None)
            for name in names
        ),
        cells={
            (column, name): share
            for column in columns
            for name in names
            if (share := _found(one for one in broken if (one.column, one.fault) == (column, name))).of
        },
        curve=_curve(clean, broken, len(batches), rate),
        false_alarms=tuple(
            sorted((one for one in clean if one.is_told()), key=lambda one: -(one.score or 0.0))
        ),
        bands=_bands(clean, broken, len(batches), rate),
    )


@dataclass(frozen=True)
class Advice:
    """What to write in a definition against false alarms.

    Attributes:
        setting: The line.
        because: The avoided alarms, and the cost.
    """

    setting: str
    because: str


def advice(result: Report, *, sensitivity: float) -> tuple[Advice, ...]:
    """What avoids many of the alerts without a fault, what avoids most of them first.

    Args:
        result: What the replay came to.
        sensitivity: With which it was replayed.
    """
    told = result.false_alarms
    found: list[tuple[int, Advice]] = []
    if not told or not result.batches:
        return ()
    days: dict[str, set[str]] = {}
    for one in told:
        days.setdefault(one.batch, set()).add(one.column)
    odd = sorted(
        day for day, columns in days.items() if len(columns) >= _COLUMNS_OF_A_DAY and _DATE.match(day)
    )
    if odd and len(odd) <= _DAYS:
        avoided = sum(len(days[day]) for day in odd)
        because = f"{avoided} of {len(told)} alerts are of {'this day' if len(odd) == 1 else 'these days'}: was it a holiday, a release, a strike?"
        found.append((avoided, Advice(f"holidays: [{', '.join(day[:10] for day in odd)}]", because)))
    rest = [one for one in told if one.batch not in odd]
    counts: dict[str, int] = {}
    for one in rest:
        counts[one.column] = counts.get(one.column, 0) + 1
    loud = [
        name
        for name, count in sorted(counts.items(), key=lambda item: -item[1])
        if name != WHOLE and count >= _OFTEN and count >= _OFTEN_SHARE * len(told)
    ]
    if loud:
        avoided = sum(counts[name] for name in loud)
        groups = [group for group in result.columns if group.name in loud]
        hits, of = sum(group.found.hits for group in groups), sum(group.found.of for group in groups)
        because = (
            f"{avoided} of {len(told)} alerts are of {'this column' if len(loud) == 1 else 'these columns'}: "
            f"{_left(result, avoided)}. It costs the faults found there, {hits} of {of}; "
            "a rule of your own, such as completeness or range, can replace it"
        )
        found.append((avoided, Advice(f"unwatched: [{', '.join(map(_name, loud))}]", because)))
    point = next(
        (
            one
            for one in reversed(result.curve)
            if one.times < 1
            and one.false_per_100 <= result.false_per_100 / 2
            and one.recall >= (result.found.value or 0) - _GIVEN_UP
        ),
        None,
    )
    if point is not None:
        avoided = round((result.false_per_100 - point.false_per_100) * result.batches / 100)
        because = (
            f"{result.false_per_100:.1f} -> {point.false_per_100:.1f} alerts in 100 batches, and "
            f"{100 * (result.found.value or 0):.0f} % -> {100 * point.recall:.0f} % of the faults found"
        )
        found.append((avoided, Advice(f"sensitivity: {two_digits(point.times * sensitivity):g}", because)))
    return tuple(one for _, one in sorted(found, key=lambda item: -item[0]))


def _left(result: Report, avoided: int) -> str:
    left = 100 * (len(result.false_alarms) - avoided) / result.batches
    return f"{result.false_per_100:.1f} -> {left:.1f} in 100 batches"


def _name(column: str) -> str:
    """A column as a list in YAML takes it."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and column.lower() not in _WORDS
    return column if plain else json.dumps(column, ensure_ascii=False)


def _bands(clean: Sequence[Judged], broken: Sequence[Judged], batches: int, rate: float) -> tuple[Band, ...]:
    bands = []
    for low, high in zip(_BANDS, (*_BANDS[1:], None), strict=True):

        def is_within(one: Judged, low: float = low, high: float | None = high) -> bool:
            score = one.score or 0.0
            return one.is_told() and score >= low and (high is None or score < high)

        found, false = sum(map(is_within, broken)), sum(map(is_within, clean))
        # As many of the faults have such a score, and such false alarms come in every batch.
        recall, false_a_batch = found / max(len(broken), 1), false / max(batches, 1)
        bands.append(
            Band(
                low,
                high,
                found,
                false,
                precision(recall, false_a_batch, rate),
                precision(recall, false_a_batch, RARE),
            )
        )
    return tuple(bands)


def _found(judged: Iterable[Judged], told: Callable[[Judged], bool] = Judged.is_told) -> Share:
    seen = [told(one) for one in judged]
    return Share(sum(seen), len(seen))


def _curve(clean: Sequence[Judged], broken: Sequence[Judged], batches: int, rate: float) -> tuple[Point, ...]:
    points = []
    for step in range(-8, 9):
        times = 2 ** (step / 4)
        recall = sum(one.is_told(times) for one in broken) / max(len(broken), 1)
        false = sum(one.is_told(times) for one in clean) / max(batches, 1)
        points.append(Point(times, recall, precision(recall, false, rate), 100 * false))
    return tuple(points)


def times_for(judged: Sequence[Judged], *, recall: float) -> float | None:
    """The least factor of the sensitivity at which this share of the faults is reported.

    Returns:
        The factor, or ``None`` when no sensitivity finds as many: some faults moved nothing that is looked at.
    """
    scores = sorted(
        (one.score or 0.0 for one in judged if one.fault is not None and one.verdict not in _NOT_JUDGED),
        reverse=True,
    )
    if not scores:
        return None
    worst = scores[max(math.ceil(recall * len(scores)) - 1, 0)]
    return 1 / worst if worst > 0 else None


def two_digits(number: float) -> float:
    """The number in two significant digits."""
    return float(f"{number:.2g}")


def two_digits_up(number: float) -> float:
    """The number in two significant digits, never less: what one would write in a file."""
    scale = 10.0 ** (1 - math.floor(math.log10(number)))
    return float(math.ceil(round(number * scale, 9)) / scale)
