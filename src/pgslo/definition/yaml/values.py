"""What a value in a definition may look like: each shape reads a node and describes itself as JSON Schema.

A shape that reads a node either returns the value or raises :class:`DefinitionError` at the exact place.
One class for both keeps the loader and the schema of editors the same.
"""

from __future__ import annotations

import decimal
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pgslo.definition.yaml.nodes import Mapping, Node, Scalar, Sequence
from pgslo.errors import DefinitionError

Number = int | decimal.Decimal
#: A constant as the author wrote it; text also represents dates and times, PostgreSQL reads it by the column's type.
Constant = bool | int | decimal.Decimal | str

MAX_TEXT = 4_000
_SHOWN = 40
_PERCENT = 100


class Shape(Protocol):
    """Reads a value and describes it."""

    def read(self, node: Node) -> Any:
        """The value of a node.

        Raises:
            DefinitionError: It does not have this shape.
        """

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""


def close_match(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the most similar of the known words."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f'did you mean "{close[0]}"?' if close else None


def describe(node: Node) -> str:
    """What a node is, for messages."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool()):
            return node.text
        case Scalar(value=int() | decimal.Decimal()):
            return f"the number {node.text}"
        case _:
            shown = node.text if len(node.text) <= _SHOWN else node.text[: _SHOWN - 1] + "…"
            return f'the text "{shown}"'


def a_scalar(node: Node, expected: str) -> Scalar:
    """The node as a single value.

    Raises:
        DefinitionError: It is of another type, or empty.
    """
    if isinstance(node, Scalar) and node.value is not None:
        return node
    raise DefinitionError(f"expected {expected}, not {describe(node)}", location=node.location)


@dataclass(frozen=True)
class Text:
    """Some text; a number written without quotes is taken as text only if ``lenient``."""

    what: str = "text"
    max_length: int = MAX_TEXT
    lenient: bool = False

    def read(self, node: Node) -> str:
        """The text."""
        scalar = a_scalar(node, self.what)
        if not isinstance(scalar.value, str) and not self.lenient:
            raise DefinitionError(
                f"expected {self.what}, not {describe(node)}",
                hint=f'Put it in quotes: "{scalar.text}".',
                location=node.location,
            )
        if not scalar.text.strip():
            raise DefinitionError(f"{self.what} may not be empty", location=node.location)
        if len(scalar.text) > self.max_length:
            raise DefinitionError(
                f"{self.what} has {len(scalar.text):,} characters; at most {self.max_length:,} are allowed",
                location=node.location,
            )
        return scalar.text

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": r"\S", "maxLength": self.max_length}


@dataclass(frozen=True)
class Boolean:
    """``true`` or ``false``."""

    def read(self, node: Node) -> bool:
        """The boolean."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        raise DefinitionError(f"expected true or false, not {describe(node)}", location=node.location)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Integer:
    """A whole number between two bounds."""

    min: int
    max: int

    def read(self, node: Node) -> int:
        """The number."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int):
            raise DefinitionError(f"expected a whole number, not {describe(node)}", location=node.location)
        if not self.min <= value <= self.max:
            raise DefinitionError(f"{value} is not between {self.min} and {self.max}", location=node.location)
        return value

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "integer", "minimum": self.min, "maximum": self.max}


@dataclass(frozen=True)
class Fraction:
    """A share between 0 and 1."""

    def read(self, node: Node) -> float:
        """The share."""
        value = node.value if isinstance(node, Scalar) else None
        finite = isinstance(value, int) or (isinstance(value, decimal.Decimal) and value.is_finite())
        if isinstance(value, bool) or not isinstance(value, int | decimal.Decimal) or not finite:
            raise DefinitionError(
                f"expected a fraction between 0 and 1, not {describe(node)}", location=node.location
            )
        if not 0 <= value <= 1:
            hint = (
                f"Write {value} percent as {decimal.Decimal(value) / _PERCENT}."
                if 1 < value <= _PERCENT
                else None
            )
            raise DefinitionError(f"{value} is not between 0 and 1", hint=hint, location=node.location)
        return float(value)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True)
class AnyConstant:
    """A constant: text, number or boolean."""

    def read(self, node: Node) -> Constant:
        """The constant."""
        scalar = node if isinstance(node, Scalar) else None
        if scalar is None:
            raise DefinitionError(f"expected a value, not {describe(node)}", location=node.location)
        if scalar.value is None:
            raise DefinitionError(
                "null is not a value",
                hint='NULL passes every rule but not_null. The word is written in quotes: "null".',
                location=node.location,
            )
        if isinstance(scalar.value, decimal.Decimal) and not scalar.value.is_finite():
            raise DefinitionError(f"{scalar.text} is not a value to compare with", location=node.location)
        return scalar.value

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True)
class Bound:
    """A finite number, or text that PostgreSQL reads by the column's type, such as a date."""

    numbers_only: bool = False

    def read(self, node: Node) -> Number | str:
        """The bound."""
        expected = "a number" if self.numbers_only else "a number, or text such as a date"
        scalar = a_scalar(node, expected)
        if isinstance(scalar.value, bool) or (self.numbers_only and isinstance(scalar.value, str)):
            raise DefinitionError(f"expected {expected}, not {describe(node)}", location=node.location)
        value = scalar.value
        word = scalar.text.strip().lower().lstrip("+-.")
        if word in ("nan", "inf", "infinity") or value is None:
            raise DefinitionError(
                f"{scalar.text} is not a bound",
                hint="Leave a bound out to have none.",
                location=node.location,
            )
        if value == "":
            raise DefinitionError("a bound may not be empty", location=node.location)
        return value

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "number"} if self.numbers_only else {"type": ["number", "string"]}


@dataclass(frozen=True)
class OneOf:
    """One of some words."""

    what: str
    words: tuple[str, ...]

    def read(self, node: Node) -> str:
        """The word."""
        scalar = a_scalar(node, self.what)
        if scalar.text in self.words:
            return scalar.text
        raise DefinitionError(
            f'{self.what} "{scalar.text}" does not exist',
            hint=close_match(scalar.text, self.words) or f"One of: {', '.join(self.words)}.",
            location=node.location,
        )

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Measure:
    """A finite number that a batch is measured against."""

    def read(self, node: Node) -> float:
        """The number."""
        value = node.value if isinstance(node, Scalar) else None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | decimal.Decimal)
            or not decimal.Decimal(value).is_finite()
        ):
            raise DefinitionError(f"expected a number, not {describe(node)}", location=node.location)
        return float(value)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "number"}
