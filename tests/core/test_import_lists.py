"""Imports of DQX, Pandera and OpenSLO."""

from __future__ import annotations

import pytest
from imports import definitions, imported, outcomes, rules


def of_dqx(text: str) -> list[tuple[str, str]]:
    done = imported(text, maps=("dqx:source=app.t",))
    lines = rules(done)
    assert len(done.entries) == len(outcomes(done))
    return [(outcome[0], line) for outcome, line in zip(outcomes(done), lines, strict=True)]


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        ("is_not_null, arguments: {column: a}", "not_null"),
        ("is_not_null, arguments: {col_name: a}", "not_null"),
        ("is_null, arguments: {column: a}", 'expression: "a IS NULL"'),
        ("is_not_empty, arguments: {column: a}", "expression: \"a <> ''\""),
        ("is_in_list, arguments: {column: a, allowed: [x, 1]}", "accepted_values: [x, 1]"),
        ("is_not_in_list, arguments: {column: a, forbidden: [x]}", "not_accepted_values: [x]"),
        ("is_in_range, arguments: {column: a, min_limit: 1, max_limit: 2}", "range: {min: 1, max: 2}"),
        (
            "is_in_range, arguments: {column: a, min_limit: b, max_limit: 2}",
            'expression: "a >= (b) AND a <= (2)"',
        ),
        (
            "is_not_in_range, arguments: {column: a, min_limit: 1, max_limit: 2}",
            'expression: "a < 1 OR a > 2"',
        ),
        ("is_not_less_than, arguments: {column: a, limit: 0}", 'expression: "a >= 0"'),
        ("is_not_greater_than, arguments: {column: a, limit: '2026-01-01'}", 'range: {max: "2026-01-01"}'),
        ("regex_match, arguments: {column: a, regex: '^x'}", 'pattern: "^x"'),
        ("regex_match, arguments: {column: a, regex: '^x', negate: true}", "expression: \"a !~ '^x'\""),
        ("is_equal_to, arguments: {column: a, value: 0}", 'expression: "a = 0"'),
    ],
)
def test_functions_of_dqx(call: str, rule: str) -> None:
    assert of_dqx(f"- check: {{function: {call}}}\n") == [("mapped", rule)]


def test_dqx_for_each_column_is_a_check_for_each() -> None:
    text = """\
    - criticality: warn
      filter: a > 3
      name: there
      check: {function: is_not_null, for_each_column: [a, b]}
    - check: {function: is_unique, arguments: {columns: [a, b]}}
    - check: {function: is_unique, arguments: {columns: [b], nulls_distinct: false}}
    """
    assert of_dqx(text) == [
        ("mapped", 'not_null: {where: "a > 3"}'),
        ("mapped", 'not_null: {where: "a > 3"}'),
        ("mapped", "unique_a_b: {unique: [a, b]}"),
        ("mapped", "unique_b: {unique: {columns: [b], nulls: same}}"),
    ]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("own_function, arguments: {}", "unknown_check"),
        ("is_not_null, arguments: {column: 'f(a)'}", "not_sql"),
        ("is_not_null", "unclear"),
        ("is_in_list, arguments: {column: a, allowed: 3}", "unclear"),
        ("sql_expression, arguments: {expression: 'pg_sleep(1) IS NULL'}", "sql_refused"),
        ("foreign_key, arguments: {columns: [a], ref_columns: [b], ref_df_name: x}", "parameter"),
        ("is_aggr_not_greater_than, arguments: {column: a, aggr_type: avg, limit: 1}", "no_word"),
    ],
)
def test_what_is_not_mapped_of_dqx(call: str, reason: str) -> None:
    done = imported(f"- check: {{function: {call}}}\n", maps=("dqx:source=app.t",))
    assert outcomes(done) == [("not_mapped", reason)]


def test_pandera() -> None:
    done = imported(
        """\
        schema_type: dataframe
        columns:
          age:
            dtype: int64
            nullable: false
            unique: true
            checks:
            - value: 18
              options: {check_name: greater_than_or_equal_to, raise_warning: true}
          x:
            nullable: true
            unique: true
            checks: {in_range: {min_value: 0, max_value: 9, include_max: false}, isin: [1, 2], own: 3, str_matches: ab}
          "y_.*": {nullable: true, regex: true}
        strict: true
        ordered: true
        """,
        maps=("pandera:source=app.t",),
    )
    assert outcomes(done) == [
        ("changed", "type_of_engine"),
        ("mapped",),
        ("mapped",),
        ("mapped",),
        ("mapped",),
        ("mapped",),
        ("mapped",),
        ("mapped",),
        ("not_mapped", "private_test"),
        ("mapped",),
        ("not_mapped", "no_word"),
        ("mapped",),
        ("not_mapped", "no_word"),
    ]
    assert rules(done) == [
        'age: "any integer"',
        "not_null",
        "unique",
        "range: {min: 18}",
        "x: any",
        "unique_x: {unique: {columns: [x], nulls: same}}",
        "range: {min: 0, below: 9}",
        "accepted_values: [1, 2]",
        'pattern: "^(?:ab)"',
        "extra: forbid",
    ]


SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: loads}
spec:
  budgetingMethod: Timeslices
  timeWindow: [{duration: 28d, isRolling: ROLLING}]
  objectives: OBJECTIVES
"""


def slo(rolling: str = "true", objectives: str = "[{target: 0.99}]") -> str:
    return SLO.replace("ROLLING", rolling).replace("OBJECTIVES", objectives)


def test_an_objective_of_openslo_is_that_of_the_table() -> None:
    done = imported(slo(), maps=("openslo:loads=app.t",))
    assert outcomes(done) == [("changed", "objective_of_table")]
    made = definitions(done)["app.t"]
    assert (made.target, made.window and made.window.days, made.budgeting) == (0.99, 28, "time_slices")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (slo(rolling="false"), "no_word"),
        (slo(objectives="[{target: 0.9}, {target: 0.99}]"), "no_word"),
        (slo(objectives="[{target: 9}]"), "unclear"),
        (slo(objectives="[{}]"), "unclear"),
        (slo().replace("Timeslices", "Often"), "unclear"),
        (slo().replace("28d", "1M1"), "unclear"),
    ],
)
def test_what_is_not_mapped_of_openslo(text: str, reason: str) -> None:
    done = imported(text, maps=("openslo:loads=app.t",))
    assert {outcome[:2] for outcome in outcomes(done)} == {("not_mapped", reason)}


def test_versions_and_kinds_that_are_not_read() -> None:
    assert (
        imported(slo().replace("openslo/v1", "openslo/v9"))
        .failures[0]
        .message.startswith("apiVersion: openslo/v9")
    )
    assert (
        imported("schema_type: series\ncolumns: {a: {}}\n").failures[0].message
        == "schema_type: series: not a data frame"
    )
    assert imported("apiVersion: openslo/v1\nkind: Service\n").ignored == [
        "source.yml: Service, which has no objective"
    ]


HOSTILE = {
    "dqx": [
        "- check: {function: is_in_list, arguments: {column: a, allowed: [[1], {b: 2}, .inf]}}\n",
        "- check: {function: is_in_range, arguments: {column: a, min_limit: {x: 1}, max_limit: [2]}}\n",
        "- check: {function: is_unique, arguments: {columns: [[a], {b: 1}]}}\n",
        "- check: {function: is_unique, arguments: {columns: 7}}\n- 3\n- [x]\n",
        "- check: {function: foreign_key, arguments: {columns: [1], ref_columns: [{}], ref_table: 'a.b'}}\n",
        "- check: {function: sql_expression, arguments: {expression: \"a = '$pgslo$' OR {{ env_var('X') }}\"}}\n",
        "- check: {function: is_not_null, for_each_column: [[a], {}, null]}\n",
        "- check: {function: regex_match, arguments: {column: a, regex: '((((((((a+)+)+)+)+'}}\n",
        "- check: {function: is_not_null, arguments: [a]}\n  name: [x]\n  filter: {a: b}\n",
        "- check: {function: is_aggr_not_less_than, arguments: {limit: true}}\n",
    ],
    "pandera": [
        "schema_type: dataframe\ncolumns: {a: {checks: {isin: {allowed_values: [[1]]}, in_range: [1], str_length: 3}}}\n",
        "schema_type: dataframe\ncolumns: {a: {checks: [1, [2], {value: {}}]}, b: 3, c: [x]}\n",
        "schema_type: dataframe\ncolumns: {a: {checks: {str_matches: {x: 1}, str_startswith: [], equal_to: {value: [1]}}}}\n",
        "schema_type: dataframe\ncolumns: {a: {dtype: [x], nullable: [], unique: {}}}\nunique: [[a], {b: c}]\n",
        "schema_type: dataframe\ncolumns: {a: {checks: {greater_than: .nan, less_than: '2020'}}}\nchecks: {own: 1}\n",
        "schema_type: dataframe\ncolumns: {'x\"; DROP TABLE t; --': {nullable: false}, '{{ a }}': {nullable: false}}\n",
    ],
    "openslo": [
        "apiVersion: openslo/v1\nkind: SLO\nspec: 3\n",
        "apiVersion: openslo/v1\nkind: SLO\nspec: {objectives: [1, [2]], timeWindow: x}\n",
        "apiVersion: openslo/v1\nkind: SLO\nspec: {objectives: [{target: NaN}], timeWindow: [3]}\n",
        "apiVersion: openslo/v1\nkind: SLO\nspec: {objectives: [{target: 0.9}], timeWindow: [{count: [1], unit: {}, isRolling: true}]}\n",
        "apiVersion: openslo/v1\nkind: [SLO]\nmetadata: []\n",
    ],
}


@pytest.mark.parametrize(
    ("form", "text"),
    [(form, text) for form, texts in HOSTILE.items() for text in texts],
    ids=[f"{form}-{number}" for form, texts in HOSTILE.items() for number in range(len(texts))],
)
def test_hostile_files(form: str, text: str) -> None:
    done = imported(text, maps=("*:*=app.t",), source_format=form)
    assert done.failures == []
    definitions(done)
    for written in done.definitions.values():
        assert "$pgslo$" not in written
