"""No query of an author's own casts to a type of another role, whose domain constraints would run as pgslo's owner."""

from __future__ import annotations

import pytest

from pgslo import definition
from pgslo.database import planning
from pgslo.errors import DefinitionErrors, PgsloError
from pgslo.expression.queries import query

#: A schema with the name of a type, and domains in it that tell who runs their constraints.
TYPES = """
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE TABLE evil.loot (who text);
GRANT ALL ON evil.loot TO PUBLIC;
CREATE FUNCTION evil.f(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO evil.loot VALUES (current_user); RETURN true; END$$;
CREATE DOMAIN "date".evil AS int CHECK (evil.f(VALUE));
GRANT USAGE ON SCHEMA "date" TO PUBLIC;
"""
TABLE = """
CREATE TYPE features.mood AS ENUM ('good', 'bad');
CREATE TABLE features.w (id int PRIMARY KEY, d date, a int, mood features.mood);
GRANT INSERT, UPDATE ON features.w TO $writer;
"""
READS = "SELECT w.id FROM features.w AS w WHERE {} > 5"
VALUES = ["w.a::date.evil", "w.a :: date . evil", "CAST(w.a AS date.evil)", "(ARRAY[w.a]::date.evil[])[1]"]
RULES = {
    "rule": "rules: [q: {{query: '{}'}}]",
    "assertion": "assertions: [q: {{sql: '{}', on_breach: flag}}]",
    "rejecting": "assertions: [q: {{sql: '{}', on_breach: reject}}]",
}


def text(form: str, value: str) -> str:
    return f"table: features.w\nkey: [id]\nbatch: {{by: d}}\nwatch: false\n{RULES[form].format(READS.format(value))}\n"


@pytest.fixture
def typed(world):
    world.run("superuser", 'CREATE SCHEMA "date" AUTHORIZATION $mallory')
    world.run("mallory", TYPES)
    world.run("installer", TABLE)
    return world


def refused(world, form, value):
    """What refuses a query; whatever is accepted is applied, written to and evaluated, and runs nothing of mallory."""
    said = None
    session = world.session("installer")
    try:
        read = definition.load(text(form, value), path="slos/w.yml", kinds=definition.load_kinds({}))
        planning.plan_definitions(session, [read])
    except DefinitionErrors as group:
        (said,) = [str(error) for error in group.errors]
    except PgsloError as error:
        said = str(error)
    if said is None:
        world.apply(text(form, value))
        world.run("writer", "INSERT INTO features.w (id, d, a) VALUES (1, '2026-01-01', 1)")
        world.run("installer", "SELECT pgslo.tick()")
    assert world.run("mallory", "SELECT who FROM evil.loot") == []
    return said


@pytest.mark.parametrize("form", RULES)
@pytest.mark.parametrize("value", VALUES)
def test_a_type_in_a_schema_with_the_name_of_a_type_is_refused(typed, form, value):
    said = refused(typed, form, value)
    assert said is not None
    assert said.startswith("slos/w.yml:5:")


@pytest.mark.parametrize("form", RULES)
@pytest.mark.parametrize("temporary", ["GRANT", "REVOKE"])
def test_postgresql_tells_what_a_query_depends_on(typed, form, temporary, monkeypatch):
    """Also where the text was misread: PostgreSQL's own reading decides."""
    monkeypatch.setattr(query, "_check_type", lambda *_: None)
    where = "TO PUBLIC" if temporary == "GRANT" else "FROM PUBLIC"
    typed.run(
        "superuser",
        f"DO $do$BEGIN EXECUTE format('{temporary} TEMPORARY ON DATABASE %I {where}', current_database()); END$do$",
    )
    before = typed.run("superuser", "SELECT count(*) FROM pg_class")
    said = refused(typed, form, VALUES[0])
    assert said is not None
    assert said.startswith("slos/w.yml:5:")
    assert f'depends on type date.evil, which belongs to role "{typed.names["mallory"]}"' in said
    assert "hint: use types" in said
    assert typed.run("superuser", "SELECT count(*) FROM pg_class") == before


@pytest.mark.parametrize("form", RULES)
@pytest.mark.parametrize("value", ["w.a::int", "CAST(w.a AS double precision)", "(ARRAY[w.a]::int[])[1]"])
def test_types_of_postgresql_and_of_the_installer_are_accepted(typed, form, value):
    assert refused(typed, form, f"CASE WHEN w.mood = ''good'' THEN 1 END + {value}") is None


def test_a_query_with_columns_of_one_name_is_accepted(typed):
    world = typed
    world.apply(
        "table: features.w\nkey: [id]\nbatch: {by: d}\nwatch: false\n"
        "rules: [q: {query: 'SELECT w.id, w.id, 1, 2 FROM features.w AS w WHERE w.a > 5'}]\n"
    )
