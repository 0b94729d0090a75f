"""Tests of dbt as rules: each row of the mapping, with the changes and their reasons."""

from __future__ import annotations

import json

import pytest
from imports import definitions, imported, outcomes, rules

MAPPED = ("mapped",)


def column_test(test: str, *, column: str = "x", model: str = "", of: str = "") -> str:
    """A model with a column that has a test."""
    head = (
        f"models:\n  - name: orders\n{model}    columns:\n      - name: {column}\n{of}        data_tests:\n"
    )
    return head + "\n".join(f"          {line}" for line in test.split("\n")) + "\n"


def model_test(test: str) -> str:
    """A model with a test of its own."""
    return (
        "models:\n  - name: orders\n    data_tests:\n"
        + "\n".join(f"      {line}" for line in test.split("\n"))
        + "\n"
    )


COLUMNS: list[tuple[str, str, tuple[str, ...]]] = [
    ("- not_null", "not_null", MAPPED),
    ("- incremental_not_null", "not_null", MAPPED),
    ("- dbt_expectations.expect_column_values_to_not_be_null", "not_null", MAPPED),
    ("- not_null: {where: 'y > 0'}", 'not_null: {where: "y > 0"}', MAPPED),
    ("- not_null: {config: {where: 'y > 0'}}", 'not_null: {where: "y > 0"}', MAPPED),
    ("- not_null: {arguments: {}, config: {where: 'y > 0'}}", 'not_null: {where: "y > 0"}', MAPPED),
    ("- test_name: not_null\n  config: {where: 'y > 0'}", 'not_null: {where: "y > 0"}', MAPPED),
    ("- unique", "unique", MAPPED),
    ("- accepted_values: {values: [a, b]}", "accepted_values: [a, b]", MAPPED),
    ("- accepted_values: {arguments: {values: [a, b]}}", "accepted_values: [a, b]", MAPPED),
    ("- accepted_values: {values: [1, 2], quote: false}", "accepted_values: [1, 2]", MAPPED),
    ("""- accepted_values: {values: ["'a'", "b"], quote: false}""", "", ("not_mapped", "unclear")),
    ("- accepted_values: {values: [a, null]}", "accepted_values: [a]", ("changed", "null_in_values")),
    (
        "- accepted_values: {values: [true, false]}",
        "accepted_values: [true, false]",
        ("changed", "boolean_values"),
    ),
    ("- dbt_utils.not_accepted_values: {values: [a]}", "not_accepted_values: [a]", MAPPED),
    (
        "- relationships: {to: ref('orders'), field: id}",
        "references: {table: app.orders, column: id}",
        MAPPED,
    ),
    ("- relationships: {to: ref('absent'), field: id}", "", ("not_mapped", "needs_jinja")),
    ("- dbt_utils.accepted_range: {min_value: 0, max_value: 9}", "range: {min: 0, max: 9}", MAPPED),
    ("- dbt_utils.accepted_range: {min_value: 0}", 'expression: "x >= 0"', MAPPED),
    (
        "- dbt_utils.accepted_range: {min_value: 0, max_value: 9, inclusive: false}",
        "range: {above: 0, below: 9}",
        MAPPED,
    ),
    (
        """- dbt_utils.accepted_range: {min_value: "'2020-01-01'"}""",
        'range: {min: "2020-01-01"}',
        MAPPED,
    ),
    ("- dbt_utils.accepted_range: {min_value: y}", 'expression: "x >= (y)"', MAPPED),
    (
        "- dbt_utils.accepted_range: {max_value: current_date}",
        'expression: "x <= (current_date)"',
        ("changed", "judged_on_write"),
    ),
    (
        "- dbt_utils.at_least_one",
        'metric_x: {metric: {query: "SELECT count(x) FROM app.orders", min: 1}}',
        MAPPED,
    ),
    (
        "- dbt_utils.not_null_proportion: {at_least: 0.9}",
        "completeness: {of: table, min: 0.9}",
        MAPPED,
    ),
    ("- dbt_utils.not_empty_string", 'pattern: "[^ ]"', MAPPED),
    ("- dbt_utils.expression_is_true: {expression: '>= y'}", 'expression: "x >= y"', MAPPED),
    ("- dbt_utils.expression_is_true: {expression: '> sum(y)'}", "", ("not_mapped", "sql_refused")),
    ("- dbt_expectations.expect_column_values_to_be_null", 'expression: "x IS NULL"', MAPPED),
    ("- dbt_expectations.expect_column_values_to_be_of_type: {column_type: text}", "x: text", MAPPED),
    (
        "- dbt_expectations.expect_column_values_to_be_of_type: {column_type: number}",
        'x: ["any numeric", "any integer", real, "double precision"]',
        ("changed", "type_of_engine"),
    ),
    (
        "- dbt_expectations.expect_column_values_to_be_in_type_list: {column_type_list: [text, int, NVARCHAR]}",
        "x: [text, int]",
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_column_values_to_be_of_type: {column_type: numeric}",
        'x: "any numeric"',
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_column_values_to_be_of_type: {column_type: 'numeric(4, 1)'}",
        'x: "numeric(4,1)"',
        MAPPED,
    ),
    ("- dbt_expectations.expect_column_to_exist", "x: any", MAPPED),
    (
        "- dbt_expectations.expect_column_value_lengths_to_equal: {value: 3}",
        "length: {min: 3, max: 3}",
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_column_values_to_match_regex: {regex: '^a$'}",
        'pattern: "^a$"',
        ("changed", "null_differs"),
    ),
    (
        r"""- dbt_expectations.expect_column_values_to_match_regex: {regex: '^\\d$'}""",
        "",
        ("not_mapped", "pattern_dialect"),
    ),
    (
        "- dbt_expectations.expect_column_values_to_match_regex_list: {regex_list: ['^a', 'b$']}",
        'pattern: "(?:^a)|(?:b$)"',
        ("changed", "null_differs"),
    ),
    (
        "- dbt_expectations.expect_column_values_to_match_like_pattern: {like_pattern: 'a%'}",
        "expression: \"x LIKE 'a%'\"",
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_column_mean_to_be_between: {min_value: 1}",
        'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT avg(x) FROM app.orders) >= 1)"}',
        MAPPED,
    ),
    ("- dbt_expectations.expect_column_max_to_be_between: {max_value: 9}", 'expression: "x <= 9"', MAPPED),
    (
        "- dbt_expectations.expect_column_values_to_match_like_pattern_list: {like_pattern_list: ['a%', '%b']}",
        "expression: \"x LIKE 'a%' OR x LIKE '%b'\"",
        MAPPED,
    ),
    ("- dbt_utils.not_constant", "", ("not_mapped", "no_word")),
    ("- elementary.volume_anomalies", "", ("learned", "learned_bounds")),
    ("- my_own_test: {a: 1}", "", ("not_mapped", "private_test")),
    ("- my_package.not_null", "", ("not_mapped", "private_test")),
    ("- not_null: {where: \"{{ env_var('SECRET') }}\"}", "", ("not_mapped", "needs_jinja")),
    ("- not_null: {where: \"y = '{{ var('a', 'b') }}'\"}", "not_null: {where: \"y = 'b'\"}", MAPPED),
    ("- not_null: {where: \"y = '{{ target.type }}'\"}", "not_null: {where: \"y = 'postgres'\"}", MAPPED),
    ("- not_null: {where: \"y > lower('a') AND f(y)\"}", "", ("not_mapped", "sql_refused")),
    ("- not_null: {config: {warn_if: '>10'}}", "not_null: {at_most: 10}", ("changed", "batch_not_table")),
    ("- not_null: {config: {warn_if: '>=10'}}", "not_null: {at_most: 9}", ("changed", "batch_not_table")),
    (
        "- not_null: {config: {error_if: '>10'}}",
        "not_null: {at_most: 10}",
        ("changed", "batch_not_table", "second_bound_lost"),
    ),
    ("- not_null: {config: {fail_calc: 'sum(n)'}}", "not_null", ("changed", "fail_calc")),
    ("- not_null: {config: {enabled: false}}", "not_null: {enabled: false}", MAPPED),
    (
        "- not_null: {config: {tags: [a]}, description: why}",
        "not_null: {description: why, tags: [a]}",
        MAPPED,
    ),
    ("- not_null: {name: filled}", "not_null: {name: filled}", MAPPED),
    ("- not_null: {config: {limit: 10, store_failures: true}}", "not_null", MAPPED),
]


