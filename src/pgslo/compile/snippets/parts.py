"""The condition by which the planner refuses a table, a part of which belongs to a less trusted role, before it looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import Name
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Table:
    table: Sql


def pinned(table: Name) -> Sql:
    """Return a condition that is always true, for the query level that reads the table.

    Planning a query runs functions of the indexes and constraints of each part with the rights of the current role. The
    condition is evaluated by the planner alone, as often as it plans, and costs nothing when the query runs.
    """
    return sql.render("pin_parts", _Table(sql.literal(str(sql.identifier(*table)))))
