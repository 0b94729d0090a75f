"""A publisher brings no rows into pgslo's own tables, whatever it publishes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from pgslo.database import operations

World = Any
Connection = psycopg.Connection[Any]

DEFINITION = """
table: features.t
key: [id]
writes: stream
fires: always
batch: {by: day}
columns: {a: [range: {min: 0, on_breach: flag}]}
readers: [$trainer]
assertions: [same: {all_equal: a, group_by: id, on_breach: reject}]
"""
TABLE = "CREATE TABLE features.t (id int PRIMARY KEY, day date, a int)"
#: A table of pgslo as the publisher has it, with the columns of this one, so that all of them are replaced.
#: Rows of a snapshot, and groups of an assertion, which are on no disk of this database for long.
OTHERS = """
CREATE SCHEMA pgslo_snapshot;
CREATE TABLE pgslo_snapshot.kept (id int, day date, a int);
ALTER TABLE pgslo_snapshot.kept REPLICA IDENTITY FULL;
INSERT INTO pgslo_snapshot.kept SELECT n, '2026-01-01', n FROM generate_series(101, 103) n;
CREATE SCHEMA pgslo_gen;
CREATE TABLE pgslo_gen.features__t__touched (xid xid8, assertion text, keys text[], buckets integer[])
"""
COLUMNS = """
SELECT string_agg(format('%I %s', attname, CASE WHEN typtype = 'b' AND typnamespace = 'pg_catalog'::regnamespace AND typname NOT LIKE 'reg%'
                                           THEN format_type(atttypid, atttypmod) ELSE 'text' END), ', ' ORDER BY attnum)
FROM pg_attribute JOIN pg_type t ON t.oid = atttypid WHERE attrelid = 'pgslo_catalog.definition'::regclass AND attnum > 0
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def publisher(
    world: World, make_database: Callable[..., AbstractContextManager[str]]
) -> Iterator[Connection]:
    """A database that publishes all of its tables to that of ``world``, one of them called like one of pgslo's."""
    if world.admin.execute("SHOW wal_level").fetchone() != ("logical",):
        pytest.skip("the server's wal_level is not logical")
    world.run("installer", f"{TABLE}; CREATE INDEX ON features.t (day); CREATE INDEX ON features.t (id, a)")
    world.apply(DEFINITION)
    world.run(
        "installer", "INSERT INTO features.t SELECT n, '2026-01-01', n FROM generate_series(101, 103) n"
    )
    world.run(
        "installer", "GRANT SELECT ON features.t TO $trainer; GRANT USAGE ON SCHEMA features TO $trainer"
    )
    world.run("trainer", "SELECT pgslo.create_snapshot('kept', 'guarded', 't')")
    (columns,) = world.admin.execute(COLUMNS).fetchone()
    name = f"hostile_{os.getpid()}_{time.monotonic_ns()}"
    with make_database(template="template0") as dsn, psycopg.connect(dsn, autocommit=True) as session:
        session.execute(f"CREATE SCHEMA features; {TABLE}; CREATE SCHEMA pgslo_catalog".encode())
        session.execute(
            f"CREATE TABLE pgslo_catalog.definition ({columns}, PRIMARY KEY (definition_id))".encode()
        )
        session.execute("INSERT INTO pgslo_catalog.definition (definition_id, name) VALUES (1, 'features.t')")
        session.execute(OTHERS.encode())
        session.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        session.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
        where = psycopg.conninfo.make_conninfo(dsn).replace("'", "''")
        world.admin.execute(
            f"""CREATE SUBSCRIPTION {name} CONNECTION '{where}' PUBLICATION everything
                WITH (create_slot = false, slot_name = '{name}', copy_data = false)""".encode()
        )
        try:
            yield session
        finally:
            world.admin.execute(f"ALTER SUBSCRIPTION {name} DISABLE".encode())
            world.admin.execute(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)".encode())
            world.admin.execute(f"DROP SUBSCRIPTION {name}".encode())
            free = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
            until(lambda: session.execute(free, (name,)).fetchone() == (False,))
            session.execute("SELECT pg_drop_replication_slot(%s)", (name,))


