"""A reader's own objects that depend on a guarded view keep no rule, and no right, from ending."""

from __future__ import annotations

import textwrap
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.database import catalog_reader, installation, operations, planning
from pgslo.errors import PlanError

World = Any

TABLE = """
CREATE TABLE features.t (id int PRIMARY KEY, d date, a int, s varchar(10) COLLATE "C", n numeric(10,2), c char(3),
                         at timestamptz(3), tags text[], b int);
INSERT INTO features.t VALUES (1, '2026-01-01', 5)
"""
DEFINITION = (
    "{table: features.t, key: [id], batch: {by: d}, readers: [$mallory], columns: {a: [range: {min: 0}]}}"
)

#: Forms of dependence on the view, its row type or an array of it; the last line of each says what plan calls it.
HOLDERS = {
    "view": ("CREATE VIEW evil.x AS SELECT id FROM guarded.t", "view evil.x of role $mallory"),
    "temporary view": ("CREATE TEMP VIEW x AS SELECT id FROM guarded.t", "of role $mallory"),
    "column": ("CREATE TABLE evil.x (x guarded.t)", "column x of table evil.x of role $mallory"),
    "temporary column": ("CREATE TEMP TABLE x (x guarded.t)", "of role $mallory"),
    "argument": (
        "CREATE FUNCTION evil.x(guarded.t) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "function evil.x(guarded.t) of role $mallory",
    ),
    "body": (
        "CREATE FUNCTION evil.x() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM guarded.t; END",
        "function evil.x() of role $mallory",
    ),
    "temporary body": (
        "CREATE FUNCTION pg_temp.x() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM guarded.t; END",
        "of role $mallory",
    ),
    "domain": ("CREATE DOMAIN evil.x AS guarded.t", "type evil.x of role $mallory"),
    "array": ("CREATE TYPE evil.x AS (x guarded.t[])", "evil.x of role $mallory"),
}


@pytest.fixture
def held(world: World, request: pytest.FixtureRequest) -> World:
    """A guarded view with an object of a reader that depends on it; the reader's session stays open."""
    world.run("installer", TABLE)
    world.apply(DEFINITION)
    world.session("mallory").execute(HOLDERS[request.param][0].encode())
    return world


def plan(world: World, text: str = DEFINITION) -> Any:
    wanted = definition.load(textwrap.dedent(world.sql(text)), path="slos/t.yml")
    with world.session("installer") as session:
        return planning.plan_definitions(session, [wanted])


def oid(world: World) -> Any:
    return world.run("superuser", "SELECT to_regclass('guarded.t')::oid::bigint")


def aside(world: World) -> list[str]:
    found = world.run(
        "superuser",
        "SELECT oid::regclass::text FROM pg_class WHERE relname LIKE 'pgslo\\_aside\\_%' ORDER BY 1",
    )
    return [name for (name,) in found]


def drift(world: World) -> list[Any]:
    return [one for one in operations.find_drift(world.session("installer")) if one.what != "unseen rows"]


