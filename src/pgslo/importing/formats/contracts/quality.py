"""Entries under ``quality`` of a contract as rules: metrics of the standard's library, and SQL with an operator."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pgslo.importing.formats.contracts.model import Contract, Level, Quality, compared_as
from pgslo.importing.mapping import constants, limits, patterns, rules, spans, statements, types
from pgslo.importing.mapping.conditions import column as quoted
from pgslo.importing.mapping.limits import Limits, number
from pgslo.importing.model import Found, Outcome, Remark, Rule, UnmappableError, mapped

#: Names of version 3.0, and other spellings, for those of 3.1.
_METRICS = {
    "nullvalues": "null", "nullcheck": "null", "nullcount": "null",
    "missingvalues": "missing",
    "invalidvalues": "invalid", "validvalues": "invalid",
    "duplicatevalues": "duplicate", "duplicatecount": "duplicate", "uniquecheck": "duplicate",
    "rowcount": "rows", "countcheck": "rows",
}  # fmt: skip
_OPERATORS = [
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeGreaterThanOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeLessThanOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
]
_PERCENT = frozenset({"percent", "%", "percentage"})


def limits_of(said: dict[str, Any]) -> Limits | None:
    """Return what an entry's operators ask; ``None`` without any.

    Raises:
        UnmappableError: A bound is not a number, or there are several operators that do not fit together.
    """
    found = {key: said[key] for key in _OPERATORS if key in said}
    if not found:
        return None
    made = Limits()
    for key, value in found.items():
        match key:
            case "mustBe":
                made = replace(made, low=number(value), high=number(value))
            case "mustNotBe":
                made = replace(
                    made, low=number(value), high=number(value), above=True, below=True, outside=True
                )
            case "mustBeGreaterThan":
                made = replace(made, low=number(value), above=True)
            case "mustBeGreaterOrEqualTo" | "mustBeGreaterThanOrEqualTo":
                made = replace(made, low=number(value))
            case "mustBeLessThan":
                made = replace(made, high=number(value), below=True)
            case "mustBeLessOrEqualTo" | "mustBeLessThanOrEqualTo":
                made = replace(made, high=number(value))
            case _:
                if not isinstance(value, list) or len(value) != 2:
                    raise UnmappableError("unclear", f"{key} needs two numbers")
                outside = key == "mustNotBeBetween"
                made = replace(
                    made,
                    low=number(value[0]),
                    high=number(value[1]),
                    outside=outside,
                    above=outside,
                    below=outside,
                )
    if made.outside and len(found) > 1:
        raise UnmappableError("unclear", "operators that do not fit together")
    return made


def outcome(found: Found, body: Quality, contract: Contract, logical: str | None = None) -> Outcome:
    """Return what an entry becomes, with what people say of it."""
    said = body.said
    kind = str(said.get("type") or ("sql" if said.get("query") else "library")).lower()
    match kind:
        case "text":
            raise UnmappableError("text_only", str(said.get("description") or "")[:200])
        case "sql":
            made = _sql(found, said, contract)
        case "library":
            made = _library(found, said, contract, logical)
        case _:
            raise UnmappableError(
                "unknown_check", f"type {kind[:40]} of a check is not in the standard, or of another tool"
            )
    if said.get("schedule") or said.get("scheduler"):
        made = replace(made, status="changed", remarks=(*made.remarks, Remark("schedule_lost")))
    return replace(made, rules=tuple(_said(rule, said) for rule in made.rules))


def _said(rule: Rule, said: dict[str, Any]) -> Rule:
    if rule.place == "schema":
        return rule
    options: dict[str, Any] = {}
    if str(said.get("description") or "").strip():
        options["description"] = " ".join(str(said["description"]).split())[:400]
    tags = [str(tag)[:100] for tag in said.get("tags") or () if str(tag).strip()]
    if tags:
        options["tags"] = tags
    warns = str(said.get("severity") or "").lower() in ("warning", "warn", "info", "low")
    return replace(rule, options=rule.options | options, severity="warn" if warns else "error")


def _sql(found: Found, said: dict[str, Any], contract: Contract) -> Outcome:
    wanted = limits_of(said)
    query = said.get("query")
    if wanted is None or not isinstance(query, str):
        raise UnmappableError("unclear", "SQL without an operator says nothing of its result")
    own = contract.own(found.table)
    names = {
        "object": own.text if own else None,
        "table": own.text if own else None,
        "model": own.text if own else None,
    }
    if found.column is not None:
        names |= dict.fromkeys(("property", "column", "field"), quoted(found.column))

    def named(match: re.Match[str]) -> str:
        return names.get(match[1].lower()) or match[0]

    sql = re.sub(r"\$?\{\s*(\w+)\s*\}", named, query)
    if "{" in sql:
        raise UnmappableError("parameter", "a placeholder of the SQL has no value here")
    return statements.number(sql, wanted, own, contract.known())


def _library(found: Found, said: dict[str, Any], contract: Contract, logical: str | None) -> Outcome:
    name = str(said.get("metric") or said.get("rule") or "")
    metric = _METRICS.get(name.lower())
    wanted = limits_of(said)
    percent = str(said.get("unit") or "rows").lower() in _PERCENT
    # The standard's own example writes pattern and validValues beside "arguments", too.
    arguments = said | (said["arguments"] if isinstance(said.get("arguments"), dict) else {})
    if metric is None:
        raise UnmappableError("unknown_check", f"the standard's library has no metric {name[:40]}")
    if metric == "rows":
        if wanted is None:
            raise UnmappableError("unclear", "a number of rows without an operator")
        return limits.rows(wanted, contract.own(found.table))
    wanted = wanted or Limits(0, 0)
    if metric == "duplicate":
        return _duplicates(found, arguments, wanted, contract, percent=percent)
    if found.column is None:
        raise UnmappableError("unclear", f"{name[:40]} of no property")
    on = found.column
    if metric == "null":
        return limits.failing(mapped(rules.not_null(on)), wanted, percent=percent)
    if metric == "missing":
        return _missing(on, arguments, wanted)
    return limits.failing(_valid(found, on, arguments, logical), wanted, percent=percent)


def _valid(found: Found, on: str, arguments: dict[str, Any], logical: str | None) -> Outcome:
    made: list[Rule] = []
    remarks: tuple[Remark, ...] = ()
    if arguments.get("validValues") is not None:
        type_name = compared_as(logical, types.known(found.table.column_types.get(on)))
        given = arguments["validValues"]
        values, remarks = constants.listed(given if isinstance(given, list) else [given], type_name)
        made.append(rules.rule("accepted_values", on, {"values": values}))
    if arguments.get("pattern") is not None:
        made.append(rules.rule("pattern", on, {"matches": patterns.posix(str(arguments["pattern"]))}))
    if not made:
        raise UnmappableError("unclear", "neither validValues nor pattern defines valid values")
    return mapped(*made, remarks=remarks)


def _missing(on: str, arguments: dict[str, Any], wanted: Limits) -> Outcome:
    given = arguments.get("missingValues")
    values = [one for one in (given if isinstance(given, list) else [given]) if one is not None]
    if not wanted.is_zero:
        raise UnmappableError("no_word", "a number of rows that fail one of two rules")
    made = [rules.not_null(on)]
    if values:
        made.append(rules.rule("not_accepted_values", on, {"values": constants.listed(values, None)[0]}))
    return mapped(*made, remarks=(Remark("null_differs"),))


def _duplicates(
    found: Found, arguments: dict[str, Any], wanted: Limits, contract: Contract, *, percent: bool
) -> Outcome:
    given = arguments.get("properties") or arguments.get("columns")
    columns = (
        [str(one) for one in given] if isinstance(given, list) else [found.column] if found.column else []
    )
    required = contract.required.get(found.table.key, set()) | found.table.present
    nulls_equal = len(columns) > 1 and not required.issuperset(columns)
    made = rules.unique(contract.own(found.table), [one for one in columns if one], nulls_equal=nulls_equal)
    if wanted.is_zero and not percent:
        return made
    counted = limits.failing(made, wanted, percent=percent)
    return replace(counted, status="changed", remarks=(*counted.remarks, Remark("fail_calc")))


def level(found: Found, body: Level, contract: Contract) -> Outcome:
    """Return what a service level becomes."""
    if body.key not in ("freshness", "latency"):
        raise UnmappableError("no_word", f"{body.key[:40]} is not about rows that pgslo evaluates")
    said = body.said
    if "value" in said:
        max_age = spans.span(said["value"], str(said.get("unit") or ""))
    else:
        text = str(said.get("threshold") or "")
        max_age = spans.iso(text) if text.upper().startswith("P") else spans.short(text)
    if body.column is not None:
        return rules.age(body.column, max_age, contract.own(found.table))
    return mapped(Rule("freshness", "file", None, {"max_age": max_age}), remarks=(Remark("judged_on_read"),))
