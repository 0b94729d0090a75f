"""Conditions that look rows up by an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pgslo import sql
from pgslo.catalog import Name, Relation
from pgslo.compile.rows.kinds.base import Given, RowKind, Value, as_it_is
from pgslo.compile.snippets import parts
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.column_types import check_casts, check_operators
from pgslo.definition.rules.kinds.rows import LookupRule
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: How a row is called in a query that an author may write.
_QUERIED = Sql("t")

R = TypeVar("R", bound=LookupRule)


@dataclass(frozen=True)
class Pair:
    """A value of the row and the column it is looked up in."""

    value: Sql
    column: Sql


class LookupKind(RowKind[R]):
    """A condition that looks rows up by an index.

    Attributes:
        or_else: What else an author can do who has no index, at the end of a hint.
    """

    calls_operators = False
    or_else: ClassVar[str] = ""

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        return self.looked_up(row, as_it_is, pinned=False)

    def runtime_condition(self, row: Sql, given: Given = as_it_is) -> Sql:
        """Return the same for functions that run where the runtime is installed."""
        return self.looked_up(row, given, pinned=True)

    def looked_up(self, row: Sql, given: Given, *, pinned: bool) -> Sql:
        """Return the condition.

        Args:
            row: How the row is called.
            given: Makes the text for a value of the row of a type.
            pinned: Whether it refuses tables with parts of less trusted roles.
        """
        raise NotImplementedError

    @staticmethod
    def pins(table: Name, *, pinned: bool) -> tuple[Sql, ...]:
        """Return the condition that refuses a table with parts of less trusted roles, if there is to be one."""
        return (parts.pinned(table),) if pinned else ()

    def check_lookup(self) -> None:
        """Make sure that a trigger finds rows by an index, so that cost follows the write and never the table."""
        rule = self.rule
        for name in rule.columns:
            column = self.subject.column(name, rule.location)
            check_operators(column, rule.location)
            check_casts(column, rule.location)
        searched, columns = self.searched()
        if not searched.has_lookup(columns, of_null=self.finds_null()):
            listed = ", ".join(str(sql.identifier(column)) for column in columns)
            qualified = sql.identifier(searched.schema, searched.name)
            # A rule that only reports rows need not look each of them up.
            at_close = (
                f"; or evaluate the whole table when a batch is closed, by a rule of the kind query: {self.by_query()}"
                if rule.on_breach in ("warn", "flag")
                else ""
            )
            raise CatalogError(
                f"{searched.schema}.{searched.name} has no index that finds rows by {', '.join(columns)}",
                detail=f"on_breach: {rule.on_breach} looks each written row up; without an index a write would read the whole table.",
                hint=f"CREATE INDEX CONCURRENTLY ON {qualified} ({listed}){self.or_else}{at_close}",
                location=rule.location,
            )

    def by_query(self) -> Sql:
        """Return a query over the whole table whose rows are the failures, as an author may write it."""
        raise NotImplementedError

    def conditions_of_query(self, *, with_null: bool = False) -> tuple[Sql, ...]:
        """Return the conditions for the rows that such a query is about; with_null: also where a column is NULL."""
        rule = self.rule
        present = (
            sql.render("tally_present", Value(self._queried(name)))
            for name in (() if with_null else rule.columns)
        )
        return (*present, *((rule.where.qualified(_QUERIED),) if rule.where else ()))

    def _queried(self, name: str) -> Sql:
        return value_of(self.subject.column(name, self.rule.location), _QUERIED)

    def columns_of_query(self) -> Sql:
        """Return the rule's columns in such a query."""
        return sql.join(", ", (self._queried(name) for name in self.rule.columns))

    def finds_null(self) -> bool:
        """Whether rows with NULL in some of the columns are found as well."""
        return False

    def searched(self) -> tuple[Relation, tuple[str, ...]]:
        """Return the table that is looked up, and the columns by which rows are found.

        Raises:
            CatalogError: They do not exist, or comparing them would run code of other roles.
        """
        raise NotImplementedError
