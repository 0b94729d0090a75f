"""A repair that is computed is stored, or the write is refused: also where it cannot be recorded."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: ml.t
owner: sam
key: [id]
writes: stream
columns:
  e: [repair: {clip: [0, 10], name: e_repair}]
  f: [repair: {default: 0, name: f_repair}]
"""


@pytest.fixture
def table(connection, apply):
    connection.execute("CREATE SCHEMA ml; CREATE TABLE ml.t (id int PRIMARY KEY, e int, f int)")
    apply(DEFINITION)
    return connection


@pytest.mark.parametrize(
    "failing",
    [
        "ALTER TABLE pgslo_catalog.repair ADD CONSTRAINT never CHECK (column_name <> 'e') NOT VALID",
        "ALTER TABLE ml.t RENAME id TO user_id",
    ],
)
def test_a_repair_that_cannot_be_recorded_is_stored(table, failing):
    for key in (1, 2):
        table.execute("INSERT INTO ml.t VALUES (%s, 99, 5)", (key,), prepare=False)
        table.execute("UPDATE ml.t SET e = -99")
        if key == 1:
            table.execute("DELETE FROM pgslo_catalog.repair")
            table.execute(failing)
    assert table.execute("SELECT DISTINCT e FROM ml.t").fetchall() == [(0,)]
    assert table.execute("SELECT count(*) FROM pgslo.repair").fetchone() == (0,)
    assert table.execute("SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL").fetchall() == [("e_repair",)]
    # Each column for itself.
    table.execute("INSERT INTO ml.t VALUES (3, 99, NULL)")
    assert table.execute("SELECT e, f FROM ml.t WHERE f = 0").fetchall() == [(10, 0)]


def test_a_repair_that_cannot_be_recorded_now_refuses_the_write(table, connect):
    writer, other = connect(), connect()
    writer.execute("SET lock_timeout = '20ms'")
    other.execute("BEGIN; LOCK TABLE pgslo_catalog.repair")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        writer.execute("INSERT INTO ml.t VALUES (1, 99, 5)")
    writer.execute("INSERT INTO ml.t VALUES (2, 5, 5)")
    other.execute("ROLLBACK")
    assert table.execute("SELECT id, e FROM ml.t").fetchall() == [(2, 5)]
