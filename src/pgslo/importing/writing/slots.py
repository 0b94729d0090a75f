"""Rules of one table put together: a repeated rule is written once, with all of its locations."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from pgslo.definition import names
from pgslo.definition.rules import BUILT_IN
from pgslo.importing.ledger import Entry
from pgslo.importing.mapping import rules as making
from pgslo.importing.mapping import words
from pgslo.importing.mapping.conditions import column
from pgslo.importing.model import Outcome, Remark, Rule, TableName, not_mapped
from pgslo.importing.options import Options

_DIGEST = 6
#: Options in which checks that say the same may differ: the definition holds one of them.
_BOUNDS = ("at_least", "at_most", "warn_below", "warn_above", "enabled")


@dataclass(eq=False)
class Slot:
    """A rule with the checks that it states.

    Attributes:
        name: Its name, if it is to be written.
    """

    rule: Rule
    entries: list[Entry] = field(default_factory=list)
    name: str | None = None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """The changes in any of its checks."""
        return tuple(dict.fromkeys(remark for entry in self.entries for remark in entry.outcome.remarks))


def fill(table: TableName, entries: Iterable[Entry], options: Options) -> list[Slot]:
    """Return the rules of a table; checks that cannot be among them are settled again."""
    slots: dict[tuple[str, str], Slot] = {}
    for entry in entries:
        if any(_is_other_age(rule, slots) for rule in entry.outcome):
            entry.outcome = not_mapped("same_rule", "the definition has freshness already, of a column")
            continue
        made = list(_placed(table, entry, slots))
        clash = next((one for one in made if _differs(slots.get(_key(one)), one)), None)
        if clash is not None:
            entry.outcome = not_mapped(
                "same_rule", f"the definition has {clash.kind} already, with another bound"
            )
            continue
        for one in made:
            slot = slots.setdefault(_key(one), Slot(one))
            slot.entries.append(entry)
            if slot.rule.parameters.get("type") == words.ANY_TYPE:
                slot.rule = replace(slot.rule, parameters=one.parameters)
            if one.severity == "error" and slot.rule.severity == "warn":
                slot.rule = replace(slot.rule, severity="error")
    found = list(slots.values())
    for slot in found:
        _act(slot, options)
    _name(found)
    return found


def _key(rule: Rule) -> tuple[str, str]:
    if rule.place != "schema":
        return rule.place, rule.statement
    return rule.place, str(rule.column if rule.column is not None else next(iter(rule.parameters)))


def _differs(slot: Slot | None, rule: Rule) -> bool:
    if slot is None:
        return False
    if rule.place == "schema":
        # A column that has a type is there.
        return (
            words.ANY_TYPE not in (said := [one.parameters.get("type") for one in (slot.rule, rule)])
            and len({repr(one) for one in said}) > 1
        )
    return any(slot.rule.options.get(one) != rule.options.get(one) for one in _BOUNDS)


def _placed(table: TableName, entry: Entry, slots: dict[tuple[str, str], Slot]) -> Iterator[Rule]:
    """The rules of a check; of those that are keys of the file, a second one goes under ``rules``."""
    for rule in entry.outcome:
        others = [
            slot for slot in slots.values() if slot.rule.place == "file" and slot.rule.kind == rule.kind
        ]
        if (
            rule.place != "file"
            or rule.verbatim is not None
            or not others
            or others[0].rule.statement == rule.statement
        ):
            yield rule
        elif rule.kind == "row_count":
            yield replace(rule, place="rule")
        else:
            asked = _age_query(table, rule)
            entry.outcome = replace(entry.outcome, rules=asked.rules)
            yield from asked.rules


def _is_other_age(rule: Rule, slots: dict[tuple[str, str], Slot]) -> bool:
    """Whether a rule is about the age of the last write, and there is one about another age."""
    if rule.kind != "freshness" or "of" in rule.parameters or rule.verbatim is not None:
        return False
    return any(
        slot.rule.kind == "freshness" and slot.rule.statement != rule.statement for slot in slots.values()
    )


def _age_query(table: TableName, rule: Rule) -> Outcome:
    """The question for the age of a column's newest value, beside another one that is the file's key."""
    said = rule.parameters
    return making.age_query(column(said["of"]), said["max_age"], table, future=said["future"])


def _act(slot: Slot, options: Options) -> None:
    """Give a rule the action that was asked for; where it cannot have it, its checks are changed."""
    if slot.rule.verbatim is not None or options.error_as == "warn" or slot.rule.severity == "warn":
        return
    counting = slot.rule.options.keys() & {"at_least", "at_most", "warn_below", "warn_above"}
    if (
        options.error_as in BUILT_IN[slot.rule.kind].actions
        and not counting
        and slot.rule.kind != "row_count"
    ):
        if slot.rule.place != "schema":
            slot.rule = replace(slot.rule, options=slot.rule.options | {"on_breach": options.error_as})
        return
    for entry in slot.entries:
        if Remark("only_warns") not in entry.outcome.remarks:
            entry.outcome = replace(
                entry.outcome, status="changed", remarks=(*entry.outcome.remarks, Remark("only_warns"))
            )


def _name(slots: list[Slot]) -> None:
    """Name the rules that need a name: those under ``rules``, and the second and further ones of a kind under a column."""
    taken = {slot.rule.kind for slot in slots if slot.rule.place in ("file", "schema")}
    taken |= {next(iter(slot.rule.verbatim)) for slot in slots if isinstance(slot.rule.verbatim, dict)}
    seen: set[tuple[str, str | None]] = set()
    for slot in slots:
        rule = slot.rule
        if rule.verbatim is not None:
            continue
        wanted = rule.options.get("name")
        slot.rule = rule = replace(
            rule, options={key: one for key, one in rule.options.items() if key != "name"}
        )
        if rule.place in ("file", "schema"):
            continue
        first = (rule.kind, rule.column) not in seen
        seen.add((rule.kind, rule.column))
        if rule.place == "column" and first and not wanted:
            continue
        stem = (
            wanted or "_".join((rule.kind, *rule.columns))
            if rule.place == "rule"
            else wanted or f"{rule.column}_{rule.kind}"
        )
        slot.name = _stable(stem, rule, taken, distinct=rule.place == "column" and not wanted)
        taken.add(slot.name)


def _stable(stem: str, rule: Rule, taken: set[str], *, distinct: bool) -> str:
    """A name that rules may have, and that does not depend on the order of the source."""
    plain = re.sub(r"[^a-z0-9_]+", "_", stem.lower()).strip("_") or rule.kind
    plain = plain if plain[:1].isalpha() else f"c_{plain}"
    if (
        not distinct
        and len(plain) <= names.STABLE_NAME_BYTES
        and plain not in taken
        and not plain.endswith("learned")
    ):
        return plain
    digest = hashlib.sha256(f"{stem}{rule.statement}".encode(errors="replace")).hexdigest()[:_DIGEST]
    return f"{plain[: names.STABLE_NAME_BYTES - _DIGEST - 1].rstrip('_')}_{digest}"
