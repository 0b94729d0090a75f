"""ANALYZE of a snapshot runs no function of another role's type, which would have the rights of pgslo's owner."""

from __future__ import annotations

import pytest

DEFINITION = """
table: evil.t
owner: sam
key: [id]
guarded: guarded
readers: [$reader, $trainer]
batch: {by: day}
columns: {a: [range: {min: 0, on_breach: warn}]}
"""

#: A function that takes the rights of whoever runs it for mallory.
TRAP = """
CREATE SEQUENCE evil.seen;
GRANT ALL ON SEQUENCE evil.seen TO PUBLIC;
CREATE FUNCTION evil.act() RETURNS void LANGUAGE plpgsql AS $$BEGIN
    IF current_user <> '$mallory' THEN
        PERFORM nextval('evil.seen');
        EXECUTE 'CREATE OR REPLACE FUNCTION evil.own(q text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS ''BEGIN EXECUTE q; END''';
    END IF;
END$$;
CREATE FUNCTION evil.distance(integer, integer) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS
    $$BEGIN PERFORM evil.act(); RETURN $1 - $2; END$$;
GRANT CREATE, USAGE ON SCHEMA evil TO PUBLIC;
CREATE TYPE evil.span AS RANGE (subtype = integer, subtype_diff = evil.distance);
"""

#: Columns by name: their types, and a value for i.
COLUMNS = {
    "r": ("evil.span", "evil.span(i, i + 3)"),
    "d": ("evil.d", "evil.span(i, i + 3)"),
    "m": ("evil.span_multirange", "evil.span_multirange(evil.span(i, i + 3))"),
    "dm": ("evil.dm", "evil.span_multirange(evil.span(i, i + 3))"),
    "l": ("evil.span[]", "ARRAY[evil.span(i, i + 3)]"),
    "c": ("evil.c", "ROW(i, evil.span(i, i + 3))::evil.c"),
}
TYPES = """
CREATE DOMAIN evil.d AS evil.span;
CREATE DOMAIN evil.dm AS evil.span_multirange;
CREATE TYPE evil.c AS (n integer, r evil.span);
"""
STATISTICS = "SELECT attname::text FROM pg_stats WHERE schemaname = 'pgslo_snapshot' ORDER BY 1"


@pytest.fixture
def scene(world):
    world.run("mallory", TRAP + TYPES)
    types = ", ".join(f"{name} {of}" for name, (of, _) in COLUMNS.items())
    world.run(
        "mallory",
        f"""CREATE TABLE evil.t (id integer PRIMARY KEY, day date, a integer, {types});
            GRANT ALL ON evil.t TO $installer""",
    )
    world.apply(DEFINITION, by="superuser")
    values = ", ".join(value for _, value in COLUMNS.values())
    world.run(
        "mallory", f"INSERT INTO evil.t SELECT i, '2026-01-01', 1, {values} FROM generate_series(1, 500) AS i"
    )
    return world


def test_a_copy_runs_no_code_of_its_types(scene):
    scene.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 't')")
    scene.run("installer", "ANALYZE pgslo_snapshot.s1")
    scene.run("superuser", "VACUUM (ANALYZE) pgslo_snapshot.s1")
    scene.run("superuser", "REINDEX TABLE pgslo_snapshot.s1")
    assert scene.run("superuser", "SELECT count(*) FROM pg_proc WHERE proname = 'own'") == [(0,)]
    assert scene.run("superuser", "SELECT is_called FROM evil.seen") == [(False,)]
    # The copy keeps its rows and its types, and columns of PostgreSQL's own types have statistics.
    assert scene.run("trainer", "SELECT count(*) FROM pgslo_snapshot.s1") == [(500,)]
    assert scene.run("trainer", "SELECT * FROM pgslo.verify_snapshot('s1')") == []
    assert scene.run("superuser", STATISTICS) == [("a",), ("day",), ("id",)]


def test_the_rows_of_a_reference_run_none_either(scene):
    session = scene.session("trainer")
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.execute("SELECT pgslo.begin_snapshot('s', 'guarded', 't', NULL, true, false)")
    found = session.execute(
        """SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'pgslo_snapshot' AND c.relkind = 'r' AND a.attnum > 0
             AND coalesce(a.attstattarget, -1) = 0
           ORDER BY a.attnum"""
    ).fetchall()
    session.execute("ROLLBACK")
    assert [name for (name,) in found] == list(COLUMNS)


def test_types_of_postgresql_and_of_its_superusers_keep_their_statistics(world):
    world.run("superuser", "CREATE TYPE features.mood AS ENUM ('sad', 'fine')")
    world.run(
        "installer",
        """CREATE TABLE features.t (id integer PRIMARY KEY, day date, a integer, r int4range, m features.mood);
           INSERT INTO features.t SELECT i, '2026-01-01', 1, int4range(i, i + 3), 'fine' FROM generate_series(1, 500) AS i""",
    )
    world.apply(DEFINITION.replace("evil.t", "features.t"))
    world.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 't')")
    world.run("installer", "ANALYZE pgslo_snapshot.s1")
    assert world.run("superuser", STATISTICS) == [("a",), ("day",), ("id",), ("m",), ("r",)]
