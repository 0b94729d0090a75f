"""Expectations as rules: one function for each thing that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pgslo.importing.mapping import aggregates, conditions, constants, limits, patterns, rules, types
from pgslo.importing.mapping.conditions import column
from pgslo.importing.mapping.rules import Number
from pgslo.importing.model import Outcome, Remark, Rule, TableName, UnmappableError, held, learned, mapped


@dataclass(frozen=True)
class Expectation:
    """An expectation.

    Attributes:
        name: Its type, without ``expect_``.
        arguments: Its keyword arguments.
        where: The rows that it is about.
        own: The table in the database, if it is known.
        profiled: Whether a profiler took its bounds from one batch.
    """

    name: str
    arguments: dict[str, Any]
    where: str | None
    own: TableName | None
    profiled: bool

    @property
    def column(self) -> str:
        """The column that it is about."""
        name = self.arguments.get("column")
        if not isinstance(name, str) or not name:
            raise UnmappableError("unclear", "the expectation names no column")
        return name

    def several(self, *keys: str) -> list[Any]:
        """An argument that is a list."""
        found = next((self.arguments[key] for key in keys if self.arguments.get(key) is not None), None)
        if not isinstance(found, list) or not found:
            raise UnmappableError("unclear", f'the expectation has no list "{keys[0]}"')
        return found


Kind = Callable[[Expectation], Outcome]
KINDS: dict[str, Kind] = {}
#: Expectations about one number of a column, by the statistic that it is here.
_STATISTICS = {
    "column_min_to_be_between": "min", "column_max_to_be_between": "max", "column_mean_to_be_between": "mean",
    "column_median_to_be_between": "median", "column_stdev_to_be_between": "stddev", "column_sum_to_be_between": "sum",
    "column_unique_value_count_to_be_between": "distinct", "column_proportion_of_unique_values_to_be_between": "distinct_share",
}  # fmt: skip
#: Types of other engines, by their types here.
_ENGINES = {
    **dict.fromkeys(("str", "string", "stringtype", "unicode"), ("any text",)),
    **dict.fromkeys(
        ("int", "int64", "int32", "integertype", "longtype", "long", "biginteger"), ("any integer",)
    ),
    **dict.fromkeys(
        ("float", "float64", "doubletype", "floattype", "double"), ("real", "double precision", "any numeric")
    ),
    **dict.fromkeys(("bool", "booleantype"), ("boolean",)),
    **dict.fromkeys(("datetime", "datetime64", "datetime64[ns]", "timestamptype"), ("any timestamp",)),
    **dict.fromkeys(("datetype",), ("date",)),
}


def _kind(*names: str) -> Callable[[Kind], Kind]:
    def register(function: Kind) -> Kind:
        KINDS.update(dict.fromkeys(names, function))
        return function

    return register


@_kind("column_values_to_not_be_null")
def _not_null(one: Expectation) -> Outcome:
    mostly = _mostly(one)
    if mostly is not None:
        return rules.complete(one.column, mostly, None, where=one.where)
    return mapped(rules.not_null(one.column, where=one.where))


@_kind("column_values_to_be_null")
def _null(one: Expectation) -> Outcome:
    made = rules.expression(f"{column(one.column)} IS NULL", on=one.column, where=one.where)
    mostly = _mostly(one)
    return made if mostly is None else rules.tolerant(made, share=mostly)


def _mostly(one: Expectation) -> float | None:
    value = one.arguments.get("mostly")
    if value is None or value == 1:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UnmappableError("unclear", f"mostly: {str(value)[:40]} is not a share")
    return float(value)


def _shared(one: Expectation, made: Outcome) -> Outcome:
    """The check with the share of rows with a value that has to pass."""
    mostly = _mostly(one)
    if mostly is None:
        return made
    if len(made.rules) > 1:
        raise UnmappableError("no_word", "a share of rows that meet several rules")
    return rules.tolerant(rules.of_values(made), share=mostly)


@_kind("column_values_to_be_in_set", "column_distinct_values_to_be_in_set", "column_values_to_not_be_in_set")
def _set(one: Expectation) -> Outcome:
    values, remarks = constants.listed(one.several("value_set"), None)
    kind = "not_accepted_values" if "not_be" in one.name else "accepted_values"
    return _shared(
        one, mapped(rules.rule(kind, one.column, {"values": values}, where=one.where), remarks=remarks)
    )


@_kind(
    "column_values_to_be_unique",
    "compound_columns_to_be_unique",
    "select_column_values_to_be_unique_within_record",
)
def _unique(one: Expectation) -> Outcome:
    if one.name.startswith("select"):
        raise UnmappableError("no_word", "values that differ within a row")
    if _mostly(one) is not None:
        raise UnmappableError("no_word", "a share of values that are unique")
    if one.name == "column_values_to_be_unique":
        return rules.unique(one.own, [one.column], where=one.where)
    columns = [str(name) for name in one.several("column_list")]
    ignored = str(one.arguments.get("ignore_row_if") or "all_values_are_missing")
    if ignored == "any_value_is_missing":
        return rules.unique(one.own, columns, where=one.where)
    some = " OR ".join(f"{column(name)} IS NOT NULL" for name in columns) if ignored != "never" else None
    return rules.unique(one.own, columns, where=conditions.both(one.where, some), nulls_equal=True)


@_kind("column_values_to_be_between")
def _between(one: Expectation) -> Outcome:
    low, high = (_bound(one.arguments.get(key)) for key in ("min_value", "max_value"))
    if one.profiled:
        return learned()
    strict = (one.arguments.get("strict_min") is True, one.arguments.get("strict_max") is True)
    return _shared(one, rules.bounds(one.column, low, high, strict=strict, where=one.where))


def _bound(value: Any) -> Any:
    if value is None:
        return None
    found = constants.moment(value) if isinstance(value, str) else constants.bound(value)
    if found is None:
        raise UnmappableError("unclear", f"{str(value)[:40]} is not a bound")
    return found


@_kind("column_value_lengths_to_be_between", "column_value_lengths_to_equal")
def _lengths(one: Expectation) -> Outcome:
    exact = one.arguments.get("value")
    low, high = (
        (exact, exact)
        if exact is not None
        else (one.arguments.get("min_value"), one.arguments.get("max_value"))
    )
    ends = [None if end is None else int(limits.number(end)) for end in (low, high)]
    if one.profiled:
        return learned()
    if one.arguments.get("strict_min") is True and ends[0] is not None:
        ends[0] += 1
    if one.arguments.get("strict_max") is True and ends[1] is not None:
        ends[1] -= 1
    return _shared(one, mapped(rules.length(one.column, ends[0], ends[1], where=one.where)))


@_kind("column_values_to_match_regex", "column_values_to_match_regex_list")
def _regex(one: Expectation) -> Outcome:
    given = one.several("regex_list") if one.name.endswith("list") else [one.arguments.get("regex")]
    found = [patterns.posix(str(each)) for each in given]
    together = (
        found if str(one.arguments.get("match_on") or "any") == "all" else [patterns.alternation(found)]
    )
    made = [rules.rule("pattern", one.column, {"matches": each}, where=one.where) for each in together]
    return _shared(one, mapped(*made))


@_kind("column_values_to_not_match_regex", "column_values_to_not_match_regex_list")
def _no_regex(one: Expectation) -> Outcome:
    given = one.several("regex_list") if one.name.endswith("list") else [one.arguments.get("regex")]
    parts = [f"{column(one.column)} !~ {conditions.constant(patterns.posix(str(each)))}" for each in given]
    return _shared(one, rules.expression(" AND ".join(parts), on=one.column, where=one.where))


@_kind(
    "column_values_to_match_like_pattern",
    "column_values_to_match_like_pattern_list",
    "column_values_to_not_match_like_pattern",
    "column_values_to_not_match_like_pattern_list",
)
def _like(one: Expectation) -> Outcome:
    given = (
        one.several("like_pattern_list") if one.name.endswith("list") else [one.arguments.get("like_pattern")]
    )
    negative = "not_match" in one.name
    joint = " AND " if negative or str(one.arguments.get("match_on") or "any") == "all" else " OR "
    operator = "NOT LIKE" if negative else "LIKE"
    parts = [f"{column(one.column)} {operator} {conditions.constant(str(each))}" for each in given]
    return _shared(one, rules.expression(joint.join(parts), on=one.column, where=one.where))


@_kind("column_to_exist")
def _exists(one: Expectation) -> Outcome:
    if one.arguments.get("column_index") is not None:
        raise UnmappableError("no_word", "the place of a column in the table")
    return rules.exists(one.column)


@_kind("column_values_to_be_of_type", "column_values_to_be_in_type_list")
def _type(one: Expectation) -> Outcome:
    given = one.several("type_list") if one.name.endswith("list") else [one.arguments.get("type_")]
    names = [str(each).replace("_", " ") for each in given]
    # In a list of names of several engines, those that PostgreSQL has are meant for it. The rest are families.
    if any(types.known(name) for name in names if name.lower() not in _ENGINES or name.isupper()):
        return rules.of_type(
            one.column, *(name for name in names if name.lower() not in _ENGINES or name.isupper())
        )
    found = list(dict.fromkeys(family for each in given for family in _ENGINES.get(str(each).lower(), ())))
    if not found:
        raise UnmappableError("type_unknown", f"PostgreSQL has no type {', '.join(names)[:80]}")
    (rule,) = rules.exists(one.column).rules
    made = replace(rule, parameters={"type": found[0] if len(found) == 1 else found})
    return mapped(made, remarks=(Remark("type_of_engine"),))


@_kind("table_columns_to_match_set", "table_columns_to_match_ordered_list")
def _columns(one: Expectation) -> Outcome:
    columns = [str(name) for name in one.several("column_set", "column_list")]
    made: list[Rule] = [rule for name in dict.fromkeys(columns) for rule in rules.exists(name)]
    ordered = one.name.endswith("ordered_list")
    if ordered or one.arguments.get("exact_match") is not False:
        made.append(Rule("schema", "schema", None, {"extra": "forbid"}))
    if ordered:
        made.append(Rule("schema", "schema", None, {"ordered": True}))
    return mapped(*made)


@_kind("table_row_count_to_be_between", "table_row_count_to_equal")
def _rows(one: Expectation) -> Outcome:
    exact = one.arguments.get("value")
    low, high = (
        (exact, exact)
        if exact is not None
        else (one.arguments.get("min_value"), one.arguments.get("max_value"))
    )
    ends = [None if end is None else limits.number(end) for end in (low, high)]
    if one.profiled:
        return learned()
    strict = (one.arguments.get("strict_min") is True, one.arguments.get("strict_max") is True)
    return rules.rows_of_table(ends[0], ends[1], strict=strict, table=one.own, where=one.where)


@_kind("column_quantile_values_to_be_between")
def _quantiles(one: Expectation) -> Outcome:
    said = one.arguments.get("quantile_ranges")
    said = said if isinstance(said, dict) else {}
    shares, ranges = said.get("quantiles"), said.get("value_ranges")
    if not isinstance(shares, list) or not isinstance(ranges, list) or len(shares) != len(ranges):
        raise UnmappableError("unclear", "quantiles and ranges do not fit together")
    if one.profiled:
        return learned()
    made: list[Rule] = []
    for share, ends in zip(shares, ranges, strict=True):
        if not isinstance(ends, list) or len(ends) != 2:
            raise UnmappableError("unclear", "a range of a quantile has not two ends")
        if ends != [None, None]:
            of = aggregates.quantile(float(limits.number(share)), discrete=True)
            made += aggregates.between(of, one.column, _ends(*ends), one.own, where=one.where)
    return mapped(*made) if made else held("trivial", "no quantile has a bound")


def _ends(low: Any, high: Any) -> tuple[Number | None, Number | None]:
    return None if low is None else limits.number(low), None if high is None else limits.number(high)


@_kind(*_STATISTICS)
def _statistic(one: Expectation) -> Outcome:
    low, high = one.arguments.get("min_value"), one.arguments.get("max_value")
    of = _STATISTICS[one.name]
    pinned = low is not None and low == high and isinstance(low, float)
    if one.profiled or pinned:
        return learned("" if one.profiled else "one value of floating point, as a profiler writes it")
    strict = (one.arguments.get("strict_min") is True, one.arguments.get("strict_max") is True)
    if (of == "min" and high is None) or (of == "max" and low is None):
        return rules.bounds(one.column, _bound(low), _bound(high), strict=strict, where=one.where)
    if low is None and high is None:
        return held("trivial", "every value meets an expectation without a bound")
    return aggregates.between(of, one.column, _ends(low, high), one.own, strict=strict, where=one.where)


@_kind("column_pair_values_a_to_be_greater_than_b", "column_pair_values_to_be_equal")
def _pair(one: Expectation) -> Outcome:
    left, right = one.arguments.get("column_A"), one.arguments.get("column_B")
    if not isinstance(left, str) or not isinstance(right, str):
        raise UnmappableError("unclear", "the expectation does not name two columns")
    if str(one.arguments.get("ignore_row_if") or "both_values_are_missing") != "either_value_is_missing":
        remarks: tuple[Remark, ...] = (Remark("null_differs"),)
    else:
        remarks = ()
    greater = ">=" if one.arguments.get("or_equal") is True else ">"
    operator = "=" if one.name.endswith("equal") else greater
    made = rules.rule("compare", None, {"left": left, "operator": operator, "right": right}, where=one.where)
    if _mostly(one) is not None:
        raise UnmappableError("no_word", "a share of pairs")
    return mapped(rules.named(made, left, right), remarks=remarks)


@_kind("multicolumn_sum_to_equal")
def _sum(one: Expectation) -> Outcome:
    columns = [str(name) for name in one.several("column_list")]
    total = limits.number(one.arguments.get("sum_total"))
    if _mostly(one) is not None:
        raise UnmappableError("no_word", "a share of sums")
    return rules.expression(
        f"{' + '.join(column(name) for name in columns)} = {total}", where=one.where, reads=columns
    )


@_kind("column_values_to_be_json_parseable")
def _json(one: Expectation) -> Outcome:
    made = mapped(
        rules.rule("format", one.column, {"format": "json"}, where=one.where),
        remarks=(Remark("format_differs"),),
    )
    return _shared(one, made)


@_kind("column_values_to_match_strftime_format")
def _strftime(one: Expectation) -> Outcome:
    if str(one.arguments.get("strftime_format")) != "%Y-%m-%d":
        raise UnmappableError("no_word", f"format {str(one.arguments.get('strftime_format'))[:40]}")
    made = mapped(
        rules.rule("format", one.column, {"format": "date"}, where=one.where),
        remarks=(Remark("format_differs"),),
    )
    return _shared(one, made)


@_kind("unexpected_rows_expectation", "query_results_to_match_comparison")
def _query(one: Expectation) -> Outcome:
    text = one.arguments.get("unexpected_rows_query")
    if not isinstance(text, str):
        raise UnmappableError("no_word", "a comparison of the results of two queries")
    if "{batch}" in text and one.own is None:
        raise UnmappableError("no_table")
    return rules.returns_nothing(text.replace("{batch}", one.own.text if one.own else ""))


@_kind("column_kl_divergence_to_be_less_than", "column_value_z_scores_to_be_less_than")
def _distribution(_one: Expectation) -> Outcome:
    return learned()


@_kind("column_values_to_be_increasing", "column_values_to_be_decreasing")
def _order(_one: Expectation) -> Outcome:
    raise UnmappableError("no_word", "an order of rows, which a table has not")


@_kind("table_row_count_to_equal_other_table")
def _other(one: Expectation) -> Outcome:
    raise UnmappableError(
        "no_table", f"the other table {str(one.arguments.get('other_table_name'))[:60]} has no schema"
    )


@_kind("table_column_count_to_equal", "table_column_count_to_be_between")
def _width(_one: Expectation) -> Outcome:
    raise UnmappableError("no_word", "a number of columns")
