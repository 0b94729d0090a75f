"""Predictions and their labels: triggers that note what changes, and the function that tells pairs as they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import BOOLEAN, TEXT, Column, Name, Relation
from pgslo.compile.artifact import Artifact, qualified
from pgslo.compile.part import Part
from pgslo.compile.predictions import post_processing
from pgslo.compile.predictions.tables import Tables
from pgslo.compile.snippets import literals, texts
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW, Subject
from pgslo.definition import rules
from pgslo.definition.rules import predictions
from pgslo.definition.rules.predictions import Columns, Labels
from pgslo.sql import Sql

_WHOLE_NUMBERS = {"smallint", "integer", "bigint"}
_NULL = Sql("NULL")
_FALSE = Sql("false")

# One context class for each template.


@dataclass(frozen=True)
class _Rows:
    side: Sql
    sign: Sql
    key: Sql
    batch_name: Sql
    batch_place: Sql
    batch_raw: Sql
    model: Sql
    segment: Sql
    score: Sql
    decided: Sql
    label: Sql
    moment: Sql
    defaulted: Sql
    abstained: Sql
    source: Sql


@dataclass(frozen=True)
class _Write:
    source: Sql
    function: Sql
    definition: Sql
    guards: tuple[Sql, ...]
    rows: Sql


@dataclass(frozen=True)
class _Truncate:
    source: Sql
    function: Sql
    definition: Sql


@dataclass(frozen=True)
class _Now:
    source: Sql
    function: Sql
    whole: tuple[Sql, ...]
    touched: tuple[Sql, ...]
    security: Sql
    undoing: tuple[Undoing, ...]


@dataclass(frozen=True)
class _Joined:
    value: Sql
    place: Sql
    type: Sql
    more: Sql


@dataclass(frozen=True)
class _Touched:
    table: Sql
    columns: tuple[_Joined, ...]


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Marked:
    value: Sql
    names: Sql


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class _Side:
    """One of the two tables: what its triggers are called, and its rows as images."""

    what: str
    relation: Relation
    rows: _Rows
    on: tuple[str, ...]


def wanted(definition: rules.Definition) -> bool:
    """Whether anything is measured of predictions."""
    return definition.labels is not None or any(
        isinstance(rule, rules.MlMetric) and rule.enabled for rule in definition.rules
    )


def pair(table: TableContext, so_far: Part) -> Part:
    """Make what metrics of predictions need."""
    del so_far
    if wanted(table.definition):
        paired = Compiler(table)
        return Part(artifacts=paired.artifacts(), registered={"pairs": paired.document()})
    return Part()


class Compiler:
    """Makes what the metrics of one table of predictions need."""

    def __init__(self, table: TableContext) -> None:
        definition = table.definition
        assert definition.predictions is not None
        self.table = table
        self.definition = definition
        self.columns: Columns = definition.predictions
        self.labels: Labels | None = definition.labels
        self.subject = table.subject
        self.function = naming.fit(definition.schema_name, definition.table_name, "pairs_now")
        self.tables = Tables(self.columns, self.labels, self.subject)
        self.classified = self.tables.classified
        self.label_subject = self.tables.label_subject
        self.served = self._served()

    def _served(self) -> post_processing.Compiler | None:
        """What makes the scores that are measured, where that is not what is stored."""
        if self.definition.post_process is None:
            return None
        steps = post_processing.Compiler(self.definition, self.subject.catalog, self.subject.relation)
        return steps if steps.serves else None

    # What the runtime is told

    def document(self) -> dict[str, Any]:
        """How pairs are completed and measured."""
        labels, columns = self.labels, self.columns
        return {
            "function": self.function,
            "regression": labels is not None and not self.classified,
            "labelled": labels is not None,
            "has_class": self.columns.decided is not None,
            "positive": self._class_text(labels.positive if labels else self._said_positive()),
            "threshold": labels.threshold if labels else 0.5,
            "classes": [self._class_text(one) for one in labels.classes]
            if labels and labels.classes
            else None,
            "maturity": literals.seconds(labels.maturity) if labels else None,
            "has_model": self.columns.model is not None,
            "model": self.columns.model,
            "segments": list(labels.segments) if labels else [],
            # Who may read these may see metrics.
            "columns": [one for one in (columns.score, columns.decided, columns.model) if one is not None]
            + (list(labels.segments) if labels else []),
            "label": [labels.schema_name, labels.table_name, labels.label] if labels else None,
            # What an image is made of: when it changes, everything is counted anew.
            "made_of": hashlib.sha256(f"{self._now()}{self._steps()}".encode()).hexdigest()[:16],
        }

    def _steps(self) -> str:
        return post_processing.version(self.served.processing) if self.served else ""

    def _said_positive(self) -> predictions.Constant | None:
        """The class that a high score stands for, where no label says so: for the accuracy that scores promise."""
        steps = self.definition.post_process.steps if self.definition.post_process else ()
        for step in steps:
            if isinstance(step, predictions.Threshold):
                return step.above
        decided = self.columns.decided
        is_boolean = (
            decided is not None and self.tables.own(decided, self.columns.place("class")).category == BOOLEAN
        )
        return True if is_boolean else None

    def _class_text(self, value: predictions.Constant | None) -> str | None:
        if value is None:
            return None
        return str(value).lower() if isinstance(value, bool) else str(value)

    # What is made

    def artifacts(self) -> tuple[Artifact, ...]:
        """Triggers with their functions, and the function that tells the pairs of now."""
        made = [
            self.table.function(
                self.function,
                self._now(),
                "the rows of both tables that metrics look at, all of them or those that changed",
                arguments=Sql("pgslo_catalog.pair_image[]"),
                reads_table=True,
            )
        ]
        for side in self._sides():
            made += self._triggers(side)
        return tuple(made)

    def _triggers(self, side: _Side) -> Iterable[Artifact]:
        own: Name = (side.relation.schema, side.relation.name)
        tables: tuple[Name, ...] = (own, *side.relation.partitions)
        # A label table may serve the predictions of several models: each has triggers of its own there.
        mark = "pair"
        if side.what == "label":
            digest = hashlib.sha256(self.definition.name.encode()).hexdigest()[:8]
            mark = f"label_{digest}"
        for word, form, source, sign, events in (
            ("written", "trigger_statement", Sql("pgslo_new AS r"), 1, ("INSERT", "UPDATE")),
            ("taken", "trigger_taken", Sql("pgslo_old AS r"), -1, ("UPDATE", "DELETE")),
        ):
            function = self._name(f"{side.what}_{word}")
            context = _Write(
                source=self.table.source(),
                function=sql.identifier(naming.GENERATED_SCHEMA, function),
                definition=sql.literal(self.definition.name),
                guards=self.table.guards(side.relation, returns=Sql("NULL")),
                rows=self._rows(side, source, sign),
            )
            yield self.table.function(
                function,
                sql.render("write_pairs", context),
                f"notes the rows of a statement, for {side.what}s to be paired later",
            )
            for name in tables:
                for event in events:
                    trigger = naming.trigger(naming.PAIR_ORDER, f"{mark}_{word}", event.lower())
                    yield self.table.trigger(
                        form,
                        trigger,
                        event,
                        function,
                        name,
                        "an AFTER STATEMENT trigger with a transition table, one for each event",
                    )
        function = self._name(f"{side.what}_emptied")
        emptied = _Truncate(
            self.table.source(),
            sql.identifier(naming.GENERATED_SCHEMA, function),
            sql.literal(self.definition.name),
        )
        yield self.table.function(
            function, sql.render("truncate_pairs", emptied), "TRUNCATE shows no rows: pairs are counted anew"
        )
        for name in tables:
            yield self.table.trigger(
                "trigger_truncate",
                naming.trigger(naming.PAIR_ORDER, f"{mark}_emptied", "truncate"),
                "TRUNCATE",
                function,
                name,
                "TRUNCATE fires no other trigger, and has no rows to show",
            )

    def _name(self, what: str) -> str:
        return naming.fit(self.definition.schema_name, self.definition.table_name, what)

    def _now(self) -> Sql:
        sides = self._sides()
        context = _Now(
            source=self.table.source(),
            function=sql.identifier(naming.GENERATED_SCHEMA, self.function),
            whole=tuple(
                self._rows(side, Sql(f"{qualified((side.relation.schema, side.relation.name))} AS r"), 1)
                for side in sides
            ),
            touched=tuple(self._rows(side, self._touched(side), 1) for side in sides),
            security=Sql(" SECURITY DEFINER" if self.subject.is_of_another else ""),
            undoing=self.table.undoing,
        )
        return sql.render("pairs_now", context)

    def _touched(self, side: _Side) -> Sql:
        joined = []
        for n, name in enumerate(side.on, start=1):
            column = side.relation.column(name)
            assert column is not None
            more = Sql("" if n == len(side.on) else " AND ")
            # Text is not converted to a type that is not PostgreSQL's own: a cast from text may be defined for it.
            value = _of_row(name) if column.plain else texts.text(column, ROW)
            type_ = Sql(column.base_type if column.plain else "text")
            joined.append(_Joined(value, sql.literal(n), type_, more))
        context = _Touched(qualified((side.relation.schema, side.relation.name)), tuple(joined))
        return sql.render("pair_touched", context)

    def _rows(self, side: _Side, source: Sql, sign: int) -> Sql:
        values = {name: getattr(side.rows, name) for name in side.rows.__dataclass_fields__}
        if self.served is not None and side.what == "prediction":
            source = self.served.with_served(source)
        return sql.render("pair_rows", _Rows(**{**values, "source": source, "sign": sql.literal(sign)}))

    # Rows as images

    def _sides(self) -> tuple[_Side, ...]:
        prediction = _Side("prediction", self.subject.relation, self._prediction(), self._on(0))
        if self.label_subject is None:
            return (prediction,)
        return (prediction, _Side("label", self.label_subject.relation, self._label(), self._on(1)))

    def _on(self, side: int) -> tuple[str, ...]:
        if self.labels is None:
            return self.table.key
        return tuple(pair[side] for pair in self.labels.on)

    def _key(self, subject: Subject, on: tuple[str, ...]) -> Sql:
        return sql.join(", ", (_text(subject.column(name, self.definition.location)) for name in on))

    def _prediction(self) -> _Rows:
        columns, subject = self.columns, self.subject
        place = self.definition.location
        batching = self.table.batching
        segments = self.labels.segments if self.labels else ()
        return _Rows(
            side=sql.literal("prediction"),
            sign=_NULL,
            key=self._key(subject, self._on(0)),
            batch_name=batching.name,
            batch_place=batching.place,
            batch_raw=batching.raw_row,
            model=_text(subject.column(columns.model, columns.place("model"))) if columns.model else _NULL,
            segment=sql.join(", ", (_text(subject.column(name, place)) for name in segments)),
            score=_number(subject.column(columns.score, columns.place("score")), self._made(columns.score)),
            decided=_text(
                subject.column(columns.decided, columns.place("class")), self._made(columns.decided)
            )
            if columns.decided
            else sql.render("pair_null_text", _Nothing()),
            label=_NULL,
            moment=self._moment(subject, columns.at),
            defaulted=self._marked(predictions.Default),
            abstained=self._marked(predictions.Abstain),
            source=_NULL,
        )

    def _made(self, name: str) -> Sql:
        """A column that steps may make, as readers get it."""
        return Sql(f"(p.r).{sql.identifier(name)}") if self.served else _of_row(name)

    def _label(self) -> _Rows:
        assert self.labels is not None
        assert self.label_subject is not None
        labels, subject = self.labels, self.label_subject
        label = subject.column(labels.label, labels.place("label"))
        return _Rows(
            side=sql.literal("label"),
            sign=_NULL,
            key=self._key(subject, self._on(1)),
            batch_name=_NULL,
            batch_place=_NULL,
            batch_raw=_NULL,
            model=_NULL,
            segment=Sql(""),
            score=_NULL if self.classified else _number(label, _of_row(label.name)),
            decided=_NULL,
            label=_text(label),
            moment=self._moment(subject, labels.at),
            defaulted=_NULL,
            abstained=_NULL,
            source=_NULL,
        )

    def _moment(self, subject: Subject, name: str | None) -> Sql:
        if name is None:
            return _NULL
        column = subject.column(name, self.definition.location)
        if column.base_type == "timestamp with time zone":
            return _of_row(name)
        return sql.render("pair_moment", _Value(_of_row(name)))

    def _marked(self, kind: type[predictions.Step]) -> Sql:
        processing = self.definition.post_process
        if processing is None or (processing.apply == "on_read" and self.served is None):
            return _FALSE
        named = dict.fromkeys(step.name for step in processing.steps if isinstance(step, kind))
        if not named:
            return _FALSE
        names = sql.join(", ", (sql.literal(name) for name in named))
        trail = Sql("p.trail") if self.served else _of_row(processing.trail)
        return sql.render("pair_marked", _Marked(trail, names))


def _of_row(name: str) -> Sql:
    return Sql(f"{ROW}.{sql.identifier(name)}")


def _number(column: Column, value: Sql) -> Sql:
    """A value as a float8, which overflows for no numeric."""
    return sql.render("pair_numeric" if column.base_type == "numeric" else "pair_float", _Value(value))


def _text(column: Column, value_of: Sql | None = None) -> Sql:
    """A value as the same text in every session, and for every type that it may be compared with."""
    value = _Value(value_of or _of_row(column.name))
    if not column.plain:
        return texts.text_of(value.value, plain=False)
    if (
        column.base_type in _WHOLE_NUMBERS
        or column.category in (TEXT, BOOLEAN, "E")
        or column.base_type == "uuid"
    ):
        return sql.render("pair_text", value)
    if column.base_type == "numeric":
        return sql.render("pair_number_text", value)
    return sql.render("pair_iso_text", value)
