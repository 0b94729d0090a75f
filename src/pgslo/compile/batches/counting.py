"""Counts of the rows of each batch and of their values, and the sums that rules need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches.profiles import Watched, is_null_as_sampled
from pgslo.compile.part import Tally
from pgslo.compile.rows.passing import passes
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.sql import Sql

_NOTHING = Sql("")
_BATCHES = Sql("batches")


@dataclass(frozen=True)
class _Passes:
    passes: Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Count:
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql
    #: Values that are not null by column, and sums.
    numbers: Sql
    failed: Sql
    sample: Sql
    #: Numbers the batches where only the first are named; empty elsewhere.
    ordinal: Sql
    source: Sql
    #: The variable that it is counted into.
    into: Sql


@dataclass(frozen=True)
class _Array:
    values: Sql
    type: Sql
    #: The name of its column, or none.
    named: tuple[Sql, ...]


@dataclass(frozen=True)
class _OneRow:
    batch_raw: Sql
    #: The name and place of its batch, and its values for the sums.
    measured: Sql
    #: NULL if it passes all rules.
    failed: Sql
    sample: Sql
    source: Sql


@dataclass(frozen=True)
class _Open:
    rows: Sql
    values: Sql
    count: Sql


@dataclass(frozen=True)
class _Raising:
    """A sum that may raise an error, and its place in the array of sums and of rows for which they raise one."""

    ordinal: Sql
    raising: Sql
    value: Sql


@dataclass(frozen=True)
class _Summed:
    ordinal: Sql
    value: Sql


@dataclass(frozen=True)
class _Sums:
    source: Sql
    function: Sql
    number: Sql
    values: Sql
    summed: tuple[_Summed, ...]


@dataclass(frozen=True)
class _CountApart:
    values: Sql
    plain: Sql
    raising: tuple[_Raising, ...]
    slots: Sql
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql


@dataclass(frozen=True)
class CountedApart:
    """The counting of batches where a sum raises an error for a row: each sum alone."""

    open: Sql
    count: Sql


@dataclass(frozen=True)
class Nothing:
    """What a template without fields is given."""


def count(
    table: TableContext,
    columns: tuple[Watched, ...],
    tallies: tuple[Tally, ...],
    source: Sql,
    judged: tuple[rules.Rule, ...],
    *,
    sample: Sql,
    into: Sql = _BATCHES,
    names_first: bool = False,
) -> Sql:
    """Return the query that counts rows by their batch.

    Args:
        table: The definition and its table.
        columns: Whose values are counted.
        tallies: Sums over the rows.
        source: The rows, in the words of a FROM clause.
        judged: Rules whose failing rows are counted.
        sample: The sampled values.
        into: The variable that it is counted into.
        names_first: Whether only the first of very many batches are named by a hash.
    """
    # Hashing the names of very many batches takes as long as counting their rows, and only a limited number is recorded.
    is_limited = names_first and table.batching.names is not None
    name = table.batching.name
    context = _Count(
        batch_raw=table.batching.raw_row,
        batch_name=sql.render("batch_first_name", _Value(name)) if is_limited else name,
        batch_place=table.batching.place,
        numbers=sql.listed(
            (
                _array((present(one) for one in columns), "bigint", Sql("present")),
                _array((total(one) for one in tallies), "numeric", Sql("tallies")),
            ),
            _INDENT,
        ),
        failed=sql.join(
            _NEXT_LINE,
            (sql.render("count_failing", _Passes(passes(rule, table.subject, ROW))) for rule in judged),
        ),
        sample=sample,
        ordinal=sql.render("count_ordinal", Nothing()) if is_limited else _NOTHING,
        source=source,
        into=into,
    )
    return sql.render("count_batches", context)


def one_row(
    table: TableContext,
    columns: tuple[Watched, ...],
    tallies: tuple[Tally, ...],
    source: Sql,
    judged: tuple[rules.Rule, ...],
    *,
    sample: Sql,
) -> Sql:
    """Return the query that measures the row of a statement with a single one.

    Args:
        table: The definition and its table.
        columns: Whose values are counted.
        tallies: Sums over the rows.
        source: The rows, in the words of a FROM clause.
        judged: Rules that evaluate it.
        sample: The sampled values.
    """
    # Nearly all cells of a sample are NULL where the value is, which then need no number of their own.
    present = _array(
        (sql.render("one_present", _Value(value_of(one.column, ROW))) for one in columns),
        "bigint",
        width=WIDTH_OF_ONE,
    )
    lines = sql.lines(
        (passes(rule, table.subject, ROW) for rule in judged), _INDENT, between=" AND ", width=WIDTH_OF_ONE
    )
    passed = sql.join(f"\n{' ' * _INDENT}AND ", lines)
    measured = (
        table.batching.name,
        table.batching.place,
        sql.literal(1),
        sql.literal(None) if all(is_null_as_sampled(one) for one in columns) else present,
        _array((one.value for one in tallies), "numeric", width=WIDTH_OF_ONE),
    )
    context = _OneRow(
        batch_raw=table.batching.raw_row,
        measured=sql.listed(measured, _INDENT, width=WIDTH_OF_ONE),
        failed=sql.render("one_passes", _Passes(passed)) if judged else sql.literal(None),
        sample=sample,
        source=source,
    )
    return sql.render("one_row", context)


def _array(values: Iterable[Sql], of: str, *named: Sql, width: int = sql.WIDTH) -> Sql:
    listed = sql.listed(values, _INDENT, width=width)
    return sql.render("count_array", _Array(listed, Sql(of), named))


def present(one: Watched) -> Sql:
    """Return the number of rows in which a watched column has a value."""
    return sql.render("count_present", _Value(value_of(one.column, ROW)))


def sums(table: TableContext, name: str, tallies: tuple[Tally, ...]) -> Artifact:
    """The function that gives what one row adds to each sum, whatever error one of them raises.

    Args:
        table: The definition and its table.
        name: Its name, without the schema.
        tallies: Sums over the rows.
    """
    context = _Sums(
        source=table.source(),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        number=sql.literal(len(tallies)),
        values=sql.listed((one.value for one in tallies), _INDENT),
        summed=tuple(
            _Summed(sql.literal(ordinal), one.value) for ordinal, one in enumerate(tallies, start=1)
        ),
    )
    return table.function(
        name,
        sql.render("sums", context),
        "computes sums for one row; no cursor is open meanwhile",
        arguments=Sql("record, boolean"),
    )


def total(tally: Tally) -> Sql:
    """A sum over the rows of a batch."""
    return sql.render("count_tally", _Value(tally.value))


def cursors(tallies: tuple[Tally, ...]) -> tuple[Sql, ...]:
    """The declarations that :func:`apart` needs."""
    return (sql.render("counted_rows", Nothing()),) if any(one.reads for one in tallies) else ()


def apart(
    table: TableContext,
    columns: tuple[Watched, ...],
    tallies: tuple[Tally, ...],
    rows: Sql,
    *,
    sample: Sql,
) -> tuple[CountedApart, ...]:
    """What counts batches where a sum raises an error for a row; nothing if no sum can.

    Args:
        table: The definition and its table.
        columns: Whose values are counted.
        tallies: Sums over the rows.
        rows: The rows, in the words of a FROM clause.
        sample: The sampled values.
    """
    if not any(one.reads for one in tallies):
        return ()
    values = sql.listed((one.value for one in tallies), _INDENT)
    plain = count(table, columns, (), rows, (), sample=sample)
    context = _CountApart(
        values=values,
        plain=sql.listed((sql.literal(None) if one.reads else one.value for one in tallies), _INDENT),
        raising=tuple(
            _Raising(sql.literal(ordinal), sql.literal(len(tallies) + ordinal), one.value)
            for ordinal, one in enumerate(tallies, start=1)
            if one.reads
        ),
        slots=sql.literal(2 * len(tallies)),
        batch_raw=table.batching.raw_row,
        batch_name=table.batching.name,
        batch_place=table.batching.place,
    )
    opened = sql.render("open_counted", _Open(rows, values, plain))
    return (CountedApart(opened, sql.render("count_apart", context)),)


#: Where further lines of a list of the query begin.
_INDENT = 24
#: Where lines of the query for a single row end: it repeats what the other queries say.
WIDTH_OF_ONE = 152
#: Where lines of its sample end, the first of which begins later.
WIDTH_OF_SAMPLE = 144
#: Rules are one below the other, as their author wrote them.
_NEXT_LINE = ",\n" + " " * _INDENT
