"""Types of columns as authors write them: their spellings, families of types, and types of any length or precision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pgslo.definition.yaml.lists import ListOf, MapOf
from pgslo.definition.yaml.named import Name
from pgslo.definition.yaml.nodes import Mapping, Node, Scalar, Sequence
from pgslo.definition.yaml.values import close_match, describe
from pgslo.errors import DefinitionError

#: The word for every type, with which a family, or a type of any length or precision, begins.
ANY = "any"
#: The types of a family as ``format_type`` prints them without a modifier; "array" means all arrays.
FAMILIES = {
    "number": ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    "integer": ("smallint", "integer", "bigint"),
    "text": ("text", "character varying", "character", "bpchar"),
    "timestamp": ("timestamp without time zone", "timestamp with time zone"),
    "time": (
        "date",
        "timestamp without time zone",
        "timestamp with time zone",
        "time without time zone",
        "time with time zone",
    ),
    "json": ("json", "jsonb"),
    "array": ("array",),
}
#: Other spellings of types, by what PostgreSQL calls them.
_SPELLINGS = {
    "bigint": ("int8",),
    "integer": ("int", "int4"),
    "smallint": ("int2",),
    "double precision": ("float8", "float"),
    "real": ("float4",),
    "numeric": ("decimal",),
    "boolean": ("bool",),
    "character varying": ("varchar",),
    "character": ("char",),
    "bit varying": ("varbit",),
    "timestamp with time zone": ("timestamptz",),
    "timestamp without time zone": ("timestamp",),
    "time with time zone": ("timetz",),
    "time without time zone": ("time",),
}
_TYPES = {spelling: type_ for type_, spellings in _SPELLINGS.items() for spelling in spellings}
#: Types that can have a length or a precision.
_MODIFIED = {
    *("numeric", "character varying", "character", "bit", "bit varying", "interval"),
    *("timestamp with time zone", "timestamp without time zone"),
    *("time with time zone", "time without time zone"),
}
_NAME = re.compile(r'[\w ".,()\[\]]{1,200}\Z')
_TYPE = re.compile(
    r"(?P<name>[a-z][a-z0-9 ]*?) *(?P<modifier>\([0-9, ]*\))?(?P<zone> with(?:out)? time zone)?(?P<array>(?:\[\])*)\Z"
)


def spelled(type_: str) -> str:
    """Return a type as ``format_type`` prints it, however the author spelled it."""
    match = _TYPE.match(type_.strip().lower())
    if match is None:
        return type_
    name, modifier = _parts(match)
    if name.startswith("time"):
        # timestamp(3) with time zone
        first, _, rest = name.partition(" ")
        return f"{first}{modifier} {rest}{match['array']}"
    if name == "character" and not modifier:
        modifier = "(1)"
    return f"{name}{modifier}{match['array']}"


def bases(type_: str) -> tuple[str, ...] | None:
    """Return the types that ``any …`` means, as ``format_type`` prints them without a modifier.

    Returns:
        Nothing for ``any`` alone, which means every type; ``None`` for a type that is only itself.
    """
    first, _, rest = type_.partition(" ")
    if first.lower() != ANY:
        return None
    rest = " ".join(rest.lower().split())
    if rest in FAMILIES or not rest:
        return FAMILIES.get(rest, ())
    match = _TYPE.match(rest)
    name, modifier = _parts(match) if match else (rest, "")
    if match is None or modifier or name not in _MODIFIED:
        raise ValueError(rest)
    return (f"{name}{match['array']}",)


def _parts(match: re.Match[str]) -> tuple[str, str]:
    name = f"{match['name']}{match['zone'] or ''}"
    return _TYPES.get(name, name), (match["modifier"] or "").replace(" ", "")


@dataclass(frozen=True)
class TypeName:
    """A column's type as psql shows it, ``any``, a family of types, or ``any`` before a type of any length."""

    def read(self, node: Node) -> str:
        """The type."""
        text = " ".join(node.text.split()) if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        if not _NAME.match(text):
            nothing = isinstance(node, Scalar) and node.value is None
            raise DefinitionError(
                f"expected a type such as integer or numeric(10,2), not {describe(node)}",
                hint=f'Write "{ANY}" where every type will do.' if nothing else None,
                location=node.location,
            )
        if text.count("(") != text.count(")"):
            raise DefinitionError(
                f'"{text}" has a parenthesis without its other half',
                hint='Put a type with a comma in quotes: "numeric(10,2)".',
                location=node.location,
            )
        try:
            bases(text)
        except ValueError as error:
            families = [f"{ANY} {family}" for family in FAMILIES]
            raise DefinitionError(
                f'"{ANY} {error}" is neither a family of types, nor a type that has a length or a precision',
                hint=close_match(text, families) or f"Families: {', '.join(families)}.",
                location=node.location,
            ) from None
        return text

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "minLength": 1, "maxLength": 200}


@dataclass(frozen=True)
class _Types:
    """A type, or several in brackets."""

    def read(self, node: Node) -> tuple[str, ...]:
        """The types."""
        return ListOf(TypeName()).read(node) if isinstance(node, Sequence) else (TypeName().read(node),)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return ListOf(TypeName(), single=True).schema()


@dataclass(frozen=True)
class ColumnTypes:
    """Columns, each with the types that it may have; a list of columns, for every type."""

    def read(self, node: Node) -> dict[str, tuple[str, ...]]:
        """The types by column."""
        if isinstance(node, Sequence):
            return dict.fromkeys(ListOf(Name()).read(node), (ANY,))
        if not isinstance(node, Mapping):
            raise DefinitionError(
                f"expected columns with their types, or a list of columns, not {describe(node)}",
                location=node.location,
            )
        return MapOf(_Types()).read(node)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"anyOf": [MapOf(_Types()).schema(), ListOf(Name()).schema()]}
