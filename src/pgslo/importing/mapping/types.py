"""Names of types in sources: those that PostgreSQL has, and their counterparts here."""

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
#: Names that other engines, or other notations, have for one type of PostgreSQL.
_SAME = {
    "double": "double precision",
    "serial": "integer",
    "serial4": "integer",
    "bigserial": "bigint",
    "serial8": "bigint",
    "smallserial": "smallint",
    "serial2": "smallint",
    "timestamp_tz": "timestamp with time zone",
    "timestamp_ltz": "timestamp with time zone",
    "timestamp_ntz": "timestamp without time zone",
    "timestampntz": "timestamp without time zone",
    "timestampltz": "timestamp with time zone",
}
#: Types of other engines, by their counterparts here.
_FAMILIES = {
    **dict.fromkeys(
        ["string", "str", "nvarchar", "nchar", "ntext", "varchar2", "nvarchar2", "clob", "nclob", "tinytext"],
        ("any text",),
    ),
    **dict.fromkeys(["mediumtext", "longtext", "fixedstring", "hllsketch"], ("any text",)),
    **dict.fromkeys(
        ["int64", "int32", "int16", "tinyint", "byteint", "long", "short", "hugeint"], ("any integer",)
    ),
    **dict.fromkeys(
        ["uint64", "uint32", "uint16", "uint8", "mediumint", "ubigint", "uinteger"], ("any integer",)
    ),
    **dict.fromkeys(
        ["number", "bignumeric", "bigdecimal", "decimal128", "smallmoney", "decfloat"],
        ("any numeric", "any integer", "real", "double precision"),
    ),
    **dict.fromkeys(["float64", "float32", "binary_float", "binary_double"], ("real", "double precision")),
    **dict.fromkeys(
        ["datetime", "datetime2", "smalldatetime", "datetime64", "datetimeoffset"], ("any timestamp",)
    ),
    **dict.fromkeys(["bytes", "binary", "varbinary", "blob", "longblob", "raw", "image"], ("bytea",)),
    **dict.fromkeys(["variant", "object", "super"], ("json", "jsonb")),
    **dict.fromkeys(["uniqueidentifier", "guid"], ("uuid",)),
    **dict.fromkeys(["logical", "boolean8"], ("boolean",)),
}
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
#: A length in the brackets of an array, as some contracts have it.
_LENGTH = re.compile(r"(?<=char)\s*\[\s*(\d+)\s*\]")
_SHAPE = re.compile(
    r"(?P<name>[a-z][a-z0-9_ ]*?)\s*(?P<size>\(\s*\d+\s*(?:,\s*\d+\s*)?\))?(?P<rest> (?:with|without) time zone)?(?P<array>(?:\[\])*)\Z"
)


def parse(text: str) -> str:
    """Return a type as PostgreSQL writes it.

    Raises:
        UnmappableError: PostgreSQL has no type of this name.
    """
    written = _LENGTH.sub(r"(\1)", " ".join(text.strip().lower().split()))
    match = _SHAPE.match(written)
    if match is not None and match["name"] in _SAME and not match["rest"]:
        match = _SHAPE.match(f"{_SAME[match['name']]}{match['array']}")
    name = match and match["name"] + (match["rest"] or "")
    if match is None or name not in _KNOWN:
        raise UnmappableError("type_unknown", f"PostgreSQL has no type {text.strip()[:60]}")
    size = re.sub(r"\s", "", match["size"] or "")
    return f"{match['name']}{size}{match['rest'] or ''}{match['array']}"


def family(text: str) -> tuple[str, ...]:
    """Return the counterparts of a type of another engine; none for a name that is not known."""
    name = re.match(r"\s*([a-z][a-z0-9_]*)\s*(?:\(.*\))?\s*\Z", text.lower(), re.DOTALL)
    return _FAMILIES.get(name[1], ()) if name else ()


def of_any_length(text: str) -> str:
    """Return a type that, named without a length or precision, means all of them, as these tools compare types."""
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
