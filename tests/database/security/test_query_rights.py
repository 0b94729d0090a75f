"""Rules read with the rights of the owner of their table, and say whose code they may run (case 10)."""

from __future__ import annotations

import pytest

from pgslo import definition
from pgslo.database import planning
from pgslo.errors import DefinitionErrors, PgsloError

TABLES = """
CREATE TABLE features.secret (v text);
INSERT INTO features.secret VALUES ('top secret');
CREATE TABLE features.w (id int PRIMARY KEY, d date, country text);
CREATE TABLE features."Odd" (code text PRIMARY KEY);
"""


def plan(world, text, by="installer"):
    session = world.admin if by == "superuser" else world.session(by)
    loaded = [definition.load(world.sql(text), path="slos/example.yml", kinds=definition.load_kinds({}))]
    return planning.plan_definitions(session, loaded)


def refusals(world, text, by="installer"):
    try:
        plan(world, text, by)
    except DefinitionErrors as group:
        return [str(error) for error in group.errors]
    except PgsloError as error:
        return [str(error)]
    return []


def of_query(query, table="features.w"):
    return f"table: {table}\nbatch: {{by: d}}\nwatch: false\nrules:\n  - q: {{query: {query!r}}}\n"


READS_OF_OTHERS = [
    "SELECT 1 FROM generate_series(1, (SELECT ascii(substr(a.rolpassword, 1, 1)) FROM pg_catalog.pg_authid AS a WHERE a.rolname = 'mallory'))",
    "SELECT 1 FROM pg_catalog.pg_authid a",
    'SELECT 1 FROM "pg_catalog"."pg_authid" a',
    "SELECT 1 FROM PG_CATALOG.Pg_AuthId a",
    "SELECT 1 FROM pg_catalog . pg_authid a",
    "SELECT 1 FROM pg_authid a",
    'SELECT 1 FROM "pg_authid" a',
    "SELECT 1 FROM (WITH pg_authid AS (SELECT 1 AS n) SELECT n FROM pg_authid) x, pg_authid",
    "WITH pg_authid AS (SELECT 1 AS rolname) SELECT 1 FROM pg_authid",
    "SELECT 1 UNION TABLE pg_catalog.pg_authid",
    "WITH x AS (TABLE pg_catalog.pg_authid) SELECT 1 FROM x",
    "SELECT 1 FROM ONLY pg_catalog.pg_authid",
    "SELECT 1 FROM pg_catalog.pg_authid TABLESAMPLE system (100)",
    "SELECT 1 FROM features.w w JOIN LATERAL (SELECT a.oid FROM pg_catalog.pg_authid a) x ON true",
    "SELECT 1 FROM features.w w WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_authid a)",
    "SELECT (SELECT count(*) FROM pg_catalog.pg_authid a) FROM features.w w",
    "SELECT 1 FROM features.w w ORDER BY (SELECT max(a.rolpassword) FROM pg_catalog.pg_authid a)",
    "SELECT 1 FROM features.w w GROUP BY (SELECT max(a.rolpassword) FROM pg_catalog.pg_authid a)",
    "SELECT 1 FROM features.w w EXCEPT SELECT 1 FROM pg_catalog.pg_authid a",
    "SELECT 1 FROM (features.w w CROSS JOIN pg_catalog.pg_authid a)",
    "SELECT 1 FROM somewhere.pg_catalog.pg_authid a",
    "SELECT 1 FROM information_schema.tables t",
    "SELECT 1 FROM Information_Schema.tables t",
    "SELECT 1 FROM pgslo_catalog.quarantine q",
    'SELECT 1 FROM "pgslo_catalog"."quarantine" q',
    "SELECT 1 FROM pgslo.quarantine q",
    "SELECT 1 FROM pgslo_gen.anything q",
    "SELECT 1 FROM pgslo_snapshot.anything q",
    "SELECT 1 FROM pg_toast.pg_toast_1 q",
    "SELECT 1 FROM pg_temp.something q",
]


@pytest.mark.parametrize("query", READS_OF_OTHERS)
def test_relations_of_postgresql_and_of_pgslo_are_refused(query):
    """Offline, by the text alone: the applying role may be a superuser."""
    with pytest.raises(DefinitionErrors) as refused:
        definition.load(of_query(query), path="slos/example.yml", kinds=definition.load_kinds({}))
    (error,) = refused.value.errors
    assert str(error).startswith("slos/example.yml:5:")
    assert "a query may not read" in str(error) or "by its schema and its name alone" in str(error)


