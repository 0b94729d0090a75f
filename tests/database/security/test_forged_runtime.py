"""A schema pgslo that a stranger made runs no code of theirs as the role that reads it, by a plugin or on the command line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic import autogenerate
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import Column, Connection, Integer, MetaData, Table

from pgslo.cli import main
from pgslo.database import runtime

#: What an application declares; in the database, column a is NOT NULL.
MODEL = MetaData()
Table("ex", MODEL, Column("id", Integer, primary_key=True), Column("a", Integer), schema="features")

FORGED = """
CREATE TABLE evil.loot (who text);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
GRANT INSERT ON evil.loot TO PUBLIC;
CREATE FUNCTION evil.take() RETURNS boolean LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO evil.loot VALUES (current_user); RETURN true; END$$;
CREATE SCHEMA pgslo;
GRANT USAGE ON SCHEMA pgslo TO PUBLIC;
CREATE VIEW pgslo.rule AS
    SELECT 'features.ex' AS definition, ARRAY['a'] AS columns, 'not_null' AS kind, 'native' AS mechanism, NULL::timestamptz AS retired_at WHERE evil.take();
GRANT SELECT ON pgslo.rule TO PUBLIC;
"""


@pytest.fixture
def forged(world: Any, world_dsn: str) -> Iterator[Connection]:
    """A superuser's session where mallory, who may create schemas, has forged pgslo's."""
    name = world.admin.info.dbname
    world.run(
        "superuser",
        f"DROP SCHEMA IF EXISTS pgslo_gen, pgslo, pgslo_catalog CASCADE; GRANT CREATE ON DATABASE {name} TO $mallory",
    )
    world.run("mallory", FORGED)
    world.run(
        "superuser",
        "CREATE TABLE features.ex (id int PRIMARY KEY, a int NOT NULL); GRANT USAGE ON SCHEMA features TO $mallory; ALTER TABLE features.ex OWNER TO $mallory",
    )
    url = sqlalchemy.URL.create("postgresql+psycopg", query=psycopg.conninfo.conninfo_to_dict(world_dsn))
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as session:
        yield session
    engine.dispose()


def revision(session: Connection) -> list[Any]:
    """What autogenerate finds to differ."""

    def only_features(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "schema" or name == "features"

    context = MigrationContext.configure(
        session, opts={"include_schemas": True, "include_name": only_features}
    )
    script = autogenerate.produce_migrations(context, MODEL)
    assert script.upgrade_ops is not None
    return list(script.upgrade_ops.as_diffs())


def test_alembic_does_not_read_the_rules_of_a_stranger(
    world: Any, forged: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert revision(forged)
    forged.commit()
    assert world.run("superuser", "TABLE evil.loot") == []
    assert world.names["mallory"] in caplog.text


def test_alembic_reads_the_rules_of_the_role_that_it_runs_as(world: Any, forged: Connection) -> None:
    forged.execute(sqlalchemy.text(world.sql("SET SESSION AUTHORIZATION $mallory")))
    assert not revision(forged)


#: What a stranger who installs pgslo can put in the place of what the command line reads first.
TRAPS = """
CREATE TABLE evil.loot (who text);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
GRANT INSERT ON evil.loot TO PUBLIC;
CREATE FUNCTION evil.take() RETURNS boolean LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO evil.loot VALUES (current_user); RETURN true; END$$;
CREATE OR REPLACE FUNCTION pgslo.version() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT evil.take()::text';
CREATE OR REPLACE FUNCTION pgslo_catalog.may_know_all(reader name) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT evil.take()';
"""
COMMANDS = (
    ("status",),
    ("drift",),
    ("metrics",),
    ("plan",),
    ("apply", "--yes"),
    ("migrate",),
    ("learn", "features.ex"),
    ("suggest", "features.ex"),
    ("backtest", "slos/ex.yml"),
    ("report", "-o", "report.html"),
    ("uninstall", "features.ex", "--yes"),
)


@pytest.fixture
def trapped(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A database in which mallory, who may create schemas, has installed pgslo and changed it."""
    name = world.admin.info.dbname
    world.run(
        "superuser",
        f"DROP SCHEMA IF EXISTS pgslo_gen, pgslo, pgslo_catalog CASCADE; GRANT CREATE ON DATABASE {name} TO $mallory",
    )
    runtime.install(world.session("mallory"))
    for table in ("runtime", "migration", "definition"):
        trap = f"""
            ALTER TABLE pgslo_catalog.{table} RENAME TO {table}_t;
            CREATE VIEW pgslo_catalog.{table} AS SELECT * FROM pgslo_catalog.{table}_t WHERE evil.take();
            GRANT SELECT ON pgslo_catalog.{table} TO PUBLIC;
        """
        world.run("mallory", (TRAPS if table == "runtime" else "") + trap)
    world.run("superuser", "CREATE TABLE features.ex (id int PRIMARY KEY, a int)")
    (tmp_path / "slos").mkdir()
    (tmp_path / "slos" / "ex.yml").write_text("table: features.ex\nkey: [id]\ncolumns: {a: [not_null]}\n")
    (tmp_path / "pgslo.toml").write_text('definitions = "slos"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PGSLO_RUNTIME_OWNER")
    return world


def test_no_command_of_a_superuser_runs_what_a_stranger_installed(trapped: Any, world_dsn: str) -> None:
    for command in COMMANDS:
        result = CliRunner().invoke(main, ["--dsn", world_dsn, *command])
        assert result.exit_code == 1, (command, result.output)
        assert f"belongs to role {trapped.names['mallory']}" in result.output, command
        assert trapped.run("superuser", "TABLE evil.loot") == [], command


def test_nor_one_object_of_a_stranger_in_schemas_of_a_superuser(trapped: Any, world_dsn: str) -> None:
    trapped.run(
        "superuser", "ALTER SCHEMA pgslo OWNER TO postgres; ALTER SCHEMA pgslo_catalog OWNER TO postgres"
    )
    trapped.run("superuser", "ALTER SCHEMA pgslo_gen OWNER TO postgres")
    result = CliRunner().invoke(main, ["--dsn", world_dsn, "status"])
    assert f"belongs to role {trapped.names['mallory']}" in result.output
    assert trapped.run("superuser", "TABLE evil.loot") == []


def test_a_role_that_is_trusted_is_named(trapped: Any, world_dsn: str) -> None:
    owner = trapped.names["mallory"]
    for command in (["--runtime-owner", owner, "status"], ["status", "--runtime-owner", owner]):
        result = CliRunner().invoke(main, ["--dsn", world_dsn, *command])
        assert "belongs to role" not in result.output
        assert trapped.run("superuser", "TABLE evil.loot") != []
    other = CliRunner().invoke(main, ["--dsn", world_dsn, "--runtime-owner", "postgres", "status"])
    assert f"belongs to role {owner}" in other.output


def test_other_roles_are_warned(trapped: Any, world_dsn: str) -> None:
    def said(role: str) -> str:
        dsn = psycopg.conninfo.make_conninfo(world_dsn, options=f"-c role={trapped.names[role]}")
        return CliRunner().invoke(main, ["--dsn", dsn, "status"]).stderr

    warning = f"pgslo in this database belongs to role {trapped.names['mallory']}: its functions run with your rights"
    assert warning in said("auditor")
    assert warning not in said("mallory")
    trapped.run("superuser", "GRANT $mallory TO $auditor")
    assert warning not in said("auditor")


def test_a_runtime_of_a_superuser_is_trusted_by_all(
    world: Any, world_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSLO_RUNTIME_OWNER")
    world.run("superuser", "DROP SCHEMA IF EXISTS pgslo_gen, pgslo, pgslo_catalog CASCADE")
    runtime.install(world.admin)
    for options in ("", f"-c role={world.names['auditor']}"):
        result = CliRunner().invoke(
            main, ["--dsn", psycopg.conninfo.make_conninfo(world_dsn, options=options), "status"]
        )
        assert "belongs to role" not in result.output
