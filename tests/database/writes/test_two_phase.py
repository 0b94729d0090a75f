"""Judged writes in transactions that are prepared, timed out, or planned once and run for long."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.database import installation, planning

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]

TABLE = "CREATE SCHEMA features CREATE TABLE example (id int PRIMARY KEY, a int, b int, c int, d int)"
DEFINITION = """
table: features.example
owner: sam
writes: {writes}
batch: {{by: id}}
columns:
  a: [range: {{min: 0, max: {most}, on_breach: {on_breach}, name: r_a}}]
  b: [range: {{min: 0, on_breach: quarantine, name: r_b}}]
  c: [repair: {{clip: [0, 100], name: r_c}}]
  d: [range: {{min: 0, on_breach: reject, name: r_d}}]
"""
#: One row for each action that lets the statement live.
WRITE = "INSERT INTO features.example VALUES (1, 999, 1, 1, 1), (2, 1, -1, 1, 1), (3, 1, 1, 999, 1)"


def apply(conn: Connection, text: str) -> None:
    """Do what ``pgslo apply`` does."""
    loaded = [
        definition.load(textwrap.dedent(text), path="slos/example.yml", kinds=definition.load_kinds({}))
    ]

    def plan() -> Any:
        return planning.plan_definitions(conn, loaded)

    assert installation.apply(conn, plan(), plan) == ()


def values(conn: Connection, query: str) -> list[Any]:
    return [row[0] for row in conn.execute(query.encode())]


def left(conn: Connection) -> tuple[list[int], list[str], int, int, int]:
    """What writes left: rows, rules with an incident, rows in quarantine, repairs, fragments."""
    return (
        values(conn, "SELECT id FROM features.example ORDER BY id"),
        values(conn, "SELECT rule FROM pgslo.incident WHERE over_at IS NULL ORDER BY rule"),
        values(conn, "SELECT count(*) FROM pgslo.quarantine")[0],
        values(conn, "SELECT count(*) FROM pgslo.repair")[0],
        values(conn, "SELECT count(*) FROM pgslo_catalog.fragment")[0],
    )


NOTHING = ([], [], 0, 0, 0)


@pytest.fixture(params=["bulk", "stream"])
def writes(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def guarded(connection: Connection, writes: str) -> Connection:
    connection.execute(TABLE)
    apply(connection, DEFINITION.format(writes=writes, most=100, on_breach="warn"))
    return connection


@pytest.fixture
def prepared(guarded: Connection) -> Iterator[Connection]:
    """A session whose prepared transactions end with the test, whatever its outcome."""
    if values(guarded, "SELECT setting::int FROM pg_settings WHERE name = 'max_prepared_transactions'") == [
        0
    ]:
        pytest.skip("the server has max_prepared_transactions = 0")
    yield guarded
    for gid in values(guarded, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
        guarded.execute(f"ROLLBACK PREPARED '{gid}'".encode())


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_judged_write_can_be_prepared(prepared: Connection, dsn: str, writes: str, end: str) -> None:
    gid = prepared.info.dbname
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute("BEGIN")
        session.execute(WRITE)
        # A read that warns leaves nothing in the session that stands in the way either.
        session.execute("SELECT a FROM guarded.example")
        session.execute(f"PREPARE TRANSACTION '{gid}'".encode())
    assert left(prepared) == NOTHING
    # Others are not held up by it.
    prepared.execute("SET lock_timeout = '5s'")
    prepared.execute("INSERT INTO features.example VALUES (9, 1, 1, 1, 1)")
    assert values(prepared, "SELECT id FROM guarded.example") == [9]
    prepared.execute("DELETE FROM features.example")

    before = left(prepared)
    prepared.execute(f"{end} PREPARED '{gid}'".encode())
    if end == "ROLLBACK":
        assert left(prepared) == before
    else:
        rows, incidents, held, repairs, fragments = left(prepared)
        assert (rows, incidents, held, repairs) == ([1, 3], ["r_a"] if writes == "stream" else [], 1, 1)
        assert fragments > before[-1]
        assert values(prepared, "SELECT DISTINCT rule FROM pgslo.incident") == ["r_a"]


def test_a_write_that_runs_out_of_time_leaves_nothing(guarded: Connection, connect: Connect) -> None:
    blocker = connect()
    blocker.execute("BEGIN")
    blocker.execute("LOCK TABLE pgslo_catalog.fragment IN ACCESS EXCLUSIVE MODE")
    session = connect(statement_timeout="300ms")
    with pytest.raises(psycopg.errors.QueryCanceled) as canceled:
        session.execute(WRITE)
    assert canceled.value.sqlstate == "57014"
    blocker.execute("ROLLBACK")
    assert left(guarded) == NOTHING
    # Nor does it leave the session in a state of its own.
    session.execute("RESET statement_timeout")
    assert session.execute(WRITE).rowcount == 2
    rows, _, held, repairs, fragments = left(guarded)
    assert (rows, held, repairs, fragments > 0) == ([1, 3], 1, 1, True)


def test_a_busy_runtime_fails_a_write_that_will_not_wait_and_cannot_be_noted(
    guarded: Connection, connect: Connect, writes: str
) -> None:
    blocker = connect()
    blocker.execute("BEGIN")
    blocker.execute("LOCK TABLE pgslo_catalog.fragment IN ACCESS EXCLUSIVE MODE")
    session = connect(lock_timeout="100ms")
    write = "INSERT INTO features.example VALUES (1, 999, 1, 1, 1)"
    if writes == "bulk":
        # What is noted of a loaded table is a fragment as well.
        with pytest.raises(psycopg.errors.LockNotAvailable, match="cannot be recorded"):
            session.execute(write)
    else:
        session.execute(write)
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("INSERT INTO features.example VALUES (2, 1, 1, 1, -1)")
    blocker.execute("ROLLBACK")
    assert values(guarded, "SELECT id FROM features.example") == ([] if writes == "bulk" else [1])


@pytest.mark.parametrize("how", ["force_generic_plan", "force_custom_plan"])
def test_prepared_statements_follow_a_new_definition(
    guarded: Connection, connect: Connect, writes: str, how: str
) -> None:
    session = connect(plan_cache_mode=how)
    notices: list[str | None] = []
    session.add_notice_handler(lambda notice: notices.append(notice.constraint_name))
    session.execute("PREPARE write (int, int) AS INSERT INTO features.example VALUES ($1, $2, 1, 1, 1)")
    session.execute("PREPARE change (int, int) AS UPDATE features.example SET a = $2 WHERE id = $1")
    session.execute("PREPARE read (int) AS SELECT a, d FROM guarded.example WHERE id >= $1")
    session.execute("EXECUTE write (1, 100)")
    for number in range(2, 9):
        session.execute(f"EXECUTE write ({number}, 50)".encode())
        session.execute("EXECUTE change (1, 50)")
    assert session.execute("EXECUTE read (8)").fetchall() == [(50, 1)]
    assert notices == []

    apply(guarded, DEFINITION.format(writes=writes, most=10, on_breach="warn"))
    session.execute("EXECUTE write (20, 50)")
    assert notices == ["r_a"]
    session.execute("EXECUTE read (20)")
    # A plan that is kept is older than the miss, and says so without a rule.
    assert notices in (["r_a", "r_a" if how == "force_custom_plan" else ""], ["r_a", "r_a"])

    apply(guarded, DEFINITION.format(writes=writes, most=10, on_breach="reject"))
    for statement in ("EXECUTE write (21, 50)", "EXECUTE change (20, 51)"):
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            session.execute(statement.encode())
        assert refused.value.diag.constraint_name == "r_a"

    # Other columns are guarded: the views change under the statement.
    apply(guarded, f"table: features.example\nowner: sam\nwrites: {writes}\ncolumns:\n  d: [range: {{max: 5, on_breach: warn, name: r_new}}]")  # fmt: skip
    notices.clear()
    session.execute("EXECUTE write (22, 50)")
    session.execute("UPDATE features.example SET d = 6 WHERE id = 22")
    assert notices == ["r_new"]
    assert session.execute("EXECUTE read (22)").fetchall() == [(50, 6)]
    assert notices == ["r_new", "r_new"]

    def removal() -> Any:
        return planning.plan_removal(guarded, ["features.example"])

    installation.apply(guarded, removal(), removal)
    session.execute("EXECUTE write (23, -1)")
    with pytest.raises(psycopg.errors.UndefinedTable):
        session.execute("EXECUTE read (23)")
