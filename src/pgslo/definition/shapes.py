"""What a value in a definition may look like: each shape reads a node and describes itself as JSON Schema.

A shape that reads a node either returns the value or raises :class:`DefinitionError` at the exact place.
Having one class for both keeps what the loader accepts and what editors are told the same.
"""

from __future__ import annotations

import decimal
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pgslo import expression
from pgslo.definition import names
from pgslo.definition.rules import Number
from pgslo.definition.rules import Scalar as Constant
from pgslo.definition.source import Mapping, Node, Scalar, Sequence
from pgslo.errors import DefinitionError
from pgslo.expression import Expression
from pgslo.naming import MAX_BYTES
from pgslo.sql import identifier

MAX_TEXT = 4_000
_SHOWN = 40
_PERCENT = 100
_PAIR = 2

_SNAPSHOT = r"[A-Za-z][A-Za-z0-9_.-]{0,62}\*?"


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
        DefinitionError: It is none, or empty.
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
class Name:
    """The name of a column, schema or role, as the catalogue spells it.

    Attributes:
        what: What it names.
        instead: Where authors write values by mistake: the hint to what takes values.
    """

    what: str = "column"
    instead: str = ""

    def read(self, node: Node) -> str:
        """The name."""
        scalar = a_scalar(node, f"the name of a {self.what}")
        if self.instead and not isinstance(scalar.value, str):
            raise DefinitionError(
                f"expected a {self.what}, not the value {scalar.text}",
                hint=f'{self.instead}; a {self.what} of that name is written in quotes: "{scalar.text}"',
                location=node.location,
            )
        try:
            # A column may well be called 2020 or null; where a name is wanted, it is one.
            return names.check(scalar.text)
        except names.BadNameError as error:
            raise DefinitionError(str(error), location=node.location) from None

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        types: Any = "string" if self.instead else ["string", "number", "boolean"]
        return {"type": types, "minLength": 1, "maxLength": MAX_BYTES}


@dataclass(frozen=True)
class Relation:
    """A table or view with its schema, as SQL writes it, and optionally a column behind it."""

    what: str = "table"
    parts: int = 2

    def read(self, node: Node) -> tuple[str, ...]:
        """Schema, name and what else is asked for."""
        example = ".".join(("schema", self.what, "column")[: self.parts])
        scalar = a_scalar(node, f"a {self.what} such as {example}")
        try:
            found = names.split(scalar.text)
        except names.BadNameError as error:
            raise DefinitionError(
                f'"{scalar.text}" is not a name: {error}',
                hint="""In YAML that is: '"My Schema"."My Table"'.""",
                location=node.location,
            ) from None
        if len(found) == self.parts:
            return found
        if len(found) == self.parts - 1 == 1:
            message, hint = "has no schema", f'For example "public.{scalar.text}".'
        else:
            message, hint = f"has {len(found)} parts, not {self.parts}", f"Write {example}."
        raise DefinitionError(f'"{scalar.text}" {message}', hint=hint, location=node.location)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        part = r'("([^"]|"")+"|[^\W\d][\w$]*)'.replace(r"[^\W\d]", "[^\\s\\d.\"']").replace(
            r"[\w$]", "[^\\s.\"']"
        )
        return {"type": "string", "pattern": "^" + r"\.".join([part] * self.parts) + "$"}


def canonical(relation: tuple[str, ...]) -> str:
    """A qualified name as SQL writes it, quoted only where needed."""
    return identifier(*relation).text


@dataclass(frozen=True)
class Condition:
    """An expression over one row."""

    def read(self, node: Node) -> Expression:
        """The expression."""
        scalar = a_scalar(node, "an expression")
        return expression.parse(scalar.text, location=scalar.location, locate=scalar.locate)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": ["string", "boolean", "number"], "minLength": 1}


@dataclass(frozen=True)
class Statement:
    """A query that only reads."""

    def read(self, node: Node) -> expression.Query:
        """The query."""
        scalar = a_scalar(node, "a query")
        return expression.parse_query(scalar.text, location=scalar.location, locate=scalar.locate)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "minLength": 1}


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
        single: Whether one value may stand without brackets.
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
class SnapshotName:
    """The name of a snapshot, or how names begin: ``delays_*``."""

    def read(self, node: Node) -> str:
        """The name."""
        scalar = a_scalar(node, "the name of a snapshot")
        if not re.fullmatch(_SNAPSHOT, scalar.text):
            raise DefinitionError(
                f'"{scalar.text}" is no name of a snapshot',
                hint='A letter, then letters, digits, "_", "-" and "."; a "*" at its end stands for the rest.',
                location=node.location,
            )
        return scalar.text

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": f"^{_SNAPSHOT}$"}