@pytest.mark.parametrize(("test", "rule", "outcome"), COLUMNS, ids=[one[0][:80] for one in COLUMNS])
def test_of_a_column(test: str, rule: str, outcome: tuple[str, ...]) -> None:
    done = imported(column_test(test))
    assert outcomes(done) == [outcome]
    assert rules(done)[:1] == ([rule] if rule else [])
    assert len(definitions(done)) == bool(rule)


MODELS: list[tuple[str, str, tuple[str, ...]]] = [
    (
        "- dbt_utils.unique_combination_of_columns: {combination_of_columns: [a, b]}",
        "unique_a_b: {unique: {columns: [a, b], nulls: same}}",
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_compound_columns_to_be_unique: {column_list: [a, b]}",
        'unique_a_b: {unique: {columns: [a, b], nulls: same}, where: "a IS NOT NULL OR b IS NOT NULL"}',
        MAPPED,
    ),
    ("- dbt_expectations.expect_compound_columns_to_be_unique: {column_list: [a]}", "unique", MAPPED),
    (
        "- dbt_expectations.expect_compound_columns_to_be_unique: {column_list: [a, b], ignore_row_if: any_value_is_missing}",
        "unique_a_b: {unique: [a, b]}",
        MAPPED,
    ),
    ("- dbt_utils.expression_is_true: {expression: 'a < b'}", 'expression: {expression: "a < b"}', MAPPED),
    (
        "- dbt_expectations.expect_column_pair_values_A_to_be_greater_than_B: {column_A: a, column_B: b}",
        'compare_a_b: {compare: {left: a, operator: ">", right: b}}',
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_table_row_count_to_be_between: {min_value: 1e3}",
        "row_count: {of: table, min: 1000}",
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_table_row_count_to_be_between: {min_value: 1, max_value: 9}",
        "row_count: {of: table, min: 1, max: 9}",
        MAPPED,
    ),
    (
        "- dbt_expectations.expect_table_row_count_to_be_between: {min_value: 1, strictly: true}",
        "row_count: {of: table, min: 2}",
        MAPPED,
    ),
    ("- dbt_expectations.expect_table_row_count_to_be_between: {min_value: 0}", "", ("held", "trivial")),
    ("- dbt_expectations.expect_table_columns_to_contain_set: {column_list: [a]}", "a: any", MAPPED),
    (
        "- dbt_expectations.expect_table_columns_to_match_ordered_list: {column_list: [a]}",
        "extra: forbid",
        MAPPED,
    ),
    (
        "- dbt_utils.recency: {field: at, datepart: day, interval: 2}",
        "freshness: {max_age: 2 days, of: at, no_data: missed, future: fresh}",
        MAPPED,
    ),
    (
        "- dbt_utils.relationships_where: {column_name: a, to: ref('orders'), field: id, to_condition: n > 1, from_condition: b = 2}",
        (
            'query: {query: "SELECT o.a FROM (SELECT a FROM app.orders WHERE a IS NOT NULL AND (b = 2)) AS o '
            'LEFT JOIN (SELECT id FROM app.orders WHERE id IS NOT NULL AND (n > 1)) AS t ON o.a = t.id WHERE t.id IS NULL"}'
        ),
        MAPPED,
    ),
    (
        "- dbt_utils.relationships_where: {to_condition: '1=1', column_name: a, to: ref('orders'), field: id}",
        "references: {table: app.orders, column: id}",
        MAPPED,
    ),
    ("- dbt_utils.mutually_exclusive_ranges: {lower_bound_column: a}", "", ("not_mapped", "unclear")),
    (
        "- dbt_utils.mutually_exclusive_ranges: {lower_bound_column: a, upper_bound_column: b, gaps: seldom}",
        "",
        ("not_mapped", "unclear"),
    ),
    ("- dbt_utils.recency: {field: at, datepart: month, interval: 1}", "", ("not_mapped", "no_word")),
    (
        "- dbt_utils.recency: {field: at, datepart: day, interval: 2, group_by_columns: [a]}",
        "",
        ("not_mapped", "no_word"),
    ),
    (
        "- dbt_utils.equal_rowcount: {compare_model: ref('orders')}",
        'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT count(*) FROM app.orders) = (SELECT count(*) FROM app.orders))"}',
        MAPPED,
    ),
]


