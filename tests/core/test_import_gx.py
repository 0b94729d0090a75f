"""Expectations of Great Expectations as rules, of 0.x and 1.x, and inside of data contracts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imports import definitions, imported, outcomes, rules

MAPPED = ("mapped",)


def suite(name: str, meta: Any = None, *, old: bool = False, **kwargs: Any) -> str:
    """A suite with one expectation."""
    if old:
        one: dict[str, Any] = {"expectation_type": f"expect_{name}", "kwargs": kwargs, "meta": meta or {}}
        return json.dumps({"expectation_suite_name": "orders", "expectations": [one]})
    return json.dumps(
        {"name": "orders", "expectations": [{"type": f"expect_{name}", "kwargs": kwargs, "meta": meta}]}
    )


def run(name: str, meta: Any = None, *, old: bool = False, profiled: bool = False, **kwargs: Any) -> Any:
    text = suite(name, meta, old=old, **kwargs)
    return imported(text, name="suite.json", maps=["gx:orders=app.orders"], profiled=profiled)


X: dict[str, Any] = {"column": "x"}
KINDS: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("column_values_to_not_be_null", X, "not_null", MAPPED),
    (
        "column_values_to_not_be_null",
        X | {"mostly": 0.9},
        "completeness: {of: table, min: 0.9}",
        MAPPED,
    ),
    ("column_values_to_be_null", X, 'expression: "x IS NULL"', MAPPED),
    ("column_values_to_be_in_set", X | {"value_set": ["a", 1]}, "accepted_values: [a, 1]", MAPPED),
    (
        "column_values_to_be_in_set",
        X | {"value_set": [True, False]},
        "accepted_values: [true, false]",
        MAPPED,
    ),
    (
        "column_values_to_be_in_set",
        X | {"value_set": ["a"], "mostly": 0.9},
        'accepted_values: {values: [a], where: "x IS NOT NULL", at_least: 0.9}',
        ("changed", "batch_not_table"),
    ),
    ("column_values_to_be_in_set", X | {"value_set": []}, "", ("not_mapped", "unclear")),
    ("column_values_to_be_in_set", X | {"value_set": ["a"], "mostly": 7}, "", ("not_mapped", "unclear")),
    ("column_values_to_be_in_set", X | {"value_set": {"$PARAMETER": "p"}}, "", ("not_mapped", "parameter")),
    ("column_values_to_not_be_in_set", X | {"value_set": ["a"]}, "not_accepted_values: [a]", MAPPED),
    ("column_values_to_be_unique", X, "unique", MAPPED),
    (
        "compound_columns_to_be_unique",
        {"column_list": ["a", "b"]},
        'unique_a_b: {unique: {columns: [a, b], nulls: same}, where: "a IS NOT NULL OR b IS NOT NULL"}',
        MAPPED,
    ),
    (
        "compound_columns_to_be_unique",
        {"column_list": ["a", "b"], "ignore_row_if": "any_value_is_missing"},
        "unique_a_b: {unique: [a, b]}",
        MAPPED,
    ),
    ("column_values_to_be_between", X | {"min_value": 0, "max_value": 9}, "range: {min: 0, max: 9}", MAPPED),
    (
        "column_values_to_be_between",
        X | {"min_value": 0, "max_value": 9, "strict_min": True},
        "range: {above: 0, max: 9}",
        MAPPED,
    ),
    ("column_values_to_be_between", X | {"min_value": 0}, 'expression: "x >= 0"', MAPPED),
    ("column_values_to_be_between", X | {"min_value": "2020-01-01"}, 'range: {min: "2020-01-01"}', MAPPED),
    ("column_values_to_be_between", X, "", ("not_mapped", "unclear")),
    (
        "column_value_lengths_to_be_between",
        X | {"min_value": 1, "strict_min": True},
        "length: {min: 2}",
        MAPPED,
    ),
    ("column_value_lengths_to_equal", X | {"value": 3}, "length: {min: 3, max: 3}", MAPPED),
    ("column_values_to_match_regex", X | {"regex": r"^\d$"}, r"pattern: '^\d$'", MAPPED),
    ("column_values_to_match_regex", X | {"regex": r"(?P<a>x)"}, "", ("not_mapped", "pattern_dialect")),
    ("column_values_to_match_regex_list", X | {"regex_list": ["a", "b"]}, 'pattern: "(?:a)|(?:b)"', MAPPED),
    (
        "column_values_to_match_regex_list",
        X | {"regex_list": ["a", "b"], "match_on": "all"},
        "pattern: a",
        MAPPED,
    ),
    ("column_values_to_not_match_regex", X | {"regex": "a"}, "expression: \"x !~ 'a'\"", MAPPED),
    (
        "column_values_to_match_like_pattern",
        X | {"like_pattern": "a%"},
        "expression: \"x LIKE 'a%'\"",
        MAPPED,
    ),
    ("column_to_exist", X, "x: any", MAPPED),
    ("column_values_to_be_of_type", X | {"type_": "VARCHAR"}, 'x: "any varchar"', MAPPED),
    (
        "column_values_to_be_of_type",
        X | {"type_": "int64"},
        'x: "any integer"',
        ("changed", "type_of_engine"),
    ),
    ("column_values_to_be_of_type", X | {"type_": "object"}, "", ("not_mapped", "type_unknown")),
    (
        "column_values_to_be_in_type_list",
        X | {"type_list": ["INTEGER", "BIGINT", "int64"]},
        "x: [integer, bigint]",
        MAPPED,
    ),
    ("table_columns_to_match_set", {"column_set": ["a"], "exact_match": False}, "a: any", MAPPED),
    (
        "table_columns_to_match_ordered_list",
        {"column_list": ["a"]},
        "extra: forbid",
        MAPPED,
    ),
    (
        "table_row_count_to_be_between",
        {"min_value": 1, "max_value": 9},
        "row_count: {of: table, min: 1, max: 9}",
        MAPPED,
    ),
    ("table_row_count_to_equal", {"value": 5}, "row_count: {of: table, min: 5, max: 5}", MAPPED),
    (
        "column_mean_to_be_between",
        X | {"min_value": 1, "max_value": 2},
        'metric_x: {metric: {query: "SELECT avg(x) FROM app.orders", min: 1, max: 2}}',
        MAPPED,
    ),
    ("column_max_to_be_between", X | {"max_value": 2}, 'expression: "x <= 2"', MAPPED),
    (
        "column_mean_to_be_between",
        X | {"min_value": 1.5, "max_value": 1.5},
        "",
        ("learned", "learned_bounds"),
    ),
    (
        "column_quantile_values_to_be_between",
        X | {"quantile_ranges": {"quantiles": [0.5], "value_ranges": [[1, None]]}},
        'metric_x: {metric: {query: "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY x) FROM app.orders", min: 1}}',
        MAPPED,
    ),
    ("column_kl_divergence_to_be_less_than", X, "", ("learned", "learned_bounds")),
    ("column_values_to_be_increasing", X, "", ("not_mapped", "no_word")),
    (
        "column_pair_values_A_to_be_greater_than_B",
        {"column_A": "a", "column_B": "b", "ignore_row_if": "either_value_is_missing"},
        'compare_a_b: {compare: {left: a, operator: ">", right: b}}',
        MAPPED,
    ),
    (
        "multicolumn_sum_to_equal",
        {"column_list": ["a", "b"], "sum_total": 5},
        'expression_a_b: {expression: "a + b = 5"}',
        MAPPED,
    ),
    ("column_values_to_be_json_parseable", X, "format: json", ("changed", "format_differs")),
    (
        "column_values_to_match_strftime_format",
        X | {"strftime_format": "%d.%m.%Y"},
        "",
        ("not_mapped", "no_word"),
    ),
    ("column_distinct_values_to_contain_set", X | {"value_set": [1]}, "", ("not_mapped", "no_word")),
    ("something_of_our_own", X, "", ("not_mapped", "private_test")),
]


@pytest.mark.parametrize(
    ("name", "kwargs", "rule", "outcome"), KINDS, ids=[f"{one[0]} {one[1]}"[:90] for one in KINDS]
)
def test_of_an_expectation(name: str, kwargs: dict[str, Any], rule: str, outcome: tuple[str, ...]) -> None:
    for old in (False, True):
        done = run(name, old=old, **kwargs)
        assert outcomes(done) == [outcome]
        assert rules(done)[:1] == ([rule] if rule else [])
        assert len(definitions(done)) == bool(rule)


CONDITIONS = [
    ('x == "a"', "pandas", "x = 'a'"),
    ('x != "a"', "pandas", "x IS DISTINCT FROM 'a'"),
    ("x > 5 and y.notnull()", "pandas", "(x > 5 AND y IS NOT NULL)"),
    ("(x > 5) | (y == True)", "pandas", "(x > 5 OR y = TRUE)"),
    ('col("x") > 5', "great_expectations", "x > 5"),
    ('col("X").notNull()', "great_expectations__experimental__", '\\"X\\" IS NOT NULL'),
    ("x = 'a'", "spark", "x = 'a'"),
    ("__import__('os').system('x')", "pandas", None),
    ("x.str.len() > 5", "pandas", None),
    ("x > y", "pandas", None),
    ("(" * 300 + "x" + ")" * 300, "pandas", None),
]


@pytest.mark.parametrize(("condition", "parser", "sql"), CONDITIONS, ids=[one[0][:40] for one in CONDITIONS])
def test_conditions_are_translated_or_not_mapped(condition: str, parser: str, sql: str | None) -> None:
    done = run("column_values_to_not_be_null", column="x", row_condition=condition, condition_parser=parser)
    if sql is None:
        assert outcomes(done) == [("not_mapped", "not_sql")]
    else:
        assert rules(done) == [f'not_null: {{where: "{sql}"}}']


def test_a_profiler_pins_one_batch() -> None:
    profiler = {"profiler_details": {"metric_configuration": {}}}
    for name, kwargs in (
        ("column_values_to_be_between", X | {"min_value": 1, "max_value": 2}),
        ("table_row_count_to_be_between", {"min_value": 5, "max_value": 5}),
        ("column_median_to_be_between", X | {"min_value": 1, "max_value": 2}),
    ):
        assert outcomes(run(name, profiler, **kwargs)) == [("learned", "learned_bounds")]
        assert outcomes(run(name, profiler, profiled=True, **kwargs))[0][0] in ("mapped", "changed")
    assert outcomes(run("column_values_to_not_be_null", profiler, **X)) == [MAPPED]


@pytest.mark.parametrize(
    "notes",
    ["why not", {"content": "why not", "format": "markdown"}, {"content": ["why", "not"]}, ["why", "not"]],
)
def test_notes_are_the_description(notes: Any) -> None:
    assert rules(run("column_values_to_not_be_null", {"notes": notes}, **X)) == [
        'not_null: {description: "why not"}'
    ]


def test_the_table_is_only_named_by_a_map() -> None:
    done = imported(suite("column_to_exist", **X), name="suite.json", schema="app")
    assert outcomes(done) == [("not_mapped", "no_table")]
    assert "--map 'gx:orders=schema.table'" in done.entries[0].outcome.remarks[0].message


def test_severity_of_1_x() -> None:
    text = json.loads(suite("column_to_exist", **X))
    text["expectations"] = [
        {"type": "expect_column_values_to_not_be_null", "kwargs": X, "severity": "warning"},
        {"type": "ExpectColumnValuesToBeUnique", "kwargs": X, "severity": "critical"},
    ]
    done = imported(json.dumps(text), name="a.json", maps=["gx:orders=app.orders"], error_as="reject")
    assert rules(done) == ["not_null", "unique: {on_breach: reject}"]


def test_json_of_any_form_is_read() -> None:
    compact = suite("column_values_to_be_in_set", column="x", value_set=["\U0001f600", "a/b", 'c"']).replace(
        "/", "\\/"
    )
    assert "\\ud83d\\ude00" in compact
    for text in (
        compact,
        json.dumps(json.loads(compact), indent="\t"),
        json.dumps(json.loads(compact), separators=(",", ":")),
    ):
        done = imported(text, name="a.json", maps=["gx:orders=app.orders"])
        assert rules(done) == ['accepted_values: ["\U0001f600", "a/b", "c\\""]']


def test_expectations_of_another_form_are_refused() -> None:
    done = imported('{"expectations": [{"kind": "x"}]}', name="a.json")
    assert done.failures[0].message == '"expectations" of a form that is neither 0.x nor 1.x'


def test_expectations_inside_of_contracts() -> None:
    odcs = """
    apiVersion: v3.0.2
    kind: DataContract
    schema:
      - name: orders
        quality:
          - type: custom
            engine: greatExpectations
            implementation: |
              type: expect_table_row_count_to_be_between
              kwargs: {minValue: 10, maxValue: 50}
        properties:
          - name: x
            quality:
              - {type: custom, engine: greatExpectations, implementation: {type: expect_column_values_to_not_be_null}}
    """
    done = imported(odcs)
    assert outcomes(done) == [MAPPED, MAPPED]
    assert rules(done) == ["row_count: {of: table, min: 10, max: 50}", "not_null"]
    dcs = """
    dataContractSpecification: 0.9.3
    models: {orders: {fields: {x: {description: an x}}}}
    quality:
      type: great-expectations
      specification:
        orders: |
          [
            {"expectation_type": "expect_column_to_exist", "kwargs": {"column": "x"}, "meta": {}},
            {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "x"}, "meta": {}}
          ]
        gone: "[{}]"
    """
    done = imported(dcs)
    assert outcomes(done) == [MAPPED, MAPPED, ("not_mapped", "not_a_table")]
    assert [entry.found.location.line for entry in done.entries][:2] == [9, 10]
