"""What single judgements of a replay come to."""

from __future__ import annotations

import pytest

from pgslo.backtest import Judged, Share, precision, report, times_for, two_digits_up
from pgslo.report.backtest import as_html, as_svg


def judged(batch: int, column: str, fault: str | None, score: float | None) -> Judged:
    verdict = "unknown" if score is None else "missed" if score >= 1 else "met"
    return Judged(f"b{batch:02}", 10, column, fault, 1.0 if fault else None, verdict, score, "said")


REPLAY = [
    *(judged(n, "a", None, 0.5 if n else 1.2) for n in range(10)),
    *(judged(n, "*", None, 0.1) for n in range(10)),
    *(judged(n, "a", "frozen", 2.0 if n < 8 else 0.5) for n in range(10)),
    judged(11, "a", "frozen", None),
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
