"""Rules that an import calls mapped give the verdicts of the source's own SQL, row by row; rules called changed differ as described."""

from __future__ import annotations

import random

import pytest
from imports import imported

pytestmark = pytest.mark.slow

#: Name, column, test, and the SQL that dbt, dbt_utils or dbt_expectations prints for it on PostgreSQL.
CASES = [
    ("filled", "x", "not_null", "SELECT * FROM {model} WHERE x IS NULL"),
    (
        "filled_where",
        "x",
        "not_null: {where: \"t = 'a'\"}",
        "SELECT * FROM {model} WHERE t = 'a' AND x IS NULL",
    ),
    (
        "words",
        "t",
        "accepted_values: {values: [a, B, '']}",
        "SELECT t FROM {model} GROUP BY t HAVING t NOT IN ('a', 'B', '')",
    ),
    (
        "numbers",
        "n",
        "accepted_values: {values: [0, 1]}",
        "SELECT n FROM {model} GROUP BY n HAVING n NOT IN ('0', '1')",
    ),
    (
        "truths",
        "b",
        "accepted_values: {values: [true]}",
        "SELECT b FROM {model} GROUP BY b HAVING b NOT IN ('True')",
    ),
    (
        "no_words",
        "t",
        "dbt_utils.not_accepted_values: {values: [a]}",
        "SELECT t FROM {model} WHERE t IN ('a')",
    ),
    (
        "in_set",
        "t",
        "dbt_expectations.expect_column_values_to_be_in_set: {value_set: [a, B]}",
        "SELECT v.t FROM {model} v LEFT JOIN (SELECT cast('a' AS text) AS s UNION ALL SELECT 'B') w ON v.t = w.s WHERE w.s IS NULL",
    ),
    (
        "least",
        "x",
        "dbt_utils.accepted_range: {min_value: 0}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT x >= 0",
    ),
    (
        "least_double",
        "f",
        "dbt_utils.accepted_range: {min_value: 0}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT f >= 0",
    ),
    (
        "most_double",
        "f",
        "dbt_utils.accepted_range: {max_value: 1}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT f <= 1",
    ),
    (
        "between",
        "f",
        "dbt_utils.accepted_range: {min_value: 0, max_value: 0.1}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT f >= 0 OR NOT f <= 0.1",
    ),
    (
        "strictly",
        "x",
        "dbt_utils.accepted_range: {min_value: 0, max_value: 1, inclusive: false}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT x > 0 OR NOT x < 1",
    ),
    (
        "real",
        "r",
        "dbt_utils.accepted_range: {min_value: 0, max_value: 0.1}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT r >= 0 OR NOT r <= 0.1",
    ),
    (
        "whole",
        "n",
        "dbt_utils.accepted_range: {min_value: 0}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT n >= 0",
    ),
    (
        "day",
        "d",
        "dbt_utils.accepted_range: {min_value: \"'2020-01-01'\"}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT d >= '2020-01-01'",
    ),
    (
        "other_column",
        "x",
        "dbt_utils.accepted_range: {min_value: n}",
        "SELECT * FROM {model} WHERE 1 = 2 OR NOT x >= n",
    ),
    (
        "trimmed",
        "t",
        "dbt_utils.not_empty_string",
        "SELECT * FROM (SELECT trim(t) AS t FROM {model}) e WHERE t = ''",
    ),
    (
        "raw",
        "t",
        "dbt_utils.not_empty_string: {trim_whitespace: false}",
        "SELECT * FROM {model} WHERE t = ''",
    ),
    (
        "condition",
        "x",
        "dbt_utils.expression_is_true: {expression: '+ n > 0'}",
        "SELECT 1 FROM {model} WHERE NOT (x + n > 0)",
    ),
    (
        "length",
        "t",
        "dbt_expectations.expect_column_value_lengths_to_be_between: {min_value: 1, max_value: 2}",
        "SELECT * FROM (SELECT (1 = 1 AND length(t) >= 1 AND length(t) <= 2) AS e FROM {model}) g WHERE NOT (e = true)",
    ),
    (
        "like",
        "t",
        "dbt_expectations.expect_column_values_to_match_like_pattern: {like_pattern: 'a%'}",
        "SELECT * FROM (SELECT t LIKE 'a%' AS e FROM {model}) g WHERE NOT (e = true)",
    ),
    (
        "empty",
        "x",
        "dbt_expectations.expect_column_values_to_be_null",
        "SELECT * FROM (SELECT x IS NULL AS e FROM {model}) g WHERE NOT (e = true)",
    ),
    (
        "pattern",
        "t",
        "dbt_expectations.expect_column_values_to_match_regex: {regex: '^a.?$'}",
        "SELECT * FROM (SELECT coalesce(array_length((SELECT regexp_matches(t, '^a.?$', '')), 1), 0) > 0 AS e FROM {model}) g WHERE NOT (e = true)",
    ),
]
#: Rows whose verdicts differ, by the reason that the report gives.
DIFFERENCES = {"null_differs": "t IS NULL"}
TYPES = {
    "n": "integer",
    "x": "numeric",
    "f": "double precision",
    "r": "real",
    "t": "text",
    "d": "date",
    "b": "boolean",
}
VALUES = {
    "n": ["NULL", "-1", "0", "1", "2"],
    "x": ["NULL", "'NaN'", "-1", "0", "0.5", "1", "1.0000000001"],
    "f": ["NULL", "'NaN'", "'Infinity'", "'-Infinity'", "-0.0", "0", "0.1", "0.10000000000000002", "1"],
    "r": ["NULL", "'NaN'", "'Infinity'", "'-Infinity'", "0", "0.1", "0.05"],
    "t": [
        "NULL",
        "''",
        "' '",
        "'  '",
        "'a'",
        "'A'",
        "'B'",
        "'ab'",
        "'abc'",
        "E'a\\n'",
        "E'\\t'",
        "'ä'",
        "'None'",
    ],
    "d": ["NULL", "'2019-12-31'", "'2020-01-01'", "'infinity'", "'-infinity'"],
    "b": ["NULL", "true", "false"],
}
ROWS = 200


