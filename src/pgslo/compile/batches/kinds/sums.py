"""Sums that are updated as rows come and go, for rules over completeness, numbers of rows, and statistics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pgslo import sql
from pgslo.catalog import NUMERIC
from pgslo.compile.batches.kinds.base import BY_PROFILE, BatchKind, Parts, of_row
from pgslo.compile.batches.kinds.functions import table_rows, table_share
from pgslo.compile.batches.profiles import is_watched
from pgslo.compile.part import Tally
from pgslo.compile.snippets import literals
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules, wording
from pgslo.errors import CatalogError
from pgslo.sql import Sql

StatisticRule = TypeVar("StatisticRule", rules.Statistic, rules.Change)

_BY_SUMS = "added up as rows come and go; judged when the batch is closed"
_ALL_ROWS = Sql("TRUE")
_PRESENT = "present"


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class _If:
    condition: Sql
    value: Sql


class Completeness(BatchKind[rules.Completeness]):
    """A share of rows with a value."""

    def parts(self) -> Parts:
        """Return how the share is found."""
        rule, column = self.rule, self.own()
        if rule.of == "table":
            return table_share(rule, self.table, sql.render("tally_present", _Value(of_row(column))))
        if rule.where is None and is_watched(self.table.definition, column):
            return Parts({"form": "present", "column": column.name}, _BY_SUMS)
        present = sql.render("tally_present", _Value(of_row(column)))
        good = _tally(rule, _PRESENT, column.name, present, _one(), always=False)
        tallies = (good, *_tallies_of_rows(rule))
        among = tallies[1].name if len(tallies) > 1 else None
        measure = {"form": "share", "good": good.name, "among": among, "said": "not null"}
        return Parts(measure, _BY_SUMS, tallies)


class RowCount(BatchKind[rules.RowCount]):
    """A number of rows."""

    def parts(self) -> Parts:
        """Return how the number is found."""
        rule = self.rule
        if rule.of == "table":
            return table_rows(rule, self.table)
        counted = {"form": "rows"} | ({"tally": f"rows{_about(rule)}"} if rule.where else {})
        tallies = _tallies_of_rows(rule)
        if rule.relative_to is None:
            return Parts(counted, _BY_SUMS, tallies)
        compared = {
            "form": "change",
            "of": counted,
            "ratio": True,
            "relative_to": rule.relative_to,
            "said": "rows",
        }
        return Parts(compared, _BY_SUMS, tallies)


class _StatisticKind(BatchKind[StatisticRule]):
    """A statistic of a column's values."""

    def statistic(self, of: str, quantile: float | None) -> tuple[dict[str, Any], tuple[Tally, ...]]:
        """Return how a statistic is computed, and the sums that it needs: none if it is read from the profile.

        Raises:
            CatalogError: The column has no such statistic.
        """
        column = self.own()
        if of not in ("distinct", "distinct_share", "top_share") and (
            column.category != NUMERIC or column.base_type == "money"
        ):
            raise self.unfit(column, f"the {of} is of numbers")
        counted: dict[str, Any] = {
            "form": "statistic",
            "of": of,
            "column": column.name,
            "said": wording.called(of, quantile),
        }
        if of not in get_args(rules.TalliedName):
            if self.rule.where is not None:
                raise CatalogError(
                    f'"where" does not fit "of: {of}"',
                    detail="It is read from the profile of the column, which is of all rows.",
                    location=self.rule.where.location,
                )
            self.need_profile(column)
            return counted | {"quantile": {"min": 0, "max": 1, "median": 0.5}.get(of, quantile)}, ()
        value = of_row(column)
        # Sums and squares of a numeric without a precision could overflow, and take those of other columns with them.
        unlimited = column.base_type == "numeric" and not column.type.startswith("numeric(")
        number = sql.render("tally_number_bounded" if unlimited else "tally_number", _Value(value))
        finite = sql.render("tally_finite" if literals.is_float(column) else "tally_present", _Value(value))
        count = _tally(self.rule, "finite", column.name, finite, _one(), always=False)
        summed = {
            "mean": ("sum", number),
            "sum": ("sum", number),
            "stddev": ("sum", number),
            "zero_share": ("zero", sql.render("tally_zero", _Value(value))),
            "negative_share": ("negative", sql.render("tally_negative", _Value(value))),
        }[of]
        total = _tally(self.rule, summed[0], column.name, finite, summed[1], always=False)
        tallies: tuple[Tally, ...] = (count, total)
        counted |= {"count": count.name, "sum": total.name}
        if of == "stddev":
            squares = _tally(
                self.rule,
                "squares",
                column.name,
                finite,
                sql.render("tally_square", _Value(number)),
                always=False,
            )
            tallies = (*tallies, squares)
            counted["squares"] = squares.name
        return counted, tallies


class Statistic(_StatisticKind[rules.Statistic]):
    """A statistic with bounds."""

    def parts(self) -> Parts:
        """Return how the statistic is found."""
        counted, tallies = self.statistic(self.rule.of, self.rule.quantile)
        return Parts(counted, _BY_SUMS if tallies else BY_PROFILE, tallies)


class Change(_StatisticKind[rules.Change]):
    """A statistic, or the number of rows, against earlier batches."""

    def parts(self) -> Parts:
        """Return the compared value, and its computation."""
        rule = self.rule
        counted: dict[str, Any] = {"form": "rows"}
        tallies: tuple[Tally, ...] = ()
        if rule.of != "row_count":
            counted, tallies = self.statistic(rule.of, rule.quantile)
        measure = {
            "form": "change",
            "of": counted,
            "absolute": rule.absolute,
            "relative_to": rule.relative_to,
            "said": "rows" if rule.of == "row_count" else wording.called(rule.of, rule.quantile),
        }
        return Parts(measure, _BY_SUMS if tallies else BY_PROFILE, tallies)


def _tallies_of_rows(rule: rules.Rule) -> tuple[Tally, ...]:
    """Return the sum that counts the rows that a rule is about; none where these are all rows."""
    if rule.where is None:
        return ()
    return (_tally(rule, "rows", None, _ALL_ROWS, _one(), always=True),)


def _one() -> Sql:
    return sql.render("tally_one", _Nothing())


def _tally(
    rule: rules.Rule, what: str, column: str | None, condition: Sql, value: Sql, *, always: bool
) -> Tally:
    """A sum under a name that describes it: rules that need the same one share it."""
    stated = [] if always else [condition]
    if rule.where is not None:
        stated.append(rule.where.qualified(ROW))
    name = f"{what} of {column}" if column else what
    text = sql.render("tally_if", _If(sql.join(" AND ", stated), value))
    return Tally(f"{name}{_about(rule)}", text, (rule.where,) if rule.where is not None else ())


def _about(rule: rules.Rule) -> str:
    if rule.where is None:
        return ""
    return f" where {hashlib.sha256(rule.where.text.encode()).hexdigest()[:8]}"
