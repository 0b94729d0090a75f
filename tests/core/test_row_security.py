"""A table with row security gets views that keep it, or none."""

from __future__ import annotations

import pytest

from pgslo.catalog import Catalog, Column, Relation
from pgslo.compile import compile_definition
from pgslo.definition import load
from pgslo.errors import DefinitionErrors

RELATION = Relation(
    "features",
    "example",
    "r",
    (
        Column("id", "integer", "integer", "pg_catalog", "N"),
        Column("a", "integer", "integer", "pg_catalog", "N"),
    ),
    primary_key=("id",),
    row_security=True,
)


def compiled(server_version: int):
    catalog = Catalog(server_version, {("features", "example"): RELATION})
    return compile_definition(
        load("table: features.example\ncolumns: {a: [not_null]}", path="e.yml"), catalog
    )


def test_the_reader_s_own_policies_count_from_15_on():
    views = [one for one in compiled(150000).artifacts if one.kind == "view"]
    assert len(views) == 3
    for view in views:
        assert "WITH (security_invoker = true, security_barrier = true)" in view.create[0].text.text


def test_14_cannot_and_says_so():
    with pytest.raises(DefinitionErrors) as refused:
        compiled(140000)
    (error,) = refused.value.errors
    assert "features.example has row security" in str(error)
    assert "row security needs PostgreSQL 15 or newer" in str(error)