@pytest.mark.parametrize(("test", "rule", "outcome"), MODELS, ids=[one[0][:80] for one in MODELS])
def test_of_a_model(test: str, rule: str, outcome: tuple[str, ...]) -> None:
    done = imported(model_test(test))
    assert outcomes(done) == [outcome]
    assert rules(done) == ([rule] if rule else [])


def test_a_null_is_equal_to_none_where_all_columns_are_not_null() -> None:
    columns = "".join(f"      - {{name: {name}, tests: [not_null]}}\n" for name in "ab")
    test = "- dbt_utils.unique_combination_of_columns: {combination_of_columns: [a, b]}"
    assert rules(imported(model_test(test) + "    columns:\n" + columns))[0] == "unique_a_b: {unique: [a, b]}"
    narrowed = columns.replace("not_null", "{not_null: {where: c}}")
    assert "nulls: same" in rules(imported(model_test(test) + "    columns:\n" + narrowed))[0]


def test_in_a_set_refuses_null_there_and_here() -> None:
    done = imported(column_test("- dbt_expectations.expect_column_values_to_be_in_set: {value_set: [a]}"))
    assert outcomes(done) == [MAPPED]
    (definition,) = definitions(done).values()
    assert [rule.kind for rule in definition.rules] == ["accepted_values", "not_null"]


