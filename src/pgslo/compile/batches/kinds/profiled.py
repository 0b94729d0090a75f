"""Distances between distributions, which are read from the profiles that are kept of batches."""

from __future__ import annotations

from typing import Any, TypeVar

from pgslo.catalog import NUMERIC
from pgslo.compile.batches.kinds.base import BY_PROFILE, BatchKind, Parts
from pgslo.compile.snippets import literals
from pgslo.definition import names, rules

DistanceRule = TypeVar("DistanceRule", rules.Drift, rules.Skew)


class _DistanceKind(BatchKind[DistanceRule]):
    """A distance between a batch's distribution and another one."""

    def parts(self) -> Parts:
        """Return which distributions are compared, and how.

        Raises:
            CatalogError: The column has no profile, or values that cannot be compared so.
        """
        rule, column = self.rule, self.own()
        self.need_profile(column)
        is_ordered = (
            column.category == NUMERIC and column.base_type != "money"
        ) or column.base_type in literals.DAYS
        if rule.by == "ks" and not is_ordered:
            raise self.unfit(column, "ks compares numbers and times; use psi, js or tv")
        if not column.has_equality:
            raise self.unfit(column, "its values cannot be compared")
        measure: dict[str, Any] = {
            "form": "distance",
            "column": column.name,
            "by": rule.by,
        }
        if is_ordered or column.inside is None or not column.inside.json:
            # Values of a document are numbers or texts according to their content.
            measure["ordered"] = is_ordered
        return Parts(measure | self.other(), BY_PROFILE)

    def other(self) -> dict[str, Any]:
        """Return what a batch is compared with, for the runtime."""
        raise NotImplementedError


class Drift(_DistanceKind[rules.Drift]):
    """A batch against earlier ones."""

    def other(self) -> dict[str, Any]:
        """Return the earlier batches."""
        if self.rule.trained_on is not None:
            return {"trained_on": list(self.rule.trained_on)}
        return {"relative_to": self.rule.relative_to}


class Skew(_DistanceKind[rules.Skew]):
    """A batch against a column of another guarded table."""

    def other(self) -> dict[str, Any]:
        """Return the other table and its column."""
        schema, name = names.split(self.rule.table)
        return {"with": f"{schema}.{name}", "to": self.rule.to}
