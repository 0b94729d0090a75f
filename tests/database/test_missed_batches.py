"""A batch that missed a rule stays missed until it is corrected, removed or accepted, whatever later batches are like."""

from __future__ import annotations

import pytest

TABLES = """
CREATE SCHEMA ml;
CREATE TABLE ml.t (id int, d date, a numeric, b text) PARTITION BY RANGE (d);
CREATE TABLE ml.t_old PARTITION OF ml.t FOR VALUES FROM ('2026-01-01') TO ('2026-01-06');
CREATE TABLE ml.t_new PARTITION OF ml.t FOR VALUES FROM ('2026-01-06') TO ('2027-01-01');
CREATE TABLE ml.s (id int PRIMARY KEY, d date, a numeric);
"""
LOADED = """
table: ml.t
key: none
owner: growth
writes: bulk
batch: {by: d}
columns:
  a: [range: {min: 0, name: a_range}]
  b: [completeness: {min: 0.9, name: b_full}]
"""
STREAMED = """
table: ml.s
owner: growth
writes: stream
batch: {by: d}
columns:
  a: [range: {min: 0, name: a_range}]
"""


@pytest.fixture
def loaded(connection, apply):
    """A table whose batches are loaded, with a rule over rows of ``a`` and one over batches of ``b``."""
    connection.execute(TABLES)
    apply(LOADED)
    return connection


def load(session, day, a=1, *, b="'x'", rows=2, first=0):
    session.execute(
        f"INSERT INTO ml.t SELECT {first} + i, '2026-01-{day:02}', {a}, {b} FROM generate_series(1, {rows}) i"
    )


def close(session):
    session.execute("SELECT count(*) FROM pgslo.close_batch('ml.t')")


def tick(session):
    session.execute("SELECT pgslo.tick()")


def missed(session, rule="a_range"):
    """Batches of a rule that were recorded, and how they ended."""
    return session.execute(
        """SELECT m.batch, m.ended_as FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)
           WHERE r.name = %s ORDER BY m.missed_id""",
        [rule],
    ).fetchall()


def test_a_later_batch_does_not_end_one_that_missed(loaded):
    load(loaded, 1, -5)
    load(loaded, 2)
    load(loaded, 3, b="NULL")
    load(loaded, 4)
    load(loaded, 5)
    close(loaded)
    tick(loaded)
    assert missed(loaded) == [("2026-01-01", None)]
    assert missed(loaded, "b_full") == [("2026-01-03", None)]
    assert loaded.execute(
        "SELECT definition, about FROM pgslo_catalog.missed_batch ORDER BY missed_id"
    ).fetchall() == [("ml.t", ["a"]), ("ml.t", ["b"])]


def test_rows_that_are_corrected_or_removed_end_it(loaded):
    for day in range(1, 7):
        load(loaded, day, -day, b="NULL")
    load(loaded, 9)
    close(loaded)
    assert [ended for _, ended in missed(loaded) + missed(loaded, "b_full")] == [None] * 12
    loaded.execute("UPDATE ml.t SET a = 1 WHERE d = '2026-01-01'")
    loaded.execute("UPDATE ml.t SET b = 'x' WHERE d = '2026-01-02'")
    loaded.execute("DELETE FROM ml.t WHERE d = '2026-01-03'")
    loaded.execute("DELETE FROM ml.t WHERE d = '2026-01-04'")
    load(loaded, 4, -4, b="NULL")
    close(loaded)
    assert missed(loaded) == [
        ("2026-01-01", "corrected"),
        ("2026-01-02", None),
        ("2026-01-03", "removed"),
        ("2026-01-04", None),
        ("2026-01-05", None),
        ("2026-01-06", None),
    ]
    assert missed(loaded, "b_full") == [
        ("2026-01-01", None),
        ("2026-01-02", "corrected"),
        ("2026-01-03", "removed"),
        ("2026-01-04", None),
        ("2026-01-05", None),
        ("2026-01-06", None),
    ]
    loaded.execute("DROP TABLE ml.t_old")
    tick(loaded)
    tick(loaded)
    assert [ended for _, ended in missed(loaded)] == [
        "corrected",
        "removed",
        "removed",
        "removed",
        "removed",
        None,
    ]
    assert [ended for _, ended in missed(loaded, "b_full")] == [
        *("removed", "corrected", "removed", "removed", "removed"),
        None,
    ]
    loaded.execute("TRUNCATE ml.t")
    tick(loaded)
    assert missed(loaded)[5:] + missed(loaded, "b_full")[5:] == [("2026-01-06", "removed")] * 2


