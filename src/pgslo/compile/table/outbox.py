"""The table in which triggers of shards note what tick() reads: its name, and the column that has a note stored beside its row."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import OUTBOX
from pgslo.compile.table.context import TableContext
from pgslo.sql import Sql

#: A value of each type that rows may be distributed by: of a note that is about no row.
ANY_KEY = {
    "smallint": "0",
    "integer": "0",
    "bigint": "0",
    "text": "''",
    "character varying": "''",
    "date": "'2000-01-01'",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
}


@dataclass(frozen=True)
class _Types:
    definition: Sql


@dataclass(frozen=True)
class _Owned:
    table: Sql
    owner: Sql


def name_of(table: TableContext) -> str:
    """The name of a definition's outbox, without the schema."""
    return naming.fit(OUTBOX, table.relation.schema, table.relation.name)


def qualified(table: TableContext) -> Sql:
    """The outbox as a statement names it."""
    return sql.identifier(naming.GENERATED_SCHEMA, name_of(table))


def key_type(table: TableContext) -> str:
    """The type of the column that rows are distributed by."""
    assert table.shards is not None
    column = table.relation.column(table.shards.column)
    assert column is not None
    return column.base_type


def key(table: TableContext) -> Sql:
    """The column that rows are distributed by."""
    assert table.shards is not None
    return sql.identifier(table.shards.column)


def owned(table: Sql, keeper: str) -> tuple[Sql, ...]:
    """The statement that gives a table to pgslo's owner, with whose rights ``tick()`` writes to it.

    Args:
        table: The table as a statement names it.
        keeper: The owner of pgslo; empty where it is not known.
    """
    return (sql.render("shards/table_owner", _Owned(table, sql.identifier(keeper))),) if keeper else ()


def guards(table: TableContext) -> tuple[Sql, ...]:
    """The first statement of a function on a table of another role, as on other tables; it reads PostgreSQL's catalogue alone."""
    if table.known_types(table.relation) is None:
        return ()
    return (sql.render("shards/shard_types", _Types(sql.literal(table.definition.name))),)
