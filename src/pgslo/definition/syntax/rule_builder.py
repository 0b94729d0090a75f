"""What an author wrote for a rule, made into a :class:`Rule`: its name, its fields, and whether they fit together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgslo.definition import bounds, names
from pgslo.definition.rules import (
    Assertion,
    BatchRule,
    Compare,
    Length,
    NoOverlap,
    Range,
    References,
    Repair,
    Rule,
    SameAs,
    Schema,
    Skew,
    Unique,
)
from pgslo.definition.syntax import assertions
from pgslo.definition.syntax.forms import FILE_FORMS, OPTIONS, UNFIT_OPTIONS, Form
from pgslo.definition.yaml.named import canonical
from pgslo.definition.yaml.nodes import Mapping, Node, Scalar, Sequence
from pgslo.errors import DefinitionError, Location, Problems
from pgslo.expression import Expression

_DIGEST = 8
#: Text bounds that can be compared without knowing the column's type.
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?\Z")


@dataclass
class Written:
    """Values by key, and where they stand."""

    values: dict[str, Any]
    places: dict[str, Location]

    def put(self, key: str, value: Any, node: Node) -> None:
        """Keep a value; the items of a list have places of their own, ``columns.0``; so have the keys of a mapping."""
        self.values[key] = value
        self.places[key] = node.location
        if isinstance(node, Mapping):
            self.places.update({f"{key}.{name.text}": name.location for name, _ in node.entries})
        if isinstance(node, Sequence):
            self.places.update({f"{key}.{n}": item.location for n, item in enumerate(node.items)})


class Rules:
    """The rules of a file, in its order; names are given and kept apart here."""

    def __init__(self, problems: Problems) -> None:
        self.rules: list[Rule] = []
        self._problems = problems
        self._named: dict[str, Location] = {}
        self._stated: dict[tuple[Any, ...], Location] = {}
        self._counts: dict[tuple[str, str | None], int] = {}

    def add(self, form: Form, kind: Scalar, written: Written, *, column: str | None) -> None:
        """Make a rule of what is written, or tell why it cannot be one."""
        place = written.places.get("name", kind.location)
        if "name" not in written.values:
            written.values["name"] = self._derived_name(kind.text, column)
        name = written.values["name"]
        is_key_of_file = form.rule is Schema or form is FILE_FORMS.get(kind.text)
        location = place if column is None and not is_key_of_file else kind.location
        try:
            rule = form.rule(**_fields(form, kind.text, written, column, location))
        except DefinitionError as error:
            self._problems.add(error)
            return
        problems = [*_check_actions(rule), *_check_values(rule), *bounds.check(rule)]
        stated = self._stated.setdefault(_statement(kind.text, column, written), location)
        if stated is not location:
            problems.append(
                DefinitionError(f"the same rule is stated on line {stated.line}", location=rule.location)
            )
        elif (taken := self._named.setdefault(name, place)) is not place:
            problems.append(
                DefinitionError(
                    f'name "{name}" is taken by the rule on line {taken.line}',
                    hint='Give one of them another "name".',
                    location=place,
                )
            )
        for problem in problems:
            self._problems.add(problem)
        self.rules.append(rule)

    def _derived_name(self, kind: str, column: str | None) -> str:
        count = self._counts[kind, column] = self._counts.get((kind, column), 0) + 1
        tail = kind if count == 1 else f"{kind}_{count}"
        if column is None:
            return tail
        plain = f"{column}_{tail}"
        if names.STABLE_NAME.match(plain) and len(plain) <= names.STABLE_NAME_BYTES:
            return plain
        # The digest keeps columns apart whose names differ only in what a rule's name cannot hold.
        digest = hashlib.sha256(column.encode()).hexdigest()[:_DIGEST]
        readable = re.sub(r"[^a-z0-9_]+", "_", column.lower()).strip("_")
        readable = readable if readable[:1].isalpha() else f"c_{readable}"
        room = names.STABLE_NAME_BYTES - len(tail) - _DIGEST - 2
        return f"{readable[:room].rstrip('_')}_{digest}_{tail}"


def _statement(kind: str, column: str | None, written: Written) -> tuple[Any, ...]:
    """What a rule says, without its name and places."""
    said = {
        key: value.text if isinstance(value, Expression) else repr(value)
        for key, value in written.values.items()
        if key not in OPTIONS or key == "where"
    }
    return kind, column, tuple(sorted(said.items()))


def _fields(
    form: Form, kind: str, written: Written, column: str | None, location: Location
) -> dict[str, Any]:
    values = dict(written.values)
    fields = {key: values.pop(key) for key in OPTIONS if key in values}
    fields |= {"column": column, "location": location, "places": written.places}
    if form.custom:
        parameters = {each.name: values.get(each.name, each.default) for each in form.custom.parameters}
        return (
            {"description": form.custom.description}
            | fields
            | {
                "custom_kind": kind,
                "template": form.custom.template,
                "parameters": parameters,
                "columns": form.custom.columns(parameters),
                "condition": form.custom.condition(column, parameters, location=location),
            }
        )
    if issubclass(form.rule, Assertion):
        values = assertions.fields(form.rule, values)
    elif form.rule is Compare and column is not None:
        values = {"left": column, "operator": values["operator"], "right": values["to"]}
    elif form.rule is Unique and column is not None:
        values = {"columns": (column,)}
    elif form.rule is References:
        if column is not None:
            values = {"columns": (column,), "table": values["table"], "to": (values["column"],)}
        values["table"] = canonical(values["table"])
    elif form.rule is Skew:
        *table, to = values.pop("from")
        values |= {"table": canonical(tuple(table)), "to": to}
    elif form.rule is SameAs:
        values["table"] = canonical(values["table"])
    elif form.rule is NoOverlap:
        values |= {"start": values.pop("from"), "end": values.pop("to")}
    return fields | values


def _check_actions(rule: Rule) -> Iterator[DefinitionError]:
    """Whether the action and the options fit the kind."""
    unfit, reason = UNFIT_OPTIONS.get(type(rule), ((), ""))
    for option in unfit:
        if option in rule.places:
            yield DefinitionError(
                f'"{option}" does not fit "{rule.kind}": {reason}', location=rule.place(option)
            )
    shares = [option for option in ("at_least", "at_most") if option in rule.places and option not in unfit]
    if len(shares) > 1:
        yield DefinitionError(
            '"at_least" and "at_most" say the same in two ways',
            hint="Keep one.",
            location=rule.place("at_most"),
        )
    if isinstance(rule, BatchRule):
        return
    if isinstance(rule, Assertion):
        yield from assertions.check(rule)
        return
    if shares and rule.on_breach not in ("warn", "flag"):
        yield DefinitionError(
            f'"{shares[0]}" does not fit "on_breach: {rule.on_breach}"',
            detail="A rule that stops or changes rows judges each row by itself.",
            hint=f'Leave "{shares[0]}" out, or use on_breach: warn or flag.',
            location=rule.place(shares[0]),
        )
    yield from _check_breach(rule)


def _check_breach(rule: Rule) -> Iterator[DefinitionError]:
    place = rule.place("on_breach")
    if isinstance(rule, Repair) and rule.on_breach != "repair":
        yield DefinitionError(
            '"repair" mends rows; its action cannot be changed',
            hint='Add a rule of another kind to judge them, and leave "on_breach" out here.',
            location=place,
        )
    elif isinstance(rule, Schema) and rule.on_breach not in ("warn", "reject"):
        yield DefinitionError(
            f'"schema" cannot {rule.on_breach}', hint="Use on_breach: warn or reject.", location=place
        )
    elif rule.on_breach == "repair" and not isinstance(rule, Repair | Range):
        yield DefinitionError(
            f'"{rule.kind}" does not say how to repair a value',
            hint='Say it with a rule of the kind "repair", for example repair: {default: 0}.',
            location=place,
        )


def _check_values(rule: Rule) -> Iterator[DefinitionError]:
    """Whether the parameters fit each other."""
    match rule:
        case Range() | Length():
            yield from _check_bounds(rule, "min", rule.min, rule.max)
        case Repair(clip=(low, high)):
            yield from _check_bounds(rule, "clip", low, high)
        case References() if len(rule.columns) != len(rule.to):
            yield DefinitionError(
                f'"columns" has {len(rule.columns)} names and "to" has {len(rule.to)}',
                location=rule.place("to"),
            )
        case Compare() if rule.left == rule.right:
            place = rule.place("to" if "to" in rule.places else "right")
            yield DefinitionError(f'column "{rule.left}" is compared with itself', location=place)


def _check_bounds(rule: Rule, place: str, low: Any, high: Any) -> Iterator[DefinitionError]:
    if low is None or high is None:
        return
    is_text = isinstance(low, str), isinstance(high, str)
    if is_text[0] != is_text[1]:
        yield DefinitionError("one bound is a number and the other is text", location=rule.place(place))
    elif (not is_text[0] or (_ISO.match(low) and _ISO.match(high) and len(low) == len(high))) and low > high:
        yield DefinitionError(
            f"the lower bound {low} is above the upper bound {high}", location=rule.place(place)
        )
