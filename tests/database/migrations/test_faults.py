"""An apply or uninstall that is cut off at any statement leaves the database as it was, or as it was to be, and can be run again."""

from __future__ import annotations

import faulthandler
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.database import catalog_reader, installation, planning
from pgslo.errors import PgsloError

Connection = psycopg.Connection[Any]

#: Every kind of fault at every statement takes minutes: PGSLO_FAULTS=all. Else every fifth meets one, from a place that varies.
ALL = os.environ.get("PGSLO_FAULTS") == "all"
FAULTS = ("terminate", "cancel", "disconnect")

TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.country (code text PRIMARY KEY);
CREATE TABLE features.stats (id int PRIMARY KEY, day date, age int, country text, email text, score float8);
INSERT INTO features.country VALUES ('de');
INSERT INTO features.stats VALUES (1, '2026-11-24', 1, 'de', 'a', 0.5), (2, '2026-11-25', 1, 'de', 'b', 0.5);
"""
DEFINITION = """
table: features.stats
owner: sam
writes: bulk
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120, on_breach: quarantine}]
  country: [references: {table: features.country, column: code, on_breach: reject}, not_null: {on_breach: reject}]
  email: [unique: {on_breach: reject}]
  score: [repair: {clip: [0, 1]}]
"""
CATALOGS = (
    *("class", "attribute", "proc", "trigger", "namespace", "constraint", "type", "rewrite", "index"),
    *("description", "depend", "shdepend", "attrdef"),
)

pytestmark = pytest.mark.slow


class Failing(psycopg.Connection[Any]):
    """A connection on which something happens just before its n-th statement."""

    count = 0
    at = -1
    fault = ""

    def execute(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        if self.count == self.at:
            if self.fault == "disconnect":
                self.pgconn.finish()
            elif self.fault == "cancel":
                super().execute("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5)")
            else:
                super().execute("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)")
        return super().execute(*args, **options)


def snapshot(conn: Connection) -> set[str]:
    """Every row of the catalogues that say what a database is made of, and what transaction wrote it."""
    rows: set[str] = set()
    for name in CATALOGS:
        query = f"SELECT c.xmin::text || c::text FROM pg_catalog.pg_{name} c"
        rows |= {f"{name} {row[0]}" for row in conn.execute(query.encode())}
    return rows


def in_force(conn: Connection) -> tuple[str, ...]:
    return catalog_reader.definitions_installed(conn)


@pytest.fixture
def loaded() -> list[definition.Definition]:
    return [definition.load(DEFINITION, path="slos/stats.yml", kinds=definition.load_kinds({}))]


def cut_off(dsn: str, work: Callable[[Connection], object]) -> Iterator[tuple[str, int]]:
    """Do some work again and again, cut off some statements later each time, until it completes."""
    if ALL:
        faulthandler.cancel_dump_traceback_later()  # It takes longer than a test that hangs is given.
    stride = 1 if ALL else 12
    number = random.randint(1 - stride, 0)
    while True:
        number += stride
        for fault in FAULTS if ALL else (random.choice(FAULTS),):
            conn = Failing.connect(dsn, autocommit=True)
            conn.at, conn.fault = number, fault
            try:
                work(conn)
                done = conn.count < conn.at
            except (psycopg.Error, PgsloError):
                done = False
            finally:
                conn.close()
            if done:
                return
            yield fault, number


def test_an_apply_is_whole_or_nothing(
    empty_dsn: str, empty_connection: Connection, loaded: list[definition.Definition]
) -> None:
    conn = empty_connection
    conn.execute(TABLES)

    def plan() -> Any:
        return planning.plan_definitions(conn, loaded)

    def removal() -> Any:
        return planning.plan_removal(conn, ["features.stats"])

    def apply(conn: Connection) -> None:
        def plan() -> Any:
            return planning.plan_definitions(conn, loaded)

        if installation.apply(conn, plan(), plan):
            raise PgsloError("not finished")

    before = snapshot(conn)
    seen = {"before": 0, "after": 0}
    for fault, number in cut_off(empty_dsn, apply):
        _until_alone(conn)
        if snapshot(conn) == before:
            seen["before"] += 1
            continue
        # What one transaction holds is there as a whole; a further apply finishes what stands alone.
        assert in_force(conn) == ("features.stats",), (fault, number)
        left = plan()
        # An index that did not get its comment any more is made anew.
        assert {step.action for step in left.steps} <= {"finish", "create", "replace"}, (fault, number, left)
        assert {step.kind for step in left.steps} <= {"not_null", "foreign_key", "unique_index"}, (fault, number)  # fmt: skip
        with pytest.raises(psycopg.errors.IntegrityError):
            conn.execute("INSERT INTO features.stats VALUES (3, '2026-11-25', 1, 'xx', 'c', 0.5)")
        seen["after"] += 1
        assert installation.apply(conn, plan(), plan) == ()
        assert plan().empty
        installation.apply(conn, removal(), removal)
        installation.drop_runtime(conn)
        before = snapshot(conn)
    assert seen["before"] > (100 if ALL else 4)
    assert seen["after"] > (10 if ALL else 0)
    assert plan().empty


def test_an_uninstall_is_whole_or_nothing(
    dsn: str, connection: Connection, loaded: list[definition.Definition]
) -> None:
    conn = connection
    conn.execute(TABLES)

    def plan() -> Any:
        return planning.plan_definitions(conn, loaded)

    assert installation.apply(conn, plan(), plan) == ()
    conn.execute("INSERT INTO features.stats VALUES (3, '2026-11-25', 1, 'de', 'c', 0.5)")
    conn.execute("SELECT pgslo.tick()")

    def uninstall(conn: Connection) -> None:
        names = catalog_reader.definitions_installed(conn)
        installation.apply(
            conn, planning.plan_removal(conn, names), lambda: planning.plan_removal(conn, names)
        )
        installation.drop_runtime(conn)

    before = snapshot(conn)
    rows = conn.execute("SELECT * FROM features.stats ORDER BY id").fetchall()
    seen = {"before": 0, "after": 0}
    for fault, number in cut_off(dsn, uninstall):
        _until_alone(conn)
        assert conn.execute("SELECT * FROM features.stats ORDER BY id").fetchall() == rows
        if snapshot(conn) == before:
            seen["before"] += 1
            continue
        assert in_force(conn) == (), (fault, number)
        triggers = "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'pgslo%'"
        assert conn.execute(triggers).fetchall() == [], (fault, number)
        seen["after"] += 1
    assert seen["before"] > (90 if ALL else 3)
    schemas = conn.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^(pgslo|guarded)'").fetchall()
    assert schemas == []


def test_a_migration_is_whole_or_nothing(empty_dsn: str, empty_connection: Connection) -> None:
    before = snapshot(empty_connection)
    count = 0
    for _ in cut_off(empty_dsn, installation.migrate):
        _until_alone(empty_connection)
        if snapshot(empty_connection) != before:
            break  # all that was cut off is that the lock was given back
        count += 1
    assert count > (60 if ALL else 4)
    assert installation.migrate(empty_connection) is False


def _until_alone(conn: Connection) -> None:
    """Wait until the server noticed that the others disconnected."""
    for _ in range(500):
        found = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
        if found == (0,):
            return
        conn.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("somebody else is still connected")
