"""Tests of dbt_expectations about a number of a whole column, and about the columns of a table."""

from __future__ import annotations

from pgslo.importing.formats.dbt.kinds import Kind, on, one, texts, ungrouped, where
from pgslo.importing.formats.dbt.model import Project, Test
from pgslo.importing.mapping import aggregates, conditions, constants, queries, rules, types
from pgslo.importing.mapping.conditions import column
from pgslo.importing.model import Outcome, Rule, UnmappableError, mapped

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


def _statistic(test: Test, project: Project) -> Outcome:
    ungrouped(test)
    of = _STATISTICS[test.name.lower()]
    said = [one(test, key) for key in ("min_value", "max_value")]
    low, high = (constants.bound(end) for end in said)
    if any((end is None) != (given is None) for end, given in zip((low, high), said, strict=True)):
        raise UnmappableError("unclear", "a bound is SQL")
    strict = one(test, "strictly", default=False) is True
    if (of == "min" and high is None) or (of == "max" and low is None):
        return rules.bounds(on(test), low, high, strict=(strict, strict), where=where(test))
    asked = aggregates.quantile(float(one(test, "quantile", default=0.5))) if of == "quantile" else of
    return aggregates.between(
        asked,
        on(test),
        (low, high),
        project.own(test.table),
        strict=(strict, strict),
        where=where(test),
        null_passes=True,
    )


def _columns(test: Test, _project: Project) -> Outcome:
    """The columns of a table: names are compared without regard to their case there."""
    columns = [name.strip('"') for name in texts(test, "column_list")]
    made: list[Rule] = [rule for name in dict.fromkeys(columns) for rule in rules.exists(name)]
    if "match" in test.name:
        made.append(Rule("schema", "schema", None, {"extra": "forbid"}))
    if "ordered_list" in test.name:
        made.append(Rule("schema", "schema", None, {"ordered": True}))
    return mapped(*made)


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


def _apart(test: Test, project: Project) -> Outcome:
    """Ranges of a group that do not overlap; their ends have values."""
    low, high, by = (one(test, key) for key in ("lower_bound_column", "upper_bound_column", "partition_by"))
    gaps = str(one(test, "gaps", default="allowed"))
    if not isinstance(low, str) or not isinstance(high, str) or gaps not in queries.GAPS:
        raise UnmappableError("unclear", "the test does not name two columns, or its gaps are not known")
    empty = one(test, "zero_length_range_allowed", default=False) is True
    by = None if by in (None, "") else str(by)
    own = project.own(test.table)
    return queries.apart(own, low, high, by=by, gaps=gaps, empty=empty, where=where(test))


def _commonest(test: Test, project: Project) -> Outcome:
    rank = one(test, "top_n")
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise UnmappableError("unclear", "the test does not say which of the commonest values")
    name, values = column(on(test)), [conditions.constant(value) for value in texts(test, "value_set")]
    if one(test, "quote_values", default=True) is False:
        type_name = types.parse(str(one(test, "data_type", default="decimal")))
        name = conditions.checked(f"CAST({name} AS {type_name})")
        values = [conditions.checked(str(value)) for value in texts(test, "value_set")]
    return queries.commonest(project.own(test.table), name, values, rank, where=where(test))


AGGREGATES: dict[str, Kind] = {
    **dict.fromkeys(_STATISTICS, _statistic),
    "mutually_exclusive_ranges": _apart,
    "expect_column_most_common_value_to_be_in_set": _commonest,
    "expect_table_columns_to_contain_set": _columns,
    "expect_table_columns_to_match_set": _columns,
    "expect_table_columns_to_match_ordered_list": _columns,
    "expect_column_values_to_match_like_pattern_list": _like_list,
    "expect_column_values_to_not_match_like_pattern_list": _like_list,
}
