"""The columns whose profile is kept, how values of theirs are sampled, and the rules that are learned of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pgslo import sql
from pgslo.catalog import NUMERIC, TEMPORAL, Column, Relation
from pgslo.compile.batches import parts
from pgslo.compile.snippets import literals, session_settings, texts
from pgslo.compile.snippets.literals import ARRAY, COMPOSITE, GEOMETRIC, RANGE
from pgslo.compile.snippets.values import cut_in, value_of
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition.rules import Definition
from pgslo.expression.session import Settings
from pgslo.sql import Sql

Kind = Literal["number", "time", "text"]


#: Name of the learned rule about the table as a whole: its rows, and whether they can be measured at all.
TABLE_RULE = "learned"
#: Where further lines of a list of values begin.
_INDENT = 27
#: The variable that holds the mask.
_MASK = Sql("mask")
_WHOLE_NUMBERS = {"smallint", "integer", "bigint"}
#: Values of these are long, have no form in text that every session prints alike, or both: only their presence counts.
_OPAQUE = {"bytea", "json", "jsonb", "xml", "tsvector", "tsquery", "money", "interval"}


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Sample:
    value: Sql
    text: Sql


@dataclass(frozen=True)
class _Values:
    values: Sql


@dataclass(frozen=True)
class Sampled:
    """The sampled values of rows.

    Attributes:
        entity: A hash that chooses the rows.
        cells: The same as text, and then the row's values.
        mask: The bits of the hash that have to be 0.
    """

    entity: Sql
    cells: Sql
    mask: Sql


@dataclass(frozen=True)
class Watched:
    """A column whose profile is kept, and how its values read."""

    column: Column
    kind: Kind


def watched(definition: Definition, relation: Relation) -> tuple[Watched, ...]:
    """The columns whose profile is kept, in the table's order.

    Left out are the columns that name the batch, which are the same in all of its rows, and virtual columns, which
    triggers see as NULL.
    """
    return tuple(
        Watched(column, _kind(column))
        for column in (*relation.columns, *relation.inside)
        if is_watched(definition, column)
    )


def is_watched(definition: Definition, column: Column) -> bool:
    """Whether a column's profile is kept; :func:`watched` says which are not."""
    by = definition.batch.by if definition.batch else None
    names_batch = by is not None and by.text == column.name
    if names_batch or column.name in definition.unwatched or column.generated == "v":
        return False
    # Of a path, a profile knows the values or nothing.
    return column.inside is None or is_sampled(column)


def is_sampled(column: Column) -> bool:
    """Whether a profile knows a column's values, rather than whether they are NULL and their parts."""
    return _is_told(Watched(column, _kind(column)))


def is_looked_into(column: Column) -> bool:
    """Whether profiles are kept of the parts of a column's values, such as the length of an array."""
    return form(Watched(column, _kind(column))) in ("parts", "json")


def _kind(column: Column) -> Kind:
    if not column.plain:
        return "text"
    if column.category == NUMERIC and column.base_type not in _OPAQUE:
        return "number"
    if column.category == TEMPORAL and column.base_type in literals.DAYS:
        return "time"
    return "text"


def learned(columns: tuple[Watched, ...]) -> tuple[dict[str, object], ...]:
    """The rules whose bounds are learned, as the runtime knows them: one for each column, and one for the table."""
    named = [
        (f"{one.column.name}_learned", [one.column.name], f"{one.column.name} as its history has it")
        for one in columns
        if one.column.inside is None
    ]
    return tuple(
        {
            "name": name,
            "kind": "learned",
            "columns": about,
            "on_breach": "warn",
            "at_least": None,
            "at_most": None,
            "samples": 0,
            "mechanism": "at close",
            "promise": summary,
            "owner": None,
            "description": None,
            "tags": [],
            "scope": "batch",
            "measure": {"from": "learned"},
        }
        for name, about, summary in (
            *named,
            (TABLE_RULE, [], "rows as many, and as different, as the table's history has them"),
        )
    )


def is_null_as_sampled(one: Watched) -> bool:
    """Whether its cell in a sample is NULL where its value is, and nowhere else."""
    return _is_told(one) and one.column.inside is None


def sampled(
    table: TableContext, columns: tuple[Watched, ...], *, mask: Sql = _MASK, width: int = sql.WIDTH
) -> Sampled:
    """The sampled values of rows, for a given name of the mask, in lines of a width."""
    entity = _entity(table, columns)
    cells = (texts.text_of(entity, plain=True), *(_sampled_value(one, entity) for one in columns))
    return Sampled(entity, sql.listed(cells, _INDENT, width=width), mask)


def _sampled_value(one: Watched, entity: Sql) -> Sql:
    if form(one) in ("parts", "json") and (looked_into := parts.of(one.column)) is not None:
        return looked_into.text(value_of(one.column, ROW), entity)
    return _text(one)


def _text(one: Watched) -> Sql:
    inside = one.column.inside
    if inside is not None and inside.json:
        return cut_in(inside.sampled, inside.column, ROW)
    value = _Sample(value_of(one.column, ROW), texts.text(one.column, ROW))
    return sql.render(f"sample_{form(one)}", value)


def sample(table: TableContext, columns: tuple[Watched, ...], *, mask: Sql = _MASK) -> Sql:
    """Return the sampled values of counted rows."""
    return sql.render("sample_within", sampled(table, columns, mask=mask))


def form(one: Watched) -> str:
    """Return its kind; ``parts`` or ``json`` where values are looked into, ``presence`` where only NULL is known."""
    column = one.column
    if one.kind == "text" and (
        column.base_type in _OPAQUE
        or column.vector
        or column.category in (ARRAY, COMPOSITE, GEOMETRIC, RANGE)
        or column.category not in ("S", "E", "B", "N", "D", "U", "I")
    ):
        looked_into = parts.of(column)
        return looked_into.form if looked_into is not None else "presence"
    return one.kind


def _is_told(one: Watched) -> bool:
    return form(one) not in ("presence", "parts", "json")


def _entity(table: TableContext, watched: tuple[Watched, ...]) -> Sql:
    """A hash of what the row is about: its key without what names the batch, so that batches sample the same entities.

    Where the key names nothing but the batch, all values together represent it: rows of a batch must differ, or all or
    none of them are sampled.
    """
    by = table.definition.batch.by if table.definition.batch else None
    key = tuple(name for name in table.key if by is None or name not in by.columns)
    columns = [column for name in key if (column := table.relation.column(name))]
    if not columns:
        values = (_text(one) for one in watched if _is_told(one) and one.column.inside is None)
        return sql.render("entity_text", _Values(sql.join(", ", (sql.literal(""), *values))))
    if len(columns) == 1 and columns[0].base_type in _WHOLE_NUMBERS:
        return sql.render("entity_number", _Column(sql.identifier(columns[0].name)))
    values = (
        sql.render(
            "sample_time" if _kind(column) == "time" else "sample_number",
            _Sample(value_of(column, ROW), texts.text(column, ROW)),
        )
        for column in columns
    )
    return sql.render("entity_text", _Values(sql.join(", ", values)))


def printed(table: TableContext, watched: tuple[Watched, ...]) -> frozenset[Settings]:
    """The settings that samples depend on: a row that leaves is found by the same text as it came with."""
    of_key = (Watched(one, _kind(one)) for name in table.key if (one := table.relation.column(name)))
    sampled = (one for one in watched if _is_told(one))
    inside = (parts.of(one.column) for one in watched if not _is_told(one))
    return session_settings.printed(one.column for one in (*of_key, *sampled) if one.kind != "time").union(
        *(one.settings for one in inside if one is not None)
    )
