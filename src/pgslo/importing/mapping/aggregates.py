"""One number of a column of the whole table, such as its mean, with bounds: as the source's own SQL computes it."""

from __future__ import annotations

from pgslo.importing.mapping.conditions import checked, column, query
from pgslo.importing.mapping.rules import Number, number_is
from pgslo.importing.model import Outcome, Rule, TableName, UnmappableError, mapped

#: By the statistic's name, its SQL; ``{}`` is the column.
_SQL = {
    "present": "count({})",
    "min": "min({})",
    "max": "max({})",
    "mean": "avg({})",
    "median": "percentile_cont(0.5) WITHIN GROUP (ORDER BY {})",
    "stddev": "stddev({})",
    "stddev_pop": "stddev_pop({})",
    "variance": "variance({})",
    "sum": "sum({})",
    "distinct": "count(DISTINCT {})",
    "distinct_share": "1.0 * count(DISTINCT {}) / nullif(count({}), 0)",
}


def quantile(share: float, *, discrete: bool = False) -> str:
    """Return the SQL of a quantile, which is between two values or one of them; ``{}`` is the column.

    Raises:
        UnmappableError: The share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise UnmappableError("unclear", f"{share:g} is not a share")
    return f"percentile_{'disc' if discrete else 'cont'}({share!r}) WITHIN GROUP (ORDER BY {{}})"


def between(
    of: str,
    on: str,
    ends: tuple[Number | str | None, Number | str | None],
    table: TableName | None,
    *,
    strict: tuple[bool, bool] = (False, False),
    where: str | None = None,
    null_passes: bool = False,
) -> Outcome:
    """Return a check that a number of a column lies between two bounds.

    Args:
        of: The statistic's name, or SQL with ``{}`` for the column.
        on: The column.
        ends: The bounds; texts are of the column's type.
        table: The table.
        strict: Which bounds do not belong to the range.
        where: Which rows count.
        null_passes: Whether the check passes without any value; else it is unknown then.

    Raises:
        UnmappableError: The bound is missing, or the table is not known.
    """
    low, high = ends
    if low is None and high is None:
        raise UnmappableError("unclear", "the bound is missing")
    if table is None:
        raise UnmappableError("no_table")
    name = column(on)
    condition = f" WHERE {checked(where)}" if where else ""
    asked = f"SELECT {_SQL.get(of, of).replace('{}', name)} FROM {table.text}{condition}"  # noqa: S608 - the gate reads the whole query
    if not null_passes and not any(strict) and not isinstance(low, str) and not isinstance(high, str):
        limits = {key: end for key, end in (("min", low), ("max", high)) if end is not None}
        return mapped(Rule("metric", "rule", None, {"query": query(asked), **limits}, columns=(on,)))
    parts = [
        f"{{}} {operator} {_constant(end)}"
        for operator, end in ((">" if strict[0] else ">=", low), ("<" if strict[1] else "<=", high))
        if end is not None
    ]
    return number_is(f"({asked})", " AND ".join(parts))


def _constant(end: Number | str) -> str:
    return "'" + end.replace("'", "''") + "'" if isinstance(end, str) else str(end)
