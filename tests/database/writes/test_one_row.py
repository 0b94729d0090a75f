"""A statement of one row takes a shorter way. It leaves the same record as the way of all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

Connection = psycopg.Connection[Any]
Apply = Callable[..., None]

TABLE = """
CREATE SCHEMA f;
CREATE DOMAIN f.share AS numeric CHECK (VALUE <= 1);
CREATE TYPE f.place AS (lat float8, lon float8);
CREATE TABLE f.t (
    id int PRIMARY KEY, day date, a int, "50 %" text, "a ""b"" \\c" text, s f.share, p f.place, tags text[], j jsonb, x float8
);
"""
DEFINITION = """
table: f.t
key: [id]
writes: bulk
batch: {by: day}
columns:
  a: [range: {min: 0, max: 100, on_breach: flag}, statistic: {of: sum, max: 100000}]
  "50 %": [not_null: {at_least: 0.1}]
  x: [completeness: {min: 0.5}, range: {max: 9, on_breach: warn}]
  j.n: [range: {max: 5, on_breach: flag}]
rules:
  - few: {row_count: {min: 1}}
"""
WRITES = (
    "INSERT INTO f.t VALUES (1, '2026-01-01', 1, 'v', 'w', 0.5, (1, 2), '{x,y}', '{\"n\": 1}', 1.5)",
    "INSERT INTO f.t (id, day) VALUES (2, '2026-01-01')",
    "INSERT INTO f.t VALUES (3, '2026-01-02', NULL, '', E'\\\\', 0, (NULL, NULL), '{}', '{}', 'NaN')",
    "INSERT INTO f.t VALUES (4, NULL, 3, '%s', '\"', 1, NULL, '{NULL}', '[]', '-Infinity')",
    "INSERT INTO f.t VALUES (5, 'infinity', 3, 'v', 'w', 1, (0, 'NaN'), NULL, 'null', 0)",
    "UPDATE f.t SET a = 7 WHERE id = 1",
    "UPDATE f.t SET day = '2026-01-03', x = NULL WHERE id = 2",
    "INSERT INTO f.t (id, day, a) VALUES (1, '2026-01-01', 9) ON CONFLICT (id) DO UPDATE SET a = excluded.a",
    "DELETE FROM f.t WHERE id = 3",
    "DELETE FROM f.t WHERE id = 99",
)
RECORD = """
SELECT f.batch, CASE WHEN f.batch IN ('unknown', 'infinity') THEN 0 ELSE f.place END, f.rows, f.operation, f.failures, f.present, f.tallies, f.level,
       f.sample_columns, f.sample
