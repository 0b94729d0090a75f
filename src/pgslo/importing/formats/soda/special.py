"""Checks of SodaCL with a form of their own: failed rows, schema, freshness, references, comparisons, changes, anomalies, user metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pgslo.importing.formats.soda.grammar import Line, limits
from pgslo.importing.formats.soda.metrics import one
from pgslo.importing.mapping import conditions, rules, spans, statements
from pgslo.importing.mapping.limits import Limits
from pgslo.importing.model import Outcome, Remark, Rule, TableName, UnmappableError, learned, mapped

_FRESHNESS = re.compile(
    r"freshness\s*(?:\(\s*(?P<column>[^()]+?)\s*\)|using\s+(?P<using>\w+)(?:\s+with\s+\S+)?)\s*(?:<|<=)\s*(?P<span>[\w ]+)\Z"
)
_REFERENCE = re.compile(
    r"values in \(?(?P<columns>[^()]+?)\)? must exist in (?P<table>[\w.\"]+)\s*\(?(?P<to>[^()]+?)\)?\Z"
)
_SAME = re.compile(r"row_count same as (?P<table>[\w.\"]+)\Z")
_CHANGE = re.compile(r"change (?P<percent>percent )?for row_count\s+(?P<rest>.+)\Z")
_LEARNED = ("anomaly detection for", "anomaly score for", "distribution_difference")
_NO_WORD = ("group by", "group evolution", "reconciliation", "change ", "cross check", "values in")

Named = Callable[[str], TableName]


def outcome(
    text: str, said: Mapping[str, Any], own: TableName | None, where: str | None, named: Named
) -> Outcome | None:
    """Return what a check of such a form becomes, or ``None`` for one of a metric."""
    text = " ".join(text.split())
    if text == "failed rows":
        return _failed_rows(said, where)
    if text == "schema":
        return _schema(said)
    freshness = _FRESHNESS.match(text)
    if freshness:
        column = (freshness["column"] or freshness["using"]).strip('"')
        return rules.age(one([column]), spans.short(freshness["span"]), own, narrowed=where)
    reference = _REFERENCE.match(text)
    if reference:
        ours, theirs = (
            [each.strip().strip('"') for each in reference[part].split(",")] for part in ("columns", "to")
        )
        if len(ours) != len(theirs):
            raise UnmappableError("unclear", "not as many columns on both sides")
        return rules.references(ours, named(reference["table"]), theirs, where=where)
    same = _SAME.match(text)
    if same:
        return _as_many(own, named(same["table"]), where)
    change = _CHANGE.match(text)
    if change:
        return _change(limits(change["rest"]), percent=bool(change["percent"]))
    if text.startswith(_LEARNED):
        return learned()
    if text.startswith(_NO_WORD):
        raise UnmappableError("no_word", f"{text[:60]}")
    return None


def _failed_rows(said: Mapping[str, Any], where: str | None) -> Outcome:
    condition, query = said.get("fail_condition"), said.get("fail_query")
    allowed = 0
    for key in ("warn", "fail"):
        if said.get(key) is not None:
            alert = said[key]
            text = alert.get("when") if isinstance(alert, dict) else alert
            wanted = limits(re.sub(r"\A\s*when\s+", "", str(text)), fails=True)
            allowed = 0 if wanted.is_zero else wanted.failures()
    if isinstance(condition, str):
        made = rules.expression(f"NOT ({condition})", where=where)
        return rules.tolerant(made, failures=allowed) if allowed else made
    if not isinstance(query, str):
        raise UnmappableError("unclear", "neither a condition nor a query says which rows fail")
    made = rules.returns_nothing(query)
    if not allowed:
        return made
    (rule,) = made.rules
    return mapped(
        Rule(rule.kind, rule.place, None, rule.parameters, {"at_most": allowed}), remarks=made.remarks
    )


def _schema(said: Mapping[str, Any]) -> Outcome:
    made: list[Rule] = []
    lost = False
    for key in ("warn", "fail"):
        for asked, what in (said.get(key) or {}).items() if isinstance(said.get(key), dict) else ():
            if asked == "when required column missing" and isinstance(what, list):
                made += [rule for name in what for rule in rules.exists(str(name))]
            elif asked == "when wrong column type" and isinstance(what, dict):
                made += [
                    rule
                    for name, type_name in what.items()
                    for rule in rules.of_type(str(name), str(type_name))
                ]
            else:
                lost = True
    made = list({(rule.column, str(rule.parameters)): rule for rule in made}.values())
    if not made:
        raise UnmappableError("no_word", "forbidden columns, their places, or any change")
    return mapped(*made, remarks=(Remark("mapped_in_part"),) if lost else ())


def _as_many(own: TableName | None, other: TableName, where: str | None) -> Outcome:
    if own is None:
        raise UnmappableError("no_table")
    if where is not None:
        raise UnmappableError("no_word", "a comparison of numbers of some rows")
    here, there = (f"(SELECT count(*) FROM {each.text})" for each in (own, other))  # noqa: S608 - the gate reads it
    return rules.number_is(here, f"{{}} = {there}")


def _change(wanted: Limits, *, percent: bool) -> Outcome:
    if wanted.outside or (wanted.low is None and wanted.high is None):
        raise UnmappableError("no_word", "a change outside of a range")
    divisor = 100 if percent else 1
    parameters: dict[str, Any] = {"of": "row_count", "relative_to": "previous"}
    parameters |= {} if percent else {"absolute": True}
    parameters |= {
        key: float(end) / divisor
        for key, end in (("min", wanted.low), ("max", wanted.high))
        if end is not None
    }
    remarks = [Remark("batch_not_table")] + ([Remark("ends_differ")] if wanted.above or wanted.below else [])
    return mapped(Rule("change", "rule", None, parameters, columns=("row_count",)), remarks=tuple(remarks))


def of_user(
    line: Line, said: Mapping[str, Any], wanted: Limits, own: TableName | None, where: str | None
) -> Outcome | None:
    """Return what a metric of the author's own becomes, or ``None`` for one of Soda's."""
    expression = next((text for key, text in said.items() if key.endswith("_expression")), None)
    query = next((text for key, text in said.items() if key.endswith("_query") and key != "fail_query"), None)
    if expression is None and query is None:
        return None
    if own is None:
        raise UnmappableError("no_table")
    if query is not None:
        return statements.number(str(query), wanted, own, {line.metric: own, own.name: own})
    condition = f" WHERE {where}" if where else ""
    number = f"SELECT {expression} FROM {own.text}{condition}"  # noqa: S608 - the gate reads the whole query
    return statements.number(conditions.query(number), wanted, own, {own.name: own})
