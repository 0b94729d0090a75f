"""Readers are warned about the rows that they read: those of missed batches, in columns that missed; and of no others."""

from __future__ import annotations

import itertools

import pytest
from nightly import NIGHTLY
from random_reads import PARALLEL as PARALLEL_SETTINGS

pytestmark = pytest.mark.slow

DEFINITION = """
table: features.example
owner: sam
writes: bulk
batch: {batch}
watch: false
columns:
  a: [{{range: {{max: 100000}}}}]
  b: [{{range: {{max: 100000}}}}]
"""

#: Type of the batch's column, what is under ``batch``, and three values of three batches, one after the other.
KEYS = {
    "date": ("date", "{by: k}", ("2026-11-01", "2026-11-02", "2026-11-03")),
    "infinite date": ("date", "{by: k}", ("-infinity", "2026-11-02", "infinity")),
    "timestamp": ("timestamp", "{by: k}", ("2026-11-01 10:00:00.5", "2026-11-01 10:00:01", "2026-11-02")),
    "timestamptz": (
        "timestamptz(0)",
        "{by: k}",
        ("2026-11-01 10:00+02", "2026-11-01 10:00+01", "2026-11-02"),
    ),
    "hours": (
        "timestamptz",
        "{by: k, every: 1 hour}",
        ("2026-11-01 10:59+00", "2026-11-01 11:00+00", "2026-11-01 12:59+00"),
    ),
    "weeks": ("date", "{by: k, every: 7 days}", ("2026-11-01", "2026-11-02", "2026-11-09")),
    "days of a clock": (
        "timestamp(3)",
        "{by: k, every: 1 day}",
        ("2026-11-01 23:59:59.999", "2026-11-02", "2026-11-03 05:00"),
    ),
    "smallint": ("smallint", "{by: k}", ("-1", "2", "3")),
    "integer": ("integer", "{by: k}", ("1", "2", "3")),
    "bigint": ("bigint", "{by: k}", ("1", "2", "9223372036854775807")),
    "numeric": ("numeric(8,2)", "{by: k}", ("1.50", "2.25", "300")),
    "numeric without an end": ("numeric", "{by: k}", ("-Infinity", "1e30", "NaN")),
    "text": ("text", "{by: k, show_names: true}", ("load 1", "it's", "Köln")),
    "varchar": ("varchar(20)", "{by: k, show_names: true}", ("1", "2", '{x,"y"}')),
    "text that is a date": ("text", "{by: k}", ("2026-11-01", "2026-11-02", "2026-11-03")),
    "uuid": ("uuid", "{by: k}", tuple(f"{n}0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" for n in (1, 2, 3))),
    "a domain": ("features.day", "{by: k}", ("2026-11-01", "2026-11-02", "2026-11-03")),
}


def example(session, kind="date", batch="{by: k}", *, extra=""):
    """A guarded table without rows."""
    session.run(f"CREATE TABLE features.example (id int PRIMARY KEY, k {kind}, a int, b int, c int)")
    session.guard(DEFINITION.format(batch=batch) + extra)


def heard(outcome):
    """Rules of which a statement warned."""
    assert {notice.severity for notice in outcome.notices} <= {"WARNING"}
    return [notice.rule for notice in outcome.notices]


def read(session, query):
    return heard(session.run(query))


@pytest.mark.parametrize("key", KEYS)
def test_rows_of_a_missed_batch_alone_are_warned_of(session, key):
    kind, batch, values = KEYS[key]
    session.run("CREATE DOMAIN features.day AS date CHECK (VALUE > '2000-01-01')")
    example(session, kind, batch)
    for n, value in enumerate(values):
        quoted = value.replace("'", "''")
        session.run(f"INSERT INTO features.example VALUES ({n}, '{quoted}', {999999 if n == 1 else 1}, 1, 1)")
    for _ in range(2):
        assert [read(session, f"SELECT a FROM guarded.example WHERE id = {n}") for n in range(3)] == [
            [],
            ["a_range"],
            [],
        ]
        assert read(session, "SELECT max(a) FROM guarded.example") == ["a_range"]
        assert read(session, "SELECT max(b), count(*) FROM guarded.example") == []
        assert session.values("SELECT id FROM guarded.example_healthy ORDER BY id") == [0, 2]
        # After a good batch, and after the merge.
        session.run("SELECT pgslo.tick()")
        session.run("SET LOCAL timezone = 'America/New_York'; SET LOCAL datestyle = 'SQL, DMY'")


