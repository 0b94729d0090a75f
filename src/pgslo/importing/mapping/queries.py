"""Checks that a query over whole tables states: it returns the rows that fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgslo import sql
from pgslo.importing.mapping import rules
from pgslo.importing.mapping.conditions import checked, column
from pgslo.importing.model import Outcome, TableName, UnmappableError
from pgslo.sql import Sql, UnsafeSql

#: Whether ranges may, must not or have to leave a gap, by how the end of one compares with the next one's beginning.
GAPS = {"allowed": "<=", "not_allowed": "=", "required": "<"}


@dataclass(frozen=True)
class _Missing:
    table: Sql
    rows: Sql
    ours: Sql
    other: Sql
    there: Sql
    theirs: Sql


@dataclass(frozen=True)
class _Apart:
    table: Sql
    rows: Sql
    group: Sql
    low: Sql
    high: Sql
    before: Sql
    gap: Sql


@dataclass(frozen=True)
class _Commonest:
    table: Sql
    rows: Sql
    of: Sql
    rank: Sql
    values: Sql


def missing(
    on: str, table: TableName | None, field: str, other: TableName, *, where: str | None, there: str
) -> Outcome:
    """Return a check that a column's values exist in some rows of another table.

    Args:
        on: The column.
        table: Its table.
        field: The column of the other table.
        other: The other table.
        where: Which rows are checked.
        there: Which rows of the other table count.
    """
    context = _Missing(
        table=_known(table),
        rows=Sql(f" AND ({checked(where)})" if where else ""),
        ours=Sql(column(on)),
        other=Sql(other.text),
        there=Sql(checked(there)),
        theirs=Sql(column(field)),
    )
    return _query("imported_missing", context)


def apart(
    table: TableName | None,
    low: str,
    high: str,
    *,
    by: str | None = None,
    gaps: str = "allowed",
    empty: bool = False,
    where: str | None = None,
) -> Outcome:
    """Return a check that ranges of rows do not overlap, within groups.

    Args:
        table: The table.
        low: The column, or the SQL, of the range's beginning.
        high: That of its end.
        by: What the rows of a group have in common; ``None``: all rows.
        gaps: One of :data:`GAPS`.
        empty: Whether a range may end where it begins.
        where: Which rows are checked.
    """
    # A list of columns, or one expression.
    parts = [by] if by and "(" in by else (by or "").split(",")
    context = _Apart(
        table=_known(table),
        rows=_of(where),
        group=Sql(f"PARTITION BY {', '.join(checked(part) for part in parts)} " if by else ""),
        low=Sql(checked(low)),
        high=Sql(checked(high)),
        before=Sql("<=" if empty else "<"),
        gap=Sql(GAPS[gaps]),
    )
    return _query("imported_apart", context)


def commonest(
    table: TableName | None, of: str, values: Sequence[str], rank: int, *, where: str | None = None
) -> Outcome:
    """Return a check that the value of a column that is the commonest, or second, is one of some.

    Args:
        table: The table.
        of: The column as SQL writes it, or an expression.
        values: The values that are accepted, as SQL writes them.
        rank: Which value is looked at: 1 for the commonest.
        where: Which rows count.
    """
    context = _Commonest(_known(table), _of(where), Sql(of), Sql(str(rank)), Sql(", ".join(values)))
    return _query("imported_commonest", context)


def _query(template: str, context: object) -> Outcome:
    try:
        return rules.returns_nothing(sql.render(template, context).text)
    except UnsafeSql as error:
        raise UnmappableError("sql_refused", error.message) from None


def _of(where: str | None) -> Sql:
    return Sql(f" WHERE {checked(where)}" if where else "")


def _known(table: TableName | None) -> Sql:
    if table is None:
        raise UnmappableError("no_table")
    return Sql(table.text)
