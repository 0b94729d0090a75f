"""The manifest of a dbt project: relations, tests and sources as dbt resolved them, and schema files beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imports import definitions, imported, outcomes, rules

MAPPED = ("mapped",)
SCHEMA_FILE = """
models:
  - name: orders
    columns:
      - name: id
        data_tests: [not_null, unique]
"""


MANIFEST: dict[str, Any] = {
    "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "anything": 1},
    "nodes": {
        "model.p.orders": {
            "resource_type": "model",
            "name": "orders",
            "schema": "shop",
            "relation_name": '"db"."shop"."orders_v2"',
            "config": {"materialized": "incremental"},
            "columns": {"id": {"name": "id", "data_type": "integer"}},
        },
        "model.p.seen": {
            "resource_type": "model",
            "name": "seen",
            "schema": "shop",
            "config": {"materialized": "view"},
        },
        "test.p.not_null.1": {
            "resource_type": "test",
            "name": "not_null_orders_id",
            "test_metadata": {
                "name": "not_null",
                "kwargs": {"column_name": "id", "model": "{{ x() }}"},
                "namespace": None,
            },
            "attached_node": "model.p.orders",
            "column_name": "id",
            "config": {
                "severity": "ERROR",
                "error_if": "!= 0",
                "warn_if": "!= 0",
                "fail_calc": "count(*)",
                "where": None,
            },
        },
        "test.p.to.2": {
            "resource_type": "test",
            "name": "to",
            "test_metadata": {
                "name": "relationships",
                "kwargs": {"to": "source('raw', 'c')", "field": "id", "column_name": "cid"},
            },
            "attached_node": "model.p.orders",
            "column_name": "cid",
        },
        "test.p.positive": {
            "resource_type": "test",
            "name": "positive",
            "compiled_code": 'select * from "db"."shop"."orders_v2" where id < 0',
            "depends_on": {"nodes": ["model.p.orders"]},
        },
        "test.p.view": {
            "resource_type": "test",
            "name": "v",
            "test_metadata": {"name": "unique", "kwargs": {}},
            "attached_node": "model.p.seen",
            "column_name": "id",
        },
    },
    "sources": {
        "source.p.raw.c": {
            "resource_type": "source",
            "source_name": "raw",
            "name": "c",
            "schema": "raw",
            "identifier": "c",
            "relation_name": '"db"."raw"."c"',
            "freshness": {"warn_after": {"count": 12, "period": "hour"}, "error_after": {"count": None}},
            "loaded_at_field": "at",
        }
    },
}


def test_a_manifest() -> None:
    done = imported(json.dumps(MANIFEST, indent=1), name="manifest.json")
    assert outcomes(done) == [
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        MAPPED,
        ("not_mapped", "not_a_table"),
    ]
    assert sorted(definitions(done)) == ["raw.c", "shop.orders_v2"]
    assert "references: {table: raw.c, column: id}" in rules(done)
    assert 'query: {query: "select * from shop.orders_v2 where id < 0"}' in rules(done)
    lines = json.dumps(MANIFEST, indent=1).split("\n")
    for entry in done.entries:
        assert lines[entry.found.location.line - 1].lstrip().startswith(('"test.p', '"source.p', '"model.p'))


def test_schema_files_beside_a_manifest_give_the_places() -> None:
    both = imported(json.dumps(MANIFEST), SCHEMA_FILE, name="x.json")
    places = {
        entry.found.kind: entry.found.location.path for entry in both.entries if entry.found.column == "id"
    }
    assert places["not_null"] == "1_x.json"
    assert places["data_type"] == "0_x.json"
    assert [one[0] for one in outcomes(both)].count("mapped") == 6, (
        "not_null is one check; unique is only in the file"
    )
    assert {entry.table for entry in both.entries if entry.found.kind == "unique" and entry.table} == {
        "shop.orders_v2"
    }


@pytest.mark.parametrize("version", ["v8", "vx"])
def test_a_manifest_of_another_version_is_refused(version: str) -> None:
    text = json.dumps(MANIFEST).replace("v12", version)
    done = imported(text, name="manifest.json")
    assert done.entries == ()
    assert "is not a manifest of version 9 or later" in done.failures[0].message
