"""Parts of values other than numbers, times and texts: the length of an array, keys of a document, fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pgslo import sql
from pgslo.catalog import NUMERIC, Column
from pgslo.compile.snippets.literals import ARRAY, COMPOSITE
from pgslo.expression import session
from pgslo.expression.session import Settings
from pgslo.sql import Sql

Form = Literal["parts", "json"]

_FLOATS = {"real[]", "double precision[]", "smallint[]", "integer[]", "bigint[]"}
#: Types with one or a few numbers that describe a value, and the template for these.
_PARTS = {
    "interval": "part_seconds",
    "money": "part_amount",
    "bytea": "part_bytes",
    "bit": "part_bits",
    "bit varying": "part_bits",
    "tsvector": "part_words",
    "point": "part_point",
    "polygon": "part_points",
    "path": "part_points",
    "daterange": "part_span_days",
    "datemultirange": "part_span_days",
    **dict.fromkeys(("tsrange", "tsmultirange", "tstzrange", "tstzmultirange"), "part_span_seconds"),
    **dict.fromkeys(
        ("int4range", "int8range", "numrange", "int4multirange", "int8multirange", "nummultirange"),
        "part_span",
    ),
}
#: Values of these print numbers or times: in the same way in every session.
_SETTINGS: dict[str, frozenset[Settings]] = {
    "money": frozenset({"texts"}),
    "point": frozenset({"digits"}),
    "tstzrange": frozenset({"times"}),
    "tstzmultirange": frozenset({"times"}),
}
#: The norm of a vector, by the extension's type.
_NORMS = {"vector": "vector_norm", "halfvec": "l2_norm"}
_NONE: frozenset[Settings] = frozenset()
_DIGITS: frozenset[Settings] = frozenset({"digits"})


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Parts:
    value: Sql
    parts: Sql


@dataclass(frozen=True)
class _Numbers:
    value: Sql
    entity: Sql


@dataclass(frozen=True)
class _Vector:
    value: Sql
    elements: Sql
    norm: Sql


@dataclass(frozen=True)
class _Field:
    name: Sql
    value: Sql
    field: Sql


@dataclass(frozen=True)
class Parts:
    """How a sample describes the parts of a column's values.

    Attributes:
        form: ``json`` where the names are those of the values' own keys.
        text: From the value and the hash that chooses the row to its parts, as text of JSON.
        settings: What that text depends on.
    """

    form: Form
    text: Callable[[Sql, Sql], Sql]
    settings: frozenset[Settings] = _NONE


def of(column: Column) -> Parts | None:
    """How the parts of a column's values are read, or ``None`` for an unknown type."""
    if column.vector:
        return _of_vector(column)
    if column.category == COMPOSITE:
        return _of_fields(column)
    if column.category == ARRAY and column.base_type.endswith("[]"):
        return _of_array(column)
    if not column.plain:
        return None
    if column.base_type in ("json", "jsonb"):
        template = "sample_json" if column.base_type == "jsonb" else "sample_json_text"
        return Parts("json", lambda value, _: sql.render(template, _Value(value)))
    if (part := _PARTS.get(column.base_type)) is not None:
        settings = _SETTINGS.get(column.base_type, _NONE)
        return Parts("parts", lambda value, _: _listed(value, sql.render(part, _Value(value))), settings)
    return None


def _listed(value: Sql, parts: Sql) -> Sql:
    return sql.render("sample_parts", _Parts(value, parts))


def _of_array(column: Column) -> Parts:
    if column.plain and column.base_type in _FLOATS:
        return Parts(
            "parts", lambda value, entity: sql.render("sample_numbers", _Numbers(value, entity)), _DIGITS
        )
    if column.plain and column.base_type == "numeric[]":
        return Parts(
            "parts", lambda value, entity: sql.render("sample_numerics", _Numbers(value, entity)), _DIGITS
        )
    # Counting elements runs no code of their type.
    return Parts("parts", lambda value, _: _listed(value, sql.render("part_elements", _Value(value))))


def _of_vector(column: Column) -> Parts:
    elements = sql.identifier(column.type_schema, f"{column.vector}_to_float4")
    norm = sql.identifier(column.type_schema, _NORMS[column.vector])
    return Parts(
        "parts", lambda value, _: sql.render("sample_vector", _Vector(value, elements, norm)), _DIGITS
    )


def _of_fields(column: Column) -> Parts | None:
    known = tuple(one for one in column.fields if one.plain and one.base_type not in ("bytea", "xml"))
    if column.stranger is not None or not known:
        return None

    def text(value: Sql, _: Sql) -> Sql:
        return _listed(
            value,
            sql.join(
                ", ",
                (
                    sql.render(
                        "part_field"
                        if one.category == NUMERIC and one.base_type != "money"
                        else "part_field_text",
                        _Field(sql.literal(one.name), value, sql.identifier(one.name)),
                    )
                    for one in known
                ),
            ),
        )

    return Parts("parts", text, session.of_types(one.base_type for one in known))
