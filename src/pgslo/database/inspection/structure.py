"""What a table's rows have in common: keys without a constraint, references without a foreign key, numbers that rise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from pgslo import sql
from pgslo.catalog import NUMERIC, TEXT, Column
from pgslo.database.catalog_queries import fetch
from pgslo.database.connections import Connection
from pgslo.database.inspection.questions import Questions, column
from pgslo.sql import Sql
from pgslo.suggest import Batching, ColumnSeen, ReferenceSeen

#: Columns that are tried for being different in each row, each with one scan.
_KEYS = 3
_LINKED = 2_000
#: Fewer steps do not determine an order.
_LEAST_STEPS = 100


@dataclass(frozen=True)
class _Unique:
    table: Sql
    columns: Sql


@dataclass(frozen=True)
class _Contained:
    column: Sql
    table: Sql
    sampling: Sql
    most: Sql
    other: Sql
    to: Sql


@dataclass(frozen=True)
class _Order:
    steps: Sql
    lags: Sql
    table: Sql
    value: Sql


@dataclass(frozen=True)
class _Lag:
    column: Sql
    name: Sql
    before: Sql
    value: Sql


@dataclass(frozen=True)
class _Step:
    name: Sql
    before: Sql


# Keys


def unique(questions: Questions, columns: Sequence[ColumnSeen], batch: Batching | None) -> tuple[str, ...]:
    """The columns that are different in each row, where the table does not say it; empty if none were found."""
    relation = questions.relation
    if relation.primary_key:
        return ()
    whole = {one.name for one in columns if one.present == one.sampled}
    for index in relation.indexes:
        if index.unique and index.whole and set(index.columns) <= whole:
            return index.columns
    full = [one for one in columns if one.name in whole and one.column.has_equality and one.column.has_order]
    single = [
        one for one in full if one.different == one.sampled and one.column.category in (NUMERIC, TEXT, "U")
    ]
    tried: list[tuple[str, ...]] = [(one.name,) for one in single[:_KEYS]]
    if not tried and batch is not None and batch.every is None:
        named = [one for one in full if one.name != batch.column and one.different > 1]
        named.sort(key=lambda one: (-one.different, one.name))
        tried = [(one.name, batch.column) for one in named[:_KEYS]]
        tried += [(*(one.name for one in named[:n]), batch.column) for n in range(2, _KEYS + 1)]
    found = next((names for names in tried if _are_unique(questions, names)), ())
    for name in found[:-1] if len(found) > 2 else ():
        fewer = tuple(one for one in found if one != name)
        found = fewer if _are_unique(questions, fewer) else found
    return found


def _are_unique(questions: Questions, names: Sequence[str]) -> bool:
    """Whether no two rows agree in all of these; a question that takes too long says no."""
    listed = sql.join(", ", (column(name) for name in names))
    rows = questions.ask(sql.render("suggest_unique", _Unique(questions.table, listed)))
    return bool(rows and rows[0]["is_unique"])


# References


def references(
    conn: Connection, questions: Questions, columns: Sequence[ColumnSeen]
) -> tuple[ReferenceSeen, ...]:
    """Columns whose values are all in another table that they are named after, and that no foreign key is about."""
    relation = questions.relation
    known = {name for key in relation.foreign_keys for name in key.columns}
    targets = fetch(conn, "reference_targets")
    found = []
    for seen in columns:
        if seen.name in known or not seen.present or relation.primary_key == (seen.name,):
            continue
        fitting = [
            one
            for one in targets
            if (one["schema_name"], one["name"]) != (relation.schema, relation.name)
            and _same_type(one["type"], seen.column)
            and _names_fit(seen.name, one["name"], one["column"])
        ]
        fitting.sort(key=lambda one: (one["schema_name"] != relation.schema, one["schema_name"], one["name"]))
        for one in fitting[:_KEYS]:
            context = _Contained(
                sql.identifier(seen.name),
                questions.table,
                questions.sampling,
                sql.literal(_LINKED),
                sql.identifier(one["schema_name"], one["name"]),
                sql.identifier(one["column"]),
            )
            rows = questions.ask(sql.render("suggest_contained", context), others=(context.other,))
            if rows and rows[0]["different"] and rows[0]["different"] == rows[0]["found"]:
                table = (one["schema_name"], one["name"])
                found.append(ReferenceSeen(seen.name, table, one["column"], rows[0]["different"]))
                break
    return tuple(found)


# Order


def rising(questions: Questions, columns: Sequence[ColumnSeen], batch: Batching) -> dict[str, int]:
    """Numbers that never fall from batch to batch, with how often they rose."""
    if batch.every is None:
        return {}  # The day does not order the rows of that day.
    numbers = [
        one
        for one in columns
        if one.column.category == NUMERIC
        and one.column.plain
        and one.column.base_type != "money"
        and one.different > _LEAST_STEPS
    ]
    if not numbers:
        return {}
    value = column(batch.column)
    lags, steps = [], []
    for place, one in enumerate(numbers):
        name, before = sql.identifier(f"c{place}"), sql.identifier(f"b{place}")
        lags.append(sql.render("suggest_lag", _Lag(sql.identifier(one.name), name, before, value)))
        steps.append(sql.render("suggest_step", _Step(name, before)))
    text = sql.render(
        "suggest_order", _Order(sql.join(", ", steps), sql.join(", ", lags), questions.table, value)
    )
    try:
        _, (row,) = questions.run(text)
    except (psycopg.errors.QueryCanceled, psycopg.errors.DataError):
        return {}
    found = {}
    for place, one in enumerate(numbers):
        falls, rises, _same = row[3 * place : 3 * place + 3]
        if falls == 0 and rises >= _LEAST_STEPS:
            found[one.name] = rises
    return found


def _same_type(type_: str, column: Column) -> bool:
    if not column.plain:
        return False
    whole = {"smallint", "integer", "bigint"}
    return type_ == column.base_type or (type_ in whole and column.base_type in whole)


def _names_fit(column: str, table: str, to: str) -> bool:
    """Whether a column is named after another table, or like its unique column: user_id and users.id, country and country.code."""
    column, table, to = column.lower(), table.lower(), to.lower()
    singular = {table, table.removesuffix("s"), table.removesuffix("es")}
    if table.endswith("ies"):
        singular.add(table[:-3] + "y")
    if column == to and column not in ("id", "name", "code", "key", "uuid"):
        return True
    stems = {column, *(column.removesuffix(end) for end in ("_id", "_code", "_key", "_no", "_uuid"))}
    return bool(stems & singular)
