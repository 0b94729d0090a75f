"""The facts about Citus, TimescaleDB and the engine. The extensions are not installed: stand-ins have their tables.

What the extensions do with the statements of pgslo is not tested here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pglast
import psycopg
import pytest
from click.testing import CliRunner, Result
from stand_ins import CITUS

from pgslo import database, definition
from pgslo.catalog import Citus, Placement
from pgslo.cli import main
from pgslo.database import catalog_reader, installation, planning
from pgslo.errors import DatabaseError, DefinitionErrors, PlanError

Connection = psycopg.Connection[Any]

TABLES = """
CREATE SCHEMA feat;
CREATE TABLE feat.t (id bigint NOT NULL, day date NOT NULL, a float8, PRIMARY KEY (id, day));
CREATE TABLE feat.r (id bigint PRIMARY KEY);
CREATE TABLE feat.plain (id bigint PRIMARY KEY);
CREATE TABLE feat.own (id bigint PRIMARY KEY);
CREATE TABLE feat.tenant (id bigint PRIMARY KEY);
"""
TIMESCALE = """
SET allow_system_table_mods = on;
INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (99998, 'timescaledb', 10, 11, false, '2.29.2');
RESET allow_system_table_mods;
CREATE SCHEMA timescaledb_information;
CREATE TABLE timescaledb_information.dimensions (hypertable_schema name, hypertable_name name, dimension_number bigint, column_name name);
INSERT INTO timescaledb_information.dimensions VALUES ('feat', 't', 1, 'day');
CREATE SCHEMA _timescaledb_internal;
CREATE TABLE _timescaledb_internal._hyper_1_1_chunk () INHERITS (feat.t);
"""
NATIVE = "watch: false\ncolumns: {a: [not_null: {on_breach: reject}]}"
RANGE = "writes: bulk\nbatch: {by: day}\ncolumns: {a: [range: {min: 0}]}"


def load(rest: str, *, table: str = "feat.t") -> definition.Definition:
    return definition.load(f"table: {table}\nowner: sam\n{rest}\n", path="slos/t.yml")


def refused(connection: Connection, rest: str, *, table: str = "feat.t") -> str:
    with pytest.raises(DefinitionErrors) as caught:
        planning.plan_definitions(connection, [load(rest, table=table)])
    return str(caught.value)


def apply(connection: Connection, rest: str) -> None:
    one = load(rest)
    plan = planning.plan_definitions(connection, [one])
    assert installation.apply(connection, plan, lambda: planning.plan_definitions(connection, [one])) == ()
    assert planning.plan_definitions(connection, [one]).empty


def test_a_server_without_these_extensions(connection: Connection) -> None:
    connection.execute(TABLES)
    catalog = catalog_reader.read_catalog(connection, [load(NATIVE)])
    assert catalog.citus is None
    assert catalog.engine.version.startswith("PostgreSQL ")
    assert catalog.engine.database == connection.info.dbname
    assert (catalog.engine.has_plpgsql, catalog.engine.is_limitless) == (True, False)
    assert catalog.engine.extensions == frozenset()


def test_tables_of_others_mean_nothing_without_the_extension(connection: Connection) -> None:
    """A role that may create schemas cannot make pgslo believe in an extension."""
    connection.execute(TABLES)
    connection.execute(
        "CREATE SCHEMA timescaledb_information;"
        "CREATE TABLE timescaledb_information.dimensions (hypertable_schema name, hypertable_name name, dimension_number bigint, column_name name);"
        "INSERT INTO timescaledb_information.dimensions VALUES ('feat', 't', 1, 'day');"
        "CREATE TABLE public.pg_dist_partition (logicalrelid regclass)"
    )
    relation = catalog_reader.read_catalog(connection, [load(NATIVE)]).relations["feat", "t"]
    assert not relation.is_hypertable


def test_where_citus_keeps_tables(connection: Connection) -> None:
    connection.execute(TABLES)
    connection.execute(CITUS)
    named = [load(NATIVE)] + [load("", table=f"feat.{name}") for name in ("r", "own", "tenant", "plain")]
    assert catalog_reader.read_catalog(connection, named).citus == Citus(
        is_worker=False,
        coordinator="coordinator.example:5432",
        has_unsafe_triggers=False,
        tables={
            ("feat", "t"): Placement("distributed", "id", 3),
            ("feat", "r"): Placement("reference", "", 4),
            ("feat", "own"): Placement("managed"),
            ("feat", "tenant"): Placement("distributed", "", 5),
        },
    )
    assert "a column of the rows has to name the batch" in refused(
        connection, "columns: {a: [range: {min: 0}]}"
    )
    tenant = "what triggers record on its nodes does not reach the coordinator"
    assert tenant in refused(connection, "columns: {id: [range: {min: 0}]}", table="feat.tenant")
    assert "feat.own is a local table in the metadata of Citus" in refused(connection, "", table="feat.own")
    apply(connection, NATIVE)


def test_triggers_that_are_there_and_a_setting_that_is_off(connection: Connection) -> None:
    """As after an apply with the setting, in a session without it."""
    connection.execute(TABLES)
    apply(connection, RANGE)
    connection.execute(CITUS)
    message = "Citus creates, replaces and drops triggers of feat.t only with citus.enable_unsafe_triggers"
    for make in (
        lambda: planning.plan_definitions(connection, [load(NATIVE)]),
        lambda: planning.plan_removal(connection, ["feat.t"]),
    ):
        with pytest.raises(PlanError) as caught:
            make()
        assert caught.value.message == message
        assert caught.value.hint == (
            f"ALTER ROLE postgres IN DATABASE {connection.info.dbname} SET citus.enable_unsafe_triggers = on"
        )
    connection.execute("SET citus.enable_unsafe_triggers = on")
    assert not planning.plan_removal(connection, ["feat.t"]).empty
    assert not planning.plan_definitions(connection, [load(NATIVE)]).empty


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_dsn: str) -> Callable[..., Result]:
    """A folder with a definition, and a database without pgslo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    Path("slos").mkdir()
    Path("slos/t.yml").write_text(f"table: feat.t\nowner: sam\n{NATIVE}\n", encoding="utf-8")
    return run


