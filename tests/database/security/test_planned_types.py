"""Functions of guarded views take a type that the caller chooses: code of that type runs with the caller's rights alone."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

#: What a domain of mallory's does where it is checked: it takes all rights, of whoever checks it.
EVIL = """
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.check(kind text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'checked as %', current_user;
    IF current_user <> '$mallory' THEN
        GRANT USAGE ON SCHEMA pgslo_catalog TO $mallory;
        GRANT ALL ON ALL TABLES IN SCHEMA pgslo_catalog, features TO $mallory;
    END IF;
    RETURN true;
END$$;
CREATE DOMAIN evil.scalar AS text CHECK (evil.check('scalar'));
CREATE DOMAIN evil.number AS integer CHECK (evil.check('number'));
CREATE DOMAIN evil.list AS text[] CHECK (evil.check('list'));
CREATE TYPE evil.parts AS (part evil.scalar);
CREATE DOMAIN evil.composite AS evil.parts CHECK (evil.check('composite'));
CREATE TYPE evil.label AS ENUM ('x');
CREATE TYPE evil.span AS RANGE (subtype = text);
"""
TYPES = ("scalar", "number", "list", "parts", "composite", "label", "span")
CALLS = (
    "pgslo.planned_flags('features.ex', NULL, NULL, {kind})::text",
    "pgslo.planned_null('features.ex', NULL, NULL, {kind})",
    "pgslo.planned_batches('features.ex', NULL, NULL, {kind})::text",
    "pgslo.unhealthy('features.ex', NULL, {kind})::text",
    "pgslo.guard_healthy('features.ex', NULL, 'warn', NULL, {kind})",
    "pgslo.read({kind}, 'x'::text, 'features.ex', NULL, 'warn')::text",
    "pgslo.read({kind}, current_date, interval '1 hour', 'features.ex', NULL, 'warn')::text",
    "pgslo.read_any({kind}, 'features.ex', NULL, 'warn')::text",
)
EX = """
table: features.ex
owner: sam
writes: bulk
key: [id]
batch: {by: day}
readers: [$reader]
columns:
  a: [range: {min: 0, on_breach: warn}]
"""


@pytest.fixture
def ex(world):
    """A table with a missed batch, and types of mallory's; she may not know of the table."""
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); GRANT INSERT ON features.ex TO $writer",
    )
    world.apply(EX)
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', -1), (2, '2026-01-02', 1)")
    world.run("mallory", EVIL)
    return world


@pytest.mark.parametrize("may_know", [False, True])
def test_constraints_of_a_type_run_as_the_caller(ex, subtests, may_know):
    if may_know:
        # Then keys are converted to her type as well.
        ex.run(
            "superuser", "GRANT USAGE ON SCHEMA guarded TO $mallory; GRANT SELECT ON guarded.ex TO $mallory"
        )
    checked = set()
    for kind in TYPES:
        session = ex.session("mallory")
        heard: list[str] = []
        session.add_notice_handler(lambda said, heard=heard: heard.append(said.message_primary))
        session.execute(f"CREATE TEMP TABLE own (value evil.{kind}); INSERT INTO own VALUES (NULL)".encode())
        for call in CALLS:
            # A value of a table is not checked before the function is called; a literal also when the statement is planned.
            for value in (f"NULL::evil.{kind}", "(SELECT value FROM own)"):
                with subtests.test(call.format(kind=value)):
                    heard.clear()
                    # There may be no array of the type, or no way to tell rows apart.
                    with contextlib.suppress(psycopg.Error):
                        session.execute(f"SELECT {call.format(kind=value)}".encode(), prepare=False)
                    roles = {
                        one.removeprefix("checked as ") for one in heard if one.startswith("checked as ")
                    }
                    assert roles <= {ex.names["mallory"]}
                    checked |= roles
    assert checked == {ex.names["mallory"]}
    assert ex.run(
        "superuser",
        """SELECT has_schema_privilege('$mallory', 'pgslo_catalog', 'USAGE'),
                  has_table_privilege('$mallory', 'features.ex', 'SELECT')""",
    ) == [(False, False)]


def test_a_domain_over_a_type_of_batches_is_no_such_type(ex):
    """The type's number decides whether rows have a batch: no input function of hers reads a key."""
    ex.run("superuser", "GRANT USAGE ON SCHEMA guarded TO $mallory; GRANT SELECT ON guarded.ex TO $mallory")
    ex.run("mallory", "CREATE DOMAIN evil.date AS date CHECK (evil.check('date'))")
    told = "SELECT keys, has_null, is_any, is_untold FROM pgslo.told_by_rows('features.ex', NULL, NULL, '{}')"
    assert ex.run("mallory", told.format("date")) == [(["2026-01-01"], False, False, False)]
    for kind in ("evil.date", "evil.scalar", "evil.date[]", "record", "anyelement", "text[]", "xml"):
        assert ex.run("mallory", told.format(kind)) == [([], False, True, True)], kind
    assert ex.run("mallory", "SELECT (pgslo.told_by_rows('features.ex', NULL, NULL, NULL)).is_untold") == [
        (True,)
    ]


def test_a_stranger_gets_no_key(ex):
    for kind in ("date", "text"):
        assert ex.run(
            "mallory", f"SELECT keys, is_untold FROM pgslo.told_by_rows('features.ex', NULL, NULL, '{kind}')"
        ) == [([], True)]
        assert ex.run(
            "mallory", f"SELECT pgslo.planned_batches('features.ex', NULL, NULL, NULL::{kind})::text"
        ) == [("{}",)]
    assert ex.run("reader", "SELECT pgslo.planned_batches('features.ex', NULL, NULL, NULL::date)::text") == [
        ("{2026-01-01}",)
    ]


