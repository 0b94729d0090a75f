"""What stands in the way of a write: which mechanism enforces each rule, and the functions and triggers for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pgslo import naming, sql
from pgslo.catalog import NUMERIC, TEMPORAL, Catalog, Name, Relation
from pgslo.compile import conditions, declared, promises
from pgslo.compile.artifact import Artifact, Statement, table
from pgslo.compile.conditions import NEW, ROW, Subject
from pgslo.compile.constants import seconds
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError
from pgslo.expression import Expression
from pgslo.sql import Sql

Mechanism = Literal[
    "native",
    "row trigger",
    "statement trigger",
    "schema trigger",
    "repair trigger",
    "on read",
    "at close",
    "at commit",
]

#: Rows that arrive one by one are batched by the hour of the clock unless the definition says otherwise.
_STREAM_BATCH = "3600 seconds"

_NO_ARGUMENTS, _TEXT = Sql(""), Sql("text")

#: Errors that say the table is not what the rule was written for: even a rule that rejects lets the write live then.
#: Any other error of a rejecting rule, such as a full disk, is the writer's.
_SCHEMA_MOVED = Sql(
    "syntax_error_or_access_rule_violation OR invalid_schema_name OR feature_not_supported OR data_exception"
)


@dataclass(frozen=True)
class Choice:
    """How a rule is enforced, and why in that way."""

    rule: rules.Rule
    mechanism: Mechanism
    reason: str


@dataclass(frozen=True)
class Writes:
    """How rows arrive in the table, and why that is believed."""

    mode: Literal["bulk", "stream"]
    reason: str


def arrival(definition: Definition) -> Writes:
    """How rows arrive: as declared, else as the batches of the definition suggest."""
    if definition.writes is not None:
        return Writes(definition.writes, f"declared: writes: {definition.writes}")
    if definition.batch is not None and definition.batch.by is not None:
        return Writes(
            "bulk", "batches by a column are loaded whole; declare writes: stream if rows arrive one by one"
        )
    return Writes(
        "stream",
        "no batch by a column is declared, so rows arrive one by one; declare writes: bulk for loads",
    )


def choose(rule: rules.Rule, subject: Subject, writes: Writes) -> Choice:
    """The cheapest mechanism that can do what the rule wants.

    Raises:
        CatalogError: No mechanism can.
    """
    match rule:
        case rules.Repair():
            return Choice(rule, "repair trigger", "only a BEFORE ROW trigger can change the row")
        case rules.Schema():
            if rule.on_breach == "reject":
                return Choice(rule, "schema trigger", "one look at the catalogue before each statement")
            return Choice(
                rule, "on read", "one look at the catalogue at each guarded read; writes pay nothing"
            )
        case rules.NotNull() if rule.on_breach == "reject" and rule.where is None:
            return Choice(
                rule,
                "native",
                "NOT NULL costs a write nothing and no writer gets round it; its error is PostgreSQL's own (23502)",
            )
        case rules.Unique() if rule.on_breach == "reject":
            return Choice(
                rule,
                "native",
                "only a unique index holds between concurrent writers; its error is PostgreSQL's own (23505)",
            )
        case rules.References() if rule.on_breach == "reject" and rule.where is None:
            return Choice(
                rule,
                "native",
                "only a foreign key holds against deletes in the other table; its error is PostgreSQL's own (23503)",
            )
    return _choose_trigger(rule, subject, writes)


def _choose_trigger(rule: rules.Rule, subject: Subject, writes: Writes) -> Choice:
    if rule.on_breach == "quarantine":
        generated = [
            name
            for name in conditions.columns(rule)
            if (column := subject.relation.column(name)) and column.generated
        ]
        if generated:
            raise CatalogError(
                f'column "{generated[0]}" is generated after the point where a row can be diverted',
                hint="put the rule on the columns it is generated from, or use on_breach: reject",
                location=rule.place("on_breach"),
            )
        return Choice(
            rule, "row trigger", "only a BEFORE ROW trigger can divert a row and let the others pass"
        )
    if rule.at_least is not None or rule.at_most is not None or rule.reject_below is not None:
        return Choice(
            rule,
            "statement trigger",
            "a share needs the number of rows written, which a statement knows at no cost",
        )
    if isinstance(rule, rules.Unique | rules.References):
        return Choice(
            rule, "statement trigger", "looking rows up is cheapest for all rows of a statement at once"
        )
    if writes.mode == "bulk":
        return Choice(
            rule,
            "statement trigger",
            f"one pass over the rows of a load is cheaper than a call for each ({writes.reason})",
        )
    return Choice(
        rule, "row trigger", f"all rules in one condition is the cheapest for single rows ({writes.reason})"
    )


# One context class for each template.


@dataclass(frozen=True)
class _Labelled:
    label: Sql
    value: Sql


@dataclass(frozen=True)
class _Shown:
    columns: tuple[_Labelled, ...]


@dataclass(frozen=True)
class _RowKey:
    columns: tuple[_Labelled, ...]


@dataclass(frozen=True)
class Described:
    """A rule as templates print it."""

    label: Sql
    name: Sql
    ordinal: Sql
    passes: Sql
    shown: Sql
    column_name: Sql
    promise: Sql
    promise_text: Sql
    owner: Sql
    warns: Sql
    samples: Sql
    broken_by: Sql


@dataclass(frozen=True)
class Header:
    """What every function on written rows has."""

    source: Sql
    function: Sql
    definition: Sql
    schema_name: Sql
    table_name: Sql
    owner: Sql
    row_key: Sql
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql


@dataclass(frozen=True)
class _WriteRow(Header):
    first: Sql
    others: tuple[Sql, ...]
    rejecting: tuple[Described, ...]
    noting: tuple[Described, ...]


@dataclass(frozen=True)
class _WriteQuarantine(Header):
    first: Sql
    others: tuple[Sql, ...]
    rules: tuple[Described, ...]


@dataclass(frozen=True)
class _Trigger:
    trigger: Sql
    event: Sql
    table: Sql
    function: Sql


@dataclass(frozen=True)
class _Schema:
    source: Sql
    function: Sql
    definition: Sql
    wanted: Sql
    schema_name: Sql
    table_name: Sql
    rule: Sql
    owner: Sql


@dataclass(frozen=True)
class _Function:
    function: Sql


@dataclass(frozen=True)
class Batching:
    """How a batch is told from a row, and its place among the others.

    Attributes:
        raw_new: The batch's key over row ``NEW``: the author's expression, with its ``every``.
        raw_row: The same over row ``r``.
        name: What the batch is called, over ``b.raw``.
        place: Its place as a number, over ``b.raw``; NULL when batches stand in order of arrival.
        by_value: Whether the key itself says which batch is later.
        every: The span of the clock's batches, or that in which nothing came means that nothing failed.
        type: Type of the key; of no use where no row says its batch.
        column: The column that is the key, or that ``every`` cuts; ``None`` where an expression is.
        dated: Whether the place is a moment, in seconds since 1970.
    """

    raw_new: Sql
    raw_row: Sql
    name: Sql
    place: Sql
    by_value: bool
    every: str | None
    type: Sql = _TEXT
    column: str | None = None
    dated: bool = True


def batching(definition: Definition, subject: Subject, writes: Writes) -> Batching:
    """What the definition's batches are.

    Raises:
        CatalogError: A column does not exist, or ``every`` cannot cut the key.
    """
    batch = definition.batch
    if batch is None or batch.by is None:
        every = batch.every if batch else None
        if every is None and writes.mode == "bulk":
            raw = sql.render("batch_statement", _Clock(Sql("statement_timestamp()"), Sql("'0'")))
            return Batching(raw, raw, _raw("batch_name"), _raw("batch_epoch"), by_value=False, every=None)
        clock = seconds(every) if every else _STREAM_BATCH
        raw = sql.render("batch_every", _Clock(Sql("statement_timestamp()"), sql.literal(clock)))
        return Batching(raw, raw, _raw("batch_name"), _raw("batch_epoch"), by_value=False, every=clock)

    for name in batch.by.columns:
        subject.column(name, batch.by.location)
    relation: Name = (subject.relation.schema, subject.relation.name)
    type_name, category = subject.catalog.expression_types.get((relation, batch.by.text), ("text", "S"))
    new, row = batch.by.qualified(NEW), batch.by.qualified(ROW)
    column = next((name for name in batch.by.columns if _is_plain(name, batch.by)), None)
    span: str | None = None
    if batch.every is not None:
        if category != TEMPORAL or type_name.startswith("time "):
            raise CatalogError(
                f"a batch by a value of type {type_name} cannot be cut into intervals",
                hint="every: wants by: to be a date or a time stamp",
                location=batch.location,
            )
        span = seconds(batch.every)
        # A date would be widened to a time stamp with time zone, and the session's zone would move the batch.
        cast = "::timestamp" if type_name == "date" else ""
        new, row = (
            sql.render("batch_every", _Clock(Sql(f"{value}{cast}"), sql.literal(span)))
            for value in (new, row)
        )
    if category == TEMPORAL:
        # What a date is cut into are time stamps.
        key = Sql("timestamp without time zone" if span is not None and type_name == "date" else type_name)
        return Batching(
            new,
            row,
            _raw("batch_name"),
            _raw("batch_epoch"),
            by_value=True,
            every=span,
            type=key,
            column=column,
            dated=not type_name.startswith("time "),
        )
    if category == NUMERIC:
        number, place = _raw("batch_number_name"), _raw("batch_number")
        return Batching(
            new,
            row,
            number,
            place,
            by_value=True,
            every=None,
            type=Sql(type_name),
            column=column,
            dated=False,
        )
    return Batching(
        new,
        row,
        _raw("batch_name"),
        _raw("batch_arrival"),
        by_value=False,
        every=_STREAM_BATCH,
        type=Sql(type_name),
        dated=False,
    )


def _is_plain(column: str, expression: Expression) -> bool:
    return expression.text in (column, sql.identifier(column).text)


def _raw(template: str) -> Sql:
    return sql.render(template, _Raw(Sql("b.raw")))


@dataclass(frozen=True)
class _Clock:
    value: Sql
    span: Sql


@dataclass(frozen=True)
class _Raw:
    raw: Sql


class WriteCompiler:
    """Makes the functions and triggers of one definition."""

    def __init__(
        self, definition: Definition, catalog: Catalog, relation: Relation, key: tuple[str, ...]
    ) -> None:
        self.definition = definition
        self.relation = relation
        self.subject = Subject(relation, catalog)
        self.key = key
        self.writes = arrival(definition)
        self.batching = batching(definition, self.subject, self.writes)
        self.table = table((relation.schema, relation.name))

    def owner(self, rule: rules.Rule | None = None) -> str:
        """Who answers for a rule."""
        own = rule.owner if rule else None
        return own or self.definition.owner or "unknown"

    def artifacts(self, choices: tuple[Choice, ...]) -> tuple[Artifact, ...]:
        """Functions and triggers for the rules that are enforced by other triggers than those on whole statements."""

        def of(mechanism: Mechanism) -> tuple[rules.Rule, ...]:
            return tuple(choice.rule for choice in choices if choice.mechanism == mechanism)

        made: list[Artifact] = []
        by_row, by_schema = of("row trigger"), of("schema trigger")
        diverting = tuple(rule for rule in by_row if rule.on_breach == "quarantine")
        judging = tuple(rule for rule in by_row if rule.on_breach != "quarantine")
        if diverting:
            made += self._quarantine(diverting)
        if judging:
            made += self._row(judging)
        if by_schema:
            made += self._schema(by_schema[0])
        return tuple(made)

    def _quarantine(self, diverting: tuple[rules.Rule, ...]) -> list[Artifact]:
        function = self.function_name("quarantine")
        described = self.described(diverting, NEW)
        context = _WriteQuarantine(
            **self.header(function, NEW, diverting),
            first=described[0].passes,
            others=tuple(one.passes for one in described[1:]),
            rules=described,
        )
        return [
            self.function(
                function,
                sql.render("write_quarantine", context),
                "all quarantining rules in one condition; a look at each only when it fails",
            ),
            self.trigger(
                "trigger_row",
                naming.trigger(naming.ENFORCE_ORDER, "quarantine", "row"),
                "INSERT OR UPDATE",
                function,
                (self.relation.schema, self.relation.name),
                "a BEFORE ROW trigger; PostgreSQL clones it to every partition",
            ),
        ]

    def _row(self, judging: tuple[rules.Rule, ...]) -> list[Artifact]:
        function = self.function_name("write_row")
        described = self.described(judging, NEW)
        context = _WriteRow(
            **self.header(function, NEW, judging),
            first=described[0].passes,
            others=tuple(one.passes for one in described[1:]),
            rejecting=with_breach(judging, described, "reject"),
            noting=with_breach(judging, described, "warn", "flag"),
        )
        return [
            self.function(
                function,
                sql.render("write_row", context),
                "all row rules in one condition; a look at each only when it fails",
            ),
            self.trigger(
                "trigger_after_row",
                naming.trigger(naming.MEASURE_ORDER, "measure", "row"),
                "INSERT OR UPDATE",
                function,
                (self.relation.schema, self.relation.name),
                "an AFTER ROW trigger judges what was stored, once, whatever other triggers and ON CONFLICT do; PostgreSQL clones it to every partition",
            ),
        ]

    def _schema(self, rule: rules.Rule) -> list[Artifact]:
        assert isinstance(rule, rules.Schema)
        function = self.function_name("schema")
        context = _Schema(
            source=self.source(),
            function=sql.identifier(naming.GENERATED_SCHEMA, function),
            definition=sql.literal(self.definition.name),
            wanted=Sql(f"{sql.literal(wanted_schema(rule))}::jsonb"),
            schema_name=sql.literal(self.relation.schema),
            table_name=sql.literal(self.relation.name),
            rule=sql.literal(rule.name),
            owner=sql.literal(self.owner(rule)),
        )
        trigger = naming.trigger(naming.ENFORCE_ORDER, "schema", "statement")
        own: Name = (self.relation.schema, self.relation.name)
        return [
            self.function(
                function,
                sql.render("rules/schema", context),
                "compares the table's columns with the definition",
            ),
            *(
                self.trigger(
                    "trigger_schema",
                    trigger,
                    "INSERT OR UPDATE",
                    function,
                    name,
                    "a BEFORE STATEMENT trigger: one look a statement, not a row",
                    apart=name != own,
                )
                for name in (own, *self.relation.partitions)
            ),
        ]

    def function(self, name: str, text: Sql, reason: str, *, arguments: Sql = _NO_ARGUMENTS) -> Artifact:
        """A generated function, revoked from PUBLIC so that nobody can attach it to a table of his own."""
        qualified = Sql(f"{sql.identifier(naming.GENERATED_SCHEMA, name)}({arguments})")
        called = Sql(f"FUNCTION {qualified}")
        return Artifact(
            kind="function",
            names=(name,),
            definition=self.definition.name,
            create=(Statement(text), Statement(sql.render("revoke", _Function(qualified)))),
            reason=reason,
            commented=called,
            replaceable=True,
        )

    def trigger(
        self,
        template: str,
        name: str,
        event: str,
        function: str,
        on: Name,
        reason: str,
        *,
        apart: bool = False,
    ) -> Artifact:
        """A trigger that calls a generated function; its text never changes with the rules."""
        context = _Trigger(
            sql.identifier(name), Sql(event), table(on), sql.identifier(naming.GENERATED_SCHEMA, function)
        )
        stands = Sql(f"{sql.identifier(name)} ON {table(on)}")
        where = f"{on[0]}.{on[1]}"
        return Artifact(
            kind="trigger",
            names=(name,),
            relation=on,
            definition=self.definition.name,
            create=(
                Statement(
                    sql.render(template, context),
                    "SHARE ROW EXCLUSIVE",
                    where,
                    hazards=("waits for running writes, and lets no new one begin meanwhile",),
                ),
            ),
            reason=reason,
            commented=Sql(f"TRIGGER {stands}"),
            replaceable=True,
            apart=apart,
        )

    def function_name(self, what: str) -> str:
        """The name of the table's generated function of that kind."""
        return naming.fit(self.relation.schema, self.relation.name, what)

    def source(self, of: tuple[rules.Rule, ...] = ()) -> Sql:
        """What a function is made from, in words: when a column's type changes they do, and the function is replaced.

        Sessions keep their plans of PL/pgSQL conditions, with the types of that time, until then.
        """
        by = self.definition.batch.by.columns if self.definition.batch and self.definition.batch.by else ()
        read = dict.fromkeys((*self.key, *by, *(name for rule in of for name in conditions.columns(rule))))
        typed = [f"{one.name} {one.type}" for one in self.relation.columns if of and one.name in read]
        columns = f" with {', '.join(typed)}" if typed else ""
        # A comment line in SQL: nothing in it may end the line.
        return Sql(promises.one_line(f"the definition of {self.definition.name}{columns}"))

    def header(self, function: str, row: Sql, of: tuple[rules.Rule, ...]) -> dict[str, Sql]:
        """The fields of :class:`Header` for a function on ``row`` that judges these rules."""
        raw = self.batching.raw_new if row == NEW else self.batching.raw_row
        return {
            "source": self.source(of),
            "function": sql.identifier(naming.GENERATED_SCHEMA, function),
            "definition": sql.literal(self.definition.name),
            "schema_name": sql.literal(self.relation.schema),
            "table_name": sql.literal(self.relation.name),
            "owner": sql.literal(self.owner()),
            "row_key": self.row_key(row),
            "batch_raw": raw,
            "batch_name": self.batching.name,
            "batch_place": self.batching.place,
        }

    def row_key(self, row: Sql) -> Sql:
        """An expression that prints a row's key as PostgreSQL does: ``(a, b) = (1, 2)``."""
        labels = [", "] * len(self.key)
        labels[0] = f"({', '.join(self.key)}) = ("
        return sql.render(
            "row_key",
            _RowKey(
                tuple(
                    _Labelled(sql.literal(label), Sql(f"{row}.{sql.identifier(name)}"))
                    for label, name in zip(labels, self.key, strict=True)
                ),
            ),
        )

    def described(self, judged: tuple[rules.Rule, ...], row: Sql) -> tuple[Described, ...]:
        """Rules over a row, for templates; numbered from 1."""
        return tuple(self._describe(rule, row, ordinal) for ordinal, rule in enumerate(judged, start=1))

    def _describe(self, rule: rules.Rule, row: Sql, ordinal: int) -> Described:
        promise = promises.promise(rule)
        shown = tuple(
            _Labelled(sql.literal(f"{name} = "), Sql(f"{row}.{sql.identifier(name)}"))
            for name in conditions.columns(rule)
        )
        return Described(
            label=Sql(promises.one_line(rule.name)),
            name=sql.literal(rule.name),
            ordinal=sql.literal(ordinal),
            passes=conditions.passes(rule, self.subject, row),
            shown=sql.render("shown", _Shown(shown)),
            column_name=sql.literal(rule.column or ""),
            promise=sql.literal(promise),
            promise_text=Sql(promises.one_line(promise)),
            owner=sql.literal(self.owner(rule)),
            warns=Sql(f"ARRAY[{sql.literal(rule.name)}]" if rule.on_breach == "warn" else "'{}'::text[]"),
            samples=sql.literal(rule.samples),
            broken_by=_SCHEMA_MOVED if rule.on_breach == "reject" else Sql("OTHERS"),
        )


def with_breach(
    chosen: tuple[rules.Rule, ...], described: tuple[Described, ...], *on_breach: str
) -> tuple[Described, ...]:
    """Those of the rules that do one of these on a breach."""
    return tuple(one for rule, one in zip(chosen, described, strict=True) if rule.on_breach in on_breach)


def wanted_schema(rule: rules.Schema) -> str:
    """The schema rule as JSON, in the order of the definition."""
    return json.dumps({"columns": declared.wanted_types(rule), "extra": rule.extra}, ensure_ascii=False)
