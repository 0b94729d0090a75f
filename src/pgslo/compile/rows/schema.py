"""The columns and types a schema rule declares, against those a table has."""

from __future__ import annotations

import re

from pgslo.compile.table.subject import Subject
from pgslo.definition import rules
from pgslo.errors import CatalogError


def check_schema(rule: rules.Schema, subject: Subject) -> None:
    """See that a schema rule that rejects does not reject every write from its first day on.

    Raises:
        CatalogError: A column does not exist, has another type, or is not in the definition.
    """
    if rule.on_breach != "reject":
        return
    for name, wanted in wanted_types(rule).items():
        place = rule.place(f"columns.{name}" if f"columns.{name}" in rule.places else "columns")
        column = subject.column(name, place)
        # How a domain, or a type of another schema, is written depends on the search path.
        named_alike = re.sub(r"\(.*?\)", "", column.type) == column.base_type
        if column.type_schema == "pg_catalog" and named_alike and column.type != wanted:
            raise CatalogError(
                f'column "{name}" of {subject.relation.schema}.{subject.relation.name} is {column.type}, not {wanted}',
                detail="on_breach: reject would stop every write.",
                location=place,
            )
    for column in subject.relation.columns:
        if rule.extra == "forbid" and column.name not in rule.columns:
            raise CatalogError(
                f'column "{column.name}" of {subject.relation.schema}.{subject.relation.name} is not in the definition',
                detail="on_breach: reject would stop every write.",
                hint="add it, or leave extra: forbid out",
                location=rule.place("extra"),
            )


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
_TYPE = re.compile(
    r"(?P<name>[a-z][a-z0-9 ]*?) *(?P<modifier>\([0-9, ]*\))?(?P<zone> with(?:out)? time zone)?(?P<array>(?:\[\])*)\Z"
)


def wanted_types(rule: rules.Schema) -> dict[str, str]:
    """The types of a schema rule as ``format_type`` prints them, however the author spelled them."""
    return {name: _spelled(type_) for name, type_ in rule.columns.items()}


def _spelled(type_: str) -> str:
    match = _TYPE.match(type_.strip().lower())
    if match is None:
        return type_
    zone = match["zone"] or ""
    name = f"{match['name']}{zone}"
    name = _TYPES.get(name, name)
    modifier = (match["modifier"] or "").replace(" ", "")
    if name.startswith("time"):
        # timestamp(3) with time zone
        first, _, rest = name.partition(" ")
        return f"{first}{modifier} {rest}{match['array']}"
    if name == "character" and not modifier:
        modifier = "(1)"
    return f"{name}{modifier}{match['array']}"
