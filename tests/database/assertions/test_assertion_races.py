"""Many clients at once, groups in any order, at each isolation level: no breach of an assertion is ever committed.

Each client changes its own rows in groups that it shares with all others, two groups a transaction in random order, so
that no deadlock is of its own making. A session of its own looks from outside, all the time, for groups that break the
assertion. ``PGSLO_ASSERT_SECONDS=60 PGSLO_ASSERT_CLIENTS=16`` runs it for long; the seed is printed when it fails.
"""

from __future__ import annotations

import collections
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from pgslo import definition
from pgslo.database import installation, planning

pytestmark = pytest.mark.slow

#: Without being asked for long, each form at a mix of all levels.
IS_LONG = "PGSLO_ASSERT_SECONDS" in os.environ
SECONDS = float(os.environ.get("PGSLO_ASSERT_SECONDS", "1"))
CLIENTS = int(os.environ.get("PGSLO_ASSERT_CLIENTS", "8"))
SEED = int(os.environ.get("PGSLO_FUZZ_SEED", "18"))
GROUPS = 8
LEVELS = {
    "read committed": (IsolationLevel.READ_COMMITTED,),
    "repeatable read": (IsolationLevel.REPEATABLE_READ,),
    "serializable": (IsolationLevel.SERIALIZABLE,),
    "mixed": (
        IsolationLevel.READ_COMMITTED,
        IsolationLevel.REPEATABLE_READ,
        IsolationLevel.SERIALIZABLE,
    ),
}

TABLES = """
CREATE SCHEMA ml;
CREATE TABLE ml.here (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, g int, owner int, v int DEFAULT 0, t int DEFAULT 0, e int, active boolean DEFAULT false);
CREATE INDEX ON ml.here (g);
CREATE TABLE ml.there (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, g int NOT NULL, owner int, v int DEFAULT 0);
CREATE INDEX ON ml.there (g);
CREATE TABLE ml.parent (g int PRIMARY KEY, owner int);
ALTER TABLE ml.here ALTER g SET NOT NULL;
"""

Act = Callable[[Any, random.Random, int, int], None]


def acts(*statements: str) -> Act:
    """One of some statements, with ``{g}``, ``{me}`` and some numbers put in; a client's rows are its own."""

    def act(conn: psycopg.Connection[Any], rng: random.Random, me: int, g: int) -> None:
        text = rng.choice(statements).format(
            g=g, me=me, v=rng.randint(1, 2), t=rng.randint(0, 50), n=rng.randint(1, 9)
        )
        for one in text.split(";"):
            conn.execute(one.encode())

    return act


MINE = "DELETE FROM ml.here WHERE g = {g} AND owner = {me}"
MINE_THERE = "DELETE FROM ml.there WHERE g = {g} AND owner = {me}"
HERE = "INSERT INTO ml.here (g, owner) VALUES ({g}, {me})"
THERE = "INSERT INTO ml.there (g, owner) VALUES ({g}, {me})"


@dataclass(frozen=True)
class Workload:
    """A form, what clients do to it, and the query for what breaks it.

    Attributes:
        native: Whether a constraint holds it: then PostgreSQL's own ends one of two that wait for each other.
    """

    assertion: str
    act: Act
    broken: str
    native: bool = False


