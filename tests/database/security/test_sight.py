"""Figures and rows stay with those who may read the rows: row security, schemas, auditors, operators."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: features.t
key: [id]
batch: {by: day}
watch: false
columns:
  a: [statistic: {of: mean, max: 10, name: mean_a}]
readers: [$reader]
"""
DENIED = psycopg.errors.InsufficientPrivilege


@pytest.fixture
def t(world):
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, day date, who text, a float8); GRANT INSERT ON features.t TO $writer",
    )
    world.apply(DEFINITION)
    return world


def load(world):
    world.run("installer", "INSERT INTO features.t VALUES (1, '2026-01-01', 'somebody', 42.5)")
    world.run("operator", "SELECT pgslo.close_batch('features.t')")


def figures(world, part):
    return world.run(part, "SELECT value, said FROM pgslo.verdict WHERE rule = 'mean_a'")


def explained(world, part):
    return str(world.run(part, "SELECT * FROM pgslo.explain(1)"))


@pytest.mark.parametrize("forced", ["", "ALTER TABLE features.t FORCE ROW LEVEL SECURITY;"])
def test_row_security_hides_figures_of_rows_that_it_hides(t, forced):
    load(t)
    t.run("installer", "GRANT SELECT ON features.t TO $reader")
    assert figures(t, "reader")[0][0] == 42.5
    t.run(
        "installer",
        f"ALTER TABLE features.t ENABLE ROW LEVEL SECURITY; {forced} CREATE POLICY own ON features.t USING (who = current_user)",
    )
    assert figures(t, "reader") == [(None, None)]
    assert "42.5" not in explained(t, "reader")
    if not forced:
        assert figures(t, "installer")[0][0] == 42.5


def test_row_security_hides_profiles_of_snapshots(t):
    load(t)
    t.run("installer", "GRANT SELECT ON guarded.t TO $trainer; GRANT USAGE ON SCHEMA guarded TO $trainer")
    t.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 't')")
    assert "42.5" in str(t.run("reader", "SELECT * FROM pgslo.snapshot_diff('s1', 's1')"))
    t.run(
        "installer",
        "ALTER TABLE features.t ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON features.t USING (who = current_user)",
    )
    with pytest.raises(psycopg.errors.UndefinedObject):
        t.run("reader", "SELECT * FROM pgslo.snapshot_diff('s1', 's1')")
    assert t.run("trainer", "SELECT count(*) FROM pgslo.snapshot_diff('s1', 's1')") == [(4,)]


def test_a_snapshot_needs_the_schema_of_its_view(t):
    load(t)
    t.run("installer", "GRANT SELECT ON guarded.t TO PUBLIC")
    with pytest.raises(DENIED):
        t.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 't')")
    assert t.run("reader", "SELECT has_schema_privilege('guarded', 'USAGE')") == [(True,)]


def test_a_snapshot_is_for_those_who_may_use_the_schema_of_its_view(t):
    load(t)
    t.run("installer", "GRANT SELECT ON guarded.t TO PUBLIC; GRANT USAGE ON SCHEMA guarded TO $trainer")
    t.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 't')")
    for part in ("trainer", "reader"):
        assert t.run(part, "SELECT a FROM pgslo_snapshot.s1") == [(42.5,)]
    for part in ("mallory", "writer"):
        with pytest.raises(DENIED):
            t.run(part, "SELECT a FROM pgslo_snapshot.s1")
    t.run("installer", "GRANT USAGE ON SCHEMA guarded TO PUBLIC")
    t.run("trainer", "SELECT pgslo.create_snapshot('s2', 'guarded', 't')")
    assert t.run("mallory", "SELECT a FROM pgslo_snapshot.s2") == [(42.5,)]


@pytest.mark.parametrize("part", ["operator", "auditor"])
def test_operators_and_auditors_see_no_figures_of_columns_that_they_may_not_read(t, part):
    load(t)
    assert figures(t, part) == [(None, None)]
    assert "42.5" not in explained(t, part)
    assert t.run(part, "SELECT verdict FROM pgslo.verdict WHERE rule = 'mean_a'") == [("missed",)]
    for column in ("value", "said", "low", "high", "score", "example"):
        with pytest.raises(DENIED):
            t.run(part, f"SELECT {column} FROM pgslo_catalog.verdict")
    for table, column in (
        ("batch", "tallies"),
        ("batch", "present"),
        ("snapshot_batch", "sums"),
        ("profile", "*"),
    ):
        with pytest.raises(DENIED):
            t.run(part, f"SELECT {column} FROM pgslo_catalog.{table}")
    assert t.run(part, "SELECT rows FROM pgslo.batch") == [(1,)]
    t.run(
        "installer", f"GRANT SELECT (a) ON features.t TO ${part}; GRANT USAGE ON SCHEMA features TO ${part}"
    )
    assert figures(t, part)[0][0] == 42.5