@pytest.mark.parametrize(
    ("data_type", "values", "written"),
    [
        ("integer", "['1', '2']", "[1, 2]"),
        ("numeric(4,1)", "['1.5']", "[1.5]"),
        ("text", "[true]", '["True"]'),
        ("boolean", "['true', false]", "[true, false]"),
        ("text", "['1']", '["1"]'),
        ("text", "[yes]", '["True"]'),
    ],
)
def test_values_are_of_the_type_of_the_column(data_type: str, values: str, written: str) -> None:
    done = imported(
        column_test(f"- accepted_values: {{values: {values}}}", of=f"        data_type: {data_type}\n")
    )
    assert outcomes(done) == [MAPPED, MAPPED]
    assert rules(done)[1] == f"accepted_values: {written}"


@pytest.mark.parametrize(
    ("data_type", "rule"),
    [
        ("integer", "range: {min: 0}"),
        ("numeric", 'expression: "x >= 0"'),
        ("double precision", 'expression: "x >= 0"'),
    ],
)
def test_a_range_with_an_open_side_lets_nan_pass_as_it_does_there(data_type: str, rule: str) -> None:
    done = imported(
        column_test("- dbt_utils.accepted_range: {min_value: 0}", of=f"        data_type: {data_type}\n")
    )
    assert rules(done)[1] == rule


def test_bounds_of_real_are_compared_as_sql_does() -> None:
    test = "- dbt_utils.accepted_range: {min_value: 0, max_value: 0.1}"
    assert (
        rules(imported(column_test(test, of="        data_type: real\n")))[1]
        == 'expression: "x >= 0 AND x <= 0.1"'
    )


def test_severity_chooses_the_action() -> None:
    text = column_test(
        "- not_null\n- unique: {config: {severity: warn}}\n- accepted_values: {values: [a], config: {error_if: '>3'}}"
    )
    done = imported(text, error_as="reject", enforce=True)
    assert rules(done) == [
        "not_null: {on_breach: reject}",
        "unique",
        "accepted_values: {values: [a], at_most: 3}",
    ]
    assert outcomes(done)[2] == ("changed", "batch_not_table", "second_bound_lost", "only_warns")
    assert "enforce: false" not in next(iter(done.definitions.values()))
    assert "enforce: false" in next(iter(imported(text).definitions.values()))


SOURCE = """
sources:
  - name: raw
    schema: landing
    freshness: {warn_after: {count: 1, period: day}}
    loaded_at_field: loaded_at
    tables:
      - name: orders
      - name: quiet
        freshness: null
      - name: '"GROUP"'
        identifier: '"GROUP"'
        config:
          freshness: {error_after: {count: 36, period: hour}, filter: "kind = 'a'"}
          loaded_at_field: "coalesce(a, b)"
"""


