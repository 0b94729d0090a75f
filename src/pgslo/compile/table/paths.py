"""Paths into a column's values, such as the norm of a vector or a key of a document, as columns that rules name."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace

from pgslo import sql
from pgslo.catalog import BOOLEAN, NUMERIC, TEMPORAL, TEXT, Column, Field, Inside, Relation
from pgslo.compile.snippets.literals import ARRAY, COMPOSITE
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.definition.rules.base import ValueType
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: A step of a path: as it is, or in double quotes.
_STEP = re.compile(r'\.(?:(?P<plain>[A-Za-z0-9_-]+)|"(?P<quoted>(?:[^"]|"")+)")')
#: The place of the column's value in an expression, which is cut there. No name contains it.
_VALUE = "\x01"
_FLOATS = {"real[]", "double precision[]", "smallint[]", "integer[]", "bigint[]"}
_CATEGORIES = {
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double precision"), NUMERIC),
    **dict.fromkeys(("date", "timestamp without time zone", "timestamp with time zone"), TEMPORAL),
    "text": TEXT,
    "boolean": BOOLEAN,
}
_LENGTH = {"length": ("integer", "size")}
_ENDS = {
    "daterange": ("date", "days", "days"),
    "tsrange": ("timestamp without time zone", "seconds", "span_seconds"),
    "tstzrange": ("timestamp with time zone", "seconds", "span_seconds"),
    "int4range": ("integer", "length", "span"),
    "int8range": ("bigint", "length", "span"),
    "numrange": ("numeric", "length", "span"),
}
#: By base type, the parts inside: their type and the template of the expression.
_PARTS: dict[str, dict[str, tuple[str, str]]] = {
    "interval": {"seconds": ("numeric", "seconds")},
    "money": {"amount": ("numeric", "amount")},
    "bytea": {"length": ("integer", "bytes")},
    "tsvector": _LENGTH,
    **{name: {**_LENGTH, "ones": ("bigint", "ones")} for name in ("bit", "bit varying")},
    "point": {"x": ("double precision", "x"), "y": ("double precision", "y")},
    **{name: {"length": ("integer", "points")} for name in ("polygon", "path")},
    **{
        name: {
            "lower": (end, "lower"),
            "upper": (end, "upper"),
            word: ("numeric", stem),
            "empty": ("boolean", "empty"),
        }
        for base, (end, word, stem) in _ENDS.items()
        for name in (base, base.replace("range", "multirange"))
    },
}
#: What an index cannot hold: functions of pgslo, and values that depend on settings of the session.
_NOT_INDEXABLE = {
    "amount",
    "norm",
    "norm_numeric",
    "missing",
    "nulls",
    "zeros",
    "vector_zeros",
}
#: The norm of a vector, by the extension's type.
_NORMS = {"vector": "vector_norm", "halfvec": "l2_norm"}


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Elements:
    value: Sql
    elements: Sql


@dataclass(frozen=True)
class _Norm:
    value: Sql
    norm: Sql


@dataclass(frozen=True)
class _Field:
    value: Sql
    field: Sql


@dataclass(frozen=True)
class _Keys:
    value: Sql
    keys: Sql


@dataclass(frozen=True)
class _Unfit:
    """Why a path leads nowhere, and what to write instead."""

    message: str
    hint: str | None = None


def with_paths(definition: Definition, relation: Relation) -> tuple[Definition, Relation]:
    """Return the definition whose rules know which of their columns are paths, and the table with what these lead to."""
    wished: dict[str, ValueType | None] = {}
    for name in definition.listed:
        wished.setdefault(name, None)
    for rule in definition.rules:
        for name in rule.named:
            wished[name] = wished.get(name) or wish(rule, name, relation)
    found = []
    for name, wanted in wished.items():
        if relation.column(name) is None:
            column = _find(relation, name, wanted or "text")
            if isinstance(column, Column):
                found.append(column)
    if not found:
        return definition, relation
    bases = {one.name: one.inside.column for one in found if one.inside is not None}
    stated = []
    for rule in definition.rules:
        paths = {name: bases[name] for name in rule.named if name in bases}
        stated.append(rule.model_copy(update={"paths": paths}) if paths else rule)
    return definition.model_copy(update={"rules": tuple(stated)}), replace(relation, inside=tuple(found))


def check(rule: rules.Rule, relation: Relation) -> None:
    """Make sure that a rule can be about a path into a value.

    Raises:
        CatalogError: Its kind is about columns of the table, or another rule reads the same key of a document as another type.
    """
    for name in rule.paths:
        column = relation.column(name)
        assert column is not None, name
        assert column.inside is not None, name
        if not rule.about_values:
            raise CatalogError(
                f'{rule.word} cannot be about "{name}", which is inside of column "{column.inside.column}"',
                hint=f"make it a column: {generated(relation, column)}",
                location=rule.place_of(name),
            )
        wanted = wish(rule, name, relation)
        if column.inside.json and wanted is not None and wanted != _read_as(column):
            raise CatalogError(
                f'"{name}" is a {_read_as(column)} to another rule, and a {wanted} to this one',
                hint="write the one that is about the other type as an expression over the column",
                location=rule.place_of(name),
            )


def generated(relation: Relation, column: Column) -> str:
    """Return the statement that would create a column from a path into another."""
    assert column.inside is not None
    name = re.sub(r"[^a-z0-9_]+", "_", column.name.lower())
    value = sql.identifier(column.inside.column).text.join(column.inside.value)
    table = sql.identifier(relation.schema, relation.name)
    return f"ALTER TABLE {table} ADD COLUMN {name} {column.type} GENERATED ALWAYS AS ({value}) STORED"


def problem(relation: Relation, name: str) -> _Unfit | None:
    """Return why a name that looks like a path leads nowhere; ``None`` if it does not look like one."""
    found = _find(relation, name, "text")
    return found if isinstance(found, _Unfit) else None


def wish(rule: rules.Rule, name: str, relation: Relation) -> ValueType | None:
    """Return what a key of a document has to be for a rule; ``None`` if any value will do."""
    like = rule.like(name)
    other = relation.column(like) if like is not None else None
    if other is None:
        return rule.value_type(name)
    return "number" if other.category == NUMERIC else "text"


def _read_as(column: Column) -> ValueType:
    if column.category == NUMERIC:
        return "number"
    return "boolean" if column.type == "boolean" else "text"


def _find(relation: Relation, name: str, json: ValueType) -> Column | _Unfit | None:
    """Follow a path; ``None`` if it does not begin with a column. Of columns whose names hold dots, the longest begins it."""
    bases = [one for one in relation.columns if name.startswith(f"{one.name}.")]
    if not bases:
        return None
    base = max(bases, key=lambda one: len(one.name))
    steps, at = [], len(base.name)
    while at < len(name):
        step = _STEP.match(name, at)
        if step is None:
            return _Unfit(
                f'"{name}" is not a path into column "{base.name}"',
                'a key with other characters than letters, digits, "_" and "-" is written in double quotes: bag."a key"',
            )
        steps.append(step["plain"] or step["quoted"].replace('""', '"'))
        at = step.end()
    if base.stranger is not None:
        return _Unfit(
            f'column "{base.name}" has type {base.type}, which role "{base.stranger}" owns or is part of',
            "rules about paths into its values would run code of that role",
        )
    value = Sql(_VALUE)
    return _into(base, base, value, tuple(steps), name, json)


def _into(
    base: Column, column: Column, value: Sql, steps: tuple[str, ...], name: str, json: ValueType
) -> Column | _Unfit:
    """Follow the steps that are left from a value, which is of the type of a column."""
    if column.plain and column.base_type in ("json", "jsonb"):
        return _of_document(base, column.base_type, value, steps, name, json)
    step, *more = steps
    if column.category == COMPOSITE:
        return _of_field(base, column, value, steps, name, json)
    parts = _parts(column)
    if not parts:
        return _Unfit(
            f'column "{column.name}" has type {column.type}, and a path names nothing inside of its values',
            "paths lead into vectors, arrays, documents, composite types, ranges, intervals, money, points, bits and bytea",
        )
    if step not in parts or more:
        asked = ".".join(steps)
        close = difflib.get_close_matches(asked, parts, n=1)
        listed = ", ".join(f"{column.name}.{one}" for one in parts)
        return _Unfit(
            f'"{asked}" is nothing inside of column "{column.name}" of type {column.type}',
            f'did you mean "{column.name}.{close[0]}"?' if close else f"there are {listed}",
        )
    type_, stem = parts[step]
    found = _column(base, name, type_, _rendered(column, stem, value))
    assert found.inside is not None
    inside = replace(
        found.inside,
        is_indexable=stem not in _NOT_INDEXABLE,
        reads_elements=stem in ("norm", "norm_numeric"),
        # How many digits of money are behind the point depends on lc_monetary.
        settings=frozenset({"texts"}) if stem == "amount" else frozenset(),
    )
    return replace(found, inside=inside)


def _parts(column: Column) -> dict[str, tuple[str, str]]:
    """The parts of values of a column's type, each with its type and the template of its expression."""
    if column.vector:
        return {
            "norm": ("double precision", "vector_norm"),
            "length": ("integer", "vector_length"),
            "zeros": ("double precision", "vector_zeros"),
        }
    if column.category == ARRAY and column.base_type.endswith("[]"):
        found = {"length": ("integer", "elements")}
        if column.plain:
            has_nan = column.base_type in ("real[]", "double precision[]", "numeric[]")
            found["missing"] = ("double precision", "missing" if has_nan else "nulls")
        if column.plain and (column.base_type in _FLOATS or column.base_type == "numeric[]"):
            found["zeros"] = ("double precision", "zeros")
            norm = "norm_numeric" if column.base_type == "numeric[]" else "norm"
            found["norm"] = ("double precision", norm)
        return found
    return _PARTS.get(column.base_type, {}) if column.plain else {}


