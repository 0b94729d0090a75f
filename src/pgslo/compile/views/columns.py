"""Columns of guarded views: the value that a reader gets, and the guard that warns of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pgslo import sql
from pgslo.catalog import Catalog, Column, Relation
from pgslo.compile.predictions import post_processing
from pgslo.compile.table.batching import Batching
from pgslo.compile.table.subject import ROW, Subject
from pgslo.definition.rules import Definition
from pgslo.sql import Sql

#: Represents the table as a whole among the columns that a guard is asked about.
WHOLE_TABLE = "*"

#: Where the argument for a window is left out: a reader is warned of everything stored.
NO_WINDOW = Sql("")

_NONE = Sql("")

#: Columns of fewer characters share a line of a view.
_SHORT = 60

#: Names that need no quotes inside the text of an array.
_BARE = re.compile(r"(?!null\Z)(?:[a-z_][a-z0-9_]*|\*)\Z")

#: What pgslo.hit() takes in place of a column of these types.
_CASTS = {"smallint": "::bigint", "integer": "::bigint", "uuid": "::text"}

#: Types of columns whose values determine the batch of a row: pgslo.told_by_rows().
_KEYS = frozenset(
    {
        "date",
        "timestamp without time zone",
        "timestamp with time zone",
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "text",
        "character varying",
        "uuid",
    }
)


@dataclass(frozen=True)
class Guard:
    """A guard: the context of each template of its parts.

    Attributes:
        columns: The table's columns that are read, as an array.
        within: The reader's window, as a further argument; empty for everything stored.
        batch: The column that determines the batch of a row.
        every: The interval that cuts it; empty where none does.
        hit: Whether the row is of a missed batch.
        announced: The announcement, once in a process.
        about: Definition, columns and ``on_read`` for the one call of a column in a view with many.
    """

    definition: Sql
    columns: Sql
    on_read: Sql
    within: Sql
    batch: Sql = _NONE
    every: Sql = _NONE
    hit: Sql = _NONE
    announced: Sql = _NONE
    about: Sql = _NONE
    column: Sql = _NONE
    value: Sql = _NONE


@dataclass(frozen=True)
class _Plain:
    column: Sql
    value: Sql


class Columns:
    """The columns that guarded views of a table can have.

    Attributes:
        names: Those of the table, and those that post-processing adds.
        computed: Those that post-processing makes as rows are read: each with its value, and the table's columns behind it.
        batch: The column whose value alone determines a row's batch in any session, or ``None``.
        whole: The columns of a guard that is about the view as a whole.
    """

    def __init__(
        self,
        definition: Definition,
        catalog: Catalog,
        relation: Relation,
        key: tuple[str, ...],
        batching: Batching,
        *,
        watched: frozenset[str],
        asserted: frozenset[str],
    ) -> None:
        self._definition = definition
        self._relation = relation
        self._every = batching.every if batching.by_value else None
        judged = {name for rule in definition.rules if rule.enabled for name in rule.reads}
        judged |= asserted
        self.batch = _batch(batching, Subject(relation, catalog))
        # Behind a CASE these would lose their indexes while they miss something, so reading any column of such a row warns.
        at_table_level = {*key, *(batching.by.columns if batching.by is not None else ())}
        # The history of a key is for the table's owner: every reader would be warned of it, for any column.
        self._guarded_columns = (judged | watched) - at_table_level
        self.whole = (
            WHOLE_TABLE,
            *(column.name for column in relation.columns if column.name in judged & at_table_level),
        )
        self._processing = (
            post_processing.Compiler(definition, catalog, relation) if definition.post_process else None
        )
        self.computed = self._processing.computed(key) if self._processing else {}
        self.names = (*(column.name for column in relation.columns), *self.computed)

    @property
    def batch_type(self) -> Sql:
        """The type in which batches are compared, where a column determines them."""
        assert self.batch is not None
        kind = self.batch.base_type
        if kind == "character varying":
            kind = "text"
        elif kind == "date" and self._every is not None:
            # What a date is cut into are time stamps.
            kind = "timestamp without time zone"
        return Sql(kind)

    def is_guarded(self, name: str) -> bool:
        """Whether a rule is about one of the table's columns behind a column of the view."""
        return bool(set(self.about(name)) & self._guarded_columns)

    def about(self, name: str) -> tuple[str, ...]:
        """The table's columns behind a column of the view."""
        return self.computed[name][1] if name in self.computed else (name,)

    def plain(self, name: str) -> Sql:
        """A column without a guard."""
        value = self._value(name)
        bare = value.text == f"{ROW}.{sql.identifier(name)}"
        return sql.render("plain_column" if bare else "computed_column", _Plain(sql.identifier(name), value))

    def guarded(self, name: str, on_read: str, within: Sql, *, wide: bool) -> Sql:
        """A column with its guard, where a rule is about it.

        Args:
            name: Its name.
            on_read: What a read of a missed batch does.
            within: The reader's window, as a further argument.
            wide: Whether each guard is one call, because the view has many.
        """
        if not self.is_guarded(name):
            return self.plain(name)
        guard = replace(
            self.guard(self.about(name), on_read, within, wide=wide),
            column=sql.identifier(name),
            value=self._value(name),
        )
        if not wide or not self._keeps_type(name):
            return sql.render("guarded_column", guard)
        if self.batch is None:
            return sql.render("wide_column_any", guard)
        return sql.render("wide_column" if self._every is None else "wide_column_every", guard)

    def guard(self, about: tuple[str, ...], on_read: str, within: Sql, *, wide: bool = False) -> Guard:
        """The parts of a guard: whether a row is of a missed batch, and the announcement."""
        guard = Guard(
            sql.literal(self._definition.name),
            _constant(about) if wide else array(about),
            sql.literal(on_read),
            within,
            batch=self._compared_batch(),
            every=Sql(f"interval {sql.literal(self._every)}") if self._every is not None else _NONE,
        )
        announced = sql.render("wide_announced" if wide else "guarded_announced", guard)
        # An interval in a text would not be a constant.
        asked = (
            _constant((self._definition.name, on_read, *about))
            if within == NO_WINDOW
            else sql.render("wide_about", guard)
        )
        return replace(guard, hit=self._hit(guard, announced), announced=announced, about=asked)

    def _value(self, name: str) -> Sql:
        if name in self.computed:
            return self.computed[name][0]
        if self._processing is not None:
            return self._processing.served(ROW, name)
        return Sql(f"{ROW}.{sql.identifier(name)}")

    def _keeps_type(self, name: str) -> bool:
        """Whether a function that returns the column's type loses nothing of it, such as a length."""
        column = self._relation.column(name)
        return column is not None and column.type == column.base_type and column.base_type != "character"

    def _compared_batch(self) -> Sql:
        """The column that determines the batch of a row, of a type that pgslo.hit() takes, or empty."""
        if self.batch is None:
            return _NONE
        cast = _CASTS.get(self.batch.base_type, "")
        return Sql(f"{ROW}.{sql.identifier(self.batch.name)}{cast}")

    def _hit(self, guard: Guard, announced: Sql) -> Sql:
        if self.batch is None:
            # Rows do not name it: any may be of a missed batch.
            return announced
        return sql.render("guarded_hit" if self._every is None else "guarded_hit_every", guard)


