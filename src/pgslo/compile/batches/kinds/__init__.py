"""How each kind of rule over batches is compiled: one class a kind, found by the rule's own class."""

from __future__ import annotations

from typing import Any

from pgslo.compile.batches.kinds.base import BatchKind
from pgslo.compile.batches.kinds.failures import Monotonic, NoGap, NoOverlap, QueryRule, SameAs
from pgslo.compile.batches.kinds.freshness import Freshness
from pgslo.compile.batches.kinds.metrics import MlMetric
from pgslo.compile.batches.kinds.profiled import Drift, Skew
from pgslo.compile.batches.kinds.queries import Metric
from pgslo.compile.batches.kinds.segments import BySegment
from pgslo.compile.batches.kinds.sums import Change, Completeness, RowCount, Statistic
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules

#: By the class of the rule.
KINDS: dict[type[rules.BatchRule], type[BatchKind[Any]]] = {
    rules.Completeness: Completeness,
    rules.RowCount: RowCount,
    rules.Freshness: Freshness,
    rules.Statistic: Statistic,
    rules.Change: Change,
    rules.Drift: Drift,
    rules.Skew: Skew,
    rules.BySegment: BySegment,
    rules.NoGap: NoGap,
    rules.NoOverlap: NoOverlap,
    rules.Monotonic: Monotonic,
    rules.SameAs: SameAs,
    rules.QueryRule: QueryRule,
    rules.MlMetric: MlMetric,
    rules.Metric: Metric,
}


def of(rule: rules.BatchRule, table: TableContext) -> BatchKind[Any]:
    """Return a rule over batches with its table, as what its kind is compiled to."""
    return KINDS[type(rule)](rule, table)
