"""Hypertables, on the server that ``PGSLO_TEST_TIMESCALE_DSN`` names: beside each an ordinary table that gets the same rows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgslo.database import installation, operations, planning
from pgslo.definition import load
from pgslo.errors import DefinitionErrors

DSN = os.environ.get("PGSLO_TEST_TIMESCALE_DSN", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DSN, reason="PGSLO_TEST_TIMESCALE_DSN names no server"),
]

Connection = psycopg.Connection[Any]
TABLE = "(id bigint NOT NULL, day date NOT NULL, a float8, b float8, c float8, d float8, e float8, f float8, PRIMARY KEY (id, day))"
RULES = """
owner: sam
writes: bulk
key: [id, day]
batch: {by: day}
columns:
  a: [range: {min: 0, max: 100, name: r_warn}]
  b: [range: {min: 0, on_breach: quarantine, name: r_q}]
  c: [range: {min: 0, on_breach: reject, name: r_rej}]
  d: [range: {min: 0, on_breach: flag, name: r_flag}]
  e: [repair: {clip: [0, 10]}]
  f: [not_null: {at_least: 0.9}]
"""
BOTH = ("feat.l", "feat.h")
SERIES = (
    "INSERT INTO {t} SELECT i, date '2026-01-01' + i % 5, i % 10 - 1, CASE WHEN i % 50 = 0 THEN -1 ELSE 1 END, 1, i % 7 - 1, i % 13,"
    " CASE WHEN i % 5 = 0 THEN NULL ELSE 1 END FROM generate_series(1, 200) AS i"
)


@pytest.fixture
def server() -> Iterator[Connection]:
    name = "pgslo_hypertables"
    with psycopg.connect(DSN, autocommit=True) as outer:
        outer.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        outer.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            with psycopg.connect(psycopg.conninfo.make_conninfo(DSN, dbname=name), autocommit=True) as conn:
                conn.execute("SET client_min_messages = error")
                conn.execute("CREATE EXTENSION timescaledb; CREATE SCHEMA feat")
                yield conn
        finally:
            outer.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def apply(conn: Connection, table: str, rules: str = RULES) -> None:
    one = load(f"table: {table}{rules}", path=f"slos/{table}.yml")

    def plan() -> Any:
        return planning.plan_definitions(conn, [one])

    assert installation.apply(conn, plan(), plan) == ()
    assert plan().empty


def made(conn: Connection, *, guarded_first: bool) -> None:
    for table in BOTH:
        conn.execute(f"CREATE TABLE {table} {TABLE}".encode())
    if guarded_first:
        for table in BOTH:
            apply(conn, table)
    conn.execute("SELECT create_hypertable('feat.h', 'day', chunk_time_interval => interval '1 day')")
    for table in BOTH:
        apply(conn, table)


def both(conn: Connection, statement: str) -> None:
    for table in BOTH:
        conn.execute(statement.format(t=table).encode())


def known(conn: Connection, table: str) -> list[list[str]]:
    queries = (
        "SELECT b.name, b.rows, b.failures FROM pgslo_catalog.batch b WHERE b.definition_id = %s AND b.rows > 0",
        (
            "SELECT r.name, m.batch FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)"
            " WHERE m.definition_id = %s AND m.ended_at IS NULL"
        ),
        "SELECT operation, row_key, image, state FROM pgslo_catalog.quarantine WHERE definition_id = %s",
        "SELECT row_key, old_value, new_value FROM pgslo_catalog.repair WHERE definition_id = %s",
    )
    found = conn.execute(
        "SELECT definition_id FROM pgslo_catalog.definition WHERE name = %s", (table,)
    ).fetchone()
    assert found is not None
    for _ in range(3):
        conn.execute("SELECT pgslo.tick()")
    return [
        sorted(
            json.dumps(row, default=str, sort_keys=True)
            for row in conn.execute(query.encode(), found).fetchall()
        )
        for query in queries
    ]


@pytest.mark.parametrize("guarded_first", [False, True])
def test_every_way_to_write(server: Connection, guarded_first: bool) -> None:
    made(server, guarded_first=guarded_first)
    both(server, SERIES)
    for table in BOTH:
        with server.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for number in range(1000, 1100):
                copy.write_row((number, f"2026-01-0{number % 5 + 1}", number - 1050, 1, 1, 1, 20, 1))
        with pytest.raises(psycopg.errors.CheckViolation, match="r_rej"):
            server.execute(f"INSERT INTO {table} VALUES (3000, '2026-01-05', 1, 1, -1, 1, 1, 1)".encode())
    assert known(server, "feat.h") == known(server, "feat.l")
    both(server, "UPDATE {t} SET a = 500 WHERE id % 2 = 0")
    both(server, "UPDATE {t} SET b = -5 WHERE id % 3 = 0")
    both(server, "DELETE FROM {t} WHERE a > 100 AND id < 100")
    both(
        server,
        "INSERT INTO {t} VALUES (7, '2026-01-02', 9, 3, 1, 1, 99, 1) ON CONFLICT (id, day) DO UPDATE SET a = excluded.a",
    )
    both(
        server,
        "MERGE INTO {t} AS t USING (VALUES (9, date '2026-01-03')) AS s (id, day) ON t.id = s.id AND t.day = s.day"
        " WHEN MATCHED THEN UPDATE SET a = 7 WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.day, -1, 1, 1, 1, 1, 1)",
    )
    found = known(server, "feat.h")
    assert found == known(server, "feat.l")
    assert all(found)
    assert not [one for one in operations.find_drift(server) if one.definition in BOTH and not one.is_hint]


@pytest.mark.parametrize(
    ("hypertable", "ordinary"),
    [
        (
            "SELECT drop_chunks('feat.h', older_than => date '2026-01-03')",
            "DELETE FROM feat.l WHERE day < '2026-01-03'",
        ),
        ("TRUNCATE {chunk}", "DELETE FROM feat.l WHERE day = '2026-01-01'"),
        ("DROP TABLE {chunk}", "DELETE FROM feat.l WHERE day = '2026-01-01'"),
    ],
    ids=["drop_chunks", "truncate", "drop"],
)
def test_rows_that_go_with_a_chunk(server: Connection, hypertable: str, ordinary: str) -> None:
    made(server, guarded_first=False)
    both(server, SERIES)
    known(server, "feat.h")
    chunk = server.execute(
        "SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks ORDER BY range_start LIMIT 1"
    ).fetchone()
    assert chunk is not None
    server.execute(hypertable.format(chunk=chunk[0]).encode())
    server.execute(ordinary.encode())
    (batches, missed, *_), (ordinary_batches, ordinary_missed, *_) = (
        known(server, "feat.h"),
        known(server, "feat.l"),
    )
    assert batches == ordinary_batches
    assert missed == ordinary_missed


def refused(apply_it: Callable[[], None]) -> str:
    with pytest.raises(DefinitionErrors) as caught:
        apply_it()
    return str(caught.value)


def test_what_is_refused_and_a_unique_index(server: Connection) -> None:
    made(server, guarded_first=False)
    watched = "\nowner: sam\nwatch: false\n"
    assert "cannot be unique without its partition key (day)" in refused(
        lambda: apply(server, "feat.h", f"{watched}rules: [one: {{unique: [a], on_breach: reject}}]")
    )
    assert 'column "day" says which chunk a row belongs to' in refused(
        lambda: apply(
            server, "feat.h", f'{watched}columns: {{day: [repair: {{clip: ["2026-01-05", "2026-12-31"]}}]}}'
        )
    )
    apply(server, "feat.h", f"{watched}rules: [one: {{unique: [a, day], on_breach: reject}}]")
    server.execute("INSERT INTO feat.h VALUES (1, '2026-01-01', 5, 1, 1, 1, 1, 1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        server.execute("INSERT INTO feat.h VALUES (2, '2026-01-01', 5, 1, 1, 1, 1, 1)")


def test_the_plan_names_few_chunks(server: Connection) -> None:
    made(server, guarded_first=False)
    server.execute(
        "INSERT INTO feat.h SELECT i, date '2026-01-01' + i, 1, 1, 1, 1, 1, 1 FROM generate_series(1, 40) AS i"
    )
    one = load(f"table: feat.h{RULES}", path="slos/h.yml")
    notes = [note for note in planning.plan_definitions(server, [one]).notes if "chunk" in note]
    assert all(len(note) < 400 for note in notes)
