"""What a whole statement wrote: a trigger function judges it and measures its batches; others count what is taken away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

from pgslo import naming, sql
from pgslo.catalog import NUMERIC, TEMPORAL, Column, Name, Relation
from pgslo.compile import conditions, constants, session_settings, texts
from pgslo.compile.artifact import Artifact
from pgslo.compile.conditions import ROW
from pgslo.compile.constants import ARRAY, COMPOSITE, GEOMETRIC, RANGE
from pgslo.compile.writes import Described, Header, Undoing, WriteCompiler, with_breach
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.expression import Expression
from pgslo.expression.session import Settings
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
class _Sample:
    column: Sql
    text: Sql


@dataclass(frozen=True)
class _Values:
    values: Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Passes:
    passes: Sql


@dataclass(frozen=True)
class _Sampled:
    entity: Sql
    values: Sql


@dataclass(frozen=True)
class _Count:
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql
    present: Sql
    tallies: Sql
    failed: Sql
    sample: Sql
    #: Numbers the batches where only the first are named; empty elsewhere.
    ordinal: Sql
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
class _Recorded:
    """Stands for what triggers do alone: they record sums by name, and run in sessions that keep plans."""


@dataclass(frozen=True)
class _CountApart:
    values: Sql
    plain: Sql
    raising: tuple[_Raising, ...]
    slots: Sql
    raised: Sql
    recorded: tuple[_Recorded, ...]
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql


@dataclass(frozen=True)
class _CountedApart:
    """What counts batches where a sum raises an error for a row: some rows or all of the table, and each sum by itself."""

    open: Sql
    open_all: Sql
    count: Sql


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class _Refusing:
    """Stands for the step that refuses batches."""


@dataclass(frozen=True)
class _Statement(Header):
    table_rule: Sql
    operation: Sql
    rule_names: Sql
    rule_count: Sql
    column_names: Sql
    tally_names: Sql
    cursors: tuple[Sql, ...]
    count: Sql
    count_measures: Sql
    apart: tuple[_CountedApart, ...]
    sampling: tuple[_Sampled, ...]
    rules: tuple[Described, ...]
    judge: Sql
    rejecting: tuple[Described, ...]
    noting: tuple[Described, ...]
    refusing: tuple[_Refusing, ...]
    refusing_names: Sql
    warned: Sql


@dataclass(frozen=True)
class _Taken(Header):
    rule_names: Sql
    column_names: Sql
    tally_names: Sql
    cursors: tuple[Sql, ...]
    count: Sql
    count_measures: Sql
    apart: tuple[_CountedApart, ...]
    refusing: tuple[_Refusing, ...]


@dataclass(frozen=True)
class _Recount:
    source: Sql
    function: Sql
    cursors: tuple[Sql, ...]
    count: Sql
    count_all: Sql
    apart: tuple[_CountedApart, ...]
    undoing: tuple[Undoing, ...]


@dataclass(frozen=True)
class _SourceNamed:
    table: Sql
    name: Sql


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
        reads: The expressions of the definition in ``value``.
    """

    name: str
    value: Sql
    reads: tuple[Expression, ...] = ()


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


def is_sampled(column: Column) -> bool:
    """Whether a profile knows a column's values, rather than whether they are NULL alone."""
    return _form(Watched(column, _kind(column))) != "presence"


def _kind(column: Column) -> Kind:
    if not column.plain:
        return "text"
    if column.category == NUMERIC and column.base_type not in _OPAQUE:
        return "number"
    if column.category == TEMPORAL and column.base_type in constants.DAYS:
        return "time"
    return "text"


@dataclass(frozen=True)
class Measuring:
    """How whole statements are judged, and the batches of a definition measured.

    Attributes:
        artifacts: Functions and triggers.
        watched: Columns whose profile is kept.
        recount: Name of the function that counts batches from the table, or ``None``.
        of_row: Whether a row says which batch it belongs to.
        judge: Name of the function that judges rows of a batch again, or ``None``.
    """

    artifacts: tuple[Artifact, ...]
    watched: tuple[Watched, ...]
    recount: str | None
    of_row: bool
    judge: str | None = None


