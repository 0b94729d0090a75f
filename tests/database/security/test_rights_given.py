"""Rights on pgslo's objects are those of the lists: neither a restore without rights nor default privileges give more."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import rights
from click.testing import CliRunner

from pgslo import embedded
from pgslo.cli import main
from pgslo.cli.applying import grants
from pgslo.database import installation, runtime

#: As conftest.py has it.
World = Any
Connection = psycopg.Connection[Any]
MakeDatabase = Callable[..., AbstractContextManager[str]]

TABLE = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, b int);
GRANT INSERT ON features.ex TO $writer
"""
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
readers: [$reader]
columns:
  a: [range: {min: 0, max: 100, on_breach: quarantine}]
  b: [range: {min: 0, on_breach: flag}]
"""
ROWS = "INSERT INTO features.ex VALUES (1, '2026-01-01', 500, 1), (2, '2026-01-01', 5, -1)"
#: What shows values, or changes state, and is for an operator or a steward alone.
ATTACKS = (
    "SELECT pgslo.pause('features.ex')",
    "SELECT pgslo.resume('features.ex')",
    "SELECT * FROM pgslo.evidence(1)",
    "SELECT pgslo.resolve(1, 'false_alarm')",
    "SELECT pgslo.tick()",
    "SELECT * FROM pgslo.learned('features.ex')",
    "SELECT pgslo.release(1, '{\"a\": 66}')",
    "SELECT image FROM pgslo.quarantine",
    "SELECT * FROM pgslo.sample",
    "SELECT * FROM pgslo_catalog.quarantine",
    "SELECT * FROM pgslo_catalog.batch",
)


def gained(world: World, dsn: str, part: str) -> list[str]:
    """The attacks that succeed for a role."""
    succeeded = []
    for attack in ATTACKS:
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute(world.sql(f"SET SESSION AUTHORIZATION ${part}"))
            try:
                session.execute(attack.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            succeeded.append(attack)
    return succeeded


def cli(dsn: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--dsn", dsn, *arguments])
    return result.exit_code, result.output


def program(name: str) -> str:
    found = embedded.program(name) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}")
    return str(found)


@pytest.fixture(params=[("--no-acl",), ("--no-acl", "--no-owner")], ids=["no-acl", "no-owner"])
def restored(
    request: pytest.FixtureRequest, world: World, dsn: str, make_database: MakeDatabase, tmp_path: Path
) -> Iterator[str]:
    """A dump without rights, restored; an administrator let ``mallory`` into schema pgslo, as the command line says."""
    world.run("installer", TABLE)
    world.apply(DEFINITION)
    world.run("writer", ROWS)
    dump = tmp_path / "dump.sql"
    source = psycopg.conninfo.make_conninfo(dsn, dbname=world.admin.info.dbname)
    subprocess.run([program("pg_dump"), *request.param, f"--file={dump}", source], check=True)
    with make_database(template="template0") as target:
        subprocess.run(
            [program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), target],
            check=True,
            capture_output=True,
        )
        with psycopg.connect(target, autocommit=True) as session:
            session.execute(world.sql("GRANT USAGE ON SCHEMA pgslo TO $mallory"))
        yield target


def test_after_a_restore_without_rights_migrate_gives_nobody_more_than_before(
    world: World, restored: str
) -> None:
    code, said = cli(restored, "drift")
    assert code == 3
    assert "every role has EXECUTE on function" in said
    assert "to do: pgslo migrate" in said
    assert cli(restored, "migrate", "--check") == (3, "to run: 630_rights\n")
    assert cli(restored, "migrate")[0] == 0
    assert gained(world, restored, "mallory") == []
    with psycopg.connect(restored) as session:
        assert runtime.strange_rights(session) == ()
        # What everybody may do is there again.
        session.execute(world.sql("SET SESSION AUTHORIZATION $reader"))
        session.execute("SELECT * FROM pgslo.incident, pgslo.version()")
    assert cli(restored, "migrate") == (
        0,
        f"nothing to do: the runtime is that of pgslo {runtime.library_version()}\n",
    )


def test_apply_mends_rights_as_well(world: World, restored: str, tmp_path: Path) -> None:
    (tmp_path / "ex.yml").write_text(world.sql(DEFINITION))
    code, said = cli(restored, "plan", str(tmp_path / "ex.yml"))
    assert code == 3
    assert "give the objects of the runtime the rights that they had" in said
    assert cli(restored, "apply", "--yes", str(tmp_path / "ex.yml"))[0] == 0
    assert gained(world, restored, "mallory") == []


@pytest.fixture
def defaults(world: World, make_database: MakeDatabase) -> Iterator[str]:
    """A database in which default privileges of the installer give a reader whatever the installer makes."""
    with make_database(template="template0") as dsn:
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute(
                world.sql(
                    """
                    DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO $installer', current_database()); END$$;
                    CREATE SCHEMA features AUTHORIZATION $installer;
                    GRANT USAGE ON SCHEMA features TO $writer;
                    SET SESSION AUTHORIZATION $installer;
                    ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT ON TABLES TO $mallory;
                    ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO $mallory WITH GRANT OPTION;
                    ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO $mallory;
                    ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO $mallory;
                    """
                ).encode()
            )
        yield dsn


def as_installer(world: World, dsn: str) -> Connection:
    session = psycopg.connect(dsn, autocommit=True)
    session.execute(world.sql("SET SESSION AUTHORIZATION $installer"))
    return session


def held(session: Connection, role: str) -> list[str]:
    """What a role may do with pgslo's objects and everybody may not."""
    return [
        row[0]
        for row in session.execute(
            """
            WITH thing (name, acl) AS (
                SELECT p.oid::regprocedure::text, p.proacl FROM pg_proc p WHERE p.pronamespace::regnamespace::text ~ '^pgslo(_gen|_catalog)?$'
                UNION ALL SELECT c.oid::regclass::text, c.relacl FROM pg_class c WHERE c.relnamespace::regnamespace::text ~ '^pgslo(_gen|_catalog)?$'
                UNION ALL SELECT n.nspname, n.nspacl FROM pg_namespace n WHERE n.nspname ~ '^pgslo(_gen|_catalog)?$')
            SELECT name || ' ' || g.privilege_type FROM thing, aclexplode(acl) g
            WHERE g.grantee = %s::regrole
              AND NOT EXISTS (SELECT FROM aclexplode(acl) e WHERE e.grantee = 0 AND e.privilege_type = g.privilege_type)
            ORDER BY 1
            """,
            [role],
        )
    ]


