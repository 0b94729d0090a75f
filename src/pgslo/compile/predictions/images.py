"""Rows of predictions and of labels as images: the values that metrics compare, in the same form for both tables."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import BOOLEAN, TEXT, Column, Relation
from pgslo.compile.artifact import qualified
from pgslo.compile.predictions import post_processing
from pgslo.compile.predictions.tables import Tables
from pgslo.compile.snippets import texts
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW, Subject
from pgslo.definition.rules import predictions
from pgslo.sql import Sql

_WHOLE_NUMBERS = {"smallint", "integer", "bigint"}
_NULL = Sql("NULL")
_FALSE = Sql("false")

# One context class for each template.


@dataclass(frozen=True)
class Image:
    """The values of a row, and the change that they record."""

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
class Side:
    """One of the two tables.

    Attributes:
        what: ``prediction`` or ``label``.
        relation: The table.
        image: What its rows are as images.
        on: The columns by which a prediction finds its label.
    """

    what: str
    relation: Relation
    image: Image
    on: tuple[str, ...]


class Images:
    """How rows of both tables become images.

    Args:
        table: The table of predictions.
        tables: Both tables.
        served: The expression of the measured scores, where these are not stored.
    """

    def __init__(self, table: TableContext, tables: Tables, served: post_processing.Compiler | None) -> None:
        self._table = table
        self._tables = tables
        self._columns = tables.columns
        self._labels = tables.labels
        self._subject = tables.subject
        self._label_subject = tables.label_subject
        self._served = served

    def sides(self) -> tuple[Side, ...]:
        """The table of predictions, and that of labels if there is one."""
        prediction = Side("prediction", self._subject.relation, self._prediction(), self._on(0))
        if self._label_subject is None:
            return (prediction,)
        return (prediction, Side("label", self._label_subject.relation, self._label(), self._on(1)))

    def touched(self, side: Side) -> Sql:
        """The rows of a table that changed, as the source of images."""
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

    def rows(self, side: Side, source: Sql, sign: int) -> Sql:
        """The query for images of rows.

        Args:
            side: Their table.
            source: The item of a FROM that gives them, as ``r``.
            sign: 1 for existing rows, -1 for removed rows.
        """
        values = {name: getattr(side.image, name) for name in side.image.__dataclass_fields__}
        if self._served is not None and side.what == "prediction":
            source = self._served.with_served(source)
        return sql.render("pair_rows", Image(**{**values, "source": source, "sign": sql.literal(sign)}))

    def _on(self, side: int) -> tuple[str, ...]:
        if self._labels is None:
            return self._table.key
        return tuple(pair[side] for pair in self._labels.on)

    def _key(self, subject: Subject, on: tuple[str, ...]) -> Sql:
        return sql.join(", ", (_text(subject.column(name, self._table.definition.location)) for name in on))

    def _prediction(self) -> Image:
        columns, subject = self._columns, self._subject
        place = self._table.definition.location
        batching = self._table.batching
        segments = self._labels.segments if self._labels else ()
        return Image(
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
        return Sql(f"(p.r).{sql.identifier(name)}") if self._served else _of_row(name)

    def _label(self) -> Image:
        assert self._labels is not None
        assert self._label_subject is not None
        labels, subject = self._labels, self._label_subject
        label = subject.column(labels.label, labels.place("label"))
        return Image(
            side=sql.literal("label"),
            sign=_NULL,
            key=self._key(subject, self._on(1)),
            batch_name=_NULL,
            batch_place=_NULL,
            batch_raw=_NULL,
            model=_NULL,
            segment=Sql(""),
            score=_NULL if self._tables.classified else _number(label, _of_row(label.name)),
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
        column = subject.column(name, self._table.definition.location)
        if column.base_type == "timestamp with time zone":
            return _of_row(name)
        return sql.render("pair_moment", _Value(_of_row(name)))

    def _marked(self, kind: type[predictions.Step]) -> Sql:
        processing = self._table.definition.post_process
        if processing is None or (processing.apply == "on_read" and self._served is None):
            return _FALSE
        named = dict.fromkeys(step.name for step in processing.steps if isinstance(step, kind))
        if not named:
            return _FALSE
        names = sql.join(", ", (sql.literal(name) for name in named))
        trail = Sql("p.trail") if self._served else _of_row(processing.trail)
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
