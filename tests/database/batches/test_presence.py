"""Learned bounds of columns whose values are not judged as they are, of numbers with long exponents, and of times outside their batch."""

from __future__ import annotations

import pytest

from .test_moving_columns import Days

pytestmark = pytest.mark.slow


def summary(session, column: str) -> dict[str, float | None]:
    ((names, values),) = session.run(
        "SELECT pgslo_catalog.summary_names(), p.summary FROM pgslo_catalog.profile p "
        f"WHERE p.column_name = '{column}' ORDER BY p.place DESC LIMIT 1"
    ).rows
    return dict(zip(names, values, strict=False))


def test_of_values_that_are_looked_into_the_column_tells_only_presence(session):
    days = Days(
        session,
        {
            "emb": ("real[]", "ARRAY[i, k]::real[]"),
            "payload": ("jsonb", "jsonb_build_object('n', i)"),
            "span": ("int4range", "int4range(i, i + 1)"),
            "note": ("box", "box(point(0, 0), point(i, i))"),
            "name": ("text", "'n' || i"),
        },
    )
    assert days.load(0, 24) == []
    for column in ("emb", "payload", "span", "note"):
        known = {name: value for name, value in summary(session, column).items() if value is not None}
        vectors = {"centroid"} if column == "emb" else set()
        assert known["null"] == 0
        assert known.keys() == {"null"} | vectors
    assert summary(session, "*")["duplicate"] == 0
    learned = dict(session.run("SELECT column_name, usual FROM pgslo.learned('features.t')").rows)
    assert learned["note"] == "null 0 %, only whether there is a value"
    assert learned["emb"] == "null 0 %, and its parts"
    assert learned["emb.length"].startswith("null 0 %, 5th percentile 2, ")
    assert learned["payload"] == "null 0 %, and its keys"
    assert learned["name"].startswith("null 0 %, different values 40, ")
    missed = days.load(25, 25, payload="CASE WHEN i % 2 = 0 THEN '{}'::jsonb END")
    assert [(rule, said.split(";")[0]) for _, rule, said in missed] == [("payload_learned", "null: 50 %")]


def test_rows_that_have_nothing_but_such_values_are_not_doubled(session):
    days = Days(session, {"emb": ("real[]", "ARRAY[i, k]::real[]")})
    days.load(0, 1)
    assert summary(session, "*")["duplicate"] is None


def test_numbers_with_three_digits_of_exponent_are_numbers(session):
    days = Days(session, {"x": ("double precision", "i * 1e290"), "y": ("double precision", "i * 1e-290")})
    days.load(0, 0)
    assert summary(session, "x")["number"] == summary(session, "y")["number"] == 1


def test_times_that_leave_their_week_are_told_of(session):
    """A week's events that come a day late, or a week early, lie outside of it."""
    week = "DATE '2025-01-06' + 7 * k"
    at = (
        f"({week})::timestamptz + (i * 7919 + k * 104729) % 167 * interval '1 hour' + k * interval '1 minute'"
    )
    days = Days(session, {"at": ("timestamptz", at)}, rows=60)
    days.start = week
    session.run("SET TimeZone = 'UTC'")
    assert days.load(0, 39) == []
    ((_, rule, said),) = days.load(40, 40, at=f"{at} + interval '1 day'")
    assert (rule, said.split(":")[0]) == ("at_learned", "times after their batch")
    assert days.load(41, 41) == []
    ((_, rule, said),) = days.load(42, 42, at=f"{at} - interval '7 days'")
    assert (rule, said.split(";")[0]) == ("at_learned", "times before their batch: 100 %")
