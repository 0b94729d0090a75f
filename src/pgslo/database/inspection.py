"""Looks at a table that pgslo need not know, for a definition to begin with: reads a sample and little more, and changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pgslo import sql
from pgslo.catalog import NUMERIC, TEXT, Column, Name, Relation
from pgslo.compile.snippets import texts
from pgslo.compile.snippets.literals import ENUM
from pgslo.database import catalog_reader, probing
from pgslo.database import connections as database
from pgslo.database.connections import Connection
from pgslo.errors import PgsloError
from pgslo.sql import Sql
from pgslo.suggest import Batching, BatchSeen, ColumnSeen, Facts, ReferenceSeen, choose_batch

#: Longest that one question about the whole table may take, in milliseconds; what takes longer stays unknown.
_PATIENCE = 20_000
#: Cells of the sample: a wide table is sampled less deeply.
_CELLS = 3_000_000
#: Rows that are looked at however long they are.
_LEAST_ROWS = 1_000
#: Columns that are tried for being different in each row, each with one scan.
_KEYS = 3
_LINKED = 2_000
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
class _Named:
    value: Sql
    name: Sql


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Sampled:
    column: Sql
    text: Sql


@dataclass(frozen=True)
class _Cell:
    ordinal: Sql
    kind: Sql
    name: Sql


@dataclass(frozen=True)
class _Batches:
    batch: Sql
    value: Sql
    table: Sql
    present: Sql


@dataclass(frozen=True)
class _Loads:
    value: Sql
    table: Sql
    present: Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Percent:
    percent: Sql


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


def inspect(
    conn: Connection, name: str, *, sample: int, on_step: Callable[[str], None] = lambda _step: None
) -> Facts:
    """Look at a table.

    Args:
        conn: A connection of a role that may read it.
        name: The table, as SQL writes it.
        sample: Rows to look at.
        on_step: Told what is looked at next.

    Raises:
        PgsloError: There is no such table, or it is none that can be guarded.
        DatabaseError: It may not be read.
    """
    with database.errors():
        found = _find(conn, name)
        relation = _relation(conn, (found["schema_name"], found["name"]))
        return _Inspection(conn, relation, found, sample, on_step).facts()


def _find(conn: Connection, name: str) -> dict[str, Any]:
    try:
        # By the role's own search path, unlike all else.
        relation = conn.execute("SELECT pg_catalog.to_regclass(%s)::oid::text", (name,)).fetchone()
    except psycopg.errors.Error as exc:
        raise PgsloError(
            f'"{name}" is not the name of a table',
            hint='as SQL writes it: features.stats, "My Schema"."My Table"',
        ) from exc
    assert relation is not None
    rows = database.fetch(conn, "named_relation", {"relation": relation[0]})
    if not rows:
        raise PgsloError(f"{name} does not exist", hint="name it with its schema: features.stats")
    found = rows[0]
    shown = sql.identifier(found["schema_name"], found["name"]).text
    if found["kind"] in ("v", "m"):
        reads = ", ".join(found["reads"])
        raise PgsloError(
            f"{shown} is a view",
            detail="Nothing is written to a view, so there is nothing to guard.",
            hint=f"suggest for what it reads: {reads}" if reads else "suggest for the tables that it reads",
        )
    if found["kind"] not in ("r", "p"):
        kind = {"f": "a foreign table", "i": "an index", "I": "an index", "S": "a sequence", "c": "a type"}
        raise PgsloError(f"{shown} is {kind.get(found['kind'], 'no table')}", hint="pgslo guards tables")
    if found["schema_name"] in ("pg_catalog", "information_schema", "pgslo_catalog"):
        raise PgsloError(f"{shown} is a table of the system", hint="pgslo guards your own tables")
    return found


def _relation(conn: Connection, name: Name) -> Relation:
    relation = catalog_reader.read_relation(conn, name)
    assert relation is not None, "it was found a moment ago"
    if relation.is_partition:
        parent = sql.identifier(*relation.parents[0]).text
        raise PgsloError(
            f"{sql.identifier(*name).text} is a partition of {parent}",
            hint=f"suggest for {parent}; its rules hold in every partition",
        )
    return relation


class _Inspection:
    def __init__(
        self,
        conn: Connection,
        relation: Relation,
        found: dict[str, Any],
        sample: int,
        on_step: Callable[[str], None],
    ) -> None:
        self._conn = conn
        self._relation = relation
        self._table = sql.identifier(relation.schema, relation.name)
        self._on_step = on_step
        width = max(len(relation.columns), 1)
        self._most = min(sample, max(_CELLS // width, _LEAST_ROWS))
        # Never analysed: as if a row took 100 bytes, which asks for more rows rather than for fewer.
        self._rows = int(found["rows"] or 0) or (found["bytes"] or 0) // 100
        self._sampling = Sql("")
        self._sample()

    def _sample(self) -> None:
        if self._rows > self._most * 1.2:
            percent = max(min(100.0 * self._most / self._rows, 100.0), 0.0001)
            self._sampling = sql.render("suggest_sampling", _Percent(Sql(f"{percent:.4f}")))

    def facts(self) -> Facts:
        self._on_step("columns")
        columns, sampled = self._columns()
        is_whole = not self._sampling.text and sampled < self._most
        seen = Facts(
            self._relation,
            sampled,
            is_whole,
            max(self._rows, sampled),
            columns,
            now=self._now(),
            readers=self._readers(),
        )
        if not sampled:
            return seen
        batch = choose_batch(seen)
        self._on_step("batches")
        batches = self._batches(batch) if batch else ()
        self._on_step("keys")
        unique = self._unique(columns, batch)
        self._on_step("references")
        references = self._references(columns)
        self._on_step("order")
        rising = self._rising(columns, batch) if batch else {}
        return replace(seen, batches=batches, unique=unique, references=references, rising=rising)

    def _readers(self) -> tuple[str, ...]:
        name = (self._relation.schema, self._relation.name)
        return tuple(
            one.role for one in catalog_reader.table_readers(self._conn, [name]).get(name, ()) if one.role
        )

    @contextlib.contextmanager
    def _asking(self) -> Iterator[psycopg.Cursor[dict[str, Any]]]:
        """A cursor whose work is read-only, rolled back, and ends after a while."""
        with (
            probing.asking(self._conn, patience=_PATIENCE),
            self._conn.cursor(row_factory=dict_row) as cursor,
        ):
            cursor.execute("SET LOCAL timezone = 'UTC'")
            # Else two runs would begin their scans in different places, and see different rows first.
            cursor.execute("SET LOCAL synchronize_seqscans = off")
            yield cursor

    def _ask(self, text: Sql) -> list[dict[str, Any]]:
        """Rows of a question that may remain open: too long, or of a type that cannot be asked so."""
        try:
            with self._asking() as cursor:
                return cursor.execute(text.text.encode()).fetchall()
        except psycopg.errors.InsufficientPrivilege:
            raise
        except (psycopg.errors.QueryCanceled, psycopg.errors.DataError, psycopg.errors.ProgrammingError):
            return []

    def _now(self) -> float:
        row = self._conn.execute(
            "SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())"
        ).fetchone()
        assert row is not None
        return float(row[0])

    # Columns

    def _columns(self) -> tuple[tuple[ColumnSeen, ...], int]:
        columns = self._relation.columns
        if not columns:
            raise PgsloError(f"{self._table} has no columns")
        values, cells = [], []
        for place, column in enumerate(columns, 1):
            kind, name = _kind(column), sql.identifier(f"c{place}")
            form = "suggest_presence" if kind == "presence" else "suggest_text"
            value = sql.render(form, _Sampled(sql.identifier(column.name), texts.text(column, Sql("t"))))
            values.append(sql.render("suggest_named", _Named(value, name)))
            cells.append(sql.render("suggest_cell", _Cell(sql.literal(place), sql.literal(kind), name)))
        rows: list[dict[str, Any]] = []
        while not rows:
            context = _Columns(
                sql.join(", ", values),
                self._table,
                self._sampling,
                sql.literal(self._most),
                sql.join(", ", cells),
                sql.literal(len(columns)),
            )
            try:
                with self._asking() as cursor:
                    rows = cursor.execute(sql.render("suggest_columns", context).text.encode()).fetchall()
            except psycopg.errors.QueryCanceled:
                # Long texts: fewer rows tell about as much.
                if self._most <= _LEAST_ROWS:
                    raise
                self._most = max(self._most // 10, _LEAST_ROWS)
                self._sample()
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

    # Batches

    def _batches(self, batch: Batching) -> tuple[BatchSeen, ...]:
        value = self._value(batch.column)
        column = self._relation.column(batch.column)
        assert column is not None
        present = sql.join(
            ", ",
            (
                sql.render("suggest_present", _Column(sql.identifier(one.name)))
                for one in self._relation.columns
            ),
        )
        if column.category == NUMERIC:
            text = sql.render("suggest_loads", _Loads(value, self._table, present))
        else:
            key = value if batch.every is None else sql.render("suggest_day", _Value(value))
            text = sql.render("suggest_batches", _Batches(key, value, self._table, present))
        return tuple(
            BatchSeen(row["name"], row["place"], row["rows"], tuple(row["present"]))
            for row in self._ask(text)
        )

    def _value(self, column: str) -> Sql:
        return sql.render("suggest_column", _Column(sql.identifier(column)))

    # Keys

    def _unique(self, columns: Sequence[ColumnSeen], batch: Batching | None) -> tuple[str, ...]:
        relation = self._relation
        if relation.primary_key:
            return ()
        whole = {one.name for one in columns if one.present == one.sampled}
        for index in relation.indexes:
            if index.unique and index.whole and set(index.columns) <= whole:
                return index.columns
        full = [
            one for one in columns if one.name in whole and one.column.has_equality and one.column.has_order
        ]
        single = [
            one
            for one in full
            if one.different == one.sampled and one.column.category in (NUMERIC, TEXT, "U")
        ]
        tried: list[tuple[str, ...]] = [(one.name,) for one in single[:_KEYS]]
        if not tried and batch is not None and batch.every is None:
            named = [one for one in full if one.name != batch.column and one.different > 1]
            named.sort(key=lambda one: (-one.different, one.name))
            tried = [(one.name, batch.column) for one in named[:_KEYS]]
            tried += [(*(one.name for one in named[:n]), batch.column) for n in range(2, _KEYS + 1)]
        found = next((names for names in tried if self._are_unique(names)), ())
        for name in found[:-1] if len(found) > 2 else ():
            fewer = tuple(one for one in found if one != name)
            found = fewer if self._are_unique(fewer) else found
        return found

    def _are_unique(self, names: Sequence[str]) -> bool:
        """Whether no two rows agree in all of these; a question that takes too long says no."""
        listed = sql.join(", ", (self._value(name) for name in names))
        rows = self._ask(sql.render("suggest_unique", _Unique(self._table, listed)))
        return bool(rows and rows[0]["is_unique"])

    # References

    def _references(self, columns: Sequence[ColumnSeen]) -> tuple[ReferenceSeen, ...]:
        relation = self._relation
        known = {name for key in relation.foreign_keys for name in key.columns}
        targets = database.fetch(self._conn, "reference_targets")
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
            fitting.sort(
                key=lambda one: (one["schema_name"] != relation.schema, one["schema_name"], one["name"])
            )
            for one in fitting[:_KEYS]:
                context = _Contained(
                    sql.identifier(seen.name),
                    self._table,
                    self._sampling,
                    sql.literal(_LINKED),
                    sql.identifier(one["schema_name"], one["name"]),
                    sql.identifier(one["column"]),
                )
                rows = self._ask(sql.render("suggest_contained", context))
                if rows and rows[0]["different"] and rows[0]["different"] == rows[0]["found"]:
                    table = (one["schema_name"], one["name"])
                    found.append(ReferenceSeen(seen.name, table, one["column"], rows[0]["different"]))
                    break
        return tuple(found)

    # Order

    def _rising(self, columns: Sequence[ColumnSeen], batch: Batching) -> dict[str, int]:
        if batch.every is None:
            return {}  # Rows of a day have no order that the day tells.
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
        value = self._value(batch.column)
        lags, steps = [], []
        for place, one in enumerate(numbers):
            name, before = sql.identifier(f"c{place}"), sql.identifier(f"b{place}")
            lags.append(sql.render("suggest_lag", _Lag(sql.identifier(one.name), name, before, value)))
            steps.append(sql.render("suggest_step", _Step(name, before)))
        text = sql.render(
            "suggest_order", _Order(sql.join(", ", steps), sql.join(", ", lags), self._table, value)
        )
        try:
            with self._asking() as cursor, self._conn.cursor() as plain:
                del cursor
                row = plain.execute(text.text.encode()).fetchone()
        except (psycopg.errors.QueryCanceled, psycopg.errors.DataError):
            return {}
        assert row is not None
        rising = {}
        for place, one in enumerate(numbers):
            falls, rises, _same = row[3 * place : 3 * place + 3]
            if falls == 0 and rises >= _LEAST_STEPS:
                rising[one.name] = rises
        return rising


#: Fewer steps tell no order.
_LEAST_STEPS = 100


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
