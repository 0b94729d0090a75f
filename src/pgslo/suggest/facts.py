"""The observations of a table, as frozen data."""

from __future__ import annotations

import decimal
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pgslo.catalog import Column, Name, Relation

_IDENTIFIER = re.compile(r"(^|_)(id|key|code|no|nr|number|uuid|hash|zip|postcode|phone)$")


@dataclass(frozen=True)
class ColumnSeen:
    """What a sample of rows says of a column.

    Attributes:
        column: The column as the catalogue has it.
        sampled: Rows that were looked at.
        present: How many have a value.
        different: Different values among them.
        single: Values that occur once.
        longest: Characters of the longest value, 200 at most.
        empty: Empty texts.
        least: Of numbers, with ``most`` and ``median``.
        whole: Whole numbers; ``zero``: those that are 0.
        formats: Values that are written in each format.
        top: The commonest values as text, with how often they occur.
    """

    column: Column
    sampled: int
    present: int
    different: int
    single: int
    longest: int | None = None
    empty: int = 0
    least: decimal.Decimal | None = None
    most: decimal.Decimal | None = None
    median: decimal.Decimal | None = None
    whole: int = 0
    zero: int = 0
    formats: Mapping[str, int] = field(default_factory=dict)
    top: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    @property
    def words(self) -> str:
        """Its name in lower case with its words apart: ``User Id``, ``userId`` and ``user_id`` are the same."""
        apart = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", self.name).lower()
        return re.sub(r"[^a-z0-9]+", "_", apart).strip("_")

    @property
    def is_identifier(self) -> bool:
        """Whether its name is that of an identifier."""
        return _IDENTIFIER.search(self.words) is not None


@dataclass(frozen=True)
class BatchSeen:
    """One batch: its name, its place in seconds where it is of the clock, its rows, and how many have a value, by column."""

    name: str
    place: float | None
    rows: int
    present: tuple[int, ...]


@dataclass(frozen=True)
class Arrivals:
    """How the rows of a usual day came, by the times in a column: medians over the last days that are over.

    Attributes:
        days: How many days that are.
        hours: Hours of a day with rows.
        rows: Rows of an hour that has some.
        moments: Different times of a day.
        loads: Transactions that wrote the rows of a day.
        span: Seconds between the first and the last time of the rows that one transaction wrote.
        age: Seconds since the newest time, by the database's clock.
    """

    days: int
    hours: float
    rows: float
    moments: float
    loads: float
    span: float
    age: float


@dataclass(frozen=True)
class ReferenceSeen:
    """A column of which every value that was looked at is in a column of another table that is unique."""

    column: str
    table: Name
    to: str
    different: int


@dataclass(frozen=True)
class Facts:
    """Everything that is known of a table.

    Attributes:
        sampled: Rows that were looked at; ``all_rows``: whether these are all.
        rows: Rows of the table, as PostgreSQL estimates them.
        columns: In the table's order.
        batches: By their column, newest first; empty where they were not counted.
        unique: Columns that are unique together in the whole table though no constraint says so.
        references: Found by name and by value.
        rising: Columns that never fall in the order of the batch's time, with how many steps were looked at.
        first_seen: Of columns with few values: the batch in which the newest of them was first seen, counted from the oldest
            batch, and how many batches were looked at.
        arrivals: The arrival of rows, by the time of their batch; ``None`` without such a time.
        now: Seconds since 1970 by the database's clock.
        readers: Roles that may read the table by a grant, and could not read everything anyway.
    """

    relation: Relation
    sampled: int
    all_rows: bool
    rows: int
    columns: tuple[ColumnSeen, ...]
    batches: tuple[BatchSeen, ...] = ()
    unique: tuple[str, ...] = ()
    references: tuple[ReferenceSeen, ...] = ()
    rising: Mapping[str, int] = field(default_factory=dict)
    first_seen: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    arrivals: Arrivals | None = None
    now: float = 0.0
    readers: tuple[str, ...] = ()

    def seen(self, name: str) -> ColumnSeen:
        """The observations of a column."""
        return next(one for one in self.columns if one.name == name)
