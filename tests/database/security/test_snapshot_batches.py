"""A snapshot names batches as missed batches are named, holds no bad rows of batches without an order, and the gate checks who gave its rows."""

from __future__ import annotations

from typing import Any

import pytest

#: As conftest.py has it.
World = Any

DEFINITION = """
table: features.t
key: [id]
writes: bulk
batch: {by: k}
readers: [$reader, $trainer]
columns:
  a: [range: {min: 0, max: 100, on_breach: warn}]
tasks:
  train: {reads: [a], gate: {batches: 1, training: snap}}
"""
SCENE = """
CREATE TABLE features.t (id int PRIMARY KEY, k %s, a int);
GRANT INSERT, UPDATE, DELETE, SELECT ON features.t TO $writer;
GRANT USAGE ON SCHEMA features TO $trainer;
"""
KEYS = {
    "numeric(10,2)": ("5", "6"),
    "numeric": ("5.10", "6.00"),
    "smallint": ("5", "6"),
    "real": ("'0.1'", "'0.2'"),
    "double precision": ("0.1", "0.30000000000000004"),
    "date": ("'2026-01-01'", "'2026-01-02'"),
    "timestamptz": ("'2026-01-01 03:00+02'", "'2026-01-02'"),
    "time": ("'03:00'", "'04:00'"),
}


@pytest.fixture
def filled(world):
    def fill(kind, *rows, policy=""):
        world.run("installer", SCENE % kind + policy)
        world.apply(DEFINITION)
        for row in rows:
            world.run("writer", f"INSERT INTO features.t VALUES {row}")
        tick(world)

    return fill


def tick(world: World) -> None:
    for _ in range(2):
        world.run("operator", "SELECT pgslo.tick()")


def training(world: World, part: str = "trainer") -> list[tuple[bool, str]]:
    """Whether the snapshot of the gate is ready, and why."""
    return world.run(part, "SELECT is_ready, said FROM pgslo.readiness('train') WHERE about = 'training'")


@pytest.mark.parametrize("kind", KEYS)
def test_the_gate_finds_an_unhealthy_batch_whatever_the_type_of_its_key(world, filled, kind):
    first, second = KEYS[kind]
    filled(kind, f"(1, {first}, 1), (2, {first}, 2)", f"(3, {second}, 1)")
    world.run("trainer", "SELECT pgslo.create_snapshot('snap', 'guarded', 't')")
    assert [ready for ready, _ in training(world)] == [True]
    world.run("writer", f"UPDATE features.t SET a = -1 WHERE k = {first}")
    world.run("writer", f"INSERT INTO features.t VALUES (4, {second}, 1)")
    tick(world)
    ((ready, said),) = training(world)
    assert not ready
    assert "holds 1 unhealthy batch" in said
    # The names are those of missed batches, wherever pgslo reads them from the table.
    assert set(world.run("superuser", "SELECT batch FROM pgslo_catalog.snapshot_batch")) == set(
        world.run("superuser", "SELECT batch FROM pgslo.history('features.t')")
    )
    assert world.run(
        "superuser",
        """SELECT count(*) FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.snapshot_batch b USING (batch)""",
    ) == [(1,)]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date", "NULL", "'infinity'"),
        ("date", "'-infinity'", "'infinity'"),
        ("timestamptz", "'infinity'", "NULL"),
        ("float8", "'NaN'", "'Infinity'"),
        ("float8", "NULL", "'NaN'"),
        ("numeric", "'NaN'", "NULL"),
    ],
)
def test_a_healthy_snapshot_holds_no_bad_rows_of_batches_without_an_order(world, filled, kind, good, bad):
    key = "5" if kind in ("float8", "numeric") else "'2026-01-01'"
    filled(kind, f"(1, {key}, 1), (2, {good}, 2)", f"(3, {bad}, -9)")
    world.run("operator", "SELECT pgslo.close_batch('features.t')")
    tick(world)
    world.run("trainer", "SELECT pgslo.create_snapshot('snap', 'guarded', 't', healthy_only => true)")
    assert world.run("superuser", "SELECT id FROM pgslo_snapshot.snap ORDER BY id") == [(1,), (2,)]
    assert [ready for ready, _ in training(world)] == [True]
    # With a condition, the trainer reads the view.
    world.run(
        "trainer", "SELECT pgslo.create_snapshot('chosen', 'guarded', 't', 'id > 1', healthy_only => true)"
    )
    assert world.run("superuser", "SELECT id FROM pgslo_snapshot.chosen") == [(2,)]


def test_a_reference_reads_no_other_batch_without_an_order(world, filled):
    filled("date", "(1, '2026-01-01', 1), (2, NULL, 2)")
    world.run("trainer", "SELECT pgslo.create_snapshot('snap', 'guarded', 't', as_reference => true)")
    world.run("writer", "INSERT INTO features.t VALUES (3, 'infinity', 3)")
    ((query,),) = world.run("trainer", "SELECT pgslo.snapshot_query('snap')")
    assert world.run("trainer", f"SELECT s.id FROM ({query}) AS s ORDER BY 1") == [(1,), (2,)]
    assert world.run("trainer", "SELECT * FROM pgslo.verify_snapshot('snap')") == []


def test_the_gate_does_not_take_rows_that_another_role_gave(world, filled):
    if world.admin.info.server_version < 150000:
        pytest.skip("row security needs PostgreSQL 15 or newer")
    filled(
        "date",
        "(1, '2026-01-01', 1), (2, '2026-01-01', 2), (3, '2026-01-02', 1)",
        policy="ALTER TABLE features.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON features.t USING (true)",
    )
    forger = world.session("trainer")
    forger.execute("BEGIN")
    forger.execute("SELECT pgslo.begin_snapshot('snap', 'guarded', 't', NULL, false, true)")
    forger.execute("INSERT INTO pgslo_snapshot.snap VALUES (99, '2026-01-01', -1000)")
    forger.execute("SELECT pgslo.seal_snapshot('snap')")
    forger.execute("COMMIT")
    ((ready, said),) = training(world, "reader")
    assert not ready
    assert world.names["trainer"] in said
    # Who took it knows what is in it.
    assert [ready for ready, _ in training(world)] == [True]


def test_a_snapshot_without_rows_is_not_ready(world, filled):
    filled("date", "(1, '2026-01-01', 1)")
    world.run("trainer", "SELECT pgslo.create_snapshot('snap', 'guarded', 't', 'false')")
    assert training(world) == [(False, 'snapshot "snap" has no rows')]


def test_the_gate_says_who_took_a_snapshot_and_that_it_has_a_condition(world, filled):
    filled("date", "(1, '2026-01-01', 1), (2, '2026-01-01', 2)")
    world.run("trainer", "SELECT pgslo.create_snapshot('snap', 'guarded', 't', 'id = 1')")
    ((ready, said),) = training(world)
    assert ready
    assert said.startswith('snapshot "snap": 1 row up to batch 2026-01-01 with a condition, taken ')
    assert said.endswith(" UTC")
    ((_, said),) = training(world, "reader")
    assert said.endswith(f" UTC by {world.names['trainer']}")
