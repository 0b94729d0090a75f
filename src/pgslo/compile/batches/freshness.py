"""How old the newest data of a table are, and how many batches repeat a column."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.batches import columns, functions
from pgslo.compile.batches.functions import Parts
from pgslo.compile.batches.profiled import BY_PROFILE, need_profile
from pgslo.compile.snippets import literals
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Direct:
    """Nothing: what is read is returned at once."""


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Freshness:
    source: Sql
    function: Sql
    table: Sql
    column: Sql
    newest: Sql
    undoing: tuple[Undoing, ...]
    direct: tuple[_Direct, ...]


def freshness(rule: rules.Freshness, table: TableContext) -> Parts:
    """Tell how the age of a table's newest data is found, or the batches that repeat a column.

    Raises:
        CatalogError: Nothing tells it, or no index finds it.
    """
    if rule.max_unchanged is not None:
        assert rule.column is not None
        column = columns.own(rule, rule.column, table)
        need_profile(rule, column, table)
        return Parts({"form": "unchanged", "column": column.name}, BY_PROFILE)
    if rule.of is None:
        if table.writes.mode == "stream":
            raise CatalogError(
                "nothing tells when this table was last written to",
                detail="A streamed table writes nothing down for rows that pass.",
                hint="name a time column: freshness: {max_age: …, of: …}, or declare writes: bulk",
                location=rule.location,
            )
        return Parts(
            {"form": "age"}, "compared with the clock at each guarded read, and when batches are closed"
        )
    column = columns.own(rule, rule.of, table, key="of")
    if column.base_type not in literals.DAYS:
        raise CatalogError(
            f'column "{column.name}" of type {column.type} is not a time to tell an age by',
            hint="a date or a time stamp is",
            location=rule.place("of"),
        )
    if not any(
        index.whole and index.method == "btree" and index.columns[:1] == (column.name,)
        for index in table.relation.indexes
    ):
        raise CatalogError(
            f'no index begins with column "{column.name}"',
            detail="Each guarded read looks its newest value up; without an index it would read the whole table.",
            hint=f"CREATE INDEX ON {table.qualified} ({sql.identifier(column.name)})",
            location=rule.place("of"),
        )
    function = naming.fit(table.relation.schema, table.relation.name, "newest")
    context = _Freshness(
        source=functions.source(table),
        function=sql.identifier(naming.GENERATED_SCHEMA, function),
        table=table.qualified,
        column=sql.identifier(column.name),
        newest=columns.of_row(column)
        if column.base_type == "timestamp with time zone"
        else sql.render("newest", _Column(sql.identifier(column.name))),
        undoing=table.quickly_undoing,
        direct=() if table.quickly_undoing else (_Direct(),),
    )
    made = table.function(
        function,
        sql.render("rules/freshness", context),
        "looks the newest value up in its index",
        reads_table=True,
    )
    return Parts(
        {"form": "age", "function": function},
        "looked up at each guarded read, and when batches are closed",
        artifacts=(made,),
    )
