"""What measures the batches of a loaded table: a trigger function that counts what each statement adds and takes away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pgslo import naming, sql
from pgslo.catalog import NUMERIC, TEMPORAL, Column, Name, Relation
from pgslo.compile import conditions, constants
from pgslo.compile.artifact import Artifact
from pgslo.compile.conditions import ROW
from pgslo.compile.constants import ARRAY, COMPOSITE, GEOMETRIC, RANGE
from pgslo.compile.writes import WriteCompiler
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.sql import Sql

Kind = Literal["number", "time", "text"]

#: Name of the learned rule about the table as a whole: its rows, and whether they can be measured at all.
TABLE_RULE = "learned"

_WHOLE_NUMBERS = {"smallint", "integer", "bigint"}
#: Values of these are long, have no form in text that every session prints alike, or both: only their presence counts.
_OPAQUE = {"bytea", "json", "jsonb", "xml", "tsvector", "tsquery", "money", "interval"}

# One context class for each template.


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Values:
    values: Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Count:
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql
    present: Sql
    tallies: Sql
    failed: Sql
    entity: Sql
    values: Sql
    source: Sql


@dataclass(frozen=True)
class _Refusing:
    """Stands for the step that refuses batches."""


@dataclass(frozen=True)
class _Measure:
    source: Sql
    function: Sql
    definition: Sql
    table_rule: Sql
    column_names: Sql
    tally_names: Sql
    rule_names: Sql
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql
    count: Sql
    counts_rows: Sql
    rejecting: tuple[_Refusing, ...]


@dataclass(frozen=True)
class _Recount:
    source: Sql
    function: Sql
    count: Sql
    count_all: Sql


@dataclass(frozen=True)
class _Source:
    table: Sql
    value: Sql
    type: Sql
    span: Sql


@dataclass(frozen=True)
class Tally:
    """A sum that a rule over a batch needs.

    Attributes:
        name: By which the rule asks for it.
        value: What is added up, over row ``r``; a number, or NULL for what does not count.
    """

    name: str
    value: Sql


@dataclass(frozen=True)
class Watched:
    """A column whose profile is kept, and how its values read."""

    column: Column
    kind: Kind


def watched(definition: Definition, relation: Relation) -> tuple[Watched, ...]:
    """The columns whose profile is kept, in the table's order.

    Left out are the columns that name the batch, which are the same in all of its rows, and virtual columns, which
    triggers see as NULL.
    """
    return tuple(
        Watched(column, _kind(column)) for column in relation.columns if is_watched(definition, column)
    )


def is_watched(definition: Definition, column: Column) -> bool:
    """Whether a column's profile is kept; :func:`watched` says which are not."""
    by = definition.batch.by if definition.batch else None
    names_batch = by is not None and by.text == column.name
    return not names_batch and column.name not in definition.unwatched and column.generated != "v"


def _kind(column: Column) -> Kind:
    if column.category == NUMERIC and column.base_type not in _OPAQUE:
        return "number"
    if column.category == TEMPORAL and column.base_type in constants.DAYS:
        return "time"
    return "text"


@dataclass(frozen=True)
class Measuring:
    """How the batches of a definition are measured.

    Attributes:
        artifacts: Functions and triggers.
        watched: Columns whose profile is kept.
        recount: Name of the function that counts batches from the table, or ``None``.
        of_row: Whether a row says which batch it belongs to.
    """

    artifacts: tuple[Artifact, ...]
    watched: tuple[Watched, ...]
    recount: str | None
    of_row: bool


