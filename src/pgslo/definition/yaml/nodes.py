"""Nodes of a YAML file: values, lists and mappings that know their place."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgslo.definition.yaml.scalars import Value
from pgslo.errors import Location

_ESCAPE_LENGTHS = {"x": 2, "u": 4, "U": 8}


@dataclass(frozen=True)
class Scalar:
    """One value.

    Attributes:
        value: Its meaning; text unless it is written as null, a boolean or a number without quotes.
        text: The written text, without its quotes.
        location: Where it starts; the opening quote counts.
        raw: How the file spells it, with quotes and escapes.
    """

    value: Value
    text: str
    location: Location
    raw: str = field(default="", repr=False)

    def locate(self, offset: int) -> Location:
        """The location of the n-th character of the text, as far as the file shows it in one piece."""
        step = _offsets(self.raw, self.text).get(offset)
        if step is None:
            return self.location
        before = self.raw[:step]
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else self.location.column + step
        return Location(self.location.path, self.location.line + lines, column)


@dataclass(frozen=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    location: Location


@dataclass(frozen=True)
class Mapping:
    """Keys, which are always text, and nodes, in file order."""

    entries: tuple[tuple[Scalar, Node], ...]
    location: Location

    def get(self, key: str) -> Node | None:
        """The node under a key."""
        return next((node for name, node in self.entries if name.text == key), None)

    def place(self, key: str) -> Location:
        """The location of a key, or of the mapping without it."""
        return next((name.location for name, _ in self.entries if name.text == key), self.location)


Node = Scalar | Sequence | Mapping


def _offsets(raw: str, text: str) -> dict[int, int]:
    """Index in a text to index in its spelling, up to where the spelling is folded."""
    if raw[:1] in ("|", ">"):
        return _block_offsets(raw, text)
    at = 1 if raw[:1] in ("'", '"') else 0
    quote = raw[:at]
    found: dict[int, int] = {}
    while len(found) <= len(text) and at < len(raw) and raw[at] != "\n":
        found[len(found)] = at
        if quote == "'" and raw[at] == "'":
            at += 2
        elif quote == '"' and raw[at] == "\\":
            at += 2 + _ESCAPE_LENGTHS.get(raw[at + 1 : at + 2], 0)
        else:
            at += 1
    return found


def _block_offsets(raw: str, text: str) -> dict[int, int]:
    found: dict[int, int] = {}
    if raw.startswith(">"):
        return found
    start = raw.find("\n") + 1
    done = 0
    for line in text.split("\n"):
        end = raw.find("\n", start)
        spelled = raw[start:] if end < 0 else raw[start:end]
        if not spelled.endswith(line):
            return found
        indent = start + len(spelled) - len(line)
        found.update((done + step, indent + step) for step in range(len(line) + 1))
        done += len(line) + 1
        start = end + 1 if end >= 0 else len(raw)
    return found
