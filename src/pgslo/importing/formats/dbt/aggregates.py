"""Tests of dbt_expectations about a number of a whole column, and about the columns of a table."""

from __future__ import annotations

from pgslo.importing.formats.dbt.kinds import Kind, on, one, texts, ungrouped, where
from pgslo.importing.formats.dbt.model import Project, Test
from pgslo.importing.mapping import conditions, constants, rules
from pgslo.importing.mapping.conditions import column
from pgslo.importing.model import Outcome, Remark, Rule, UnmappableError, mapped

_STATISTICS = {
    "expect_column_min_to_be_between": "min",
    "expect_column_max_to_be_between": "max",
    "expect_column_mean_to_be_between": "mean",
    "expect_column_median_to_be_between": "median",
    "expect_column_stdev_to_be_between": "stddev",
    "expect_column_sum_to_be_between": "sum",
    "expect_column_quantile_values_to_be_between": "quantile",
    "expect_column_unique_value_count_to_be_between": "distinct",
}


def _statistic(test: Test, _project: Project) -> Outcome:
    ungrouped(test)
    of = _STATISTICS[test.name.lower()]
    said = [one(test, key) for key in ("min_value", "max_value")]
    low, high = (constants.bound(end) for end in said)
    if any((end is None) != (given is None) for end, given in zip((low, high), said, strict=True)):
        raise UnmappableError("unclear", "a bound is SQL")
    strict = one(test, "strictly", default=False) is True
    if (of == "min" and high is None) or (of == "max" and low is None):
        return rules.bounds(on(test), low, high, strict=(strict, strict), where=where(test))
    if isinstance(low, str) or isinstance(high, str) or (low is None and high is None):
        raise UnmappableError("no_word", f"{of} of dates, or without a bound")
    parameters = {
        "of": of,
        **({"quantile": float(one(test, "quantile", default=0.5))} if of == "quantile" else {}),
    }
    parameters |= {key: float(end) for key, end in (("min", low), ("max", high)) if end is not None}
    remarks = (Remark("batch_not_table"), *((Remark("ends_differ"),) if strict else ()))
    return mapped(rules.rule("statistic", on(test), parameters, where=where(test)), remarks=remarks)


def _columns(test: Test, _project: Project) -> Outcome:
    """The columns of a table: names are compared without regard to their case there."""
    columns = [name.strip('"') for name in texts(test, "column_list")]
    made: list[Rule] = [rule for name in dict.fromkeys(columns) for rule in rules.exists(name)]
    if "match" in test.name:
        made.append(Rule("schema", "schema", None, {"extra": "forbid"}))
    ordered = "ordered_list" in test.name
    return mapped(
        *made,
        remarks=(Remark("mapped_in_part", "the order of the columns is not checked"),) if ordered else (),
    )


def _like_list(test: Test, _project: Project) -> Outcome:
    negative = "_not_" in test.name
    operator = "NOT LIKE" if negative else "LIKE"
    given = texts(test, "like_pattern_list")
    match_on = str(one(test, "match_on", default="any"))
    if negative and len(given) > 1:
        raise UnmappableError("unclear", "which of several patterns may match differs between versions")
    joint = " AND " if match_on == "all" else " OR "
    parts = [
        f"{column(on(test))} {operator} {conditions.constant(each.replace(chr(39) * 2, chr(39)))}"
        for each in given
    ]
    return rules.expression(joint.join(parts), on=on(test), where=where(test))


AGGREGATES: dict[str, Kind] = {
    **dict.fromkeys(_STATISTICS, _statistic),
    "expect_table_columns_to_contain_set": _columns,
    "expect_table_columns_to_match_set": _columns,
    "expect_table_columns_to_match_ordered_list": _columns,
    "expect_column_values_to_match_like_pattern_list": _like_list,
    "expect_column_values_to_not_match_like_pattern_list": _like_list,
}
