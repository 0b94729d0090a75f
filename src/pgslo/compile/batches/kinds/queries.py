"""The number that a query of the author's own gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pgslo import sql
from pgslo.compile.batches.kinds.base import BatchKind, Parts
from pgslo.compile.batches.kinds.functions import query_value
from pgslo.compile.table.column_types import check_query
from pgslo.definition import rules
from pgslo.expression import tables_read
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Query:
    query: Sql


class Metric(BatchKind[rules.Metric]):
    """A value that a query gives."""

    def parts(self) -> Parts:
        """Return how the value is found."""
        rule, relation = self.rule, self.table.relation
        check_query(rule.query, self.table.subject.catalog)
        (run,) = rule.queries
        # A role that may not read its columns may not see it: every column, or another table as well.
        shown: dict[str, Any] = {"where": [column.name for column in relation.columns]}
        if set(tables_read(rule.query)) - {(relation.schema, relation.name)}:
            shown = {"of_others": True}
        parts = query_value(rule, self.table, run.sql(), **shown)
        return replace(parts, probes=((sql.render("probe_query", _Query(run.sql())), rule.query.location),))