def _rendered(column: Column, stem: str, value: Sql) -> Sql:
    template = f"inside_{stem}"
    if stem == "vector_norm":
        return sql.render(template, _Norm(value, sql.identifier(column.type_schema, _NORMS[column.vector])))
    if column.vector:
        elements = sql.identifier(column.type_schema, f"{column.vector}_to_float4")
        return sql.render(template, _Elements(value, elements))
    return sql.render(template, _Value(value))


def _of_field(
    base: Column, column: Column, value: Sql, steps: tuple[str, ...], name: str, json: ValueType
) -> Column | _Unfit:
    step, *more = steps
    field = next((one for one in column.fields if one.name == step), None)
    if field is None:
        names = [one.name for one in column.fields]
        close = difflib.get_close_matches(step, names, n=1)
        listed = ", ".join(f"{column.name}.{one}" for one in names)
        return _Unfit(
            f'type {column.type} of column "{column.name}" has no field "{step}"',
            f'did you mean "{column.name}.{close[0]}"?' if close else f"there are {listed}",
        )
    if not field.plain:
        return _Unfit(
            f'field "{step}" of column "{column.name}" has type {field.base_type}, which is not PostgreSQL\'s own',
            "write an expression over the column, or make the field a column",
        )
    found = sql.render("inside_field", _Field(value, sql.identifier(step)))
    as_column = _as_column(field, f"{column.name}.{step}")
    if more:
        return _into(base, as_column, found, tuple(more), name, json)
    parts = _parts(as_column)
    if parts or field.base_type in ("json", "jsonb"):
        return _Unfit(
            f'field "{step}" of column "{column.name}" has type {field.base_type}, which is not a single value',
            f"name a part of it, as {column.name}.{step}.{next(iter(parts), 'key')}",
        )
    return _column(base, name, field.base_type, found, category=field.category)