def measuring(
    compiler: WriteCompiler,
    judged: tuple[rules.Rule, ...],
    tallies: tuple[Tally, ...] = (),
    *,
    profiles: bool,
    refuses: bool = False,
) -> Measuring:
    """Work out what judges whole statements and measures a definition's batches.

    Args:
        compiler: Of the definition.
        judged: Rules that are judged over all rows of a statement at once.
        tallies: Sums that rules over a batch need.
        profiles: Whether anybody wants to know what batches come to: bounds are learned, or rules are about batches.
        refuses: Whether a rule refuses a statement because of what its batches come to.
    """
    definition, relation = compiler.definition, compiler.relation
    of_row = definition.batch is not None and definition.batch.by is not None
    columns = watched(definition, relation) if profiles else ()
    made: list[Artifact] = []
    # Where triggers count failing rows alone, those that leave with a partition are counted as well.
    is_counted = profiles or (compiler.writes.mode == "bulk" and bool(judged))
    recount = compiler.function_name("recount") if of_row and is_counted else None
    if recount is not None:
        made.append(_recount(compiler, recount, columns, tallies))
    triggers = _Triggers(compiler, columns, judged, tallies, profiles=profiles, refuses=refuses)
    if compiler.writes.mode == "bulk":
        if profiles or judged:
            if of_row:
                made += triggers.taken()
            made += [*triggers.written(updates=of_row or bool(judged)), *triggers.emptied()]
    elif judged:
        # What a stream comes to is counted from the table when a batch closes: a statement has one row.
        made += replace(triggers, columns=(), tallies=(), profiles=False).written(updates=True)
    return Measuring(tuple(made), columns, recount, of_row)


@dataclass(frozen=True)
class _Triggers:
    """Makes the functions on whole statements, and the triggers of the table and its partitions."""

    compiler: WriteCompiler
    columns: tuple[Watched, ...]
    judged: tuple[rules.Rule, ...]
    tallies: tuple[Tally, ...]
    _: KW_ONLY
    profiles: bool
    refuses: bool

    def written(self, *, updates: bool) -> list[Artifact]:
        """What a statement adds: one pass judges every rule and measures the batches."""
        compiler = self.compiler
        function = compiler.function_name("write_statement")
        judge = compiler.function_name("judge_written")
        described = compiler.described(self.judged, ROW)
        warned = with_breach(self.judged, described, "warn")
        context = _Statement(
            **compiler.header(function, ROW, self.judged),
            table_rule=sql.literal(TABLE_RULE),
            operation=Sql('lower(TG_OP COLLATE "C")' if compiler.writes.mode == "bulk" else "'judged'"),
            rule_names=_names(described),
            rule_count=sql.literal(len(described)),
            column_names=_texts(one.column.name for one in self.columns),
            tally_names=_texts(one.name for one in self.tallies),
            count=_count(
                compiler,
                self.columns,
                self.tallies,
                _NEW_ROWS,
                self.judged,
                sample=_NO_SAMPLE,
                names_first=True,
            ),
            cursors=_cursors(self.tallies),
            count_measures=_count(compiler, self.columns, self.tallies, _NEW_ROWS, (), sample=_NO_SAMPLE),
            apart=_apart(compiler, self.columns, self.tallies, _NEW_ROWS, sample=_NO_SAMPLE, raised=_one()),
            sampling=(_sampled(compiler, self.columns),) if self.profiles else (),
            rules=described,
            judge=sql.identifier(naming.GENERATED_SCHEMA, judge),
            rejecting=with_breach(self.judged, described, "reject"),
            noting=with_breach(self.judged, described, "warn", "flag"),
            refusing=(_Refusing(),) if self.refuses else (),
            refusing_names=_names(with_breach(self.judged, described, "reject")),
            warned=_names(warned),
        )
        reason = "one pass over all rows of a statement judges every rule and measures its batches"
        if not self.profiles:
            reason = "one pass over all rows of a statement counts every rule"
        events = [(naming.MEASURE_ORDER, "measure", event) for event in ("INSERT", "UPDATE")]
        return [
            *((compiler.judge_row(judge, self.judged, described),) if self.judged else ()),
            compiler.function(
                function,
                sql.render("write_statement", context),
                reason,
                settings=self._settings(),
            ),
            *self._attached(function, "trigger_statement", events if updates else events[:1]),
        ]

    def taken(self) -> list[Artifact]:
        """What a statement takes away, with the rules that the rows failed."""
        compiler = self.compiler
        function = compiler.function_name("take_measure")
        sample = _sample(compiler, self.columns) if self.profiles else _NO_SAMPLE
        context = _Taken(
            **compiler.header(function, ROW, self.judged),
            rule_names=_texts(rule.name for rule in self.judged),
            column_names=_texts(one.column.name for one in self.columns),
            tally_names=_texts(one.name for one in self.tallies),
            cursors=_cursors(self.tallies),
            count=_count(compiler, self.columns, self.tallies, _OLD_ROWS, self.judged, sample=sample),
            count_measures=_count(compiler, self.columns, self.tallies, _OLD_ROWS, (), sample=sample),
            apart=_apart(
                compiler,
                self.columns,
                self.tallies,
                _OLD_ROWS,
                sample=sample,
                raised=sql.render("taken_raised", _Nothing()),
            ),
            refusing=(_Refusing(),) if self.refuses else (),
        )
        # Before what an UPDATE wrote is judged: a row that it mends must not count as failing any more.
        events = [(naming.TAKEN_ORDER, "taken", event) for event in ("UPDATE", "DELETE")]
        return [
            compiler.function(
                function,
                sql.render("take_measure", context),
                "what a statement takes away is taken from its batches",
                settings=self._settings(),
            ),
            *self._attached(function, "trigger_taken", events),
        ]

    def _settings(self) -> frozenset[Settings]:
        """What the functions need to count the same in every session."""
        read = tuple(one for tally in self.tallies for one in tally.reads)
        sampled = _printed(self.compiler, self.columns) if self.profiles else frozenset()
        return self.compiler.settings((*self.judged, *read)) | sampled

    def emptied(self) -> list[Artifact]:
        """TRUNCATE."""
        compiler = self.compiler
        function = compiler.function_name("truncate_measure")
        text = sql.render("truncate_measure", Header(**compiler.header(function, ROW, ())))
        return [
            compiler.function(function, text, "a table that is emptied has no batches any more"),
            *self._attached(function, "trigger_truncate", [(naming.EMPTIED_ORDER, "emptied", "TRUNCATE")]),
        ]

    def _attached(
        self, function: str, template: str, events: Iterable[tuple[int, str, str]]
    ) -> list[Artifact]:
        relation = self.compiler.relation
        own: Name = (relation.schema, relation.name)
        return [
            self.compiler.trigger(
                template,
                naming.trigger(order, word, event.lower()),
                event,
                function,
                name,
                _WHY[template] if name == own else _WHY_PARTITION,
                apart=name != own,
            )
            for name in (own, *relation.partitions)
            for order, word, event in events
        ]


