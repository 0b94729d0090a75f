"""Checks over a whole table that an import calls mapped give the verdict of the source's own SQL, also without rows."""

from __future__ import annotations

import json
import random

import pytest
from imports import imported

pytestmark = pytest.mark.slow

#: Test of dbt, and the SQL that dbt_utils or dbt_expectations prints for it: it returns a row where the test fails.
DBT = [
    (
        "dbt_utils.recency: {field: seen, datepart: day, interval: 2}",
        "SELECT m FROM (SELECT max(seen) AS m FROM {t}) s WHERE m < now() - interval '2 days' OR m IS NULL",
    ),
    (
        "dbt_expectations.expect_row_values_to_have_recent_data: {column_name: seen, datepart: day, interval: 2}",
        "SELECT m FROM (SELECT max(seen) AS m FROM {t} WHERE seen <= now()) s WHERE coalesce(m, '1970-01-01') < now() - interval '2 days'",
    ),
    (
        "dbt_expectations.expect_row_values_to_have_recent_data: {column_name: seen, datepart: day, interval: 2, row_condition: n > 0}",
        (
            "SELECT m FROM (SELECT max(seen) AS m FROM {t} WHERE seen <= now() AND n > 0) s "
            "WHERE coalesce(m, '1970-01-01') < now() - interval '2 days'"
        ),
    ),
    (
        "dbt_utils.at_least_one: {column_name: x}",
        "SELECT 1 FROM (SELECT x FROM {t} WHERE x IS NOT NULL LIMIT 1) s HAVING count(x) = 0",
    ),
    (
        "dbt_utils.relationships_where: {column_name: n, to: ref('sorts'), field: low, to_condition: x > 0, from_condition: n > 0}",
        (
            "SELECT l.i FROM (SELECT n AS i FROM {t} WHERE n IS NOT NULL AND n > 0) l LEFT JOIN "
            "(SELECT low AS i FROM {t} WHERE low IS NOT NULL AND x > 0) r ON l.i = r.i WHERE r.i IS NULL"
        ),
    ),
    *(
        (
            (
                f"dbt_utils.mutually_exclusive_ranges: {{lower_bound_column: low, upper_bound_column: high{by}, gaps: {gaps}, "
                f"zero_length_range_allowed: {str(empty).lower()}}}"
            ),
            (
                f"SELECT low FROM (SELECT low, high, lead(low) OVER ({part} ORDER BY low, high) AS following, "
                f"row_number() OVER ({part} ORDER BY low DESC, high DESC) = 1 AS is_last FROM {{t}}) s "
                f"WHERE NOT (coalesce(low {'<=' if empty else '<'} high, false) AND coalesce(high {sign} following, is_last, false))"
            ),
        )
        for by, part in (
            ("", ""),
            (", partition_by: n", "PARTITION BY n"),
            (", partition_by: 'n, x'", "PARTITION BY n, x"),
        )
        for gaps, sign, empty in (
            ("allowed", "<=", False),
            ("not_allowed", "=", False),
            ("required", "<", True),
        )
    ),
    (
        (
            "dbt_expectations.expect_column_most_common_value_to_be_in_set: {column_name: n, value_set: [0, 1], top_n: 1, "
            "quote_values: false, data_type: integer}"
        ),
        (
            "SELECT v FROM (SELECT cast(n AS integer) AS v, row_number() OVER (ORDER BY count(*) DESC) AS p FROM {t} GROUP BY cast(n AS integer)) s "
            "WHERE p = 1 AND v NOT IN (0, 1)"
        ),
    ),
    (
        "dbt_expectations.expect_column_mean_to_be_between: {column_name: x, min_value: 0.2, max_value: 0.8}",
        "SELECT 1 FROM (SELECT avg(x) >= 0.2 AND avg(x) <= 0.8 AS e FROM {t}) s WHERE NOT e",
    ),
    (
        "dbt_expectations.expect_column_quantile_values_to_be_between: {column_name: x, quantile: 0.5, min_value: 0, strictly: true}",
        "SELECT 1 FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) > 0 AS e FROM {t}) s WHERE NOT e",
    ),
    (
        "dbt_utils.not_null_proportion: {column_name: x, at_least: 0.5}",
        "SELECT 1 FROM (SELECT sum(CASE WHEN x IS NULL THEN 0 ELSE 1 END) / cast(nullif(count(*), 0) AS numeric) AS p FROM {t}) s WHERE p < 0.5",
    ),
]
#: Expectations and checks whose number is unknown without a value: there the tools differ, and the rule is unknown.
NUMBERS = [
    ("gx", {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "x", "min_value": 0.2}}, "avg(x) >= 0.2"),
    ("gx", {"type": "expect_column_median_to_be_between", "kwargs": {"column": "x", "max_value": 0.5}},
     "percentile_cont(0.5) WITHIN GROUP (ORDER BY x) <= 0.5"),
    ("gx", {"type": "expect_column_quantile_values_to_be_between", "kwargs": {
        "column": "x", "quantile_ranges": {"quantiles": [0.25, 0.75], "value_ranges": [[0, None], [None, 1]]}}},
     "percentile_disc(0.25) WITHIN GROUP (ORDER BY x) >= 0 AND percentile_disc(0.75) WITHIN GROUP (ORDER BY x) <= 1"),
    ("gx", {"type": "expect_column_proportion_of_unique_values_to_be_between", "kwargs": {"column": "x", "min_value": 1}},
     "count(DISTINCT x)::numeric / nullif(count(x), 0) >= 1"),
    ("soda", "avg(x) between 0.2 and 0.8", "avg(x) BETWEEN 0.2 AND 0.8"),
    ("soda", "percentile(x, 0.75) < 1", "percentile_disc(0.75) WITHIN GROUP (ORDER BY x) < 1"),
    ("soda", "stddev(x) < 0.6", "stddev(x) < 0.6"),
    ("soda", "max(x) >= 1", "max(x) >= 1"),
]  # fmt: skip
TABLE = (
    "DROP TABLE IF EXISTS app.sorts CASCADE; CREATE TABLE app.sorts (id integer, "
    "n integer, x numeric, low integer, high integer, seen timestamptz); CREATE INDEX ON app.sorts (seen)"
)
#: What each rule said last.
LAST = "SELECT DISTINCT ON (rule) verdict FROM pgslo.verdict ORDER BY rule, judged_at DESC"
FILLS = 9


