"""What a statement writes to many batches is known of each of them as if it had come alone."""

from __future__ import annotations

import pytest

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
