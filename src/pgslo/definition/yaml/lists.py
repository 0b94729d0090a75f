"""Values that are made of others: lists, pairs and mappings; and numbers of batches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pgslo.definition.yaml.nodes import Mapping, Node, Scalar, Sequence
from pgslo.definition.yaml.values import Measure, Shape, describe
from pgslo.errors import DefinitionError

_PAIR = 2


@dataclass(frozen=True)
class Batches:
    """A number of batches: ``3 batches`` or ``3``."""

    def read(self, node: Node) -> int:
        """The number."""
        text = node.text.strip().lower() if isinstance(node, Scalar) else ""
        match = re.fullmatch(r"([1-9][0-9]{0,3})(?: +batch(?:es)?)?", text)
        if match is None:
            raise DefinitionError(
                f"expected a number of batches, not {describe(node)}",
                hint='For example "3 batches".',
                location=node.location,
            )
        return int(match[1])

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        pattern = r"^[1-9][0-9]{0,3}( +batch(es)?)?$"
        return {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 9999},
                {"type": "string", "pattern": pattern},
            ]
        }


@dataclass(frozen=True)
class Earlier:
    """Which earlier batches are meant: ``previous``, ``same weekday``, ``28 batches``."""

    def read(self, node: Node) -> str:
        """The words."""
        text = " ".join(node.text.lower().split()) if isinstance(node, Scalar) else ""
        if text in ("previous", "same weekday"):
            return text
        match = re.fullmatch(r"([1-9][0-9]{0,2}) batches", text)
        if match is None:
            raise DefinitionError(
                f"expected earlier batches, not {describe(node)}",
                hint='Write previous, "same weekday", or a number such as "28 batches".',
                location=node.location,
            )
        return text

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": "^(previous|same weekday|[1-9][0-9]{0,2} batches)$"}


@dataclass(frozen=True)
class ListOf:
    """A list of different values.

    Attributes:
        item: What each of them looks like.
        single: Whether one value may be written without brackets.
    """

    item: Shape
    single: bool = False

    def read(self, node: Node) -> tuple[Any, ...]:
        """The values."""
        if self.single and isinstance(node, Scalar) and node.value is not None:
            return (self.item.read(node),)
        if not isinstance(node, Sequence):
            raise DefinitionError(
                f"expected a list, not {describe(node)}",
                hint=f"Put it in brackets: [{node.text}]."
                if isinstance(node, Scalar) and node.text
                else None,
                location=node.location,
            )
        if not node.items:
            raise DefinitionError("the list may not be empty", location=node.location)
        seen: set[tuple[type, Any]] = set()
        found = []
        for item in node.items:
            value = self.item.read(item)
            if (type(value), value) in seen:
                raise DefinitionError(f"{describe(item)} is listed twice", location=item.location)
            seen.add((type(value), value))
            found.append(value)
        return tuple(found)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        items = {"type": "array", "items": self.item.schema(), "minItems": 1}
        return {"anyOf": [self.item.schema(), items]} if self.single else items


@dataclass(frozen=True)
class Pair:
    """Two values in brackets; ``null`` leaves one open."""

    item: Shape

    def read(self, node: Node) -> tuple[Any, Any]:
        """The two values."""
        if not isinstance(node, Sequence) or len(node.items) != _PAIR:
            raise DefinitionError(
                f"expected two bounds in brackets, not {describe(node)}",
                hint="For example [0, 1]; null leaves a side open.",
                location=node.location,
            )
        low, high = (
            None if isinstance(item, Scalar) and item.value is None else self.item.read(item)
            for item in node.items
        )
        if low is None and high is None:
            raise DefinitionError("at least one of the two bounds is needed", location=node.location)
        return low, high

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        item = {"anyOf": [self.item.schema(), {"type": "null"}]}
        return {"type": "array", "items": item, "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class MapOf:
    """Text to values; ``null`` is a value only if ``nullable``."""

    item: Shape
    nullable: bool = False

    def read(self, node: Node) -> dict[str, Any]:
        """The mapping."""
        if not isinstance(node, Mapping):
            raise DefinitionError(f"expected a mapping, not {describe(node)}", location=node.location)
        if not node.entries:
            raise DefinitionError("the mapping may not be empty", location=node.location)
        return {
            key.text: None
            if self.nullable and isinstance(value, Scalar) and value.value is None
            else self.item.read(value)
            for key, value in node.entries
        }

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        item = self.item.schema()
        values = {"anyOf": [item, {"type": "null"}]} if self.nullable else item
        return {"type": "object", "additionalProperties": values, "minProperties": 1}


@dataclass(frozen=True)
class Numbers:
    """Numbers in brackets, which may be the same twice."""

    least: int = 1
    most: int = 1_000

    def read(self, node: Node) -> tuple[float, ...]:
        """The numbers."""
        if not isinstance(node, Sequence) or not self.least <= len(node.items) <= self.most:
            count = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most:,}"
            raise DefinitionError(
                f"expected {count} numbers in brackets, not {describe(node)}", location=node.location
            )
        return tuple(Measure().read(item) for item in node.items)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {
            "type": "array",
            "items": {"type": "number"},
            "minItems": self.least,
            "maxItems": self.most,
        }


@dataclass(frozen=True)
class Points:
    """Pairs of a score and the value it represents."""

    def read(self, node: Node) -> tuple[tuple[float, ...], ...]:
        """The points."""
        if not isinstance(node, Sequence) or len(node.items) < _PAIR:
            raise DefinitionError(
                f"expected two points or more, not {describe(node)}",
                hint="For example [[0, 0.02], [1, 0.97]].",
                location=node.location,
            )
        return tuple(Numbers(_PAIR, _PAIR).read(item) for item in node.items)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "array", "items": Numbers(_PAIR, _PAIR).schema(), "minItems": _PAIR}