def _as_column(field: Field, name: str) -> Column:
    return Column(name, field.base_type, field.base_type, "pg_catalog", field.category)


def _of_document(
    base: Column, type_: str, value: Sql, steps: tuple[str, ...], name: str, json: ValueType
) -> Column:
    keys = Sql(f"ARRAY[{sql.join(', ', (sql.literal(one) for one in steps))}]")
    context = _Keys(value, keys)
    plain = "plain_" if type_ == "json" else ""
    stem = f"{plain}json_number" if json == "number" else f"json_{json}"
    number = "double precision" if plain else "numeric"
    return _column(
        base,
        name,
        {"number": number, "text": "text", "boolean": "boolean"}[json],
        sql.render(f"inside_{stem}", context),
        # A boolean is compared as the document writes it, so that the text "true" is another value.
        base_type="text" if json == "boolean" else None,
        text=sql.render("inside_json_shown", context),
        sampled=sql.render(f"inside_{plain}json_sampled", context),
        is_indexable=not plain,
        json=steps,
    )


def _column(
    base: Column,
    name: str,
    type_: str,
    value: Sql,
    *,
    base_type: str | None = None,
    category: str | None = None,
    text: Sql | None = None,
    sampled: Sql | None = None,
    is_indexable: bool = True,
    json: tuple[str, ...] = (),
) -> Column:
    def cut(expression: Sql) -> tuple[str, ...]:
        return tuple(expression.text.split(_VALUE))

    as_text = text or Sql(f"{value}::text")
    own = base_type or type_
    return Column(
        name=name,
        type=type_,
        base_type=own,
        type_schema="pg_catalog",
        category=category or _CATEGORIES[own],
        generated=base.generated,
        type_number=base.type_number,
        inside=Inside(
            base.name,
            cut(value),
            cut(as_text),
            cut(sampled or as_text),
            is_indexable=is_indexable,
            json=json,
        ),
    )
