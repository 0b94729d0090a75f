"""The function that counts batches from the table itself."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches import raising
from pgslo.compile.batches.counting import CountedApart, apart, count, cursors
from pgslo.compile.batches.profiles import Watched, sample
from pgslo.compile.part import Tally
from pgslo.compile.snippets import session_settings
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Unknown:
    """A table that may have rows whose batch expression raises an error."""


@dataclass(frozen=True)
class _Recount:
    source: Sql
    function: Sql
    cursors: tuple[Sql, ...]
    count: Sql
    apart: tuple[CountedApart, ...]
    undoing: tuple[Undoing, ...]
    unknown: tuple[_Unknown, ...]


@dataclass(frozen=True)
class _SourceNamed:
    table: Sql
    name: Sql
    before: Sql
    after: Sql


@dataclass(frozen=True)
class _Source:
    table: Sql
    value: Sql
    type: Sql
    span: Sql
    endless: Sql
    before: Sql
    after: Sql


def recount(
    table: TableContext, name: str, columns: tuple[Watched, ...], tallies: tuple[Tally, ...]
) -> Artifact:
    """Make the function that counts batches from the table itself."""
    batch = table.definition.batch
    assert batch is not None
    assert batch.by is not None
    filtered = raising.filtered(table, ROW)
    place = _Source(
        table=table.qualified,
        value=table.batching.key(ROW),
        type=table.batching.type,
        span=sql.literal(table.batching.every or ""),
        endless=table.batching.endless,
        before=filtered.before,
        after=filtered.after,
    )
    if table.batching.names == "batch_hidden_name":
        # One batch alone, because their order is that of arrival.
        named = table.batching.named(ROW)
        bounded = sql.render(
            "recount_source_named", _SourceNamed(table.qualified, named, filtered.before, filtered.after)
        )
    else:
        bounded = sql.render("recount_source_every" if batch.every is not None else "recount_source", place)
    sampled = sample(table, columns)
    context = _Recount(
        source=table.source(),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        cursors=cursors(tallies),
        count=count(table, columns, tallies, bounded, (), sample=sampled),
        apart=apart(table, columns, tallies, bounded, sample=sampled),
        undoing=raising.apart(table),
        unknown=(_Unknown(),) if raising.may_raise(table) else (),
    )
    return table.function(
        name,
        sql.render("recount", context),
        "counts batches from the table itself, for rows older than pgslo or written with triggers disabled",
        arguments=Sql("text, text, bigint"),
        reads_table=True,
        settings=session_settings.ALL,
    )