def test_a_worker(project: Callable[..., Result], empty_connection: Connection) -> None:
    empty_connection.execute(TABLES)
    empty_connection.execute(CITUS)
    empty_connection.execute("UPDATE pg_catalog.pg_dist_local_group SET groupid = 1")
    message = "error: this is a worker of a Citus cluster; apply and tick run on its coordinator, coordinator.example:5432\n"
    for command in (("plan",), ("apply", "--yes"), ("tick",), ("status",), ("migrate",)):
        result = project(*command)
        assert (result.exit_code, result.stdout) == (1, ""), command
        assert result.stderr.startswith(message), f"{command}: {result.stderr}"


def test_no_language_for_the_functions(project: Callable[..., Result], empty_connection: Connection) -> None:
    empty_connection.execute(TABLES)
    empty_connection.execute("DROP EXTENSION plpgsql")
    for command in (("plan",), ("apply", "--yes"), ("migrate",)):
        result = project(*command)
        assert result.exit_code == 1
        assert "the database has no language plpgsql" in result.stderr, command


@pytest.mark.parametrize("version", ["CockroachDB CCL v25.2.1", "PostgreSQL 14.4 (Apache Cloudberry 2.0.0)"])
def test_an_engine_that_calls_itself_otherwise(
    empty_dsn: str, empty_connection: Connection, version: str
) -> None:
    empty_connection.execute("SET allow_system_table_mods = on")
    empty_connection.execute(
        f"CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS $$ SELECT '{version}' $$"
    )
    with pytest.raises(DatabaseError, match="pgslo does not run on") as caught, database.connect(empty_dsn):
        pass
    assert caught.value.detail is not None
    assert caught.value.hint is not None


def test_a_hypertable(connection: Connection) -> None:
    connection.execute(TABLES)
    connection.execute(TIMESCALE)
    relation = catalog_reader.read_catalog(connection, [load(NATIVE)]).relations["feat", "t"]
    assert (relation.is_hypertable, relation.partition_key, relation.children) == (True, ("day",), ())
    assert catalog_reader.read_relation(connection, ("feat", "t")) == relation
    unique = "watch: false\nrules: [one: {unique: [%s], on_breach: reject}]"
    assert "rows of a hypertable cannot be unique without its partition key (day)" in refused(
        connection, unique % "a"
    )
    clip = 'columns: {day: [repair: {clip: ["2026-01-05", "2026-12-31"]}]}'
    assert 'column "day" says which chunk a row belongs to' in refused(connection, clip)
    apply(connection, f"{unique % 'a, day'}")
    apply(connection, f"writes: stream\n{RANGE.partition('bulk')[2]}")
    assert not any("children" in note for note in planning.plan_definitions(connection, [load(RANGE)]).notes)


def test_each_message_of_apply_has_one_statement(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Citus forwards a message as a prepared statement, which may be one statement alone."""
    connection.execute(TABLES.encode())
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def noted(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(
            query.decode()
            if isinstance(query, bytes)
            else query.as_string(None)
            if hasattr(query, "as_string")
            else query
        )
        return execute(cursor, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", noted)
    apply(connection, "key: [id, day]\n" + RANGE)
    apply(connection, "key: [id, day]\n" + RANGE.replace("min: 0", "min: 1"))
    assert [text for text in sent if " TRIGGER pgslo_" in text]
    several = [text for text in sent if len(pglast.split(re.sub(r"%(\(\w+\))?[sbt]", "NULL", text))) > 1]
    assert several == []
