"""Rules that read a column's profile are refused where the profile knows no values of the column, only whether they are NULL."""

from __future__ import annotations

import psycopg
import pytest

from pgslo import definition
from pgslo.database import planning
from pgslo.errors import DefinitionErrors

TYPES = (
    "real[]", "text[]", "jsonb", "json", "bytea", "int4range", "datemultirange", "features.pair", "interval", "money", "bit(3)",
    "varbit", "tsvector", "point", "polygon", "features.list",
)  # fmt: skip
RULES = (
    "statistic: {of: distinct, min: 100}",
    "statistic: {of: distinct_share, min: 0.1}",
    "statistic: {of: top_share, max: 0.5}",
    "freshness: {max_unchanged: 1 batches}",
    "drift: {by: psi, relative_to: 7 batches, max: 0.2}",
    "change: {of: distinct, relative_to: previous, min: -0.5}",
    "change: {of: top_share, relative_to: previous, max: 0.5}",
)


@pytest.fixture(scope="module")
def tables(make_database):
    with make_database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE SCHEMA features; CREATE TYPE features.pair AS (a int, b text); CREATE DOMAIN features.list AS int[]"
        )
        for n, type_ in enumerate(TYPES):
            conn.execute(
                f"CREATE TABLE features.t{n} (id bigint, ds date, a {type_}, PRIMARY KEY (id, ds))".encode()
            )
        conn.execute("CREATE TABLE features.other (id bigint, ds date, a text, b uuid, PRIMARY KEY (id, ds))")
        yield conn


def plan(conn, table, column, rule):
    text = f"table: features.{table}\nowner: me\nbatch: {{by: ds}}\ncolumns:\n  {column}:\n    - {rule}\n"
    return planning.plan_definitions(conn, [definition.load(text, path="slos/example.yml")])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("type_", TYPES)
def test_refused(tables, type_, rule):
    with pytest.raises(DefinitionErrors) as caught:
        plan(tables, f"t{TYPES.index(type_)}", "a", rule)
    (error,) = caught.value.errors
    assert error.message.startswith(f"{rule.split(':')[0]} cannot judge column ")
    assert error.location is not None
    assert error.location.line == 6


@pytest.mark.parametrize("type_", TYPES)
def test_completeness_is_known_of_every_type(tables, type_):
    assert plan(tables, f"t{TYPES.index(type_)}", "a", "completeness: 0.9").steps


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("column", ["a", "b"])
def test_types_whose_values_are_sampled(tables, column, rule):
    assert plan(tables, "other", column, rule).steps
