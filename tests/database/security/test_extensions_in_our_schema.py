"""An extension in a schema of pgslo stays its owner's: migrate gives none of it away."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo.database import operations, runtime

World = Any

OWNERS = "SELECT count(*) FILTER (WHERE pg_get_userbyid(p.proowner) = 'postgres') > 10, count(*) FILTER (WHERE pg_get_userbyid(p.proowner) <> 'postgres')"
MEMBERS = """ FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid WHERE e.extname = 'hstore'"""
REPLACED = "CREATE OR REPLACE FUNCTION pgslo.hstore_to_json(hs pgslo.hstore) RETURNS json LANGUAGE sql AS 'SELECT NULL::json'"
RIGHTS = "SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'pgslo'::regnamespace AND p.proname ~ 'hstore' AND has_function_privilege('public', p.oid, 'EXECUTE')"


def test_migrate_by_a_superuser_gives_no_function_of_an_extension(world: World) -> None:
    if not world.run("superuser", "SELECT 1 FROM pg_available_extensions WHERE name = 'hstore'"):
        pytest.skip("the server has no extension hstore")
    database = world.run("superuser", "SELECT quote_ident(current_database())")[0][0]
    world.run("superuser", f"GRANT CREATE ON DATABASE {database} TO $installer")
    world.run("installer", "CREATE EXTENSION hstore SCHEMA pgslo")
    assert world.run("superuser", OWNERS + MEMBERS) == [(True, 0)]
    callable_before = world.run("superuser", RIGHTS)
    # An object of pgslo that an earlier migration left to the superuser is given back, the extension is not.
    world.run("superuser", "ALTER FUNCTION pgslo.version() OWNER TO postgres")
    assert runtime.to_run(world.admin)
    runtime.install(world.admin)
    owner = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'pgslo.version()'::regprocedure"
    assert world.run("superuser", owner) == [(world.names["installer"],)]
    assert world.run("superuser", OWNERS + MEMBERS) == [(True, 0)]
    assert world.run("superuser", RIGHTS) == callable_before
    assert not runtime.to_run(world.admin)
    assert "other owner" not in {one.what for one in operations.find_drift(world.admin)}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("installer", REPLACED)
