"""Row security that the owner of a table enables after the last apply: drift reports it, and no new snapshot has rows of others."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.database import operations

World = Any

DEFINITION = """
table: features.t
key: [id]
writes: bulk
batch: {by: day}
readers: [$reader, $trainer]
columns: {a: [range: {min: 0, on_breach: flag}]}
"""


@pytest.fixture
def later(world: World) -> World:
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, day date, a int, who text)")
    world.run(
        "installer", "CREATE INDEX ON features.t (day); GRANT ALL ON features.t TO $writer, $reader, $trainer"
    )
    world.run("installer", "GRANT USAGE ON SCHEMA features TO $reader, $trainer")
    world.apply(DEFINITION)
    world.run(
        "writer", "INSERT INTO features.t VALUES (1, '2026-01-01', 5, '$reader'), (2, '2026-01-01', 7, 'x')"
    )
    world.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 't')")
    assert not operations.find_drift(world.admin)
    world.run("installer", "ALTER TABLE features.t ENABLE ROW LEVEL SECURITY")
    world.run("installer", "CREATE POLICY p ON features.t USING (who = current_user)")
    return world


def test_drift_names_views_and_snapshots(later: World) -> None:
    found = {(one.what, one.thing) for one in operations.find_drift(later.admin)}
    assert ("row security", "view guarded.t") in found
    assert ("snapshot", "snapshot s1") in found
    if later.admin.info.server_version < 150000:
        return
    later.apply(DEFINITION)
    later.run("installer", "REVOKE SELECT ON pgslo_snapshot.s1 FROM $reader")
    assert not operations.find_drift(later.admin)
    assert later.run("reader", "SELECT id FROM guarded.t") == [(1,)]


def test_no_snapshot_is_taken_with_rows_of_others(later: World) -> None:
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has row security"):
        later.run("trainer", "SELECT pgslo.create_snapshot('s2', 'guarded', 't')")


def test_status_names_the_views(later: World, world_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSLO_DSN", world_dsn)
    shown = CliRunner().invoke(main, ["status"])
    assert "features.t: row security: view guarded.t" in shown.stdout
    assert shown.exit_code == 4
    if later.admin.info.server_version >= 150000:
        later.apply(DEFINITION)
        assert "row security" not in CliRunner().invoke(main, ["status"]).stdout
