"""metric: the number that a query of the author's own gives lies between two bounds."""

import pytest

KIND = "metric"
HEAD = "table: features.example\nowner: sam\nwrites: bulk\nwatch: false\nbatch: {by: day}\nrules:\n"


def test_the_value_is_held_against_its_bounds(golden):
    golden.load("2026-11-22", "plan = 'pro'; spend = 5")
    golden.run("INSERT INTO features.staff (id, name, team) VALUES (1, 'a', 'x')")
    found = golden.close()
    assert found["spend_of_pro_users"] == ("missed", 5, "the value is 5; the objective is between 10 and 20")
    assert found["staff_a_user"][0] == "met"
    (notice,) = golden.run("SELECT user_id FROM guarded.user_stats").notices
    assert notice.message == 'features.user_stats misses rule "spend_of_pro_users"'
    assert notice.detail.startswith("The value is 5; the objective is between 10 and 20.")
    golden.run("UPDATE features.user_stats SET spend = 15")
    assert golden.close()["spend_of_pro_users"][:2] == ("met", 15)


def test_verdicts_have_the_value_with_its_bounds_and_its_history(golden):
    for spend in (5, 15):
        golden.load(f"2026-11-{10 + spend}", "plan = 'pro'")
        golden.run(f"UPDATE features.user_stats SET spend = {spend} WHERE spend IS NULL")
        golden.close()
    found = golden.run(
        "SELECT verdict, value, low, high FROM pgslo.verdict WHERE rule = 'spend_of_pro_users' ORDER BY batch"
    ).rows
    assert found == (("missed", 5.0, 10.0, 20.0), ("met", 10.0, 10.0, 20.0))


@pytest.fixture
def example(session):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, day date, a float, b text)")
    return session


@pytest.mark.parametrize("empty", ["DELETE FROM features.example", "TRUNCATE features.example"])
def test_it_is_evaluated_by_the_clock_and_after_the_table_is_emptied(example, empty):
    example.guard(
        HEAD
        + '  - n: {metric: {query: "WITH q (v) AS (SELECT count(*) FROM features.example) SELECT q.v FROM q;"}, warn_below: 1}'
    )
    example.run("INSERT INTO features.example VALUES (1, '2026-01-01', 1, 'x')")
    assert example.close(definition="features.example")["n"][:2] == ("met", 1)
    example.run(empty)
    example.run("SELECT pgslo.tick()")
    assert example.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == ["n"]
    example.run("INSERT INTO features.example VALUES (1, '2026-01-01', 1, 'x')")
    example.run("SELECT pgslo.tick()")
    assert example.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            "SELECT max(e.a) FROM features.example e WHERE e.id > 9",
            ("unknown", None, "the query gives no value"),
        ),
        ("SELECT e.a FROM features.example e WHERE e.id > 9", ("unknown", None, "the query gives no value")),
        (
            "SELECT e.id FROM features.example e",
            (
                "unknown",
                None,
                "it can no longer be judged: error, SQLSTATE 21000",
            ),
        ),
        ("SELECT 'NaN'::float", ("unknown", float("nan"), "the value is NaN; the objective is at most 5")),
        ("SELECT 1e300 * 10", ("missed", 1e301, "the value is 1e+301; the objective is at most 5")),
        (
            "SELECT max(e.a) / 0 FROM features.example e",
            ("unknown", None, "it can no longer be judged: division by zero, SQLSTATE 22012"),
        ),
        ("SELECT count(*) FROM features.example", ("met", 2, "the value is 2; the objective is at most 5")),
        ("SELECT -0.5", ("met", -0.5, "the value is -0.5; the objective is at most 5")),
    ],
)
def test_values(example, query, found):
    example.guard(f'{HEAD}  - m: {{metric: {{query: "{query}", max: 5}}}}')
    example.run("INSERT INTO features.example VALUES (1, '2026-01-01', 1, 'x'), (2, '2026-01-01', 2, 'x')")
    verdict, value, said = example.close(definition="features.example")["m"]
    assert (verdict, said) == (found[0], found[2])
    assert str(value) == str(found[1]) or value == found[1]


