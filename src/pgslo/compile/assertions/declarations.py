"""The registration of assertions in the runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgslo import sql
from pgslo.compile.artifact import Artifact, Statement, qualified
from pgslo.compile.assertions.commit import CommitCompiler
from pgslo.compile.assertions.groups import Touch
from pgslo.compile.assertions.held import Held
from pgslo.compile.snippets.documents import document
from pgslo.compile.table.context import TableContext
from pgslo.definition.rules import Definition
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Declare:
    document: Sql


@dataclass(frozen=True)
class _Wait:
    table: Sql


@dataclass(frozen=True)
class _Named:
    definition: Sql
    assertion: Sql


def told(one: Held) -> dict[str, Any]:
    """Return the registration of an assertion, among the other rules."""
    rule = one.rule
    own = one.parts.touches[0]
    return {
        "name": rule.name,
        "kind": rule.kind,
        "columns": () if rule.queries else own.columns,
        "on_breach": rule.on_breach,
        "at_least": None,
        "at_most": None,
        "samples": rule.samples,
        "mechanism": one.choice.mechanism,
        "promise": rule.summary,
        "owner": rule.owner,
        "description": rule.description,
        "tags": rule.tags,
        "scope": "assertion",
        "measure": {"form": "assertion", "function": one.function},
        **({"rests_on": one.choice.rests_on} if one.choice.rests_on else {}),
    }


def declaration(one: Held, definition: Definition, table: TableContext) -> Artifact:
    """Return the statement that registers how an assertion is enforced, and its dependencies."""
    rule = one.rule
    is_native = one.choice.mechanism == "native"
    declared: dict[str, Any] = {
        "definition": definition.name,
        "assertion": rule.name,
        "function": one.function,
        "enforced": one.is_enforced,
        "settle": CommitCompiler(table).settle_all if one.is_enforced else None,
        "deferred": rule.is_deferred,
        "validated": rule.validated,
        "buckets": one.parts.buckets if one.is_enforced else 0,
        "native": is_native,
        "dependencies": _dependencies(one.parts.touches),
    }
    named = _Named(sql.literal(definition.name), sql.literal(rule.name))
    plain = Artifact(
        "assertion",
        (definition.name, rule.name),
        definition.name,
        (Statement(Sql(f"{document(declared)} {one.parts.of_all} {rule.on_breach}")),),
        "",
    )
    told = sql.render("assertion_declare", _Declare(document(declared | {"fingerprint": plain.fingerprint})))
    validate = Statement(
        sql.render("assertion_validate", named),
        later=True,
        hazards=("reads every group, while others go on reading and writing",),
    )
    wants = rule.validated and not is_native
    # A transaction that wrote before the functions knew of it may be open, and its rows would not be seen.
    read = dict.fromkeys((touch.relation.schema, touch.relation.name) for touch in one.parts.touches)
    waits = tuple(
        Statement(
            sql.render("assertion_wait", _Wait(qualified(name))),
            "SHARE ROW EXCLUSIVE",
            ".".join(name),
            later=True,
            hazards=("waits for running writes, and lets no new one begin meanwhile",),
        )
        for name in read
    )
    return Artifact(
        kind="assertion",
        names=(definition.name, rule.name),
        definition=definition.name,
        create=(Statement(told), *waits, validate) if wants else (Statement(told),),
        reason="registers the dependencies of the assertion"
        + ("; then existing rows are checked" if wants else ""),
        replaceable=True,
        known_as=plain.fingerprint,
    )


def _dependencies(touches: tuple[Touch, ...]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for touch in touches:
        name = qualified((touch.relation.schema, touch.relation.name)).text
        one = found.setdefault(name, {"relation": name, "columns": [], "events": []})
        one["columns"] = list(dict.fromkeys((*one["columns"], *touch.columns)))
        one["events"] = list(dict.fromkeys((*one["events"], *touch.events)))
    return list(found.values())
