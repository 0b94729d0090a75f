"""Audits of SQLMesh and expectations of Delta Live Tables as rules."""

from __future__ import annotations

import pytest
from imports import definitions, imported, outcomes, rules

MAPPED = ("mapped",)


def model(audits: str, rest: str = "") -> str:
    """A model that calls audits."""
    return (
        f"MODEL (\n  name shop.orders,\n  kind FULL,\n  audits (\n    {audits}\n  )\n);\n\nSELECT 1;\n{rest}"
    )


CALLS: list[tuple[str, list[str], tuple[str, ...]]] = [
    ("not_null(columns := (a, b))", ["not_null"], MAPPED),
    ("NOT_NULL(columns = [a])", ["not_null"], MAPPED),
    ("not_null(columns := (a), condition := b > 0)", ['not_null: {where: "b > 0"}'], MAPPED),
    ("unique_values(columns := (a))", ["unique_a: {unique: {columns: [a], nulls: same}}"], MAPPED),
    (
        "unique_combination_of_columns(columns := (a, b))",
        ["unique_a_b: {unique: {columns: [a, b], nulls: same}}"],
        MAPPED,
    ),
    (
        "accepted_values(column := a, is_in := ('x', 'it''s', 1))",
        ['accepted_values: [x, "it\'s", 1]'],
        MAPPED,
    ),
    ("not_accepted_values(column := a, is_not_in := ('x'))", ["not_accepted_values: [x]"], MAPPED),
    (
        "accepted_range(column := a, min_v := 0, max_v := 9, inclusive := false)",
        ["range: {above: 0, below: 9}"],
        MAPPED,
    ),
    ("forall(criteria := (a > 0, b IN ('x, y')))", ['expression: {expression: "a > 0"}'], MAPPED),
    ("number_of_rows(threshold := 10)", ["row_count: {of: table, min: 11}"], MAPPED),
    ("not_empty_string(column := `b c`)", ['expression: "\\"b c\\" <> \'\'"'], MAPPED),
    ("string_length_between(column := a, min_v := 1, max_v := 3)", ["length: {min: 1, max: 3}"], MAPPED),
    ("accepted_values(column := a, is_in := (x))", [], ("not_mapped", "unclear")),
    ("not_null()", [], ("not_mapped", "unclear")),
    ("not_null(columns := (a.b))", [], ("not_mapped", "nested_column")),
    ("valid_uuid(column := a)", [], ("not_mapped", "no_word")),
    ("z_score(column := a, threshold := 3)", [], ("not_mapped", "no_word")),
    (
        "not_constant(column := a)",
        ['metric_a: {metric: {query: "SELECT count(DISTINCT a) FROM shop.orders", min: 2}}'],
        MAPPED,
    ),
    (
        "mean_in_range(column := a, min_v := 1, max_v := 5.5)",
        [
            'query: {query: "SELECT 1 AS failed WHERE NOT ((SELECT avg(a) FROM shop.orders) >= 1 AND (SELECT avg(a) FROM shop.orders) <= 5.5)"}'
        ],
        MAPPED,
    ),
    ("forall(criteria := (`a b` > 0))", ['expression: {expression: "\\"a b\\" > 0"}'], MAPPED),
    ("some_audit(a := 1)", [], ("not_mapped", "private_test")),
]


@pytest.mark.parametrize(("call", "written", "outcome"), CALLS, ids=[one[0][:70] for one in CALLS])
def test_of_an_audit(call: str, written: list[str], outcome: tuple[str, ...]) -> None:
    done = imported(model(call), name="orders.sql")
    assert outcomes(done) == [outcome]
    assert rules(done)[:1] == written[:1]
    assert list(definitions(done)) == (["shop.orders"] if written else [])


def test_audits_of_the_projects_own() -> None:
    rest = """
AUDIT (name positive, blocking false);
SELECT * FROM @this_model WHERE item_id < @least;

AUDIT (name joined, defaults (n = 5), skip true);
SELECT o.id FROM @this_model AS o JOIN shop.items AS i ON i.id = o.id WHERE i.n > @n;

AUDIT (name dated);
SELECT * FROM @this_model WHERE d > @start_ds;

AUDIT (name alone);
SELECT * FROM @this_model WHERE a < 0
"""
    done = imported(model("positive(least := 0), joined, dated", rest), name="orders.sql")
    assert outcomes(done) == [
        MAPPED,
        MAPPED,
        ("not_mapped", "parameter"),
        ("not_mapped", "no_table"),
    ]
    assert rules(done) == [
        'expression: {expression: "NOT (item_id < 0)"}',
        'query: {query: "SELECT o.id FROM shop.orders AS o JOIN shop.items AS i ON i.id = o.id WHERE i.n > 5", enabled: false}',
    ]
    assert [entry.found.location.line for entry in done.entries] == [5, 5, 5, 20]
    named = imported(
        model("positive(least := 0)", rest), name="o.sql", maps=["sqlmesh:alone=shop.a"], error_as="reject"
    )
    assert list(definitions(named)) == ["shop.orders", "shop.a"]
    assert rules(named)[0] == 'expression: {expression: "NOT (item_id < 0)"}', "it does not block there"
    assert rules(named)[-1] == 'expression: {expression: "NOT (a < 0)", on_breach: reject}'