def measuring(
    compiler: WriteCompiler,
    judged: tuple[rules.Rule, ...],
    tallies: tuple[Tally, ...] = (),
    *,
    rejects: bool = False,
) -> Measuring:
    """Work out what measures a definition's batches.

    Args:
        compiler: Of the definition.
        judged: Rules whose failing rows a statement trigger counts; that trigger counts the rows as well.
        tallies: Sums that rules over a batch need.
        rejects: Whether a rule refuses a statement because of what its batches come to.
    """
    definition, relation = compiler.definition, compiler.relation
    of_row = definition.batch is not None and definition.batch.by is not None
    columns = watched(definition, relation)
    made: list[Artifact] = []
    recount = _recount_name(compiler) if of_row else None
    if recount is not None:
        made.append(_recount(compiler, recount, columns, tallies))
    if compiler.writes.mode == "bulk":
        made += _triggers(compiler, columns, judged, tallies, of_row=of_row, rejects=rejects)
    return Measuring(tuple(made), columns, recount, of_row)


def _triggers(
    compiler: WriteCompiler,
    columns: tuple[Watched, ...],
    judged: tuple[rules.Rule, ...],
    tallies: tuple[Tally, ...],
    *,
    of_row: bool,
    rejects: bool,
) -> list[Artifact]:
    made: list[Artifact] = []
    relation = compiler.relation
    tables: tuple[Name, ...] = ((relation.schema, relation.name), *relation.partitions)

    def make(
        what: str, template: str, count: Sql, reason: str, events: tuple[tuple[int, str, str, str], ...]
    ) -> None:
        function = naming.fit(relation.schema, relation.name, what)
        context = _Measure(
            source=compiler.source(judged),
            function=sql.identifier(naming.GENERATED_SCHEMA, function),
            definition=sql.literal(compiler.definition.name),
            table_rule=sql.literal(TABLE_RULE),
            column_names=_texts(one.column.name for one in columns),
            tally_names=_texts(one.name for one in tallies),
            rule_names=_texts(rule.name for rule in judged),
            batch_raw=compiler.batching.raw_row,
            batch_name=compiler.batching.name,
            batch_place=compiler.batching.place,
            count=count,
            counts_rows=sql.literal(0 if judged else 1),
            rejecting=(_Refusing(),) if rejects else (),
        )
        made.append(compiler.function(function, sql.render(template, context), reason))
        for name in tables:
            for order, word, event, form in events:
                made.append(
                    compiler.trigger(
                        form, naming.trigger(order, word, event.lower()), event, function, name, _WHY[form]
                    )
                )

    written = [(naming.PROFILE_ORDER, "profile", "INSERT", "trigger_statement")]
    if of_row:
        written.append((naming.PROFILE_ORDER, "profile", "UPDATE", "trigger_statement"))
        make(
            "take_measure",
            "take_measure",
            _count(compiler, columns, tallies, Sql("pgslo_old AS r"), judged),
            "what a statement takes away is taken from its batches",
            (
                (naming.TAKEN_ORDER, "taken", "UPDATE", "trigger_taken"),
                (naming.TAKEN_ORDER, "taken", "DELETE", "trigger_taken"),
            ),
        )
    make(
        "write_measure",
        "write_measure",
        _count(compiler, columns, tallies, Sql("pgslo_new AS r"), ()),
        "one pass over the rows a statement writes measures its batches",
        tuple(written),
    )
    make(
        "truncate_measure",
        "truncate_measure",
        Sql(""),
        "a table that is emptied has no batches any more",
        ((naming.PROFILE_ORDER, "profile", "TRUNCATE", "trigger_truncate"),),
    )
    return made


_WHY = {
    "trigger_statement": "an AFTER STATEMENT trigger with a transition table; PostgreSQL wants one for each event",
    "trigger_taken": "an AFTER STATEMENT trigger with the old rows in a transition table, one for each event",
    "trigger_truncate": "TRUNCATE fires no other trigger, and has no rows to show",
}


def _recount_name(compiler: WriteCompiler) -> str:
    return naming.fit(compiler.relation.schema, compiler.relation.name, "recount")


