"""A trainer runs tasks whose data they may read, and ends runs that they began."""

from __future__ import annotations

import psycopg
import pytest

EX = """
table: features.ex
owner: sam
key: [id]
writes: bulk
batch: {by: day}
row_count: {min: 1}
readers: [$trainer]
tasks: {t1: {contact: "#x", reads: [a]}}
"""
OTHER = """
table: features.other
owner: sam
key: [id]
writes: bulk
batch: {by: day}
row_count: {min: 1}
tasks: {t2: {contact: "#x", reads: [a]}}
"""


@pytest.fixture
def tasks(world, role):
    for table in ("ex", "other"):
        world.run("installer", f"CREATE TABLE features.{table} (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "GRANT INSERT ON features.ex, features.other TO $writer")
    world.apply(EX)
    world.apply(OTHER)
    world.names["second"] = role("second")
    world.run("superuser", "GRANT $trainer TO $second")
    return world


def batch(world, table):
    world.run("writer", f"INSERT INTO features.{table} VALUES (1, '2026-01-01', 1)")
    world.run("operator", f"SELECT pgslo.close_batch('features.{table}')")


def test_a_trainer_begins_no_run_of_a_task_whose_data_it_may_not_read(tasks):
    batch(tasks, "other")
    for call in ("follow_task('t2')", "begin_run('t2', 'h', 1)", "watch_task('t2')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match='permission denied for task "t2"'):
            tasks.run("trainer", f"SELECT pgslo.{call}")
    assert tasks.run("installer", "SELECT count(*) FROM pgslo.task_run WHERE state <> 'skipped'") == [(0,)]


def test_a_run_is_ended_by_the_role_that_began_it(tasks):
    tasks.run("trainer", "SELECT pgslo.follow_task('t1')")
    batch(tasks, "ex")
    ((run, name, _),) = tasks.run("trainer", "SELECT * FROM pgslo.begin_run('t1', 'h', 1)")
    assert name == "2026-01-01"
    assert tasks.run("second", f"SELECT pgslo.end_run({run}, 0, '', 3, '1 minute')") == [(None,)]
    tasks.run("second", f"SELECT pgslo.see_run({run})")
    assert tasks.run("installer", "SELECT state FROM pgslo.task_run") == [("running",)]
    # What was not heard of for long, another one gives up: it is tried again.
    tasks.run("installer", "UPDATE pgslo_catalog.task_run SET seen_at = now() - interval '1 hour'")
    assert tasks.run("second", f"SELECT pgslo.end_run({run}, 0, '', 3, '1 minute')") == [(None,)]
    assert tasks.run("second", f"SELECT pgslo.end_run({run}, NULL, '', 3, '0')") == [("waiting",)]
    ((again, *_),) = tasks.run("trainer", "SELECT * FROM pgslo.begin_run('t1', 'h', 1)")
    assert again == run
    assert tasks.run("trainer", f"SELECT pgslo.end_run({run}, 0, '', 3, '1 minute')") == [("done",)]


def test_advisory_locks_of_others_stop_no_run_and_an_idle_session_is_named(tasks):
    tasks.session("mallory").execute(
        "SELECT pg_advisory_lock(hashtextextended('pgslo run t1', 0)), pg_advisory_lock(hashtextextended('pgslo watch t1', 0))"
    )
    tasks.run("trainer", "SELECT pgslo.follow_task('t1')")
    batch(tasks, "ex")
    idle = tasks.session("trainer")
    idle.execute("BEGIN")
    assert idle.execute("SELECT batch FROM pgslo.begin_run('t1', 'h', 1)").fetchone() == ("2026-01-01",)
    pid = idle.execute("SELECT pg_backend_pid()").fetchone()[0]
    with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
        tasks.run("second", "SET statement_timeout = '20s'; SELECT pgslo.begin_run('t1', 'h', 1)")
    assert f"process {pid}" in refused.value.diag.message_detail
    idle.execute("ROLLBACK")
    assert tasks.run(
        "trainer", "SET statement_timeout = '20s'; SELECT batch FROM pgslo.begin_run('t1', 'h', 1)"
    ) == [("2026-01-01",)]
