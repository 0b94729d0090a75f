"""What a definition may say: its rules, one class a kind, its assertions, and its tasks."""

from __future__ import annotations

from pgslo.definition.rules.base import Assertion, BatchRule, OnBreach, OnRead, RowRule, Rule
from pgslo.definition.rules.definition import Batch, Definition, Gate, Task, WantedSnapshot
from pgslo.definition.rules.kinds.batches import (
    Change,
    Completeness,
    Freshness,
    Metric,
    RowCount,
    SampledName,
    Statistic,
    StatisticName,
    TalliedName,
)
from pgslo.definition.rules.kinds.distances import DistanceName, Drift, Skew
from pgslo.definition.rules.kinds.failures import Monotonic, NoGap, NoOverlap, QueryRule, SameAs
from pgslo.definition.rules.kinds.metrics import (
    EARLY,
    OF_CLASSES,
    OF_NUMBERS,
    ClassMetric,
    EarlyMetric,
    LabelMetric,
    MetricName,
    MlMetric,
    NumberMetric,
)
from pgslo.definition.rules.kinds.rows import Compare, Custom, ExpressionRule, Operator, References, Unique
from pgslo.definition.rules.kinds.segments import BySegment
from pgslo.definition.rules.kinds.table import Repair, Schema
from pgslo.definition.rules.kinds.values import (
    AcceptedValues,
    Format,
    FormatName,
    Length,
    NotAcceptedValues,
    NotBlank,
    NotNull,
    Pattern,
    Range,
)
from pgslo.definition.yaml.values import Constant as Scalar
from pgslo.definition.yaml.values import Number

__all__ = [
    "BUILT_IN",
    "EARLY",
    "OF_CLASSES",
    "OF_NUMBERS",
    "AcceptedValues",
    "Assertion",
    "Batch",
    "BatchRule",
    "BySegment",
    "Change",
    "ClassMetric",
    "Compare",
    "Completeness",
    "Custom",
    "Definition",
    "DistanceName",
    "Drift",
    "EarlyMetric",
    "ExpressionRule",
    "Format",
    "FormatName",
    "Freshness",
    "Gate",
    "LabelMetric",
    "Length",
    "Metric",
    "MetricName",
    "MlMetric",
    "Monotonic",
    "NoGap",
    "NoOverlap",
    "NotAcceptedValues",
    "NotBlank",
    "NotNull",
    "Number",
    "NumberMetric",
    "OnBreach",
    "OnRead",
    "Operator",
    "Pattern",
    "QueryRule",
    "Range",
    "References",
    "Repair",
    "RowCount",
    "RowRule",
    "Rule",
    "SameAs",
    "SampledName",
    "Scalar",
    "Schema",
    "Skew",
    "Statistic",
    "StatisticName",
    "TalliedName",
    "Task",
    "Unique",
    "WantedSnapshot",
]

#: The kinds that come with pgslo, by the word that definitions use; in the order in which hints list them.
BUILT_IN: dict[str, type[Rule]] = {
    kind.kind: kind
    for kind in (
        NotNull,
        NotBlank,
        Range,
        AcceptedValues,
        NotAcceptedValues,
        Length,
        Pattern,
        Format,
        ExpressionRule,
        Compare,
        References,
        Unique,
        Schema,
        Repair,
        Completeness,
        Freshness,
        RowCount,
        Statistic,
        Change,
        Drift,
        Skew,
        BySegment,
        NoGap,
        NoOverlap,
        Monotonic,
        SameAs,
        MlMetric,
        QueryRule,
        Metric,
    )
}