def test_rows_without_a_batch_are_a_batch_of_their_own(session):
    example(session)
    session.run("INSERT INTO features.example VALUES (1, '2026-11-01', 1, 1, 1), (2, NULL, 1, 1, 1)")
    assert read(session, "SELECT a FROM guarded.example") == []
    session.run("INSERT INTO features.example VALUES (3, NULL, 999999, 1, 1)")
    assert read(session, "SELECT a FROM guarded.example WHERE k IS NOT NULL") == []
    assert read(session, "SELECT a FROM guarded.example WHERE k IS NULL") == ["a_range"]
    assert session.values("SELECT id FROM guarded.example_healthy ORDER BY id") == [1]


@pytest.mark.parametrize("batch", ["{by: c}", "{by: 'k - 1'}", "{every: 1 hour}"])
def test_where_rows_do_not_tell_their_batch_any_row_is_warned_of(session, batch):
    """A key that is personal is kept as a hash alone; an expression may depend on the session, or raise."""
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, k date, a int, b int, c text)")
    session.guard(DEFINITION.format(batch=batch).replace("writes: bulk", "writes: stream"))
    session.run("INSERT INTO features.example VALUES (1, '2026-11-01', 1, 1, 'ann')")
    assert read(session, "SELECT a FROM guarded.example") == []
    session.run("INSERT INTO features.example VALUES (2, '2026-11-02', 999999, 1, 'bob')")
    assert read(session, "SELECT a FROM guarded.example WHERE id = 1") == ["a_range"]
    assert read(session, "SELECT b FROM guarded.example") == []
    assert read(session, "SELECT a FROM guarded.example WHERE id = 7") == []


def test_no_view_of_healthy_rows_where_rows_do_not_tell_their_batch(session):
    example(session, batch="{every: 1 hour}")
    assert session.values("SELECT to_regclass('guarded.example_healthy')") == [None]


def test_healthy_rows_are_refused_rather_than_guessed(session):
    example(session, "text", "{by: k}")
    session.run("INSERT INTO features.example VALUES (1, 'ann', 1, 1, 1), (2, '2026-11-01', 999999, 1, 1)")
    assert session.values("SELECT id FROM guarded.example_healthy") == [1]
    session.run("INSERT INTO features.example VALUES (3, 'bob', 999999, 1, 1)")
    error = session.refused("SELECT id FROM guarded.example_healthy")
    assert (error.sqlstate, error.message) == (
        "SL001",
        "read refused: cannot determine the healthy rows of features.example",
    )
    assert error.detail == "A batch that misses a rule is known by a hash, or is not known."


def days(session, missed=(5,), rows=20, number=10):
    """Ten days of twenty rows; a is out of range in the days that missed."""
    example(session)
    session.run(
        f"""INSERT INTO features.example SELECT n, '2026-11-01'::date + n / {rows}, n % 50, n % 7, n % 3
            FROM generate_series(0, {rows * number - 1}) AS n"""
    )
    session.run("ANALYZE features.example")
    for day in missed:
        miss(session, "a", day)


def miss(session, column, day):
    """A row that makes a day miss."""
    taken = session.values("SELECT max(id) + 1 FROM features.example")[0]
    values = {"a": 1, "b": 1, column: 999999}
    session.run(
        f"INSERT INTO features.example VALUES ({taken}, '2026-11-01'::date + {day}, {values['a']}, {values['b']}, 1)"
    )


