"""Whether each rule is in force, its mechanism, and its unrecorded rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pgslo import naming
from pgslo.plan.drift.findings import Facts, Finding
from pgslo.plan.drift.observation import unseen

InForce = Literal["yes", "no", "unknown"]

MOVED_BY_MERGE = "a MERGE without INSERT and DELETE actions that moves rows to another partition"

#: Which triggers, by the number in their names, carry the rules of a mechanism.
_ORDERS: Mapping[str, tuple[int, ...]] = {
    "repair trigger": (naming.REPAIR_ORDER,),
    "schema trigger": (naming.ENFORCE_ORDER,),
    "row trigger": (naming.MEASURE_ORDER,),
    "statement trigger": (naming.MEASURE_ORDER,),
    "at close": (naming.TAKEN_ORDER, naming.MEASURE_ORDER, naming.EMPTIED_ORDER, naming.PAIR_ORDER),
    "at commit": (naming.ASSERT_ORDER, naming.SETTLE_ORDER),
}
_TRIGGER = re.compile(r"^trigger (?P<name>pgslo_(?P<order>\d+)_(?P<what>\w+?)) ON ", re.ASCII)
#: The function of triggers, by the end of its name, and their number.
_FUNCTIONS: Mapping[str, int] = {
    "__repair": naming.REPAIR_ORDER,
    "__measured": naming.MEASURE_ORDER,
    "__row_written": naming.MEASURE_ORDER,
}
#: Objects of pgslo's own that alone enforce a rule, in words.
_OWN_KINDS: Mapping[str, str] = {"unique_index": "unique index", "exclusion": "exclusion constraint"}
#: Findings about all rules of a table, after which none is in force.
_WHOLE = frozenset({"gone", "table replaced"})
#: Findings about another relation of a definition: functions that evaluate whole batches then read none.
_OTHERS_MOVED = frozenset({("gone", "table"), ("table renamed", "table"), ("foreign", "relation")})
#: Findings about a trigger after which writes pass it.
_PASSED = frozenset({"missing", "foreign", "switched off", "unarmed"})


@dataclass(frozen=True)
class Standing:
    """The state of one rule.

    Attributes:
        definition: The table's definition.
        rule: The rule's name.
        on_breach: The reaction to rows or batches that violate it.
        mechanism: How it is enforced.
        in_force: Whether every write is checked now; ``unknown`` where that cannot be determined, or depends on the writer.
        why: Sentences: why it is not in force, or why that is unknown.
        rests_on: The objects in the database without which it is not in force.
        passed_by: Writes that pass a rule which is in force, because PostgreSQL shows them to no trigger of its kind.
        rows_unseen: Rows written since the last apply that no trigger saw; 0 for rules of PostgreSQL's own, ``None``
            where it cannot be determined.
    """

    definition: str
    rule: str
    on_breach: str
    mechanism: str
    in_force: InForce
    why: tuple[str, ...]
    rests_on: tuple[str, ...]
    passed_by: tuple[str, ...]
    rows_unseen: int | None


def of_table(
    facts: Facts, rules: Sequence[Mapping[str, Any]], findings: Iterable[Finding]
) -> tuple[Standing, ...]:
    """The state of the rules of one definition.

    Args:
        facts: The table then and now.
        rules: Rows of ``sql/catalog/standing.sql`` about this definition.
        findings: What :func:`pgslo.plan.drift.find` found of this definition.
    """
    found = tuple(findings)
    return tuple(_standing(facts, rule, found) for rule in rules)


def untold(rule: Mapping[str, Any], why: str) -> Standing:
    """A rule whose state a role may not see."""
    return Standing(
        rule["definition"],
        rule["rule"],
        rule["on_breach"],
        rule["mechanism"],
        "unknown",
        (why,),
        (),
        (),
        None,
    )


def said(standings: Iterable[Standing]) -> tuple[str, ...]:
    """Sentences about the rules that are not in force, or may not be: one for those of a table with the same reasons."""
    alike: dict[tuple[str, InForce, tuple[str, ...]], list[str]] = {}
    for one in standings:
        if one.in_force != "yes":
            alike.setdefault((one.definition, one.in_force, one.why), []).append(one.rule)
    told = []
    for (definition, in_force, why), rules in alike.items():
        word = "not in force now" if in_force == "no" else "perhaps not in force now"
        more = f"; and {len(why) - 1:,} more, which pgslo drift shows" if len(why) > 1 else ""
        told.append(f"{definition}: {word}: {', '.join(rules)} ({why[0]}{more})")
    return tuple(told)


def _standing(facts: Facts, rule: Mapping[str, Any], findings: Sequence[Finding]) -> Standing:
    against = tuple(dict.fromkeys((*_faults(facts, rule), *_against(rule, findings))))
    doubts = () if against else tuple(dict.fromkeys(_doubts(rule, findings)))
    return Standing(
        facts.definition,
        rule["rule"],
        rule["on_breach"],
        rule["mechanism"],
        "no" if against else "unknown" if doubts else "yes",
        against or doubts,
        tuple(_rests_on(facts, rule)),
        (MOVED_BY_MERGE,) if rule["is_passed_by_merge"] else (),
        0 if rule["mechanism"] in ("native", "on read") else unseen(facts),
    )


def _faults(facts: Facts, rule: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about what PostgreSQL has to enforce for a rule, and does not."""
    return (said for name, said, _, _ in facts.faults if name == rule["rule"])


