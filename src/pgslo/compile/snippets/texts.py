"""The text of a column's value: by PostgreSQL's own casts for its own types, by the type's output function for others.

The owner of a type may define casts of it, which ``::text``, ``||``, ``quote_literal`` and ``to_jsonb`` run. PostgreSQL
looks for casts of all schemas, whatever the search path; output functions are written in C by a superuser.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import Column
from pgslo.compile.snippets.values import cut_in, value_of
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


def text(column: Column, row: Sql) -> Sql:
    """Return an expression of type text, or NULL, for the column's value in a row."""
    if column.inside is not None:
        return cut_in(column.inside.text, column.inside.column, row)
    return text_of(value_of(column, row), plain=column.plain)


def text_of(value: Sql, *, plain: bool) -> Sql:
    """Return the same for any value.

    Args:
        value: An expression, evaluated once or twice.
        plain: Whether its type is PostgreSQL's own.
    """
    return sql.render("text_plain" if plain else "text_output", _Value(value))


def comparable(column: Column, row: Sql) -> Sql:
    """Return the column's value in a row, or its text where the type's operators are not to be chosen by its casts."""
    return value_of(column, row) if column.plain else text(column, row)
