"""Snapshots run no code of one role with the rights of another: views, conditions and stored texts."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main

#: As conftest.py has it.
World = Any

#: The tables and roles of these tests: ``trainer`` may read the guarded view, ``installer`` alone the secret.
SCENE = """
CREATE TABLE features.secret (v text);
INSERT INTO features.secret VALUES ('top secret');
CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int);
INSERT INTO features.ex VALUES (1, '2026-01-01', 1), (2, '2026-01-02', 2);
"""
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag}]}
readers: [$reader, $trainer]
tasks: {t1: {reads: [a], view: serving.t1}}
"""
TRAP = """
CREATE TABLE tr.loot (who text, what text);
GRANT ALL ON tr.loot TO PUBLIC;
GRANT USAGE ON SCHEMA tr TO PUBLIC;
CREATE FUNCTION tr.c() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO tr.loot SELECT current_user, (SELECT string_agg(v, ',') FROM features.secret); RETURN true;
EXCEPTION WHEN insufficient_privilege THEN INSERT INTO tr.loot VALUES (current_user, NULL); RETURN true; END$$;
"""
LOOT = "SELECT who, what FROM tr.loot WHERE what IS NOT NULL"


@pytest.fixture
def scene(world: World) -> World:
    world.run("installer", SCENE)
    world.apply(DEFINITION)
    world.run("trainer", TRAP)
    return world


def take(
    scene: World, name: str, *, view: str = "guarded', 'ex", condition: str = "NULL", by: str = "trainer"
) -> None:
    scene.run(by, f"SELECT pgslo.create_snapshot('{name}', '{view}', {condition}, true)")


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
@pytest.mark.parametrize("named", ["features.ex", "features.other"])
def test_a_comment_makes_no_guarded_view(scene: World, kind: str, named: str) -> None:
    scene.run(
        "trainer",
        f"""
        CREATE TYPE tr.t AS ENUM ('x');
        CREATE FUNCTION tr.f(tr.t) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM tr.c(); RETURN 'x'; END$$;
        CREATE CAST (tr.t AS text) WITH FUNCTION tr.f(tr.t);
        CREATE {kind} tr.v AS SELECT 1 AS id, date '2026-01-01' AS day, 'x'::tr.t AS a;
        COMMENT ON {kind} tr.v IS 'pgslo 0123456789abcdef {named}';
        """,
    )
    with pytest.raises(psycopg.Error, match=r"tr\.v is not a guarded view") as caught:
        scene.run("trainer", "SELECT pgslo.create_snapshot('s1', 'tr', 'v')")
    assert caught.value.sqlstate == "SL002"
    assert scene.run("trainer", "TABLE tr.loot") == []


def test_a_view_that_apply_did_not_register_is_none(scene: World) -> None:
    scene.run(
        "installer",
        """
        CREATE VIEW features.v AS SELECT id, day, a FROM features.ex;
        COMMENT ON VIEW features.v IS 'pgslo 0123456789abcdef features.ex';
        """,
    )
    with pytest.raises(psycopg.Error, match=r"features\.v is not a guarded view"):
        scene.run("installer", "SELECT pgslo.create_snapshot('s1', 'features', 'v')")


def test_views_of_tasks_and_companions_are_guarded_views(scene: World) -> None:
    for number, view in enumerate(
        ("guarded', 'ex", "guarded', 'ex_strict", "guarded', 'ex_status", "serving', 't1")
    ):
        scene.run("trainer", f"SELECT pgslo.create_snapshot('copy{number}', '{view}')")
    assert scene.run("trainer", "SELECT count(*) FROM pgslo.snapshot") == [(4,)]
    assert scene.run("reader", "SELECT rows FROM pgslo.snapshot WHERE name = 'copy0'") == [(2,)]


def test_views_that_a_superuser_applied_are_guarded_views(world: World) -> None:
    world.run("installer", SCENE)
    world.apply(DEFINITION, by="superuser")
    world.run("trainer", "SELECT pgslo.create_snapshot('copy', 'guarded', 'ex')")
    assert world.run("trainer", "SELECT rows FROM pgslo.snapshot") == [(2,)]


REREADING = (
    "SELECT * FROM pgslo.verify_snapshot('refx')",
    "SELECT pgslo.begin_check('refx')",
    "SELECT pgslo.snapshot_query('refx')",
)


def test_a_condition_runs_with_its_takers_rights_alone(scene: World) -> None:
    scene.run(
        "superuser",
        """
        GRANT $trainer TO $operator;
        GRANT EXECUTE ON FUNCTION pgslo.verify_snapshot(text), pgslo.begin_check(text), pgslo.end_check(text)
            TO $reader;
        """,
    )
    take(scene, "refx", condition="'tr.c()'")
    for part in ("installer", "reader", "superuser", "operator"):
        for statement in REREADING:
            with pytest.raises(
                psycopg.errors.InsufficientPrivilege, match=r"read snapshot .* again"
            ) as caught:
                scene.run(part, statement)
            assert caught.value.diag.message_hint == scene.sql("SET ROLE $trainer;")
    assert scene.run("trainer", LOOT) == []


def test_the_taker_and_who_becomes_the_taker_read_it_again(scene: World) -> None:
    scene.run("superuser", "GRANT $trainer TO $operator")
    take(scene, "refx", condition="'a < 2'")
    assert scene.run("trainer", "SELECT * FROM pgslo.verify_snapshot('refx')") == []
    assert scene.run("operator", "SET ROLE $trainer; SELECT * FROM pgslo.verify_snapshot('refx')") == []
    (query,) = scene.run("trainer", "SELECT pgslo.snapshot_query('refx')")
    assert scene.run("trainer", query[0])[0][0] == 1