def test_the_age_of_sources() -> None:
    done = imported(SOURCE)
    assert outcomes(done) == [
        MAPPED,
        ("changed", "second_bound_lost"),
    ]
    assert rules(done)[0] == "freshness: {max_age: 1 day, of: loaded_at, no_data: missed, future: fresh}"
    assert "max(coalesce(a, b)) FROM landing.\\\"GROUP\\\" WHERE kind = 'a'" in rules(done)[1]
    assert list(definitions(done)) == ["landing.orders", 'landing."GROUP"']


def test_a_second_age_is_a_query() -> None:
    recent = "{dbt_expectations.expect_row_values_to_have_recent_data: {datepart: day, interval: 2}}"
    columns = "".join(f"      - {{name: {name}, tests: [{recent}]}}\n" for name in "ab")
    done = imported("models:\n  - name: orders\n    columns:\n" + columns)
    assert outcomes(done) == [MAPPED, MAPPED]
    (definition,) = definitions(done).values()
    assert [rule.kind for rule in definition.rules] == ["freshness", "query"]
    assert "SELECT max(b) FROM app.orders WHERE b <= now()" in rules(done)[1]


CONTRACT = """
models:
  - name: orders
    config: {contract: {enforced: true}}
    constraints:
      - {type: primary_key, columns: [a, b]}
      - {type: check, expression: "a > 0"}
      - {type: foreign_key, columns: [a], to: "ref('orders')", to_columns: [b]}
    columns:
      - {name: a, data_type: integer, constraints: [{type: not_null}, {type: unique}, {type: custom}]}
      - {name: b, data_type: "NUMERIC(12, 2)"}
"""


def test_contracts_and_constraints() -> None:
    done = imported(CONTRACT)
    assert outcomes(done) == [*[MAPPED] * 7, ("not_mapped", "unknown_check"), MAPPED]
    (definition,) = definitions(done).values()
    assert definition.key == ("a", "b")
    schema = next(rule for rule in definition.rules if rule.kind == "schema")
    assert (schema.columns, schema.extra) == ({"a": ("integer",), "b": ("numeric(12,2)",)}, "forbid")  # type: ignore[attr-defined]


def test_a_contract_with_an_unknown_type_forbids_nothing() -> None:
    done = imported(CONTRACT.replace("integer", "NUMBER"))
    assert outcomes(done)[3] == ("not_mapped", "mapped_in_part")


def test_a_column_that_has_a_type_is_there() -> None:
    done = imported(
        column_test("- dbt_expectations.expect_column_to_exist", of="        data_type: text\n"),
        column_test("- dbt_expectations.expect_column_values_to_be_of_type: {column_type: integer}"),
    )
    assert outcomes(done) == [MAPPED, MAPPED, ("not_mapped", "same_rule")]
    assert rules(done) == ["x: text", "x: text"]


@pytest.mark.parametrize("kind", ["view", "ephemeral"])
def test_views_have_no_definition(kind: str) -> None:
    done = imported(column_test("- not_null", model=f"    config: {{materialized: {kind}}}\n"))
    assert outcomes(done) == [("not_mapped", "not_a_table")]
    assert done.definitions == {}


def test_names_of_relations() -> None:
    aliased = column_test("- not_null", model="    config: {alias: bestellungen, schema: eu}\n")
    assert list(definitions(imported(aliased))) == ["app_eu.bestellungen"]
    mapped = imported(aliased, maps=["ref:orders=shop.orders"], schema=None)
    assert list(definitions(mapped)) == ["shop.orders"]
    starred = imported(aliased, maps=["ref:*=shop.*"], schema=None)
    assert list(definitions(starred)) == ["shop.bestellungen"]
    assert list(definitions(imported(aliased, schema=None))) == ["eu.bestellungen"]
    assumed = imported(column_test("- not_null"), schema=None)
    assert list(definitions(assumed)) == assumed.assumed == ["public.orders"]
    assert mapped.assumed == imported(column_test("- not_null")).assumed == []


def test_a_snapshot_is_in_its_target_schema_or_in_that_of_the_configuration() -> None:
    text = "snapshots: [{name: s, config: {%s}, columns: [{name: x, tests: [not_null]}]}]"
    assert list(definitions(imported(text % "target_schema: kept"))) == ["kept.s"]
    assert list(definitions(imported(text % "schema: kept", schema=None))) == ["kept.s"]
    assert list(definitions(imported(text % "schema: kept"))) == ["app_kept.s"]


