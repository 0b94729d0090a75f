"""Nodes of a source: values, lists and mappings that know their place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgslo.errors import Location


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One value.

    Attributes:
        value: Its meaning in YAML 1.1.
        text: The written text.
        location: Where it starts.
    """

    value: Any
    text: str
    location: Location


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    location: Location

    def __iter__(self) -> Iterator[Node]:
        """The nodes."""
        return iter(self.items)


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Nodes by key, in file order; keys are the written texts."""

    entries: dict[str, Node]
    keys: dict[str, Scalar]
    location: Location

    def get(self, *names: str) -> Node | None:
        """Return the node of the first existing key of some."""
        return next((self.entries[name] for name in names if name in self.entries), None)

    def text(self, *names: str) -> str | None:
        """Return the text of the first existing key of some that has a single value."""
        node = self.get(*names)
        return node.text if isinstance(node, Scalar) and node.value is not None else None

    def mapping(self, *names: str) -> Mapping:
        """Return the mapping of the first of some keys, or an empty one."""
        node = self.get(*names)
        return node if isinstance(node, Mapping) else Mapping({}, {}, self.location)

    def items(self, *names: str) -> tuple[Node, ...]:
        """Return the items of the list of the first of some keys; a single value is a list of one."""
        node = self.get(*names)
        if isinstance(node, Sequence):
            return node.items
        return () if node is None or (isinstance(node, Scalar) and node.value is None) else (node,)

    def mappings(self, *names: str) -> tuple[Mapping, ...]:
        """Return those items that are mappings."""
        return tuple(item for item in self.items(*names) if isinstance(item, Mapping))


Node = Scalar | Sequence | Mapping


def plain(node: Node | None) -> Any:
    """Return what a node holds, without places."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, value in node.entries.items()}
        case None:
            return None
