"""Rules in pgslo's own words inside of a contract, as ``pgslo export`` writes them: taken as they are."""

from __future__ import annotations

from typing import Any, cast

from pgslo.definition import names
from pgslo.definition.syntax.forms import FILE_FORMS
from pgslo.definition.syntax.keys import FILE_KEYS
from pgslo.definition.yaml import nodes, reader, writing
from pgslo.errors import DefinitionErrors
from pgslo.exporting import model, odcs
from pgslo.importing.formats.contracts.model import Fact, Level, Quality
from pgslo.importing.model import Found, Outcome, Place, Rule, SourceTable, UnmappableError, mapped
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, plain
from pgslo.sql import identifier

_PARTS = 2
_SECTIONS = {"rules": "rule", "assertions": "assertion"}
_SETTINGS = frozenset(FILE_KEYS) - frozenset(FILE_FORMS) - frozenset(_SECTIONS)
Signature = tuple[str | None, str, str]


def is_own(said: dict[str, Any]) -> bool:
    """Whether an entry under ``quality`` is in pgslo's own words."""
    return said.get("type") == "custom" and said.get("engine") == odcs.ENGINE


def outcome(found: Found, said: dict[str, Any]) -> Outcome:
    """Return the rule that an entry holds.

    Raises:
        UnmappableError: It is not a rule.
    """
    implementation = said.get("implementation")
    try:
        root = reader.read(str(implementation), path=found.location.path)
    except DefinitionErrors as error:
        raise UnmappableError("refused", f"its text is not YAML: {error.errors[0].message}") from None
    rule = _rule(writing.plain(root)) if isinstance(root, nodes.Mapping) else None
    if rule is None:
        raise UnmappableError("unclear", "it is not one rule, such as columns: {age: [not_null]}")
    return mapped(rule)


def _rule(fragment: dict[str, Any]) -> Rule | None:
    """The one rule of a fragment of a definition."""
    if len(fragment) != 1:
        return None
    ((key, value),) = fragment.items()
    if key in FILE_FORMS:
        return Rule(key, "file", verbatim={key: value})
    if key in _SECTIONS and isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        place = cast("Place", _SECTIONS[key])
        # The name comes first, and its name here is only shown.
        return Rule(key, place, verbatim=value[0]) if len(value[0]) == 1 else None
    if key == "columns" and isinstance(value, dict) and len(value) == 1:
        ((column, listed),) = value.items()
        if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str | dict):
            kind = listed[0] if isinstance(listed[0], str) else next(iter(listed[0]), "")
            return Rule(kind, "column", column, verbatim=listed[0])
    return None


def settings(node: Mapping) -> dict[str, Any] | None:
    """Return all else of a definition, from the properties of an object; ``None`` if it was not exported from one."""
    for item in node.mappings("customProperties"):
        if item.text("property") != odcs.ENGINE:
            continue
        try:
            root = reader.read(item.text("value") or "", path=item.location.path)
        except DefinitionErrors:
            return None
        found = writing.plain(root)
        return found if isinstance(found, dict) and isinstance(found.get("table"), str) else None
    return None


def take(table: SourceTable, said: dict[str, Any]) -> list[str]:
    """Give a table its settings, and return other keys."""
    try:
        parts = names.split(said["table"])
    except names.BadNameError:
        parts = ()
    if len(parts) != _PARTS:
        return ["table"]
    table.schema, table.name = parts
    listed = said.get("columns")
    table.listed = tuple(listed) if isinstance(listed, dict) else ()
    table.settings = {
        key: one for key, one in said.items() if key in _SETTINGS and key not in ("table", "columns")
    }
    return [key for key in said if key not in _SETTINGS]


def stated(table: SourceTable, found: list[Found], options: Options) -> set[Signature]:
    """Return what the contract says in the standard's words of rules that it has in pgslo's own words, too."""
    rules: list[Rule] = []
    for each in found:
        said = _quality(each)
        if said is not None and is_own(said):
            try:
                rules += outcome(each, said).rules
            except UnmappableError:
                continue
    try:
        return _stated(table, rules, options)
    except DefinitionErrors:
        # Without those that the loader refuses, which the definition does not get either.
        try:
            return _stated(table, [one for one in rules if _loads(table, one, options)], options)
        except DefinitionErrors:
            return set()


def _loads(table: SourceTable, rule: Rule, options: Options) -> bool:
    try:
        _stated(table, [rule], options)
    except DefinitionErrors:
        return False
    return True


def _stated(table: SourceTable, rules: list[Rule], options: Options) -> set[Signature]:
    whole: dict[str, Any] = {"table": _name(table), **(table.settings or {})}
    for rule in rules:
        if rule.place == "file":
            whole |= rule.verbatim
        elif rule.place == "column":
            whole.setdefault("columns", {}).setdefault(rule.column, []).append(rule.verbatim)
        else:
            whole.setdefault("rules" if rule.place == "rule" else "assertions", []).append(rule.verbatim)
    text = "".join(f"{key}: {writing.value(one)}\n" for key, one in whole.items())
    return odcs.stated(model.load(text, path="", kinds=dict(options.kinds)))


def _name(table: SourceTable) -> str:
    """Return a table's name as definitions write it."""
    return identifier(table.schema or "", table.name).text


def _quality(found: Found) -> dict[str, Any] | None:
    return (
        found.body[0].said if isinstance(found.body, tuple) and isinstance(found.body[0], Quality) else None
    )


def signature(found: Found) -> Signature:
    """Return what a check of a contract says, comparable with what an export states."""
    match found.body:
        case Fact(key="primaryKey"):
            return odcs.signature(None, "primaryKey", list(found.table.primary_key))
        case Fact(key=key, value=value):
            return odcs.signature(found.column, key, value)
        case Level(said=said):
            return odcs.signature(None, "latency", said)
    return odcs.signature(found.column, "quality", _quality(found) or plain(None))
