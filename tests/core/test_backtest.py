"""What single judgements of a replay come to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgslo.backtest import Judged, Share, advice, precision, report, times_for, two_digits_up
from pgslo.report.backtest import as_html, as_svg


def judged(batch: int, column: str, fault: str | None, score: float | None) -> Judged:
    verdict = "unknown" if score is None else "missed" if score >= 1 else "met"
    return Judged(f"b{batch:02}", 10, column, fault, 1.0 if fault else None, verdict, score, "said")


REPLAY = [
    *(judged(n, "a", None, 0.5 if n else 1.2) for n in range(10)),
    *(judged(n, "*", None, 0.1) for n in range(10)),
    *(judged(n, "a", "frozen", 2.0 if n < 8 else 0.5) for n in range(10)),
    judged(11, "a", "frozen", None),
    Judged("b12", 10, "a", "stale", None, "left out", None, "said"),
    *(judged(n, "*", "volume", 0.8) for n in range(5)),
]


def test_shares_and_their_interval():
    # Wilson's interval of 8 of 10, as R's binom::binom.confint(8, 10, methods = "wilson") has it.
    low, high = Share(8, 10).interval
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert Share(0, 0).value is None
    assert Share(0, 50).interval[0] == pytest.approx(0)
    assert Share(0, 50).interval[1] == pytest.approx(0.0714, abs=1e-4)


def test_recall_and_false_alarms_are_counted_by_column_and_fault():
    found = report(REPLAY, rate=0.2)
    assert (found.found.hits, found.found.of, found.unknown) == (8, 15, 1)
    assert found.omitted == {"stale": 1}
    assert found.false_per_100 == pytest.approx(10)
    assert (found.noisy.hits, found.noisy.of) == (1, 10)
    assert [(one.name, one.found.hits, one.found.of) for one in found.columns] == [("a", 8, 10), ("*", 0, 5)]
    assert [(one.name, one.found.hits) for one in found.faults] == [("frozen", 8), ("volume", 0)]
    assert set(found.cells) == {("a", "frozen"), ("*", "volume")}
    assert [one.batch for one in found.false_alarms] == ["b00"]


def test_precision_follows_from_how_often_a_table_is_broken():
    # In 100 batches, 20 with a fault of which 18 are told, beside 5 false alarms.
    assert precision(0.9, 0.05, 0.2) == pytest.approx(18 / 23)
    assert precision(0.9, 0.05, 0.02) == pytest.approx(1.8 / 6.8)
    assert precision(0.9, 0.0, 0.2) == 1
    assert precision(0.0, 0.0, 0.2) is None
    found = report(REPLAY, rate=0.2)
    assert found.precision is not None
    assert found.precision_least is not None
    assert found.precision_least < found.precision


def test_sensitivity_is_found_for_a_recall():
    # 13 of 15 faults score 0.8 and more.
    times = times_for(REPLAY, recall=13 / 15)
    assert times == pytest.approx(1 / 0.8)
    assert times_for(REPLAY, recall=1) == pytest.approx(2)
    assert times_for([judged(1, "a", "frozen", 0.0)], recall=0.5) is None
    assert times_for([], recall=0.5) is None
    assert [two_digits_up(number) for number in (1.25, 1.301, 0.0512, 12.31, 2)] == [1.3, 1.4, 0.052, 13, 2]


def test_curve_falls_with_sensitivity():
    curve = report(REPLAY, rate=0.2).curve
    assert [point.recall for point in curve] == sorted(point.recall for point in curve)
    assert [point.false_per_100 for point in curve] == sorted(point.false_per_100 for point in curve)
    assert curve[8].times == 1
    assert curve[8].recall == pytest.approx(8 / 15)


def test_names_cannot_break_the_drawing():
    hostile = [judged(n, '<script>"&', "frozen" if n % 2 else None, 0.5) for n in range(8)]
    drawn = as_svg(report(hostile, rate=0.2), table='a."<b>"', sensitivity=1, rate=0.2)
    assert "<script>" not in drawn
    assert "<b>" not in as_html(drawn, table='a."<b>"')
    assert "&lt;script&gt;" in drawn


def replayed(alarms: list[tuple[str, str, float]], batches: int = 20) -> list[Judged]:
    """A replay of three columns on days of January with these alerts, in which each fault was found with the score 3."""
    scores = {(day, column): score for day, column, score in alarms}
    rows = []
    for n in range(1, batches + 1):
        day = f"2026-01-{n:02}"
        for column in ("month", "price", "No", "*"):
            score = scores.get((day, column), 0.2)
            verdict = "missed" if score >= 1 else "met"
            rows.append(Judged(day, 10, column, None, None, verdict, score, "said"))
            if column != "*":
                rows.append(Judged(day, 10, column, "frozen", 1.0, "missed", 3.0, "said"))
    return rows


def advised(alarms: list[tuple[str, str, float]]) -> list[tuple[str, str]]:
    return [(one.setting, one.because) for one in advice(report(replayed(alarms), rate=0.2), sensitivity=1)]


def test_advice_names_the_columns_that_make_the_false_alarms():
    (loud,) = advised(
        [(f"2026-01-{n:02}", "month", 9.0) for n in range(3, 8)] + [("2026-01-09", "price", 8.0)]
    )
    assert loud[0] == "unwatched: [month]"
    assert loud[1].startswith("5 of 6 alerts are of this column: 30.0 -> 5.0 in 100 batches. It costs")
    assert "the faults found there, 20 of 20;" in loud[1]
    assert advised([(f"2026-01-{n:02}", "No", 9.0) for n in range(3, 6)])[0][0] == 'unwatched: ["No"]'


def test_advice_names_days_that_many_columns_missed():
    alarms = [("2026-01-06", column, 9.0) for column in ("month", "price", "*")]
    ((setting, because),) = advised(alarms)
    assert setting == "holidays: [2026-01-06]"
    assert because.startswith("3 of 3 alerts are of this day")


def test_advice_is_a_lower_sensitivity_where_that_costs_little():
    alarms = [(f"2026-01-{n:02}", "month", 1.2) for n in range(3, 8)]
    settings = dict(advised(alarms))
    assert (
        settings["sensitivity: 0.71"]
        == "25.0 -> 0.0 alerts in 100 batches, and 100 % -> 100 % of the faults found"
    )
    # Faults that were barely found would go with them.
    rows = [replace(one, score=1.1) if one.fault else one for one in replayed(alarms)]
    assert not [one for one in advice(report(rows, rate=0.2), sensitivity=1) if "sensitivity" in one.setting]
    assert advised([]) == []


def test_alerts_by_their_scores():
    replay = [
        *(judged(n, "a", None, score) for n, score in enumerate([1.0, 1.1, 1.6, 4.0, 0.9, *[0.1] * 5])),
        *(
            judged(n, "a", "frozen", score)
            for n, score in enumerate([1.2, 2.0, 2.9, 4.0, 50.0, 10.0, *[0.5] * 4])
        ),
    ]
    bands = report(replay, rate=0.2).bands
    assert [(one.name, one.found, one.false) for one in bands] == [
        ("1 to 1.25", 1, 2),
        ("1.25 to 1.5", 0, 0),
        ("1.5 to 2", 0, 1),
        ("2 to 3", 2, 0),
        ("3 to 5", 1, 1),
        ("5 to 10", 0, 0),
        ("above 10", 2, 0),
    ]
    # Of 100 batches, 20 with a fault, a tenth of which scores 1 to 1.25, beside 20 false alarms of that score.
    assert bands[0].true_share == pytest.approx(2 / 22)
    assert bands[0].true_share_if_rare == pytest.approx(0.2 / 20.2)
    assert bands[1].true_share is None
    assert bands[3].true_share == 1
