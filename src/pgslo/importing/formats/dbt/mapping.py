"""What a check of a dbt project becomes: a test with its configuration, the age of a source, a constraint, a type."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

from pgslo.definition import names
from pgslo.importing.formats.dbt.aggregates import AGGREGATES
from pgslo.importing.formats.dbt.kinds import KINDS, PACKAGES
from pgslo.importing.formats.dbt.model import Constraint, DataType, Freshness, Project, Singular, Test
from pgslo.importing.mapping import rules, spans, types
from pgslo.importing.mapping.conditions import checked
from pgslo.importing.model import Found, Outcome, Remark, Rule, SourceTable, UnmappableError, mapped

_FAILURES = re.compile(r"\s*(>=?|!=|<>)\s*(\d{1,15})\s*\Z")
_DEFAULT = "!=0"
_KINDS = KINDS | AGGREGATES
#: Tests that themselves say how failures are counted.
_OWN_CALCULATION = frozenset({"equal_rowcount", "fewer_rows_than", "equality"})
#: Tests of other packages that learn from history.
_LEARNING = re.compile(r"(volume|column|dimension|all_columns|event_freshness|freshness)_anomalies\Z")


def outcome(found: Found, project: Project) -> Outcome:
    """Return what a check becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    match found.body:
        case Test():
            return _test(found.body, project)
        case Singular():
            return _singular(found.body, project)
        case Freshness():
            return _freshness(found.body, found.table, project)
        case Constraint():
            return _constraint(found.body, found.table, project)
        case DataType():
            return _type(found.body, found.table, found.column)
    raise AssertionError(f"{type(found.body).__name__} is not a check of dbt")


def _test(test: Test, project: Project) -> Outcome:
    kind = _KINDS.get(test.name.lower())
    if test.package == "elementary" and _LEARNING.match(test.name):
        return Outcome("learned", remarks=(Remark("learned_bounds"),))
    if kind is None and test.package is not None and test.package in PACKAGES:
        raise UnmappableError("no_word", f"{test.name[:80]} of {test.package}")
    if kind is None or test.package not in PACKAGES:
        known = (
            "" if kind is None else f"; {test.name} of package {test.package} may differ from its namesake"
        )
        raise UnmappableError(
            "private_test", f"{test.name} is a test of the project's own, or of a package{known}"
        )
    rendered = replace(
        test,
        arguments={
            # Names of other tables are resolved where they are used.
            key: value if key in ("to", "compare_model") else project.jinja.all_of(value)
            for key, value in test.arguments.items()
        },
        config=project.jinja.all_of(test.config),
    )
    made = kind(rendered, project)
    made = _tolerance(made, rendered.config)
    counts_otherwise = rendered.config.get("fail_calc") not in (None, "count(*)")
    if counts_otherwise and test.name not in _OWN_CALCULATION:
        made = replace(made, status="changed", remarks=(*made.remarks, Remark("fail_calc")))
    return replace(made, rules=tuple(_said(rule, rendered) for rule in made.rules))


def _singular(body: Singular, project: Project) -> Outcome:
    made = _tolerance(rules.returns_nothing(project.jinja.render(body.code)), body.config)
    warns = str(body.config.get("severity") or "error").lower() == "warn"
    return replace(
        made, rules=tuple(replace(rule, severity="warn" if warns else "error") for rule in made.rules)
    )


def _tolerance(made: Outcome, config: dict[str, Any]) -> Outcome:
    """The number of failures that are fine; two bounds become one."""
    warn, error = (re.sub(r"\s", "", str(config.get(key) or _DEFAULT)) for key in ("warn_if", "error_if"))
    severity = str(config.get("severity") or "error").lower()
    counts = severity == "error" and error != _DEFAULT
    said = error if counts and warn == _DEFAULT else warn
    lost = (Remark("second_bound_lost"),) if counts else ()
    if said == _DEFAULT:
        return made
    match = _FAILURES.match(said)
    if match is None:
        raise UnmappableError("unclear", f'"{said[:40]}" is not a bound on failures that can be mapped')
    failures = int(match[2]) - (match[1] == ">=") if match[1] != "!=" else int(match[2])
    if failures < 0 or (match[1] in ("!=", "<>") and failures != 0):
        raise UnmappableError("unclear", f'"{said[:40]}" is not a bound on failures that can be mapped')
    made = rules.tolerant(made, failures=failures) if failures else made
    return replace(made, status="changed", remarks=(*made.remarks, *lost)) if lost else made


