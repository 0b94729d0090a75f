"""How rows arrive in a table, and which batch each of them belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pgslo import sql
from pgslo.catalog import NUMERIC, TEMPORAL, Name, Relation
from pgslo.compile.snippets import texts
from pgslo.compile.snippets.literals import seconds
from pgslo.compile.table.column_types import check_casts
from pgslo.compile.table.subject import NEW, ROW, Subject
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError
from pgslo.expression import Expression
from pgslo.sql import Sql

#: Rows that arrive one by one are batched by the hour of the clock unless the definition says otherwise.
_STREAM_BATCH = "3600 seconds"

_TEXT = Sql("text")
_INFINITY = Sql("'infinity'")
#: Dates later than this are later than any time stamp.
_AFTER_LAST_DATE = Sql("'294276-12-31 00:00:00.000001'")
_NO_NAME = Sql("")

#: Children that a note names.
_NAMED_CHILDREN = 3

#: Types whose values numeric rounds.
_FLOATS = frozenset({"real", "double precision"})

#: Types besides times and numbers whose values name batches as they are.
_PLAIN = frozenset({"boolean", "uuid", "interval"})


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


@dataclass(frozen=True)
class Batching:
    """How a row's batch is determined, and its order among the others.

    Attributes:
        raw_new: The batch's key over row ``NEW``: the author's expression, with its ``every``.
        raw_row: The same over row ``r``.
        name: What the batch is called, over ``b.raw``.
        place: Its place as a number, over ``b.raw``; NULL when batches are in order of arrival.
        by_value: Whether the key itself says which batch is later.
        every: The span of the clock's batches, or that in which nothing came means that nothing failed.
        type: Type of the key; of no use where no row says its batch.
        endless: From where on values are of the batch at infinity, where an interval cuts the key.
        column: The column that is the key, or that ``every`` cuts; ``None`` where an expression is.
        dated: Whether the place is a moment, in seconds since 1970.
        by: The author's expression; ``None`` where no row says its batch.
        plain: Whether the expression's type is PostgreSQL's own; if not, the key is the text of its value.
        names: The template of a name that may be a hash, which no key can be read from; ``None`` where the key can.
        definition: The definition's name, for that template.
        is_column: Whether the expression is a column alone.
        cuts: Whether the name of a long key is its beginning and a hash, so that no key can be read from it.
    """

    raw_new: Sql
    raw_row: Sql
    name: Sql
    place: Sql
    by_value: bool
    every: str | None
    type: Sql = _TEXT
    endless: Sql = _INFINITY
    column: str | None = None
    dated: bool = True
    by: Expression | None = None
    plain: bool = True
    names: str | None = None
    definition: Sql = _NO_NAME
    is_column: bool = False
    cuts: bool = False

    @property
    def identity(self) -> str:
        """What the batches are by and how they are named: if it changes, rows are in other batches."""
        return f"{self.raw_row.text} {self.names or self.name.text}"

    def key(self, row: Sql) -> Sql:
        """The batch's key over a row, without its ``every``."""
        assert self.by is not None
        value = self.by.qualified(row)
        return value if self.plain else texts.text_of(value, plain=False)

    def named(self, row: Sql) -> Sql:
        """The name of a row's batch, where it may be a hash."""
        if self.cuts:
            return sql.render("batch_number_name", _Raw(self.key(row)))
        assert self.names is not None
        return sql.render(self.names, _Named(self.key(row), self.definition))


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

    column = next((name for name in batch.by.columns if _is_column(name, batch.by)), None)
    for name in batch.by.columns:
        found = subject.stored(name, batch.by.location)
        if column is None:
            check_casts(found, batch.by.location)
    relation: Name = (subject.relation.schema, subject.relation.name)
    type_name, category, plain = subject.catalog.expression_types.get(
        (relation, batch.by.text), ("text", "S", True)
    )
    if not plain:
        type_name, category = "text", "S"
    if type_name == "time with time zone":
        # Values of different zones are different keys of the same order.
        raise CatalogError(
            "a batch by a value of type time with time zone has no place of its own among the others",
            detail="12:00:00+00 and 13:00:00+01 are two values at one time: the batches could not be distinguished.",
            hint="by: a time stamp, a date or a time without time zone",
            location=batch.by.location,
        )
    new, row = (
        value if plain else texts.text_of(value, plain=False)
        for value in (batch.by.qualified(NEW), batch.by.qualified(ROW))
    )
    span: str | None = None
    if batch.every is not None:
        if category != TEMPORAL or type_name.startswith("time "):
            raise CatalogError(
                f"a batch by a value of type {type_name} cannot be cut into intervals",
                hint="every: requires by: to be a date or a time stamp",
                location=batch.location,
            )
        span = seconds(batch.every)
        if type_name == "date":
            # It would be widened to a time stamp with time zone, and the session's zone would move the batch.
            new, row = (sql.render("batch_day", _Raw(value)) for value in (new, row))
        new, row = (sql.render("batch_every", _Clock(value, sql.literal(span))) for value in (new, row))
    if category == TEMPORAL:
        # What a date is cut into are time stamps.
        is_cut_date = span is not None and type_name == "date"
        key = Sql("timestamp without time zone" if is_cut_date else type_name)
        return Batching(
            new,
            row,
            _raw("batch_name"),
            _raw("batch_epoch"),
            by_value=True,
            every=span,
            type=key,
            endless=_AFTER_LAST_DATE if is_cut_date else _INFINITY,
            column=column,
            dated=not type_name.startswith("time "),
            by=batch.by,
            is_column=column is not None,
        )
    if type_name == "money":
        raise CatalogError(
            "a batch by a value of type money has another number in another lc_monetary",
            hint="use numeric, or a date",
            location=batch.location,
        )
    if category == NUMERIC:
        if type_name in _FLOATS:
            number, place = _raw("batch_float_name"), _raw("batch_float")
        else:
            number = _raw("batch_number_name")
            place = _raw("batch_numeric" if type_name == "numeric" else "batch_number")
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
            by=batch.by,
            is_column=column is not None,
            cuts=type_name == "numeric",
        )
    # Any other value may be personal: people who may see the name may lack the right to read the column.
    names = None
    if type_name not in _PLAIN:
        names = "batch_shown_name" if batch.show_names else "batch_hidden_name"
    own = sql.literal(definition.name)
    return Batching(
        new,
        row,
        sql.render(names, _Named(Sql("b.raw"), own)) if names else _raw("batch_name"),
        _raw("batch_arrival"),
        by_value=False,
        every=_STREAM_BATCH,
        type=Sql(type_name),
        dated=False,
        by=batch.by,
        is_column=column is not None,
        plain=plain,
        names=names,
        definition=own,
    )


def _is_column(column: str, expression: Expression) -> bool:
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


@dataclass(frozen=True)
class _Named:
    raw: Sql
    definition: Sql


def unseen_children(relation: Relation) -> str:
    """Return the note that rows written to the inheritance children of a table are not judged."""
    named = ", ".join(".".join(child) for child in relation.children[:_NAMED_CHILDREN])
    left = len(relation.children) - _NAMED_CHILDREN
    more = f" and {left:,} more" if left > 0 else ""
    return f"rows written straight to inheritance children are not seen: {named}{more}"
