"""A batch that missed a rule stays missed until it is corrected, removed or accepted, whatever later batches are like."""

from __future__ import annotations

import psycopg
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


# The life of an incident


def states(session, rule="a_range"):
    return session.execute(
        "SELECT opened_batch, state, resolution, stored FROM pgslo.incident WHERE rule = %s ORDER BY incident_id",
        [rule],
    ).fetchall()


def events(session):
    return [
        event
        for (event,) in session.execute("SELECT event FROM pgslo.incident_event ORDER BY incident_event_id")
    ]


def healthy(session):
    return [int(name[-2:]) for name, _, _ in session.execute("SELECT * FROM pgslo.healthy_batches('ml.t')")]


STORED = "1 missed batch with 28 rows is still stored"


def test_an_incident_is_over_until_its_batches_are_corrected(loaded):
    load(loaded, 1, -5, rows=28)
    load(loaded, 2)
    # Before a tick() as well.
    assert states(loaded) == [("2026-01-01", "over", None, STORED)]
    close(loaded)
    tick(loaded)
    assert states(loaded) == [("2026-01-01", "over", None, STORED)]
    assert events(loaded) == ["opened", "over"]
    facts = dict(loaded.execute("SELECT * FROM pgslo.explain(1)").fetchall())
    assert facts["state"].startswith("over since ")
    assert facts["state"].endswith(STORED)
    assert facts["missed batches"] == "2026-01-01"
    assert "resolved" not in str(facts)
    assert loaded.execute("SELECT state FROM pgslo.page").fetchall() == [("over",)]
    assert loaded.execute(
        "SELECT open_incidents, over_incidents, missed_batches FROM pgslo.status WHERE definition = 'ml.t'"
    ).fetchone() == (0, 1, 1)
    assert healthy(loaded) == [2]
    # More rows of it are nothing new.
    load(loaded, 1, -5, first=100)
    tick(loaded)
    assert [state for _, state, *_ in states(loaded)] == ["over"]
    loaded.execute("UPDATE ml.t SET a = 1")
    tick(loaded)
    assert states(loaded) == [("2026-01-01", "resolved", "healed", None)]
    assert healthy(loaded) == [1, 2]
    # Its rows are bad again.
    loaded.execute("UPDATE ml.t SET a = -1 WHERE d = '2026-01-01' AND id = 1")
    tick(loaded)
    load(loaded, 3)
    tick(loaded)
    assert [state for _, state, *_ in states(loaded)][-1] == "over"
    assert healthy(loaded) == [2]


def test_a_batch_rule_that_is_met_again_resolves_what_is_over(loaded):
    for day, b in ((1, "NULL"), (2, "NULL"), (3, "'x'")):
        load(loaded, day, b=b)
    close(loaded)
    assert states(loaded, "b_full") == [
        ("2026-01-01", "over", None, "2 missed batches with 4 rows are still stored")
    ]
    loaded.execute("UPDATE ml.t SET b = 'x' WHERE d = '2026-01-01'")
    close(loaded)
    assert states(loaded, "b_full") == [
        ("2026-01-01", "over", None, "1 missed batch with 2 rows is still stored")
    ]
    loaded.execute("DELETE FROM ml.t WHERE d = '2026-01-02'")
    close(loaded)
    assert states(loaded, "b_full") == [("2026-01-01", "resolved", "healed", None)]
    assert events(loaded) == ["opened", "over", "resolved"]


