"""Definitions that a superuser applies who does not own pgslo: its tables belong to its owner all the same."""

from __future__ import annotations

import contextlib
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


READ = """
table: features.t
key: [id]
writes: bulk
batch: {by: day}
readers: [READERS]
columns: {b: [range: {min: 0, on_breach: flag, name: soft}]}
tasks: {training: {reads: [b], view: serving.training}}
"""


def test_readers_and_trainers_are_told_all(world: World) -> None:
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, day date, b int)")
    world.run("installer", "CREATE INDEX ON features.t (day); GRANT ALL ON features.t TO $writer")
    world.apply(READ.replace("READERS", "$reader, $trainer"), by="superuser")
    world.run("writer", "INSERT INTO features.t VALUES (1, '2026-01-01', -5)")
    for part in ("reader", "trainer"):
        session = world.session(part)
        said: list[str] = []
        session.add_notice_handler(
            lambda one, said=said: said.append(f"{one.message_primary} {one.message_detail}")
        )
        session.execute("SELECT b FROM guarded.t")
        assert 'misses rule "soft"' in said[0]
        assert world.run(part, "SELECT rule FROM pgslo.incident") == [("soft",)]
        assert world.run(part, "SELECT count(*) FROM pgslo.status") == [(1,)]
    assert world.run("trainer", "SELECT pgslo.watch_task('training')") == [(None,)]
    assert world.run("trainer", "SELECT count(*) > 0 FROM pgslo.readiness('training')") == [(True,)]
    world.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 't')")
    assert world.run("superuser", "SELECT is_checked FROM pgslo_catalog.snapshot") == [(True,)]

    # The owner of pgslo applies after it, and takes the right of a reader.
    world.apply(READ.replace("READERS", "$reader"))
    world.run("reader", "SELECT b FROM guarded.t")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("trainer", "SELECT b FROM guarded.t")


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
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        runtime.install(session)
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


def test_nothing_of_a_stranger_is_taken_over(world: World) -> None:
    """A function of hers that runs with its owner's rights would run with those of pgslo's owner."""
    world.run("superuser", "GRANT CREATE ON SCHEMA pgslo TO $mallory; GRANT $mallory TO $installer")
    world.run(
        "mallory",
        """CREATE FUNCTION pgslo.mine() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'""",
    )
    world.run("superuser", "REVOKE CREATE ON SCHEMA pgslo FROM $mallory")
    found = [one for one in operations.find_drift(world.admin) if one.what == "other owner"]
    assert [one.thing for one in found] == [f"objects of role {world.names['mallory']}"]
    for part in ("installer", "superuser"):
        with world.session(part) if part == "installer" else contextlib.nullcontext(world.admin) as session:
            session.execute("UPDATE pgslo_catalog.runtime SET sha256 = 'older'")
            assert runtime.install(session)
    owner = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'mine'"
    assert world.run("superuser", owner) == [(world.names["mallory"],)]


def test_a_schema_of_guarded_views_that_a_superuser_made_is_named_and_given_back(world: World) -> None:
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, day date, b int)")
    world.apply(
        "{table: features.t, key: [id], writes: bulk, batch: {by: day}, readers: [$reader], watch: false, row_count: {min: 1}}"
    )
    owner = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname IN ('guarded', 'apart') ORDER BY nspname"
    # As an apply of an earlier version left it, and one that the superuser made for something else.
    world.run(
        "superuser",
        "ALTER SCHEMA guarded OWNER TO postgres; CREATE SCHEMA apart; COMMENT ON SCHEMA apart IS 'pgslo views'",
    )
    found = [one for one in operations.find_drift(world.admin) if one.what == "other owner"]
    assert ["schema guarded" in one.said for one in found] == [True]
    assert runtime.install(world.admin)
    assert world.run("superuser", owner) == [("postgres",), (world.names["installer"],)]
    assert not operations.find_drift(world.admin)
    assert not runtime.to_run(world.admin)
    # The installer's own comment gives it no schema of another role.
    world.run("mallory", "COMMENT ON SCHEMA evil IS 'pgslo 0123456789abcdef features.t'")
    runtime.install(world.admin)
    assert world.run(
        "superuser", "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'evil'"
    ) == [(world.names["mallory"],)]