#: Forms of queries over days that are good, or bad; $d is the condition on the day.
FORMS = {
    "aggregate": "SELECT avg(a) FROM $v WHERE $d",
    "filter": "SELECT id FROM $v WHERE $d AND a > 3",
    "order and limit": "SELECT a FROM $v WHERE $d ORDER BY a LIMIT 10",
    "group by": "SELECT a % 3, count(*) FROM $v WHERE $d GROUP BY 1",
    "grouping sets": "SELECT a, b, count(*) FROM $v WHERE $d GROUP BY GROUPING SETS (a, b)",
    "distinct": "SELECT DISTINCT a FROM $v WHERE $d",
    "window": "SELECT sum(a) OVER (PARTITION BY k) FROM $v WHERE $d",
    "aggregate with a filter": "SELECT count(*) FILTER (WHERE a > 3) FROM $v WHERE $d",
    "case": "SELECT CASE WHEN a > 3 THEN 1 ELSE 2 END FROM $v WHERE $d",
    "self join": "SELECT x.a FROM $v x JOIN $v y USING (id, k) WHERE $d",
    "join on it": "SELECT 1 FROM $v JOIN generate_series(1, 3) n ON n = a WHERE $d",
    "exists": "SELECT FROM generate_series(1, 3) n WHERE EXISTS (SELECT FROM $v WHERE $d AND a = n)",
    "in": "SELECT 1 WHERE 5 IN (SELECT a FROM $v WHERE $d)",
    "not in": "SELECT 1 WHERE -5 NOT IN (SELECT a FROM $v WHERE $d)",
    "scalar": "SELECT (SELECT max(a) FROM $v WHERE $d)",
    "lateral": "SELECT x.a FROM (VALUES (1), (2)) n (n), LATERAL (SELECT a FROM $v WHERE $d) x",
    "union all": "SELECT a FROM $v WHERE $d UNION ALL SELECT a FROM $v WHERE $d",
    "common table expression": "WITH x AS (SELECT * FROM $v WHERE $d) SELECT max(a) FROM x",
    "materialized, filtered inside": "WITH x AS MATERIALIZED (SELECT * FROM $v WHERE $d) SELECT max(a) FROM x",
    "filter outside": "SELECT a FROM (SELECT * FROM $v) x WHERE $d",
    "window, filter on its partition outside": "SELECT s FROM (SELECT k, sum(a) OVER (PARTITION BY k) s FROM $v) x WHERE $d",
    "whole row": "SELECT x FROM $v x WHERE $d",
    "json": "SELECT row_to_json(x) FROM $v x WHERE $d",
    "lock": "SELECT a FROM $v WHERE $d FOR SHARE",
    "preserved side of an outer join": "SELECT x.a FROM $v x LEFT JOIN (VALUES (1)) n (n) ON n = x.id WHERE $d",
}


def once(session, query):
    return sorted(read(session, query))


def generic(session, query):
    session.run("SET LOCAL plan_cache_mode = force_generic_plan")
    session.run(f"PREPARE q AS {query}")
    first, second = once(session, "EXECUTE q"), once(session, "EXECUTE q")
    session.run("DEALLOCATE q")
    assert first == second
    return first


def parallel(session, query):
    for name, value in PARALLEL_SETTINGS.items():
        session.run(f"SET LOCAL {name} = '{value}'")
    # Each process that reaches such a row says it.
    return sorted(set(read(session, query)))


#: Days that are read, and what is told of them.
CONDITIONS = {
    "k = '2026-11-02'": [],
    "k BETWEEN '2026-11-07' AND '2026-11-09'": [],
    "k >= '2026-11-05'": ["a_range"],
    "k = '2026-11-06'": ["a_range"],
    "k = '2027-11-06'": [],
}
PARALLEL = ("k >= '2026-11-05'",)


