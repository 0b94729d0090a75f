"""Data contracts as definitions: the result of each key and each entry, and the changes."""

from __future__ import annotations

import pytest
from imports import definitions, imported, outcomes, rules

MAPPED = ("mapped",)


def odcs(of_property: str = "", *, of_object: str = "", rest: str = "", version: str = "v3.1.0") -> str:
    """A contract with a property and an object."""
    lines = "".join(f"        {line}\n" for line in of_property.split("\n") if line)
    whole = "".join(f"    {line}\n" for line in of_object.split("\n") if line)
    head = f"apiVersion: {version}\nkind: DataContract\nschema:\n  - name: orders\n{whole}"
    return f"{head}    properties:\n      - name: x\n{lines}{rest}"


PROPERTIES: list[tuple[str, str, tuple[str, ...]]] = [
    ("required: true", "not_null", MAPPED),
    ("unique: true", "unique", MAPPED),
    ("physicalType: integer", "x: integer", MAPPED),
    ("physicalType: VARCHAR", 'x: "any varchar"', MAPPED),
    ("physicalType: DECIMAL(12, 2)", 'x: "decimal(12,2)"', MAPPED),
    (
        "physicalType: NUMBER(38,0)",
        'x: ["any numeric", "any integer", real, "double precision"]',
        ("changed", "type_of_engine"),
    ),
    ("physicalType: STRING", 'x: "any text"', ("changed", "type_of_engine")),
    ("physicalType: Nullable(String)", "", ("not_mapped", "type_unknown")),
    ("physicalType: double", 'x: "double precision"', MAPPED),
    ("physicalType: bigserial", "x: bigint", MAPPED),
    ("physicalType: 'varchar[50]'", 'x: "varchar(50)"', MAPPED),
    ("physicalType: 'text[]'", 'x: "text[]"', MAPPED),
    ("physicalType: TIMESTAMP_NTZ", 'x: "timestamp without time zone"', MAPPED),
    ("logicalType: string", 'x: "any text"', MAPPED),
    ("logicalType: integer", 'x: "any integer"', MAPPED),
    ("logicalType: date", 'x: [date, "any timestamp"]', MAPPED),
    ("logicalType: object", "", ("not_mapped", "type_unknown")),
    ("logicalTypeOptions: {minimum: 1}", 'expression: "x >= 1"', MAPPED),
    ("logicalTypeOptions: {exclusiveMaximum: 9}", 'expression: "x < 9"', MAPPED),
    ('logicalTypeOptions: {minimum: "2020-01-01"}', 'range: {min: "2020-01-01"}', MAPPED),
    ("logicalTypeOptions: {minLength: 2}", "length: {min: 2}", MAPPED),
    ("logicalTypeOptions: {maxLength: -1}", "", ("not_mapped", "unclear")),
    ("logicalTypeOptions: {pattern: '^a$'}", 'pattern: "^a$"', MAPPED),
    (r"logicalTypeOptions: {pattern: '\bfoo\b'}", "", ("not_mapped", "pattern_dialect")),
    ("logicalTypeOptions: {format: uuid}", "format: uuid", MAPPED),
    ("logicalTypeOptions: {format: uri}", "format: url", ("changed", "format_differs")),
    ("logicalTypeOptions: {format: password}", "", ("not_mapped", "no_word")),
    ("logicalTypeOptions: {multipleOf: 5}", 'expression: "mod(x, 5) = 0"', MAPPED),
    ("logicalTypeOptions: {minItems: 2}", 'expression: "cardinality(x) >= 2"', MAPPED),
    ("isNullable: false", "", ("not_mapped", "unknown_key")),
    ("relationships: [{to: orders.x}]", "references: {table: app.orders, column: x}", MAPPED),
    ("relationships: [{to: other.x}]", "", ("not_mapped", "no_such_element")),
    ("relationships: [{to: a.b.c}]", "", ("not_mapped", "unclear")),
    ("quality: [{metric: nullValues, mustBe: 0}]", "not_null", MAPPED),
    ("quality: [{type: library, rule: nullCheck, mustBe: 0}]", "not_null", MAPPED),
    (
        "quality: [{metric: nullValues, mustBeLessThan: 10}]",
        "not_null: {at_most: 9}",
        ("changed", "batch_not_table"),
    ),
    (
        "quality: [{metric: nullValues, mustBeLessOrEqualTo: 5, unit: percent}]",
        "not_null: {at_least: 0.95}",
        ("changed", "batch_not_table"),
    ),
    (
        "quality: [{metric: nullValues, mustBeLessThan: 5, unit: percent}]",
        "not_null: {at_least: 0.95}",
        ("changed", "batch_not_table", "ends_differ"),
    ),
    ("quality: [{metric: nullValues, mustBeGreaterThan: 5}]", "", ("not_mapped", "no_word")),
    (
        "quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [a, b]}}]",
        "accepted_values: [a, b]",
        MAPPED,
    ),
    ("quality: [{metric: invalidValues, mustBe: 0, pattern: '^a'}]", 'pattern: "^a"', MAPPED),
    ("quality: [{metric: invalidValues, mustBe: 0}]", "", ("not_mapped", "unclear")),
    (
        "quality: [{metric: missingValues, mustBe: 0, arguments: {missingValues: [null, '']}}]",
        "not_null",
        ("changed", "null_differs"),
    ),
    ("quality: [{metric: duplicateValues, mustBe: 0}]", "unique", MAPPED),
    (
        "quality: [{metric: duplicateValues, mustBeLessThan: 3}]",
        "unique: {at_most: 2}",
        ("changed", "batch_not_table", "fail_calc"),
    ),
    ("quality: [{metric: average, mustBe: 0}]", "", ("not_mapped", "unknown_check")),
    ("quality: [{type: text, description: be good}]", "", ("not_mapped", "text_only")),
    ("quality: [be good]", "", ("not_mapped", "text_only")),
    ("quality: [{type: custom, engine: monteCarlo, implementation: x}]", "", ("not_mapped", "unknown_check")),
    (
        "quality: [{metric: nullValues, mustBe: 0, schedule: '0 1 * * *', severity: warning}]",
        "not_null",
        ("changed", "schedule_lost"),
    ),
    (
        "quality: [{type: sql, query: 'SELECT COUNT(*) FROM orders WHERE x < 0', mustBe: 0}]",
        'expression: {expression: "NOT (x < 0)"}',
        MAPPED,
    ),
    (
        "quality: [{type: sql, query: 'SELECT COUNT(*) FROM {object} WHERE {property} < 0', mustBe: 0}]",
        'expression: {expression: "NOT (x < 0)"}',
        MAPPED,
    ),
    (
        "quality: [{type: sql, query: 'SELECT COUNT(*) FROM ${other}', mustBe: 0}]",
        "",
        ("not_mapped", "parameter"),
    ),
    (
        "quality: [{type: sql, query: 'SELECT COUNT(*) FROM orders', mustBeGreaterThan: 5}]",
        "row_count: {of: table, min: 6}",
        MAPPED,
    ),
    (
        "quality: [{type: sql, query: 'SELECT MIN(x) FROM orders', mustBeGreaterOrEqualTo: 0}]",
        'expression: "x >= 0"',
        MAPPED,
    ),
    (
        "quality: [{type: sql, query: 'SELECT AVG(x) FROM orders', mustBeBetween: [1, 2]}]",
        'metric: {metric: {query: "SELECT AVG(x) FROM app.orders", min: 1, max: 2}}',
        MAPPED,
    ),
    (
        "quality: [{type: sql, query: 'SELECT AVG(x) FROM orders', mustNotBe: 1}]",
        'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT AVG(x) FROM app.orders) < 1 OR (SELECT AVG(x) FROM app.orders) > 1)"}',
        MAPPED,
    ),
    ("quality: [{type: sql, query: 'DELETE FROM orders', mustBe: 0}]", "", ("not_mapped", "sql_refused")),
    ("quality: [{type: sql, query: 'SELECT 1'}]", "", ("not_mapped", "unclear")),
]


