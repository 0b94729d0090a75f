"""An apply that gives batches another key hides nothing that is missed: readers are warned until all rows were evaluated again."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.compile.definition import compile_definition
from pgslo.database import catalog_reader

#: As conftest.py has it.
World = Any

SCENE = """
CREATE TABLE features.t (id int PRIMARY KEY, day date, other date, number int, name text, at timestamptz, a int);
CREATE INDEX ON features.t (day);
GRANT INSERT, UPDATE, DELETE, SELECT ON features.t TO $writer;
"""
DEFINITION = """
table: features.t
key: [id]
writes: {writes}
batch: {batch}
readers: [$reader]
columns:
  a: [range: {{min: 0, max: 100, on_breach: warn}}]
"""
ROWS = """
INSERT INTO features.t VALUES
    (1, '2026-01-20', '2026-01-01', 7, 'x', '2026-01-20 05:00+00', -5),
    (2, '2026-01-20', '2026-01-20', 8, 'y', '2026-01-20 06:00+00', 5)
"""


def read(world: World) -> tuple[list[int], list[str]]:
    session = world.session("reader")
    said: list[str] = []
    session.add_notice_handler(lambda notice: said.append(notice.message_primary))
    return [a for (a,) in session.execute("SELECT a FROM guarded.t WHERE a < 0").fetchall()], said


def healthy(world: World) -> list[int] | None:
    """Rows of the view of healthy rows, or None where it refuses."""
    try:
        return [a for (a,) in world.run("reader", "SELECT a FROM guarded.t_healthy ORDER BY a")]
    except psycopg.DatabaseError:
        return None


def missed(world: World) -> list[tuple[str, str | None]]:
    return world.run("superuser", "SELECT batch, ended_as FROM pgslo_catalog.missed_batch ORDER BY missed_id")


KEYS = [
    ("{by: day}", "{by: other}", "2026-01-01"),
    ("{by: day}", "{by: number}", "7"),
    ("{by: number}", "{by: day}", "2026-01-20"),
    ("{by: at, every: 1 day}", "{by: at, every: 1 hour}", "2026-01-20T05:00:00+00:00"),
    ("{by: day}", "{by: name}", None),
    ("{by: name}", "{by: day}", "2026-01-20"),
]


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(("before", "after", "name"), KEYS)
def test_missed_rows_are_told_of_by_their_new_batches(world, writes, before, after, name):
    world.run("installer", SCENE)
    world.apply(DEFINITION.format(writes=writes, batch=before))
    world.run("writer", ROWS)
    world.run("operator", "SELECT pgslo.tick()")
    assert read(world) == ([-5], ['column "a" of features.t misses rule "a_range"'])
    world.apply(DEFINITION.format(writes=writes, batch=after))
    # Before tick() no row tells whether it is meant: all do.
    rows, said = read(world)
    assert rows == [-5]
    assert 'column "a" of features.t misses rule "a_range"' in said
    assert not healthy(world)
    for _ in range(3):
        world.run("operator", "SELECT pgslo.tick()")
    assert read(world) == ([-5], ['column "a" of features.t misses rule "a_range"'])
    (former, ended), (batch, state) = missed(world)
    assert former.endswith(" (former key)")
    assert (ended, state) == ("removed", None)
    if name is not None:
        assert batch == name
        left = healthy(world)
        assert left is not None
        assert -5 not in left
    assert world.run("superuser", "SELECT said FROM pgslo_catalog.rule_break") == []
    if writes == "stream":
        return
    # A correction ends it.
    world.run("writer", "UPDATE features.t SET a = 1 WHERE id = 1")
    for _ in range(2):
        world.run("operator", "SELECT pgslo.tick()")
    assert [ended for _, ended in missed(world)] == ["removed", "corrected"]
    assert world.run("superuser", "SELECT count(*) FROM pgslo.incident WHERE state <> 'resolved'") == [(0,)]


def test_rows_that_do_not_tell_their_batch_stay_missed(world):
    world.run("installer", SCENE)
    world.apply(DEFINITION.format(writes="bulk", batch="{by: day}"))
    world.run("writer", ROWS)
    world.run("operator", "SELECT pgslo.tick()")
    world.apply(DEFINITION.format(writes="bulk", batch="statement"))
    for _ in range(2):
        world.run("operator", "SELECT pgslo.tick()")
    rows, said = read(world)
    assert rows == [-5]
    assert 'column "a" of features.t misses rule "a_range"' in said
    assert missed(world) == [("2026-01-20 (former key)", None)]


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_rule_about_batches_is_evaluated_in_the_new_ones(world, writes):
    world.run("installer", SCENE)
    definition = DEFINITION + "rules:\n  - enough: {{row_count: {{min: 2}}}}\nwatch: false\n"
    world.apply(definition.format(writes=writes, batch="{by: day}"))
    world.run("writer", "INSERT INTO features.t VALUES (1, '2026-01-01', '2026-01-01', 7, 'x', now(), 5)")
    world.run("writer", "INSERT INTO features.t VALUES (2, '2026-01-02', '2026-01-01', 7, 'x', now(), 5)")
    world.run("writer", "INSERT INTO features.t VALUES (3, '2026-01-02', '2026-01-02', 7, 'x', now(), 5)")
    world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.close_batch('features.t')")
    if writes == "bulk":
        assert ("2026-01-01", None) in missed(world)
    world.apply(definition.format(writes=writes, batch="{by: other}"))
    for _ in range(2):
        world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.close_batch('features.t')")
    assert all(ended == "removed" for batch, ended in missed(world) if batch.endswith("(former key)"))
    assert [batch for batch, ended in missed(world) if ended is None] == ["2026-01-02"]


def test_the_same_key_is_no_other_one(world):
    world.run("installer", SCENE)
    world.apply(DEFINITION.format(writes="bulk", batch="{by: day}"))
    world.run("writer", ROWS)
    world.apply(DEFINITION.format(writes="bulk", batch="{by: day}") + "owner: sam\nsettle: 1 hour\n")
    assert missed(world) == [("2026-01-20", None)]
    assert world.run("superuser", "SELECT is_rekeyed FROM pgslo_catalog.definition") == [(False,)]


def test_the_plan_says_that_batches_have_another_key(world):
    world.run("installer", SCENE)
    world.apply(DEFINITION.format(writes="bulk", batch="{by: day}"))
    session = world.session("installer")

    def notes(batch: str) -> list[str]:
        text = world.sql(DEFINITION.format(writes="bulk", batch=batch))
        stated = definition.load(text, path="slos/example.yml", kinds=definition.load_kinds({}))
        compiled = compile_definition(stated, catalog_reader.read_catalog(session, [stated]))
        return [note for note in compiled.notes if "another key" in note]

    assert notes("{by: day}") == []
    assert "reads the whole table" in notes("{by: other}")[0]
    assert "until they are accepted" in notes("statement")[0]
