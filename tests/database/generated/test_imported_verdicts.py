"""Rules from Soda, Great Expectations, data contracts and DQX give the verdicts of the SQL that these tools print, row by row."""

from __future__ import annotations

import json
import random

import pytest
import yaml
from imports import imported

pytestmark = pytest.mark.slow

TYPES = {"n": "integer", "x": "numeric", "f": "double precision", "t": "text", "d": "date"}
VALUES = {
    "n": ["NULL", "-1", "0", "1", "2"],
    "x": ["NULL", "'NaN'", "-1", "0", "0.5", "1", "1.0000000001"],
    "f": ["NULL", "'NaN'", "'Infinity'", "'-Infinity'", "-0.0", "0", "0.1", "0.10000000000000002", "1"],
    "t": ["NULL", "''", "' '", "'a'", "'A'", "'B'", "'ab'", "'abc'", "E'a\\n'", "'ä'", "'None'"],
    "d": ["NULL", "'2019-12-31'", "'2020-01-01'", "'infinity'", "'-infinity'"],
}
ROWS = 120

#: What is asked, and the condition of failing rows that the tool prints.
SODA = [
    ("missing_count(x) = 0", "x IS NULL"),
    ("min(x) >= 0", "NOT x >= 0"),
    ("max(f) < 1", "NOT f < 1"),
    ("invalid_count(t) = 0: {valid values: [a, B]}", "t IS NOT NULL AND NOT t IN ('a', 'B')"),
    ("invalid_count(t) = 0: {valid min length: 1}", "t IS NOT NULL AND NOT length(t) >= 1"),
    ("invalid_count(n) = 0: {valid min: 0, valid max: 1}", "n IS NOT NULL AND (NOT n >= 0 OR NOT n <= 1)"),
    ("invalid_count(t) = 0: {valid regex: '^a'}", "t IS NOT NULL AND NOT t ~ '^a'"),
    ("failed rows: {fail condition: n > 1 AND x < 1}", "n > 1 AND x < 1"),
]
GX = [
    ("expect_column_values_to_not_be_null", {"column": "x"}, "x IS NULL"),
    ("expect_column_values_to_be_null", {"column": "f"}, "f IS NOT NULL"),
    ("expect_column_values_to_be_in_set", {"column": "t", "value_set": ["a", "B"]}, "t NOT IN ('a', 'B')"),
    ("expect_column_values_to_not_be_in_set", {"column": "t", "value_set": ["a"]}, "t IN ('a')"),
    (
        "expect_column_values_to_be_between",
        {"column": "f", "min_value": 0, "max_value": 0.1},
        "NOT (f >= 0 AND f <= 0.1)",
    ),
    ("expect_column_values_to_be_between", {"column": "x", "min_value": 0, "strict_min": True}, "NOT x > 0"),
    (
        "expect_column_value_lengths_to_be_between",
        {"column": "t", "min_value": 1, "max_value": 2},
        "NOT (length(t) BETWEEN 1 AND 2)",
    ),
    ("expect_column_values_to_match_regex", {"column": "t", "regex": "^a.?$"}, "NOT t ~ '^a.?$'"),
    ("expect_column_values_to_not_match_regex", {"column": "t", "regex": "^B"}, "t ~ '^B'"),
]
ODCS = [
    ("x", {"required": True}, "x IS NULL"),
    ("n", {"logicalType": "integer", "logicalTypeOptions": {"minimum": 0}}, "NOT n >= 0"),
    ("n", {"logicalType": "integer", "logicalTypeOptions": {"exclusiveMaximum": 2}}, "NOT n < 2"),
    ("n", {"logicalType": "integer", "logicalTypeOptions": {"multipleOf": 2}}, "NOT n % 2 = 0"),
    ("f", {"logicalType": "number", "logicalTypeOptions": {"maximum": 0.1}}, "NOT f <= 0.1"),
    ("t", {"logicalType": "string", "logicalTypeOptions": {"minLength": 1}}, "NOT length(t) >= 1"),
    ("d", {"logicalType": "date", "logicalTypeOptions": {"minimum": "2020-01-01"}}, "NOT d >= '2020-01-01'"),
]
DQX = [
    ("is_not_null", {"column": "x"}, "x IS NULL"),
    ("is_not_empty", {"column": "t"}, "t = ''"),
    ("is_not_empty", {"column": "t", "trim_strings": True}, "trim(t) = ''"),
    ("is_in_list", {"column": "t", "allowed": ["a", "B"]}, "NOT t IN ('a', 'B')"),
    ("is_in_range", {"column": "f", "min_limit": 0, "max_limit": 0.1}, "f < 0 OR f > 0.1"),
    ("is_not_less_than", {"column": "f", "limit": 0}, "f < 0"),
    ("is_not_in_range", {"column": "n", "min_limit": 0, "max_limit": 1}, "n >= 0 AND n <= 1"),
    ("sql_expression", {"expression": "n < 2 OR x > 0"}, "NOT (n < 2 OR x > 0)"),
]


def soda(number: int) -> str:
    said, _, options = SODA[number][0].partition(": ")
    return f"checks for sorts:\n  - {said}{':' if options else ''}\n" + "".join(
        f"      {key}: {json.dumps(value)}\n" for key, value in (yaml.safe_load(options or "{}")).items()
    )


def gx(number: int) -> str:
    name, arguments, _ = GX[number]
    return json.dumps({"name": "s", "expectations": [{"type": name, "kwargs": arguments}]})


def odcs(number: int) -> str:
    column, said, _ = ODCS[number]
    table = {"name": "sorts", "properties": [{"name": column, **said}]}
    return yaml.safe_dump({"apiVersion": "v3.1.0", "kind": "DataContract", "schema": [table]})


def dqx(number: int) -> str:
    name, arguments, _ = DQX[number]
    return yaml.safe_dump([{"check": {"function": name, "arguments": arguments}}])


SOURCES = {"soda": (soda, SODA), "gx": (gx, GX), "odcs": (odcs, ODCS), "dqx": (dqx, DQX)}


@pytest.mark.parametrize("tool", SOURCES)
def test_verdicts_are_those_of_the_tool(session, tool):
    write, cases = SOURCES[tool]
    session.run("CREATE SCHEMA IF NOT EXISTS app")
    rows = []
    chance = random.Random(5)
    for number in range(ROWS):
        values = {column: chance.choice(some) for column, some in VALUES.items()}
        rows.append(f"({number}, {', '.join(values.values())})")
    columns = ", ".join(f"{column} {type_}" for column, type_ in TYPES.items())
    for number, (*asked, failing) in enumerate(cases):
        done = imported(write(number), maps=("*:*=app.sorts",))
        entry = done.entries[-1]
        assert entry.outcome.status == "mapped", (asked, entry.outcome)
        (text,) = done.definitions.values()
        session.run(f"DROP TABLE IF EXISTS app.sorts CASCADE; CREATE TABLE app.sorts (id integer, {columns})")
        session.guard(text)
        # A rule of the same name may have failed in another case.
        before = session.failures()
        told = set()
        for row in rows:
            session.run(f"INSERT INTO app.sorts VALUES {row}")
            after = session.failures()
            here = after.get(entry.rule, 0) > before.get(entry.rule, 0)
            before = after
            key = row[1:].partition(",")[0]
            there = session.values(f"SELECT ({failing}) IS TRUE FROM app.sorts WHERE id = {key}") == [True]
            assert here == there, (asked, row)
            told.add(there)
        assert told == {True, False}, f"no row tells whether {asked} is right"
        assert session.broken() == {}
