"""What each segment of a batch has: rows, and values that are missing in each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgslo import sql
from pgslo.catalog import Column
from pgslo.compile.batches.kinds.base import of_row
from pgslo.compile.batches.kinds.functions import FailureKind, OfRows
from pgslo.compile.snippets import texts
from pgslo.compile.snippets.literals import ENUM
from pgslo.compile.table.column_types import check_casts
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: Where further counts of a list begin.
_INDENT = 16
#: More columns in each of three hundred segments would be more state, and more chance, than they are worth.
_MOST_COLUMNS = 100
#: The same as pgslo_catalog.most_segments(): a batch with more has no verdict.
_MOST_SEGMENTS = 300
#: Types of few values each, besides texts, enums and booleans.
_NAMING = {"smallint", "integer", "bigint", "date", "uuid"}
_TEXT, _BOOLEAN = "S", "B"


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Values:
    values: Sql


@dataclass(frozen=True)
class _BySegment(OfRows):
    segment: Sql
    missing: Sql
    most: Sql


class BySegment(FailureKind[rules.BySegment]):
    """Rows and missing values of each segment, which the runtime compares with earlier batches."""

    def measured(self) -> dict[str, Any]:
        """Return how the runtime measures it.

        A reader of the figures must be able to read each column of ``where``: first come those that name segments.
        """
        counted = self._counted()
        return {
            "form": "segments",
            "function": self.function,
            "per": len(self.rule.per),
            "counted": len(counted),
            "where": [*self.rule.per, *(one.name for one in counted)],
        }

    def context(self) -> _BySegment:
        """Return what the template of the function gets.

        Raises:
            CatalogError: Rows do not name their batch, or batches have no segments.
        """
        self._check_batch()
        named = [self._segmenting(n, name) for n, name in enumerate(self.rule.per)]
        counted = self._counted()
        if len(counted) > _MOST_COLUMNS:
            raise CatalogError(
                f"{len(counted)} columns cannot be watched in each segment: at most {_MOST_COLUMNS} are",
                hint="name those that matter: columns: […]",
                location=self.rule.place("columns"),
            )
        values = [sql.render("segment_value", _Value(texts.text(column, ROW))) for column in named]
        segment = (
            values[0] if len(values) == 1 else sql.render("segment_values", _Values(sql.join(", ", values)))
        )
        missing = [sql.render("segment_missing", _Value(of_row(column))) for column in counted]
        return _BySegment(
            **self.of_rows(),
            segment=segment,
            # Arrays of nothing cannot be collected.
            missing=sql.listed(missing or [Sql("0")], _INDENT),
            most=sql.literal(_MOST_SEGMENTS + 1),
        )

    def _check_batch(self) -> None:
        batch = self.table.definition.batch
        if batch is None or batch.by is None:
            raise CatalogError(
                "segments are compared from batch to batch, and no row says which batch it belongs to",
                hint="name the column that identifies the batch: batch: {by: …}",
                location=self.rule.location,
            )

    def _segmenting(self, n: int, name: str) -> Column:
        """Return a column that names segments."""
        key = f"per.{n}"
        column = self.own(key if key in self.rule.places else "per", name)
        location = self.rule.place(key if key in self.rule.places else "per")
        check_casts(column, location)
        by = self._by()
        if name == by:
            raise CatalogError(
                f'column "{name}" names the batch: each batch would be one segment',
                location=location,
            )
        if column.category not in (_TEXT, ENUM, _BOOLEAN) and column.base_type not in _NAMING:
            raise self.unfit(column, "texts, enums, booleans, whole numbers, dates and uuids name segments")
        rest = {one for one in self.table.key if one != by}
        if rest and rest <= set(self.rule.per):
            raise CatalogError(
                f"each row would be a segment of its own: {', '.join(sorted(rest))} identifies the rows of a batch",
                hint="name columns that many rows share, such as a tenant or a country",
                location=location,
            )
        return column

    def _counted(self) -> list[Column]:
        """Return the columns in which values may be missing."""
        if self.rule.columns:
            self.check_columns(self.rule.columns, "columns")
            return [self.table.subject.column(name, self.rule.place("columns")) for name in self.rule.columns]
        left_out = {*self.rule.per, *self.table.definition.unwatched, self._by()}
        return [
            column
            for column in self.table.relation.columns
            if not column.not_null and column.generated != "v" and column.name not in left_out
        ]

    def _by(self) -> str | None:
        """Return the column that names the batch."""
        batch = self.table.definition.batch
        return batch.by.text if batch is not None and batch.by is not None else None