@pytest.mark.parametrize(("said", "rule", "outcome"), PROPERTIES, ids=[one[0][:90] for one in PROPERTIES])
def test_of_a_property(said: str, rule: str, outcome: tuple[str, ...]) -> None:
    done = imported(odcs(said))
    assert outcomes(done) == [outcome]
    assert rules(done)[:1] == ([rule] if rule else [])
    assert len(definitions(done)) == bool(rule)


def test_keys_of_several_properties_are_in_the_order_of_their_positions() -> None:
    text = """
    apiVersion: 3.0.0
    kind: DataContract
    schema:
      - name: orders
        physicalName: shop.orders_v1
        description: All orders.
        properties:
          - {name: b, primaryKey: true, primaryKeyPosition: 2}
          - {name: a, primaryKey: true, primaryKeyPosition: 1, required: false}
    """
    done = imported(text)
    (definition,) = definitions(done).values()
    assert (definition.name, definition.key, definition.description) == (
        "shop.orders_v1",
        ("a", "b"),
        "All orders.",
    )
    assert [rule.kind for rule in definition.rules] == ["not_null", "not_null", "unique"]
    assert outcomes(done) == [("changed", "key_has_no_null")]


def test_several_columns_without_duplicates() -> None:
    entry = "quality: [{metric: duplicateValues, mustBe: 0, arguments: {properties: [x, y]}}]"
    done = imported(odcs(of_object=entry))
    assert outcomes(done) == [MAPPED]
    assert rules(done) == ['unique_x_y: {unique: {columns: [x, "y"], nulls: same}}']


def test_fields_inside_of_a_column_are_no_columns() -> None:
    done = imported(odcs("properties: [{name: y, required: true, quality: [{metric: nullValues}]}]"))
    assert outcomes(done) == [("not_mapped", "nested_column")] * 2