def test_a_publisher_does_not_write_the_registry(world: World, publisher: Connection) -> None:
    before = world.run("superuser", "TABLE pgslo_catalog.definition")
    publisher.execute("UPDATE pgslo_catalog.definition SET owner = 'forged', batch_by = 'evil.f()'")
    publisher.execute("INSERT INTO pgslo_catalog.definition (definition_id, name) VALUES (99, 'forged')")
    publisher.execute("DELETE FROM pgslo_catalog.definition WHERE definition_id = 1")
    publisher.execute("INSERT INTO features.t VALUES (1, '2026-01-01', -1)")
    # Rows of the guarded table, which came later, are applied and evaluated.
    until(lambda: world.run("superuser", "SELECT rule FROM pgslo.incident") == [("a_range",)])
    assert world.run("superuser", "TABLE pgslo_catalog.definition") == before


def test_a_publisher_changes_no_snapshot_and_leaves_no_group(world: World, publisher: Connection) -> None:
    before = world.run("trainer", "SELECT * FROM pgslo_snapshot.kept ORDER BY id")
    assert len(before) == 3
    publisher.execute("UPDATE pgslo_snapshot.kept SET a = 666 WHERE id = 101")
    publisher.execute("DELETE FROM pgslo_snapshot.kept WHERE id = 102")
    publisher.execute("INSERT INTO pgslo_snapshot.kept VALUES (99, '2026-01-01', 99)")
    publisher.execute("INSERT INTO pgslo_gen.features__t__touched VALUES ('7', 'forged', '{x}', '{1}')")
    publisher.execute("INSERT INTO features.t VALUES (1, '2026-01-01', -1)")
    until(lambda: world.run("superuser", "SELECT rule FROM pgslo.incident") == [("a_range",)])
    assert world.run("trainer", "SELECT * FROM pgslo_snapshot.kept ORDER BY id") == before
    assert world.run("trainer", "SELECT * FROM pgslo.verify_snapshot('kept')") == []
    assert world.run("superuser", "SELECT * FROM pgslo_gen.features__t__touched") == []
    # It is found if the trigger is switched off.
    world.run("superuser", "ALTER TABLE pgslo_snapshot.kept DISABLE TRIGGER pgslo_leave_out_change")
    assert [one for one in operations.find_drift(world.admin) if "kept" in one.thing]


def test_drift_names_the_subscription(world: World, publisher: Connection) -> None:
    del publisher
    found = [one for one in operations.find_drift(world.admin) if one.what == "replicated"]
    assert [one.definition for one in found] == ["pgslo"]
    assert "pgslo_catalog.definition" in found[0].said


def test_a_session_that_fires_replica_triggers_alone_may_write_them(world: World) -> None:
    """As pgslo's owner does who ticks in such a session."""
    world.run("superuser", "SET session_replication_role = replica")
    world.run("superuser", "UPDATE pgslo_catalog.runtime SET version = version || '.1'")
    assert world.run("superuser", "SELECT version LIKE '%.1' FROM pgslo_catalog.runtime") == [(True,)]
    world.run("superuser", "RESET session_replication_role")


@pytest.mark.parametrize(
    ("code", "refused"), [("54001", False), ("22003", False), ("40P01", True), ("53100", True)]
)
def test_what_passes_is_tried_again_by_a_subscription(world: World, code: str, refused: bool) -> None:
    """An apply worker retries what fails; only what fails each time would end replication."""
    with psycopg.connect(
        world.admin.info.dsn, password=world.admin.info.password, autocommit=True
    ) as applying:
        applying.execute("SET session_replication_role = replica")
        call = "SELECT pgslo_catalog.refuse_unrecorded('features.t', %s)"
        if refused:
            with pytest.raises(psycopg.Error) as caught:
                applying.execute(call, [code])
            assert caught.value.sqlstate == code
        else:
            applying.execute(call, [code])
