"""Constants of a definition as SQL of their column's type."""

from __future__ import annotations

import re
from datetime import timedelta

from pgslo import sql
from pgslo.catalog import BOOLEAN, NUMERIC, TEMPORAL, TEXT, Column
from pgslo.definition import rules
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

#: Further categories of ``pg_type.typcategory``.
ARRAY, COMPOSITE, ENUM, GEOMETRIC, RANGE = "A", "C", "E", "G", "R"
#: Types of values that are on a day, as times of a clock are not.
DAYS = frozenset({"date", "timestamp without time zone", "timestamp with time zone"})
#: Types with NaN and infinity among their numbers.
UNBOUNDED = {"real", "double precision", "numeric"}

_DATE, _TIME, _ZONE = r"\d{4,6}-\d\d-\d\d", r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", r" ?(Z|[+-]\d\d(:?\d\d)?)"
_ENDLESS = r"[+-]?infinity"
#: How constants of dates and times are written: any other way may mean something else in another session.
_MOMENTS = {
    "date": (rf"{_DATE}|{_ENDLESS}", "2026-11-22"),
    "timestamp without time zone": (rf"{_DATE}([T ]{_TIME})?|{_ENDLESS}", "2026-11-22 10:00:00"),
    "timestamp with time zone": (rf"{_DATE}[T ]{_TIME}{_ZONE}|{_ENDLESS}", "2026-11-22 10:00:00+00"),
    "time without time zone": (_TIME, "10:00:00"),
    "time with time zone": (rf"{_TIME}{_ZONE}", "10:00:00+00"),
}


def constant(value: rules.Scalar, column: Column, location: Location) -> Sql:
    """A constant to compare with, or store in, a column.

    Raises:
        CatalogError: The constant is not of the column's type.
    """
    if column.category in (TEXT, ENUM):
        return sql.literal(str(value).lower() if isinstance(value, bool) else str(value))
    if isinstance(value, bool) != (column.category == BOOLEAN):
        raise _not_of_type(value, column, location)
    if column.category == NUMERIC:
        if isinstance(value, str):
            raise _not_of_type(value, column, location)
        if column.base_type == "money":
            raise CatalogError(
                f'column "{column.name}" has type money, whose values depend on the server\'s lc_monetary',
                hint="use numeric",
                location=location,
            )
        if column.base_type == "real":
            # 0.1 as real is greater than 0.1 as double precision, to which PostgreSQL would widen it.
            return Sql(f"{sql.literal(str(value))}::real")
    if column.category == TEMPORAL and column.base_type in _MOMENTS:
        form, example = _MOMENTS[column.base_type]
        if not re.fullmatch(form, str(value)):
            raise _not_of_type(value, column, location, hint=f'write it like "{example}"')
    if column.category in (NUMERIC, BOOLEAN):
        return sql.literal(value)
    return sql.literal(str(value))


def _not_of_type(
    value: object, column: Column, location: Location, *, hint: str | None = None
) -> CatalogError:
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return CatalogError(
        f'{shown} is not a value of column "{column.name}" of type {column.type}',
        hint=hint,
        location=location,
    )


def is_float(column: Column) -> bool:
    """Whether the column's values may be NaN."""
    return column.base_type in UNBOUNDED


def seconds(span: timedelta) -> str:
    """A span as PostgreSQL reads it, which knows no days of Python's."""
    return f"{int(span.total_seconds())} seconds"
