"""Checks of Soda as rules: lines of SodaCL, contracts of version 4, and checks inside of data contracts."""

from __future__ import annotations

import pytest
from imports import definitions, imported, outcomes, rules

MAPPED = ("mapped",)


def sodacl(check: str, *, head: str = "checks for orders:", rest: str = "") -> str:
    """A file with a check."""
    return f"{rest}{head}\n" + "".join(f"  {line}\n" for line in check.split("\n"))


LINES: list[tuple[str, str, tuple[str, ...]]] = [
    ("- missing_count(x) = 0", "not_null", MAPPED),
    ("- missing_count(x) < 1", "not_null", MAPPED),
    ("- missing_count(x) < 10", "not_null: {at_most: 9}", ("changed", "batch_not_table")),
    ("- missing_percent(x) <= 5%", "not_null: {at_least: 0.95}", ("changed", "batch_not_table")),
    ("- missing_percent(x) < 5", "not_null: {at_least: 0.95}", ("changed", "batch_not_table", "ends_differ")),
    ("- missing_count(x) > 3", "", ("not_mapped", "no_word")),
    ("- missing_count(x) = 0:\n    filter: y > 0", 'not_null: {where: "y > 0"}', MAPPED),
    ("- missing_count(x) = 0:\n    name: all filled", 'not_null: {description: "all filled"}', MAPPED),
    ("- missing_count(a.b) = 0", "", ("not_mapped", "nested_column")),
    ("- missing_count(x):\n    fail: when > 5", "not_null: {at_most: 5}", ("changed", "batch_not_table")),
    (
        "- missing_count(x):\n    warn: when > 1\n    fail: when > 5",
        "not_null: {at_most: 1}",
        ("changed", "batch_not_table", "second_bound_lost"),
    ),
    ("- row_count > 0", "row_count: {of: table, min: 1}", MAPPED),
    ("- row_count = 5", "row_count: {of: table, min: 5, max: 5}", MAPPED),
    ("- row_count between 5 and 9", "row_count: {of: table, min: 5, max: 9}", MAPPED),
    ("- row_count between (5 and 9]", "row_count: {of: table, min: 6, max: 9}", MAPPED),
    ("- row_count:\n    fail: when not between 5 and 9", "row_count: {of: table, min: 5, max: 9}", MAPPED),
    ("- row_count:\n    fail: when < 5", "row_count: {of: table, min: 5}", MAPPED),
    (
        "- row_count != 5",
        'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT count(*) FROM app.orders) < 5 OR (SELECT count(*) FROM app.orders) > 5)"}',
        MAPPED,
    ),
    ("- min(x) > 0", 'expression: "x > 0"', MAPPED),
    ("- max(x) <= 10.5", 'expression: "x <= 10.5"', MAPPED),
    ("- max(x) >= 10", 'metric_x: {metric: {query: "SELECT max(x) FROM app.orders", min: 10}}', MAPPED),
    (
        "- avg(x) between 1 and 2",
        'metric_x: {metric: {query: "SELECT avg(x) FROM app.orders", min: 1, max: 2}}',
        MAPPED,
    ),
    (
        "- avg(x) > 1",
        'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT avg(x) FROM app.orders) > 1)"}',
        MAPPED,
    ),
    (
        "- percentile(x, 0.95) < 9",
        'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY x) FROM app.orders) < 9)"}',
        MAPPED,
    ),
    ("- min_length(x) > 2", "length: {min: 3}", MAPPED),
    ("- stddev_of_moon(x) > 2", "", ("not_mapped", "unknown_check")),
    ("- duplicate_count(x) = 0", "unique", MAPPED),
    ("- duplicate_count(x, z) = 0", "unique_x_z: {unique: [x, z]}", MAPPED),
    ("- duplicate_count(x) < 3", "unique: {at_most: 2}", ("changed", "batch_not_table", "fail_calc")),
    ("- invalid_count(x) = 0:\n    valid values: [a, b]", "accepted_values: [a, b]", MAPPED),
    ("- invalid_count(x) = 0:\n    invalid values: [a]", "not_accepted_values: [a]", MAPPED),
    ("- invalid_count(x) = 0:\n    valid regex: '^a$'", 'pattern: "^a$"', MAPPED),
    ("- invalid_count(x) = 0:\n    valid min: 0\n    valid max: 5", "range: {min: 0, max: 5}", MAPPED),
    ("- invalid_count(x) = 0:\n    valid length: 2", "length: {min: 2, max: 2}", MAPPED),
    ("- invalid_count(x) = 0:\n    valid format: email", "format: email", ("changed", "format_differs")),
    ("- invalid_count(x) = 0:\n    valid format: money", "", ("not_mapped", "no_word")),
    ("- invalid_count(x) = 0", "", ("not_mapped", "unclear")),
    (
        "- invalid_count(x) = 0:\n    valid values: [a]\n    missing values: ['-']",
        "accepted_values: {values: [a], where: \"x NOT IN ('-')\"}",
        MAPPED,
    ),
    ("- invalid_percent(x) < 5:\n    valid values: [a]\n    valid length: 1", "", ("not_mapped", "no_word")),
    ("- failed rows:\n    fail condition: x < 0", 'expression: {expression: "NOT (x < 0)"}', MAPPED),
    (
        "- failed rows:\n    fail query: SELECT * FROM app.orders WHERE x < 0",
        'query: {query: "SELECT * FROM app.orders WHERE x < 0"}',
        MAPPED,
    ),
    ("- failed rows:\n    samples limit: 5", "", ("not_mapped", "unclear")),
    (
        "- freshness(x) < 1d6h",
        "freshness: {max_age: 1 day 6 hours, of: x, no_data: missed, future: fresh}",
        MAPPED,
    ),
    (
        "- freshness using x < 1h",
        "freshness: {max_age: 1 hour, of: x, no_data: missed, future: fresh}",
        MAPPED,
    ),
    ("- values in (x) must exist in shop.t (id)", "references: {table: shop.t, column: id}", MAPPED),
    ("- values in (x) must not exist in shop.t (id)", "", ("not_mapped", "no_word")),
    (
        "- row_count same as t",
        'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT count(*) FROM app.orders) = (SELECT count(*) FROM app.t))"}',
        MAPPED,
    ),
    (
        "- change for row_count < 50",
        "change_row_count: {change: {of: row_count, relative_to: previous, absolute: true, max: 50.0}}",
        ("changed", "batch_not_table", "ends_differ"),
    ),
    (
        "- change percent for row_count between -5 and 5",
        "change_row_count: {change: {of: row_count, relative_to: previous, min: -0.05, max: 0.05}}",
        ("changed", "batch_not_table"),
    ),
    ("- anomaly detection for row_count", "", ("learned", "learned_bounds")),
    ("- group by:\n    query: SELECT 1", "", ("not_mapped", "no_word")),
    ("- schema:\n    fail:\n      when required column missing: [x]", "x: any", MAPPED),
    ("- schema:\n    warn:\n      when wrong column type: {x: integer}", "x: integer", MAPPED),
    (
        "- schema:\n    fail:\n      when required column missing: [x]\n      when forbidden column present: [y]",
        "x: any",
        ("changed", "mapped_in_part"),
    ),
    ("- schema:\n    warn:\n      when schema changes: any", "", ("not_mapped", "no_word")),
    (
        "- share between 0 and 1:\n    share expression: sum(x) / count(*)",
        'metric: {metric: {query: "SELECT sum(x) / count(*) FROM app.orders", min: 0, max: 1}}',
        MAPPED,
    ),
    (
        "- bad = 0:\n    bad query: SELECT COUNT(*) FROM orders WHERE x < 0",
        'expression: {expression: "NOT (x < 0)"}',
        MAPPED,
    ),
    ("- missing_count(x) = ${limit}", "", ("not_mapped", "parameter")),
    ("- nonsense here!", "", ("not_mapped", "unknown_check")),
    ("- missing_count(x) = soon", "", ("not_mapped", "unclear")),
]


