"""A table that pgslo need not know, from its name to all that a definition can begin with."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from pgslo import sql
from pgslo.catalog import NUMERIC, Name, Relation
from pgslo.database import catalog_queries, catalog_reader
from pgslo.database import connections as database
from pgslo.database.connections import Connection
from pgslo.database.inspection import structure
from pgslo.database.inspection.columns import columns_seen, first_seen
from pgslo.database.inspection.questions import Questions, column
from pgslo.errors import PgsloError
from pgslo.sql import Sql
from pgslo.suggest import Arrivals, Batching, BatchSeen, Facts, choose_batch

#: Rows of which the times are looked at, at most.
_ARRIVED = 1_000_000


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
class _Arrivals:
    value: Sql
    table: Sql
    most: Sql


@dataclass(frozen=True)
class _Span:
    every: Sql
    value: Sql


@dataclass(frozen=True)
class _Column:
    column: Sql


def inspect(
    conn: Connection,
    name: str,
    *,
    sample: int,
    own_rights: bool = False,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Facts:
    """Look at a table.

    Args:
        conn: A connection of a role that may read it.
        name: The table, as SQL writes it.
        sample: Rows to look at.
        own_rights: Whether functions in indexes and constraints of the table may run with the rights of the current role.
        on_step: Called with the next part that is read.

    Raises:
        PgsloError: The table does not exist, or cannot be guarded.
        DatabaseError: It may not be read.
    """
    with database.errors():
        found = _find(conn, name)
        relation = _relation(conn, (found["schema_name"], found["name"]))
        # Never analysed: as if a row took 100 bytes, which asks for more rows rather than for fewer.
        rows = int(found["rows"] or 0) or (found["bytes"] or 0) // 100
        return _facts(
            conn, Questions(conn, relation, rows=rows, sample=sample, own_rights=own_rights), on_step
        )


def _find(conn: Connection, name: str) -> dict[str, Any]:
    try:
        # By the role's own search path, unlike all else.
        relation = conn.execute("SELECT pg_catalog.to_regclass(%s)::oid::text", (name,)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.errors.Error as exc:
        raise PgsloError(
            f'"{name}" is not the name of a table',
            hint='as SQL writes it: features.stats, "My Schema"."My Table"',
        ) from exc
    assert relation is not None
    rows = catalog_queries.fetch(conn, "named_relation", {"relation": relation[0] or _elsewhere(conn, name)})
    if not rows:
        raise PgsloError(f"{name} does not exist", hint=_meant(conn, name))
    found = rows[0]
    shown = sql.identifier(found["schema_name"], found["name"]).text
    if found["kind"] in ("v", "m"):
        reads = ", ".join(found["reads"])
        raise PgsloError(
            f"{shown} is a view",
            detail="Nothing is written to a view, so there is nothing to guard.",
            hint=f"run suggest for {reads}, which it reads"
            if reads
            else "suggest for the tables that it reads",
        )
    if found["kind"] not in ("r", "p"):
        kind = {"f": "a foreign table", "i": "an index", "I": "an index", "S": "a sequence", "c": "a type"}
        raise PgsloError(f"{shown} is {kind.get(found['kind'], 'no table')}", hint="pgslo guards tables")
    if found["schema_name"] in ("pg_catalog", "information_schema", "pgslo_catalog"):
        raise PgsloError(f"{shown} is a table of the system", hint="pgslo guards your own tables")
    return found


def candidates(conn: Connection, name: str | None = None) -> tuple[Name, ...]:
    """Return tables that could be guarded, largest first; with a name, those called that in any schema."""
    rows = catalog_queries.fetch(conn, "tables_to_guard", {"name": name})
    return tuple((row["schema_name"], row["name"]) for row in rows)


def _elsewhere(conn: Connection, name: str) -> str | None:
    """Return the number of the one table of that name that is in a schema outside of the search path.

    Raises:
        PgsloError: There are several.
    """
    parts = conn.execute("SELECT pg_catalog.parse_ident(%s)", (name,)).fetchone()
    if parts is None or len(parts[0]) != 1:
        return None
    found = candidates(conn, parts[0][0])
    if len(found) > 1:
        named = ", ".join(sql.identifier(*one).text for one in found)
        raise PgsloError(f"{name} is ambiguous", hint=f"one of: {named}")
    if not found:
        return None
    row = conn.execute(
        "SELECT pg_catalog.to_regclass(%s)::oid::text", (sql.identifier(*found[0]).text,)
    ).fetchone()
    return row[0] if row else None


def _meant(conn: Connection, name: str) -> str:
    """Return the hint of an error about a table that does not exist."""
    known = {
        word: text
        for one in candidates(conn)
        for text in [sql.identifier(*one).text]
        for word in (one[1], text)
    }
    close = difflib.get_close_matches(name, known, n=1)
    return f'did you mean "{known[close[0]]}"?' if close else "name it with its schema: features.stats"


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


def _facts(conn: Connection, questions: Questions, on_step: Callable[[str], None]) -> Facts:
    on_step("columns")
    columns, sampled = columns_seen(questions)
    is_whole = not questions.sampling.text and sampled < questions.most
    seen = Facts(
        questions.relation,
        sampled,
        is_whole,
        max(questions.rows, sampled),
        columns,
        now=_now(conn),
        readers=_readers(conn, questions.relation),
    )
    if not sampled:
        return seen
    batch = choose_batch(seen)
    if batch and batch.every:
        on_step("arrivals")
        seen = replace(seen, arrivals=_arrivals(questions, batch))
        batch = choose_batch(seen)
    on_step("batches")
    batches = _batches(questions, batch) if batch else ()
    first = first_seen(questions, columns, _key(batch)) if batch else {}
    on_step("keys")
    unique = structure.unique(questions, columns, batch)
    on_step("references")
    references = structure.references(conn, questions, columns)
    on_step("order")
    rising = structure.rising(questions, columns, batch) if batch else {}
    return replace(
        seen, batches=batches, first_seen=first, unique=unique, references=references, rising=rising
    )


def _readers(conn: Connection, relation: Relation) -> tuple[str, ...]:
    name = (relation.schema, relation.name)
    return tuple(one.role for one in catalog_reader.table_readers(conn, [name]).get(name, ()) if one.role)


def _now(conn: Connection) -> float:
    row = conn.execute("SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())").fetchone()
    assert row is not None
    return float(row[0])


def _key(batch: Batching) -> Sql:
    """The key of a row's batch."""
    value = column(batch.column)
    return (
        value if batch.every is None else sql.render("suggest_span", _Span(sql.literal(batch.every), value))
    )


def _arrivals(questions: Questions, batch: Batching) -> Arrivals | None:
    """The arrival of rows by the time of their batch; ``None`` where no day is over."""
    context = _Arrivals(column(batch.column), questions.table, sql.literal(_ARRIVED))
    rows = questions.ask(sql.render("suggest_arrivals", context))
    return Arrivals(**rows[0]) if rows and rows[0]["days"] else None


def _batches(questions: Questions, batch: Batching) -> tuple[BatchSeen, ...]:
    value = column(batch.column)
    told_by = questions.relation.column(batch.column)
    assert told_by is not None
    present = sql.join(
        ", ",
        (
            sql.render("suggest_present", _Column(sql.identifier(one.name)))
            for one in questions.relation.columns
        ),
    )
    if told_by.category == NUMERIC:
        text = sql.render("suggest_loads", _Loads(value, questions.table, present))
    else:
        text = sql.render("suggest_batches", _Batches(_key(batch), value, questions.table, present))
    return tuple(
        BatchSeen(row["name"], row["place"], row["rows"], tuple(row["present"]))
        for row in questions.ask(text)
    )
