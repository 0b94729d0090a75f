"""Queries of ``sql/catalog``, run where unqualified names are PostgreSQL's own."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.rows import dict_row

from pgslo import assets

Connection = psycopg.Connection[Any]
T = TypeVar("T")

#: Facts that were read on a connection, by name, while :func:`reading_once` lasts.
_read: WeakKeyDictionary[Connection, dict[str, Any]] = WeakKeyDictionary()


@contextlib.contextmanager
def reading_once(conn: Connection) -> Iterator[None]:
    """Read each fact of :func:`once` one time: the parts of a plan ask for the same ones, and nothing is changed between them."""
    if conn in _read:
        yield
        return
    _read[conn] = {}
    try:
        yield
    finally:
        del _read[conn]


def once(conn: Connection, name: str, read: Callable[[], T]) -> T:
    """Return a fact about a database, read now or earlier within :func:`reading_once`.

    Args:
        conn: Where it is read.
        name: Of the fact.
        read: Reads it; the result is never changed.
    """
    kept = _read.get(conn)
    if kept is None:
        return read()
    if name not in kept:
        kept[name] = read()
    return cast("T", kept[name])


@functools.cache
def query(name: str) -> bytes:
    """The text of a query of ``sql/catalog``, without its ``.sql``."""
    return (assets.tree("sql") / "catalog" / f"{name}.sql").read_bytes()


def fetch(conn: Connection, name: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run a query of ``sql/catalog`` and return its rows by column name.

    Args:
        conn: A connection of the asking role; the answer has the rows that it may see.
        name: File name without ``.sql``.
        parameters: Values for its named placeholders.
    """
    with by_own_names(conn), conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), parameters).fetchall()


@contextlib.contextmanager
def by_own_names(conn: Connection) -> Iterator[None]:
    """Run a transaction in which unqualified names are those of PostgreSQL's own objects.

    Other roles may create in schemas of the role's search path, for example in schema public of PostgreSQL 14: operators
    and functions there can fit arguments better than PostgreSQL's own. Types are printed by the search path, too.
    """
    with conn.transaction():
        # Not for the session: behind a pooler it would be another client's, and so would a prepared statement.
        conn.execute("SET LOCAL search_path = pg_catalog, pg_temp", prepare=False)
        yield
