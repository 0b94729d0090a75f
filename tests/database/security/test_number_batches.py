"""Batches by real, double precision and very long numbers are named so that their rows are found again."""

from __future__ import annotations

from typing import Any

import pytest

#: As conftest.py has it.
World = Any

DEFINITION = """
table: features.t
key: [id]
writes: {writes}
batch: {{by: k}}
readers: [$reader]
watch: false
columns:
  a: [range: {{min: 0, max: 100, on_breach: warn}}]
rules:
  - many: {{row_count: {{min: 2}}}}
"""
SCENE = """
CREATE TABLE features.t (id int PRIMARY KEY, k %s, a int);
CREATE INDEX ON features.t (k);
GRANT INSERT, UPDATE, DELETE, SELECT ON features.t TO $writer;
"""
PARTS = """
CREATE TABLE features.t (id int, k %s, a int) PARTITION BY LIST (id);
CREATE TABLE features.t1 PARTITION OF features.t FOR VALUES IN (1, 2, 3, 4);
CREATE TABLE features.t2 (LIKE features.t);
GRANT INSERT, UPDATE, DELETE, SELECT ON features.t, features.t2 TO $writer;
"""
#: A numeric whose name is cut.
LONG = "1e300::numeric + 7"


def tick(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.run("operator", "SELECT pgslo.tick()")


def warned(world: World) -> bool:
    session = world.session("reader")
    said: list[str] = []
    session.add_notice_handler(lambda notice: said.append(notice.message_primary))
    session.execute("SELECT a FROM guarded.t WHERE a < 0")
    assert not any("no longer" in one for one in said), said
    return 'column "a" of features.t misses rule "a_range"' in said


def missed(world: World) -> list[tuple[str, str | None]]:
    return world.run(
        "superuser",
        """SELECT left(m.batch, 20), m.ended_as FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)
           WHERE r.name = 'a_range' ORDER BY m.missed_id""",
    )


def breaks(world: World) -> list[tuple[str, str]]:
    return world.run("superuser", "SELECT left(batch, 20), said FROM pgslo_catalog.rule_break")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(
    ("kind", "near", "key", "name"),
    [
        ("double precision", "0.3", "0.30000000000000004", "0.30000000000000004"),
        ("double precision", "1", "-0.0", "0"),
        ("double precision", "1", "1e300", "1e+300"),
        ("double precision", "1", "1e-300", "1e-300"),
        ("real", "16777216", "16777218", "1.6777218e+07"),
        ("numeric", "1", LONG, "1000000000000000000000000"[:20]),
    ],
)
def test_a_bad_row_stays_missed_when_a_near_one_is_removed(world, writes, kind, near, key, name):
    world.run("installer", SCENE % kind)
    world.run("installer", f"INSERT INTO features.t VALUES (1, {near}, -1)")
    world.apply(DEFINITION.format(writes=writes))
    tick(world, 1)
    world.run("writer", f"INSERT INTO features.t VALUES (2, {key}, -5)")
    assert missed(world) == [(name, None)]
    world.run("writer", "DELETE FROM features.t WHERE id = 1")
    tick(world)
    # In a loaded table, the removal tells of the bad row from before apply as well.
    assert (name, None) in missed(world)
    assert warned(world)
    assert breaks(world) == []
    # What is removed ends.
    world.run("writer", "DELETE FROM features.t WHERE id = 2")
    tick(world)
    if writes == "bulk":
        assert (name, "removed") in missed(world)
    assert breaks(world) == []


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("double precision", "(11, 0.30000000000000004, -7)"),
        ("double precision", "(11, 1e300, 7), (12, 5, -7)"),
        ("double precision", "(11, 1e300, -7)"),
        ("numeric", f"(11, {LONG}, 7), (12, 5, -7)"),
        ("numeric", f"(11, {LONG}, -7)"),
    ],
)
def test_attached_rows_are_evaluated(world, writes, kind, rows):
    world.run("installer", PARTS % kind)
    world.apply(DEFINITION.format(writes=writes))
    world.run("writer", "INSERT INTO features.t VALUES (1, 4, 1), (2, 5, 1)")
    tick(world, 2)
    world.run("writer", f"INSERT INTO features.t2 VALUES {rows}")
    world.run("installer", "ALTER TABLE features.t ATTACH PARTITION features.t2 FOR VALUES IN (11, 12)")
    tick(world)
    assert [ended for _, ended in missed(world)] == [None]
    assert warned(world)
    assert breaks(world) == []


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("kind", ["numeric", "double precision"])
def test_a_long_number_stops_no_rule_about_batches(world, writes, kind):
    world.run("installer", SCENE % kind)
    world.apply(DEFINITION.format(writes=writes))
    world.run("writer", "INSERT INTO features.t VALUES (1, 5, 1), (2, 5, 1)")
    tick(world, 1)
    world.run("writer", f"INSERT INTO features.t VALUES (3, {LONG if kind == 'numeric' else '-1e300'}, 1)")
    tick(world, 1)
    world.run("writer", "INSERT INTO features.t VALUES (4, 6, 1)")
    world.run("writer", "INSERT INTO features.t VALUES (5, 7, 1), (6, 7, 1)")
    tick(world, 2)
    assert ("6", "missed") in world.run(
        "superuser", "SELECT batch, verdict FROM pgslo.verdict WHERE rule = 'many'"
    )
    assert breaks(world) == []