def learned(columns: tuple[Watched, ...]) -> tuple[dict[str, object], ...]:
    """The rules whose bounds are learned, as the runtime knows them: one for each column, and one for the table."""
    named = [
        (f"{one.column.name}_learned", [one.column.name], f"{one.column.name} as its history has it")
        for one in columns
    ]
    return tuple(
        {
            "name": name,
            "kind": "learned",
            "columns": about,
            "on_breach": "warn",
            "at_least": None,
            "at_most": None,
            "samples": 0,
            "mechanism": "at close",
            "promise": promise,
            "owner": None,
            "description": None,
            "tags": [],
            "scope": "batch",
            "measure": {"from": "learned"},
        }
        for name, about, promise in (
            *named,
            (TABLE_RULE, [], "rows as many, and as different, as the table's history has them"),
        )
    )


def _recount(
    compiler: WriteCompiler, name: str, columns: tuple[Watched, ...], tallies: tuple[Tally, ...]
) -> Artifact:
    batch = compiler.definition.batch
    assert batch is not None
    assert batch.by is not None
    place = _Source(
        table=compiler.table,
        value=batch.by.qualified(ROW),
        type=compiler.batching.type,
        span=sql.literal(compiler.batching.every or ""),
    )
    bounded = sql.render("recount_source_every" if batch.every is not None else "recount_source", place)
    context = _Recount(
        source=compiler.source(),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        count=_count(compiler, columns, tallies, bounded, ()),
        count_all=_count(compiler, columns, tallies, Sql(f"{compiler.table} AS r"), ()),
    )
    return compiler.function(
        name,
        sql.render("recount", context),
        "counts batches from the table itself, for rows that were there before pgslo or came unseen",
        arguments=Sql("text, text, bigint"),
    )


def _count(
    compiler: WriteCompiler,
    columns: tuple[Watched, ...],
    tallies: tuple[Tally, ...],
    source: Sql,
    judged: tuple[rules.Rule, ...],
) -> Sql:
    values = [sql.render(f"sample_{_form(one)}", _Column(sql.identifier(one.column.name))) for one in columns]
    context = _Count(
        batch_raw=compiler.batching.raw_row,
        batch_name=compiler.batching.name,
        batch_place=compiler.batching.place,
        present=sql.join(
            ", ",
            (sql.render("count_present", _Column(sql.identifier(one.column.name))) for one in columns),
        ),
        tallies=sql.join(", ", (sql.render("count_tally", _Value(one.value)) for one in tallies)),
        failed=sql.join(
            ", ",
            (
                sql.render("count_failing", _Passes(conditions.passes(rule, compiler.subject, ROW)))
                for rule in judged
            ),
        ),
        entity=_entity(compiler),
        values=sql.join("", (Sql(f", {value}") for value in values)),
        source=source,
    )
    return sql.render("count_batches", context)


@dataclass(frozen=True)
class _Passes:
    passes: Sql


def _form(one: Watched) -> str:
    column = one.column
    if one.kind == "text" and (
        column.base_type in _OPAQUE
        or column.category in (ARRAY, COMPOSITE, GEOMETRIC, RANGE)
        or column.category not in ("S", "E", "B", "N", "D", "U", "I")
    ):
        return "presence"
    return one.kind


def _entity(compiler: WriteCompiler) -> Sql:
    """A hash of what the row is about: its key without what names the batch, so that batches sample the same entities."""
    by = compiler.definition.batch.by if compiler.definition.batch else None
    key = tuple(name for name in compiler.key if by is None or name not in by.columns) or compiler.key
    columns = [column for name in key if (column := compiler.relation.column(name))]
    if len(columns) == 1 and columns[0].base_type in _WHOLE_NUMBERS:
        return sql.render("entity_number", _Column(sql.identifier(columns[0].name)))
    values = (
        sql.render(
            "sample_time" if _kind(column) == "time" else "sample_number",
            _Column(sql.identifier(column.name)),
        )
        for column in columns
    )
    return sql.render("entity_text", _Values(sql.join(", ", values)))


def _texts(values: Iterable[str]) -> Sql:
    listed = sql.join(", ", (sql.literal(value) for value in values))
    return Sql(f"ARRAY[{listed}]::text[]")
