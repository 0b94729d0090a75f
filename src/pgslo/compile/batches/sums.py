"""What is added up as rows come and go, for rules over completeness, numbers of rows, and statistics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, get_args

from pgslo import sql
from pgslo.catalog import NUMERIC
from pgslo.compile import wording
from pgslo.compile.batches import columns
from pgslo.compile.batches.functions import Parts
from pgslo.compile.batches.profiled import need_profile
from pgslo.compile.batches.profiles import is_watched
from pgslo.compile.part import Tally
from pgslo.compile.snippets import literals
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql

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


BY_SUMS = "added up as rows come and go; judged when the batch is closed"


def completeness(rule: rules.Completeness, table: TableContext) -> Parts:
    """Tell how the share of rows with a value is found."""
    assert rule.column is not None
    column = columns.own(rule, rule.column, table)
    value = columns.of_row(column)
    if rule.where is None and is_watched(table.definition, column):
        return Parts({"form": "present", "column": column.name}, BY_SUMS)
    good = _tally(
        rule, _PRESENT, column.name, sql.render("tally_present", _Value(value)), _one(), always=False
    )
    tallies = (good, *tallies_of_rows(rule))
    among = tallies[1].name if len(tallies) > 1 else None
    return Parts({"form": "share", "good": good.name, "among": among, "said": "not null"}, BY_SUMS, tallies)


def rows(rule: rules.Rule) -> dict[str, Any]:
    """Tell how the number of rows that a rule is about is found."""
    return {"form": "rows"} | ({"tally": f"rows{_about(rule)}"} if rule.where else {})


def tallies_of_rows(rule: rules.Rule) -> tuple[Tally, ...]:
    """Return the sum that counts the rows that a rule is about; none where these are all rows."""
    if rule.where is None:
        return ()
    return (_tally(rule, "rows", None, _ALL_ROWS, _one(), always=True),)


def statistic(
    rule: rules.Statistic | rules.Change, table: TableContext, of: str, quantile: float | None
) -> tuple[dict[str, Any], tuple[Tally, ...]]:
    """Tell how a statistic of a column is found, and the sums that it needs: none if it is read from the profile.

    Raises:
        CatalogError: The column has no such statistic.
    """
    assert rule.column is not None
    column = columns.own(rule, rule.column, table)
    if of not in ("distinct", "distinct_share", "top_share") and (
        column.category != NUMERIC or column.base_type == "money"
    ):
        raise columns.unfit(rule, column, f"the {of} is of numbers")
    counted: dict[str, Any] = {
        "form": "statistic",
        "of": of,
        "column": column.name,
        "said": wording.called(of, quantile),
    }
    if of not in get_args(rules.TalliedName):
        if rule.where is not None:
            raise CatalogError(
                f'"where" does not fit "of: {of}"',
                detail="It is read from the profile of the column, which is of all rows.",
                location=rule.where.location,
            )
        need_profile(rule, column, table)
        return counted | {"quantile": {"min": 0, "max": 1, "median": 0.5}.get(of, quantile)}, ()
    value = columns.of_row(column)
    # Sums and squares of a numeric without a precision could overflow, and take those of other columns with them.
    unlimited = column.base_type == "numeric" and not column.type.startswith("numeric(")
    number = sql.render("tally_number_bounded" if unlimited else "tally_number", _Value(value))
    finite = sql.render("tally_finite" if literals.is_float(column) else "tally_present", _Value(value))
    count = _tally(rule, "finite", column.name, finite, _one(), always=False)
    summed = {
        "mean": ("sum", number),
        "sum": ("sum", number),
        "stddev": ("sum", number),
        "zero_share": ("zero", sql.render("tally_zero", _Value(value))),
        "negative_share": ("negative", sql.render("tally_negative", _Value(value))),
    }[of]
    total = _tally(rule, summed[0], column.name, finite, summed[1], always=False)
    tallies: tuple[Tally, ...] = (count, total)
    counted |= {"count": count.name, "sum": total.name}
    if of == "stddev":
        squares = _tally(
            rule,
            "squares",
            column.name,
            finite,
            sql.render("tally_square", _Value(number)),
            always=False,
        )
        tallies = (*tallies, squares)
        counted["squares"] = squares.name
    return counted, tallies


def _one() -> Sql:
    return sql.render("tally_one", _Nothing())


def _tally(
    rule: rules.Rule, what: str, column: str | None, condition: Sql, value: Sql, *, always: bool
) -> Tally:
    """A sum under a name that says what is summed: rules that need the same one share it."""
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