def test_without_a_condition_every_reader_verifies(scene: World) -> None:
    take(scene, "ref")
    assert scene.run("installer", "SELECT * FROM pgslo.verify_snapshot('ref')") == []
    assert "guarded.ex" in scene.run("reader", "SELECT pgslo.snapshot_query('ref')")[0][0]
    with pytest.raises(psycopg.errors.UndefinedObject):
        scene.run("mallory", "SELECT pgslo.snapshot_query('ref')")


def test_a_copy_runs_no_condition(scene: World) -> None:
    scene.run("trainer", "SELECT pgslo.create_snapshot('copy', 'guarded', 'ex', 'a < 2')")
    assert scene.run("installer", "SELECT * FROM pgslo.verify_snapshot('copy')") == []
    assert scene.run("reader", "SELECT pgslo.snapshot_query('copy')") == [
        ("SELECT * FROM pgslo_snapshot.copy",)
    ]
    assert scene.run("installer", "SELECT count(*) FROM pgslo.snapshot_diff('copy', 'copy')") == [(3,)]


def test_a_function_with_the_rights_of_another_role_reads_nothing(scene: World) -> None:
    """The session's role is the taker's, and the rights are those of the function's owner."""
    take(scene, "refx", condition="'tr.c()'")
    scene.run("trainer", "DELETE FROM tr.loot")
    scene.run(
        "installer",
        """
        CREATE FUNCTION features.verify(name text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
        AS $$SELECT count(*) FROM pgslo.verify_snapshot(name)$$;
        CREATE FUNCTION features.take(name text) RETURNS void LANGUAGE sql SECURITY DEFINER
        AS $$SELECT pgslo.create_snapshot(name, 'guarded', 'ex', 'tr.c()')$$;
        GRANT USAGE ON SCHEMA features TO $trainer;
        """,
    )
    for call in ("features.verify('refx')", "features.take('s2')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="rights of the session"):
            scene.run("trainer", f"SELECT {call}")
    assert scene.run("trainer", "TABLE tr.loot") == []


def test_a_reference_is_not_read_from_a_view_that_took_the_place(scene: World) -> None:
    take(scene, "ref")
    scene.run(
        "superuser",
        """
        DROP VIEW guarded.ex;
        ALTER SCHEMA guarded OWNER TO $trainer;
        """,
    )
    scene.run(
        "trainer",
        """
        CREATE VIEW guarded.ex AS SELECT id, day, a FROM (VALUES (1, date '2026-01-01', 1)) AS v (id, day, a) WHERE tr.c();
        COMMENT ON VIEW guarded.ex IS 'pgslo 0123456789abcdef features.ex';
        GRANT SELECT ON guarded.ex TO PUBLIC;
        GRANT USAGE ON SCHEMA guarded TO PUBLIC;
        """,
    )
    for part in ("installer", "superuser", "trainer"):
        for statement in ("SELECT * FROM pgslo.verify_snapshot('ref')", "SELECT pgslo.snapshot_query('ref')"):
            with pytest.raises(psycopg.Error, match=r"guarded\.ex is not a guarded view"):
                scene.run(part, statement)
    assert scene.run("trainer", "TABLE tr.loot") == []


def test_a_snapshot_is_not_shown_to_readers_of_a_view_that_took_the_name(scene: World) -> None:
    scene.run("trainer", "SELECT pgslo.create_snapshot('copy', 'guarded', 'ex')")
    scene.run("superuser", "DROP SCHEMA guarded CASCADE; CREATE SCHEMA guarded AUTHORIZATION $mallory")
    scene.run("mallory", "CREATE VIEW guarded.ex AS SELECT 1 AS id")
    assert scene.run("mallory", "SELECT name FROM pgslo.snapshot") == []
    for call in ("pgslo.snapshot_diff('copy', 'copy')", "pgslo.snapshot_query('copy')"):
        with pytest.raises(psycopg.errors.UndefinedObject):
            scene.run("mallory", f"SELECT {call}")
    assert scene.run("trainer", "SELECT name FROM pgslo.snapshot") == [("copy",)]


def test_the_command_prints_a_query_with_its_lines(scene: World, world_dsn: str) -> None:
    scene.run("superuser", "SELECT pgslo.create_snapshot('refx', 'guarded', 'ex', E'a < 2\\nAND true', true)")
    result = CliRunner().invoke(main, ["snapshot", "query", "refx", "--dsn", world_dsn])
    assert result.exit_code == 0
    assert scene.run("superuser", result.stdout) == scene.run(
        "superuser", "SELECT id, day, a FROM guarded.ex WHERE a < 2"
    )


WRITES = (
    "UPDATE pgslo_catalog.snapshot SET condition = 'tr.c()', batch_by = 'tr.c()', columns = '[]', taken_by = '$installer'",
    "UPDATE pgslo_catalog.definition SET batch_by = 'tr.c()', batch_place = 'tr.c()'",
    "UPDATE pgslo_catalog.applied SET objects = '[]'",
    "UPDATE pgslo_catalog.task SET gate = '{}'",
    "UPDATE pgslo_catalog.paused_function SET source = 'SELECT tr.c()'",
    "CREATE VIEW pgslo_catalog.v AS SELECT 1",
    "CREATE FUNCTION pgslo_gen.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
)


def test_texts_that_pgslo_runs_are_written_by_its_owner_alone(scene: World) -> None:
    for part in ("trainer", "steward", "operator", "auditor", "mallory", "reader"):
        for statement in WRITES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                scene.run(part, statement)
