"""What pgslo looks up in a table of a third role runs none of that role's code with more rights."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest
from tests.database.security.test_owners import SPY, ran

from pgslo import definition
from pgslo.database import operations, planning
from pgslo.errors import DefinitionErrors

TABLES = """
CREATE TABLE evil.country (code text PRIMARY KEY, n int);
INSERT INTO evil.country VALUES ('de', 1), ('fr', 1);
GRANT SELECT ON evil.country TO $installer;
"""
OWN = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, code text, n int);
CREATE INDEX ON features.ex (code);
GRANT ALL ON features.ex TO $writer;
"""
REFERENCES = """
table: features.ex
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  code: [references: {{table: evil.country, column: code, on_breach: {action}, name: known}}]
"""
EVERYTHING = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  code: [references: {table: evil.country, column: code, on_breach: flag, name: known}]
rules:
  - same: {same_as: {table: evil.country, on: [code]}}
  - asked: {query: "SELECT c.code FROM evil.country AS c WHERE c.code = 'xx'"}
assertions:
  - listed: {none_without: {table: evil.country, on: {code: code}}, on_breach: flag}
  - held: {sql: "SELECT c.code FROM evil.country AS c WHERE c.code = 'xx'", check_on: [features.ex], on_breach: reject}
"""
#: What the owner of the other table can make run when somebody reads it.
WAYS = {
    "view": """ALTER TABLE evil.country RENAME TO was;
               CREATE VIEW evil.country AS SELECT w.code, evil.bend(w.n) AS n FROM evil.was w WHERE evil.bend(1) = 1""",
    "table": """DROP TABLE evil.country CASCADE; CREATE TABLE evil.country (code text PRIMARY KEY, n int);
                CREATE INDEX ON evil.country ((evil.spy(1) + n))""",
    "policy": """CREATE POLICY p ON evil.country USING (evil.bend(1) = 1);
                 ALTER TABLE evil.country ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY""",
    "index expression": "CREATE INDEX ON evil.country ((evil.spy(1) + n))",
    "index predicate": "CREATE INDEX ON evil.country (n) WHERE evil.spy(1) = 1",
    "check": "ALTER TABLE evil.country ADD CHECK (evil.spy(1) = 1) NOT VALID",
    "child": """CREATE TABLE evil.child (CHECK (evil.spy(1) = 1)) INHERITS (evil.country);
                CREATE INDEX ON evil.child ((evil.spy(1) + n))""",
}
#: Those that remain where a query, or an assertion, joins tables of two roles: a plan names them.
OF_PLANNING = ("index expression", "index predicate", "check", "child")


@pytest.fixture
def third(world: Any) -> Any:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", SPY + TABLES)
    world.run("installer", OWN)
    return world


def plan(world: Any, text: str) -> Any:
    loaded = [definition.load(world.sql(text), path="slos/example.yml", kinds=definition.load_kinds({}))]
    return planning.plan_definitions(world.session("installer"), loaded)


def spy_on(world: Any, way: str) -> None:
    world.run("mallory", WAYS[way])
    world.run("superuser", "SELECT setval('evil.as_other', 1, false), setval('evil.as_mallory', 1, false)")


def as_other(world: Any) -> bool:
    return bool(ran(world)[1])


def rule_breaks(world: Any) -> list[Any]:
    return world.run(
        "installer", "SELECT r.name FROM pgslo_catalog.rule_break b JOIN pgslo_catalog.rule r USING (rule_id)"
    )


def find_drift(world: Any) -> set[tuple[str, str]]:
    return {(one.what, one.thing) for one in operations.find_drift(world.session("installer"))}


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("action", ["flag", "quarantine"])
def test_a_rule_looks_rows_up_with_the_rights_of_the_other_table_s_owner(
    third: Any, writes: str, action: str
) -> None:
    third.apply(REFERENCES.format(writes=writes, action=action))
    assert third.run(
        "superuser",
        "SELECT pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.proname = 'features__ex__lookup_known'",
    ) == [(third.names["mallory"],)]
    third.run(
        "writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'de', 1), (2, '2026-01-01', 'xx', 1)"
    )
    assert rule_breaks(third) == []
    if action == "flag":
        assert ("known",) in third.run("installer", "SELECT rule FROM pgslo.incident")
        return
    assert third.run("superuser", "SELECT code FROM features.ex") == [("de",)]
    third.run("steward", """SELECT pgslo.release(1, '{"code": "fr"}')""")
    assert third.run("superuser", "SELECT code FROM features.ex ORDER BY 1") == [("de",), ("fr",)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("action", ["flag", "quarantine", "reject"])
def test_a_write_runs_no_code_of_the_other_table_s_owner_with_other_rights(
    third: Any, way: str, action: str
) -> None:
    text = REFERENCES.format(writes="bulk", action=action)
    third.apply(text.replace("name: known", "name: known, where: n > 0"))
    third.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'xy', 0)")
    spy_on(third, way)
    session = third.session("writer")
    try:
        session.execute("INSERT INTO features.ex VALUES (2, '2026-01-01', 'de', 1)")
        session.execute("INSERT INTO features.ex VALUES (3, '2026-01-01', 'xx', 1)")
    except psycopg.errors.CheckViolation:
        assert action == "reject"
    assert session.execute("SELECT current_setting('search_path')").fetchone() == ('"$user", public',)
    if action == "quarantine":
        with contextlib.suppress(psycopg.Error):
            third.run("steward", "SELECT pgslo.release(1)")
    third.run("operator", "SELECT pgslo.tick(); SELECT pgslo.close_batch('features.ex')")
    assert not as_other(third)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in OF_PLANNING])
def test_nor_do_tick_and_commit(third: Any, way: str) -> None:
    third.apply(EVERYTHING)
    third.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'de', 1)")
    third.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert rule_breaks(third) == []
    spy_on(third, way)
    for statement in (
        "INSERT INTO features.ex VALUES (2, '2026-01-01', 'de', 1)",
        "UPDATE features.ex SET code = 'fr'",
    ):
        # An assertion that rejects fails the write where it cannot be evaluated.
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            third.run("writer", statement)
    third.run("operator", "SELECT pgslo.tick()")
    third.run("operator", "SELECT pgslo.close_batch('features.ex')")
    third.run("installer", "SELECT * FROM pgslo.audit('features.ex')")
    assert not as_other(third)
    # With a policy the assertion refuses the writes, and no batch is closed again.
    assert way == "policy" or {("same",), ("asked",)} <= set(rule_breaks(third))


@pytest.mark.parametrize("way", ["view", "table"])
def test_a_table_that_was_replaced_is_not_looked_up_and_drift_says_so(third: Any, way: str) -> None:
    third.apply(EVERYTHING)
    third.run("mallory", WAYS[way])
    third.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'zz', 1)")
    third.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert {("known",), ("same",), ("asked",)} <= set(rule_breaks(third))
    assert ("foreign", "relation evil.country") in find_drift(third)


def test_nor_is_one_that_got_another_owner(third: Any) -> None:
    text = REFERENCES.format(writes="bulk", action="flag")
    third.apply(text)
    third.run("superuser", "ALTER TABLE evil.country OWNER TO $trainer")
    third.run("superuser", "GRANT USAGE ON SCHEMA evil TO $trainer")
    third.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'zz', 1)")
    assert rule_breaks(third) == [("known",)]
    assert ("other owner", "relation evil.country") in find_drift(third)
    third.run("superuser", "GRANT $trainer TO $installer")
    third.apply(text)
    third.run("writer", "INSERT INTO features.ex VALUES (2, '2026-01-01', 'zz', 1)")
    assert rule_breaks(third) == []
    assert find_drift(third) == set()


def test_the_owner_of_a_schema_puts_no_other_table_in_place(third: Any) -> None:
    """The other table belongs to pgslo's owner, and its schema to another role, who may drop the table."""
    third.run("superuser", "ALTER TABLE evil.country OWNER TO $installer")
    third.apply(EVERYTHING)
    third.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'de', 1)")
    assert rule_breaks(third) == []
    third.run(
        "mallory",
        """DROP TABLE evil.country CASCADE;
           CREATE VIEW evil.country AS SELECT 'de'::text AS code, evil.bend(1) AS n WHERE evil.bend(1) = 1;
           GRANT SELECT ON evil.country TO PUBLIC""",
    )
    third.run("writer", "INSERT INTO features.ex VALUES (2, '2026-01-01', 'de', 1)")
    third.run("operator", "SELECT pgslo.tick(); SELECT pgslo.close_batch('features.ex')")
    assert ran(third) == (False, False)
    assert {("known",), ("same",), ("asked",)} <= set(rule_breaks(third))