def test_rows_that_are_bad_again_are_missed_again(loaded):
    load(loaded, 1, -5)
    load(loaded, 2)
    close(loaded)
    loaded.execute("UPDATE ml.t SET a = 1 WHERE d = '2026-01-01'")
    tick(loaded)
    loaded.execute("UPDATE ml.t SET a = -1 WHERE d = '2026-01-01'")
    tick(loaded)
    assert missed(loaded) == [("2026-01-01", "corrected"), ("2026-01-01", None)]


def test_late_rows_of_an_old_batch_are_recorded(loaded):
    load(loaded, 2, -5)
    load(loaded, 3)
    load(loaded, 1, -5)
    close(loaded)
    assert missed(loaded) == [("2026-01-02", None), ("2026-01-01", None)]


def test_two_writers_at_once_leave_one_record(loaded, connect):
    one, other = connect(), connect(lock_timeout="1s")
    one.execute("BEGIN")
    load(one, 1, -5)
    load(other, 1, -5, first=10)  # does not wait
    assert missed(loaded) == [("2026-01-01", None)]
    tick(loaded)
    one.execute("COMMIT")
    assert missed(loaded) == [("2026-01-01", None)] * 2
    tick(loaded)
    assert missed(loaded) == [("2026-01-01", None)]


def test_tick_beside_an_open_transaction_waits_for_nothing(loaded, connect):
    load(loaded, 1, -5)
    load(loaded, 2)
    close(loaded)
    other = connect()
    other.execute("BEGIN")
    other.execute("SELECT FROM pgslo_catalog.missed_batch FOR UPDATE")
    loaded.execute("DELETE FROM ml.t WHERE d = '2026-01-01'")
    loaded.execute("SET lock_timeout = '1s'")
    tick(loaded)
    assert missed(loaded) == [("2026-01-01", None)]
    other.execute("ROLLBACK")
    tick(loaded)
    assert missed(loaded) == [("2026-01-01", "removed")]


def test_names_and_columns_follow(loaded, apply):
    load(loaded, 1, -5)
    loaded.execute("ALTER TABLE ml.t RENAME COLUMN a TO amount")
    apply(LOADED.replace("  a:", "  amount:"))
    loaded.execute("ALTER TABLE ml.t RENAME TO renamed")
    loaded.execute("UPDATE pgslo_catalog.definition SET name = 'ml.renamed' WHERE name = 'ml.t'")
    assert loaded.execute(
        "SELECT definition, about, ended_as FROM pgslo_catalog.missed_batch"
    ).fetchall() == [("ml.renamed", ["amount"], None)]


def test_a_rule_that_leaves_the_definition_ends_it(loaded, apply):
    load(loaded, 1, -5)
    apply(LOADED.replace("  a: [range: {min: 0, name: a_range}]\n", ""))
    assert missed(loaded) == [("2026-01-01", "retired")]


def test_a_streamed_table(connection, apply):
    connection.execute(TABLES)
    apply(STREAMED)
    connection.execute("INSERT INTO ml.s VALUES (1, '2026-01-01', -5), (2, '2026-01-01', -5)")
    connection.execute("INSERT INTO ml.s VALUES (3, '2026-01-02', 1)")
    tick(connection)
    connection.execute("INSERT INTO ml.s VALUES (4, '2026-01-03', 1)")
    tick(connection)
    assert missed(connection) == [("2026-01-01", None)]