_NEW_ROWS, _OLD_ROWS, _NO_SAMPLE = Sql("pgslo_new AS r"), Sql("pgslo_old AS r"), Sql("NULL::text[]")
_NOTHING = Sql("")

_WHY_PARTITION = "rows written straight to a partition do not fire the triggers of the whole table"
_WHY = {
    "trigger_statement": "an AFTER STATEMENT trigger with a transition table; PostgreSQL wants one for each event",
    "trigger_taken": "an AFTER STATEMENT trigger with the old rows in a transition table, one for each event",
    "trigger_truncate": "TRUNCATE fires no other trigger, and has no rows to show",
}


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
        value=compiler.batching.key(ROW),
        type=compiler.batching.type,
        span=sql.literal(compiler.batching.every or ""),
    )
    if compiler.batching.names == "batch_hidden_name":
        # One batch alone, because their order is that of arrival.
        named = compiler.batching.named(ROW)
        bounded = sql.render("recount_source_named", _SourceNamed(compiler.table, named))
    else:
        bounded = sql.render("recount_source_every" if batch.every is not None else "recount_source", place)
    sample, whole = _sample(compiler, columns), Sql(f"{compiler.table} AS r")
    context = _Recount(
        source=compiler.source(),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        cursors=_cursors(tallies),
        count=_count(compiler, columns, tallies, bounded, (), sample=sample),
        count_all=_count(compiler, columns, tallies, whole, (), sample=sample),
        apart=_apart(compiler, columns, tallies, bounded, sample=sample),
        undoing=compiler.undoing,
    )
    return compiler.function(
        name,
        sql.render("recount", context),
        "counts batches from the table itself, for rows that were there before pgslo or came unseen",
        arguments=Sql("text, text, bigint"),
        reads_table=True,
        settings=session_settings.ALL,
    )


def _count(
    compiler: WriteCompiler,
    columns: tuple[Watched, ...],
    tallies: tuple[Tally, ...],
    source: Sql,
    judged: tuple[rules.Rule, ...],
    *,
    sample: Sql,
    names_first: bool = False,
) -> Sql:
    # Hashing the names of very many batches takes as long as counting their rows, and only so many are recorded.
    is_limited = names_first and compiler.batching.names is not None
    name = compiler.batching.name
    context = _Count(
        batch_raw=compiler.batching.raw_row,
        batch_name=sql.render("batch_first_name", _Value(name)) if is_limited else name,
        batch_place=compiler.batching.place,
        present=sql.join(
            ", ",
            (sql.render("count_present", _Column(sql.identifier(one.column.name))) for one in columns),
        ),
        tallies=sql.join(", ", (sql.render("count_tally", _Value(one.value)) for one in tallies)),
        failed=sql.join(
            _NEXT_LINE,
            (
                sql.render("count_failing", _Passes(conditions.passes(rule, compiler.subject, ROW)))
                for rule in judged
            ),
        ),
        sample=sample,
        ordinal=sql.render("count_ordinal", _Nothing()) if is_limited else _NOTHING,
        source=source,
    )
    return sql.render("count_batches", context)


def _cursors(tallies: tuple[Tally, ...]) -> tuple[Sql, ...]:
    """The declarations that :func:`_apart` needs."""
    return (sql.render("counted_rows", _Nothing()),) if any(one.reads for one in tallies) else ()


