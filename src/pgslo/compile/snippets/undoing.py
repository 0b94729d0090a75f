"""Blocks in which code of other roles may run: its effects are undone, settings as well."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import Relation
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Begun:
    with_locks: Sql


@dataclass(frozen=True)
class _Ended(_Begun):
    table: Sql


@dataclass(frozen=True)
class Undoing:
    """The begin and the end of a block in which code of other roles may run: its effects are undone, settings as well."""

    begin: Sql
    end: Sql

    @classmethod
    def on(cls, relation: Relation, *, with_locks: bool) -> Undoing:
        """Return the block for a table.

        Args:
            relation: The table.
            with_locks: Whether locks of the session are compared as well, which costs more than a query.
        """
        locks = sql.literal(with_locks)
        name = sql.literal(f"{relation.schema}.{relation.name}")
        return cls(sql.render("undo_begin", _Begun(locks)), sql.render("undo_end", _Ended(locks, name)))

    def inside(self, outer: Undoing) -> Undoing:
        """Return this block with another one around it."""
        return Undoing(Sql(f"{outer.begin}\n    {self.begin}"), Sql(f"{self.end}\n        {outer.end}"))