def test_default_privileges_give_nothing_of_pgslo(world: World, defaults: str) -> None:
    with as_installer(world, defaults) as session:
        runtime.install(session)
        assert held(session, world.names["mallory"]) == []
        session.execute(world.sql(TABLE + "; REVOKE ALL ON features.ex FROM $mallory").encode())
        rights.apply(session, world.sql(DEFINITION), again=False)
        session.execute(world.sql(ROWS).encode())
        assert gained(world, defaults, "mallory") == []
        assert held(session, world.names["mallory"]) == []
        # Nor of snapshots, which pgslo makes later: who may read one may read its view.
        session.execute(world.sql("REVOKE ALL ON guarded.ex FROM $mallory").encode())
        session.execute("SELECT pgslo.create_snapshot('s1', 'guarded', 'ex')")
        session.execute("RESET SESSION AUTHORIZATION")
        may = session.execute(
            "SELECT has_table_privilege(%s, 'pgslo_snapshot.s1', 'SELECT, INSERT')", [world.names["mallory"]]
        ).fetchone()
        assert may == (False,)


def test_what_default_privileges_gave_before_is_named_and_taken(world: World, defaults: str) -> None:
    """Also what another role gave on, and what belongs to the functions of an operator."""
    mallory = world.names["mallory"]
    with as_installer(world, defaults) as session:
        runtime.install(session)
        session.execute(
            world.sql(
                "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgslo, pgslo_catalog TO $mallory WITH GRANT OPTION;"
                "GRANT SELECT ON ALL TABLES IN SCHEMA pgslo, pgslo_catalog TO $mallory;"
                "GRANT USAGE ON SCHEMA pgslo_catalog, pgslo_gen TO $mallory"
            ).encode()
        )
        code, said = cli(defaults, "drift")
        assert (code, f"role {mallory} has" in said) == (3, True)
        assert installation.migrate(session)
        assert not installation.migrate(session)
        assert held(session, mallory) == []
    assert gained(world, defaults, "mallory") == []


