"""The methods of each kind of rule over batches when a definition is compiled, with defaults that fit most kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pgslo.catalog import NUMERIC, TEMPORAL, Column
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches.profiles import is_sampled, is_watched
from pgslo.compile.part import Tally
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition.rules import BatchRule
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

R = TypeVar("R", bound=BatchRule)

BY_PROFILE = "read from the batch's profile when it is closed; writes pay nothing more"


@dataclass(frozen=True)
class Parts:
    """How the value of a rule is found, without its bounds.

    Attributes:
        measure: How its value is found, for the runtime.
        reason: The same for people.
        tallies: Sums that it needs.
        artifacts: Functions that it needs.
        probes: Queries that PostgreSQL has to accept, each with its location.
        resolves_after: Batches that have to meet the rule before its incident is over, unless the author says how many.
    """

    measure: dict[str, Any]
    reason: str
    tallies: tuple[Tally, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    probes: tuple[tuple[Sql, Location], ...] = ()
    resolves_after: int = 1


class BatchKind(Generic[R]):
    """A rule over batches with its table. Each kind is a subclass, which overrides what differs.

    Attributes:
        is_counted: Whether its batches have to be counted.
    """

    is_counted: ClassVar[bool] = True

    def __init__(self, rule: R, table: TableContext) -> None:
        self.rule = rule
        self.table = table

    def parts(self) -> Parts:
        """Return how the value of the rule is found.

        Raises:
            CatalogError: A column does not exist, or is of a type that the rule cannot judge.
        """
        raise NotImplementedError

    @property
    def high(self) -> float | None:
        """The largest value that meets the rule."""
        return self.rule.high

    @property
    def max_age(self) -> float | None:
        """The age in seconds that the newest data may have, of a rule about the table and not about a batch."""
        return None

    # What kinds are made of

    def own(self, key: str = "column", name: str | None = None) -> Column:
        """Return the column that a parameter names; the column that the rule is under, if no name is given.

        Raises:
            CatalogError: It does not exist, or is virtual.
        """
        name = self.rule.column if name is None else name
        assert name is not None, f"{self.rule.kind} is written under a column"
        return self.table.subject.stored(name, self.rule.place(key))

    def check_columns(self, listed: tuple[str, ...], key: str) -> None:
        """See that columns exist."""
        for n, name in enumerate(listed):
            self.own(f"{key}.{n}" if f"{key}.{n}" in self.rule.places else key, name)

    def check_ordered(self, column: Column) -> None:
        """See that a column's values have an order that means something."""
        if column.category not in (NUMERIC, TEMPORAL) or not column.has_order:
            raise self.unfit(column, "it is about numbers and times")

    def need_profile(self, column: Column) -> None:
        """Make sure that a profile of a column is kept.

        Raises:
            CatalogError: None is, or it knows only whether values are NULL.
        """
        definition = self.table.definition
        if not is_watched(definition, column):
            why = (
                "it is listed under unwatched"
                if column.name in definition.unwatched
                else "it names the batch"
            )
            raise CatalogError(
                f'"{self.rule.kind}" needs a profile of column "{column.name}", and none is kept: {why}',
                location=self.rule.place("column"),
            )
        if not is_sampled(column):
            raise self.unfit(column, "of values of this type, only whether they are NULL is known")

    def unfit(self, column: Column, why: str) -> CatalogError:
        """Return the error of a rule that cannot judge the type of a column."""
        return CatalogError(
            f'{self.rule.kind} cannot judge column "{column.name}" of type {column.type}: {why}',
            location=self.rule.location,
        )


def of_row(column: Column) -> Sql:
    """Return a column over row r."""
    return value_of(column, ROW)
