"""Metrics of Soda as rules: a number of rows, of missing, invalid or duplicate values, or an aggregate, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pgslo.importing.formats.soda import valid
from pgslo.importing.mapping import aggregates, limits, rules
from pgslo.importing.mapping.limits import Limits
from pgslo.importing.model import Outcome, Remark, Rule, TableName, UnmappableError, mapped

#: Aggregates of a whole column, by the name that they have here.
_STATISTICS = {
    "avg": "mean", "average": "mean", "stddev": "stddev", "stddev_samp": "stddev", "stddev_pop": "stddev_pop",
    "variance": "variance", "var_samp": "variance", "sum": "sum", "min": "min", "max": "max", "median": "median",
    "percentile": "quantile",
}  # fmt: skip


def one(arguments: Sequence[str]) -> str:
    """Return the one column of a metric.

    Raises:
        UnmappableError: It has none, several, or one inside of a column.
    """
    if not arguments:
        raise UnmappableError("unclear", "the check names no column")
    if "." in arguments[0]:
        raise UnmappableError("nested_column")
    return arguments[0]


def outcome(
    metric: str,
    arguments: Sequence[str],
    wanted: Limits,
    said: Mapping[str, Any],
    *,
    table: TableName | None,
    where: str | None,
) -> Outcome:
    """Return what a check of a metric becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    percent = metric.endswith("_percent")
    match metric.removesuffix("_count").removesuffix("_percent"):
        case "row":
            return limits.rows(wanted, table, where=where)
        case "missing":
            return _tolerated(
                mapped(*valid.missing(one(arguments), dict(said), where)), wanted, percent=percent
            )
        case "invalid":
            return _tolerated(valid.valid(one(arguments), dict(said), where), wanted, percent=percent)
        case "duplicate":
            for name in arguments:
                one([name])
            made = rules.unique(table, list(arguments), where=where)
            if wanted.is_zero:
                return made
            counted = limits.failing(made, wanted, percent=percent)
            return replace(counted, status="changed", remarks=(*counted.remarks, Remark("fail_calc")))
    return _aggregate(metric, arguments, wanted, table, where)


def _tolerated(made: Outcome, wanted: Limits, *, percent: bool) -> Outcome:
    if len(made.rules) > 1 and not wanted.is_zero:
        raise UnmappableError("no_word", "a number of rows that fail one of several rules")
    return limits.failing(made, wanted, percent=percent)


def _aggregate(
    metric: str, arguments: Sequence[str], wanted: Limits, table: TableName | None, where: str | None
) -> Outcome:
    on = one(arguments)
    side = (
        wanted.low
        if metric in ("min", "min_length")
        else wanted.high
        if metric in ("max", "max_length")
        else None
    )
    alone = (wanted.low is None) != (wanted.high is None) and not wanted.outside
    if side is not None and alone:
        lowest = metric.startswith("min")
        ends = (side, None) if lowest else (None, side)
        if not metric.endswith("_length"):
            return rules.bounds(on, *ends, strict=(wanted.above, wanted.below), where=where)
        length = limits.rows_bound(wanted)
        return mapped(rules.length(on, *((length, None) if lowest else (None, length)), where=where))
    of = _STATISTICS.get(metric)
    if of is None:
        raise UnmappableError("unknown_check", f"{metric[:60]} is not a metric that pgslo knows")
    if wanted.outside:
        raise UnmappableError("no_word", f"{of} outside of a range")
    if of == "quantile":
        try:
            of = aggregates.quantile(float(arguments[1]), discrete=True)
        except (IndexError, ValueError):
            raise UnmappableError("unclear", "a percentile without its share") from None
    strict = (wanted.above, wanted.below)
    return aggregates.between(of, on, (wanted.low, wanted.high), table, strict=strict, where=where)


def said_of(rule: Rule, said: Mapping[str, Any], tags: Sequence[str] = ()) -> Rule:
    """Return a rule with what people say of its check."""
    if rule.place == "schema":
        return rule
    options: dict[str, Any] = {}
    name, attributes = said.get("name"), said.get("attributes")
    description = (attributes or {}).get("description") if isinstance(attributes, dict) else None
    text = next((str(one) for one in (description, name) if one is not None and str(one).strip()), "")
    if text:
        options["description"] = " ".join(text.split())[:400]
    if tags:
        options["tags"] = list(tags)
    return replace(rule, options=rule.options | options)
