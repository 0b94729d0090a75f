"""The columns a rule over batches names: looked up, refused where it cannot judge them, and as SQL over row r."""

from __future__ import annotations

from pgslo import sql
from pgslo.catalog import NUMERIC, TEMPORAL, Column
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql


def own(rule: rules.BatchRule, name: str, table: TableContext, key: str = "column") -> Column:
    """The column of that name.

    Raises:
        CatalogError: There is none, or it is virtual.
    """
    column = table.subject.column(name, rule.place(key))
    if column.generated == "v":
        raise CatalogError(
            f'column "{name}" is virtual: PostgreSQL has no value for it while a row is written',
            hint="judge a column that is stored",
            location=rule.place(key),
        )
    return column


def check_columns(rule: rules.BatchRule, listed: tuple[str, ...], table: TableContext, key: str) -> None:
    """See that columns exist."""
    for n, name in enumerate(listed):
        own(rule, name, table, key=f"{key}.{n}" if f"{key}.{n}" in rule.places else key)


def check_ordered(rule: rules.BatchRule, column: Column) -> None:
    """See that a column's values have an order that means something."""
    if column.category not in (NUMERIC, TEMPORAL) or not column.has_order:
        raise unfit(rule, column, "it is about numbers and times")


def of_row(column: Column) -> Sql:
    """The column over row r."""
    return Sql(f"{ROW}.{sql.identifier(column.name)}")


def unfit(rule: rules.BatchRule, column: Column, why: str) -> CatalogError:
    """That a rule cannot judge a column's type."""
    return CatalogError(
        f'{rule.kind} cannot judge column "{column.name}" of type {column.type}: {why}',
        location=rule.location,
    )
