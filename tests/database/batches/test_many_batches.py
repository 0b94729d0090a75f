"""What a statement writes to many batches is known of each of them as if it had come alone."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

ONCE = """
table: features.once
owner: me
batch: {by: ds}
columns:
  s:
    - statistic: {of: distinct, min: 3}
    - statistic: {of: top_share, max: 0.5}
"""


@pytest.fixture
def once(session):
    session.run("CREATE TABLE features.once (id bigint, ds date, s text, PRIMARY KEY (id, ds))")
    session.guard(ONCE)
    return session


def load(session, days, rows):
    session.run(
        f"""INSERT INTO features.once SELECT g, date '2026-01-01' + d, (array['a', 'b', 'c', 'd'])[1 + g % 4]
            FROM generate_series(0, {days - 1}) AS d, generate_series(1, {rows}) AS g"""
    )


def profiles(session):
    """How many rows of a batch its profile knows, and at which level of sampling; of all batches."""
    return session.run("SELECT DISTINCT p.sampled, p.level FROM pgslo_catalog.profile p").rows


@pytest.mark.parametrize(("days", "rows"), [(1, 2000), (100, 100), (300, 20), (3, 2000)])
def test_up_to_2000_rows_of_each_are_known(once, days, rows):
    load(once, days, rows)
    closed = once.run(
        "SELECT DISTINCT rule, verdict, value, said FROM pgslo.close_batch('features.once') WHERE rule LIKE 's_stat%' ORDER BY rule"
    ).rows
    shown = f"{rows:,} rows"
    assert closed == (
        ("s_statistic", "met", 4, f"the distinct of {shown} is 4; the objective is at least 3"),
        ("s_statistic_2", "met", 0.25, f"the top share of {shown} is 0.25; the objective is at most 0.5"),
    )
    assert set(profiles(once)) == {(rows, 0)}


def test_an_update_and_a_delete_of_many_leave_them_known(once):
    load(once, 50, 100)
    once.run("UPDATE features.once SET s = 'x' WHERE id <= 50")
    once.run("DELETE FROM features.once WHERE id > 90")
    once.run("SELECT count(*) FROM pgslo.close_batch('features.once')")
    assert set(profiles(once)) == {(90, 0)}


def test_very_many_rows_are_bounded(once):
    load(once, 300, 1000)
    once.run("SELECT count(*) FROM pgslo.close_batch('features.once', '2026-01-05')")
    ((sampled, level),) = profiles(once)
    # 300,000 rows are more than are sampled of one statement.
    assert level == 1
    assert 400 < sampled < 600


def test_a_row_whose_condition_raises_is_shown_under_its_own_batch(session):
    session.run("CREATE TABLE features.t (id int PRIMARY KEY, day date NOT NULL, n int)")
    session.guard(
        """
        table: features.t
        owner: me
        batch: {by: day}
        rules: [ratio_ok: {expression: "100 / n >= 0"}]
        """
    )
    session.run(
        "INSERT INTO features.t VALUES (1, '2026-01-01', 1), (2, '2026-01-02', 0), (3, '2026-01-03', 5)"
    )
    session.run(
        "INSERT INTO features.t VALUES (11, '2026-02-03', 1), (12, '2026-02-01', 5), (13, '2026-02-02', 0)"
    )
    assert session.run("SELECT batch, row_key FROM pgslo_catalog.sample ORDER BY 1").rows == (
        ("2026-01-02", "(id) = (2)"),
        ("2026-02-02", "(id) = (13)"),
    )


@pytest.mark.parametrize(("days", "is_told"), [(2000, False), (2001, True)])
def test_a_batch_key_that_is_nearly_a_row_key(once, days, is_told):
    told = once.run(
        f"INSERT INTO features.once SELECT d, date '2000-01-01' + d, 'a' FROM generate_series(1, {days}) d"
    ).notices
    assert [notice.message for notice in told] == (
        ["statement writes to 2001 batches of features.once"] if is_told else []
    )


RANGED = """
table: features.ranged
owner: me
key: none
writes: bulk
batch: {{by: {key}}}
columns:
  n: [range: {{min: 0, name: n_range}}]
