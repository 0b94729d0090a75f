"""Names of types in sources: those that PostgreSQL has, and what can be said of them."""

from __future__ import annotations

import re

from pgslo.importing.model import UnmappableError

_NUMBERS = [
    "smallint",
    "int2",
    "integer",
    "int",
    "int4",
    "bigint",
    "int8",
    "numeric",
    "decimal",
    "dec",
    "real",
    "float",
    "float4",
    "float8",
    "money",
]
_WHOLE = frozenset(["smallint", "int2", "integer", "int", "int4", "bigint", "int8"])
_TEXTS = ["text", "varchar", "char", "character", "bpchar", "name", "citext"]
_MOMENTS = ["date", "time", "timetz", "timestamp", "timestamptz"]
_OTHERS = [
    "bool",
    "boolean",
    "bytea",
    "cidr",
    "inet",
    "macaddr",
    "macaddr8",
    "interval",
    "json",
    "jsonb",
    "uuid",
    "xml",
    "bit",
    "varbit",
    "daterange",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "point",
    "line",
    "box",
    "path",
    "polygon",
    "circle",
    "tsvector",
]
_WORDS = {
    "double precision",
    "character varying",
    "bit varying",
    "timestamp with time zone",
    "timestamp without time zone",
    "time with time zone",
    "time without time zone",
}
_SIZED = frozenset(
    {
        "numeric",
        "decimal",
        "varchar",
        "character varying",
        "char",
        "character",
        "bit",
        "varbit",
        "bit varying",
    }
)
_KNOWN = {*_NUMBERS, *_TEXTS, *_MOMENTS, *_OTHERS, *_WORDS}
_SHAPE = re.compile(
    r"(?P<name>[a-z][a-z0-9 ]*?)\s*(?P<size>\(\s*\d+\s*(?:,\s*\d+\s*)?\))?(?P<rest> (?:with|without) time zone)?(?P<array>(?:\[\])*)\Z"
)


def parse(text: str) -> str:
    """Return a type as PostgreSQL writes it.

    Raises:
        UnmappableError: PostgreSQL has no type of this name.
    """
    match = _SHAPE.match(" ".join(text.strip().lower().split()))
    name = match and match["name"] + (match["rest"] or "")
    if match is None or name not in _KNOWN:
        raise UnmappableError("type_unknown", f"PostgreSQL has no type {text.strip()[:60]}")
    size = re.sub(r"\s", "", match["size"] or "")
    return f"{match['name']}{size}{match['rest'] or ''}{match['array']}"


def of_any_length(text: str) -> str:
    """Return a type that, named without a length or precision, stands for all of them, as these tools compare types."""
    name = parse(text)
    return f"any {name}" if re.sub(r"(\[\])*\Z", "", name) in _SIZED else name


def known(text: str | None) -> str | None:
    """Return a type as PostgreSQL writes it, or ``None`` for one that it does not have."""
    try:
        return parse(text) if text else None
    except UnmappableError:
        return None


def is_number(text: str | None) -> bool:
    """Whether a type is one of numbers."""
    return _base(text) in (*_NUMBERS, "double precision")


def is_finite(text: str | None) -> bool:
    """Whether a type has no NaN and no infinity that a range would refuse."""
    return _base(text) in (*_WHOLE, *_MOMENTS) or "time zone" in (_base(text) or "")


def is_text(text: str | None) -> bool:
    """Whether a type is one of texts."""
    return _base(text) in (*_TEXTS, "character varying")


def is_boolean(text: str | None) -> bool:
    """Whether a type is that of booleans."""
    return _base(text) in ("bool", "boolean")


def _base(text: str | None) -> str | None:
    name = known(text)
    return re.sub(r"\(.*?\)", "", name).strip() if name else None
