"""``fires: always``: rows of subscriptions and of ``session_replication_role = replica`` are judged as well."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.database import operations, planning

Connection = psycopg.Connection[Any]
Apply = Callable[[str], Sequence[object]]

TABLE = """
CREATE SCHEMA feat;
CREATE TABLE feat.t (id bigint, day date NOT NULL, a int, b int, c int, d int, e int, f int, PRIMARY KEY (id, day))
PARTITION BY RANGE (day);
CREATE TABLE feat.t_1 PARTITION OF feat.t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
"""
DEFINITION = """
table: feat.t
owner: sam
writes: {writes}
fires: {fires}
key: [id, day]
batch: {{by: day}}
columns:
  a: [range: {{min: 0, on_breach: warn, name: r_warn}}]
  b: [range: {{min: 0, on_breach: quarantine, name: r_q}}]
  c: [range: {{min: 0, on_breach: reject, name: r_rej}}, range: {{max: 100, on_breach: reject, name: r_max}}]
  d: [range: {{min: 0, on_breach: flag, name: r_flag}}]
  e: [repair: {{clip: [0, 10]}}]
"""
REPLICA = "SET session_replication_role = replica"
FIRING = """
SELECT g.tgrelid::regclass::text, g.tgname, g.tgenabled FROM pg_trigger g
WHERE g.tgname ~ '^pgslo_' AND g.tgrelid IN (SELECT relid FROM pg_partition_tree('feat.t')) AND NOT g.tgenabled = 'A'
"""


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def text(writes: str, fires: str = "always") -> str:
    return DEFINITION.format(writes=writes, fires=fires)


def planned(connection: Connection, of: str) -> Any:
    return planning.plan_definitions(connection, [definition.load(of, path="slos/t.yml")])


@pytest.fixture(params=["bulk", "stream"])
def writes(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_rows_of_the_replica_role_are_judged(connection: Connection, apply: Apply, writes: str) -> None:
    connection.execute(TABLE)
    apply(text(writes))
    connection.execute(
        "CREATE TABLE feat.t_2 PARTITION OF feat.t FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')"
    )
    connection.execute(REPLICA)
    connection.execute(
        "INSERT INTO feat.t (id, day, b, c) VALUES (7, '2026-02-05', -5, 1), (8, '2026-02-05', 1, -1)"
    )
    for n, column in enumerate("abcde"):
        connection.execute(f"INSERT INTO feat.t (id, day, {column}) VALUES ({n}, '2026-01-05', -5)".encode())
    connection.execute("INSERT INTO feat.t (id, day, c) VALUES (5, '2026-01-05', 500), (6, '2026-01-05', 1)")
    assert rows(connection, "SELECT id, c, e FROM feat.t ORDER BY id") == [
        (0, None, None), (2, -5, None), (3, None, None), (4, None, 0), (5, 500, None), (6, 1, None), (8, -1, None)]  # fmt: skip
    assert rows(connection, "SELECT count(*) FROM pgslo.quarantine") == [(2,)]
    opened = "SELECT rule, definition FROM pgslo.incident WHERE over_at IS NULL ORDER BY 1"
    assert rows(connection, opened) == [(name, "feat.t") for name in ("r_flag", "r_max", "r_rej", "r_warn")]
    # What guards look at is noted by a trigger of pgslo's own.
    assert rows(
        connection, "SELECT count(*) FROM pgslo_catalog.incident WHERE about IS NULL OR definition IS NULL"
    ) == [(0,)]
    assert rows(connection, "SELECT count(*) FROM pgslo_catalog.incident_event WHERE event = 'opened'") == [
        (4,)
    ]
    failures = "SELECT e.key, sum(e.value::int) FROM pgslo_catalog.fragment f, jsonb_each(f.failures) e GROUP BY 1 ORDER BY 1"
    assert rows(connection, failures) == [("r_flag", 1), ("r_max", 1), ("r_rej", 2), ("r_warn", 1)]
    if writes == "bulk":
        connection.execute("DELETE FROM feat.t WHERE id = 3; UPDATE feat.t SET c = 1 WHERE id = 5")
        connection.execute("SELECT pgslo.tick()")
        assert rows(connection, "SELECT name, rows FROM pgslo_catalog.batch ORDER BY 1") == [
            ("2026-01-05", 5), ("2026-02-05", 1)]  # fmt: skip
        assert [name for name, _ in rows(connection, opened)] == ["r_rej", "r_warn"]
    connection.execute("RESET session_replication_role")
    with pytest.raises(psycopg.errors.CheckViolation, match="r_rej"):
        connection.execute("INSERT INTO feat.t (id, day, c) VALUES (10, '2026-01-05', -5)")
    apply(text(writes))
    assert [one.what for one in operations.find_drift(connection) if not one.is_hint] == []


def test_a_batch_is_not_refused_there(connection: Connection, apply: Apply) -> None:
    connection.execute(TABLE)
    apply(text("bulk") + "  f: [completeness: {min: 0.9, reject_below: 0.5}]\nrow_count: {min: 1}\n")
    insert = "INSERT INTO feat.t (id, day, f) SELECT i, '2026-01-05', NULL FROM generate_series(1, 10) i"
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(insert)
    connection.execute(REPLICA)
    connection.execute(insert)
    connection.execute("SELECT pgslo.close_batch('feat.t')")
    assert ("f_completeness", "missed") in rows(connection, "SELECT rule, verdict FROM pgslo.verdict")


def test_no_error_of_a_rule_ends_replication(connection: Connection, apply: Apply) -> None:
    """A full quarantine and columns that do not fit; and rows flagged there are counted with their partition."""
    connection.execute(TABLE)
    columns = "schema: {columns: {f: integer}, on_breach: reject, name: shape}\n"
    apply(text("bulk") + columns + "quarantine: {max_bytes: 1 kB}\n")
    connection.execute(REPLICA)
    connection.execute(
        "INSERT INTO feat.t (id, day, b) SELECT i, '2026-01-05', -5 FROM generate_series(1, 100) i"
    )
    assert rows(connection, "SELECT count(*) FROM pgslo.quarantine") == [(100,)]
    connection.execute(
        "INSERT INTO feat.t (id, day, c) SELECT i, '2026-01-06', -5 FROM generate_series(1, 3) i"
    )
    connection.execute("ALTER TABLE feat.t RENAME f TO g")
    connection.execute("INSERT INTO feat.t (id, day, c) VALUES (9, '2026-01-06', 5)")
    assert ("shape",) in rows(connection, "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL")
    connection.execute("ALTER TABLE feat.t RENAME g TO f")
    connection.execute("SELECT pgslo.tick()")
    # As by VACUUM FULL, after which the batches of a partition are counted.
    connection.execute("VACUUM FULL feat.t_1")
    connection.execute("SELECT pgslo.tick()")
    connection.execute("SELECT pgslo.tick()")
    assert rows(
        connection, "SELECT name, failures ->> 'r_rej' FROM pgslo_catalog.batch WHERE counted_at IS NOT NULL"
    ) == [("2026-01-06", "3")]
    assert rows(connection, "SELECT rule FROM pgslo.incident WHERE over_at IS NULL AND rule = 'r_rej'")


@pytest.mark.parametrize("action", ["warn", "reject"])
def test_no_value_of_a_batch_ends_replication(
    connection: Connection, apply: Apply, writes: str, action: str
) -> None:
    """Brackets a hundred thousand deep leave the batch's expression no stack."""
    connection.execute("CREATE SCHEMA feat; CREATE TABLE feat.deep (id int PRIMARY KEY, v text)")
    apply(
        f"""\
        table: feat.deep
        key: [id]
        writes: {writes}
        fires: always
        batch: {{by: "(v::jsonb ->> 'd')::date"}}
        columns: {{v: [length: {{max: 100, on_breach: {action}, name: short}}]}}
        """
    )
    deep = "INSERT INTO feat.deep VALUES (1, repeat('[', 100000))"
    connection.execute(REPLICA)
    connection.execute(deep)
    connection.execute("""INSERT INTO feat.deep VALUES (2, '{"d": "2026-01-05"}')""")
    assert rows(connection, "SELECT id FROM feat.deep ORDER BY 1") == [(1,), (2,)]
    connection.execute("SELECT pgslo.tick()")
    assert rows(connection, "SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == [("short",)]


def test_drift_and_plan_know_it(
    connection: Connection, apply: Apply, role: Callable[[str], str], writes: str
) -> None:
    connection.execute(TABLE)
    apply(text(writes, "origin"))
    loader = role("loader")
    connection.execute(f"ALTER ROLE {loader} SET session_replication_role = replica".encode())
    assert [one.what for one in operations.find_drift(connection)] == ["not observed"]
    assert rows(connection, FIRING)
    apply(text(writes))
    assert rows(connection, FIRING) == []
    assert operations.find_drift(connection) == ()
    ((name,), *_) = rows(connection, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'feat.t'::regclass AND tgname ~ '^pgslo_' ORDER BY 1")  # fmt: skip
    connection.execute(f"ALTER TABLE feat.t ENABLE TRIGGER {name}".encode())
    (found, *_) = operations.find_drift(connection)
    assert (found.what, found.thing) == ("switched off", f"trigger {name} ON feat.t")
    assert "session_replication_role" in found.said
    (step,) = planned(connection, text(writes)).steps
    assert step.reason == "the trigger does not fire where session_replication_role is replica"
    apply(text(writes))
    assert rows(connection, FIRING) == []
    # The clone of a row trigger alone.
    connection.execute("ALTER TABLE feat.t_1 ENABLE TRIGGER pgslo_300_quarantine_row")
    assert [one.what for one in operations.find_drift(connection)] == ["switched off"]
    connection.execute("ALTER TABLE feat.t_1 ENABLE ALWAYS TRIGGER pgslo_300_quarantine_row")
    assert operations.find_drift(connection) == ()
    apply(text(writes, "origin"))
    assert rows(connection, FIRING.replace("AND NOT", "AND")) == []
    assert planned(connection, text(writes, "origin")).empty


def test_the_plan_says_what_becomes_of_reject(connection: Connection, writes: str) -> None:
    connection.execute(TABLE)
    native = "  f: [not_null: {on_breach: reject, name: r_native}]\n"
    notes = "\n".join(planned(connection, text(writes) + native).notes)
    assert "not rejected but flagged: r_rej, r_max" in notes
    assert "which stops at a violation: r_native" in notes
    assert ("fires no statement trigger" in notes) == (writes == "bulk")
    assert "subscription" not in "\n".join(planned(connection, text(writes, "origin") + native).notes)


def test_a_word_that_is_unknown(connection: Connection) -> None:
    with pytest.raises(Exception, match='"replica" does not exist'):
        planned(connection, text("bulk", "replica"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_subscriber_judges_what_it_applies(
    connection: Connection,
    empty_dsn: str,
    empty_connection: Connection,
    apply: Apply,
    role: Callable[[str], str],
) -> None:
    publisher = empty_connection
    if publisher.execute("SHOW wal_level").fetchone() != ("logical",):
        pytest.skip("the server's wal_level is not logical")
    publisher.execute(TABLE)
    publisher.execute("CREATE PUBLICATION stats FOR TABLE feat.t WITH (publish_via_partition_root)")
    slot = f"slot_{os.getpid()}_{time.monotonic_ns()}"
    publisher.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
    connection.execute(TABLE)
    # Applied with the rights of this role, as a restricted operation since PostgreSQL 16.
    owner = role("owner")
    connection.execute(f"ALTER TABLE feat.t OWNER TO {owner}; GRANT USAGE ON SCHEMA feat TO {owner}".encode())
    connection.execute(f"ALTER TABLE feat.t_1 OWNER TO {owner}".encode())
    apply(text("stream"))
    publisher.execute("INSERT INTO feat.t (id, day, d) VALUES (0, '2026-01-05', -5)")
    where = psycopg.conninfo.make_conninfo(empty_dsn).replace("'", "''")
    connection.execute(
        f"""CREATE SUBSCRIPTION {slot} CONNECTION '{where}' PUBLICATION stats
            WITH (create_slot = false, slot_name = '{slot}', copy_data = false)""".encode()
    )
    try:
        ids = itertools.count(1)
        for column in "abce":
            publisher.execute(
                f"INSERT INTO feat.t (id, day, {column}) VALUES ({next(ids)}, '2026-01-05', -5)".encode()
            )
        until(
            lambda: (
                rows(connection, "SELECT id, e FROM feat.t WHERE id IN (3, 4) ORDER BY 1")
                == [(3, None), (4, 0)]
            )
        )
        assert rows(connection, "SELECT count(*) FROM pgslo.quarantine") == [(1,)]
        assert {name for (name,) in rows(connection, "SELECT rule FROM pgslo.incident")} >= {
            "r_warn",
            "r_rej",
        }
        assert [one.what for one in operations.find_drift(connection) if not one.is_hint] == []
        # The worker planned its conditions before the change.
        connection.execute(
            "DROP VIEW IF EXISTS guarded.t, guarded.t_strict, guarded.t_status, guarded.t_healthy"
        )
        connection.execute("ALTER TABLE feat.t ALTER b TYPE bigint")
        publisher.execute(f"INSERT INTO feat.t (id, day, b) VALUES ({next(ids)}, '2026-01-05', -7)".encode())
        until(lambda: rows(connection, "SELECT count(*) FROM pgslo.quarantine") == [(2,)])
        assert rows(connection, "SELECT DISTINCT b FROM feat.t") == [(None,)]
    finally:
        connection.execute(f"ALTER SUBSCRIPTION {slot} DISABLE".encode())
        connection.execute(f"ALTER SUBSCRIPTION {slot} SET (slot_name = NONE)".encode())
        connection.execute(f"DROP SUBSCRIPTION {slot}".encode())
        active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        until(lambda: publisher.execute(active, (slot,)).fetchone() == (False,))
        publisher.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
