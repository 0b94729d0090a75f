"""Values that name something in a database, or are SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pgslo import expression
from pgslo.definition import names
from pgslo.definition.yaml.lists import ListOf
from pgslo.definition.yaml.nodes import Mapping, Node
from pgslo.definition.yaml.values import a_scalar
from pgslo.errors import DefinitionError
from pgslo.expression import Expression
from pgslo.naming import MAX_BYTES
from pgslo.sql import identifier

_SNAPSHOT = r"[A-Za-z][A-Za-z0-9_.-]{0,62}\*?"


@dataclass(frozen=True)
class Name:
    """The name of a column, schema or role, as the catalogue spells it.

    Attributes:
        what: The kind of the named object.
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
class ColumnOrPath:
    """The name of a column, or a path into its values: ``bag.geo.country``, ``emb.norm``."""

    def read(self, node: Node) -> str:
        """The name, or the path as it is written."""
        try:
            return names.check_path(a_scalar(node, "the name of a column").text)
        except names.BadNameError as error:
            raise DefinitionError(str(error), location=node.location) from None

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "minLength": 1, "maxLength": names.PATH_BYTES}


@dataclass(frozen=True)
class Relation:
    """A table or view with its schema, as SQL writes it, and optionally a column behind it.

    Attributes:
        what: Its kind, in words.
        parts: 3 with a column.
        path: Whether that may be a path into the column.
    """

    what: str = "table"
    parts: int = 2
    path: bool = False

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
        if self.path and len(found) > self.parts:
            leading = self.parts - 1
            return (*found[:leading], names.path(found[leading:]))
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
        return {
            "type": "string",
            "pattern": "^" + r"\.".join([part] * self.parts) + (rf"(\.{part})*" if self.path else "") + "$",
        }


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
class SnapshotName:
    """The name of a snapshot, or how names begin: ``delays_*``."""

    def read(self, node: Node) -> str:
        """The name."""
        scalar = a_scalar(node, "the name of a snapshot")
        if not re.fullmatch(_SNAPSHOT, scalar.text):
            raise DefinitionError(
                f'"{scalar.text}" is not a valid name of a snapshot',
                hint='A letter, then letters, digits, "_", "-" and "."; a "*" at its end matches the rest.',
                location=node.location,
            )
        return scalar.text

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": f"^{_SNAPSHOT}$"}


@dataclass(frozen=True)
class Joined:
    """Columns that equal each other: names that both tables have, or one table's to the other's."""

    def read(self, node: Node) -> tuple[tuple[str, str], ...]:
        """Pairs of names."""
        if isinstance(node, Mapping) and node.entries:
            return tuple((Name().read(key), Name().read(value)) for key, value in node.entries)
        return tuple((name, name) for name in ListOf(Name(), single=True).read(node))

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        mapping = {"type": "object", "additionalProperties": Name().schema(), "minProperties": 1}
        return {"anyOf": [ListOf(Name(), single=True).schema(), mapping]}