@pytest.mark.parametrize("way", [once, generic, parallel], ids=lambda way: way.__name__)
def test_forms_of_queries(session, subtests, way):
    days(session)
    for (name, form), (condition, expected) in itertools.product(
        FORMS.items(),
        CONDITIONS.items(),
    ):
        if way is parallel and not NIGHTLY and condition not in PARALLEL:
            continue  # To start processes takes most of the time.
        query = form.replace("$v", "guarded.example").replace("$d", condition)
        with subtests.test(form=name, days=condition), session.connection.transaction(force_rollback=True):
            assert way(session, query) == expected


def test_what_reads_no_row_or_another_column_is_silent(session):
    days(session)
    for query in (
        "SELECT count(*) FROM guarded.example",
        "SELECT max(b), min(c), min(k), min(id) FROM guarded.example",
        "SELECT a FROM guarded.example LIMIT 0",
        "EXPLAIN SELECT a FROM guarded.example",
        "EXPLAIN (VERBOSE) SELECT a FROM guarded.example",
        "SELECT x.b FROM (SELECT * FROM guarded.example) x",
    ):
        assert read(session, query) == [], query


def test_a_cursor_warns_when_the_row_is_fetched(session):
    days(session)
    session.run("DECLARE reading CURSOR FOR SELECT a FROM guarded.example ORDER BY id")
    assert [read(session, f"FETCH {number} FROM reading") for number in (100, 20, 10)] == [
        [],
        ["a_range"],
        [],
    ]


def test_a_view_and_a_function_over_it(session):
    days(session)
    session.run("CREATE VIEW features.above AS SELECT a + 1 AS a, k FROM guarded.example")
    session.run(
        "CREATE FUNCTION features.of_day(day date) RETURNS bigint LANGUAGE sql AS $$ SELECT sum(a) FROM guarded.example WHERE k = day $$"
    )
    for day, expected in (("2026-11-02", []), ("2026-11-06", ["a_range"])):
        assert read(session, f"SELECT a FROM features.above WHERE k = '{day}'") == expected
        assert read(session, f"SELECT features.of_day('{day}')") == expected
        assert (
            read(
                session,
                f"CREATE TEMP TABLE c ON COMMIT DROP AS SELECT a FROM guarded.example WHERE k = '{day}'",
            )
            == expected
        )
        session.run("DROP TABLE c")


def test_several_columns_and_batches(session):
    days(session, missed=())
    miss(session, "a", 2)
    miss(session, "a", 4)
    miss(session, "b", 4)
    assert read(session, "SELECT a, b FROM guarded.example WHERE k = '2026-11-03'") == ["a_range"]
    assert sorted(read(session, "SELECT a, b FROM guarded.example WHERE k = '2026-11-05'")) == [
        "a_range",
        "b_range",
    ]
    assert read(session, "SELECT b FROM guarded.example WHERE k <= '2026-11-04'") == []
    assert read(session, "SELECT a FROM guarded.example WHERE k = '2026-11-04'") == []


def test_a_rule_over_the_batch_as_a_whole_warns_of_its_rows(session):
    example(session, extra="rules:\n  - few: {row_count: {max: 3}}\n")
    session.run(
        "INSERT INTO features.example SELECT n, '2026-11-01'::date + n / 10, 1, 1, 1 FROM generate_series(1, 15) n"
    )
    session.run("SELECT pgslo.close_batch('features.example', '*')")
    assert read(session, "SELECT count(*) FROM guarded.example WHERE k = '2026-11-05'") == []
    assert read(session, "SELECT count(*) FROM guarded.example") == ["few"]
    assert session.values("SELECT count(*) FROM guarded.example_healthy") == [0]


