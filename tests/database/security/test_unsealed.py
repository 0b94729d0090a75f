"""What fills a table of pgslo's in two steps cannot be committed after the first."""

from __future__ import annotations

import psycopg
import pytest

EX = """
table: features.ex
owner: sam
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag, name: a_range}]}
readers: [$trainer]
"""


@pytest.fixture
def ex(world):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "GRANT INSERT ON features.ex TO $writer")
    world.apply(EX)
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 1)")
    return world


def left(world):
    return world.run(
        "superuser",
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('pgslo_snapshot') AND relkind = 'r'",
    )


def test_a_snapshot_that_is_begun_and_not_sealed_is_not_committed(ex):
    begin = "SELECT pgslo.begin_snapshot('pile', 'guarded', 'ex', 'true', false, false)"
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match='snapshot table "pile" is not complete'
    ):
        ex.run("trainer", begin)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        ex.run("trainer", f"BEGIN; {begin}; INSERT INTO pgslo_snapshot.pile VALUES (7); COMMIT")
    assert left(ex) == []
    assert ex.run("installer", "SELECT count(*) FROM pgslo.snapshot") == [(0,)]


def test_a_check_that_is_begun_and_not_ended_is_not_committed(ex):
    ex.run("trainer", "SELECT pgslo.create_snapshot('ref', 'guarded', 'ex', NULL, true)")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        ex.run("trainer", "SELECT pgslo.begin_check('ref')")
    assert left(ex) == []
    # Nor does one that is under way hold up another one.
    busy = ex.session("trainer")
    busy.execute("BEGIN")
    busy.execute("SELECT pgslo.begin_check('ref')")
    assert (
        ex.run("trainer", "SET statement_timeout = '20s'; SELECT * FROM pgslo.verify_snapshot('ref')") == []
    )
    busy.execute("ROLLBACK")
    assert left(ex) == []


def test_snapshots_and_checks_that_are_whole_are_committed(ex):
    ex.run("trainer", "SELECT pgslo.create_snapshot('whole', 'guarded', 'ex')")
    assert ex.run("trainer", "SELECT id FROM pgslo_snapshot.whole") == [(1,)]
    assert ex.run("trainer", "SELECT * FROM pgslo.verify_snapshot('whole')") == []
    step = ex.session("trainer")
    step.execute("BEGIN")
    step.execute(
        step.execute("SELECT pgslo.begin_snapshot('steps', 'guarded', 'ex', NULL, false, false)")
        .fetchone()[0]
        .encode()
    )
    step.execute("SELECT pgslo.seal_snapshot('steps')")
    step.execute("COMMIT")
    assert sorted(left(ex)) == [("steps",), ("whole",)]
    assert ex.run("installer", "SELECT count(*) FROM pgslo_catalog.snapshot_room") == [(0,)]
