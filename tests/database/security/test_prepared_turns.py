"""A transaction that others wait for cannot be prepared: it would have no session, and outlive a restart of the server."""

from __future__ import annotations

import psycopg
import pytest
import rights

from pgslo import embedded
from pgslo.database import runtime

EX = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
readers: [$reader, $trainer]
columns: {a: [range: {min: 0, max: 100, name: soft}]}
tasks: {training: {reads: [a]}}
"""
MADE = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int);
CREATE INDEX ON features.ex (day);
INSERT INTO features.ex VALUES (1, '2026-01-01', -1), (2, '2026-01-02', 1)
"""
#: What each role may call that keeps other sessions waiting until its transaction ends.
KEPT = {
    "tick": ("operator", "SELECT pgslo.tick()"),
    "tick of a trainer": ("trainer", "SELECT pgslo.tick()"),
    "close": ("operator", "SELECT pgslo.close_batch('features.ex')"),
    "prune": ("operator", "SELECT pgslo.prune('features.ex')"),
    "watch a task": ("trainer", "SELECT pgslo.watch_task('training')"),
    "deliver": ("operator", "SELECT pgslo.watch_deliveries()"),
    "first snapshot": ("trainer", "SELECT pgslo.create_snapshot('one', 'guarded', 'ex')"),
    "in a subtransaction": ("operator", "SAVEPOINT s; SELECT pgslo.tick(); RELEASE SAVEPOINT s"),
}


@pytest.fixture
def ex(world):
    if world.run("superuser", "SHOW max_prepared_transactions") == [("0",)]:
        pytest.skip("the server has no prepared transactions")
    world.run("installer", MADE)
    world.run("installer", "GRANT INSERT, SELECT ON features.ex TO $writer, $trainer")
    world.run("installer", "GRANT USAGE ON SCHEMA features TO $trainer")
    world.apply(EX)
    yield world
    for (gid,) in world.run(
        "superuser", "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
    ):
        world.run("superuser", f"ROLLBACK PREPARED '{gid}'")


@pytest.mark.parametrize("kept", KEPT)
def test_what_others_wait_for_is_not_prepared(ex, kept):
    part, statements = KEPT[kept]
    session = ex.session(part)
    session.execute("BEGIN")
    session.execute(statements.encode(), prepare=False)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot PREPARE"):
        session.execute("PREPARE TRANSACTION 'kept'")
    session.close()
    ex.run("writer", "INSERT INTO features.ex VALUES (3, '2026-01-03', -1)")
    ex.run("operator", "SET lock_timeout = '1s'; SELECT pgslo.close_batch('features.ex')")


def test_a_turn_that_was_given_back_stands_in_no_way(ex):
    session = ex.session("operator")
    session.execute("BEGIN")
    session.execute("SAVEPOINT s; SELECT pgslo.tick(); ROLLBACK TO SAVEPOINT s", prepare=False)
    gid = ex.admin.info.dbname
    session.execute(f"PREPARE TRANSACTION '{gid}'".encode())
    ex.run("operator", "SET lock_timeout = '1s'; SELECT pgslo.close_batch('features.ex')")


def fill_the_queue(session: psycopg.Connection) -> None:
    for number in range(1000):
        session.execute("SELECT pg_notify('x', repeat('a', 7990) || %s)", [number])


def test_nor_while_the_notification_queue_is_full(server):
    with psycopg.connect(server.dsn()) as there:
        if there.info.server_version < 170000:
            pytest.skip("the size of the queue is a setting since PostgreSQL 17")
    settings = {"fsync": "off", "max_notify_queue_pages": "64", "max_prepared_transactions": "2"}
    with (
        embedded.serve(settings=settings) as small,
        psycopg.connect(small.dsn(), autocommit=True) as session,
        psycopg.connect(small.dsn(), autocommit=True) as listening,
    ):
        runtime.install(session)
        session.execute("CREATE SCHEMA features; CREATE ROLE reader; CREATE ROLE trainer")
        session.execute(MADE)
        rights.apply(session, EX.replace("$", ""))
        listening.execute("LISTEN x")
        listening.execute("BEGIN; SELECT 1")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            fill_the_queue(session)
        assert session.execute("SELECT pgslo.tick()").fetchone() == (False,)
        session.execute("BEGIN; SELECT pgslo.tick()")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot PREPARE"):
            session.execute("PREPARE TRANSACTION 'kept'")
        session.execute("ROLLBACK")
        # A subtransaction does its work all the same.
        session.execute(
            "BEGIN; SAVEPOINT s; SELECT pgslo.close_batch('features.ex'); RELEASE SAVEPOINT s; COMMIT"
        )
        assert session.execute("SELECT name FROM pgslo_catalog.turn").fetchall() == [("tick",)]
        listening.execute("ROLLBACK")
