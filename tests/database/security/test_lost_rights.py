"""Rights that guarded views and releases need are compared with those that their owners have now."""

from __future__ import annotations

import psycopg
import pytest

from pgslo.database import operations, planning
from pgslo.definition import load

TAB = """
table: evil.tab
owner: mallory
key: [id]
batch: {by: day}
readers: [$reader]
columns: {age: [range: {min: 0, max: 120, on_breach: quarantine}]}
"""


def found(world):
    """What drift finds, as a superuser sees it: kind and thing."""
    return {(one.what, one.thing) for one in operations.find_drift(world.admin)}


@pytest.fixture
def tab(world):
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", "CREATE TABLE evil.tab (id int PRIMARY KEY, day date, age int)")
    world.apply(TAB)
    world.run("mallory", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 30)")
    assert found(world) == set()
    return world


def test_a_role_that_is_taken_from_the_installer(tab):
    tab.run("superuser", "REVOKE $mallory FROM $installer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tab.run("reader", "SELECT id FROM guarded.tab")
    assert found(tab) >= {("no rights", "view guarded.tab")}
    assert {what for what, _ in found(tab)} == {"no rights"}
    # What it says to do.
    tab.run("superuser", "GRANT SELECT ON evil.tab TO $installer; GRANT USAGE ON SCHEMA evil TO $installer")
    assert found(tab) == set()
    assert tab.run("reader", "SELECT id FROM guarded.tab") == [(1,)]


def test_a_table_that_is_given_to_another_owner(world):
    world.run("installer", "CREATE TABLE features.tab (id int PRIMARY KEY, day date, age int)")
    world.apply(TAB.replace("evil.tab", "features.tab"))
    assert found(world) == set()
    world.run("superuser", "ALTER TABLE features.tab OWNER TO $mallory")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("reader", "SELECT id FROM guarded.tab")
    assert found(world) >= {
        ("no rights", "view guarded.tab"),
        ("no rights", "table features.tab"),
        ("other owner", "table features.tab"),
    }
    world.run("superuser", "GRANT SELECT, INSERT, UPDATE ON features.tab TO $installer")
    assert found(world) == {("other owner", "table features.tab")}
    assert world.run("reader", "SELECT id FROM guarded.tab") == []
    # Applied again as a member of the new owner's role, all is as it was.
    world.run("superuser", "GRANT $mallory TO $installer; GRANT USAGE ON SCHEMA features TO $mallory")
    world.apply(TAB.replace("evil.tab", "features.tab"))
    assert found(world) == set()


RECOUNTED = """
table: evil.tab
owner: mallory
key: [id]
writes: bulk
watch: false
batch: {by: day}
columns: {age: [range: {min: 0, max: 120, on_breach: flag}]}
"""


def test_a_table_that_pgslos_owner_may_not_lock(world):
    """A superuser applies, so nothing else says that functions of the table's owner cannot be called."""
    world.run("mallory", "CREATE TABLE evil.tab (id int NOT NULL, day date, age int) PARTITION BY LIST (day)")
    world.run("mallory", "CREATE TABLE evil.one PARTITION OF evil.tab FOR VALUES IN ('2026-01-01')")
    noted = [
        note
        for note in planning.plan_definitions(world.admin, [load(RECOUNTED, path="tab.yml")]).notes
        if "who owns pgslo, may not read evil.tab" in note
    ]
    grant = world.sql("GRANT SELECT ON evil.tab TO $installer")
    assert len(noted) == 1
    assert noted[0].endswith(f"{grant}, and USAGE on its schema")
    world.apply(RECOUNTED, by="superuser")
    assert found(world) == {("no rights", "table evil.tab")}
    world.run("mallory", "CREATE TABLE evil.two AS SELECT 7 AS id, date '2026-01-02' AS day, 999 AS age")
    world.run(
        "mallory",
        "ALTER TABLE evil.two ALTER id SET NOT NULL; ALTER TABLE evil.tab ATTACH PARTITION evil.two FOR VALUES IN ('2026-01-02')",
    )
    world.run("operator", "SELECT pgslo.tick()")
    errors = "SELECT error_message FROM pgslo_catalog.rule_break"
    assert world.run("superuser", errors) == [
        (world.sql("role $installer, who owns pgslo, may not read evil.tab"),)
    ]
    world.run("superuser", f"{grant}; GRANT USAGE ON SCHEMA evil TO $installer")
    assert "no rights" not in {what for what, _ in found(world)}
    for _ in range(2):
        world.run("operator", "SELECT pgslo.tick()")
    assert world.run("superuser", "SELECT rule FROM pgslo.incident") == [("age_range",)]
