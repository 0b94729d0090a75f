"""No lock that a stranger can take hides an incident, and what could not work says so."""

from __future__ import annotations

import psycopg
import pytest

EX = """
table: features.ex
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
columns: {{a: [range: {{min: 0, max: 100, on_breach: flag, name: a_range}}]}}
readers: [$reader]
"""
#: Every key that pgslo ever computed, and a thousand rules.
HOLD = """
    SELECT pg_advisory_lock(hashtextextended('pgslo tick', 0)), pg_advisory_lock(hashtextextended('pgslo watch', 0)),
           pg_advisory_lock(hashtextextended('pgslo run t1', 0)), pg_advisory_lock(hashtextextended('pgslo watch t1', 0)),
           (SELECT count(pg_advisory_lock(hashtextextended('pgslo incident', n))) FROM generate_series(1, 1000) n)
"""


@pytest.fixture(params=["bulk", "stream"])
def ex(world, request):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "GRANT INSERT, UPDATE, DELETE, SELECT ON features.ex TO $writer")
    world.apply(EX.format(writes=request.param))
    return world


def heard(session):
    """The notices of a session, as they come."""
    notices = []
    session.add_notice_handler(
        lambda notice: notices.append((notice.sqlstate, notice.message_primary, notice.message_detail))
    )
    return notices


def test_a_stranger_who_holds_computable_advisory_locks_hides_nothing(ex):
    ex.session("mallory").execute(HOLD)
    ex.run("writer", "INSERT INTO features.ex (id, day, a) VALUES (1, '2026-01-01', 999)")
    assert ex.run("installer", "SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == [("a_range",)]
    tick = ex.session("operator")
    notices = heard(tick)
    tick.execute("SELECT pgslo.tick()")
    assert notices == []
    reader = ex.session("reader")
    notices = heard(reader)
    reader.execute("SELECT a FROM guarded.ex")
    assert [code for code, *_ in notices] == ["01SL1"]
    with pytest.raises(psycopg.errors.DatabaseError, match="read refused"):
        ex.run("reader", "SELECT a FROM guarded.ex_strict")
    # Neither does it keep a later batch from ending it, nor anybody waiting.
    ex.run("writer", "INSERT INTO features.ex (id, day, a) VALUES (2, '2026-01-02', 1)")
    ex.run("installer", "SET statement_timeout = '20s'; SELECT pgslo.tick()")
    assert ex.run("installer", "SELECT state FROM pgslo.incident") == [("over",)]
    ex.run("operator", "SET statement_timeout = '20s'; SELECT pgslo.close_batch('features.ex')")


def test_no_other_role_may_lock_what_pgslo_locks(ex):
    for part in ("mallory", "writer", "reader", "steward", "operator", "trainer", "auditor"):
        for table in ("turn", "rule_lock", "session_lock", "incident"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ex.run(part, f"SELECT FROM pgslo_catalog.{table} FOR UPDATE")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ex.run(part, f"BEGIN; LOCK TABLE pgslo_catalog.{table} IN ROW EXCLUSIVE MODE")


def test_tick_says_that_another_session_has_its_turn_and_which(ex):
    busy = ex.session("operator")
    busy.execute("BEGIN")
    busy.execute("SELECT pgslo.tick()")
    pid = busy.execute("SELECT pg_backend_pid()").fetchone()[0]
    tick = ex.session("operator")
    notices = heard(tick)
    tick.execute("SET client_min_messages = 'error'")
    tick.execute("SELECT pgslo.tick()")
    ((code, message, detail),) = notices
    assert code == "01SL2"
    assert message == "another session is running pgslo.tick(); nothing was done"
    assert f"process {pid}" in detail
    with pytest.raises(psycopg.errors.LockNotAvailable, match="another session has it") as refused:
        ex.run("operator", "SET lock_timeout = '200ms'; SELECT pgslo.close_batch('features.ex')")
    assert f"process {pid}" in refused.value.diag.message_detail
    busy.execute("ROLLBACK")
    notices.clear()
    tick.execute("SELECT pgslo.tick()")
    assert notices == []


def test_a_writer_who_locks_his_table_does_not_stop_the_other_tables(world):
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); GRANT ALL ON features.ex TO $writer",
    )
    world.run(
        "installer",
        "CREATE TABLE features.other (id int PRIMARY KEY, day date, a int); GRANT INSERT ON features.other TO $writer",
    )
    world.apply(EX.format(writes="stream"))
    world.apply("{table: features.other, writes: bulk, batch: {by: day}, row_count: {min: 5}}")
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 1)")
    world.run("writer", "INSERT INTO features.other VALUES (1, '2026-01-01', 1)")
    world.run("writer", "INSERT INTO features.other VALUES (2, '2026-01-02', 1)")
    holder = world.session("writer")
    holder.execute("BEGIN")
    holder.execute("LOCK TABLE features.ex IN ACCESS EXCLUSIVE MODE")
    tick = world.session("operator", statement_timeout="60s")
    notices = heard(tick)
    tick.execute("SELECT pgslo.tick()")
    assert world.run(
        "installer", "SELECT definition, batch, verdict FROM pgslo.verdict WHERE kind = 'row_count'"
    ) == [("features.other", "2026-01-01", "missed")]
    assert [(code, message) for code, message, _ in notices] == [
        ("01SL2", "pgslo.tick() could not judge batches of features.ex")
    ]
