"""Kinds of an organisation's own: a condition with blanks, and a header that declares them.

A template is SQL with ``{{ name }}`` where a value goes, and nothing else: no logic, no filters. The result
has to pass the same gate as an author's expression, so a template can do no more than an author could.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pgslo import expression
from pgslo.definition import names
from pgslo.definition.rules import BUILT_IN, Rule
from pgslo.definition.yaml import reader
from pgslo.definition.yaml.lists import ListOf
from pgslo.definition.yaml.named import Name
from pgslo.definition.yaml.values import Boolean, Bound, Integer, Shape, Text, close_match
from pgslo.errors import ConfigurationError, DefinitionError, DefinitionErrors, Location
from pgslo.expression import Expression

MAX_BYTES = 20_000
_NAME_BYTES = 30
_HEADER = re.compile(r"--[ \t]*(?P<key>\w+)[ \t]*:[ \t]*(?P<value>.*?)[ \t]*\Z")
_PARAMETER = re.compile(
    r"(?P<name>\w+)[ \t]+(?P<type>list of \w+|\w+)(?:[ \t]+default[ \t]+(?P<default>.+))?\Z"
)
_BLANK = re.compile(r"\{\{[ \t]*(?P<name>[a-z_][a-z0-9_]*)[ \t]*\}\}")
_VALUE = "value"

_SHAPES: dict[str, tuple[Shape, Any]] = {
    "text": (Text(), "text"),
    "integer": (Integer(-(2**63), 2**63 - 1), 1),
    "number": (Bound(numbers_only=True), decimal.Decimal("1.5")),
    "boolean": (Boolean(), True),
    "column": (Name(), "column"),
    "list of text": (ListOf(Text(lenient=True)), ("a", "b")),
    "list of number": (ListOf(Bound(numbers_only=True)), (1, decimal.Decimal("2.5"))),
}


@dataclass(frozen=True)
class Parameter:
    """One blank of a template.

    Attributes:
        name: What the template and the definition call it.
        type: One of text, integer, number, boolean, column, list of text, list of number.
        default: Its value when the author gives none.
        required: Whether the author has to give one.
    """

    name: str
    type: str
    default: Any = None
    required: bool = True

    @property
    def shape(self) -> Shape:
        """What its values look like."""
        return _SHAPES[self.type][0]


@dataclass(frozen=True)
class CustomKind:
    """A kind of rule that a template defines.

    Attributes:
        name: The word that definitions use; also the template file's stem.
        description: The summary of the rule.
        parameters: What the author may say.
        template: The text below the header.
        location: Where that text starts.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    template: str
    location: Location

    @property
    def about_column(self) -> bool:
        """Whether it is about the column it is written under; otherwise it is a rule of the whole row."""
        return any(match["name"] == _VALUE for match in _BLANK.finditer(self.template))

    def columns(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The other columns a rule is about."""
        return tuple(values[each.name] for each in self.parameters if each.type == "column")

    def condition(self, column: str | None, values: Mapping[str, Any], *, location: Location) -> Expression:
        """The condition that the template prints.

        Args:
            column: The column the rule is written under.
            values: A value for every parameter.
            location: The location of the rule.

        Raises:
            DefinitionError: The printed condition is not allowed, for example too long.
        """
        text, _ = self._print(column, values)
        try:
            return expression.parse(text, location=location, locate=lambda _: location)
        except DefinitionError as error:
            raise DefinitionError(
                f'kind "{self.name}": {error.message}',
                detail=f"Its condition is printed by {self.location.path}.",
                hint=error.hint,
                location=location,
            ) from None

    def check(self) -> None:
        """Try the template with made-up values.

        Raises:
            ConfigurationError: It does not print an allowed condition.
        """
        values = {each.name: _SHAPES[each.type][1] for each in self.parameters}
        text, places = self._print("value" if self.about_column else None, values)
        try:
            expression.parse(text, location=self.location, locate=places)
        except DefinitionError as error:
            raise ConfigurationError(
                f'kind "{self.name}": {error.message}',
                detail=f"With made-up values it prints: {text}",
                hint=error.hint,
                location=error.location,
            ) from None

    def _print(self, column: str | None, values: Mapping[str, Any]) -> tuple[str, Callable[[int], Location]]:
        printed = {each.name: _printed(each.type, values[each.name]) for each in self.parameters}
        if column is not None:
            printed[_VALUE] = _quoted(column)
        parts: list[str] = []
        #: Length printed so far to index in the template.
        steps: list[tuple[int, int]] = [(0, 0)]
        length = done = 0
        for match in _BLANK.finditer(self.template):
            kept = self.template[done : match.start()]
            blank = printed[match["name"]]
            parts += [kept, blank]
            steps.append((length + len(kept), match.start()))
            length += len(kept) + len(blank)
            done = match.end()
            steps.append((length, done))
        parts.append(self.template[done:])

        def place(offset: int) -> Location:
            start, index = max(step for step in steps if step[0] <= offset)
            is_blank = _BLANK.match(self.template, index) is not None
            return _place(self.template, index if is_blank else index + offset - start, self.location)

        return "".join(parts), place


def _place(text: str, index: int, start: Location) -> Location:
    before = text[:index]
    lines = before.count("\n")
    column = index - before.rfind("\n") if lines else start.column + index
    return Location(start.path, start.line + lines, column)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _printed(type_: str, value: Any) -> str:
    if type_ == "column":
        return _quoted(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(_constant(item) for item in value) + ")"
    return _constant(value)


def _constant(value: Any) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | decimal.Decimal():
            # In parentheses, or "-{{ x }}" would become a comment.
            return f"({value})" if value < 0 else str(value)
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def load_kinds(files: Mapping[str, str]) -> dict[str, CustomKind]:
    """Read an organisation's own kinds.

    Args:
        files: Text of each template by its path; ``kinds/iban.sql`` holds the kind ``iban``.

    Returns:
        The kinds by name.

    Raises:
        ConfigurationError: A template is not one; its place is named.
    """
    kinds: dict[str, CustomKind] = {}
    for path, text in sorted(files.items()):
        kind = _kind(text, path)
        if kind.name in kinds:
            raise ConfigurationError(
                f'kind "{kind.name}" is defined twice',
                detail=f"The other one is {kinds[kind.name].location.path}.",
                location=Location(path, 1, 1),
            )
        kinds[kind.name] = kind
    return kinds


def _kind(text: str, path: str) -> CustomKind:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise ConfigurationError(
            f"the template is larger than {MAX_BYTES:,} bytes", location=Location(path, 1, 1)
        )
    lines = text.split("\n")
    count = next(
        (n for n, line in enumerate(lines) if line.strip() and not line.startswith("--")), len(lines)
    )
    head = _Header(path)
    for number, line in enumerate(lines[:count], 1):
        if line.strip():
            head.line(line, number)
    body = "\n".join(lines[count:]).rstrip()
    kind = CustomKind(
        head.name(), head.description(), tuple(head.parameters), body, Location(path, count + 1, 1)
    )
    _check_blanks(kind)
    kind.check()
    return kind


class _Header:
    def __init__(self, path: str) -> None:
        self._path = path
        self._fields: dict[str, tuple[str, Location]] = {}
        self.parameters: list[Parameter] = []

    def line(self, line: str, number: int) -> None:
        """Read one line of the header."""
        place = Location(self._path, number, 1)
        match = _HEADER.match(line)
        if match is None:
            raise ConfigurationError(
                "a header line has the form -- key: value",
                hint="Comments are not allowed in a template; use -- description: …",
                location=place,
            )
        key, value = match["key"], match["value"]
        place = Location(self._path, number, match.start("value") + 1)
        if key == "parameter":
            self.parameters.append(self._parameter(value, place))
        elif key not in ("kind", "description"):
            raise ConfigurationError(
                f'header "{key}" does not exist',
                hint=close_match(key, ("kind", "description", "parameter"))
                or "One of: kind, description, parameter.",
                location=Location(self._path, number, match.start("key") + 1),
            )
        elif key in self._fields:
            raise ConfigurationError(f'header "{key}" is written twice', location=place)
        else:
            self._fields[key] = (value, place)

    def name(self) -> str:
        """The kind's name."""
        value, place = self._field("kind", "-- kind: iban")
        stem = re.split(r"[/\\]", self._path)[-1].partition(".")[0]
        if not names.STABLE_NAME.match(value) or len(value) > _NAME_BYTES:
            raise ConfigurationError(
                f'"{value}" cannot be the name of a kind',
                hint=f"Use at most {_NAME_BYTES} lower case letters, digits and underscores.",
                location=place,
            )
        if value in BUILT_IN or value == "custom":
            raise ConfigurationError(
                f'kind "{value}" belongs to pgslo', hint="Choose another name.", location=place
            )
        if value != stem:
            raise ConfigurationError(
                f'kind "{value}" is in a file called "{stem}"',
                hint=f"Rename it to {value}.sql.",
                location=place,
            )
        return value

    def description(self) -> str:
        """The summary of the kind."""
        return self._field("description", "-- description: The text is an IBAN.")[0]

    def _field(self, key: str, example: str) -> tuple[str, Location]:
        value, place = self._fields.get(key, ("", Location(self._path, 1, 1)))
        if not value:
            raise ConfigurationError(
                f'the header needs "{key}"', hint=f"For example {example}", location=place
            )
        return value, place

    def _parameter(self, text: str, place: Location) -> Parameter:
        match = _PARAMETER.match(text)
        if match is None or match["type"] not in _SHAPES:
            raise ConfigurationError(
                "a parameter is declared as: name type, or name type default value",
                hint=(match and close_match(match["type"], _SHAPES))
                or f"The types are {', '.join(_SHAPES)}.",
                location=place,
            )
        name, type_, default = match["name"], match["type"], match["default"]
        if not names.STABLE_NAME.match(name) or len(name) > _NAME_BYTES:
            raise ConfigurationError(f'"{name}" cannot be the name of a parameter', location=place)
        if name in Rule.model_fields or name in (_VALUE, "kind"):
            raise ConfigurationError(
                f'parameter "{name}" means something in every rule',
                hint="Choose another name.",
                location=place,
            )
        if any(each.name == name for each in self.parameters):
            raise ConfigurationError(f'parameter "{name}" is declared twice', location=place)
        if default is None:
            return Parameter(name, type_)
        try:
            value = _SHAPES[type_][0].read(reader.read(default, path=self._path))
        except (DefinitionError, DefinitionErrors) as error:
            first = error.errors[0] if isinstance(error, DefinitionErrors) else error
            raise ConfigurationError(
                f'default of parameter "{name}": {first.message}', hint=first.hint, location=place
            ) from None
        return Parameter(name, type_, value, required=False)


def _check_blanks(kind: CustomKind) -> None:
    text = kind.template
    if not text.strip():
        raise ConfigurationError(
            f'kind "{kind.name}" has no condition', hint="Write it below the header.", location=kind.location
        )
    known = {_VALUE, *(each.name for each in kind.parameters)}
    blanks = list(_BLANK.finditer(text))
    used = {match["name"] for match in blanks}
    for match in blanks:
        if match["name"] not in known:
            raise ConfigurationError(
                f'"{match["name"]}" is not declared',
                hint=close_match(match["name"], known) or f"Declare it: -- parameter: {match['name']} text",
                location=_place(text, match.start(), kind.location),
            )
        for quote in ("'", '"'):
            if text[: match.start()].count(quote) % 2:
                raise ConfigurationError(
                    f'"{match["name"]}" is inside quotes',
                    hint="Leave the quotes out; the value is quoted when it is put in.",
                    location=_place(text, match.start(), kind.location),
                )
    masked = _BLANK.sub(lambda match: " " * len(match.group()), text)
    logic = re.search(r"\{[{%#]|[}%#]\}", masked)
    if logic:
        raise ConfigurationError(
            "a template only inserts values: {{ name }}",
            hint="Logic, filters and comments are not allowed.",
            location=_place(text, logic.start(), kind.location),
        )
    for each in kind.parameters:
        if each.name not in used:
            raise ConfigurationError(f'parameter "{each.name}" is not used', location=kind.location)
