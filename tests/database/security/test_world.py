"""The world of these tests is as described: without that, an attack could fail for another reason."""

import psycopg
import pytest


def test_the_installer_is_no_superuser_and_owns_the_runtime(world):
    owner, is_superuser = world.admin.execute(
        "SELECT r.rolname, r.rolsuper FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'pgslo_catalog'"
    ).fetchone()
    assert (owner, is_superuser) == (world.names["installer"], False)


def test_mallory_may_not_read_the_tables_of_others(world):
    world.run("installer", "CREATE TABLE features.secret (v text)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("mallory", "SELECT v FROM features.secret")


def test_a_definition_is_applied_by_the_installer(world):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "GRANT INSERT ON features.ex TO $writer")
    world.apply(
        """
        table: features.ex
        writes: bulk
        batch: {by: day}
        columns: {a: [range: {min: 0, max: 100, on_breach: flag, name: a_range}]}
        readers: [$reader]
        """
    )
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 999)")
    assert world.run("reader", "SELECT id FROM guarded.ex") == [(1,)]
    assert world.run("installer", "SELECT rule FROM pgslo.incident") == [("a_range",)]
