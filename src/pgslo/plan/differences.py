"""Differences between a definition and the installed state, in the definition's own words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pgslo.catalog import Catalog, Stated
from pgslo.compile import Compiled
from pgslo.plan.changed_words import changed

#: What has a value without being written.
_DEFAULTS: Mapping[str, Any] = {
    "opens_after": 1,
    "resolves_after": 1,
    "max_bytes": 2**30,
    "batches": "all",
}
#: What the runtime calls otherwise than definitions do.
_RENAMED = {"missed_before_open": "opens_after", "met_before_resolve": "resolves_after", "batch_key": "batch"}


@dataclass(frozen=True)
class Difference:
    """One thing that a definition says differently.

    Attributes:
        definition: The name of the definition.
        action: ``+`` for added, ``-`` for removed, ``~`` for changed rules.
        about: A rule, ``task NAME``, or a key of the definition.
        was: The installed text; empty for an added rule.
        becomes: What the file says; empty for what goes.
    """

    definition: str
    action: Literal["+", "~", "-"]
    about: str
    was: str = ""
    becomes: str = ""

    def __str__(self) -> str:
        match self.action:
            case "+":
                return f"+ {self.about}: {self.becomes}"
            case "-":
                return f"- {self.about}: {self.was}"
            case _:
                return f"~ {self.about}: {changed(self.was, self.becomes)}"


def differences(compiled: Iterable[Compiled], catalog: Catalog) -> tuple[Difference, ...]:
    """Compare definitions with their installed state: of one that is not installed every rule and task is new."""
    return tuple(
        one for each in compiled for one in _of_definition(each, _stated(each, catalog) or Stated({}, {}, {}))
    )


def _stated(each: Compiled, catalog: Catalog) -> Stated | None:
    definition = each.definition
    return catalog.stated.get(
        catalog.renamed.get((definition.schema_name, definition.table_name), definition.name)
    )


def _of_definition(each: Compiled, stated: Stated) -> Iterator[Difference]:
    name = each.definition.name
    told = {_RENAMED.get(key, key): value for key, value in each.told.items()}
    for about, was, becomes in _changed(stated.fields, told):
        yield Difference(name, "~", about, was, becomes)
    rules = {rule["name"]: rule for rule in each.told["rules"]}
    yield from _members(name, stated.rules, rules, first="promise", also="on_breach", prefix="")
    tasks = {task["name"]: task for task in each.told["tasks"]}
    yield from _members(name, stated.tasks, tasks, first="reads", also="contact", prefix="task ")


def _members(
    definition: str,
    stated: Mapping[str, Mapping[str, Any]],
    told: Mapping[str, Mapping[str, Any]],
    *,
    first: str,
    also: str,
    prefix: str,
) -> Iterator[Difference]:
    """Compare rules, or tasks, by name; ``first`` and ``also`` describe one that comes or goes."""

    def described(one: Mapping[str, Any]) -> str:
        besides = _words(also, one.get(also))
        return _words(first, one.get(first)) + (f" ({besides})" if besides else "")

    for name, one in told.items():
        if name not in stated:
            yield Difference(definition, "+", prefix + name, becomes=described(one))
            continue
        renamed = {_RENAMED.get(key, key): value for key, value in one.items()}
        for key, was, becomes in _changed(stated[name], renamed):
            about = prefix + name if key == first else f"{prefix}{name}: {key}"
            yield Difference(definition, "~", about, was, becomes)
    for name, one in stated.items():
        if name not in told:
            yield Difference(definition, "-", prefix + name, was=described(one))


def _changed(stated: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the differences: key, old text, new text."""
    for key, value in stated.items():
        was, becomes = _words(key, value), _words(key, told.get(key))
        if was != becomes:
            yield key, was, becomes


def _words(key: str, value: Any) -> str:
    """Return a value as one text, whether it is from a file or from the database."""
    match value:
        case None:
            return _words(key, _DEFAULTS[key]) if key in _DEFAULTS else ""
        case str():
            return value
        case Sequence():
            return ", ".join(str(one) for one in value)
        case _:
            return format(float(value), ".12g")