def test_batches_are_accepted_with_a_reason(loaded):
    for day in (1, 2, 3):
        load(loaded, day, -5, rows=1)
    load(loaded, 4)
    close(loaded)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="with a reason"):
        loaded.execute("SELECT pgslo.accept(1, NULL)")
    with pytest.raises(
        psycopg.errors.InvalidParameterValue, match='batch "2026-01-04" is not a missed batch'
    ):
        loaded.execute("SELECT pgslo.accept(1, 'x', ARRAY['2026-01-01', '2026-01-04'])")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        loaded.execute("SELECT pgslo.accept(1, 'x', '{}')")
    with pytest.raises(psycopg.errors.CheckViolation):
        loaded.execute("SELECT pgslo.accept(1, repeat('x', 4001))")
    assert loaded.execute("SELECT pgslo.accept(1, 'refunds', ARRAY['2026-01-02'])").fetchone() == (
        "1 batch of incident 1 accepted; 2 missed batches with 2 rows are still stored",
    )
    assert healthy(loaded) == [2, 4]
    tick(loaded)
    close(loaded)
    assert missed(loaded)[1] == ("2026-01-02", "accepted")
    loaded.execute("SELECT pgslo.acknowledge(1)")
    loaded.execute("SELECT pgslo.mute(1, now() + interval '1 day')")
    assert loaded.execute("SELECT pgslo.accept(1, 'refunds')").fetchone() == (
        "2 batches of incident 1 accepted",
    )
    assert states(loaded) == [("2026-01-01", "resolved", "accepted", None)]
    assert loaded.execute(
        "SELECT DISTINCT ended_by = current_user, reason FROM pgslo_catalog.missed_batch"
    ).fetchall() == [(True, "refunds")]
    with pytest.raises(psycopg.errors.NoDataFound, match="incident 1 is resolved already"):
        loaded.execute("SELECT pgslo.accept(1, 'again')")
    assert loaded.execute(
        "SELECT batch, note FROM pgslo.incident_event WHERE event = 'accepted' ORDER BY incident_event_id"
    ).fetchall() == [("2026-01-02", "refunds"), ("2026-01-01, 2026-01-03", "refunds")]
    # Good rows change nothing, bad ones are missed again.
    load(loaded, 2, first=50)
    tick(loaded)
    close(loaded)
    assert [ended for _, ended in missed(loaded)] == ["accepted"] * 3
    load(loaded, 2, -5, first=60, rows=1)
    tick(loaded)
    assert missed(loaded)[3:] == [("2026-01-02", None)]
    assert healthy(loaded) == [1, 3, 4]


def test_an_open_incident_whose_batches_are_accepted_is_reopened_by_the_next_one(loaded):
    load(loaded, 1, -5)
    loaded.execute("SELECT pgslo.accept(1, 'refunds')")
    assert states(loaded) == [("2026-01-01", "resolved", "accepted", None)]
    tick(loaded)
    close(loaded)
    assert states(loaded) == [("2026-01-01", "resolved", "accepted", None)]
    load(loaded, 2, -5)
    assert [state for _, state, *_ in states(loaded)] == ["open"]
    assert events(loaded) == ["opened", "accepted", "resolved", "reopened"]


def test_an_accepted_batch_of_a_batch_rule_stays_accepted_until_it_is_worse(loaded):
    load(loaded, 1, b="NULL")
    load(loaded, 1, first=10, rows=6)
    close(loaded)
    loaded.execute("SELECT pgslo.accept(1, 'known')")
    loaded.execute("UPDATE ml.t SET a = 2 WHERE d = '2026-01-01'")
    close(loaded)
    assert missed(loaded, "b_full") == [("2026-01-01", "accepted")]
    load(loaded, 1, b="NULL", first=20)
    close(loaded)
    assert missed(loaded, "b_full") == [("2026-01-01", "accepted"), ("2026-01-01", None)]


def test_what_is_real_is_over_and_a_false_alarm_is_resolved(loaded):
    load(loaded, 1, -5, b="NULL", rows=28)
    close(loaded)
    said = loaded.execute(
        "SELECT rule, pgslo.resolve(incident_id, CASE rule WHEN 'a_range' THEN 'real' ELSE 'false_alarm' END)"
        " FROM pgslo.incident ORDER BY rule"
    ).fetchall()
    assert said == [
        ("a_range", f"incident 1 is real and over, {STORED}"),
        ("b_full", "incident 2 resolved as false alarm"),
    ]
    tick(loaded)
    close(loaded)
    assert states(loaded) == [("2026-01-01", "over", "real", STORED)]
    assert states(loaded, "b_full") == [("2026-01-01", "resolved", "false_alarm", None)]
    assert missed(loaded, "b_full") == [("2026-01-01", "false_alarm")]
    loaded.execute("DELETE FROM ml.t")
    tick(loaded)
    assert states(loaded) == [("2026-01-01", "resolved", "real", None)]


def test_what_is_over_can_be_called_real_later(loaded):
    load(loaded, 1, -5)
    load(loaded, 2)
    loaded.execute("SELECT pgslo.resolve(1, 'real')")
    assert events(loaded) == ["opened", "over", "confirmed"]
    loaded.execute("SELECT pgslo.resolve(1, 'false_alarm')")
    assert states(loaded) == [("2026-01-01", "resolved", "false_alarm", None)]


