"""Tests of dbt, dbt_utils and dbt_expectations as rules: one function for each thing that tests ask for."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any, Literal

from pgslo.importing.formats.dbt.model import Project, Test
from pgslo.importing.mapping import aggregates, conditions, constants, patterns, queries, rules, spans
from pgslo.importing.mapping.conditions import both, column
from pgslo.importing.model import Outcome, Remark, UnmappableError, mapped

Kind = Callable[[Test, Project], Outcome]
KINDS: dict[str, Kind] = {}
#: Packages whose tests these are; a namesake of another package may differ.
PACKAGES = frozenset({None, "dbt", "dbt_utils", "dbt_expectations"})
_NOT_BLANK = "[^ ]"
_NOT_BLANK_AT_ALL = r"[^ \t\n\r]"


def _kind(*names: str) -> Callable[[Kind], Kind]:
    def register(function: Kind) -> Kind:
        KINDS.update(dict.fromkeys(names, function))
        return function

    return register


def where(test: Test) -> str | None:
    """Return the rows that a test is about."""
    found: str | None = None
    for said in (test.config.get("where"), test.arguments.get("where"), test.arguments.get("row_condition")):
        if said is not None:
            found = both(found, conditions.checked(str(said)))
    return found


def on(test: Test) -> str:
    """Return the column that a test is about.

    Raises:
        UnmappableError: It names none.
    """
    name = test.column if test.column is not None else test.arguments.get("column_name")
    if not isinstance(name, str) or not name.strip():
        raise UnmappableError("unclear", "the test names no column")
    if not name.startswith('"') and ("." in name or "(" in name):
        raise UnmappableError("nested_column", f"{name[:60]} is not a column")
    return name.strip('"')


def one(test: Test, *names: str, default: Any = None) -> Any:
    """Return the first given argument of some names."""
    return next((test.arguments[name] for name in names if name in test.arguments), default)


def several(test: Test, *names: str) -> list[Any]:
    """Return an argument that is a list.

    Raises:
        UnmappableError: It is not there, or no list.
    """
    found = one(test, *names)
    if isinstance(found, str | int | float):
        found = [found]
    if not isinstance(found, list) or not found:
        raise UnmappableError("unclear", f'the test has no list "{names[0]}"')
    return found


def texts(test: Test, *names: str) -> list[str]:
    """Return an argument that is a list of texts."""
    return [str(item) for item in several(test, *names)]


def ungrouped(test: Test) -> None:
    """Refuse a test that judges groups of rows.

    Raises:
        UnmappableError: It has columns to group by.
    """
    if one(test, "group_by_columns", "group_by"):
        raise UnmappableError("no_word", "the test is about groups of rows")


@_kind("not_null", "incremental_not_null", "expect_column_values_to_not_be_null")
def _not_null(test: Test, _project: Project) -> Outcome:
    return mapped(rules.not_null(on(test), where=where(test)))


@_kind("unique", "incremental_unique")
def _unique(test: Test, project: Project) -> Outcome:
    return rules.unique(project.own(test.table), [on(test)], where=where(test))


@_kind("expect_column_values_to_be_unique")
def _unique_of_all(test: Test, project: Project) -> Outcome:
    # Rows without a value are left out there, as they are by unique here.
    return rules.unique(project.own(test.table), [on(test)], where=where(test))


@_kind("unique_combination_of_columns", "expect_compound_columns_to_be_unique")
def _unique_together(test: Test, project: Project) -> Outcome:
    columns = [name.strip('"') for name in texts(test, "combination_of_columns", "column_list")]
    nullable = any(not project.is_present(test.table, name) for name in columns)
    if not nullable or test.name == "unique_combination_of_columns":
        return rules.unique(project.own(test.table), columns, where=where(test), nulls_equal=nullable)
    ignored = str(one(test, "ignore_row_if", default="all_values_are_missing"))
    if ignored == "any_value_is_missing" or (len(columns) == 1 and ignored != "never"):
        return rules.unique(project.own(test.table), columns, where=where(test))
    # Rows without a value in any of the columns are left out there.
    some = " OR ".join(f"{column(name)} IS NOT NULL" for name in columns) if ignored != "never" else None
    return rules.unique(project.own(test.table), columns, where=both(where(test), some), nulls_equal=True)


@_kind("accepted_values", "not_accepted_values", "expect_column_values_to_not_be_in_set")
def _values(test: Test, _project: Project) -> Outcome:
    values, remarks = _list_of_values(test)
    word = "accepted_values" if test.name == "accepted_values" else "not_accepted_values"
    return mapped(rules.rule(word, on(test), {"values": values}, where=where(test)), remarks=remarks)


def _list_of_values(test: Test) -> tuple[list[Any], tuple[Remark, ...]]:
    """The values of a test; without quotes there, they are SQL, which may be constants."""
    values = several(test, "values", "value_set")
    type_name = test.table.column_types.get(on(test))
    if one(test, "quote", "quote_values", default=True) is False:
        return constants.listed([_from_sql(value) for value in values], type_name)
    return constants.listed(values, type_name, printed=True)


def _from_sql(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() == "null":
        return None
    if (
        len(text) > 1
        and text.startswith("'")
        and text.endswith("'")
        and "'" not in text[1:-1].replace("''", "")
    ):
        return text[1:-1].replace("''", "'")
    found = constants.bound(text)
    if found is None:
        raise UnmappableError("unclear", f"{text[:60]} is SQL, and no constant")
    return found


@_kind("expect_column_values_to_be_in_set")
def _in_set(test: Test, _project: Project) -> Outcome:
    # A NULL is not in the set there, by the join that looks it up.
    values, remarks = _list_of_values(test)
    accepted = rules.rule("accepted_values", on(test), {"values": values}, where=where(test))
    return mapped(accepted, rules.not_null(on(test), where=where(test)), remarks=remarks)


@_kind("relationships", "relationships_where")
def _relationships(test: Test, project: Project) -> Outcome:
    to, field = one(test, "to"), one(test, "field")
    if not isinstance(to, str) or not isinstance(field, str):
        raise UnmappableError("unclear", "the test does not say to which table and field")
    narrowed = both(where(test), _some_rows(test, "from_condition"))
    there = _some_rows(test, "to_condition")
    if there is not None:
        return queries.missing(
            on(test),
            project.own(test.table),
            field.strip('"'),
            project.other(to),
            where=narrowed,
            there=there,
        )
    return rules.references([on(test)], project.other(to), [field.strip('"')], where=narrowed)


def _some_rows(test: Test, name: str) -> str | None:
    """A condition of a reference; ``None`` for one that all rows meet."""
    said = one(test, name)
    return None if said is None or str(said).replace(" ", "") == "1=1" else conditions.checked(str(said))


@_kind("accepted_range", "expect_column_values_to_be_between")
def _between(test: Test, _project: Project) -> Outcome:
    ungrouped(test)
    strict = one(test, "inclusive", default=True) is False or one(test, "strictly", default=False) is True
    name, low, high = on(test), one(test, "min_value"), one(test, "max_value")
    if all(side is None or constants.bound(side) is not None for side in (low, high)):
        type_name = test.table.column_types.get(name)
        ends = (constants.bound(low), constants.bound(high))
        return rules.bounds(name, *ends, strict=(strict, strict), type_name=type_name, where=where(test))
    # A bound is another column, or SQL.
    tail = "" if strict else "="
    sides = ((">", low), ("<", high))
    parts = [f"{column(name)} {operator}{tail} ({side})" for operator, side in sides if side is not None]
    return rules.expression(" AND ".join(parts), on=name, where=where(test))


@_kind("expression_is_true")
def _expression(test: Test, _project: Project) -> Outcome:
    ungrouped(test)
    text = one(test, "expression")
    if not isinstance(text, str):
        raise UnmappableError("unclear", "the test has no expression")
    if test.package == "dbt_expectations":
        return rules.expression(text, where=where(test))
    if test.column is None:
        return rules.expression(text, where=where(test))
    return rules.expression(f"{column(on(test))} {text}", on=on(test), where=where(test))


@_kind("expect_column_values_to_be_null", "is_null")
def _null(test: Test, _project: Project) -> Outcome:
    return rules.expression(f"{column(on(test))} IS NULL", on=on(test), where=where(test))


@_kind("not_empty_string")
def _not_empty(test: Test, _project: Project) -> Outcome:
    if one(test, "trim_whitespace", default=True) is False:
        return rules.expression(f"{column(on(test))} <> ''", on=on(test), where=where(test))
    return mapped(rules.rule("pattern", on(test), {"matches": _NOT_BLANK}, where=where(test)))


@_kind("expect_column_value_lengths_to_be_between", "expect_column_value_lengths_to_equal", "column_length")
def _length(test: Test, _project: Project) -> Outcome:
    exact = one(test, "value", "length")
    low, high = (exact, exact) if exact is not None else (one(test, "min_value"), one(test, "max_value"))
    if any(
        not (side is None or (isinstance(side, int) and not isinstance(side, bool))) for side in (low, high)
    ):
        raise UnmappableError("unclear", "a length is not a whole number")
    if one(test, "strictly", default=False) is True:
        low, high = low if low is None else low + 1, high if high is None else high - 1
    if exact is None and low is None and high is None:
        raise UnmappableError("unclear", "the test has no length")
    # The length of a char(n) without the blanks that fill it up is that of both sides.
    return mapped(rules.length(on(test), low, high, where=where(test)))


@_kind("expect_column_values_to_match_regex", "expect_column_values_to_match_regex_list")
def _matches(test: Test, project: Project) -> Outcome:
    ignore_case = _flags(test)
    found = [patterns.posix(one_, in_sql=True) for one_ in texts(test, "regex", "regex_list")]
    together = [patterns.alternation(found)] if str(one(test, "match_on", default="any")) != "all" else found
    made = [
        rules.rule(
            "pattern",
            on(test),
            {"matches": one_} | ({"ignore_case": True} if ignore_case else {}),
            where=where(test),
        )
        for one_ in together
    ]
    # On PostgreSQL, that macro fails a NULL; elsewhere NULL passes.
    remarks = () if project.is_present(test.table, on(test)) else (Remark("null_differs"),)
    return mapped(*made, remarks=remarks)


@_kind("expect_column_values_to_not_match_regex", "expect_column_values_to_not_match_regex_list")
def _matches_not(test: Test, _project: Project) -> Outcome:
    operator = "!~*" if _flags(test) else "!~"
    found = [patterns.posix(one_, in_sql=True) for one_ in texts(test, "regex", "regex_list")]
    if len(found) > 1 and str(one(test, "match_on", default="any")) == "all":
        raise UnmappableError("unclear", "which of several expressions may match differs between versions")
    parts = [f"{column(on(test))} {operator} {conditions.constant(one_)}" for one_ in found]
    return rules.expression(" AND ".join(parts), on=on(test), where=where(test))


def _flags(test: Test) -> bool:
    flags = str(one(test, "flags", default="") or "")
    if set(flags) - {"i"}:
        raise UnmappableError("pattern_dialect", f'flags "{flags[:10]}" of a regular expression')
    return flags == "i"


@_kind("expect_column_values_to_match_like_pattern", "expect_column_values_to_not_match_like_pattern")
def _like(test: Test, _project: Project) -> Outcome:
    pattern = one(test, "like_pattern")
    if not isinstance(pattern, str):
        raise UnmappableError("unclear", "the test has no pattern")
    operator = "NOT LIKE" if "_not_" in test.name else "LIKE"
    text = f"{column(on(test))} {operator} {conditions.constant(pattern.replace(chr(39) * 2, chr(39)))}"
    return rules.expression(text, on=on(test), where=where(test))


@_kind("expect_column_pair_values_a_to_be_greater_than_b", "expect_column_pair_values_to_be_equal")
def _pair(test: Test, _project: Project) -> Outcome:
    left, right = one(test, "column_A", "column_a"), one(test, "column_B", "column_b")
    if not isinstance(left, str) or not isinstance(right, str):
        raise UnmappableError("unclear", "the test does not name two columns")
    equal = "equal" in test.name
    operator = "=" if equal else ">=" if one(test, "or_equal", default=False) is True else ">"
    compared = {"left": left.strip('"'), "operator": operator, "right": right.strip('"')}
    made = rules.rule("compare", None, compared, where=where(test))
    return mapped(rules.named(made, compared["left"], compared["right"]))


@_kind("expect_column_to_exist")
def _exists(test: Test, _project: Project) -> Outcome:
    if one(test, "column_index"):
        raise UnmappableError("no_word", "the place of a column in the table")
    return rules.exists(on(test))


@_kind("expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list")
def _of_type(test: Test, _project: Project) -> Outcome:
    found = texts(test, "column_type", "column_type_list")
    return rules.of_type(on(test), *found)


@_kind("at_least_one", "warn_if_null_percentage_is_100")
def _some(test: Test, project: Project) -> Outcome:
    ungrouped(test)
    return aggregates.between("present", on(test), (1, None), project.own(test.table), where=where(test))


@_kind("not_null_proportion")
def _proportion(test: Test, _project: Project) -> Outcome:
    ungrouped(test)
    limits = [_share(one(test, name)) for name in ("at_least", "at_most")]
    if limits == [None, None]:
        raise UnmappableError("unclear", "the test has no share")
    return rules.complete(on(test), limits[0], limits[1], where=where(test))


def _share(value: Any) -> float | None:
    if value is None:
        return None
    number = constants.bound(value)
    if not isinstance(number, int | float | decimal.Decimal) or not 0 <= number <= 1:
        raise UnmappableError("unclear", f"{str(value)[:40]} is not a share")
    return float(number)


@_kind("recency", "expect_row_values_to_have_recent_data")
def _recent(test: Test, project: Project) -> Outcome:
    ungrouped(test)
    field = str(one(test, "field", default=None) or on(test))
    if one(test, "ignore_time_component", default=False):
        raise UnmappableError("no_word", "an age in whole days")
    max_age = spans.span(one(test, "interval"), str(one(test, "datepart")))
    future: Literal["ignored", "fresh"] = "fresh" if test.name == "recency" else "ignored"
    return rules.age(field, max_age, project.own(test.table), narrowed=where(test), future=future)


@_kind("row_count", "expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")
def _rows(test: Test, project: Project) -> Outcome:
    ungrouped(test)
    exact = one(test, "value", "count")
    low, high = (
        (exact, exact)
        if exact is not None
        else (one(test, "min_value", "above"), one(test, "max_value", "below"))
    )
    ends = [constants.bound(side) for side in (low, high)]
    if any(
        isinstance(side, str) or (side is None) != (said is None)
        for side, said in zip(ends, (low, high), strict=True)
    ):
        raise UnmappableError("unclear", "a number of rows is not a number")
    strictly = one(test, "strictly", default=False) is True
    return rules.rows_of_table(
        *ends, strict=(strictly, strictly), table=project.own(test.table), where=where(test)
    )


@_kind("equal_rowcount", "fewer_rows_than", "expect_table_row_count_to_equal_other_table")
def _as_many_rows(test: Test, project: Project) -> Outcome:
    ungrouped(test)
    factor = one(test, "factor", default=1)
    other = one(test, "compare_model", "to", "other_table_name")
    table = project.own(test.table)
    if (
        not isinstance(other, str)
        or table is None
        or where(test)
        or one(test, "compare_row_condition")
        or factor != 1
    ):
        raise UnmappableError("no_word", "a comparison of numbers of some rows")
    here, there = (f"(SELECT count(*) FROM {one_.text})" for one_ in (table, project.other(other)))  # noqa: S608 - the gate reads it
    operator = "<" if test.name == "fewer_rows_than" else "="
    return rules.number_is(here, f"{{}} {operator} {there}")