def _apart(
    compiler: WriteCompiler,
    columns: tuple[Watched, ...],
    tallies: tuple[Tally, ...],
    rows: Sql,
    *,
    sample: Sql,
    raised: Sql | None = None,
) -> tuple[_CountedApart, ...]:
    """What counts batches where a sum raises an error for a row; nothing if no sum can.

    Args:
        compiler: Of the definition.
        columns: Whose values are counted.
        tallies: Sums over the rows.
        rows: The rows, or some rows of the table.
        sample: What is sampled of them.
        raised: In a trigger, what a row adds to the rows for which a sum raises an error.
    """
    if not any(one.reads for one in tallies):
        return ()
    values = sql.join(", ", (one.value for one in tallies))
    opened = [
        sql.render(
            "open_counted", _Open(source, values, _count(compiler, columns, (), source, (), sample=sample))
        )
        for source in (rows, Sql(f"{compiler.table} AS r"))
    ]
    context = _CountApart(
        values=values,
        plain=sql.join(", ", (sql.literal(None) if one.reads else one.value for one in tallies)),
        raising=tuple(
            _Raising(sql.literal(ordinal), sql.literal(len(tallies) + ordinal), one.value)
            for ordinal, one in enumerate(tallies, start=1)
            if one.reads
        ),
        slots=sql.literal(2 * len(tallies)),
        raised=raised or _one(),
        recorded=(_Recorded(),) if raised else (),
        batch_raw=compiler.batching.raw_row,
        batch_name=compiler.batching.name,
        batch_place=compiler.batching.place,
    )
    return (_CountedApart(opened[0], opened[1], sql.render("count_apart", context)),)


def _one() -> Sql:
    return sql.render("tally_one", _Nothing())


#: Rules stand one below the other, as their author wrote them.
_NEXT_LINE = ",\n" + " " * 23


def _sampled(compiler: WriteCompiler, columns: tuple[Watched, ...]) -> _Sampled:
    """A hash of what a row is about, and its values as text."""
    values = (_sampled_value(one) for one in columns)
    return _Sampled(_entity(compiler, columns), sql.join("", (Sql(f", {value}") for value in values)))


def _sampled_value(one: Watched) -> Sql:
    value = _Sample(sql.identifier(one.column.name), texts.text(one.column, ROW))
    return sql.render(f"sample_{_form(one)}", value)


def _sample(compiler: WriteCompiler, columns: tuple[Watched, ...]) -> Sql:
    return sql.render("sample_within", _sampled(compiler, columns))


def _form(one: Watched) -> str:
    column = one.column
    if one.kind == "text" and (
        column.base_type in _OPAQUE
        or column.category in (ARRAY, COMPOSITE, GEOMETRIC, RANGE)
        or column.category not in ("S", "E", "B", "N", "D", "U", "I")
    ):
        return "presence"
    return one.kind


def _entity(compiler: WriteCompiler, watched: tuple[Watched, ...]) -> Sql:
    """A hash of what the row is about: its key without what names the batch, so that batches sample the same entities.

    Where the key names nothing but the batch, all values together stand for it: rows of a batch must differ, or all or
    none of them are sampled.
    """
    by = compiler.definition.batch.by if compiler.definition.batch else None
    key = tuple(name for name in compiler.key if by is None or name not in by.columns)
    columns = [column for name in key if (column := compiler.relation.column(name))]
    if not columns:
        values = (_sampled_value(one) for one in watched if _form(one) != "presence")
        return sql.render("entity_text", _Values(sql.join(", ", (sql.literal(""), *values))))
    if len(columns) == 1 and columns[0].base_type in _WHOLE_NUMBERS:
        return sql.render("entity_number", _Column(sql.identifier(columns[0].name)))
    values = (
        sql.render(
            "sample_time" if _kind(column) == "time" else "sample_number",
            _Sample(sql.identifier(column.name), texts.text(column, ROW)),
        )
        for column in columns
    )
    return sql.render("entity_text", _Values(sql.join(", ", values)))


def _printed(compiler: WriteCompiler, watched: tuple[Watched, ...]) -> frozenset[Settings]:
    """The settings that samples depend on: a row that leaves is found by the same text as it came with."""
    of_key = (Watched(one, _kind(one)) for name in compiler.key if (one := compiler.relation.column(name)))
    sampled = (one for one in watched if _form(one) != "presence")
    return session_settings.printed(one.column for one in (*of_key, *sampled) if one.kind != "time")


def _names(described: tuple[Described, ...]) -> Sql:
    return Sql(f"ARRAY[{sql.join(', ', (one.name for one in described))}]::text[]")


def _texts(values: Iterable[str]) -> Sql:
    listed = sql.join(", ", (sql.literal(value) for value in values))
    return Sql(f"ARRAY[{listed}]::text[]")