def test_an_old_plan_is_never_silent(session):
    days(session, missed=(2,))
    session.run("SET LOCAL plan_cache_mode = force_generic_plan")
    session.run("PREPARE good AS SELECT sum(a) FROM guarded.example WHERE k = '2026-11-08'")
    session.run("PREPARE healthy AS SELECT count(*) FROM guarded.example_healthy")
    assert read(session, "EXECUTE good") == []
    assert session.values("EXECUTE healthy") == [180]
    miss(session, "a", 7)
    (said,) = session.run("EXECUTE good").notices
    assert said.message == "missed batches of features.example are stored and may be among the rows read"
    assert said.detail == (
        'This statement was planned before they were judged. column a: batch 2026-11-08 misses rule "a_range".'
    )
    assert session.values("EXECUTE healthy") == [160]
    session.run("SET LOCAL pgslo.on_read = 'refuse'")
    assert session.refused("EXECUTE good").sqlstate == "SL001"
    session.run("SET LOCAL pgslo.on_read = 'warn'")
    session.run("DISCARD PLANS")
    assert read(session, "EXECUTE good") == ["a_range"]


def test_without_its_safeguard_an_old_plan_would_be_silent(session):
    """Why the guard is given the names of what the plan knows: functions that read tables are folded into constants."""
    days(session, missed=(2,))
    text = session.values("SELECT pg_get_viewdef('guarded.example'::regclass)")[0]
    planned = "pgslo.planned('features.example'::text)"
    assert planned in text
    session.run(f"CREATE OR REPLACE VIEW guarded.example AS {text.replace(planned, 'NULL::text[]')}")
    session.run("SET LOCAL plan_cache_mode = force_generic_plan")
    session.run("PREPARE kept AS SELECT sum(a) FROM guarded.example WHERE k = '2026-11-08'")
    assert read(session, "EXECUTE kept") == []
    miss(session, "a", 7)
    assert read(session, "EXECUTE kept") == []


def test_healthy_columns_keep_statistics_and_indexes(session):
    days(session)
    session.run("CREATE INDEX ON features.example (b)")
    session.run("CREATE INDEX ON features.example (k)")
    session.run("SET LOCAL enable_seqscan = off")
    plan = "\n".join(session.values("EXPLAIN (COSTS off) SELECT c FROM guarded.example WHERE b = 5"))
    assert "Index Cond: (b = 5)" in plan
    plan = "\n".join(
        session.values("EXPLAIN (COSTS off) SELECT a FROM guarded.example WHERE k = '2026-11-02'")
    )
    assert "Index Cond: (k = '2026-11-02'::date)" in plan
    plan = "\n".join(session.values("EXPLAIN (COSTS off) SELECT max(b) FROM guarded.example"))
    assert "Index" in plan


@pytest.mark.parametrize("missed", [(), (2,), (2, 5), (2, 5, 6), (0, 2, 4, 6, 8, 9, 1, 3, 5)])
def test_healthy_rows_are_estimated_as_well_as_those_of_the_table(session, missed):
    days(session, missed=missed, rows=500)
    session.run("SELECT pgslo.tick(); ANALYZE features.example")
    (plan,) = session.values("EXPLAIN (FORMAT json) SELECT a FROM guarded.example_healthy")
    (stored,) = session.values("SELECT count(*) FROM guarded.example_healthy")
    assert stored == 500 * (10 - len(missed))
    # All but one in two hundred: that the plan is as old as what is missed, PostgreSQL estimates too.
    assert plan[0]["Plan"]["Plan Rows"] == pytest.approx(stored, rel=0.06)


def test_types_keep_their_modifiers(session):
    session.run(
        """CREATE TABLE features.example (id int PRIMARY KEY, k date, a numeric(8,2), b varchar(10), c char(2),
           d timestamptz(0), e interval day to second(1), f varchar(3)[])"""
    )
    session.guard("table: features.example\nowner: sam\nbatch: {by: k}\n")
    types = """SELECT format_type(atttypid, atttypmod) FROM pg_attribute
               WHERE attrelid = '{}'::regclass AND attnum > 0 AND attname <> '_slo_status' ORDER BY attnum"""
    expected = session.values(types.format("features.example"))
    for suffix in ("", "_strict", "_status", "_healthy"):
        assert session.values(types.format(f"guarded.example{suffix}")) == expected, suffix


# Tables of a hundred columns and more