@pytest.mark.parametrize(("check", "rule", "outcome"), LINES, ids=[one[0][:80] for one in LINES])
def test_of_sodacl(check: str, rule: str, outcome: tuple[str, ...]) -> None:
    done = imported(sodacl(check))
    assert outcomes(done) == [outcome]
    assert rules(done)[:1] == ([rule] if rule else [])
    assert len(definitions(done)) == bool(rule)


def test_a_filter_of_a_partition_is_on_each_rule() -> None:
    rest = "filter orders [daily]:\n  where: d = '${day}'\n"
    text = sodacl("- missing_count(x) = 0", head="checks for orders [daily]:", rest=rest)
    assert outcomes(imported(text)) == [("not_mapped", "parameter")]
    assert rules(imported(text, variables={"day": "2026-01-01"})) == [
        "not_null: {where: \"d = '2026-01-01'\"}"
    ]
    absent = sodacl("- missing_count(x) = 0", head="checks for orders [other]:", rest=rest)
    assert outcomes(imported(absent)) == [("not_mapped", "parameter")]


def test_for_each_dataset_is_expanded_over_names() -> None:
    done = imported(
        "for each dataset D:\n  datasets: [a, shop.b, c%]\n  checks:\n    - row_count > 0\n    - missing_count(x) = 0\n"
    )
    assert outcomes(done) == [MAPPED] * 4 + [("not_mapped", "not_a_table")] * 2
    assert sorted(definitions(done)) == ["app.a", "shop.b"]


