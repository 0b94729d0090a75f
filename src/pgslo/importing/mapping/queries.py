"""Checks that a query over whole tables states: it returns the rows that fail."""

from __future__ import annotations

from collections.abc import Sequence

from pgslo.importing.mapping import rules
from pgslo.importing.mapping.conditions import checked, column
from pgslo.importing.model import Outcome, TableName, UnmappableError

#: Whether ranges may, must not or have to leave a gap, by how the end of one compares with the next one's beginning.
GAPS = {"allowed": "<=", "not_allowed": "=", "required": "<"}


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
    own = _known(table)
    ours, theirs = column(on), column(field)
    narrowed = f" AND ({checked(where)})" if where else ""
    return rules.returns_nothing(
        f"SELECT o.{ours} FROM (SELECT {ours} FROM {own} WHERE {ours} IS NOT NULL{narrowed}) AS o "  # noqa: S608 - the gate reads it
        f"LEFT JOIN (SELECT {theirs} FROM {other.text} WHERE {theirs} IS NOT NULL AND ({checked(there)})) AS t "
        f"ON o.{ours} = t.{theirs} WHERE t.{theirs} IS NULL"
    )


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
    narrowed = f" WHERE {checked(where)}" if where else ""
    # A list of columns, or one expression.
    parts = [by] if by and "(" in by else (by or "").split(",")
    group = f"PARTITION BY {', '.join(checked(part) for part in parts)} " if by else ""
    low, high = checked(low), checked(high)
    return rules.returns_nothing(
        f"SELECT r.low FROM (SELECT {low} AS low, {high} AS high, "  # noqa: S608 - the gate reads it
        f"lead({low}) OVER ({group}ORDER BY {low}, {high}) AS following, "
        f"row_number() OVER ({group}ORDER BY {low} DESC, {high} DESC) AS back FROM {_known(table)}{narrowed}) AS r "
        f"WHERE NOT (coalesce(r.low {'<=' if empty else '<'} r.high, false) "
        f"AND coalesce(r.high {GAPS[gaps]} r.following, r.back = 1, false))"
    )


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
    narrowed = f" WHERE {checked(where)}" if where else ""
    return rules.returns_nothing(
        f"SELECT r.v FROM (SELECT {of} AS v, row_number() OVER (ORDER BY count(*) DESC) AS place "  # noqa: S608 - the gate reads it
        f"FROM {_known(table)}{narrowed} GROUP BY {of}) AS r WHERE r.place = {rank} AND r.v NOT IN ({', '.join(values)})"
    )


def _known(table: TableName | None) -> str:
    if table is None:
        raise UnmappableError("no_table")
    return table.text