def test_a_late_batch_beside_a_false_alarm_is_another_incident(loaded):
    load(loaded, 2, -5)
    loaded.execute("SELECT pgslo.resolve(1, 'false_alarm')")
    load(loaded, 1, -5)
    assert [state for _, state, *_ in states(loaded)] == ["resolved", "open"]
    assert missed(loaded) == [("2026-01-02", "false_alarm"), ("2026-01-01", None)]


def test_a_writer_never_waits_for_a_role_that_decides(loaded, connect):
    load(loaded, 1, -5)
    tick(loaded)
    for call in ("acknowledge(1)", "accept(1, 'x')", "resolve(1, 'real')", "resolve(1, 'false_alarm')"):
        deciding, writing = connect(), connect(lock_timeout="500ms")
        deciding.execute("BEGIN")
        deciding.execute(f"SELECT pgslo.{call}")
        load(writing, 1, -5)
        load(writing, 2, -5)
        load(writing, 3)
        writing.execute("SELECT pgslo.tick()")
        deciding.execute("ROLLBACK")
    tick(loaded)
    assert [state for _, state, *_ in states(loaded)] == ["over"]


def test_a_writer_that_left_the_incident_to_one_that_rolled_back(loaded, connect):
    one = connect()
    one.execute("BEGIN")
    load(one, 1, -5)
    load(loaded, 2, -5)
    load(loaded, 3)
    one.execute("ROLLBACK")
    assert states(loaded) == []
    tick(loaded)
    assert [(batch, state) for batch, state, *_ in states(loaded)] == [("2026-01-02", "open")]
    load(loaded, 4)
    assert [(batch, state) for batch, state, *_ in states(loaded)] == [("2026-01-02", "over")]


def test_a_gate_lists_stored_batches(loaded, apply):
    apply(LOADED + "tasks:\n  price: {reads: [a]}\n  other: {reads: [b]}\n")
    load(loaded, 1, -5, rows=28)
    load(loaded, 2)
    close(loaded)
    assert loaded.execute("SELECT pgslo.ready('price'), pgslo.ready('other')").fetchone() == (False, True)
    assert loaded.execute(
        "SELECT batch, said FROM pgslo.readiness('price') WHERE NOT is_ready"
    ).fetchall() == [
        (
            "2026-01-01",
            '28 rows of batch 2026-01-01, which misses rule "a_range", are stored (incident 1, over)',
        )
    ]
    loaded.execute("SELECT pgslo.accept(1, 'refunds')")
    assert loaded.execute("SELECT pgslo.ready('price')").fetchone() == (True,)


def test_a_rule_that_is_changed_is_evaluated_again(loaded, apply):
    for day, a in ((1, -5), (2, -50), (3, 1)):
        load(loaded, day, a)
    close(loaded)
    apply(LOADED.replace("min: 0,", "min: -10,"))
    tick(loaded)
    assert missed(loaded) == [("2026-01-01", "corrected"), ("2026-01-02", None)]
    apply(LOADED.replace("  a: [range: {min: 0, name: a_range}]\n", ""))
    assert [state for _, state, *_ in states(loaded)] == ["resolved"]
    apply(LOADED)
    tick(loaded)
    tick(loaded)
    assert sorted(batch for batch, ended in missed(loaded) if ended is None) == ["2026-01-02"]
    load(loaded, 4)
    assert [state for _, state, *_ in states(loaded)] == ["resolved", "over"]


def test_rows_of_before_pgslo_that_are_deleted_hide_no_bad_ones(connection, apply):
    connection.execute(TABLES)
    load(connection, 1, first=100, rows=20)
    apply(LOADED)
    load(connection, 1, -5, rows=5)
    load(connection, 2)
    tick(connection)
    connection.execute("DELETE FROM ml.t WHERE id > 100 AND id <= 110")
    tick(connection)
    tick(connection)
    assert missed(connection) == [("2026-01-01", None)]
    assert [(state, stored) for _, state, _, stored in states(connection)] == [
        ("over", "1 missed batch with 15 rows is still stored")
    ]
    connection.execute("DELETE FROM ml.t WHERE a < 0")
    tick(connection)
    tick(connection)
    assert missed(connection) == [("2026-01-01", "corrected")]