def _batch(batching: Batching, subject: Subject) -> Column | None:
    """The column whose value alone determines a row's batch; an expression may raise, or depend on the session's time zone."""
    by = batching.by
    if by is None or by.text not in (*by.columns, *(sql.identifier(name).text for name in by.columns)):
        return None
    column = subject.column(by.columns[0], by.location)
    return column if column.type_schema == "pg_catalog" and column.base_type in _KEYS else None


def laid_out(columns: Sequence[Sql]) -> tuple[Sql, ...]:
    """The columns line by line: a guard has a line of its own, columns without one share lines."""
    lines: list[Sql] = []
    for is_short, group in itertools.groupby(columns, key=_is_short):
        some = tuple(group)
        lines += sql.lines(some) if is_short else some
    return tuple(lines)


def _is_short(column: Sql) -> bool:
    return len(column.text) < _SHORT and "\n" not in column.text


def array(names: tuple[str, ...]) -> Sql:
    """The names as an array."""
    return Sql(f"ARRAY[{sql.join(', ', (sql.literal(name) for name in names))}]")


def _constant(names: tuple[str, ...]) -> Sql:
    """The same as one constant, which costs less than its parts where a view has a thousand."""
    quoted = (
        name if _BARE.match(name) else '"{}"'.format(re.sub(r'(["\\\\])', r"\\\1", name)) for name in names
    )
    return Sql(f"{sql.literal('{' + ','.join(quoted) + '}')}::text[]")