"""


@pytest.fixture
def ranged(session):
    session.run("CREATE TABLE features.ranged (id int, day date, load text, n int)")
    session.guard(RANGED.format(key="day"))
    return session


def write_days(session, values):
    """One statement: a row a day from 2026-01-01 on, the days in no order."""
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values))
    session.run(
        f"""INSERT INTO features.ranged SELECT d, date '2026-01-01' + d, 'load ' || d, n
            FROM (VALUES {rows}) AS v (d, n) ORDER BY md5(d::text)"""
    )


def incidents(session):
    """Days, from 0 on, at which incidents were opened, and were over."""
    return session.run(
        """SELECT opened_batch::date - date '2026-01-01', over_batch::date - date '2026-01-01'
           FROM pgslo_catalog.incident ORDER BY incident_id"""
    ).rows


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1] * 8, ()),
        ([1, -1, 1, 1, 1], ((1, 2),)),
        ([1, -1, -1, -1, 1, 1], ((1, 4),)),
        ([-1, 1, 1, -1, 1, -1], ((0, 1), (3, 4), (5, None))),
        ([-1] * 200 + [1], ((0, 200),)),
        ([-1] * 200, ((0, None),)),
    ],
)
def test_incidents_follow_the_batches_of_a_statement_in_their_order(ranged, values, expected):
    write_days(ranged, values)
    assert incidents(ranged) == expected
    recorded = ranged.run(
        "SELECT place, rows, coalesce((failures ->> 'n_range')::int, 0) FROM pgslo_catalog.fragment ORDER BY place"
    ).rows
    first = 1767225600
    assert recorded == tuple((first + 86400 * d, 1, int(value < 0)) for d, value in enumerate(values))


def test_an_open_incident_is_resolved_by_the_first_later_batch_of_a_statement(ranged):
    write_days(ranged, [1, 1, -1])
    # Days before the incident leave it open; the first after it resolves it.
    write_days(ranged, [1, 1])
    assert incidents(ranged) == ((2, None),)
    write_days(ranged, [1, 1, 1, 1, 1])
    assert incidents(ranged) == ((2, 3),)


@pytest.mark.parametrize("keys", [3, 150])
def test_batches_in_order_of_arrival_keep_their_place(session, keys):
    session.run("CREATE TABLE features.ranged (id int, load text, n int)")
    session.guard(RANGED.format(key="load"))
    write = "INSERT INTO features.ranged SELECT g, 'load ' || g, 1 FROM generate_series({}, {}) g"
    session.run(write.format(1, keys))
    before = dict(session.run("SELECT batch, place FROM pgslo_catalog.fragment").rows)
    assert len(set(before.values())) == keys
    session.run(write.format(2, keys + 1))
    after = dict(session.run("SELECT batch, max(place) FROM pgslo_catalog.fragment GROUP BY 1").rows)
    assert {batch: after[batch] for batch in before} == before
    ((new,),) = [[place] for batch, place in after.items() if batch not in before]
    assert new > max(before.values())
    # The same for rows that are removed.
    session.run("DELETE FROM features.ranged WHERE id > 1")
    last = dict(session.run("SELECT batch, max(place) FROM pgslo_catalog.fragment GROUP BY 1").rows)
    assert last == after


@pytest.mark.parametrize("days", [2, 150])
def test_rows_that_were_there_before_are_not_missing(session, days):
    session.run(
        f"""CREATE TABLE features.ranged (id int, day date, n int);
            INSERT INTO features.ranged
            SELECT g, date '2026-01-01' + d, 1 FROM generate_series(1, 3) g, generate_series(1, {days}) d"""
    )
    session.guard(RANGED.format(key="day"))
    session.run("DELETE FROM features.ranged WHERE id = 1")
    session.run("INSERT INTO features.ranged VALUES (1, '2027-01-01', 1)")
    while session.values("SELECT pgslo.tick()") == [True]:
        pass
    counted = session.run("SELECT rows, count(*) FROM pgslo_catalog.batch GROUP BY 1 ORDER BY 1").rows
    assert counted == ((1, 1), (2, days))


CLOSED = "SELECT name::date - date '2026-01-01' FROM pgslo_catalog.batch WHERE closed_at IS NOT NULL ORDER BY closed_at"


@pytest.fixture
def limited(ranged):
    """A table of which a tick closes batches until a time of the test's choice."""

    def limit(until):
        ranged.run(
            f"""CREATE OR REPLACE FUNCTION pgslo_catalog.follow_until(at_once text) RETURNS timestamptz LANGUAGE sql VOLATILE
                SET search_path = pg_catalog, pg_temp
                AS $$SELECT CASE WHEN at_once IS NULL THEN {until} ELSE 'infinity' END$$"""
        )

    ranged.limit = limit
    return ranged


def test_a_tick_returns_whether_more_is_due(limited):
    limited.limit("'infinity'::timestamptz")
    assert limited.values("SELECT pgslo.tick()") == [False]
    write_days(limited, [1] * 3)
    assert limited.values("SELECT pgslo.tick()") == [False]
    # The last one may go on.
    assert limited.values(CLOSED) == [0, 1]
    # More than 50 are closed by several calls, the newest first.
    write_days(limited, [1] * 3 + [2] * 60)
    calls = 0
    while limited.values("SELECT pgslo.tick()") == [True]:
        calls += 1
        assert limited.values(f"SELECT max(c) FROM ({CLOSED}) AS x (c)") == [61]
    assert calls == 1
    assert sorted(limited.values(CLOSED)) == list(range(62))


def test_a_tick_without_time_closes_the_newest_first(limited):
    write_days(limited, [1] * 61)
    limited.run("SELECT pgslo_catalog.merge_batch(f.definition_id, f.batch) FROM pgslo_catalog.fragment f")
    limited.limit("clock_timestamp()")
    for closed in range(1, 4):
        assert limited.values("SELECT pgslo.tick()") == [True]
        assert limited.values(CLOSED) == [59, 58, 57][:closed]
    limited.limit("'infinity'::timestamptz")
    while limited.values("SELECT pgslo.tick()") == [True]:
        pass
    assert limited.values(CLOSED) == [59, 58, 57, *range(7, 57), *range(7)]


def test_a_tick_without_time_adds_up_and_closes_one_batch_at_least(limited):
    limited.limit("clock_timestamp()")
    write_days(limited, [1] * 9)
    calls = 1
    while limited.values("SELECT pgslo.tick()") == [True]:
        calls += 1
    assert limited.values("SELECT count(*)::int FROM pgslo_catalog.batch") == [9]
    assert sorted(limited.values(CLOSED)) == list(range(8))
    assert calls <= 17
