"""Questions about a table: each reads only, is rolled back, and is given up after a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from pgslo import sql
from pgslo.catalog import Relation
from pgslo.database import probing
from pgslo.database.catalog_queries import fetch
from pgslo.database.connections import Connection
from pgslo.errors import PgsloError
from pgslo.sql import Sql

#: Longest that one question about the whole table may take, in milliseconds; what takes longer stays unknown.
_PATIENCE = 20_000
#: Cells of the sample: a wide table is sampled less deeply.
_CELLS = 3_000_000
#: Rows that are looked at however long they are.
_LEAST_ROWS = 1_000
_TRUST = "--own-rights, if you trust the owner's functions"


@dataclass(frozen=True)
class _Percent:
    percent: Sql


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Lock:
    tables: tuple[Sql, ...]


@dataclass(frozen=True)
class _Maker:
    owner: Sql
    reader: Sql


@dataclass(frozen=True)
class _Read:
    question: Sql
    columns: tuple[Sql, ...]


class Questions:
    """The queries for one table.

    Attributes:
        relation: The table.
        table: Its name.
        rows: About how many rows it has.
        most: How many of them a sample has at most.
        sampling: The clause that has PostgreSQL read a part of the table; empty for all of it.
    """

    def __init__(
        self, conn: Connection, relation: Relation, *, rows: int, sample: int, own_rights: bool = False
    ) -> None:
        self._conn = conn
        self._own_rights = own_rights
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

    def run(self, text: Sql, *, others: Sequence[Sql] = ()) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Ask a question; its work is read-only, rolled back, and ends after a while.

        Functions in indexes and constraints of the table run with the rights of its owner, as they do in ANALYZE.

        Args:
            text: The question.
            others: Names of tables that it is about besides.

        Returns:
            Names of columns, and rows.

        Raises:
            PgsloError: The question cannot be asked with the rights of the owner.
        """
        with probing.asking(self._conn, patience=_PATIENCE, writes=True), self._conn.cursor() as cursor:
            owner = None if self._own_rights else self._owner(others)
            if owner is not None:
                self._make_reader(owner)
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET LOCAL timezone = 'UTC'")
            # Else two runs would begin their scans in different places, and see different rows first.
            cursor.execute("SET LOCAL synchronize_seqscans = off")
            names, types = probing.described(self._conn, text)
            if owner is not None:
                listed = fetch(self._conn, "type_names", {"types": list(types)})
                columns = tuple(Sql(f"c{place} {row['name']}") for place, row in enumerate(listed))
                text = sql.render("suggest_read", _Read(sql.literal(text.text), columns))
            return names, cursor.execute(text.text.encode()).fetchall()

    def _owner(self, others: Sequence[Sql]) -> str | None:
        """The role with whose rights to read; ``None`` for the current one.

        Raises:
            PgsloError: Parts or other tables belong to further roles.
        """
        tables = [self.table, *others]
        # None of them, nor of their parts, has another owner until the transaction ends.
        self._conn.execute(sql.render("suggest_lock", _Lock(tuple(tables))).text.encode())
        found = fetch(self._conn, "code_owners", {"tables": [one.text for one in tables]})
        if all(row["is_own"] for row in found):
            return None
        roles = [row["role"] for row in found]
        if roles != [self.relation.owner]:
            listed = ", ".join(roles)
            raise PgsloError(
                f"{self.table} cannot be read with the rights of one owner",
                detail=f"It or a part of it belongs to further roles. Functions in their indexes and constraints would run: {listed}.",
                hint=f"{_TRUST}; or give the parts to the owner of the table",
            )
        for thing, role in self.relation.lent_code:
            raise PgsloError(
                f"{self.table} cannot be read with the rights of its owner: {thing} calls code of role {role}",
                detail=f"It would run with the rights of role {self.relation.owner}.",
                hint=f"{_TRUST}; or have the function belong to the owner of the table, or to a superuser",
            )
        return self.relation.owner

    def _make_reader(self, owner: str) -> None:
        """A function that reads with the rights of the owner; it goes with the transaction."""
        role = sql.identifier(owner)
        (current,) = self._conn.execute("SELECT current_user").fetchone() or ("",)
        made = sql.render("suggest_reader", _Maker(role, sql.identifier(current)))
        try:
            self._conn.execute(made.text.encode(), prepare=False)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as exc:
            raise PgsloError(
                f"{self.table} cannot be read with the rights of its owner, {role}",
                detail=f"{exc.diag.message_primary}. Functions in its indexes and constraints would run with yours.",
                hint=f"run it as {role}, or {_TRUST}",
            ) from exc

    def ask(self, text: Sql, *, others: Sequence[Sql] = ()) -> list[dict[str, Any]]:
        """Rows of a question that may remain open: too long, or of a type that cannot be asked so."""
        try:
            names, rows = self.run(text, others=others)
        except psycopg.errors.InsufficientPrivilege:
            if others:
                return []  # The owner may not read the other table.
            raise
        except PgsloError:
            if others:
                return []  # It belongs to another role.
            raise
        except (
            psycopg.errors.QueryCanceled,
            psycopg.errors.DataError,
            psycopg.errors.ProgrammingError,
            # A table of another access method need not know which transaction wrote a row.
            psycopg.errors.NotSupportedError,
        ):
            return []
        return [dict(zip(names, row, strict=True)) for row in rows]


def column(name: str) -> Sql:
    """The value of a column in a question."""
    return sql.render("suggest_column", _Column(sql.identifier(name)))
