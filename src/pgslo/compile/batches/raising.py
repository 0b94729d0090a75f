"""Reading rows by batch where the batch expression raises an error for some of them: the others are read all the same."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.expression.session import Settings
from pgslo.sql import Sql

_NOTHING = Sql("")
_FALSE = Sql("false")


@dataclass(frozen=True)
class _Begun:
    table: Sql
    batch_raw: Sql
    at_once: Sql


@dataclass(frozen=True)
class _Filtered:
    row: Sql
    is_asked_for: Sql


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class Filter:
    """The text before and after a condition by which it is not evaluated for rows that raise; empty where none can."""

    before: Sql
    after: Sql


def may_raise(table: TableContext) -> bool:
    """Whether the batch expression can raise an error for a stored row.

    Rows of a distributed table are on other nodes: their numbers are not unique.
    """
    batch = table.definition.batch
    if batch is None or batch.by is None or table.shards is not None:
        return False
    return batch.every is not None or not table.batching.is_column


def filtered(table: TableContext, row: Sql, *, is_asked_for: Sql = _FALSE) -> Filter:
    """Return the filter of a condition over a row.

    Args:
        table: The definition and its table.
        row: The alias of the row.
        is_asked_for: Whether rows that raise are those that are read.
    """
    if not may_raise(table):
        return Filter(_NOTHING, _NOTHING)
    before = sql.render("raising_filter", _Filtered(row, is_asked_for))
    return Filter(Sql(f"{before} "), Sql(f" {sql.render('raising_filter_end', _Nothing())}"))


def apart(table: TableContext, *, at_once: Sql = _FALSE) -> tuple[Undoing, ...]:
    """Return the block around a query over rows of a batch, inside of the one that undoes effects of other roles' code.

    Args:
        table: The definition and its table.
        at_once: Whether rows that raise are looked for before the query has raised an error.
    """
    if not may_raise(table):
        return table.undoing
    begun = _Begun(table.qualified, table.batching.raw_row, at_once)
    own = Undoing(sql.render("raising_begin", begun), sql.render("raising_end", _Nothing()))
    return (own.inside(table.undoing[0]) if table.undoing else own,)


def settings(table: TableContext) -> frozenset[Settings]:
    """Return the setting by which a query without such rows is planned without the filter."""
    return frozenset({"plans"}) if may_raise(table) else frozenset()
