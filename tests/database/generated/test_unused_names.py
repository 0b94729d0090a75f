"""Columns that a definition names without a rule are looked up as well."""

from __future__ import annotations

import pytest

from pgslo import definition
from pgslo.database import planning
from pgslo.errors import DefinitionErrors


def plan(connection, text):
    return planning.plan_definitions(connection, [definition.load(text, path="slos/example.yml")])


@pytest.mark.parametrize(
    ("text", "line", "column", "name"),
    [
        ("table: public.u\ncolumns: {zz: []}\n", 2, 11, "zz"),
        ("table: public.u\ncolumns:\n  n: []\n  zz: []\n  a: [not_null]\n", 4, 3, "zz"),
        ("table: public.u\nunwatched: [n, zz]\n", 2, 12, "zz"),
    ],
)
def test_a_column_that_is_not_there(connection, text, line, column, name):
    connection.execute("CREATE TABLE public.u (id int PRIMARY KEY, n int, a int)")
    with pytest.raises(DefinitionErrors) as caught:
        plan(connection, text)
    (error,) = caught.value.errors
    assert error.message == f'column "{name}" of public.u does not exist'
    assert (error.location.line, error.location.column) == (line, column)


def test_columns_that_are_there(connection):
    connection.execute('CREATE TABLE public.u (id int PRIMARY KEY, n int, "a.b" int)')
    assert plan(connection, 'table: public.u\ncolumns: {n: [], "a.b": []}\nunwatched: [n]\n').steps


def test_a_rule_about_one_that_is_not_there_is_told_once(connection):
    connection.execute("CREATE TABLE public.u (id int PRIMARY KEY)")
    with pytest.raises(DefinitionErrors) as caught:
        plan(connection, "table: public.u\ncolumns: {zz: [not_null, {range: {min: 0}}]}\n")
    assert len(caught.value.errors) == 1
