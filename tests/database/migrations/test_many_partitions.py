"""A table of many partitions: none of them is locked for long, and what cannot be locked now is left for the next apply."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.database import catalog_reader, installation, operations, planning
from pgslo.errors import DatabaseError
from pgslo.plan import Plan

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]

PARTITIONS = 60
TABLE = f"""
CREATE SCHEMA features;
CREATE TABLE features.parts (id int, day date NOT NULL, age int, score int) PARTITION BY RANGE (day);
DO $$ BEGIN
    FOR i IN 0..{PARTITIONS - 1} LOOP
        EXECUTE format('CREATE TABLE features.parts_%s PARTITION OF features.parts FOR VALUES FROM (%L) TO (%L)', i, date '2026-01-01' + i, date '2026-01-02' + i);
    END LOOP;
END $$;
"""
WATCHED = """
table: features.parts
owner: sam
writes: bulk
batch: {by: day}
key: [id, day]
columns:
  age: [range: {min: 0, max: 120, on_breach: flag, name: r_age}]
"""
#: A row trigger is cloned to all partitions by one statement, which locks them all.
REPAIRED = WATCHED + "  score: [repair: {clip: [0, 100]}]\n"
ARMED = """
SELECT count(DISTINCT tgrelid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname ~ '^pgslo_' AND t.tgtype & 1 = 0 AND c.relispartition
"""


def planned(conn: Connection, text: str) -> Plan:
    return planning.plan_definitions(conn, [definition.load(textwrap.dedent(text), path="slos/parts.yml")])


def apply(conn: Connection, text: str) -> tuple[installation.Unfinished, ...]:
    return installation.apply(conn, planned(conn, text), lambda: planned(conn, text))


def removal(conn: Connection) -> Plan:
    return planning.plan_removal(conn, ["features.parts"])


def count(conn: Connection, query: str) -> int:
    (found,) = conn.execute(query.encode()).fetchone() or (None,)
    assert isinstance(found, int)
    return found


@pytest.fixture
def parts(connection: Connection) -> Connection:
    connection.execute(TABLE)
    return connection


def test_each_way_in_is_judged_and_all_of_it_goes(parts: Connection) -> None:
    assert apply(parts, REPAIRED) == ()
    assert planned(parts, REPAIRED).empty
    assert count(parts, ARMED) == PARTITIONS
    parts.execute("INSERT INTO features.parts SELECT n, date '2026-01-01' + n % 60, 1, 1 FROM generate_series(1, 600) n")  # fmt: skip
    parts.execute("INSERT INTO features.parts VALUES (601, '2026-01-05', 999, 999)")
    parts.execute("INSERT INTO features.parts_7 VALUES (602, '2026-01-08', 999, -1)")
    parts.execute("SELECT pgslo.tick()")
    opened = parts.execute("SELECT opened_batch FROM pgslo.incident WHERE rule = 'r_age'").fetchall()
    assert set(opened) <= {("2026-01-05",), ("2026-01-08",)}
    assert opened
    counted = parts.execute(
        "SELECT name, rows, coalesce((failures ->> 'r_age')::int, 0) FROM pgslo_catalog.batch ORDER BY name"
    )
    there = "SELECT day::text, count(*), count(*) FILTER (WHERE age > 120) FROM features.parts GROUP BY day ORDER BY day"
    assert counted.fetchall() == parts.execute(there).fetchall()
    assert parts.execute("SELECT score FROM features.parts WHERE id > 600 ORDER BY id").fetchall() == [(100,), (0,)]  # fmt: skip
    assert operations.find_drift(parts) == ()

    assert installation.apply(parts, removal(parts), lambda: removal(parts)) == ()
    assert count(parts, "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^pgslo'") == 0
    assert count(parts, "SELECT count(*) FROM features.parts") == 602


@pytest.mark.parametrize("way", ["in", "out"])
def test_no_transaction_locks_more_than_one_partition(parts: Connection, connect: Connect, way: str) -> None:
    """Without a row trigger, that is; how many are locked is looked at by another session, at each statement."""
    other = connect()
    other.execute(
        "CREATE FUNCTION locked(pid int) RETURNS bigint RETURN (SELECT count(DISTINCT l.relation) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = locked.pid AND c.relispartition AND l.mode ~ '(ShareRow|Access)Exclusive')"
    )
    most = 0

    def look(_step: object, _statement: object) -> None:
        nonlocal most
        row = other.execute("SELECT locked(%s)", (parts.info.backend_pid,)).fetchone()
        most = max(most, row[0] if row else 0)

    if way == "out":
        assert apply(parts, WATCHED) == ()
    plan = (lambda: removal(parts)) if way == "out" else (lambda: planned(parts, WATCHED))
    assert installation.apply(parts, plan(), plan, on_statement=look) == ()
    assert plan().empty
    assert most <= 1


def test_row_triggers_go_while_others_write_all_the_time(parts: Connection, connect: Connect) -> None:
    """DROP TRIGGER locks partitions before the table, writers the table before a partition: one would wait for the other."""
    assert apply(parts, REPAIRED) == ()
    stopping = threading.Event()

    def write(session: Connection, first: int) -> None:
        number = first
        while not stopping.is_set():
            session.execute("INSERT INTO features.parts VALUES (%s, date '2026-01-01' + %s, 1, 1)", (number, number % PARTITIONS))  # fmt: skip
            number += 3

    writers = [threading.Thread(target=write, args=(connect(), one)) for one in range(3)]
    for one in writers:
        one.start()
    ran: list[str] = []
    try:
        installation.apply(parts, removal(parts), lambda: removal(parts), on_statement=lambda _step, statement: ran.append(statement.script))  # fmt: skip
    finally:
        stopping.set()
        for one in writers:
            one.join()
    assert ran.count("DROP TRIGGER pgslo_100_repair_row ON features.parts") == 1


def test_a_partition_that_is_busy_all_the_time_is_left_for_the_next_apply(
    parts: Connection, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "LOCK_PATIENCE", 0.3)
    writer = connect()
    writer.execute("BEGIN")
    writer.execute("INSERT INTO features.parts_7 VALUES (1, '2026-01-08', 1, 1)")
    unfinished = apply(parts, WATCHED)
    assert {one.step.statements[0].on for one in unfinished} == {"features.parts_7"}
    assert {one.error.sqlstate for one in unfinished} == {"55P03"}
    assert count(parts, ARMED) == PARTITIONS - 1
    # The others are held to the rules, and drift tells of the one that is not.
    parts.execute("INSERT INTO features.parts_8 VALUES (2, '2026-01-09', 999, 1)")
    parts.execute("SELECT pgslo.tick()")
    assert count(parts, "SELECT count(*) FROM pgslo.incident WHERE rule = 'r_age'") == 1
    found = operations.find_drift(parts)
    assert {one.what for one in found} == {"unarmed"}
    assert all("features.parts_7" in one.thing for one in found)
    writer.execute("COMMIT")
    assert apply(parts, WATCHED) == ()
    assert count(parts, ARMED) == PARTITIONS

    # On the way out as well: nothing else goes before it, and the next uninstall goes on.
    writer.execute("BEGIN")
    writer.execute("SELECT FROM features.parts_7")
    with pytest.raises(DatabaseError, match=r"features\.parts_7") as refused:
        installation.apply(parts, removal(parts), lambda: removal(parts))
    assert refused.value.sqlstate == "55P03"
    assert catalog_reader.definitions_installed(parts) == ("features.parts",)
    writer.execute("COMMIT")
    assert installation.apply(parts, removal(parts), lambda: removal(parts)) == ()
    assert count(parts, "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^pgslo'") == 0


def test_a_full_lock_table_is_told_with_the_setting_and_nothing_is_changed(
    parts: Connection, connect: Connect
) -> None:
    before = parts.execute("SELECT oid, tgname FROM pg_trigger ORDER BY oid").fetchall()
    plan = planned(parts, REPAIRED)
    greedy = connect()
    # What a session holds stays when a statement fails; a little is let go, for a session to begin with.
    with pytest.raises(psycopg.errors.OutOfMemory):
        greedy.execute("SELECT pg_advisory_lock(i) FROM generate_series(1, 10000000) i")
    greedy.execute("SELECT pg_advisory_unlock(i) FROM generate_series(1, 30) i")
    with pytest.raises(DatabaseError) as refused:
        installation.apply(parts, plan, lambda: plan)
    greedy.execute("SELECT pg_advisory_unlock_all()")
    assert refused.value.sqlstate == "53200"
    assert "max_locks_per_transaction" in str(refused.value.hint)
    assert parts.execute("SELECT oid, tgname FROM pg_trigger ORDER BY oid").fetchall() == before
    assert apply(parts, REPAIRED) == ()
