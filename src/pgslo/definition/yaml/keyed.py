"""Mappings with known keys, and the short ways to write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgslo.definition.yaml.nodes import Mapping, Node
from pgslo.definition.yaml.values import Shape, close_match, describe
from pgslo.errors import DefinitionError, Location


@dataclass(frozen=True)
class Read:
    """Values by key, and their locations."""

    values: dict[str, Any]
    places: dict[str, Location]


@dataclass(frozen=True)
class Keys:
    """A mapping with known keys."""

    shapes: dict[str, Shape]
    example: str
    required: tuple[str, ...] = ()

    def read(self, node: Node) -> Read:
        """Values and places."""
        if not isinstance(node, Mapping):
            raise DefinitionError(
                f"expected keys and values, not {describe(node)}",
                hint=f"For example {self.example}",
                location=node.location,
            )
        found = Read({}, {})
        for key, value in node.entries:
            if key.text not in self.shapes:
                hint = close_match(key.text, self.shapes) or f"One of: {', '.join(self.shapes)}."
                raise DefinitionError(
                    f'key "{key.text}" does not exist here', hint=hint, location=key.location
                )
            found.values[key.text] = self.shapes[key.text].read(value)
            found.places[key.text] = value.location
        for key_wanted in self.required:
            if key_wanted not in found.values:
                raise DefinitionError(
                    f'"{key_wanted}" is missing',
                    hint=f"For example {self.example}",
                    location=node.location,
                )
        return found

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape in self.shapes.items()},
            "additionalProperties": False,
            **({"required": list(self.required)} if self.required else {}),
        }


@dataclass(frozen=True)
class Either:
    """A short way to write something, or keys and values."""

    short: Shape
    keys: Keys

    def read(self, node: Node) -> Any:
        """What the short way gives, or the keys' values."""
        return self.keys.read(node) if isinstance(node, Mapping) else self.short.read(node)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"anyOf": [self.short.schema(), self.keys.schema()]}
