"""Questions about a table: each reads only, is rolled back, and is given up after a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pgslo import sql
from pgslo.catalog import Relation
from pgslo.database import probing
from pgslo.database.connections import Connection
from pgslo.sql import Sql

#: Longest that one question about the whole table may take, in milliseconds; what takes longer stays unknown.
_PATIENCE = 20_000
#: Cells of the sample: a wide table is sampled less deeply.
_CELLS = 3_000_000
#: Rows that are looked at however long they are.
_LEAST_ROWS = 1_000


@dataclass(frozen=True)
class _Percent:
    percent: Sql


@dataclass(frozen=True)
class _Column:
    column: Sql


class Questions:
    """What is asked of one table.

    Attributes:
        relation: The table.
        table: Its name.
        rows: About how many rows it has.
        most: How many of them a sample has at most.
        sampling: The clause that has PostgreSQL read a part of the table; empty for all of it.
    """

    def __init__(self, conn: Connection, relation: Relation, *, rows: int, sample: int) -> None:
        self._conn = conn
        self.relation = relation
        self.table = sql.identifier(relation.schema, relation.name)
        self.rows = rows
        self.most = min(sample, max(_CELLS // max(len(relation.columns), 1), _LEAST_ROWS))
        self.sampling = self._sampling()

    def _sampling(self) -> Sql:
        if self.rows <= self.most * 1.2:
            return Sql("")
        percent = max(min(100.0 * self.most / self.rows, 100.0), 0.0001)
        return sql.render("suggest_sampling", _Percent(Sql(f"{percent:.4f}")))

    def sample_fewer(self) -> bool:
        """Look at a tenth of the rows from now on; returns whether that is possible."""
        if self.most <= _LEAST_ROWS:
            return False
        self.most = max(self.most // 10, _LEAST_ROWS)
        self.sampling = self._sampling()
        return True

    @contextlib.contextmanager
    def asking(self) -> Iterator[psycopg.Cursor[dict[str, Any]]]:
        """A cursor whose work is read-only, rolled back, and ends after a while."""
        with (
            probing.asking(self._conn, patience=_PATIENCE),
            self._conn.cursor(row_factory=dict_row) as cursor,
        ):
            cursor.execute("SET LOCAL timezone = 'UTC'")
            # Else two runs would begin their scans in different places, and see different rows first.
            cursor.execute("SET LOCAL synchronize_seqscans = off")
            yield cursor

    def ask(self, text: Sql) -> list[dict[str, Any]]:
        """Rows of a question that may remain open: too long, or of a type that cannot be asked so."""
        try:
            with self.asking() as cursor:
                return cursor.execute(text.text.encode()).fetchall()
        except psycopg.errors.InsufficientPrivilege:
            raise
        except (
            psycopg.errors.QueryCanceled,
            psycopg.errors.DataError,
            psycopg.errors.ProgrammingError,
            # A table of another access method need not know which transaction wrote a row.
            psycopg.errors.NotSupportedError,
        ):
            return []


def column(name: str) -> Sql:
    """The value of a column in a question."""
    return sql.render("suggest_column", _Column(sql.identifier(name)))
