"""no_overlap: spans from one column to another do not overlap."""

import pytest

KIND = "no_overlap"


def spans(session, *listed):
    for n, (user, start, end) in enumerate(listed):
        session.run(f"""INSERT INTO features.spans VALUES ({n}, '2026-11-22', {user}, {start}, {end})""")


@pytest.fixture
def guarded(session):
    session.run(
        "CREATE TABLE features.spans (id integer PRIMARY KEY, day date, user_id integer, a integer, b integer)"
    )
    session.guard(
        """
        table: features.spans
        batch: {by: day}
        watch: false
        rules:
          - one_at_a_time: {no_overlap: {from: a, to: b, per: user_id}}
        """
    )
    return session


def judged(session):
    return session.close(definition="features.spans")["one_at_a_time"]


def test_spans_that_touch_do_not_overlap(guarded):
    spans(guarded, (1, 0, 10), (1, 10, 20), (2, 5, 15))
    assert judged(guarded)[:2] == ("met", 0)


def test_overlaps_are_counted(guarded):
    # The second lies in the first; so does the third, though it begins after the second ends.
    spans(guarded, (1, 0, 100), (1, 10, 20), (1, 30, 40), (1, 100, 110))
    verdict, value, said = judged(guarded)
    assert (verdict, value) == ("missed", 2)
    assert said == "2 spans that overlap an earlier one; the objective is at most 0"
    guarded.run("DELETE FROM features.spans WHERE id = 0")
    assert judged(guarded)[:2] == ("met", 0)


def test_a_span_without_end_goes_on(golden):
    golden.load(
        "2026-11-22",
        "signed_up_at = timestamptz '2026-11-22 00:00Z' + n * interval '1 hour'; last_seen_at = NULL::timestamptz",
        rows=1,
    )
    assert golden.close()["one_plan_at_a_time"][:2] == ("met", 0)


def test_open_ends_overlap_what_comes_later(session):
    session.run(
        "CREATE TABLE features.spans (id integer PRIMARY KEY, day date, user_id integer, a date, b date)"
    )
    session.guard(
        """
        table: features.spans
        batch: {by: day}
        watch: false
        rules:
          - one_at_a_time: {no_overlap: {from: a, to: b, per: user_id}}
        """
    )
    spans(session, (1, "'2026-01-01'", "NULL"), (1, "'2026-02-01'", "'2026-03-01'"))
    assert judged(session)[:2] == ("missed", 1)
