"""What the role that installs pgslo gives others of all that it makes is not about pgslo."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo.cli.applying import grants
from pgslo.database import runtime

World = Any

DEFAULTS = """
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO $reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO $reader;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO $reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO $reader;
"""
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, on_breach: quarantine}]}
readers: [$trainer]
"""
#: Rights of roles and of everybody, as pgslo gives them.
RIGHTS = """
SELECT k.name, pg_get_userbyid(x.grantee), x.privilege_type
FROM (SELECT c.oid::regclass::text, c.relacl, c.relowner FROM pg_class c WHERE c.relnamespace::regnamespace::text LIKE 'pgslo%'
      UNION ALL SELECT p.oid::regprocedure::text, p.proacl, p.proowner FROM pg_proc p WHERE p.pronamespace::regnamespace::text IN ('pgslo', 'pgslo_catalog')
      UNION ALL SELECT n.nspname, n.nspacl, n.nspowner FROM pg_namespace n WHERE n.nspname LIKE 'pgslo%') AS k (name, acl, owner)
CROSS JOIN LATERAL aclexplode(k.acl) x WHERE x.grantee <> k.owner ORDER BY 1, 2, 3
"""


def install(world: World, defaults: str = "") -> list[Any]:
    world.run("superuser", "DROP SCHEMA IF EXISTS pgslo_gen, pgslo, pgslo_catalog, pgslo_snapshot CASCADE")
    session = world.session("installer")
    session.execute(world.sql(defaults).encode())
    runtime.install(session)
    return world.run("superuser", RIGHTS)


def test_they_give_nobody_a_right_on_pgslo(world: World) -> None:
    without = install(world)
    assert install(world, DEFAULTS) == without
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.apply(DEFINITION)
    world.run("installer", "INSERT INTO features.ex VALUES (1, '2026-01-01', -5)")
    for text in (
        "TABLE pgslo.quarantine",
        "TABLE pgslo_catalog.quarantine",
        "SELECT pgslo.pause('features.ex')",
        "SELECT pgslo.discard(1)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.run("reader", text)
    # What was granted since stays when the runtime is replaced.
    for statement in grants.statements("steward", world.names["steward"]):
        world.run("superuser", statement)
    before = world.run("superuser", RIGHTS)
    world.run("superuser", "UPDATE pgslo_catalog.runtime SET sha256 = repeat('0', 64)")
    assert runtime.install(world.session("installer"))
    assert world.run("superuser", RIGHTS) == before


def test_nor_on_a_snapshot(world: World) -> None:
    world.run("installer", DEFAULTS)
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); REVOKE ALL ON features.ex FROM PUBLIC, $reader",
    )
    world.run("installer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 5)")
    world.apply(DEFINITION)
    # A copy is for readers of its view; default privileges of who applies are about that, and the plan names them.
    world.run("installer", "REVOKE ALL ON ALL TABLES IN SCHEMA guarded FROM PUBLIC, $reader")
    world.run("trainer", "SELECT pgslo.create_snapshot('kept', 'guarded', 'ex')")
    assert world.run("trainer", "SELECT a FROM pgslo_snapshot.kept") == [(5,)]
    world.run("superuser", "GRANT USAGE ON SCHEMA pgslo_snapshot TO $reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("reader", "TABLE pgslo_snapshot.kept")
