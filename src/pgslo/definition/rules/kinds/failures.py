"""The kinds of rule that count failures when a batch is closed, one class each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from pgslo.definition import names, wording
from pgslo.definition.rules.base import CountingRule, Table
from pgslo.definition.rules.syntax import COLUMNS, NOT_COUNTING, Syntax, Unfit, Ways, direct
from pgslo.definition.yaml.durations import Duration, Step
from pgslo.definition.yaml.lists import ListOf
from pgslo.definition.yaml.named import Name, Relation, Statement, canonical
from pgslo.definition.yaml.values import Boolean, OneOf
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Query, tables_read

#: Days as a definition names them, in the order of a week.
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BETWEEN_BATCHES = Syntax(
    "no_gap: {of: batches, every: 1 day, on: [monday, tuesday, wednesday, thursday, friday]}",
    parameters={
        "of": OneOf("object", ("batches",)),
        "every": Step(),
        "on": ListOf(OneOf("weekday", WEEKDAYS)),
        "max_delay": Duration(),
    },
    required=("of", "every"),
)


class NoGap(CountingRule):
    """Values follow each other without a step larger than so much, or batches do.

    Attributes:
        of: What follows each other: the ``values`` of a column within a batch, or ``batches``.
        every: The step.
        per: Groups of values to look at one by one.
        on: Weekdays on which batches come; none: on each.
        max_delay: How long after its own time a batch may come.
    """

    kind = "no_gap"
    syntax = Ways(
        columns=Syntax(
            "no_gap: {every: 1 hour, per: station}",
            parameters={"every": Step(), "per": COLUMNS},
            required=("every",),
            shorthand=Step(),
            stands_for=("every",),
        ),
        rules=_BETWEEN_BATCHES,
        file=_BETWEEN_BATCHES,
    )
    of: Literal["values", "batches"] = "values"
    every: timedelta | int
    per: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    max_delay: timedelta | None = None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for each option that batches cannot have."""
        if self.of == "values":
            return
        for key, value in (("where", self.where), ("at_most", self.at_most)):
            if value is not None:
                yield DefinitionError(
                    f'"{key}" does not fit "of: batches"',
                    detail="A batch that did not come has no rows to choose or to count.",
                    location=self.place(key),
                )
        for key in ("on", "max_delay"):
            if isinstance(self.every, int) and getattr(self, key):
                yield DefinitionError(
                    f'"{key}" is about times, and "every" is a number', location=self.place(key)
                )

    def expected(self) -> str:
        """Return the expected state in words."""
        if self.of == "batches":
            return f"a batch every {self._step()}{self._on()}"
        return f"{self.column} without a gap of more than {self._step()}{wording.for_each(self.per)}"

    def _step(self) -> str:
        return wording.span_shown(self.every) if isinstance(self.every, timedelta) else str(self.every)

    def _on(self) -> str:
        return f" on {', '.join(day.capitalize() for day in self.on)}" if self.on else ""


class NoOverlap(CountingRule):
    """Spans from one column to another do not overlap; the end does not belong to a span."""

    kind = "no_overlap"
    syntax = Ways(
        rules=Syntax(
            "no_overlap: {from: valid_from, to: valid_to, per: user_id}",
            parameters={"from": Name(), "to": Name(), "per": COLUMNS},
            required=("from", "to"),
        )
    )
    start: str
    end: str
    per: tuple[str, ...] = ()

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        del column
        return {"start": written.pop("from"), "end": written.pop("to")} | written

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"spans from {self.start} to {self.end} that do not overlap{wording.for_each(self.per)}"

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return (self.start, self.end)


class Monotonic(CountingRule):
    """Values only rise, or only fall, in the order of other columns."""

    kind = "monotonic"
    syntax = Ways(
        columns=Syntax(
            "monotonic: {order: read_at, per: meter}",
            parameters={
                "order": COLUMNS,
                "per": COLUMNS,
                "direction": OneOf("direction", ("rising", "falling")),
                "strictly": Boolean(),
            },
            required=("order",),
        )
    )
    order: tuple[str, ...] = Field(min_length=1)
    per: tuple[str, ...] = ()
    direction: Literal["rising", "falling"] = "rising"
    strictly: bool = False

    def expected(self) -> str:
        """Return the expected state in words."""
        strictly = "strictly " if self.strictly else ""
        return (
            f"{self.column} {strictly}{self.direction} by {', '.join(self.order)}{wording.for_each(self.per)}"
        )


class SameAs(CountingRule):
    """Each row has a row with the same key and the same values in another table."""

    kind = "same_as"
    syntax = Ways(
        rules=Syntax(
            "same_as: {table: staging.orders, on: order_id, columns: [amount]}",
            parameters={"table": Relation(), "on": COLUMNS, "columns": COLUMNS},
            required=("table", "on"),
        )
    )
    table: str
    on: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = ()

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        del column
        return written | {"table": canonical(written["table"])}

    def expected(self) -> str:
        """Return the expected state in words."""
        same = f" and the same {', '.join(self.columns)}" if self.columns else ""
        return f"each row with a row of the same {', '.join(self.on)}{same} in {self.table}"

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return self.columns or self.on

    @property
    def relation(self) -> Table:
        """Schema and name of the other table as the catalogue spells them; ``table`` is how SQL writes it."""
        schema, name = names.split(self.table)
        return schema, name

    @property
    def tables(self) -> dict[Table, Location]:
        """The other table, with the location where it is named."""
        return {self.relation: self.place("table")}


class QueryRule(CountingRule):
    """A query of the author's own returns no rows."""

    kind = "query"
    syntax = Ways(
        rules=direct(
            "query",
            Statement(),
            'query: "SELECT a.id FROM shop.a LEFT JOIN shop.b USING (id) WHERE b.id IS NULL"',
        )
    )
    unfit = Unfit(
        (*NOT_COUNTING, "where"), "it counts the rows a query returns; say how many are fine with at_most"
    )
    query: Query

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"no rows from {wording.one_line(self.query.text)[:200]}"

    @property
    def queries(self) -> tuple[Query, ...]:
        """Queries of the author's own that it holds."""
        return (self.query,)

    @property
    def tables(self) -> dict[Table, Location]:
        """The tables that the query reads."""
        return dict.fromkeys(tables_read(self.query), self.query.location)
