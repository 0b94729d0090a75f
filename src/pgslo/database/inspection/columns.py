"""What a sample of rows says of each column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from pgslo import sql
from pgslo.catalog import NUMERIC, TEXT, Column
from pgslo.compile.snippets import texts
from pgslo.compile.snippets.literals import ENUM
from pgslo.database.inspection.questions import Questions
from pgslo.errors import PgsloError
from pgslo.sql import Sql
from pgslo.suggest import CLOSED, ColumnSeen

#: Values of these are looked into; of others only whether they are there.
_WORDS = {"text", "character varying", "character", "uuid", "inet", "boolean"}


@dataclass(frozen=True)
class _Columns:
    values: Sql
    table: Sql
    sampling: Sql
    most: Sql
    cells: Sql
    columns: Sql


@dataclass(frozen=True)
class _FirstSeen:
    batch: Sql
    values: Sql
    table: Sql
    sampling: Sql
    most: Sql
    cells: Sql


@dataclass(frozen=True)
class _Named:
    value: Sql
    name: Sql


@dataclass(frozen=True)
class _Sampled:
    column: Sql
    text: Sql


@dataclass(frozen=True)
class _Cell:
    ordinal: Sql
    kind: Sql
    name: Sql


def columns_seen(questions: Questions) -> tuple[tuple[ColumnSeen, ...], int]:
    """What a sample says of each column, and how many rows it has.

    Raises:
        PgsloError: The table has no columns.
    """
    columns = questions.relation.columns
    if not columns:
        raise PgsloError(f"{questions.table} has no columns")
    values, cells = _values_and_cells(columns)
    rows: list[dict[str, Any]] = []
    while not rows:
        context = _Columns(
            values,
            questions.table,
            questions.sampling,
            sql.literal(questions.most),
            cells,
            sql.literal(len(columns)),
        )
        try:
            names, found = questions.run(sql.render("suggest_columns", context))
            rows = [dict(zip(names, one, strict=True)) for one in found]
        except psycopg.errors.QueryCanceled:
            # Long texts: fewer rows give about the same result.
            if not questions.sample_fewer():
                raise
    seen = tuple(
        ColumnSeen(
            column=column,
            sampled=row["sampled"],
            present=row["present"],
            different=row["different"],
            single=row["single"],
            longest=row["longest"],
            empty=row["empty"],
            least=row["least"],
            most=row["most"],
            median=row["median"],
            whole=row["whole"],
            zero=row["zero"],
            formats=dict(row["formats"]),
            top=tuple((value, count) for value, count in row["top"]),
        )
        for column, row in zip(columns, rows, strict=True)
    )
    return seen, rows[0]["sampled"]


def first_seen(questions: Questions, seen: Sequence[ColumnSeen], batch: Sql) -> dict[str, tuple[int, int]]:
    """Of columns with few values: the batch in which the newest of them was first seen, and how many batches there are.

    Args:
        questions: The queries for the table.
        seen: Its columns.
        batch: The key of a row's batch.
    """
    columns = [one.column for one in seen if 2 <= one.different <= CLOSED and _kind(one.column) == "text"]
    if not columns:
        return {}
    values, cells = _values_and_cells(columns)
    context = _FirstSeen(
        batch, values, questions.table, questions.sampling, sql.literal(questions.most), cells
    )
    rows = questions.ask(sql.render("suggest_first_seen", context))
    return {columns[row["ordinal"] - 1].name: (row["latest"], row["batches"]) for row in rows}


def _values_and_cells(columns: Sequence[Column]) -> tuple[Sql, Sql]:
    """The columns as values of a row of the sample, and as cells of it with their places."""
    values, cells = [], []
    for place, column in enumerate(columns, 1):
        kind, name = _kind(column), sql.identifier(f"c{place}")
        form = "suggest_presence" if kind == "presence" else "suggest_text"
        value = sql.render(form, _Sampled(sql.identifier(column.name), texts.text(column, Sql("t"))))
        values.append(sql.render("suggest_named", _Named(value, name)))
        cells.append(sql.render("suggest_cell", _Cell(sql.literal(place), sql.literal(kind), name)))
    return sql.join(", ", values), sql.join(", ", cells)


def _kind(column: Column) -> str:
    if column.type_schema != "pg_catalog" and column.category != ENUM:
        return "presence"  # No rule compares its values: its operators are not PostgreSQL's own.
    if column.category == NUMERIC and column.plain and column.base_type != "money":
        return "number"
    if column.category == TEXT or column.base_type in _WORDS:
        return "text"
    if column.category in ("D", "E", "U", "I", "B") and column.base_type not in (
        "bytea",
        "json",
        "jsonb",
        "xml",
        "tsvector",
        "tsquery",
    ):
        return "other"
    return "presence"
