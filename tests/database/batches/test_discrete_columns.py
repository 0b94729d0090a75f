"""What learned bounds make of whole numbers and small batches, and how they say it."""

from __future__ import annotations

import re

import pytest

from .test_learned_rule import Stream

pytestmark = pytest.mark.slow


def test_a_median_of_whole_numbers_may_go_a_step(session):
    """Two rows more of 24 make the median 2."""
    value = "CASE WHEN i < CASE WHEN k = 70 THEN 11 ELSE 13 + k % 3 END THEN 1 ELSE 2 END"
    assert Stream(session, "integer", value, "24").run(0, 71) == {}


def test_an_order_of_magnitude_may_go_a_step(session):
    value = "CASE WHEN i = 0 THEN CASE WHEN k = 70 THEN 2 ELSE 1 END ELSE 0 END"
    assert Stream(session, "integer", value, "24").run(0, 71) == {}


def test_whole_numbers_in_another_unit_are_found(session):
    value = "(CASE WHEN k = 70 THEN 100 ELSE 1 END) * (1 + (i * 7919 + k * 104729) % 5)"
    ((rule, said),) = Stream(session, "integer", value, "24").run(0, 71)[70]
    assert rule == "x_learned"
    assert said == "95th percentile: 500; 4 to 6 expected"


def test_a_tenth_of_the_rows_is_news_however_wide_the_days_are(session):
    rows = "CASE k WHEN 30 THEN 9 WHEN 45 THEN 114 WHEN 80 THEN 3 ELSE 28 + (hashint4(k) & 1023) % 21 END"
    missed = Stream(session, "integer", "(i * 7919 + k * 104729) % 1000", rows).run(0, 82)
    assert {k for k in missed if k > 45} == {80}
    assert missed[80][0][1].startswith("rows: 3; ")


def test_where_values_move_and_rows_are_near_their_bound_rows_are_named(session):
    rows = "CASE k WHEN 80 THEN 112 ELSE 150 + (hashint4(k) & 1023) % 101 END"
    value = "CASE WHEN k = 80 THEN 80 ELSE 0 END + (i * 7919 + k * 104729) % 200"
    missed = Stream(session, "integer", value, rows).run(0, 80)
    ((rule, said),) = missed[80]
    assert rule == "x_learned"
    assert "; rows: 112; " in said


WORDS = (
    ("p50", "quantile", 1, 1.96, 2.04, 1, "median: 1; 2 expected"),
    ("p05", "quantile", 2007, 0, 26.7, 1, "median: 2007; 0 to 26 expected"),
    ("p50", "quantile", 2.5, 0.682, 1.32, 0, "median: 2.5; 0.682 to 1.32 expected"),
    ("null", "share", 1, 0, 0.062, 0, "median: 100 %; 0 % to 6.2 % expected"),
    ("null", "share", 1, 0, 1, 0, "median: 100 %"),
    ("new_value", "rise", 1, None, 0.99999, 0, "median: 100 %; at most 99.999 % expected"),
    ("null", "share", 0.0004, 0.00044, 1, 0, "median: 0.04 %; 0.044 % to 100 % expected"),
    ("mean", "mean", 0.4, -0.00000109, 0.00000109, 0, "median: 0.4; 0 expected"),
    ("mean", "mean", 22287.5, 100, 12345678, 0, "median: 22,288; 100 to 12,345,678 expected"),
    ("moved", "apart", 127.2, None, 2.52, 0, "distribution moved by 127; at most 2.52 expected"),
    ("steps", "apart", 246, None, 5.8, 0, "246 steps from what may follow; at most 5.8 expected"),
)


def test_bounds_are_said_as_values_that_there_are(session):
    for name, kind, value, low, high, step, said in WORDS:
        ((found,),) = session.connection.execute(
            "SELECT pgslo_catalog.learned_said(%s, 'median', %s, %s, %s, %s, %s, NULL, NULL)",
            (name, kind, value, low, high, step),
        ).fetchall()
        assert found == said
    ((found,),) = session.connection.execute(
        "SELECT pgslo_catalog.learned_said('moved', '', 'apart', 127.2, NULL, 2.5, 0, 'median price 22,287, usually 180 to 260', ' on a holiday')"
    ).fetchall()
    assert (
        found
        == "median price 22,287, usually 180 to 260 (distribution moved by 127; at most 2.5 expected on a holiday)"
    )


def test_the_median_comes_before_how_far_values_moved(session):
    value = "(CASE WHEN k = 60 THEN 100 ELSE 1 END) * (180 + 80 * power(((i * 7919 + k * 104729) % 1009) / 1009.0, 2))::float8"
    ((rule, said),) = Stream(session, "float8", value, "200").run(0, 60)[60]
    assert rule == "x_learned"
    assert re.fullmatch(
        r"median x 20,\d{3}, usually 19\d(\.\d+)? to 20\d(\.\d+)? \(distribution moved by \d+; at most [\d.]+ expected\)",
        said,
    ), said
