"""The value of a column in a row, or of a path into it."""

from __future__ import annotations

from pgslo import sql
from pgslo.catalog import Column
from pgslo.sql import Sql


def value_of(column: Column, row: Sql) -> Sql:
    """Return an expression for the column's value in a row; for a path, for the value at that path."""
    if column.inside is not None:
        return cut_in(column.inside.value, column.inside.column, row)
    return Sql(f"{row}.{sql.identifier(column.name)}")


def cut_in(pieces: tuple[str, ...], column: str, row: Sql) -> Sql:
    """Return an expression with a column's value in the places where it was cut."""
    return Sql(f"{row}.{sql.identifier(column)}".join(pieces))