def test_names_in_backquotes_are_names_in_double_quotes() -> None:
    done = imported(column_test("- not_null: {where: \"`Order No` = '`' AND `b` > 1\"}"))
    assert rules(done) == ['not_null: {where: "\\"Order No\\" = \'`\' AND \\"b\\" > 1"}']


def test_a_relation_of_no_file_may_be_mapped() -> None:
    text = column_test("- relationships: {to: ref('elsewhere'), field: id}")
    done = imported(text, maps=["ref:elsewhere=far.away"])
    assert rules(done) == ["references: {table: far.away, column: id}"]


def test_columns_keep_their_letters() -> None:
    done = imported(column_test("- dbt_expectations.expect_column_values_to_be_null", column="BLOCK_NUMBER"))
    assert rules(done) == ['expression: "\\"BLOCK_NUMBER\\" IS NULL"']


def test_anchors_and_merge_keys_are_followed() -> None:
    done = imported(
        """
        x-common: &common {severity: warn}
        models:
          - name: orders
            columns:
              - name: x
                tests: &two
                  - not_null: {config: {<<: *common, where: "y > 0"}}
              - name: z
                tests: *two
        """
    )
    assert outcomes(done) == [MAPPED, MAPPED]
    assert rules(done) == ['not_null: {where: "y > 0"}'] * 2


def test_one_test_in_two_files_is_one_rule_with_two_places() -> None:
    text = column_test("- not_null")
    done = imported(text, text)
    assert outcomes(done) == [MAPPED, MAPPED]
    assert {entry.line for entry in done.entries} == {done.entries[0].line}
    assert "0_source.yml:6, 1_source.yml:6" in next(iter(done.definitions.values()))


def test_a_second_bound_of_the_same_rule_is_not_mapped() -> None:
    done = imported(column_test("- not_null\n- not_null: {config: {warn_if: '>5'}}"))
    assert outcomes(done) == [MAPPED, ("not_mapped", "same_rule")]


def test_tests_that_differ_in_rows_have_names_that_do_not_depend_on_their_order() -> None:
    tests = [f"- not_null: {{where: 'y = {number}'}}" for number in range(3)]
    names = [
        {
            rule.where.text: rule.name
            for rule in next(iter(definitions(done).values())).rules
            if rule.where is not None
        }
        for done in (
            imported(column_test("\n".join(order))) for order in (tests, [tests[0], tests[2], tests[1]])
        )
    ]
    assert names[0] == names[1]


def test_variables_come_from_the_command_then_from_the_project() -> None:
    project = "name: p\nprofile: p\nvars: {kind: a, p: {other: b}}\n"
    text = column_test("- not_null: {where: \"y = '{{ var('kind') }}{{ var('other') }}'\"}")
    assert rules(imported(project, text)) == ["not_null: {where: \"y = 'ab'\"}"]
    assert rules(imported(project, text, variables={"kind": "z"})) == ["not_null: {where: \"y = 'zb'\"}"]


def test_a_fact_of_the_target_comes_from_the_command() -> None:
    schema = "{{ target.schema if target.name == 'dev' else 'shop' }}"
    text = column_test("- not_null", model=f"    config: {{alias: orders, schema: {json.dumps(schema)}}}\n")
    (missing,) = imported(text, schema=None).entries
    assert (
        "no value here for target.schema, target.name: give --var target.schema=VALUE"
        in missing.outcome.remarks[0].text
    )
    given = imported(text, schema=None, variables={"target.name": "prod"})
    assert list(definitions(given)) == ["shop.orders"]


@pytest.mark.parametrize(
    "jinja",
    [
        "{% for i in range(100000000) %}x{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 'x' * 1000000000 }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ target.__class__ }}",
        "{{ self._TemplateReference__context }}",
        "{% include '/etc/passwd' %}",
        "{{ var.__globals__ }}",
        "{{ ref('orders').__class__ }}",
        "{{ cycler() }}",
    ],
)
def test_jinja_runs_nothing(jinja: str) -> None:
    done = imported(column_test(f"- not_null: {{where: {json.dumps(jinja)}}}"))
    assert outcomes(done) in ([("not_mapped", "needs_jinja")], [("not_mapped", "sql_refused")])
    assert done.definitions == {}
