"""``alembic revision --autogenerate`` on a guarded database, by Alembic itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic import autogenerate
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy import CHAR, Column, Connection, Date, Index, Integer, MetaData, Numeric, String, Table

from pgslo import alembic

TABLES = """
    CREATE SCHEMA ml;
    CREATE TABLE ml.area (id integer PRIMARY KEY);
    CREATE TABLE ml.t (id integer PRIMARY KEY, d date, a numeric(8,2), b varchar(10), c char(2), area integer);
    CREATE TABLE ml."Odd Name" (id integer PRIMARY KEY, "A b" integer);
"""
DEFINITION = """
    table: ml.t
    owner: x
    batch: {by: d}
    columns:
      a: [{not_null: {on_breach: reject}}]
      b: [{unique: {on_breach: reject}}]
      area: [{references: {table: ml.area, column: id, on_breach: reject}}]
"""
ODD = """
    table: 'ml."Odd Name"'
    owner: x
    columns:
      A b: [{not_null: {on_breach: reject}}]
"""


def model(*, a: Any = None, also: tuple[Any, ...] = ()) -> MetaData:
    """The tables as an application declares them, which knows nothing of rules."""
    metadata = MetaData()
    Table("area", metadata, Column("id", Integer, primary_key=True), schema="ml")
    Table(
        "t", metadata, Column("id", Integer, primary_key=True), Column("d", Date), Column("a", a or Numeric(8, 2)),
        Column("b", String(10)), Column("c", CHAR(2)), Column("area", Integer), *also, schema="ml",
    )  # fmt: skip
    Table("Odd Name", metadata, Column("id", Integer, primary_key=True), Column("A b", Integer), schema="ml")
    return metadata


@pytest.fixture
def guarded(
    dsn: str, connection: psycopg.Connection[Any], apply: Callable[[str], Any]
) -> Iterator[Connection]:
    """A session of SQLAlchemy's on a database with rules that depend on constraints and indexes."""
    connection.execute(TABLES)
    for definition in (DEFINITION, ODD):
        apply(definition)
    url = sqlalchemy.URL.create("postgresql+psycopg", query=psycopg.conninfo.conninfo_to_dict(dsn))
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as session:
        yield session
    engine.dispose()


def revision(guarded: Connection, metadata: MetaData, **options: Any) -> ops.MigrationScript:
    """What autogenerate would write."""
    context = MigrationContext.configure(
        guarded, opts={"include_schemas": True, "compare_type": True, **options}
    )
    return autogenerate.produce_migrations(context, metadata)


def diffs(script: ops.MigrationScript) -> list[Any]:
    assert script.upgrade_ops is not None
    return list(script.upgrade_ops.as_diffs())


#: SQLAlchemy knows not all types of pgslo's own tables, and says so where it reads them.
reads_all = pytest.mark.filterwarnings("ignore:Did not recognize type")

#: Alembic without the plugin, as before 1.18.
OLD = {"autogenerate_plugins": ["alembic.autogenerate.*", "~alembic.autogenerate.pgslo"]}


@reads_all
def test_without_care_it_would_drop_everything(guarded: Connection) -> None:
    kinds = [
        diff[0] if isinstance(diff, tuple) else diff[0][0]
        for diff in diffs(revision(guarded, model(), **OLD))
    ]
    assert kinds.count("remove_table") > 30
    assert {"remove_index", "remove_fk", "modify_nullable"} <= set(kinds)


def test_the_plugin_is_on_by_itself_and_nothing_of_pgslo_is_touched(guarded: Connection) -> None:
    script = revision(guarded, model())
    assert diffs(script) == []
    assert script.downgrade_ops is not None
    assert script.downgrade_ops.is_empty()


@reads_all
def test_older_versions_are_handed_the_hook(guarded: Connection) -> None:
    script = revision(guarded, model(), **OLD)
    alembic.process_revision_directives(MigrationContext.configure(guarded), "head", [script])
    assert diffs(script) == []
    assert script.downgrade_ops is not None
    assert script.downgrade_ops.is_empty()


@reads_all
def test_the_two_filters_leave_only_not_null(guarded: Connection) -> None:
    for hooks in ({"include_name": alembic.include_name}, {"include_object": alembic.include_object}):
        found = diffs(revision(guarded, model(), **OLD, **hooks))
        assert [[one[0] for one in diff] for diff in found] == [["modify_nullable"], ["modify_nullable"]], (
            hooks
        )
    assert diffs(revision(guarded, model(), include_name=alembic.include_name)) == []


def test_the_application_s_own_changes_are_written(
    guarded: Connection, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        "CREATE TABLE ml.old (id integer); CREATE INDEX own_c ON ml.t (c); ALTER TABLE ml.t ALTER c SET NOT NULL"
    )
    changed = model(a=Numeric(10, 2), also=(Column("e", Integer), Index("own_d", "d")))
    script = revision(guarded, changed)
    found = sorted(diff[0] if isinstance(diff, tuple) else diff[0][0] for diff in diffs(script))
    assert found == [
        "add_column",
        "add_index",
        "modify_nullable",
        "modify_type",
        "remove_index",
        "remove_table",
    ]
    # Column a changes its type and keeps NOT NULL, column c loses what no rule rests on.
    (nullable,) = [
        diff[0] for diff in diffs(script) if isinstance(diff, list) and diff[0][0] == "modify_nullable"
    ]
    assert nullable[3] == "c"


def test_a_rule_that_is_gone_holds_nothing(guarded: Connection, apply: Callable[[str], Any]) -> None:
    apply(DEFINITION.replace("a: [{not_null: {on_breach: reject}}]", "a: [{not_null: {on_breach: flag}}]"))
    assert diffs(revision(guarded, model())) == []


def test_it_needs_no_runtime(guarded: Connection, empty_dsn: str) -> None:
    del guarded
    url = sqlalchemy.URL.create("postgresql+psycopg", query=psycopg.conninfo.conninfo_to_dict(empty_dsn))
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as session:
        session.execute(sqlalchemy.text("CREATE SCHEMA ml"))
        session.execute(sqlalchemy.text("CREATE TABLE ml.area (id integer PRIMARY KEY, x integer NOT NULL)"))
        metadata = MetaData()
        Table("area", metadata, Column("id", Integer, primary_key=True), Column("x", Integer), schema="ml")
        (found,) = diffs(revision(session, metadata))
        assert found[0][0] == "modify_nullable"
    engine.dispose()
