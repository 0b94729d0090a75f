"""The last good score of rows with equal columns, which a step repeats where the model gave none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact, qualified
from pgslo.compile.snippets.parts import pinned
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.column_types import without_domain
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules import predictions
from pgslo.definition.rules.predictions import Columns, PostProcessing
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Pair:
    column: Sql
    value: Sql


@dataclass(frozen=True)
class _Found:
    raw: Sql
    table: Sql
    pairs: tuple[_Pair, ...]
    at: Sql
    pin: Sql


@dataclass(frozen=True)
class _Call:
    function: Sql
    arguments: Sql


@dataclass(frozen=True)
class _Function:
    source: Sql
    function: Sql
    arguments: Sql
    type: Sql
    found: Sql
    undo: Undoing


def found(
    subject: Subject, columns: Columns, processing: PostProcessing, step: predictions.Default, row: Sql
) -> Sql:
    """The score of the newest of those rows, or NULL.

    The trigger runs with the rights of pgslo's owner. Where another role owns the table, a function of that role looks.
    """
    if not subject.is_of_another:
        return _query(subject, columns, processing, step, lambda _, name: Sql(f"{row}.{name}"))
    values = (
        without_domain(subject.column(name, step.location), Sql(f"{row}.{sql.identifier(name)}"))
        for name in step.last
    )
    return sql.render("lookup_call", _Call(_function(subject), sql.join(", ", values)))


def functions(table: TableContext, columns: Columns, processing: PostProcessing) -> tuple[Artifact, ...]:
    """The function that looks, if the owner of the table has to own it."""
    steps = (step for step in processing.stored if isinstance(step, predictions.Default) and step.last)
    step = next(steps, None)
    if step is None or not table.subject.is_of_another:
        return ()
    subject = table.subject
    types = sql.join(", ", (Sql(subject.column(name, step.location).base_type) for name in step.last))
    context = _Function(
        source=table.source(),
        function=_function(subject),
        arguments=types,
        type=Sql(subject.column(columns.score, columns.place("score")).base_type),
        found=_query(subject, columns, processing, step, lambda number, _: Sql(f"${number}")),
        undo=table.undo(with_locks=False),
    )
    return (
        table.function(
            _name(subject),
            sql.render("read_last", context),
            "looks the last good score up with the rights of the table's owner",
            arguments=types,
            reads_table=True,
        ),
    )


def _query(
    subject: Subject,
    columns: Columns,
    processing: PostProcessing,
    step: predictions.Default,
    value: Callable[[int, Sql], Sql],
) -> Sql:
    """The look-up by values, each of them given by its number and the name of its column."""
    assert columns.at is not None
    names = [sql.identifier(name) for name in step.last]
    context = _Found(
        raw=sql.identifier(processing.raw),
        table=qualified(subject.name),
        pairs=tuple(_Pair(name, value(number, name)) for number, name in enumerate(names, start=1)),
        at=sql.identifier(columns.at),
        pin=pinned(subject.name),
    )
    return sql.render("post_process/last_found", context)


def _name(subject: Subject) -> str:
    return naming.fit(*subject.name, "last_score")


def _function(subject: Subject) -> Sql:
    return sql.identifier(naming.GENERATED_SCHEMA, _name(subject))