def test_a_table_of_the_same_owner_may_be_made_anew(third: Any) -> None:
    """Jobs do so every night."""
    third.run("installer", "CREATE TABLE features.country (code text PRIMARY KEY, n int)")
    third.apply(
        EVERYTHING.replace("evil.country", "features.country").replace("on_breach: reject", "on_breach: flag")
    )
    third.run(
        "installer",
        """DROP TABLE features.country; CREATE TABLE features.country (code text PRIMARY KEY, n int);
           INSERT INTO features.country VALUES ('de', 1)""",
    )
    third.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'de', 1)")
    third.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert rule_breaks(third) == []


def test_without_membership_the_plan_refuses(third: Any) -> None:
    third.run("superuser", "REVOKE $mallory FROM $installer")
    with pytest.raises(DefinitionErrors, match="has to be looked up"):
        plan(third, REFERENCES.format(writes="bulk", action="flag"))


def test_a_member_without_set_role_cannot_give_functions_away(third: Any) -> None:
    if third.admin.info.server_version < 160000:
        pytest.skip("members without SET ROLE came with PostgreSQL 16")
    third.run("superuser", "GRANT $mallory TO $installer WITH INHERIT TRUE, SET FALSE")
    with pytest.raises(DefinitionErrors, match="has to be looked up"):
        plan(third, REFERENCES.format(writes="bulk", action="flag"))


def test_a_foreign_key_needs_no_membership(third: Any) -> None:
    third.run("superuser", "REVOKE $mallory FROM $installer")
    third.run("mallory", "GRANT REFERENCES ON evil.country TO $installer")
    assert not plan(third, REFERENCES.format(writes="bulk", action="reject")).empty


def test_the_plan_names_what_remains(third: Any) -> None:
    mallory = third.names["mallory"]
    notes = plan(third, EVERYTHING).notes
    for by in ("asked", "listed", "held"):
        assert any(by in note and f"evil.country of role {mallory}" in note for note in notes), notes
