"""A superuser who migrates runs scripts with the rights of pgslo's owner, whose code cannot take the superuser's rights back."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo.cli import show
from pgslo.database import runtime

World = Any

TAKEN = """
CREATE SCHEMA inst;
CREATE TABLE inst.ran (who text);
CREATE FUNCTION inst.grab() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    BEGIN
        {attempt};
    EXCEPTION WHEN OTHERS THEN NULL; END;
    INSERT INTO inst.ran VALUES (current_user);
    RETURN NULL;
END$$;
{trigger};
UPDATE pgslo_catalog.runtime SET sha256 = 'older';
"""
ATTEMPTS = {
    "role": "PERFORM set_config('role', session_user::text, true)",
    "set role": "EXECUTE format('SET ROLE %I', session_user)",
    "reset": "RESET ROLE",
    "authorization": "EXECUTE format('SET SESSION AUTHORIZATION %I', session_user)",
    "function": "CREATE OR REPLACE FUNCTION pg_temp.pgslo_run(script text) RETURNS void LANGUAGE plpgsql"
    " AS 'BEGIN EXECUTE script; INSERT INTO inst.ran VALUES (current_user); END'",
    "path": "CREATE FUNCTION inst.eq(name, name) RETURNS boolean LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO inst.ran VALUES (current_user); RETURN $1 OPERATOR(pg_catalog.=) $2; END';"
    " CREATE OPERATOR inst.= (LEFTARG = name, RIGHTARG = name, FUNCTION = inst.eq);"
    " PERFORM set_config('search_path', 'inst, pg_catalog', false)",
}
TRIGGERS = {
    "at once": "CREATE TRIGGER grab AFTER DELETE OR INSERT ON pgslo_catalog.runtime FOR EACH STATEMENT EXECUTE FUNCTION inst.grab()",
    "deferred": "CREATE CONSTRAINT TRIGGER grab AFTER INSERT ON pgslo_catalog.runtime DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION inst.grab()",
}


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_code_of_the_owner_runs_with_the_owner_s_rights(world: World, attempt: str, trigger: str) -> None:
    database = world.run("superuser", "SELECT quote_ident(current_database())")[0][0]
    world.run("superuser", f"GRANT CREATE ON DATABASE {database} TO $installer")
    text = TAKEN.format(attempt=ATTEMPTS[attempt], trigger=TRIGGERS[trigger])
    world.run("installer", text)
    assert runtime.install(world.admin)
    assert world.run("superuser", "SELECT DISTINCT who FROM inst.ran") == [(world.names["installer"],)]
    assert runtime.read(world.admin).version == runtime.library_version()
    # The script of the same, which the owner may have written for a superuser to run.
    world.run("installer", "TRUNCATE inst.ran; UPDATE pgslo_catalog.runtime SET sha256 = 'older'")
    script = show.migration_as_sql(runtime.to_run(world.admin))
    world.admin.execute(script.encode(), prepare=False)
    assert world.run("superuser", "SELECT DISTINCT who FROM inst.ran") == [(world.names["installer"],)]
    assert world.run("superuser", "SHOW search_path") == [('"$user", public',)]


def test_a_member_of_the_owner_migrates_without_temporary_objects(world: World) -> None:
    database = world.run("superuser", "SELECT quote_ident(current_database())")[0][0]
    world.run(
        "superuser", f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC; GRANT $installer TO $mallory"
    )
    world.run("installer", "UPDATE pgslo_catalog.runtime SET sha256 = 'older'")
    session: psycopg.Connection[Any] = world.session("mallory")
    assert runtime.install(session)
    owners = "SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'pgslo_catalog'::regnamespace"
    assert world.run("superuser", owners) == [(world.names["installer"],)]