@pytest.mark.parametrize("held", HOLDERS, indirect=True)
def test_a_role_that_is_a_reader_no_longer_reads_no_longer(held: World) -> None:
    before = oid(held)
    held.apply(DEFINITION.replace("$mallory", "$reader"))
    for view in ("t", "t_strict", "t_status", "t_healthy"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            held.run("mallory", f"SELECT * FROM guarded.{view}")
        assert held.run("reader", f"SELECT id FROM guarded.{view}") == [(1,)]
    assert oid(held) == before, "replaced where it is"
    assert aside(held) == []


@pytest.mark.parametrize("held", HOLDERS, indirect=True)
def test_a_column_that_comes_at_the_end_replaces_the_view_where_it_is(held: World) -> None:
    before = oid(held)
    held.run("installer", "ALTER TABLE features.t ADD COLUMN e int; UPDATE features.t SET e = 7")
    held.apply(DEFINITION.replace("range: {min: 0}", "range: {min: 1}"))
    assert held.run("mallory", "SELECT a, e FROM guarded.t") == [(5, 7)]
    assert held.run("mallory", "SELECT a, e FROM guarded.t_status") == [(5, 7)]
    assert oid(held) == before
    assert aside(held) == []


@pytest.mark.parametrize("held", HOLDERS, indirect=True)
def test_a_view_that_cannot_be_replaced_where_it_is_goes_out_of_the_way(
    held: World, request: pytest.FixtureRequest
) -> None:
    named = held.sql(HOLDERS[request.node.callspec.params["held"]][1])
    held.run(
        "installer",
        """GRANT SELECT ON guarded.t TO $trainer WITH GRANT OPTION; GRANT SELECT (id) ON guarded.t TO $steward;
           GRANT USAGE ON SCHEMA guarded TO $trainer""",
    )
    held.run("trainer", "GRANT SELECT ON guarded.t TO PUBLIC")
    held.run("installer", "ALTER TABLE features.t RENAME COLUMN b TO e")
    (step,) = (one for one in plan(held).steps if one.identity == "guarded.t")
    assert any(named in hazard for hazard in step.hazards), step.hazards
    held.apply(DEFINITION.replace("$mallory", "$reader"))
    assert held.run("reader", "SELECT id, e FROM guarded.t") == [(1, None)]
    (kept,) = aside(held)
    for part in ("mallory", "reader", "trainer", "steward"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            held.run(part, f"SELECT id FROM {kept}")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=r"pgslo replaced the view guarded\.t"):
        held.run("superuser", f"SELECT * FROM {kept}")
    assert plan(held, DEFINITION.replace("$mallory", "$reader")).empty
    (told,) = drift(held)
    assert (told.what, told.thing, told.is_hint) == ("set aside", f"view {kept}", True)
    assert named in told.said.replace(kept, "guarded.t")
    # It keeps no column of the table from being dropped, and goes once nothing depends on it.
    held.run("installer", "DROP VIEW guarded.t, guarded.t_status, guarded.t_strict, guarded.t_healthy")
    held.run("installer", "ALTER TABLE features.t DROP COLUMN n")
    held.run("superuser", "DROP OWNED BY $mallory CASCADE")
    held.apply(DEFINITION.replace("$mallory", "$reader"))
    assert aside(held) == []
    assert drift(held) == []


@pytest.mark.parametrize("held", HOLDERS, indirect=True)
def test_uninstall_names_what_holds_a_view_and_its_owner(held: World, request: pytest.FixtureRequest) -> None:
    named = held.sql(HOLDERS[request.node.callspec.params["held"]][1])
    with (
        held.session("installer") as session,
        pytest.raises(PlanError, match="other objects depend on it") as refused,
    ):
        planning.plan_removal(session, ["features.t"])
    assert named in refused.value.detail
    assert "objects in pg_temp go with the session" in refused.value.hint


@pytest.mark.parametrize("held", ["temporary column"], indirect=True)
def test_a_view_that_is_kept_holds_neither_the_table_nor_the_runtime(held: World) -> None:
    held.run("installer", "ALTER TABLE features.t RENAME COLUMN b TO e")
    held.apply(DEFINITION)
    (kept,) = aside(held)
    depends = held.run(
        "superuser",
        f"""SELECT d.refobjid::regclass::text FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            WHERE w.ev_class = '{kept}'::regclass AND d.refobjid <> w.ev_class AND d.deptype = 'n'""",
    )
    assert depends == []
    assert kept not in " ".join(catalog_reader.runtime_dependants(held.admin))


@pytest.mark.parametrize("change", ["reader alone", "rule"])
def test_a_right_ends_while_its_reader_holds_the_view(world: World, change: str, monkeypatch: Any) -> None:
    """An open transaction that has read the view keeps it from being replaced for as long as it likes."""
    world.run("installer", TABLE)
    world.apply(DEFINITION)
    reading = world.session("mallory")
    reading.autocommit = False
    reading.execute(b"SELECT a FROM guarded.t")
    monkeypatch.setattr(installation, "LOCK_PATIENCE", 0.0)
    text = DEFINITION.replace("$mallory", "$reader").replace(
        "min: 0", "min: 1" if change == "rule" else "min: 0"
    )
    wanted = definition.load(textwrap.dedent(world.sql(text)), path="slos/t.yml")
    with world.session("installer") as session:

        def made() -> Any:
            return planning.plan_definitions(session, [wanted])

        with pytest.raises(Exception, match="could be locked"):
            installation.apply(session, made(), made)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reading.execute(b"SELECT a FROM guarded.t")
    reading.close()
    world.apply(text)
    assert world.run("reader", "SELECT id FROM guarded.t") == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("mallory", "SELECT id FROM guarded.t")


def test_what_a_former_reader_granted_goes_with_its_right(world: World) -> None:
    world.run("installer", TABLE)
    world.apply(DEFINITION)
    world.run(
        "installer",
        "GRANT SELECT ON guarded.t TO $mallory WITH GRANT OPTION; GRANT USAGE ON SCHEMA guarded TO $trainer",
    )
    world.run("mallory", "GRANT SELECT ON guarded.t TO $trainer")
    world.apply(DEFINITION.replace("$mallory", "$reader"))
    for part in ("mallory", "trainer"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.run(part, "SELECT id FROM guarded.t")
