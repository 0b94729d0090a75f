"""tick() looks at missed batches that changed and at a few of the others, and loses no ending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

Connection = psycopg.Connection[Any]
Apply = Callable[[str], Any]

TABLES = """
CREATE SCHEMA ml;
CREATE TABLE ml.t (id int, d date, a numeric, b text);
"""
LOADED = """
table: ml.t
key: none
owner: growth
writes: bulk
watch: false
batch: {by: d}
columns:
  a: [range: {min: 0, name: a_range}]
  b: [completeness: {min: 0.9, name: b_full}]
"""


@pytest.fixture
def loaded(connection: Connection, apply: Apply) -> Connection:
    """Ten batches that miss both rules, and a good one."""
    connection.execute(TABLES)
    apply(LOADED)
    connection.execute(
        "INSERT INTO ml.t SELECT n, date '2026-01-01' + n, -1, NULL FROM generate_series(0, 9) n"
    )
    connection.execute("INSERT INTO ml.t VALUES (10, '2026-02-01', 1, 'x')")
    connection.execute("SELECT count(*) FROM pgslo.close_batch('ml.t')")
    connection.execute("SELECT pgslo.tick()")
    assert not ended(connection)
    return connection


def look_in_turn_at(connection: Connection, number: int) -> None:
    connection.execute(
        "CREATE OR REPLACE FUNCTION pgslo_catalog.looks_in_turn() RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE"
        f" SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN {number}; END'"
    )


def tick(connection: Connection) -> None:
    connection.execute("SELECT pgslo.tick()")


def ended(connection: Connection) -> list[tuple[int, str, str]]:
    """Day, rule and end of batches that are not missed any more."""
    return connection.execute(
        """SELECT right(m.batch, 2)::int, r.name, m.ended_as
           FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)
           WHERE m.ended_at IS NOT NULL ORDER BY 1, 2"""
    ).fetchall()


def looks(connection: Connection) -> dict[int, Any]:
    """When each stored batch was looked at; its rows change at no look in turn."""
    return dict(
        connection.execute(
            "SELECT m.missed_id, m.looked_at FROM pgslo_catalog.missed_batch m WHERE m.ended_at IS NULL"
        ).fetchall()
    )


def test_what_changes_is_looked_at_by_the_next_tick(loaded: Connection, apply: Apply) -> None:
    look_in_turn_at(loaded, 0)
    before = looks(loaded)
    tick(loaded)
    assert looks(loaded) == before
    assert None not in before.values()
    loaded.execute("UPDATE ml.t SET a = 1 WHERE d = '2026-01-01'")
    loaded.execute("UPDATE ml.t SET b = 'x' WHERE d = '2026-01-02'")
    loaded.execute("DELETE FROM ml.t WHERE d = '2026-01-03'")
    tick(loaded)
    found = [
        (1, "a_range", "corrected"),
        (2, "b_full", "corrected"),
        (3, "a_range", "removed"),
        (3, "b_full", "removed"),
    ]
    assert ended(loaded) == found
    # The others were not touched.
    assert len([one for one, at in looks(loaded).items() if before[one] == at]) >= 14
    # A batch that is bad again, and good again.
    loaded.execute("UPDATE ml.t SET a = -1 WHERE d = '2026-01-01'")
    tick(loaded)
    assert len(looks(loaded)) == 17
    loaded.execute("UPDATE ml.t SET a = 1 WHERE d = '2026-01-01'")
    tick(loaded)
    assert ended(loaded) == [(1, "a_range", "corrected"), *found]
    # Another rule: all are looked at.
    apply(LOADED.replace("min: 0,", "min: -5,"))
    tick(loaded)
    assert [end for _, rule, end in ended(loaded) if rule == "a_range"].count("corrected") == 10
    loaded.execute("TRUNCATE ml.t")
    tick(loaded)
    assert not looks(loaded)
    states = loaded.execute("SELECT DISTINCT state FROM pgslo.incident").fetchall()
    assert states == [("resolved",)]


def test_what_another_transaction_kept_is_looked_at_in_turn(loaded: Connection, dsn: str) -> None:
    look_in_turn_at(loaded, 4)
    with psycopg.connect(dsn) as other:
        other.execute("SELECT FROM pgslo_catalog.missed_batch FOR UPDATE")
        loaded.execute("UPDATE ml.t SET a = 1")
        tick(loaded)
        assert not ended(loaded)
    # Twenty, four by four, and the turn begins anew.
    for _ in range(6):
        tick(loaded)
    assert ended(loaded) == [(day, "a_range", "corrected") for day in range(1, 11)]


def test_a_tick_looks_at_a_bounded_number(loaded: Connection) -> None:
    loaded.execute(
        """INSERT INTO pgslo_catalog.missed_batch (definition_id, rule_id, incident_id, definition, about, batch, place, looked_at)
           SELECT m.definition_id, m.rule_id, m.incident_id, m.definition, m.about, (date '1900-01-01' + n)::text,
                  extract(epoch FROM date '1900-01-01' + n), now()
           FROM (SELECT * FROM pgslo_catalog.missed_batch ORDER BY missed_id LIMIT 1) m, generate_series(1, 1000) n"""
    )
    due = "SELECT cardinality(l.due) FROM pgslo_catalog.definition d, pgslo_catalog.due_missed(d) l"
    assert loaded.execute(due).fetchone() == (200,)
    loaded.execute("UPDATE pgslo_catalog.batch SET last_written_at = now() WHERE name = '2026-01-01'")
    found = [loaded.execute(due).fetchone() for _ in range(6)]
    # Both rules of the batch, until it is looked at; the last of a turn are fewer.
    assert found == [(202,), (202,), (202,), (202,), (22,), (200,)]
    loaded.execute("UPDATE pgslo_catalog.definition SET fingerprint = 'another'")
    # All are due, in portions.
    assert loaded.execute(due).fetchone() == (600,)
    (left,) = loaded.execute(
        "SELECT count(*) FROM pgslo_catalog.missed_batch WHERE looked_at IS NULL AND ended_at IS NULL"
    ).fetchone() or (0,)
    assert left == 1020
    answers = []
    while left:
        answers += loaded.execute("SELECT pgslo.tick()").fetchone() or ()
        (now_left,) = loaded.execute(
            "SELECT count(*) FROM pgslo_catalog.missed_batch WHERE looked_at IS NULL AND ended_at IS NULL"
        ).fetchone() or (0,)
        assert left - 600 <= now_left < left
        left = now_left
    assert answers == [*[True] * (len(answers) - 1), False]
    assert len(answers) > 1


def test_more_is_due_where_the_time_was_up_before_the_table_was_asked_about_all(loaded):
    loaded.execute(
        r"""DO $$BEGIN EXECUTE replace(
                pg_get_functiondef('pgslo_catalog.ask_table(pgslo_catalog.definition, pgslo_catalog.missed_batch, text)'::regprocedure),
                E'\nBEGIN\n', E'\nBEGIN PERFORM pg_sleep(0.3);\n'); END$$"""
    )
    loaded.execute("UPDATE ml.t SET a = 1")
    asked = []
    while loaded.execute("SELECT pgslo.tick()").fetchone() == (True,):
        asked.append(len(ended(loaded)))
    assert 1 <= len(asked) <= 9
    assert asked == sorted(set(asked))
    assert ended(loaded) == [(day, "a_range", "corrected") for day in range(1, 11)]


def test_batches_that_another_transaction_keeps_are_not_said_to_be_due_for_ever(
    loaded: Connection, dsn: str
) -> None:
    loaded.execute(
        """INSERT INTO pgslo_catalog.missed_batch (definition_id, rule_id, incident_id, definition, about, batch, place)
           SELECT m.definition_id, m.rule_id, m.incident_id, m.definition, m.about, (date '1900-01-01' + n)::text,
                  extract(epoch FROM date '1900-01-01' + n)
           FROM (SELECT * FROM pgslo_catalog.missed_batch ORDER BY missed_id LIMIT 1) m, generate_series(1, 1000) n"""
    )
    with psycopg.connect(dsn) as other:
        other.execute("SELECT FROM pgslo_catalog.missed_batch FOR UPDATE")
        assert loaded.execute("SELECT pgslo.tick()").fetchone() == (False,)
    assert loaded.execute("SELECT pgslo.tick()").fetchone() == (True,)
