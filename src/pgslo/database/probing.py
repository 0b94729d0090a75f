"""Queries that PostgreSQL has to accept before anything is applied: run, and rolled back."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from psycopg.rows import TupleRow

from pgslo import sql
from pgslo.compile import Probe
from pgslo.compile.probes import queries, view_probe
from pgslo.database.catalog_queries import fetch
from pgslo.database.connections import Connection
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError, DefinitionError
from pgslo.sql import Sql

#: Longest that a question about a table may take, in milliseconds.
PROBE_TIMEOUT = 5_000
#: The number of queries that are sent without waiting: each holds locks on its table and indexes until the last of them is done.
_TOGETHER = 200


def judge(conn: Connection, probe: Probe, *, only_analyse: bool) -> list[DefinitionError]:
    """Return what PostgreSQL has against a query, read from its plan alone or from its run."""
    try:
        with probing(conn, probe.location) as cursor:
            if only_analyse:
                analysed(conn, probe.text)
            else:
                cursor.execute(probe.text.text.encode())
    except DefinitionError as exc:
        return [exc]
    return []


def accepts(conn: Connection, probes: Sequence[Probe]) -> bool:
    """Whether PostgreSQL accepts all of these queries, each of which it runs: many are sent before the first answer.

    If it does not, :func:`judge` reports the error of each.
    """
    try:
        for first in range(0, len(probes), _TOGETHER):
            with asking(conn), conn.pipeline(), conn.cursor() as cursor:
                for probe in probes[first : first + _TOGETHER]:
                    cursor.execute(probe.text.text.encode(), prepare=False)
    except psycopg.Error:
        # Also what a role may not do: judge() meets it again.
        return False
    return True


def strangers(conn: Connection, definition: Definition) -> list[DefinitionError]:
    """What refuses queries of a definition that would run code which another role can change.

    PostgreSQL itself resolves each query: a view over it has the dependencies; the view is rolled back.
    Where the role may make no view, the lists of :mod:`pgslo.expression.vocabulary` have to do.
    """
    found: list[DefinitionError] = []
    for one in queries(definition):
        try:
            with probing(conn, one.location, writes=True) as cursor:
                (row,) = fetch(conn, "view_place")
                if row["place"] is None:
                    continue
                view = sql.identifier(row["place"], f"query_{uuid.uuid4().hex}")
                cursor.execute(view_probe(view, one).text.encode(), prepare=False)
                rows = fetch(conn, "view_strangers", {"view": view.text})
        except DefinitionError as exc:
            found.append(exc)
            continue
        if rows:
            found.append(
                CatalogError(
                    f'the query depends on {rows[0]["object"]}, which belongs to role "{rows[0]["owner"]}"',
                    detail="The query runs code that this role can change, with the rights of the table's owner.",
                    hint="use types, casts and operators of PostgreSQL's own, or of the role that applies the definition",
                    location=one.location,
                )
            )
    return found


def analysed(conn: Connection, text: Sql) -> tuple[int, ...]:
    """The types of a query's columns, as :func:`described`."""
    return described(conn, text)[1]


def described(conn: Connection, text: Sql) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names and types of a query's columns. It is not planned: planning runs immutable functions of views and indexes."""
    for result in (conn.pgconn.prepare(b"", text.text.encode()), conn.pgconn.describe_prepared(b"")):
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise psycopg.errors.error_from_result(result, conn.info.encoding)
    names = ((result.fname(column) or b"").decode() for column in range(result.nfields))
    return tuple(names), tuple(result.ftype(column) for column in range(result.nfields))


@contextlib.contextmanager
def asking(conn: Connection, *, patience: int = PROBE_TIMEOUT, writes: bool = False) -> Iterator[None]:
    """Query tables: read-only unless ``writes``, with a limit in milliseconds a statement, and rolled back."""
    with conn.transaction(force_rollback=True):
        if not writes:
            conn.execute("SET TRANSACTION READ ONLY")
        # As generated functions will run it: with PostgreSQL's own operators only.
        conn.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        conn.execute(f"SET LOCAL statement_timeout = {patience}".encode())
        yield


@contextlib.contextmanager
def probing(conn: Connection, location: Any, *, writes: bool = False) -> Iterator[psycopg.Cursor[TupleRow]]:
    """A cursor whose work is short, rolled back, and read-only unless ``writes``; its errors are the author's."""
    try:
        with asking(conn, writes=writes), conn.cursor() as cursor:
            yield cursor
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.Error as exc:
        raise CatalogError(
            exc.diag.message_primary or str(exc),
            detail=exc.diag.message_detail,
            hint=exc.diag.message_hint,
            location=location,
        ) from exc