def named(
    facts: Facts, rules: Sequence[Mapping[str, Any]], findings: Iterable[Finding]
) -> tuple[Finding, ...]:
    """The findings of one definition, each with the rules that it concerns.

    Args:
        facts: The table then and now.
        rules: Rows of ``sql/catalog/standing.sql`` about this definition.
        findings: What :func:`pgslo.plan.drift.find` found of this definition.
    """
    made = {(name, _made(said)) for name, _, _, said in facts.faults if said is not None}
    told = []
    for one in findings:
        thing = one.thing.partition(" ON ")[0]
        against = tuple(
            rule["rule"]
            for rule in rules
            if _is_against(rule, one) or (one.what in _PASSED and (rule["rule"], thing) in made)
        )
        doubts = tuple(
            rule["rule"] for rule in rules if rule["rule"] not in against and _leaves_doubt(rule, one)
        )
        told.append(replace(one, not_in_force=against, in_doubt=doubts))
    return tuple(told)


def _made(said: Mapping[str, Any]) -> str:
    return f"{said['kind']} {'.'.join(said['names'])}"


def _against(rule: Mapping[str, Any], findings: Sequence[Finding]) -> Iterator[str]:
    """Sentences about what keeps a rule from being in force."""
    for one in findings:
        if _is_against(rule, one) and one.what != "not in force":
            is_about_it = one.what in ("broken", "paused")
            yield one.said if is_about_it else f"{one.thing}: {one.said}"


def _is_against(rule: Mapping[str, Any], one: Finding) -> bool:
    """Whether a finding keeps a rule from being in force."""
    name, mechanism = rule["rule"], rule["mechanism"]
    by_trigger = mechanism in _ORDERS
    if one.what in _WHOLE and one.thing == one.definition:
        return True
    if one.what in ("broken", "not in force"):
        return one.thing == f"rule {name}"
    if one.what == "paused":
        return one.thing in ("every rule", f"rule {name}") and by_trigger
    if one.what in ("column gone", "column renamed"):
        return by_trigger and one.thing.removeprefix("column ") in rule["columns"]
    trigger = _TRIGGER.match(f"{one.thing} ")
    if one.what not in _PASSED:
        return False
    return _carries(rule, trigger) if trigger else mechanism == "on read" and one.thing.startswith("view ")


def _doubts(rule: Mapping[str, Any], findings: Sequence[Finding]) -> Iterator[str]:
    """Sentences about what may keep a rule from being in force."""
    return (f"{one.thing}: {one.said}" for one in findings if _leaves_doubt(rule, one))


def _leaves_doubt(rule: Mapping[str, Any], one: Finding) -> bool:
    """Whether a finding may keep a rule from being in force."""
    if rule["mechanism"] not in _ORDERS:
        return False
    if one.what == "trigger renamed":
        trigger = _TRIGGER.match(f"{one.thing} ")
        return trigger is not None and _carries(rule, trigger)
    if (one.what, one.thing.partition(" ")[0]) in _OTHERS_MOVED:
        return bool(rule["mechanism"] == "at close")
    if one.what == "waiting":
        return bool(rule["mechanism"] == "at close")
    if one.what == "column gone" and " of " in one.thing:
        return bool(rule["mechanism"] == "at commit")
    if one.what in ("edited", "foreign", "missing") and one.thing.startswith("function "):
        return _may_call(rule, one.thing)
    return one.what in ("unknown", "other owner", "not observed")


def _may_call(rule: Mapping[str, Any], function: str) -> bool:
    """Whether the triggers of a rule may call a function: by its name, where that says which they are."""
    diverts: bool = rule["mechanism"] == "row trigger" and rule["on_breach"] == "quarantine"
    if function.endswith("__quarantine"):
        return diverts
    order = next((order for ending, order in _FUNCTIONS.items() if function.endswith(ending)), None)
    return order is None or (order in _ORDERS[rule["mechanism"]] and not diverts)


def _carries(rule: Mapping[str, Any], trigger: re.Match[str]) -> bool:
    """Whether a rule is enforced by this trigger."""
    if rule["mechanism"] == "row trigger" and rule["on_breach"] == "quarantine":
        return trigger["what"].startswith("quarantine")
    return int(trigger["order"]) in _ORDERS.get(rule["mechanism"], ())


def _rests_on(facts: Facts, rule: Mapping[str, Any]) -> Iterator[str]:
    """The objects that a rule needs, as the last apply left them, and the function that evaluates it."""
    if rule["mechanism"] == "at close":
        yield "pgslo.tick(), which closes batches"
    rest = rule["rests_on"]
    if rest is not None:
        columns = ", ".join(rest["columns"])
        match rest["kind"]:
            case "not_null":
                yield f"NOT NULL of column {columns}"
            case "unique":
                yield f"a unique index on ({columns})"
            case "object":
                made = rest["object"]
                yield f"{_OWN_KINDS.get(made['kind'], made['kind'])} {'.'.join(made['names'])}"
            case "relations":
                yield from (f"relation {'.'.join(one['table'])}" for one in rest["relations"])
            case _:
                yield f"a foreign key on ({columns}) that references {'.'.join(rest['table'])}"
    told: dict[str, None] = {}
    for one in facts.applied_objects or ():
        thing = f"{one['kind']} {one['names'][-1] if one['kind'] == 'trigger' else '.'.join(one['names'])}"
        trigger = _TRIGGER.match(f"{thing} ON ")
        if (trigger and _carries(rule, trigger)) or (
            rule["mechanism"] == "on read" and one["kind"] == "view"
        ):
            told[thing] = None
    yield from told
