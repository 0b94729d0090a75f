"""A definition as tests of dbt: of a source, since pgslo guards tables that a job writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pgslo.definition import rules
from pgslo.definition.yaml import writing
from pgslo.exporting import document, plainness
from pgslo.exporting.model import Entry, NotExpressibleError, Statement, Whole, entry
from pgslo.sql import UnsafeSql, identifier, literal

SUFFIX = ".dbt.yml"
_PERIODS = (("day", 86400), ("hour", 3600), ("minute", 60))
#: What dbt would run.
JINJA = re.compile(r"\{[{%#]")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")


@dataclass(frozen=True)
class _Test:
    """A test.

    Attributes:
        name: Its name, with its package.
        arguments: Its arguments.
        column: The column that it is under; ``None``: the table.
        reason: Why it is not quite the rule.
        where: Rows that it is about besides those of the rule.
    """

    name: str
    arguments: dict[str, Any]
    column: str | None = None
    reason: str | None = None
    where: str | None = None


def export(whole: Whole) -> tuple[str, list[Entry]]:
    """Return the file of properties, and the outcome of each rule."""
    made = whole.definition
    if JINJA.search(made.name):
        return "", [entry(whole, one, "not_expressible", "no_word") for one in whole.statements]
    entries: list[Entry] = []
    table: dict[str, Any] = {"name": made.table_name}
    if made.description and not JINJA.search(made.description):
        table["description"] = made.description
    columns: dict[str, list[Any]] = {}
    tests: list[Any] = []
    kept: list[str] = []
    for statement in whole.statements:
        try:
            test, reason = _test(whole, statement)
            written = test if isinstance(test, dict) else _written(test, statement)
        except NotExpressibleError as error:
            if not JINJA.search(statement.text):
                kept.append(statement.text)
            entries.append(entry(whole, statement, "not_expressible", error.reason))
            continue
        if isinstance(test, dict):
            table |= test
        else:
            below = tests if test.column is None else columns.setdefault(test.column, [])
            below.append(written)
        entries.append(entry(whole, statement, "changed" if reason else "exported", reason))
    meta = {key: writing.value(one) for key, one in whole.settings.items() if key != "table"}
    meta = {key: one for key, one in meta.items() if not JINJA.search(one)}
    table["config"] = {"meta": {"pgslo": {"settings": meta, "rules": kept}}}
    if tests:
        table["data_tests"] = tests
    if columns:
        table["columns"] = [_column(name, below) for name, below in columns.items()]
    said = {"version": 2, "sources": [{"name": made.schema_name, "tables": [table]}]}
    return (
        document.text(
            said,
            "Written by pgslo export. Needs the package dbt_utils.",
            "Under meta.pgslo is what dbt has no test for.",
        ),
        entries,
    )


def _column(name: str, below: list[Any]) -> dict[str, Any]:
    return {"name": name, **({} if _PLAIN.match(name) else {"quote": True}), "data_tests": below}


def _written(test: _Test, statement: Statement) -> dict[str, Any]:
    rule = statement.rule
    config: dict[str, Any] = {"severity": "error" if rule.on_breach in ("reject", "quarantine") else "warn"}
    conditions = [
        f"({one})" for one in (rule.where and f"\n{rule.where.text}\n", test.where) if one is not None
    ]
    if conditions:
        config["where"] = _text(" AND ".join(one.replace("\n", " ") for one in conditions))
    if rule.at_most:
        config[f"{config['severity']}_if"] = f">{rule.at_most}"
    if rule.tags:
        config["tags"] = [_text(one) for one in rule.tags]
    said: dict[str, Any] = {"name": f"pgslo_{statement.rule.name}"}
    if test.arguments:
        said["arguments"] = _safe(test.arguments)
    return {test.name: said | {"config": config}}


def _text(item: str) -> str:
    """A text in which Jinja finds nothing to run; what would be run is refused."""
    if JINJA.search(item):
        raise NotExpressibleError("no_word")
    return item


def _safe(item: Any) -> Any:
    match item:
        case str():
            return _text(item)
        case list() | tuple():
            return [_safe(one) for one in item]
        case dict():
            return {key: _safe(one) for key, one in item.items()}
    return item


def _test(whole: Whole, statement: Statement) -> tuple[_Test | dict[str, Any], str | None]:
    rule = statement.rule
    make = _KINDS.get(type(rule))
    if make is None:
        raise NotExpressibleError("no_word")
    if statement.is_inside:
        raise NotExpressibleError("inside")
    plainness.check(rule, where=True, shares=True)
    if rule.at_least not in (None, 1.0):
        raise NotExpressibleError("of_batches")
    made = make(whole, rule)
    if isinstance(made, dict):
        return _safe(made), "judged_when_run"
    _safe([made.arguments, made.column or ""])
    reason = made.reason or ("table_not_batch" if rule.at_most else None)
    return made, reason


def _true(condition: str, column: str | None = None, reason: str | None = None) -> _Test:
    """A condition over a row; NULL passes on both sides."""
    del column
    return _Test("dbt_utils.expression_is_true", {"expression": condition}, None, reason)


def _name(column: str) -> str:
    return identifier(column).text


def _constant(value: Any) -> str:
    try:
        text = literal(value).text
    except UnsafeSql:
        raise NotExpressibleError("no_word") from None
    return "'" + str(value).replace("'", "''") + "'" if text.startswith(" E'") else text


def _not_null(whole: Whole, rule: Any) -> _Test:
    del whole
    return _Test("not_null", {}, rule.column)


def _unique(whole: Whole, rule: Any) -> _Test:
    del whole
    if rule.column is not None and rule.nulls == "distinct":
        return _Test("unique", {}, rule.column)
    present = " AND ".join(f"{_name(one)} IS NOT NULL" for one in rule.columns)
    return _Test(
        "dbt_utils.unique_combination_of_columns",
        {"combination_of_columns": [_name(one) for one in rule.columns]},
        # There, two NULLs are equal.
        where=present if rule.nulls == "distinct" else None,
    )


def _accepted(whole: Whole, rule: Any) -> _Test:
    del whole
    texts = all(isinstance(one, str) for one in rule.values)
    values = list(rule.values) if texts else [_constant(one) for one in rule.values]
    return _Test("accepted_values", {"values": values, "quote": texts}, rule.column)


def _not_accepted(whole: Whole, rule: Any) -> _Test:
    del whole
    texts = all(isinstance(one, str) for one in rule.values)
    values = list(rule.values) if texts else [_constant(one) for one in rule.values]
    return _Test("dbt_utils.not_accepted_values", {"values": values, "quote": texts}, rule.column)


def _range(whole: Whole, rule: Any) -> _Test:
    del whole
    ends = ((">=", rule.min), (">", rule.above), ("<=", rule.max), ("<", rule.below))
    parts = [f"{_name(rule.column)} {operator} {_constant(end)}" for operator, end in ends if end is not None]
    return _true(" AND ".join(parts), reason=None if len(parts) > 1 else "infinity_passes")


def _length(whole: Whole, rule: Any) -> _Test:
    del whole
    ends = ((">=", rule.min), ("<=", rule.max))
    parts = [
        f"char_length({_name(rule.column)}) {operator} {end}" for operator, end in ends if end is not None
    ]
    return _true(" AND ".join(parts))


def _pattern(whole: Whole, rule: Any) -> _Test:
    del whole
    return _true(f"{_name(rule.column)} ~{'*' if rule.ignore_case else ''} {_constant(rule.matches)}")


def _expression(whole: Whole, rule: Any) -> _Test:
    del whole
    return _true(f"({' '.join(rule.expression.text.split(chr(10)))})")


def _compare(whole: Whole, rule: Any) -> _Test:
    del whole
    return _true(f"{_name(rule.left)} {rule.operator} {_name(rule.right)}")


def _references(whole: Whole, rule: Any) -> _Test:
    del whole
    if rule.column is None:
        raise NotExpressibleError("no_word")
    # The name of the relation and no source(): another file may declare that, or none.
    return _Test("relationships", {"to": rule.table, "field": _name(rule.to[0])}, rule.column)


def _row_count(whole: Whole, rule: Any) -> _Test:
    del whole
    if rule.of != "table" or rule.relative_to is not None or rule.where is not None:
        raise NotExpressibleError("of_batches")
    ends = (("min_value", rule.min), ("max_value", rule.max))
    return _Test(
        "dbt_expectations.expect_table_row_count_to_be_between",
        {key: int(end) for key, end in ends if end is not None},
    )


def _freshness(whole: Whole, rule: Any) -> dict[str, Any]:
    del whole
    if rule.max_age is None or rule.of is None:
        raise NotExpressibleError("no_word")
    if rule.future == "ignored":
        raise NotExpressibleError("no_word")
    count, period = _span(rule.max_age)
    error = rule.on_breach == "reject"
    after = {"count": count, "period": period}
    return {
        "loaded_at_field": _name(rule.of),
        "freshness": {"error_after" if error else "warn_after": after},
    }


def _span(span: timedelta) -> tuple[int, str]:
    seconds = int(span.total_seconds())
    for period, size in _PERIODS:
        if seconds % size == 0:
            return seconds // size, period
    raise NotExpressibleError("no_word")


_KINDS: dict[type[rules.Rule], Callable[[Whole, Any], _Test | dict[str, Any]]] = {
    rules.NotNull: _not_null,
    rules.Unique: _unique,
    rules.AcceptedValues: _accepted,
    rules.NotAcceptedValues: _not_accepted,
    rules.Range: _range,
    rules.Length: _length,
    rules.Pattern: _pattern,
    rules.ExpressionRule: _expression,
    rules.Compare: _compare,
    rules.References: _references,
    rules.RowCount: _row_count,
    rules.Freshness: _freshness,
}
