"""What an author wrote for a rule, made into a :class:`Rule`: its name, its fields, and whether they fit together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgslo.definition import bounds, names
from pgslo.definition.rules import Rule
from pgslo.definition.syntax.forms import FILE_FORMS, OPTIONS, Form
from pgslo.definition.yaml.nodes import Mapping, Node, Scalar, Sequence
from pgslo.errors import DefinitionError, Location, Problems
from pgslo.expression import Expression

_DIGEST = 8
#: A path whose derived name is readable: bag__geo__country_range.
_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")

#: Rules over learned bounds are called so for the table, and so after its name for a column.
_LEARNED = "learned"
#: And so over batches that should come.
_LEARNED_BATCHES = "learned_batches"


@dataclass
class Written:
    """Values by key, and their locations."""

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
        """Build a rule from the text, or report why that fails."""
        place = written.places.get("name", kind.location)
        if "name" not in written.values:
            written.values["name"] = self._derived_name(kind.text, column)
        name = written.values["name"]
        location = place if column is None and kind.text not in FILE_FORMS else kind.location
        try:
            rule = form.rule(**_fields(form, kind.text, written, column, location))
        except DefinitionError as error:
            self._problems.add(error)
            return
        problems = [*_check_options(rule), *bounds.check(rule), *rule.check()]
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
        if name in (_LEARNED, _LEARNED_BATCHES) or name.endswith(f"_{_LEARNED}"):
            problems.append(
                DefinitionError(
                    f'name "{name}" is kept for what pgslo learns from history',
                    hint=f'Give the rule a "name" that is neither "{_LEARNED}" nor "{_LEARNED_BATCHES}" and does not end with "_{_LEARNED}".',
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
        if _PATH.fullmatch(column) and len(plain) < names.STABLE_NAME_BYTES:
            return f"{column.replace('.', '__')}_{tail}"
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
    options = {key: values.pop(key) for key in OPTIONS if key in values}
    fields = form.fields(values, column, kind=kind, location=location)
    return fields | options | {"column": column, "location": location, "places": written.places}


def _check_options(rule: Rule) -> Iterator[DefinitionError]:
    """Whether the action and the options fit the kind."""
    for option in rule.unfit.options:
        if option in rule.places:
            yield DefinitionError(
                f'"{option}" does not fit "{rule.kind}": {rule.unfit.reason}', location=rule.place(option)
            )
    if rule.on_breach not in rule.actions:
        yield rule.unfit_action()