@pytest.mark.parametrize(
    ("metric", "error"),
    [
        ("{query: 'SELECT 1'}", '17: error: "metric" needs "min" or "max" or "warn_below"'),
        ("{min: 1}", '17: error: "metric" needs "query"'),
        ("{query: 'DELETE FROM a.b', min: 1}", "26: error: a query has to begin with SELECT or WITH"),
        ("{query: 'SELECT 1', min: 1}, warn_below: 2", '58: error: "min" and "warn_below" say the same'),
        ("{query: 'SELECT 1', min: 2, max: 1}", "42: error: the lower bound 2 is above the upper bound 1"),
        ("{query: 'SELECT 1', min: 2}, where: a > 0", '53: error: "where" does not fit "metric"'),
        (
            "{query: 'SELECT 1', min: 2}, on_breach: reject",
            '57: error: "metric" cannot reject a statement by this bound',
        ),
        ("{query: 'SELECT 1, 2', min: 2}", "25: error: subquery must return only one column"),
        ("{query: 'SELECT true', min: 2}", "25: error: cannot cast type boolean to double precision"),
        ("{query: 'SELECT e.no FROM features.example e', min: 2}", "25: error: column e.no does not exist"),
    ],
)
def test_refused(example, metric, error):
    found = example.errors(f"{HEAD}  - m: {{metric: {metric}}}")
    assert found[0].startswith(f"slos/example.yml:7:{error}"), found[0]


def test_what_it_calls_cannot_write(example):
    example.run(
        "CREATE FUNCTION features.sly() RETURNS integer LANGUAGE sql VOLATILE AS 'DELETE FROM features.example; SELECT 1'"
    )
    example.run("CREATE VIEW features.harmless AS SELECT features.sly() AS n")
    example.guard(HEAD + '  - m: {metric: {query: "SELECT h.n FROM features.harmless h", max: 5}}')
    example.run("INSERT INTO features.example VALUES (1, '2026-01-01', 1, 'x')")
    verdict, _, said = example.close(definition="features.example")["m"]
    assert (verdict, said) == (
        "unknown",
        "it can no longer be judged: cannot write in a read-only transaction, SQLSTATE 25006",
    )
    assert example.values("SELECT count(*) FROM features.example") == [1]


def test_a_conversion_of_another_role_is_no_number(example):
    """A type of a stranger with a cast to a number, which would run with the rights of the table's owner."""
    example.run("CREATE ROLE stranger_of_metric; CREATE TYPE features.mood AS (n int)")
    example.run(
        "CREATE FUNCTION features.of_mood(m features.mood) RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT 1.0::float'"
    )
    example.run("CREATE CAST (features.mood AS double precision) WITH FUNCTION features.of_mood")
    example.run("CREATE TABLE features.moods (m features.mood)")
    example.run(
        "ALTER TYPE features.mood OWNER TO stranger_of_metric; ALTER FUNCTION features.of_mood OWNER TO stranger_of_metric"
    )
    found = example.errors(HEAD + '  - m: {metric: {query: "SELECT o.m FROM features.moods o", max: 5}}')
    assert "stranger_of_metric" in found[0]


@pytest.mark.parametrize(
    ("query", "granted", "shown"),
    [
        ("SELECT max(e.a) FROM features.example e", "SELECT", True),
        ("SELECT max(e.a) FROM features.example e", "SELECT (id, day)", False),
        ("SELECT max(o.v) FROM features.other o", "SELECT", False),
    ],
)
def test_who_may_not_read_what_it_is_of_does_not_see_the_value(example, query, granted, shown):
    example.run("CREATE TABLE features.other (v int); INSERT INTO features.other VALUES (77)")
    example.guard(f'{HEAD}  - m: {{metric: {{query: "{query}", max: 5}}}}')
    example.run("INSERT INTO features.example VALUES (1, '2026-01-01', 77, 'x')")
    assert example.close(definition="features.example")["m"][0] == "missed"
    example.run("CREATE ROLE reader_of_metric")
    example.run(
        f"GRANT USAGE ON SCHEMA features TO reader_of_metric; GRANT {granted} ON features.example TO reader_of_metric"
    )
    example.run("SET ROLE reader_of_metric")
    verdicts = example.run("SELECT value, said FROM pgslo.verdict WHERE rule = 'm'").rows
    explained = str(example.run("SELECT * FROM pgslo.explain((SELECT incident_id FROM pgslo.incident))").rows)
    example.run("RESET ROLE")
    assert ("77" in str(verdicts) + explained) == shown
