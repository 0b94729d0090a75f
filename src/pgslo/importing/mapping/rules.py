"""Rules of this language, one function for each thing that a source may ask for."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pgslo.definition import names
from pgslo.importing.mapping import conditions, types, words
from pgslo.importing.mapping.conditions import checked, column, constant, query
from pgslo.importing.model import Outcome, Remark, Rule, TableName, UnmappableError, held, mapped

Number = int | float | decimal.Decimal
#: A column's name, which is not an expression.
_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_$]*\Z|"[^"]+"\Z')


def rule(
    kind: str, on: str | None, parameters: dict[str, Any] | None = None, *, where: str | None = None
) -> Rule:
    """Return a rule under a column, or one with a name of its own without a column."""
    options = {"where": checked(where)} if where else {}
    return Rule(kind, "rule" if on is None else "column", on, parameters or {}, options)


def not_null(on: str, *, where: str | None = None) -> Rule:
    """Return the rule that a column has a value."""
    return rule("not_null", on, where=where)


def expression(
    text: str, *, on: str | None = None, where: str | None = None, reads: Sequence[str] = ()
) -> Outcome:
    """Return a check that a condition states."""
    condition = checked(text)
    made = rule("expression", on, {"expression": condition}, where=where)
    return mapped(replace(made, columns=tuple(reads)), remarks=conditions.clock(condition))


def unique(
    table: TableName | None, columns: Sequence[str], *, where: str | None = None, nulls_equal: bool = False
) -> Outcome:
    """Return a check that no two rows have the same values; with ``nulls_equal``, NULL is a value like others.

    Raises:
        UnmappableError: It names no columns.
    """
    if not columns or len(set(columns)) < len(columns):
        raise UnmappableError("unclear", "the list of columns is empty, or has one of them twice")
    needs = (
        ()
        if table is None
        else (f"CREATE INDEX ON {table.text} ({', '.join(column(one) for one in columns)})",)
    )
    if len(columns) == 1 and not nulls_equal:
        return mapped(rule("unique", columns[0], where=where), needs=needs)
    parameters = {"columns": list(columns), **(words.NULLS_EQUAL if nulls_equal else {})}
    return mapped(replace(rule("unique", None, parameters, where=where), columns=tuple(columns)), needs=needs)


def bounds(
    on: str,
    low: Number | str | None,
    high: Number | str | None,
    *,
    strict: tuple[bool, bool] = (False, False),
    type_name: str | None = None,
    where: str | None = None,
) -> Outcome:
    """Return a check that a value lies between two bounds, as SQL's comparisons take it.

    A range refuses NaN and infinity also on an open side, where comparisons let them pass; a number of type real is compared
    as one. So an open side of numbers is a condition, unless the type is known to have neither.
    """
    if low is None and high is None:
        raise UnmappableError("unclear", "the bound is missing")
    sides = [bound for bound in (low, high) if bound is not None]
    closed = len(sides) == 2
    single = types.known(type_name) in ("real", "float4")
    dates = all(isinstance(side, str) for side in sides)
    if not single and (closed or dates or types.is_finite(type_name)):
        keys = (words.STRICT_LOW if strict[0] else "min", words.STRICT_HIGH if strict[1] else "max")
        parameters = {key: side for key, side in zip(keys, (low, high), strict=True) if side is not None}
        return mapped(rule("range", on, parameters, where=where))
    name = column(on)
    parts = [
        f"{name} {operator} {constant(side)}"
        for operator, side in ((">" if strict[0] else ">=", low), ("<" if strict[1] else "<=", high))
        if side is not None
    ]
    return expression(" AND ".join(parts), on=on, where=where)


def length(on: str, low: int | None, high: int | None, *, where: str | None = None) -> Rule:
    """Return the rule that a text has a length between two bounds."""
    if low is None and high is None:
        raise UnmappableError("unclear", "the bound is missing")
    return rule(
        "length",
        on,
        {key: side for key, side in (("min", low), ("max", high)) if side is not None},
        where=where,
    )


def references(
    columns: Sequence[str], other: TableName, to: Sequence[str], *, where: str | None = None
) -> Outcome:
    """Return a check that values exist in another table."""
    for name in (*columns, *to):
        if not names.is_name(name):
            raise UnmappableError("unclear", "a column of the reference has no name that PostgreSQL knows")
    needs = (f"CREATE INDEX ON {other.text} ({', '.join(column(one) for one in to)})",)
    if len(columns) == 1:
        made = rule("references", columns[0], {"table": other.text, "column": to[0]}, where=where)
        return mapped(made, needs=needs)
    made = rule(
        "references", None, {"columns": list(columns), "table": other.text, "to": list(to)}, where=where
    )
    return mapped(replace(made, columns=tuple(columns)), needs=needs)


def named(made: Rule, *columns: str) -> Rule:
    """Return a rule under ``rules`` that is called after its columns."""
    return replace(made, columns=columns)


def age(
    of: str,
    max_age: str,
    table: TableName | None,
    *,
    narrowed: str | None = None,
    future: Literal["ignored", "fresh"] = "fresh",
) -> Outcome:
    """Return a check that the newest value of a time column, or of an expression, is not older than so much.

    Without data it fails. Freshness is about a column, and about all rows; other checks are queries.

    Args:
        of: The column, or an expression.
        max_age: The largest age, as a definition writes it.
        table: The table, for the index that is needed.
        narrowed: Which rows count.
        future: The meaning of future times there.
    """
    if narrowed is None and _NAME.match(of):
        name = of.strip('"')
        needs = () if table is None else (f"CREATE INDEX ON {table.text} ({column(name)})",)
        said = {"max_age": max_age, "of": name, "no_data": "missed", "future": future}
        return mapped(Rule("freshness", "file", None, said), needs=needs)
    return age_query(of, max_age, table, narrowed=narrowed, future=future)


def age_query(
    of: str,
    max_age: str,
    table: TableName | None,
    *,
    narrowed: str | None = None,
    future: Literal["ignored", "fresh"] = "fresh",
) -> Outcome:
    """Return the same as a query over the table.

    Raises:
        UnmappableError: The table is not known.
    """
    if table is None:
        raise UnmappableError("no_table")
    asked = of if not _NAME.match(of) else column(of.strip('"'))
    if future == "ignored":
        narrowed = conditions.both(narrowed, f"{asked} <= now()")
    condition = f" WHERE {narrowed}" if narrowed else ""
    newest = f"(SELECT max({asked}) FROM {table.text}{condition})"  # noqa: S608 - the gate reads the whole query
    return number_is(newest, f"coalesce({{}}, '-infinity') >= now() - interval '{max_age}'")


def rows_of_table(
    low: Number | None,
    high: Number | None,
    *,
    strict: tuple[bool, bool] = (False, False),
    table: TableName | None = None,
    where: str | None = None,
) -> Outcome:
    """Return a check of the number of rows of the table."""
    if low is None and high is None:
        raise UnmappableError("unclear", "the bound is missing")
    low = None if low is None else math.floor(low) + 1 if strict[0] else math.ceil(low)
    high = None if high is None else math.ceil(high) - 1 if strict[1] else math.floor(high)
    if high is not None and high < max(low or 0, 0):
        raise UnmappableError("contradiction", "no number of rows meets these bounds")
    if low is not None and low <= 0 and high is None:
        return held("trivial", "every number of rows meets it")
    low = None if low is not None and low <= 0 else low
    if where is None:
        limits = {key: side for key, side in (("min", low), ("max", high)) if side is not None}
        return mapped(Rule("row_count", "file", None, {**words.ROWS_OF_TABLE, **limits}))
    if table is None:
        raise UnmappableError("no_table")
    parts = [f"{{}} {operator} {side}" for operator, side in ((">=", low), ("<=", high)) if side is not None]
    counted = f"(SELECT count(*) FROM {table.text} WHERE {checked(where)})"  # noqa: S608 - the gate reads the whole query
    return number_is(counted, " AND ".join(parts))


def returns_nothing(statement: str, *, remarks: Sequence[Remark] = ()) -> Outcome:
    """Return a check that a query over whole tables returns no row."""
    return mapped(Rule("query", "rule", None, {"query": query(statement)}), remarks=tuple(remarks))


def number_is(value: str, comparison: str, *, remarks: Sequence[Remark] = ()) -> Outcome:
    """Return a check that a number from SQL compares as stated; NULL passes.

    Args:
        value: A query of one value, in brackets, or another expression of a query.
        comparison: What follows it, with its operator; ``{}`` is the value.
        remarks: What else is changed.
    """
    return returns_nothing(
        f"SELECT 1 AS failed WHERE NOT ({comparison.replace('{}', value)})", remarks=remarks
    )


def complete(on: str, low: Number | None, high: Number | None, *, where: str | None = None) -> Outcome:
    """Return a check of the share of the table's rows with a value; NULL without rows."""
    limits = {key: side for key, side in (("min", low), ("max", high)) if side is not None}
    return mapped(rule("completeness", on, {**words.VALUES_OF_TABLE, **limits}, where=where))


