"""Limits of a number, such as a number of failing rows, and their form here."""

from __future__ import annotations

import decimal
import math
from dataclasses import dataclass, replace
from typing import Any

from pgslo.importing.mapping import conditions, rules
from pgslo.importing.model import Outcome, Remark, Rule, TableName, UnmappableError, mapped

Number = int | float | decimal.Decimal


@dataclass(frozen=True)
class Limits:
    """What a number has to be.

    Attributes:
        low: The least, if there is one.
        high: The largest, if there is one.
        above: Whether the least itself is too little.
        below: Whether the largest itself is too much.
        outside: Whether it has to lie outside of the two.
    """

    low: Number | None = None
    high: Number | None = None
    above: bool = False
    below: bool = False
    outside: bool = False

    @property
    def is_zero(self) -> bool:
        """Whether a number that is never negative has to be zero."""
        if self.outside or self.high is None:
            return False
        return (self.low is None or (self.low <= 0 and not self.above)) and (
            (self.high == 0 and not self.below) or (self.below and 0 < self.high <= 1)
        )

    def comparison(self) -> str:
        """Return SQL in which ``{}`` is the number."""
        operators = ("<", ">") if self.outside else (">", "<")
        closed = ("" if self.above else "=", "" if self.below else "=")
        sides = zip(operators, closed, (self.low, self.high), strict=True)
        parts = [f"{{}} {operator}{equal} {side}" for operator, equal, side in sides if side is not None]
        if not parts:
            raise UnmappableError("unclear", "the bound is missing")
        if self.low == self.high and not (self.above or self.below or self.outside):
            return f"{{}} = {self.low}"
        return (" OR " if self.outside else " AND ").join(parts)

    def failures(self) -> int:
        """Return how many rows may fail.

        Raises:
            UnmappableError: Not every smaller number is fine.
        """
        if self.outside or self.high is None or (self.low is not None and (self.low > 0 or self.above)):
            raise UnmappableError("no_word", "a number of failing rows that may be too small")
        return max(math.ceil(self.high) - 1 if self.below else math.floor(self.high), 0)

    def share(self) -> tuple[float, tuple[Remark, ...]]:
        """Return the share of rows that have to pass, of limits for the percentage that fails."""
        if self.outside or self.high is None or (self.low is not None and (self.low > 0 or self.above)):
            raise UnmappableError("no_word", "a percentage of failing rows that may be too small")
        passing = decimal.Decimal(1) - decimal.Decimal(str(self.high)) / 100
        if not 0 <= passing <= 1:
            raise UnmappableError("unclear", f"{self.high} is not a percentage")
        return float(passing), (Remark("ends_differ"),) if self.below else ()


def number(value: Any) -> Number:
    """Return a bound as a number.

    Raises:
        UnmappableError: It is not a number.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | decimal.Decimal)
        or not math.isfinite(value)
    ):
        raise UnmappableError("unclear", f"{str(value)[:40]} is not a number")
    return value


def failing(outcome: Outcome, limits: Limits, *, percent: bool) -> Outcome:
    """Return a check of which a number or a percentage of rows may fail."""
    if limits.is_zero and not (percent and limits.below):
        return outcome
    if percent:
        share, remarks = limits.share()
        made = rules.tolerant(outcome, share=share)
        return replace(made, remarks=(*made.remarks, *remarks))
    allowed = limits.failures()
    return rules.tolerant(outcome, failures=allowed) if allowed else outcome


def of_query(statement: str, limits: Limits) -> Outcome:
    """Return a check of the one number that a query gives.

    A metric has the number and its history; its bounds belong to it, so that a number that has to lie beyond a bound is a query.
    """
    if limits.outside or limits.above or limits.below:
        return rules.number_is(f"({conditions.query(statement)})", limits.comparison())
    ends = {key: end for key, end in (("min", limits.low), ("max", limits.high)) if end is not None}
    if not ends:
        raise UnmappableError("unclear", "the bound is missing")
    return mapped(Rule("metric", "rule", None, {"query": conditions.query(statement), **ends}))


def rows(limits: Limits, table: TableName | None, *, where: str | None = None) -> Outcome:
    """Return a check of the number of rows of a table."""
    if limits.outside:
        if table is None:
            raise UnmappableError("no_table")
        condition = f" WHERE {where}" if where else ""
        counted = f"(SELECT count(*) FROM {table.text}{condition})"  # noqa: S608 - the gate reads the whole query
        return rules.number_is(counted, limits.comparison())
    strict = (limits.above, limits.below)
    return rules.rows_of_table(limits.low, limits.high, strict=strict, table=table, where=where)


def rows_bound(wanted: Limits) -> int:
    """Return the one whole number that limits something countable, such as a length."""
    if wanted.low is not None:
        return math.floor(wanted.low) + 1 if wanted.above else math.ceil(wanted.low)
    if wanted.high is not None:
        return math.ceil(wanted.high) - 1 if wanted.below else math.floor(wanted.high)
    raise UnmappableError("unclear", "the bound is missing")
