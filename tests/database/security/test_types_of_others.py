"""Where a type of another role would run that role's code, rules are refused, and plan and drift name the type.

The owner of a type may define casts of it, and constraints of a domain, at any time.
"""

import pytest
from types_of_mallory import TABLES, TYPES

from pgslo import definition
from pgslo.database import catalog_reader, operations, planning
from pgslo.errors import DefinitionErrors


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("mood: [expression: {expression: \"mood = 'ok'\", on_breach: flag}]", "has type evil.mood"),
        ("n: [range: {min: 0, where: \"mood = 'ok'\"}]", "has type evil.mood"),
        ("mood: [repair: {default: ok}]", "has type evil.mood"),
        ("word: [repair: {trim: true}]", "has type evil.word"),
        ("n: [completeness: {min: 0.5, where: \"dom = 'ok'\"}]", "has type evil.dom"),
        ('n: [not_null: {}]\nbatch: {by: "lower(mood::text)"}', "has type evil.mood"),
        (
            "n: [not_null: {}]\nrules:\n  - q: {query: \"SELECT FROM features.moods AS m WHERE m.mood = 'ok'\"}",
            "has type evil.mood",
        ),
        (
            "n: [not_null: {}]\nassertions:\n  - q: {sql: \"SELECT m.mood FROM features.moods AS m WHERE m.mood = 'ok'\"}",
            "has type evil.mood",
        ),
        ("mood: [unique: {on_breach: warn}]", "has type evil.mood"),
        (
            "mood: [references: {table: features.moods, column: mood, on_breach: reject}]",
            "has type evil.mood",
        ),
        ("word: [references: {table: features.moods, column: mood, on_breach: warn}]", "has type evil.mood"),
        (
            "state: [references: {table: features.words, column: word, on_breach: warn}]",
            "a cast would decide",
        ),
    ],
)
def test_a_rule_that_would_run_casts_or_domain_checks_is_refused(world, rule, said):
    world.run("mallory", TABLES)
    columns = ", ".join(f"{name} {type_}" for name, (type_, _) in TYPES.items())
    world.run(
        "installer",
        f"""
        CREATE TYPE features.state AS ENUM ('new');
        CREATE TABLE features.people (id int PRIMARY KEY, day date, n int, state features.state, {columns});
        CREATE TABLE features.words (word text PRIMARY KEY); CREATE TABLE features.moods (mood evil.mood PRIMARY KEY);
        """,
    )
    with pytest.raises(DefinitionErrors) as raised:
        world.apply(
            f"table: features.people\nwrites: bulk\ncolumns:\n  {rule}\n"
            + ("" if "batch:" in rule else "batch: {by: day}\n")
        )
    (error,) = raised.value.errors
    assert said in str(error)
    assert error.location is not None
    assert error.location.line >= 4


def test_an_enum_of_the_applying_role_may_be_used_in_expressions(world):
    world.run(
        "installer",
        """
        CREATE TYPE features.state AS ENUM ('new', 'old');
        CREATE TABLE features.ex (id int PRIMARY KEY, day date, state features.state);
        GRANT INSERT ON features.ex TO $writer
        """,
    )
    world.apply(
        """
        table: features.ex
        writes: bulk
        batch: {by: day}
        columns:
          state:
            - expression: {expression: "state <> 'old' OR day < '2026-01-01'", on_breach: flag, name: no_old}
            - repair: {default: new}
        """
    )
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-02-01', 'old'), (2, '2026-02-01', NULL)")
    assert world.admin.execute("SELECT rule FROM pgslo.incident").fetchall() == [("no_old",)]
    assert world.admin.execute("SELECT row_key, old_value, new_value FROM pgslo.repair").fetchall() == [
        ("(id) = (2)", None, "new")
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "score: [repair: {expression: 'coalesce(score, 1)'}]",
        "score: [repair: {clip: [0, 10]}]",
        "mood: [repair: {default: ok}]",
    ],
)
def test_a_type_of_the_table_s_owner_is_a_stranger_s_where_another_role_applies(world, rule):
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "mallory",
        """
        CREATE TYPE evil.own_mood AS ENUM ('ok', 'sad');
        CREATE FUNCTION evil.own_check(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN true; END$$;
        CREATE DOMAIN evil.score AS int CHECK (evil.own_check(VALUE));
        CREATE TABLE evil.people (id int PRIMARY KEY, day date, score evil.score, mood evil.own_mood);
        """,
    )
    with pytest.raises(DefinitionErrors) as raised:
        world.apply(f"table: evil.people\nwrites: bulk\nbatch: {{by: day}}\ncolumns:\n  {rule}\n")
    assert "which role" in str(raised.value)