def test_views_and_broken_blocks() -> None:
    done = imported(model("not_null(columns := (a))").replace("FULL", "VIEW"), name="a.sql")
    assert outcomes(done) == [("not_mapped", "not_a_table")]
    done = imported("AUDIT (name a;\nSELECT ')", name="a.sql")
    assert done.failures[0].message == "a block that does not end"


def test_constants_that_are_spread_are_counted_one_by_one() -> None:
    text = """
import dlt
BASE = {"a": "x > 0"}
RULES = {"b": "y > 0", **BASE}
LOOP = {**LOOP}

@dlt.table
@dlt.expect_all_or_drop({"c": "z > 0", **RULES, **made()})
@dlt.expect_all(LOOP)
def orders(): ...
"""
    done = imported(text, name="a.py")
    assert outcomes(done) == [MAPPED] * 3 + [("not_mapped", "parameter")] * 2
    assert [entry.found.location.line for entry in done.entries] == [8, 8, 8, 8, 9]
    assert rules(done) == [f'{name}: {{expression: "({x} > 0) IS TRUE"}}' for name, x in ("cz", "by", "ax")]


def test_comments_of_any_text_are_left_out() -> None:
    text = model("not_null(columns := (a))  -- don't (\n    , unique_values(columns := (b)) /* ) , */")
    assert outcomes(imported(text, name="a.sql")) == [MAPPED, MAPPED]
    view = text.replace("  kind FULL", "  -- isn't it (\n  kind VIEW")
    assert outcomes(imported(view, name="a.sql")) == [("not_mapped", "not_a_table")] * 2
    dashes = model("accepted_values(column := a, is_in := ('--', '/*'))")
    assert rules(imported(dashes, name="a.sql")) == ['accepted_values: ["--", "/*"]']


PYTHON = """
import dlt
from os import system
MORE = {"c": "z IS NOT NULL", "d": str(1)}

@dlt.table(name="shop.orders")
@dlt.expect("a", "x > 0")
@dlt.expect_or_drop("b", "y > 0")
@dlt.expect_all_or_fail(MORE)
@dlt.expect_all(computed())
def anything():
    return system("true")

@dlt.view
@dlt.expect("a", "x > 0")
def seen():
    pass

dlt.create_streaming_table(name="stream", expect_all_or_drop={"e": "a < b"})
"""


def test_python_is_read_and_not_run() -> None:
    done = imported(PYTHON, name="pipeline.py", enforce=True)
    assert [(entry.found.kind, entry.outcome.status) for entry in done.entries] == [
        ("a", "mapped"),
        ("b", "mapped"),
        ("c", "mapped"),
        ("d", "not_mapped"),
        ("expect_all", "not_mapped"),
        ("a", "not_mapped"),
        ("e", "mapped"),
    ]
    assert rules(done) == [
        'a: {expression: "(x > 0) IS TRUE"}',
        'b: {expression: "(y > 0) IS TRUE", on_breach: quarantine}',
        'c: {expression: "(z IS NOT NULL) IS TRUE", on_breach: reject}',
        'e: {expression: "(a < b) IS TRUE", on_breach: quarantine}',
    ]
    assert sorted(definitions(done)) == ["app.stream", "shop.orders"]
    assert outcomes(done)[3:6] == [
        ("not_mapped", "parameter"),
        ("not_mapped", "parameter"),
        ("not_mapped", "not_a_table"),
    ]
    assert (
        imported(PYTHON.replace("def anything():", "def anything(:"), name="p.py")
        .failures[0]
        .message.startswith("not Python")
    )


def test_expectations_in_sql() -> None:
    text = """
CREATE OR REFRESH STREAMING TABLE shop.orders (
  CONSTRAINT positive EXPECT (x > 0 AND f IN (')')) ON VIOLATION DROP ROW,
  CONSTRAINT `Ä b` EXPECT (y IS NOT NULL) ON VIOLATION FAIL UPDATE,
  CONSTRAINT c EXPECT (z)
) AS SELECT 1;
"""
    done = imported(text, name="a.sql", enforce=True)
    assert outcomes(done) == [MAPPED] * 3
    assert (
        rules(done)[0] == "positive: {expression: \"(x > 0 AND f IN (')')) IS TRUE\", on_breach: quarantine}"
    )
    assert rules(done)[1].endswith('{expression: "(y IS NOT NULL) IS TRUE", on_breach: reject}')
    assert rules(done)[2] == 'c: {expression: "(z) IS TRUE"}'


def test_other_code_in_a_folder_is_no_source() -> None:
    from pgslo.importing import Options, convert

    files = {
        "models/a.sql": b"select * from {{ ref('x') }}",
        "models/b.py": b"def model(dbt): [",
        "c.yml": b"a: 1",
    }
    done = convert(files, Options())
    assert (done.failures, done.ignored, done.entries) == ([], ["c.yml: no format that pgslo imports"], ())
