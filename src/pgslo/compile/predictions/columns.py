"""The columns that post-processing reads and writes, checked against the table."""

from __future__ import annotations

from pgslo import sql
from pgslo.catalog import Column
from pgslo.compile.artifact import qualified
from pgslo.compile.table.column_types import check_casts, check_operators, check_stored
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules import Definition, predictions
from pgslo.definition.rules.predictions import Columns, PostProcessing, Step
from pgslo.errors import CatalogError, Location

_FLOATING = {"real", "double precision", "numeric"}


def check_columns(
    definition: Definition, subject: Subject, columns: Columns, processing: PostProcessing
) -> None:
    """Make sure that the table has the columns and indexes that the steps need.

    Raises:
        CatalogError: A column is missing, has a type that does not fit, or cannot be written.
    """
    _Table(definition, subject).check(columns, processing)


class _Table:
    def __init__(self, definition: Definition, subject: Subject) -> None:
        self._name = definition.name
        self._subject = subject

    def check(self, columns: Columns, processing: PostProcessing) -> None:
        score = self._subject.column(columns.score, columns.place("score"))
        if score.base_type not in _FLOATING:
            raise CatalogError(
                f'column "{score.name}" of type {score.type} is not a score',
                hint="real, double precision and numeric are",
                location=columns.place("score"),
            )
        self._check_writable(score, columns.place("score"))
        if columns.decided:
            place = columns.place("class")
            self._check_writable(self._subject.column(columns.decided, place), place)
        if processing.apply == "on_write":
            self._check_kept(score, processing)
        else:
            for key in ("raw", "trail"):
                self._check_free(getattr(processing, key), processing.place(key))
        for step in processing.steps:
            self._check_step(step)

    def _check_kept(self, score: Column, processing: PostProcessing) -> None:
        """The columns that keep the model's score, and its trail."""
        raw = self._subject.column(processing.raw, processing.place("raw"))
        trail = self._subject.column(processing.trail, processing.place("trail"))
        check_stored(raw, processing.place("raw"))
        check_stored(trail, processing.place("trail"))
        if raw.type != score.type:
            raise CatalogError(
                f'column "{raw.name}" has type {raw.type}, and "{score.name}" has {score.type}',
                hint="what the model gave is kept as it came",
                location=processing.place("raw"),
            )
        if trail.base_type != "text[]":
            raise CatalogError(
                f'column "{trail.name}" has type {trail.type}; a trail is text[]',
                location=processing.place("trail"),
            )

    def _check_writable(self, column: Column, location: Location) -> None:
        check_stored(column, location)
        if column.generated or column.name in self._subject.relation.partition_key:
            raise CatalogError(f'no trigger can write column "{column.name}"', location=location)

    def _check_free(self, name: str, location: Location) -> None:
        if self._subject.relation.column(name) is not None:
            raise CatalogError(
                f'column "{name}" of {self._name} exists already',
                hint="it is a column of the guarded views alone; give it another name",
                location=location,
            )

    def _check_step(self, step: Step) -> None:
        match step:
            case predictions.Override() | predictions.Abstain():
                for name in step.when.columns:
                    column = self._subject.column(name, step.when.location)
                    check_operators(column, step.when.location)
                    check_casts(column, step.when.location)
                    if column.generated:
                        raise CatalogError(
                            f'column "{name}" is generated after the point where steps run',
                            location=step.when.location,
                        )
            case predictions.Default() if step.last:
                self._check_lookup(step.last, step.location)
            case predictions.TopK():
                self._check_free(step.into, step.place("into"))
                self._check_lookup(step.per, step.location)

    def _check_lookup(self, columns: tuple[str, ...], location: Location) -> None:
        for name in columns:
            column = self._subject.column(name, location)
            check_operators(column, location)
            check_casts(column, location)
        if not self._subject.relation.has_lookup(columns):
            listed = ", ".join(str(sql.identifier(column)) for column in columns)
            raise CatalogError(
                f"{self._name} has no index that finds rows by {', '.join(columns)}",
                detail="This step looks other rows up; without an index it would read the whole table each time.",
                hint=f"CREATE INDEX CONCURRENTLY ON {qualified(self._subject.name)} ({listed})",
                location=location,
            )