@pytest.mark.parametrize("batch", ["{by: k}", "{by: k, every: 7 days}", "{by: 'k - 0'}"])
def test_a_wide_view_warns_as_a_narrow_one(session, batch):
    columns = ", ".join(f"f{n} int" for n in range(98))
    session.run(
        f"CREATE TABLE features.example (id int PRIMARY KEY, k date, a int, b int, c int, n numeric(8,2), w varchar(3), {columns})"
    )
    rules = "".join(f"  f{n}: [{{range: {{max: 100000}}}}]\n" for n in range(98))
    more = "  n: [{range: {max: 100000}}]\n  w: [{length: {max: 2}}]\n"
    session.guard(DEFINITION.format(batch=batch) + rules + more)
    text = session.values("SELECT pg_get_viewdef('guarded.example'::regclass)")[0]
    assert "pgslo.read" in text
    assert session.values(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'guarded.example'::regclass AND attname IN ('n', 'w') ORDER BY attnum"
    ) == ["numeric(8,2)", "character varying(3)"]
    for n, (day, a, w) in enumerate(
        [("2026-11-01", 1, "x"), ("2026-11-12", 999999, "xyz"), ("2026-11-23", 1, "x")]
    ):
        session.run(
            f"INSERT INTO features.example (id, k, a, b, f7, w) VALUES ({n}, '{day}', {a}, 1, 1, '{w}')"
        )
    is_any = batch == "{by: 'k - 0'}"
    for column, rule in (("a", "a_range"), ("w", "w_length")):
        assert [read(session, f"SELECT {column} FROM guarded.example WHERE id = {n}") for n in range(3)] == [
            [rule] if is_any else [],
            [rule],
            [rule] if is_any else [],
        ]
        assert read(session, f"SELECT {column}, {column} FROM guarded.example x") == [rule]
    assert read(session, "SELECT f7, b, n, count(*) FROM guarded.example GROUP BY 1, 2, 3") == []
    assert sorted(read(session, "SELECT * FROM guarded.example")) == ["a_range", "w_length"]
    assert session.refused("SELECT a FROM guarded.example_strict").sqlstate == "SL001"
    session.run("SET LOCAL plan_cache_mode = force_generic_plan")
    session.run("PREPARE wide AS SELECT f7 FROM guarded.example WHERE k = '2026-11-23'")
    assert read(session, "EXECUTE wide") == []
    session.run("INSERT INTO features.example (id, k, f7) VALUES (9, '2026-11-23', 999999)")
    assert len(session.run("EXECUTE wide").notices) == 1
    session.run("DEALLOCATE wide")


def test_a_plan_knows_which_columns_a_missed_batch_was_about(session):
    """A rule whose column is changed keeps its name and its missed batches."""
    days(session, missed=(2,))
    session.run("SET LOCAL plan_cache_mode = force_generic_plan")
    session.run("PREPARE others AS SELECT sum(b) FROM guarded.example")
    assert read(session, "EXECUTE others") == []
    session.run("UPDATE pgslo_catalog.rule SET columns = '{b}' WHERE name = 'a_range'")
    (said,) = session.run("EXECUTE others").notices
    assert said.message.startswith("missed batches of features.example are stored")
    session.run("DEALLOCATE others")
    assert read(session, "SELECT sum(b) FROM guarded.example") == ["a_range"]


def test_a_rule_that_becomes_one_over_the_table_as_it_is_warns_every_reader(session):
    days(session, missed=(2,))
    assert read(session, "SELECT a FROM guarded.example WHERE k = '2026-11-08'") == []
    session.run(
        "UPDATE pgslo_catalog.rule SET scope = 'batch', measure = '{\"by_clock\": true}' WHERE name = 'a_range'"
    )
    session.run("UPDATE pgslo_catalog.missed_batch SET ended_at = now(), ended_as = 'retired'")
    assert read(session, "SELECT a FROM guarded.example WHERE k = '2026-11-08'") == ["a_range"]
