"""pgslo import --dsn: the database gives keys and types, and lists the rules that it enforces already."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

TABLES = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id integer PRIMARY KEY, name text);
CREATE TABLE shop.orders (id integer PRIMARY KEY, customer integer REFERENCES shop.customers, other integer, amount integer, code text NOT NULL,
    label text, at timestamptz);
CREATE INDEX ON shop.orders (at);
CREATE TABLE shop.plain (a integer NOT NULL, b integer NOT NULL, UNIQUE (a, b));
"""
MODELS = """
models:
  - name: orders
    tests:
      - dbt_utils.recency: {field: at, datepart: day, interval: 1}
    columns:
      - {name: id, tests: [not_null, unique]}
      - {name: code, tests: [not_null, unique]}
      - {name: amount, tests: [not_null, {dbt_utils.accepted_range: {min_value: 0}}]}
      - {name: customer, tests: [{relationships: {to: ref('customers'), field: id}}]}
      - {name: other, tests: [{relationships: {to: ref('customers'), field: id}}]}
  - name: customers
    columns: [{name: name, tests: [{accepted_values: {values: [a, b]}}]}]
  - name: plain
    columns: [{name: a, tests: [{accepted_values: {values: [1]}}]}]
"""


@pytest.fixture
def shop(dsn: str, tmp_path: Path) -> str:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(TABLES)
    (tmp_path / "models.yml").write_text(MODELS, encoding="utf-8")
    return dsn


def test_the_database_gives_keys_and_types_and_holds_what_it_enforces(run, shop, tmp_path):
    words = ("import", "models.yml", "--schema", "shop", "--dsn", shop, "--report", "r.json")
    result = run(*words)
    assert result.exit_code == 3, result.output
    assert "shop.orders.yml:10:7: error: shop.orders has no index that finds rows by code" in result.output
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    held = {
        (one["table"], one["column"], one["source"]["id"])
        for one in report["checks"]
        if one["status"] == "held"
    }
    assert held == {
        ("shop.orders", "id", "not_null"), ("shop.orders", "id", "unique"), ("shop.orders", "code", "not_null"),
        ("shop.orders", "customer", "relationships"),
    }  # fmt: skip
    assert {one["reason"] for one in report["checks"] if one["status"] == "held"} == {"enforced"}
    # Only what no index finds: the values of code.
    assert [need for one in report["checks"] for need in one["needs"]] == [
        "CREATE INDEX ON shop.orders (code)"
    ]
    orders = (tmp_path / "slos" / "shop.orders.yml").read_text(encoding="utf-8")
    assert "key:" not in orders
    # An integer has neither NaN nor infinity, so the open bound is a range.
    assert "- range: {min: 0}" in orders
    plain = (tmp_path / "slos" / "shop.plain.yml").read_text(encoding="utf-8")
    assert "key: [a, b]  # a unique index" in plain
    with psycopg.connect(shop, autocommit=True) as conn:
        conn.execute("CREATE INDEX ON shop.orders (code)")
    assert run(*words).exit_code == 0


@pytest.mark.usefixtures("shop")
def test_the_environment_alone_opens_no_connection(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PGSLO_DSN", "host=127.0.0.1 port=1")
    result = run("import", "models.yml", "--schema", "shop")
    assert result.exit_code == 0, result.output
    assert "key: [id]  # not_null and unique" in (tmp_path / "slos" / "shop.orders.yml").read_text(
        encoding="utf-8"
    )
    assert run("--dsn", "host=127.0.0.1 port=1", "import", "models.yml", "--schema", "shop").exit_code == 1


def test_what_the_database_does_not_have_is_reported_and_written(run, shop, tmp_path):
    (tmp_path / "models.yml").write_text(
        MODELS.replace("name: amount", "name: amounts").replace("- name: customers", "- name: clients"),
        encoding="utf-8",
    )
    result = run("import", "models.yml", "--schema", "shop", "--dsn", shop)
    assert result.exit_code == 3, result.output
    assert "table shop.clients does not exist in the database" in result.output
    assert "slos/shop.orders.yml" in result.output
    assert 'column "amounts" of shop.orders does not exist' in result.output
    assert sorted(one.name for one in (tmp_path / "slos").glob("shop.*.yml")) == [
        "shop.clients.yml",
        "shop.orders.yml",
        "shop.plain.yml",
    ]


def test_columns_are_spelled_as_the_database_has_them(run, shop, tmp_path):
    (tmp_path / "models.yml").write_text(
        """
models:
  - name: orders
    tests: [{dbt_utils.unique_combination_of_columns: {combination_of_columns: [CUSTOMER, OTHER]}}]
    columns:
      - {name: AMOUNT, tests: [{dbt_utils.accepted_range: {min_value: 0}}]}
      - {name: OTHER, tests: [{relationships: {to: ref('customers'), field: ID}}]}
      - {name: LABEL, tests: [{accepted_values: {values: [LABEL]}}]}
      - {name: NOWHERE, tests: [not_null]}
  - name: customers
    columns: [{name: NAME, tests: [not_null]}]
""",
        encoding="utf-8",
    )
    result = run("import", "models.yml", "--schema", "shop", "--dsn", shop)
    assert 'column "NOWHERE" of shop.orders does not exist' in result.output
    text = (tmp_path / "slos" / "shop.orders.yml").read_text(encoding="utf-8")
    assert "  amount:\n    - range: {min: 0}" in text
    assert "references: {table: shop.customers, column: id}" in text
    assert "unique: {columns: [customer, other]" in text
    assert "  label:\n    - accepted_values: [LABEL]" in text
