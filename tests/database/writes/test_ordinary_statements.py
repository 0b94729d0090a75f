"""Statements of loaders and applications: what batches count is what the table has, after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest

Connection = psycopg.Connection[Any]
Apply = Callable[[str], Sequence[object]]

DEFINITION = """
table: features.f
owner: me
key: [id]
writes: {writes}
batch: {{by: day}}
settle: 1 second
columns:
  a: [range: {{min: 0, max: 9, on_breach: quarantine}}]
  c: [range: {{min: 0, max: 9, on_breach: flag}}]
"""
#: The statements of each way, and the first major version that has it. The row with id 2 is there; those with a = 99 are diverted.
WAYS = {
    "a data-modifying CTE": (
        14,
        """WITH gone AS (DELETE FROM features.f WHERE id = 2 RETURNING *)
           INSERT INTO features.f SELECT id, day + 1, a, c FROM gone UNION ALL SELECT 5, '2026-01-01', 99, 1""",
    ),
    "MERGE that returns what it did": (
        17,
        """MERGE INTO features.f t USING (VALUES (1, 3), (6, 4), (7, 99)) AS s (id, a) ON t.id = s.id
           WHEN MATCHED THEN UPDATE SET a = s.a
           WHEN NOT MATCHED THEN INSERT VALUES (s.id, '2026-01-02', s.a, 1)
           WHEN NOT MATCHED BY SOURCE THEN DELETE
           RETURNING merge_action(), t.id""",
    ),
    "UPDATE and DELETE of a cursor's row": (
        14,
        "DECLARE here CURSOR FOR SELECT * FROM features.f ORDER BY id FOR UPDATE",
        "FETCH 1 FROM here",
        "UPDATE features.f SET c = 5 WHERE CURRENT OF here",
        "FETCH 1 FROM here",
        "DELETE FROM features.f WHERE CURRENT OF here",
        "CLOSE here",
    ),
    "rows locked through the guarded view": (
        14,
        "SELECT id FROM guarded.f WHERE id = 1 FOR UPDATE SKIP LOCKED",
        "UPDATE features.f SET day = '2026-01-03' WHERE id = 1",
    ),
}
COUNTED = "SELECT name, rows::int FROM pgslo_catalog.batch WHERE rows > 0 ORDER BY 1"
STORED = "SELECT day::text, count(*)::int FROM features.f GROUP BY 1 ORDER BY 1"


@pytest.fixture(params=["bulk", "stream"])
def loaded(connection: Connection, apply: Apply, request: pytest.FixtureRequest) -> Connection:
    connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.f (id int PRIMARY KEY, day date, a int, c int)"
    )
    apply(DEFINITION.format(writes=request.param))
    connection.execute(
        "INSERT INTO features.f SELECT n, date '2026-01-01' + n % 2, 1, 1 FROM generate_series(1, 4) n"
    )
    return connection


def needs(connection: Connection, major: int) -> None:
    if connection.info.server_version < major * 10000:
        pytest.skip(f"PostgreSQL {major} brought it")


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def agree(connection: Connection) -> None:
    ((writes,),) = rows(connection, "SELECT writes FROM pgslo_catalog.definition")
    # A stream is followed from the newest batch on that its first tick finds, and counted once it settles.
    first = 0 if writes == "bulk" else -1
    stored = rows(connection, STORED)[first:]
    deadline = time.monotonic() + 20
    connection.execute("SELECT pgslo.tick()")
    while (counted := rows(connection, COUNTED)[first:]) != stored and time.monotonic() < deadline:
        time.sleep(0.2)
        connection.execute("SELECT pgslo.tick()")
    assert counted == stored
    assert rows(connection, "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL") == []


def held(connection: Connection) -> int:
    ((number,),) = rows(connection, "SELECT count(*) FROM pgslo.quarantine")
    return int(number)


@pytest.mark.parametrize("way", WAYS)
def test_batches_count_what_the_table_has(loaded, way):
    major, *statements = WAYS[way]
    needs(loaded, major)
    before = rows(loaded, STORED)
    with loaded.transaction():
        for statement in statements:
            loaded.execute(statement.encode())
    assert rows(loaded, STORED) != before
    agree(loaded)
    assert rows(loaded, "SELECT id FROM features.f WHERE a = 99") == []
    assert held(loaded) == sum(statement.count("99") for statement in statements)


@pytest.mark.parametrize(
    ("options", "major"), [("WHERE c < 9", 14), ("(FREEZE)", 14), ("(ON_ERROR ignore)", 17)]
)
def test_copy(loaded, options, major):
    needs(loaded, major)
    third = "x" if "ignore" in options else "12"
    lines = ["11\t2026-01-01\t1\t1", "12\t2026-01-01\t99\t1", f"13\t2026-01-02\t2\t{third}"]
    # Rows can be frozen on their way only into a table that was emptied in the same transaction.
    with loaded.transaction(), loaded.cursor() as cursor:
        cursor.execute("TRUNCATE features.f")
        with cursor.copy(f"COPY features.f FROM STDIN {options}".encode()) as stream:
            stream.write("".join(f"{line}\n" for line in lines))
        # Of three rows one is diverted, and one is left out by the options of all but FREEZE.
        assert cursor.rowcount == (2 if "FREEZE" in options else 1)
    agree(loaded)
    assert held(loaded) == 1
    told = [("c_range",)] if "FREEZE" in options else []
    assert rows(loaded, "SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == told


def test_a_key_without_overlaps(session):
    """A key of PostgreSQL 18 with a range: rows in quarantine are released to it."""
    needs(session.connection, 18)
    session.run("CREATE EXTENSION IF NOT EXISTS btree_gist")
    session.run(
        "CREATE TABLE features.f (id int, during daterange, a int, PRIMARY KEY (id, during WITHOUT OVERLAPS))"
    )
    session.guard(
        "table: features.f\nowner: me\nkey: [id, during]\nwrites: bulk\nbatch: statement\n"
        "columns: {a: [range: {min: 0, max: 9, on_breach: quarantine}]}"
    )
    session.run(
        "INSERT INTO features.f VALUES (1, '[2026-01-01,2026-02-01)', 5), (1, '[2026-02-01,2026-03-01)', 99)"
    )
    assert session.values("SELECT a FROM features.f") == [5]
    session.run("SELECT pgslo.release(quarantine_id, '{\"a\": 7}') FROM pgslo.quarantine")
    assert session.values("SELECT a FROM features.f ORDER BY during") == [5, 7]
    assert (
        session.refused("INSERT INTO features.f VALUES (1, '[2026-01-15,2026-01-20)', 1)").sqlstate == "23P01"
    )