FROM pgslo_catalog.fragment f ORDER BY f.fragment_id
"""
PASSING = 'INSERT INTO f.t (id, day, a, "50 %")'
#: The way of all other statements.
LONG_WAY = """
CREATE OR REPLACE FUNCTION pgslo_catalog.record_one(state pgslo_catalog.statement, one pgslo_catalog.measured) RETURNS boolean
LANGUAGE plpgsql AS $$BEGIN RETURN false; END$$
"""
CALLS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions WHERE funcname = 'record_one'"


def both_ways(conn: Connection, writes: tuple[str, ...], prepare: str = "") -> list[list[tuple[Any, ...]]]:
    """What the statements leave, by the shorter way and by the other one, each rolled back."""
    found = []
    for way in ("", LONG_WAY):
        with conn.transaction(force_rollback=True):
            for text in (way, prepare, *writes):
                if text:
                    conn.execute(text.encode())
            found.append(conn.execute(RECORD.encode()).fetchall())
    return found


@pytest.fixture
def guarded(connection: Connection, apply: Apply) -> Connection:
    connection.execute(TABLE.encode())
    apply(DEFINITION)
    return connection


def test_both_ways_leave_the_same_record(guarded: Connection) -> None:
    short, long = both_ways(guarded, WRITES)
    assert short == long
    assert len(short) > len(WRITES)
    assert {row[3] for row in short} >= {"insert", "update", "delete"}


def test_the_shorter_way_is_taken(guarded: Connection) -> None:
    guarded.execute("SET track_functions = 'all'")
    with guarded.transaction():
        guarded.execute(f"{PASSING} VALUES (1, '2026-01-01', 1, 'v')".encode())
        guarded.execute("UPDATE f.t SET a = 7 WHERE id = 1")
        guarded.execute("DELETE FROM f.t WHERE id = 1")
        # An UPDATE takes a row away and brings one.
        assert guarded.execute(CALLS).fetchone() == (4,)
        guarded.execute(f"{PASSING} SELECT n, '2026-01-01', 1, 'v' FROM generate_series(10, 11) n".encode())
        guarded.execute(f"{PASSING} VALUES (12, '2026-01-01', 999, 'v')".encode())
        assert guarded.execute(CALLS).fetchone() == (4,)
    assert guarded.execute("SELECT rule FROM pgslo.incident").fetchall() == [("a_range",)]


@pytest.mark.parametrize(
    "row",
    [
        "(1, '2026-01-05', 999, 'v', 'w', 0.5, (1, 2), '{x,y}', '{\"n\": 1}', 1.5)",
        "(1, '2026-01-05', 999, NULL, NULL, NULL, NULL, NULL, '{\"n\": 7}', 99)",
        "(1, NULL, -1, '', '', 0, (NULL, NULL), '{}', '[]', 'NaN')",
    ],
)
def test_a_row_that_fails_leaves_the_same_as_among_others(guarded: Connection, row: str) -> None:
    """Its sample is that of the first query; of several rows, that of a query of its own."""
    found = []
    for others in ("", ", (2, '2026-02-01', 1, 'v', NULL, NULL, NULL, NULL, NULL, NULL)"):
        with guarded.transaction(force_rollback=True):
            guarded.execute(f"INSERT INTO f.t VALUES {row}{others}".encode())
            guarded.execute("DELETE FROM f.t")
            found.append(
                (
                    [row for row in guarded.execute(RECORD.encode()) if row[0] != "2026-02-01"],
                    guarded.execute("SELECT rule, batch, row_key, excerpt FROM pgslo.sample").fetchall(),
                    guarded.execute(
                        "SELECT rule_id, batch FROM pgslo_catalog.missed_batch WHERE batch <> '2026-02-01'"
                    ).fetchall(),
                )
            )
    assert found[0] == found[1]
    record, samples, missed = found[0]
    assert [bool(one[4]) for one in record] == [True, True]
    assert samples
    assert missed


def test_samples_are_kept_up_to_their_number(guarded: Connection) -> None:
    for number in range(1, 14):
        guarded.execute(f"INSERT INTO f.t (id, day, a) VALUES ({number}, '2026-01-05', 999)".encode())
    guarded.execute("INSERT INTO f.t (id, day, a) VALUES (50, '2026-01-06', 999)")
    counted = guarded.execute(
        "SELECT batch, count(*) FROM pgslo.sample WHERE rule = 'a_range' GROUP BY 1 ORDER BY 1"
    )
    assert counted.fetchall() == [("2026-01-05", 10), ("2026-01-06", 1)]
    assert guarded.execute(
        "SELECT sum((failures ->> 'a_range')::int) FROM pgslo_catalog.fragment"
    ).fetchone() == (14,)


@pytest.mark.parametrize("day", ["2026-01-01", "2026-01-05", "2026-01-09"])
def test_an_incident_is_open(guarded: Connection, day: str) -> None:
    """A row of a later batch may end it, which the shorter way leaves to the other one."""
    bad = "INSERT INTO f.t (id, day, a) VALUES (50, '2026-01-05', 999)"
    short, long = both_ways(guarded, (f"{PASSING} VALUES (51, '{day}', 1, 'v')",), bad)
    assert short == long
    guarded.execute(bad.encode())
    guarded.execute(f"{PASSING} VALUES (51, '{day}', 1, 'v')".encode())
    states = {"2026-01-01": "open", "2026-01-05": "open", "2026-01-09": "over"}
    guarded.execute("SELECT pgslo.tick()")
    assert guarded.execute("SELECT state FROM pgslo.incident WHERE rule = 'a_range'").fetchall() == [
        (states[day],)
    ]


def test_a_row_that_makes_its_batch_too_large_is_refused(connection: Connection, apply: Apply) -> None:
    connection.execute(b"CREATE SCHEMA f; CREATE TABLE f.t (id int PRIMARY KEY, day date)")
    apply(
        "{table: f.t, writes: bulk, batch: {by: day}, rules: [few: {row_count: {max: 1}, reject_above: 2}]}"
    )
    for number in (1, 2):
        connection.execute(f"INSERT INTO f.t VALUES ({number}, '2026-01-01')".encode())
    with pytest.raises(psycopg.errors.CheckViolation, match="few"):
        connection.execute("INSERT INTO f.t VALUES (3, '2026-01-01')")
    assert connection.execute("SELECT sum(rows) FROM pgslo_catalog.fragment").fetchone() == (2,)


def test_batches_without_order_and_streams_with_shares(connection: Connection, apply: Apply) -> None:
    connection.execute(b"CREATE SCHEMA f; CREATE TABLE f.t (id int PRIMARY KEY, load text, a int)")
    apply(
        "{table: f.t, writes: stream, batch: {by: load}, columns: {a: [range: {min: 0, at_least: 0.5, on_breach: flag}]}}"
    )
    writes = tuple(f"INSERT INTO f.t VALUES ({n}, 'load {n % 2}', {n})" for n in range(1, 4))
    short, long = both_ways(connection, writes)
    # A batch without order has the place of its first row, by the clock.
    assert [(row[0], *row[2:]) for row in short] == [(row[0], *row[2:]) for row in long]
    assert len(short) == 3


def test_a_statement_that_cannot_be_serialized_fails(
    guarded: Connection, connect: Callable[[], Connection]
) -> None:
    """A conflict is of the transaction: the other way would meet it again, with a record of an error."""
    other = connect()
    guarded.execute("INSERT INTO f.t (id, day, a) VALUES (1, '2026-01-01', 1)")
    with guarded.transaction():
        guarded.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        guarded.execute("SELECT count(*) FROM f.t")
        other.execute("UPDATE f.t SET a = 2 WHERE id = 1")
        with pytest.raises(psycopg.errors.SerializationFailure), guarded.transaction():
            guarded.execute("UPDATE f.t SET a = 3 WHERE id = 1")
    assert guarded.execute("SELECT count(*) FROM pgslo_catalog.rule_break").fetchone() == (0,)