WORKLOADS = {
    "all_equal": Workload(
        "{all_equal: v, group_by: g",
        acts("INSERT INTO ml.here (g, owner, v) VALUES ({g}, {me}, {v})", MINE),
        "SELECT g FROM ml.here GROUP BY g HAVING count(DISTINCT v) > 1",
    ),
    "all_equal_native": Workload(
        "{all_equal: v, group_by: g, deferred: false",
        acts("INSERT INTO ml.here (g, owner, v) VALUES ({g}, {me}, {v})", MINE),
        "SELECT g FROM ml.here GROUP BY g HAVING count(DISTINCT v) > 1",
        native=True,
    ),
    "all_equal_of_some": Workload(
        "{all_equal: v, where: active",
        acts("INSERT INTO ml.here (g, owner, v, active) VALUES ({g}, {me}, {v}, true)", MINE, HERE),
        "SELECT 1 FROM ml.here WHERE active HAVING count(DISTINCT v) > 1",
    ),
    "at_most_one": Workload(
        "{at_most_one: row, where: active, group_by: g, deferred: true",
        acts("INSERT INTO ml.here (g, owner, active) VALUES ({g}, {me}, true)", MINE, HERE,
             "UPDATE ml.here SET active = NOT active WHERE g = {g} AND owner = {me}"),
        "SELECT g FROM ml.here WHERE active GROUP BY g HAVING count(*) > 1",
    ),
    "at_most_one_native": Workload(
        "{at_most_one: row, where: active, group_by: g",
        acts("INSERT INTO ml.here (g, owner, active) VALUES ({g}, {me}, true)", MINE, HERE),
        "SELECT g FROM ml.here WHERE active GROUP BY g HAVING count(*) > 1",
        native=True,
    ),
    "exactly_one": Workload(
        "{exactly_one: row, where: active, group_by: g",
        acts("INSERT INTO ml.here (g, owner, active) VALUES ({g}, {me}, true)", MINE, HERE,
             "UPDATE ml.here SET active = NOT active WHERE g = {g} AND owner = {me}"),
        "SELECT g FROM ml.here GROUP BY g HAVING count(*) FILTER (WHERE active) <> 1",
    ),
    "count": Workload(
        "{count: {min: 1, max: 3}, where: active, group_by: g",
        acts("INSERT INTO ml.here (g, owner, active) VALUES ({g}, {me}, true)", MINE, HERE,
             "UPDATE ml.here SET active = NOT active WHERE g = {g} AND owner = {me}"),
        "SELECT g FROM ml.here GROUP BY g HAVING count(*) FILTER (WHERE active) NOT BETWEEN 1 AND 3",
    ),
    "adds_up_to": Workload(
        "{adds_up_to: {column: v, total: 100}, group_by: g",
        acts("INSERT INTO ml.here (g, owner, v) VALUES ({g}, {me}, 60);INSERT INTO ml.here (g, owner, v) VALUES ({g}, {me}, 40)",
             "INSERT INTO ml.here (g, owner, v) VALUES ({g}, {me}, {n});INSERT INTO ml.here (g, owner, v) VALUES ({g}, {me}, -{n})",
             MINE),
        "SELECT g FROM ml.here GROUP BY g HAVING sum(v) <> 100",
    ),
    "exists_for_each": Workload(
        "{exists_for_each: {table: ml.there, on: g}",
        acts(HERE, THERE, MINE, MINE_THERE),
        "SELECT o.g FROM ml.there o WHERE NOT EXISTS (SELECT FROM ml.here r WHERE r.g = o.g)",
    ),
    "none_without": Workload(
        "{none_without: {table: ml.there, on: g}",
        acts(HERE, THERE, MINE, MINE_THERE),
        "SELECT r.g FROM ml.here r WHERE NOT EXISTS (SELECT FROM ml.there o WHERE r.g = o.g)",
    ),
    "none_without_native": Workload(
        "{none_without: {table: ml.parent, on: g}",
        acts(HERE, "INSERT INTO ml.parent VALUES ({g}, {me}) ON CONFLICT DO NOTHING", MINE,
             "DELETE FROM ml.parent WHERE g = {g} AND owner = {me}"),
        "SELECT r.g FROM ml.here r WHERE NOT EXISTS (SELECT FROM ml.parent o WHERE r.g = o.g)",
        native=True,
    ),
    "no_overlap": Workload(
        "{no_overlap: {from: t, to: e}, group_by: g, deferred: true",
        acts("INSERT INTO ml.here (g, owner, t, e) VALUES ({g}, {me}, {t}, {t} + {n})", MINE),
        "SELECT a.g FROM ml.here a JOIN ml.here b ON a.g = b.g AND a.id < b.id AND a.t < b.e AND b.t < a.e",
    ),
    "no_overlap_native": Workload(
        "{no_overlap: {from: t, to: e}, group_by: g",
        acts("INSERT INTO ml.here (g, owner, t, e) VALUES ({g}, {me}, {t}, {t} + {n})", MINE),
        "SELECT a.g FROM ml.here a JOIN ml.here b ON a.g = b.g AND a.id < b.id AND a.t < b.e AND b.t < a.e",
        native=True,
    ),
    "monotonic": Workload(
        "{monotonic: {column: v, order: t}, group_by: g",
        acts("INSERT INTO ml.here (g, owner, t, v) VALUES ({g}, {me}, {t}, {t} / 5 + {v})", MINE),
        "SELECT a.g FROM ml.here a JOIN ml.here b ON a.g = b.g AND a.t < b.t AND a.v > b.v",
    ),
    "same_as": Workload(
        "{same_as: {table: ml.there, on: g, columns: v}",
        acts("INSERT INTO ml.here (g, owner, v) VALUES ({g}, {me}, {v})", "INSERT INTO ml.there (g, owner, v) VALUES ({g}, {me}, {v})",
             MINE, MINE_THERE),
        "SELECT r.g FROM ml.here r JOIN ml.there o ON r.g = o.g AND r.v <> o.v",
    ),
    "sql": Workload(
        '{sql: "SELECT r.g FROM ml.here r LEFT JOIN ml.there o ON o.g = r.g WHERE o.g IS NULL", group_by: g',
        acts(HERE, THERE, MINE, MINE_THERE),
        "SELECT r.g FROM ml.here r WHERE NOT EXISTS (SELECT FROM ml.there o WHERE r.g = o.g)",
    ),
    "sql_whole": Workload(
        '{sql: "SELECT count(*) FROM ml.here r HAVING count(*) > 20"',
        acts(HERE, MINE),
        "SELECT 1 FROM ml.here HAVING count(*) > 20",
    ),
}  # fmt: skip


