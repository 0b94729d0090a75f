"""Definitions that a superuser applies who does not own pgslo: its tables belong to its owner all the same."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo.database import operations, runtime

World = Any

DEFINITION = """
table: features.t
key: [id]
writes: bulk
batch: statement
assertions: [same: {all_equal: b, group_by: grp, on_breach: reject}]
"""
TOUCHED = "pgslo_gen.features__t__touched"
OWNER = f"SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = '{TOUCHED}'::regclass"


@pytest.mark.parametrize("owner", ["installer", "mallory"])
def test_writes_go_on_and_are_held(world: World, owner: str) -> None:
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, grp int, b int)")
    world.run("installer", "CREATE INDEX ON features.t (grp, b); GRANT ALL ON features.t TO $writer")
    world.run("installer", "GRANT USAGE ON SCHEMA features TO $mallory")
    world.run("superuser", f"ALTER TABLE features.t OWNER TO ${owner}")
    world.run(owner, "GRANT SELECT ON features.t TO $installer")
    world.apply(DEFINITION, by="superuser")
    assert world.run("superuser", OWNER) == [(world.names["installer"],)]
    world.run("writer", "INSERT INTO features.t VALUES (1, 1, 5)")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", "INSERT INTO features.t VALUES (2, 1, 6)")

    # As an apply of an earlier version left it.
    world.run("superuser", f"ALTER TABLE {TOUCHED} OWNER TO postgres")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("writer", "INSERT INTO features.t VALUES (3, 3, 5)")
    assert "other owner" in {one.what for one in operations.find_drift(world.admin)}
    world.apply(DEFINITION, by="superuser")
    world.run("writer", "INSERT INTO features.t VALUES (3, 3, 5)")
    assert world.run("superuser", OWNER) == [(world.names["installer"],)]


OWNERS = """
SELECT DISTINCT pg_get_userbyid(o.owner) FROM (
    SELECT proowner, pronamespace FROM pg_proc UNION ALL SELECT relowner, relnamespace FROM pg_class
) AS o (owner, place) JOIN pg_namespace n ON n.oid = o.place WHERE n.nspname IN ('pgslo', 'pgslo_catalog')
"""


def test_what_a_superuser_migrates_belongs_to_pgslos_owner(world: World) -> None:
    # As an earlier version left it: without this function and this table's right owner.
    world.run(
        "superuser",
        """DROP FUNCTION pgslo_catalog.must_raise(text, boolean);
           ALTER FUNCTION pgslo.tick() OWNER TO postgres;
           ALTER TABLE pgslo_catalog.due_count OWNER TO postgres;
           ALTER VIEW pgslo.verdict OWNER TO postgres;
           UPDATE pgslo_catalog.runtime SET sha256 = 'older'""",
    )
    found = [one for one in operations.find_drift(world.admin) if one.what == "other owner"]
    assert [(one.thing, one.to_do) for one in found] == [
        ("objects of role postgres", "pgslo migrate, as a superuser")
    ]
    # Its owner alone cannot take them.
    with (
        world.session("installer") as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege) as refused,
    ):
        runtime.install(session)
    assert "as a superuser" in str(refused.value)
    assert runtime.install(world.admin)
    assert world.run("superuser", OWNERS) == [(world.names["installer"],)]
    assert world.run("superuser", "SELECT current_user::text, current_setting('role')") == [
        ("postgres", "none")
    ]
    assert not runtime.to_run(world.admin)
    assert "other owner" not in {one.what for one in operations.find_drift(world.admin)}

    # Also without anything to upgrade.
    world.run("superuser", "ALTER FUNCTION pgslo.tick() OWNER TO postgres")
    assert runtime.to_run(world.admin)
    assert runtime.install(world.admin)
    assert world.run("superuser", OWNERS) == [(world.names["installer"],)]