def of_type(on: str, *type_names: str) -> Outcome:
    """Return a check that a column has one of some types; types that PostgreSQL does not have cannot be its own.

    Where it has none of them, the types that correspond to those of other engines.

    Raises:
        UnmappableError: None is known.
    """
    found = list(dict.fromkeys(types.of_any_length(one) for one in type_names if types.known(one)))
    families = () if found else tuple(dict.fromkeys(each for one in type_names for each in types.family(one)))
    found = found or list(families)
    if not found:
        raise UnmappableError("type_unknown", f"PostgreSQL has no type {', '.join(type_names)[:80]}")
    made = Rule("schema", "schema", on, {"type": found[0] if len(found) == 1 else found})
    return mapped(made, remarks=(Remark("type_of_engine"),) if families else ())


def exists(on: str) -> Outcome:
    """Return a check that the table has a column."""
    return mapped(Rule("schema", "schema", on, {"type": words.ANY_TYPE}))


def tolerant(
    outcome: Outcome, *, share: float | None = None, failures: int | None = None, of_batch: bool = False
) -> Outcome:
    """Return a check of which a share of rows has to pass, or a number of them may fail; of a batch here.

    Raises:
        UnmappableError: The rule does not count failing rows.
    """
    changed = () if of_batch else (Remark("batch_not_table"),)
    option = {"at_least": share} if share is not None else {"at_most": failures}
    for made in outcome.rules:
        if made.kind in ("query", "freshness", "row_count", "schema", "completeness", "statistic"):
            raise UnmappableError("no_word", f"{made.kind} has no number of failing rows")
    rules = (replace(one, options=one.options | option) for one in outcome.rules)
    return mapped(*rules, remarks=(*outcome.remarks, *changed), needs=outcome.needs)


def of_values(outcome: Outcome) -> Outcome:
    """Return a check that is about rows with a value alone, as shares of other tools are."""
    rules = []
    for one in outcome.rules:
        if one.column is None:
            raise UnmappableError("no_word", "a share of rows with a value needs one column")
        where = conditions.both(one.options.get("where"), f"{column(one.column)} IS NOT NULL")
        rules.append(replace(one, options=one.options | {"where": where}))
    return replace(outcome, rules=tuple(rules))