def _said(rule: Rule, test: Test) -> Rule:
    """A rule with what people say of its test."""
    options: dict[str, Any] = {}
    meta = test.config.get("meta") if isinstance(test.config.get("meta"), dict) else {}
    if test.title and names.STABLE_NAME.match(test.title) and len(test.title) <= names.STABLE_NAME_BYTES:
        options["name"] = test.title
    if test.description.strip():
        options["description"] = " ".join(test.description.split())[:400]
    owner = (meta or {}).get("owner")
    if isinstance(owner, str) and owner.strip() and rule.place != "schema":
        options["owner"] = owner.strip()[:200]
    tags = [
        str(tag)[:100] for tag in (*_listed(test.config.get("tags")), *test.table.tags) if str(tag).strip()
    ]
    if tags:
        options["tags"] = list(dict.fromkeys(tags))
    if test.config.get("enabled") is False or str(test.config.get("enabled")).lower() == "false":
        options["enabled"] = False
    warns = str(test.config.get("severity") or "error").lower() == "warn"
    kept = {} if rule.place == "schema" else options
    return replace(rule, options=rule.options | kept, severity="warn" if warns else "error")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _freshness(body: Freshness, table: SourceTable, project: Project) -> Outcome:
    config = project.jinja.all_of(body.config)
    limits = {key: config.get(key) for key in ("warn_after", "error_after")}
    stated = [one for one in limits.values() if isinstance(one, dict) and one.get("count") is not None]
    if not stated:
        raise UnmappableError("unclear", "neither warn_after nor error_after says how old the data may be")
    max_age = spans.span(stated[0]["count"], str(stated[0].get("period")))
    lost = (Remark("second_bound_lost"),) if len(stated) > 1 else ()
    field = project.jinja.render(body.field).strip() if body.field else ""
    if not field:
        made = mapped(
            Rule("freshness", "file", None, {"max_age": max_age}), remarks=(Remark("judged_on_read"),)
        )
    else:
        rows = config.get("filter")
        made = rules.age(field, max_age, project.own(table), narrowed=checked(str(rows)) if rows else None)
    severity: Literal["error", "warn"] = "error" if limits["error_after"] is stated[0] else "warn"
    return replace(
        made,
        status="changed" if lost else made.status,
        remarks=(*made.remarks, *lost),
        rules=tuple(replace(rule, severity=severity) for rule in made.rules),
    )


def _constraint(body: Constraint, table: SourceTable, project: Project) -> Outcome:
    if body.said.get("type") and not body.columns and body.kind != "check":
        raise UnmappableError("unclear", "the constraint names no columns")
    match body.kind:
        case "not_null":
            return mapped(*(rules.not_null(name) for name in body.columns))
        case "unique":
            return rules.unique(project.own(table), body.columns)
        case "primary_key":
            return primary_key(body.columns, project, table)
        case "check":
            text = project.jinja.render(str(body.said.get("expression") or ""))
            return rules.expression(text, on=body.columns[0] if len(body.columns) == 1 else None)
        case "foreign_key":
            to, there = body.said.get("to"), body.said.get("to_columns")
            if not isinstance(to, str) or not isinstance(there, list):
                raise UnmappableError("unclear", "the foreign key is SQL, or names no columns")
            return rules.references(body.columns, project.other(to), [str(one) for one in there])
    raise UnmappableError("unknown_check", f"{body.kind[:40]} is not a constraint that pgslo knows")


def primary_key(columns: tuple[str, ...], project: Project, table: SourceTable) -> Outcome:
    """Return the rules that a primary key states."""
    unique = rules.unique(project.own(table), columns)
    return mapped(*(rules.not_null(name) for name in columns), *unique.rules, needs=unique.needs)


def _type(body: DataType, table: SourceTable, column: str | None) -> Outcome:
    if column is not None:
        return rules.of_type(column, body.text or "")
    if not table.column_types or not all(types.known(one) for one in table.column_types.values()):
        raise UnmappableError(
            "mapped_in_part", "the contract allows no other columns, and not every type is known"
        )
    return mapped(Rule("schema", "schema", None, {"extra": "forbid"}))