def test_drift_reports_what_a_stranger_did_to_a_type_since_the_apply(world):
    world.run("mallory", TABLES)
    world.run(
        "installer",
        """
        CREATE TYPE features.state AS ENUM ('new', 'old');
        CREATE TABLE features.ex (id int PRIMARY KEY, day date, mood evil.mood, word evil.word, state features.state);
        """,
    )
    world.apply(
        "{table: features.ex, writes: bulk, batch: {by: day}, columns: {mood: [not_null: {on_breach: flag}]}}"
    )
    session = world.session("installer")
    assert [one for one in operations.find_drift(session) if one.what == "type changed"] == []
    world.run(
        "mallory",
        """
        CREATE FUNCTION evil.tx(evil.mood) RETURNS text LANGUAGE sql AS $$SELECT 'ok'$$;
        CREATE CAST (evil.mood AS text) WITH FUNCTION evil.tx(evil.mood);
        ALTER DOMAIN evil.word ADD CONSTRAINT c CHECK (VALUE <> '');
        """,
    )
    world.run("superuser", "ALTER TYPE features.state OWNER TO $mallory")
    found = {one.thing: one for one in operations.find_drift(session) if one.what == "type changed"}
    assert "cast (evil.mood AS text)" in found["column mood"].said
    assert 'constraint "c" of domain evil.word' in found["column word"].said
    assert world.names["mallory"] in found["column state"].said
    assert [found[f"column {name}"].is_hint for name in ("mood", "word", "state")] == [True, True, False]


def test_the_plan_names_columns_whose_types_belong_to_others(world):
    world.run("mallory", TABLES)
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, mood evil.mood, words evil.word[], a int)",
    )
    text = "{table: features.ex, writes: bulk, batch: {by: day}}"
    plan = planning.plan_definitions(world.session("installer"), [definition.load(text, path="slos/ex.yml")])
    (note,) = [one for one in plan.notes if "belong to role" in one]
    assert f'types of mood, words belong to role "{world.names["mallory"]}"' in note


def test_values_of_pgslos_own_tables_are_of_types_that_no_other_role_owns(world):
    """So that conversions of them, which conversions.txt does not list one by one, run PostgreSQL's casts alone."""
    others = world.admin.execute(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, NULL)
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v', 'p', 'c')
        JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('pgslo', 'pgslo_catalog')
        CROSS JOIN LATERAL pgslo_catalog.parts_of(a.atttypid) AS p
        WHERE a.attnum > 0 AND NOT a.attisdropped AND (p.typnamespace <> n.oid AND p.typnamespace <> 'pgslo_catalog'::regnamespace
              OR p.typowner <> n.nspowner)
        """
    ).fetchall()
    assert others == []


def test_catalogue_and_runtime_agree_on_which_types_are_plain(world):
    world.run("mallory", TABLES)
    columns = ", ".join(f"{name} {type_}" for name, (type_, _) in TYPES.items())
    own = "a int, b text[], c numrange, d timestamptz, e xml, f int4multirange, g information_schema.cardinal_number"
    world.run("installer", f"CREATE TABLE features.ex (id int PRIMARY KEY, {own}, {columns})")
    session = world.session("installer")
    relation = catalog_reader.read_relation(session, ("features", "ex"))
    found = session.execute(
        """
        SELECT a.attname, pgslo_catalog.is_plain(a.atttypid),
               EXISTS (SELECT FROM pgslo_catalog.parts_of(a.atttypid) p WHERE pgslo_catalog.is_stranger(p.typowner, a.attrelid))
        FROM pg_attribute a WHERE a.attrelid = 'features.ex'::regclass AND a.attnum > 0 ORDER BY a.attnum
        """
    ).fetchall()
    assert [(one.name, one.plain, one.stranger is not None) for one in relation.columns] == found
    assert {one.name for one in relation.columns if not one.plain} == set(TYPES) - {"word"}
    assert {one.name for one in relation.columns if one.stranger} == set(TYPES)