@pytest.mark.parametrize(
    ("servers", "schema", "table"),
    [
        ("[{type: postgres, schema: shop}]", "app", "shop.orders"),
        ("[{type: snowflake, schema: SHOP}]", "app", "app.orders"),
        ("[{type: snowflake, schema: SHOP}]", None, '"SHOP".orders'),
        (
            "[{type: snowflake, schema: A}, {type: postgresql, schema: b, password: hunter2}]",
            None,
            "b.orders",
        ),
    ],
)
def test_the_schema_is_that_of_a_server(servers: str, schema: str | None, table: str) -> None:
    done = imported(odcs("required: true", rest=f"servers: {servers}\n"), schema=schema)
    assert list(definitions(done)) == [table]
    assert "hunter2" not in str(done)


def test_service_levels() -> None:
    levels = """
slaProperties:
  - {property: latency, value: 4, unit: d, element: orders.at}
  - {property: freshness, value: 1, unit: hours}
  - {property: retention, value: 3, unit: y, element: orders.at}
  - {property: timeOfAvailability, value: "09:00", element: orders}
  - {property: latency, value: 4, unit: d, element: "other.at, orders.at"}
"""
    assert outcomes(imported(odcs(rest=levels))) == [
        MAPPED,
        ("not_mapped", "same_rule"),
        ("not_mapped", "no_word"),
        ("not_mapped", "no_word"),
        ("not_mapped", "no_such_element"),
        MAPPED,
    ]


def test_a_view_has_no_definition() -> None:
    assert outcomes(imported(odcs("required: true", of_object="physicalType: view"))) == [
        ("not_mapped", "not_a_table")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "apiVersion: v2\nkind: DataContract\nschema: []",
            "kind: DataContract, apiVersion: v2: neither ODCS v3 nor DCS",
        ),
        ("kind: DataContract", "kind: DataContract, apiVersion: none: neither ODCS v3 nor DCS"),
        (
            "dataContractSpecification: 2.0.0\nmodels: {}",
            "dataContractSpecification: 2.0.0: not a version of 0 or 1 with models",
        ),
        (
            "dataContractSpecification: 1.1.0",
            "dataContractSpecification: 1.1.0: not a version of 0 or 1 with models",
        ),
    ],
)
def test_other_contracts_are_refused_and_never_half_read(text: str, message: str) -> None:
    done = imported(text)
    assert done.entries == ()
    assert [failure.message for failure in done.failures] == [message]


DCS = """
dataContractSpecification: 1.1.0
info: {title: Orders, owner: team-a}
servers: {production: {type: postgres, schema: shop, password: hunter2}}
definitions:
  sku: {type: string, pattern: '^[A-Z]+$'}
models:
  orders:
    type: table
    primaryKey: [id, line]
    quality:
      - {type: sql, query: SELECT COUNT(*) FROM orders, mustBeGreaterThan: 0}
    fields:
      id: {type: long, required: true}
      line: {type: integer, minimum: 1}
      sku: {$ref: '#/definitions/sku', required: true}
      status: {type: text, enum: [a, b]}
      parent: {type: string, references: orders.id}
      far: {$ref: 'https://example.com/x.yaml#/y'}
      total: {type: decimal, config: {postgresType: "numeric(12,2)"}, quality: [{type: min, mustBe: 0.01}]}
      address: {type: record, fields: {city: {type: string, required: true}}}
  events: {type: topic, fields: {id: {type: string}}}
servicelevels:
  freshness: {threshold: 25h, timestampField: orders.at}
  latency: {threshold: PT2H, timestampField: other.at}
  retention: {period: P1Y}
"""


def test_a_data_contract_specification() -> None:
    done = imported(DCS)
    assert outcomes(done) == [
        MAPPED,  # the key
        MAPPED,  # number of rows
        *[MAPPED] * 2,  # id
        *[MAPPED] * 2,  # line
        *[MAPPED] * 3,  # sku: by reference, and its own
        *[MAPPED] * 2,  # status
        *[MAPPED] * 2,  # parent
        ("not_mapped", "no_such_element"),  # far
        MAPPED,  # total
        ("not_mapped", "unknown_check"),
        ("not_mapped", "type_unknown"),  # address
        ("not_mapped", "nested_column"),
        ("not_mapped", "nested_column"),
        ("not_mapped", "not_a_table"),
        MAPPED,
        ("not_mapped", "no_such_element"),
        ("not_mapped", "no_word"),
    ]
    (definition,) = definitions(done).values()
    assert (definition.name, definition.key, definition.owner) == ("shop.orders", ("id", "line"), "team-a")
    assert "hunter2" not in str(done)
    for rule in (
        'pattern: "^[A-Z]+$"',
        "range: {min: 1}",
        "references: {table: shop.orders, column: id}",
        'total: "numeric(12,2)"',
    ):
        assert rule in rules(done)


def test_a_physical_name_may_be_in_quotes() -> None:
    done = imported(
        """
        apiVersion: v3.0.0
        kind: DataContract
        servers: [{type: postgres, schema: app}]
        schema: [{name: a, physicalName: '"Mixed Case"', properties: [{name: b, physicalName: '"B c"', required: true}]}]
        """
    )
    assert [(entry.found.column, str(entry.table)) for entry in done.entries] == [("B c", 'app."Mixed Case"')]