def test_what_is_planned_is_folded_for_a_reader(ex):
    session = ex.session("reader")
    plan = "\n".join(
        line for (line,) in session.execute("EXPLAIN (VERBOSE, COSTS off) SELECT a FROM guarded.ex")
    )
    assert "'2026-01-01'::date" in plan
    assert "planned_" not in plan
    plan = "\n".join(
        line for (line,) in session.execute("EXPLAIN (COSTS off) SELECT a FROM guarded.ex_healthy")
    )
    assert "IS DISTINCT FROM '2026-01-01'::date" in plan
    assert session.execute("SELECT id FROM guarded.ex_healthy").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "kind", ["date", "timestamp", "timestamptz", "smallint", "integer", "bigint", "numeric", "uuid"]
)
def test_keys_of_another_expression_are_told_of_all_rows(ex, kind):
    """A batch that missed before the definition changed may have no key of the column's type."""
    ex.run("superuser", "UPDATE pgslo_catalog.missed_batch SET batch = 'first load'")
    ex.run("superuser", "GRANT USAGE ON SCHEMA guarded TO $reader")
    told = f"SELECT keys, is_any, is_untold FROM pgslo.told_by_rows('features.ex', NULL, NULL, '{kind}')"
    assert ex.run("reader", told) == [([], True, True)]
    flags = f"SELECT pgslo.planned_flags('features.ex', NULL, NULL, NULL::{kind})"
    assert ex.run("reader", flags) == [([True, False],)]
    assert ex.run("reader", f"SELECT pgslo.planned_batches('features.ex', NULL, NULL, NULL::{kind})") == [
        ([],)
    ]


KEYS = {
    "date": (
        ["2026-02-28", "2024-02-29", "0001-01-01", "infinity", "-infinity", "4714-11-24 BC", "0005-02-29 BC"],
        [
            "2026-02-29",
            "1900-02-29",
            "0000-01-01",
            "2026-04-31",
            "2026-13-01",
            "4714-11-23 BC",
            "5000-01-01 BC",
            "0004-02-29 BC",
            "today",
            "",
        ],
    ),
    "timestamp": (
        ["2026-02-28T23:59:59.999999", "2026-01-01T00:00:00 BC", "infinity"],
        ["2026-01-01T24:61:00", "2026-02-30T00:00:00", "now"],
    ),
    "timestamptz": (
        ["2026-02-28T23:59:59+00:00", "2026-01-01T00:00:00.5+00:00"],
        ["2026-01-01T00:00:00+99:00"],
    ),
    "smallint": (["-32768", "32767"], ["-32769", "32768", "1.5", "NaN"]),
    "integer": (["-2147483648", "2147483647"], ["2147483648"]),
    "bigint": (["-9223372036854775808", "9223372036854775807"], ["9223372036854775808", "x"]),
    "numeric": (["1.50", "NaN", "Infinity", "-3"], ["", "1e", "1,5"]),
    "uuid": (["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], ["a0eebc99"]),
    "text": (["anything"], []),
}


def test_a_key_is_known_by_its_form(world):
    """What counts as a key is read by the type's input function without an error."""
    for kind, (keys, others) in KEYS.items():
        asked = "SELECT pgslo_catalog.are_keys(ARRAY['{}'], '{}')"
        for key in keys:
            assert world.run("superuser", asked.format(key, kind)) == [(True,)], (kind, key)
            world.run("superuser", f"SELECT '{key}'::{kind}::text")
        for key in others:
            assert world.run("superuser", asked.format(key, kind)) == [(False,)], (kind, key)


def test_many_keys_are_known_by_their_form_at_once(world):
    days = "SELECT array_agg(d::date::text) FROM generate_series('2023-01-01', '2027-12-31', interval '1 day') AS d"
    assert world.run("superuser", f"SELECT pgslo_catalog.are_keys(({days}), 'date')") == [(True,)]
    assert world.run("superuser", "SELECT pgslo_catalog.are_keys('{1,22,4444}', 'smallint')") == [(True,)]
    for kind, good, bad in (
        *(
            ("date", "2026-01-01", one)
            for one in ("2026-02-29", "2026-04-31", "2026-01-00", "2026-13-01", "")
        ),
        ("date", "2026-01-01", "2026-01-02,2026-01-03"),
        ("smallint", "1", "2,3"),
        ("smallint", "1", "99999"),
    ):
        for keys in ([good, bad], [bad, good]):
            asked = f"SELECT pgslo_catalog.are_keys(ARRAY{keys}, '{kind}')"
            assert world.run("superuser", asked) == [(False,)], keys


def test_a_parallel_plan_reads_healthy_rows(ex):
    """Before PostgreSQL 18, no error can be caught in one."""
    ex.run(
        "installer",
        "INSERT INTO features.ex SELECT n, '2026-01-02', 1 FROM generate_series(3, 20000) AS n; ANALYZE features.ex",
    )
    session = ex.session(
        "reader", parallel_setup_cost=0, parallel_tuple_cost=0, min_parallel_table_scan_size=0
    )
    session.execute("PREPARE healthy AS SELECT sum(a) FROM guarded.ex_healthy")
    assert "Parallel Seq Scan" in str(session.execute("EXPLAIN EXECUTE healthy").fetchall())
    for _ in range(7):
        assert session.execute("EXECUTE healthy").fetchall() == [(19999,)]
    ex.run("installer", "INSERT INTO features.ex VALUES (-1, '2026-01-03', -1)")
    assert session.execute("EXECUTE healthy").fetchall() == [(19999,)]