def test_own_names_that_look_like_these_are_allowed(world):
    world.run("installer", TABLES)
    world.run("installer", "CREATE TABLE features.pg_style (pgslo int, pg_x int)")
    assert refusals(world, of_query("SELECT s.pg_x, s.pgslo FROM features.pg_style s")) == []
    assert (
        refusals(
            world, of_query('WITH pgslo AS (SELECT o.code FROM features."Odd" o) SELECT code FROM pgslo')
        )
        == []
    )


def test_the_author_s_query_cannot_read_more_than_the_owner_of_the_table(world):
    world.run("installer", TABLES)
    world.run(
        "superuser", "ALTER TABLE features.w OWNER TO $mallory; GRANT USAGE ON SCHEMA features TO $mallory"
    )
    text = of_query("SELECT 1 FROM features.secret AS s WHERE ascii(s.v) > 0")
    for by in ("superuser",):
        (refused,) = refusals(world, text, by)
        assert refused.startswith("slos/example.yml:5:")
        assert "role " + world.names["mallory"] + " may not read features.secret" in refused


@pytest.mark.parametrize(
    "rule",
    [
        "rules: [q: {query: 'SELECT 1 FROM features.secret s'}]",
        "rules: [q: {metric: {query: 'SELECT 1 FROM features.secret s', min: 0}}]",
        "columns: {country: [references: {table: features.secret, column: v}]}",
        "columns: {country: [references: {table: features.secret, column: v, on_breach: reject}]}",
        "rules: [s: {same_as: {table: features.secret, on: [country]}}]",
        "assertions: [a: {sql: 'SELECT s.v FROM features.secret s', on_breach: flag}]",
        "assertions: [a: {none_without: {table: features.secret, on: {country: v}}, on_breach: flag}]",
    ],
)
def test_every_way_to_name_another_table_is_checked(world, rule):
    world.run("installer", TABLES)
    world.run(
        "superuser", "ALTER TABLE features.w OWNER TO $mallory; GRANT USAGE ON SCHEMA features TO $mallory"
    )
    found = refusals(world, f"table: features.w\nbatch: {{by: d}}\nwatch: false\n{rule}\n", "superuser")
    assert any("may not read features.secret" in one for one in found), found
    assert all(one.startswith("slos/example.yml:4:") for one in found)


def test_usage_of_the_schema_counts_as_well(world):
    world.run("installer", TABLES)
    world.run(
        "superuser", "CREATE TABLE evil.w (id int PRIMARY KEY, d date); ALTER TABLE evil.w OWNER TO $mallory"
    )
    world.run("installer", "GRANT SELECT ON features.secret TO $mallory")
    text = of_query("SELECT 1 FROM features.secret s", "evil.w")
    assert "may not read features.secret" in refusals(world, text, "superuser")[0]
    world.run("installer", "GRANT USAGE ON SCHEMA features TO $mallory")
    assert refusals(world, text, "superuser") == []


def test_the_plan_names_relations_of_other_roles(world):
    world.run("installer", TABLES)
    world.run(
        "mallory",
        """CREATE VIEW evil.vv AS SELECT 1 AS one;
           CREATE TABLE evil.t (one int);
           CREATE MATERIALIZED VIEW evil.mv AS SELECT 1 AS one;
           GRANT USAGE ON SCHEMA evil TO $installer;
           GRANT SELECT ON ALL TABLES IN SCHEMA evil TO $installer""",
    )
    for name, kind in {"vv": "view", "t": "table", "mv": "materialized view"}.items():
        notes = plan(world, of_query(f"SELECT x.one FROM evil.{name} AS x")).notes
        said = f"features.w: q reads {kind} evil.{name} of role {world.names['mallory']}, which can change the code that it runs"
        assert said in notes
    world.run("installer", "CREATE VIEW features.own AS SELECT 1 AS one")
    notes = plan(world, of_query("SELECT x.one FROM features.own AS x")).notes
    assert any("q reads view features.own" in note for note in notes)
    assert plan(world, of_query('SELECT x.code FROM features."Odd" AS x')).notes == ()


def test_planning_runs_nothing_of_the_view_s_owner(world):
    """PostgreSQL calls immutable functions while it plans, also where no row is asked for."""
    world.run("installer", TABLES)
    world.run(
        "mallory",
        """CREATE TABLE evil.loot (who text);
           GRANT INSERT ON evil.loot TO PUBLIC;
           CREATE FUNCTION evil.f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
             $$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$;
           CREATE VIEW evil.vv AS SELECT evil.f(1) AS one;
           GRANT USAGE ON SCHEMA evil TO $installer;
           GRANT SELECT ON evil.vv TO $installer""",
    )
    assert refusals(world, of_query("SELECT x.one FROM evil.vv AS x")) == []
