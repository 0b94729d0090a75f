"""Queries by which PostgreSQL says whether it accepts what an author wrote, without reading a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import Name
from pgslo.compile.artifact import qualified
from pgslo.compile.table.subject import ROW
from pgslo.definition.rules import Definition
from pgslo.expression import Expression, Query
from pgslo.sql import Sql


@dataclass(frozen=True)
class _View:
    view: Sql
    query: Sql


@dataclass(frozen=True)
class Probed:
    """A table, and the queries to try on its rows."""

    table: Sql
    condition: Sql


def value_probe(relation: Name, expression: Expression) -> Sql:
    """A query whose result has the expression's type and no row."""
    return sql.render("probe_value", Probed(qualified(relation), expression.qualified(ROW)))


def view_probe(view: Sql, query: Query) -> Sql:
    """A view over a query of an author's own, which shows the dependencies of the query."""
    return sql.render("probe_view", _View(view, query.sql()))


def queries(definition: Definition) -> Iterator[Query]:
    """Yield the queries of the author's own that a definition holds, of rules and of assertions."""
    for rule in (*definition.rules, *definition.assertions):
        if rule.enabled:
            yield from rule.queries
