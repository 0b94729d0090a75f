"""A schema pgslo that a stranger made runs no code of theirs as the role that reads it through a plugin."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic import autogenerate
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, Integer, MetaData, Table

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