def rows(chance: random.Random, number: int) -> list[str]:
    """The rows of a table: none, ranges that follow each other, or any."""
    if number == 0:
        return []
    made = []
    low = 0
    for key in range(chance.choice([1, 2, 3, 6])):
        high = low + chance.choice([0, 1, 1, 1])
        ends = (
            (low, high)
            if number % 2
            else (chance.choice(["NULL", 0, 1, 2]), chance.choice(["NULL", 1, 2, 3]))
        )
        low = high + chance.choice([0, 0, 0, 1])
        seen = chance.choice(
            ["NULL", "now() + interval '3 days'", "now() - interval '1 day'", "now() - interval '9 days'"]
        )
        n, x = chance.choice(["NULL", 0, 1, 2]), chance.choice(["NULL", -1, 0, 0.5, 1])
        made.append(f"({key}, {n}, {x}, {ends[0]}, {ends[1]}, {seen})")
    return made


def agree(session, text: str, failing: str, *, unknown: str | None = None) -> set[bool]:
    """Compare verdicts over several fills of a table; return the answers of the source."""
    session.run(TABLE)
    session.guard(text + "\nwrites: bulk\nbatch: statement\nwatch: false\n")
    chance, told = random.Random(7), set()
    for number in range(FILLS):
        session.run("DELETE FROM app.sorts")
        # A batch is closed, whatever remains of it.
        session.run("INSERT INTO app.sorts (id) VALUES (-1)")
        session.run("DELETE FROM app.sorts")
        filled = rows(chance, number)
        if filled:
            session.run(f"INSERT INTO app.sorts VALUES {', '.join(filled)}")
        session.close(definition="app.sorts")
        session.run("SELECT pgslo.tick()")
        here = set(session.values(LAST))
        there = session.values(f"SELECT EXISTS ({failing.replace('{t}', 'app.sorts')})")[0]
        if unknown and session.values(f"SELECT ({unknown}) IS NULL FROM app.sorts") == [True]:
            # There the tools differ: a warning, an error, or nothing.
            assert here <= {"unknown", "met"}, (text, filled)
            continue
        assert ("missed" if "missed" in here else "/".join(here)) == ("missed" if there else "met"), (
            text,
            filled,
        )
        told.add(there)
    return told


@pytest.mark.parametrize(
    ("test", "failing"), DBT, ids=[f"{number} {test[:60]}" for number, (test, _) in enumerate(DBT)]
)
def test_dbt(session, test, failing):
    session.run("CREATE SCHEMA IF NOT EXISTS app")
    done = imported(f"models: [{{name: sorts, tests: [{{{test}}}]}}]")
    (entry,) = done.entries
    assert entry.outcome.status == "mapped", entry.outcome
    (text,) = done.definitions.values()
    # A share of no rows is unknown, whatever the macro divides by.
    share = "1 / nullif(count(*), 0)" if "proportion" in test else None
    told = agree(session, text, failing, unknown=share)
    assert told == {True, False}, "no fill tells whether the check is right"


@pytest.mark.parametrize(("tool", "check", "condition"), NUMBERS)
def test_numbers_of_a_column(session, tool, check, condition):
    session.run("CREATE SCHEMA IF NOT EXISTS app")
    source = (
        json.dumps({"name": "s", "expectations": [check]})
        if tool == "gx"
        else f"checks for sorts:\n  - {check}\n"
    )
    done = imported(source, maps=("*:*=app.sorts",))
    entry = done.entries[-1]
    assert entry.outcome.status == "mapped", entry.outcome
    (text,) = done.definitions.values()
    told = agree(
        session, text, f"SELECT 1 FROM (SELECT {condition} AS e FROM {{t}}) s WHERE NOT e", unknown=condition
    )
    assert told == {True, False}, "no fill tells whether the check is right"