@pytest.mark.parametrize("function", ["auditor", "operator", "steward", "trainer"])
def test_the_lists_are_what_grants_gives(world: World, function: str) -> None:
    """Nothing that is granted is strange, also of a role in default privileges that has all of it; and all is on the list."""
    mallory = world.names["mallory"]
    for statement in grants.statements(function, mallory):
        world.run("installer", statement)
    assert runtime.strange_rights(world.admin) == ()
    listed = {
        (row[0], row[1])
        for row in world.run(
            "superuser",
            f"SELECT object, privilege FROM pgslo_catalog.listed_rights() WHERE who = '{function}'"
            + (" OR who = 'auditor'" if function == "operator" else ""),
        )
    }
    given = world.run(
        "superuser",
        f"""
        SELECT p.oid::regprocedure::text, g.privilege_type FROM pg_proc p, aclexplode(p.proacl) g WHERE g.grantee = '{mallory}'::regrole
        UNION SELECT c.oid::regclass::text, g.privilege_type FROM pg_class c, aclexplode(c.relacl) g WHERE g.grantee = '{mallory}'::regrole
        UNION SELECT n.nspname, g.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) g WHERE g.grantee = '{mallory}'::regrole AND n.nspname LIKE 'pgslo%'
        UNION SELECT a.attrelid::regclass || '.' || a.attname, g.privilege_type FROM pg_attribute a, aclexplode(a.attacl) g WHERE g.grantee = '{mallory}'::regrole
        """,
    )
    shortened = {
        (name.replace("timestamp with time zone", "timestamptz").replace(" ", "").replace(",", ""), one)
        for name, one in given
    }
    assert shortened == {(name.replace(" ", "").replace(",", ""), one) for name, one in listed}


def test_a_right_that_the_owner_granted_stays(world: World) -> None:
    """Documented: a function of people in part, for a role that is in no default privileges."""
    world.run("installer", "GRANT EXECUTE ON FUNCTION pgslo.acknowledge(bigint, text) TO $mallory")
    assert runtime.strange_rights(world.admin) == ()
    world.run("installer", "GRANT SELECT ON pgslo_catalog.quarantine TO $mallory")
    # An auditor is told as well.
    (one,) = runtime.strange_rights(world.session("auditor"))
    assert (one.role, one.object) == (world.names["mallory"], "pgslo_catalog.quarantine")


def test_what_was_granted_outlives_an_upgrade(world: World) -> None:
    """Also to a role in default privileges, if it has all rights of a list of ``pgslo grants``."""
    world.run("installer", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO $auditor, $steward")
    world.run("superuser", "UPDATE pgslo_catalog.runtime SET sha256 = repeat('0', 64)")
    before = {part: held(world.admin, world.names[part]) for part in ("auditor", "operator", "steward")}
    assert all(before.values())
    assert runtime.install(world.session("installer"))
    assert {part: held(world.admin, world.names[part]) for part in before} == before


def test_the_owner_of_a_function_can_keep_no_upgrade_from_happening(world: World) -> None:
    """What another role owns and gave everybody, pgslo takes where it can, and leaves where it cannot."""
    world.run("superuser", "GRANT CREATE ON SCHEMA pgslo_gen TO $mallory")
    world.run(
        "mallory",
        "CREATE FUNCTION pgslo_gen.hers() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    )
    found = [one for one in runtime.strange_rights(world.admin) if one.object == "pgslo_gen.hers()"]
    assert [(one.role, one.can_mend) for one in found] == [("PUBLIC", False)]