@dataclass
class Tally:
    """The outcomes of the transactions of all clients."""

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    breaches: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcomes: collections.Counter[str]) -> None:
        with self.lock:
            self.outcomes += outcomes


def guard(conn: psycopg.Connection[Any], workload: Workload) -> None:
    conn.execute(TABLES.encode())
    if workload.native:
        conn.execute("CREATE EXTENSION btree_gist")
    text = f"table: ml.here\nowner: sam\nwatch: false\nassertions:\n  - it: {workload.assertion}, on_breach: reject}}\n"
    loaded = [definition.load(text, path="x.yml")]

    def plan():
        return planning.plan_definitions(conn, loaded)

    made = plan()
    ((_, (choice,)),) = made.choices
    assert (choice.mechanism == "native") == workload.native, choice.reason
    assert installation.apply(conn, made, plan) == ()


def client(
    dsn: str, workload: Workload, levels: tuple[IsolationLevel, ...], me: int, until: float, tally: Tally
) -> None:
    rng = random.Random(f"{SEED} {me}")
    outcomes: collections.Counter[str] = collections.Counter()
    with psycopg.connect(dsn) as conn:
        while time.monotonic() < until:
            conn.isolation_level = rng.choice(levels)
            try:
                with conn.transaction():
                    for g in rng.sample(range(GROUPS), 2):
                        workload.act(conn, rng, me, g)
                        if rng.random() < 0.2:
                            time.sleep(0.002)
                outcomes["committed"] += 1
            except psycopg.errors.IntegrityError:
                outcomes["refused"] += 1
            except psycopg.errors.SerializationFailure:
                outcomes["40001"] += 1
            except psycopg.errors.DeadlockDetected:
                outcomes["deadlock"] += 1
    tally.add(outcomes)


def look(dsn: str, workload: Workload, until: float, tally: Tally) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        while time.monotonic() < until:
            tally.breaches += conn.execute(workload.broken.encode()).fetchall()
            time.sleep(0.02)


def race(dsn, workload, levels):
    """Run all clients, and an observer."""
    tally = Tally()
    until = time.monotonic() + SECONDS
    threads = [
        threading.Thread(target=client, args=(dsn, workload, levels, me, until, tally))
        for me in range(CLIENTS)
    ]
    threads.append(threading.Thread(target=look, args=(dsn, workload, until, tally)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


@pytest.mark.parametrize("level", LEVELS if IS_LONG else ["mixed"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_no_breach_is_committed(make_database, name, level):
    workload = WORKLOADS[name]
    with make_database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            guard(conn, workload)
        tally = race(dsn, workload, LEVELS[level])
        with psycopg.connect(dsn, autocommit=True) as conn:
            tally.breaches += conn.execute(workload.broken.encode()).fetchall()
            left = (
                (0,)
                if workload.native
                else conn.execute("SELECT count(*) FROM pgslo_gen.ml__here__touched").fetchone()
            )
        sys.stdout.write(
            f"\n{name} | {level} | {CLIENTS} clients {SECONDS:g} s | {dict(tally.outcomes)} | breaches {len(tally.breaches)} | left {left}\n"
        )
        assert tally.breaches == [], f"seed {SEED}"
        assert left == (0,)
        assert tally.outcomes["committed"] > 0
        if not workload.native:
            assert tally.outcomes["deadlock"] == 0, f"seed {SEED}: {tally.outcomes}"


#: After the look, before the commit: what nobody sees there is what the guard rows are for.
PAUSE = """
CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER zz_pause AFTER INSERT ON pgslo_gen.ml__here__touched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.pause();
"""
NO_TURNS = """
CREATE OR REPLACE FUNCTION pgslo_catalog.take_turn(check_function text, bucket integer) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
DELETE FROM pgslo_catalog.assertion_guard;
"""


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])
def test_without_guard_rows_breaches_are_committed(make_database, level):
    """The race is real: the same clients break the assertion once they take no turns."""
    workload = WORKLOADS["adds_up_to"]
    breaches = []
    for _ in range(10):
        with make_database() as dsn:
            with psycopg.connect(dsn, autocommit=True) as conn:
                guard(conn, workload)
                conn.execute((PAUSE + NO_TURNS).encode())
            breaches += race(dsn, workload, LEVELS[level]).breaches
            if breaches:
                break
    assert breaches