CONTRACT = """
dataset: source/db/shop/orders
filter: "day > '2020-01-01'"
columns:
  - name: id
    data_type: integer
    checks:
      - missing:
      - duplicate:
  - name: x
    data_type: varchar
    character_maximum_length: 40
    checks:
      - missing: {threshold: {metric: percent, must_be_less_than_or_equal: 5}}
      - invalid: {valid_values: [a, b], name: known}
      - invalid: {valid_format: {regex: '^a', name: a}}
      - aggregate: {function: max_length, threshold: {must_be_less_than: 10}}
      - aggregate: {function: avg, threshold: {must_be_between: {greater_than: 1, less_than_or_equal: 2}}}
      - invalid: {valid_reference_data: {dataset: a/b/c, column: y}}
      - wonder:
checks:
  - schema: {allow_other_column_order: true}
  - row_count:
  - row_count: {threshold: {must_be_not_between: {greater_than: 5, less_than: 9}}}
  - duplicate: {columns: [id, x]}
  - freshness: {column: at, threshold: {unit: hour, must_be_less_than: 24}}
  - failed_rows: {expression: "x < 'a'", threshold: {level: warn}}
  - metric: {query: "SELECT 1 / 0", threshold: {must_be: 1}}
  - failed_rows: {query: "SELECT ${var.v} FROM shop.orders"}
"""


def test_a_contract_of_version_4() -> None:
    done = imported(CONTRACT)
    assert list(definitions(done)) == ["shop.orders"]
    assert outcomes(done) == [
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        ("changed", "batch_not_table"),
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        ("not_mapped", "unknown_check"),
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        ("not_mapped", "parameter"),
    ]
    found = rules(done)
    assert found[0] == "id: integer"
    assert found[1] == "not_null: {where: \"day > '2020-01-01'\"}"
    assert found[3] == 'x: "varchar(40)"'
    assert "length: {max: 9, where: \"day > '2020-01-01'\"}" in found
    assert 'references: {table: b.c, column: "y", where: "day > \'2020-01-01\'"}' in found
    assert any("unique_id_x: {unique: [id, x]" in rule for rule in found)


def custom(implementation: str) -> str:
    lines = "".join(f"            {line}\n" for line in implementation.split("\n"))
    return (
        "apiVersion: v3.0.2\nkind: DataContract\nschema:\n  - name: orders\n    properties:\n      - name: x\n        quality:\n"
        f"          - type: custom\n            engine: soda\n            implementation: |\n{lines}"
    )


@pytest.mark.parametrize(
    ("implementation", "rule", "outcome"),
    [
        ("  type: duplicate_percent\n  columns: [x]\n  must_be: 0", "unique", MAPPED),
        (
            "  type: missing_count\n  must_be_less_than: 5",
            "not_null: {at_most: 4}",
            ("changed", "batch_not_table"),
        ),
        ("  - missing_count(x) = 0", "not_null", MAPPED),
        ("  checks for orders:\n    - missing_count(x) = 0", "not_null", MAPPED),
        ("  - missing_count(x) = 0\n  - missing_count(y) = 0", "", ("not_mapped", "unclear")),
        ("  a: [", "", ("not_mapped", "unclear")),
    ],
)
def test_soda_inside_of_a_data_contract(implementation: str, rule: str, outcome: tuple[str, ...]) -> None:
    done = imported(custom(implementation))
    assert outcomes(done) == [outcome]
    assert rules(done) == ([rule] if rule else [])


def test_sodacl_of_a_whole_data_contract_is_counted_check_by_check() -> None:
    done = imported(
        """
        dataContractSpecification: 0.9.3
        models: {orders: {fields: {x: {description: an x}}}}
        quality:
          type: SodaCL
          specification: |
            checks for orders:
              - row_count > 0
              - missing_count(x) = 0
        """
    )
    assert outcomes(done) == [MAPPED, MAPPED]
    assert [entry.found.location.line for entry in done.entries] == [8, 9]
    assert sorted(rules(done)) == ["not_null", "row_count: {of: table, min: 1}"]
