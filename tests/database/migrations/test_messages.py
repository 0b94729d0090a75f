"""apply sends one command in a message, and all that waits for a lock in one round trip."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pglast
import psycopg
import pytest
from psycopg.pq import PipelineStatus

from pgslo import database, definition
from pgslo.database import installation, planning
from pgslo.errors import DatabaseError
from pgslo.plan import Plan

Connection = psycopg.Connection[Any]

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id integer PRIMARY KEY, day date, a integer, b integer, c integer, p integer)"
DEFINITION = """\
table: features.stats
owner: growth
batch: {by: day}
columns:
  a: [range: {min: 0, on_breach: reject}, not_null: {on_breach: reject}]
  b: [range: {min: 0, on_breach: quarantine}, unique: {on_breach: reject}]
  c: [repair: {clip: [0, 10]}]
"""
#: What a server that forwards commands sees: the message that a command came in.
LISTEN = """
CREATE TABLE public.message (command text, message text);
CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.message VALUES (tg_tag, current_query());
END $$;
CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION public.note();
"""


@pytest.fixture
def conn(connection: Connection, dsn: str) -> Iterator[Connection]:
    """A connection as the command line has it, to a database that notes messages."""
    connection.execute(TABLE)
    connection.execute(LISTEN)
    with database.connect(dsn) as conn:
        yield conn


def carry_out(conn: Connection, make: Callable[[], Plan]) -> tuple[installation.Unfinished, ...]:
    return installation.apply(conn, make(), make)


def test_each_message_of_apply_and_uninstall_holds_one_command(
    conn: Connection, connection: Connection
) -> None:
    loaded = [definition.load(DEFINITION, path="slos/stats.yml")]
    assert carry_out(conn, lambda: planning.plan_definitions(conn, loaded)) == ()
    assert carry_out(conn, lambda: planning.plan_removal(conn, ["features.stats"])) == ()
    noted = connection.execute("SELECT command, message FROM public.message").fetchall()
    assert {"CREATE TRIGGER", "DROP TRIGGER", "ALTER TABLE", "CREATE VIEW", "CREATE INDEX"} <= {
        command for command, _ in noted
    }
    assert [message for _, message in noted if len(pglast.split(message)) != 1] == []
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'features.stats'::regclass AND attnotnull AND attnum > 0"
    ).fetchall()
    assert columns == [("id",)]


def test_the_lock_timeout_of_a_command_goes_with_it(conn: Connection, connection: Connection) -> None:
    """As one message would: no further round trip while a lock is held, and the timeout is in force."""
    conn.execute("CREATE TABLE public.first (a integer)")
    connection.execute("BEGIN; LOCK TABLE features.stats IN ACCESS SHARE MODE")
    began = time.monotonic()
    with pytest.raises(DatabaseError) as busy, database.errors(), conn.transaction():
        installation._execute(conn, ["SET LOCAL lock_timeout = 5", "LOCK TABLE features.stats"])
    assert busy.value.sqlstate == "55P03"
    assert time.monotonic() - began < 2
    connection.execute("ROLLBACK")
    # The connection is usable, and what comes after a failed command is not run.
    with pytest.raises(DatabaseError) as failed, database.errors(), conn.transaction():
        installation._execute(conn, ["SELECT 1 / 0", "DROP TABLE public.first"])
    assert failed.value.sqlstate == "22012"
    assert conn.execute("SELECT to_regclass('public.first') IS NOT NULL").fetchone() == (True,)


@pytest.mark.parametrize("has_pipeline", [True, False])
def test_round_trips(conn: Connection, monkeypatch: pytest.MonkeyPatch, has_pipeline: bool) -> None:
    """All commands are sent before the first answer is read, unless libpq is older than 14."""
    monkeypatch.setattr(psycopg.capabilities, "has_pipeline", lambda **_: has_pipeline)
    states = []
    execute = conn.execute

    def noted(*arguments: Any, **extra: Any) -> Any:
        done = execute(*arguments, **extra)
        states.append(PipelineStatus(conn.pgconn.pipeline_status).name)
        return done

    monkeypatch.setattr(conn, "execute", noted)
    with conn.transaction():
        installation._execute(conn, ["SET LOCAL lock_timeout = 5", "SELECT 1", "SELECT 2"])
    assert states == (["ON"] * 3 if has_pipeline else ["OFF"] * 3)