def schema_file() -> str:
    """A model with every test, each with a name of its own; the file states the types of the columns."""
    lines = ["models:", "  - name: sorts", "    columns:"]
    for column, type_name in TYPES.items():
        lines += [f"      - name: {column}", f"        data_type: {type_name}", "        data_tests:"]
        for name, of, test, _ in CASES:
            if of == column:
                kind, _, arguments = test.partition(": ")
                inside = arguments.removeprefix("{").removesuffix("}")
                lines.append(f"          - {kind}: {{name: {name}{', ' if inside else ''}{inside}}}")
    return "\n".join(lines)


def test_verdicts_are_those_of_the_source(session):
    done = imported(schema_file())
    by_name = {}
    for entry in done.entries:
        if entry.found.kind != "data_type":
            by_name[entry.found.body.title] = entry
    assert by_name.keys() == {name for name, *_ in CASES}
    session.run("CREATE SCHEMA IF NOT EXISTS app")
    session.run(
        f"CREATE TABLE app.sorts (id integer, {', '.join(f'{column} {type_}' for column, type_ in TYPES.items())})"
    )
    (text,) = done.definitions.values()
    session.guard(text)
    chance = random.Random(7)
    seen = {name: set() for name, *_ in CASES}
    before: dict[str, int] = {}
    for number in range(ROWS):
        values = {column: chance.choice(some) for column, some in VALUES.items()}
        session.run(f"INSERT INTO app.sorts VALUES ({number}, {', '.join(values.values())})")
        after = session.failures()
        failing = {rule for rule, count in after.items() if count > before.get(rule, 0)}
        before = after
        model = f"(SELECT * FROM app.sorts WHERE id = {number})"
        for name, _, _, source in CASES:
            entry = by_name[name]
            of_row = source.replace("{model}", model if "{model} v" in source else f"{model} m")
            there = session.values(f"SELECT count(*) > 0 FROM ({of_row}) s") == [True]
            # That check is two rules: the second has a name with a digest.
            own = {
                rule for rule in failing if rule == name or (name == "in_set" and rule.startswith("in_set_"))
            }
            here = bool(own)
            seen[name].add(there)
            reasons = [remark.reason for remark in entry.outcome.remarks]
            if entry.outcome.status == "mapped":
                assert here == there, (name, values, entry.outcome)
            elif here != there:
                assert any(
                    session.values(f"SELECT {DIFFERENCES[reason]} FROM {model} m") == [True]
                    for reason in reasons
                ), (name, values)
                seen[name].add("differs")
    assert session.broken() == {}
    for name, results in seen.items():
        assert {True, False} <= results, f"no row tells whether {name} is right"
        if by_name[name].outcome.status == "changed":
            assert "differs" in results, f"{name} is called changed, and no row shows it"


UNIQUE = [
    ("- unique", "SELECT a FROM app.doubles WHERE a IS NOT NULL GROUP BY a HAVING count(*) > 1", "a"),
    (
        "- dbt_utils.unique_combination_of_columns: {combination_of_columns: [a, b]}",
        "SELECT a, b FROM app.doubles GROUP BY a, b HAVING count(*) > 1",
        "",
    ),
    (
        "- dbt_expectations.expect_compound_columns_to_be_unique: {column_list: [a, b]}",
        "SELECT a, b FROM app.doubles WHERE 1=1 AND NOT (a IS NULL AND b IS NULL) GROUP BY a, b HAVING count(*) > 1",
        "",
    ),
    (
        "- dbt_expectations.expect_compound_columns_to_be_unique: {column_list: [a, b], ignore_row_if: any_value_is_missing}",
        "SELECT a, b FROM app.doubles WHERE 1=1 AND NOT (a IS NULL OR b IS NULL) GROUP BY a, b HAVING count(*) > 1",
        "",
    ),
]


@pytest.mark.parametrize(
    ("test", "source", "column"), UNIQUE, ids=["unique", "combination", "compound", "any_missing"]
)
def test_doubles_are_those_of_the_source(session, test, source, column):
    under = (
        f"    columns:\n      - name: {column}\n        data_tests:\n          {test}"
        if column
        else f"    data_tests:\n      {test}"
    )
    done = imported(f"models:\n  - name: doubles\n{under}\n")
    assert [entry.outcome.status for entry in done.entries] == ["mapped"]
    chance = random.Random(11)
    session.run("CREATE SCHEMA IF NOT EXISTS app")
    session.run("CREATE TABLE app.doubles (a integer, b text)")
    for needed in done.entries[0].outcome.needs:
        session.run(needed)
    (text,) = done.definitions.values()
    session.guard(text)
    verdicts = set()
    for _ in range(120):
        session.run("DELETE FROM app.doubles")
        before = session.failures()
        rows = [(chance.choice(["NULL", "1"]), chance.choice(["NULL", "'x'"])) for _ in range(2)]
        for a, b in rows:
            session.run(f"INSERT INTO app.doubles VALUES ({a}, {b})")
        there = session.run(source).count > 0
        assert (session.failures() != before) == there, rows
        verdicts.add(there)
    assert verdicts == {True, False}
