"""What is read from the profile that is kept of a batch."""

from __future__ import annotations

from typing import Any

from pgslo.catalog import NUMERIC, Column
from pgslo.compile.batches import columns
from pgslo.compile.batches.functions import Parts
from pgslo.compile.batches.profiles import is_sampled, is_watched
from pgslo.compile.snippets import literals
from pgslo.compile.table.context import TableContext
from pgslo.definition import names, rules
from pgslo.errors import CatalogError

BY_PROFILE = "read from the batch's profile when it is closed; writes pay nothing more"


def distance(rule: rules.Drift | rules.Skew, table: TableContext) -> Parts:
    """Tell which distributions are compared, and how.

    Raises:
        CatalogError: The column has no profile, or values that cannot be compared so.
    """
    assert rule.column is not None
    column = columns.own(rule, rule.column, table)
    need_profile(rule, column, table)
    is_ordered = (
        column.category == NUMERIC and column.base_type != "money"
    ) or column.base_type in literals.DAYS
    if rule.by == "ks" and not is_ordered:
        raise columns.unfit(rule, column, "ks compares numbers and times; use psi, js or tv")
    if not column.has_equality:
        raise columns.unfit(rule, column, "its values cannot be compared")
    document: dict[str, Any] = {
        "form": "distance",
        "column": column.name,
        "by": rule.by,
        "ordered": is_ordered,
    }
    if isinstance(rule, rules.Skew):
        schema, name = names.split(rule.table)
        document |= {"with": f"{schema}.{name}", "to": rule.to}
    elif rule.trained_on is not None:
        document["trained_on"] = list(rule.trained_on)
    else:
        document["relative_to"] = rule.relative_to
    return Parts(document, BY_PROFILE)


def need_profile(rule: rules.BatchRule, column: Column, table: TableContext) -> None:
    """Make sure that a profile of a column is kept.

    Raises:
        CatalogError: None is, or it knows only whether values are NULL.
    """
    if not is_watched(table.definition, column):
        why = (
            "it is listed under unwatched"
            if column.name in table.definition.unwatched
            else "it names the batch"
        )
        raise CatalogError(
            f'"{rule.kind}" needs a profile of column "{column.name}", and none is kept: {why}',
            location=rule.place("column"),
        )
    if not is_sampled(column):
        raise columns.unfit(rule, column, "of values of this type, only whether they are NULL is known")
