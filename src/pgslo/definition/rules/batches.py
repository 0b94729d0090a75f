"""The kinds of rule over batches, or over the table as a whole, one class each."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, get_args

from pydantic import Field

from pgslo.definition.rules.base import Rule
from pgslo.expression import Query

#: Added up as rows come and go, so exact; a rule over one of them may reject.
TalliedName = Literal["mean", "stddev", "sum", "zero_share", "negative_share"]
#: Read from the batch's profile.
SampledName = Literal["min", "max", "median", "quantile", "distinct", "distinct_share", "top_share"]
StatisticName = TalliedName | SampledName
#: What is measured of predicted classes, of predicted numbers, of labels, and of predictions alone.
ClassMetric = Literal[
    "accuracy", "precision", "recall", "f1", "auc", "log_loss", "brier", "calibration_error"
]
NumberMetric = Literal["mae", "rmse", "mape", "bias"]
LabelMetric = Literal["label_coverage", "label_delay"]
EarlyMetric = Literal["default_share", "abstain_share", "expected_accuracy"]
MetricName = ClassMetric | NumberMetric | LabelMetric | EarlyMetric
OF_CLASSES, OF_NUMBERS = frozenset(get_args(ClassMetric)), frozenset(get_args(NumberMetric))
#: Known without any label.
EARLY = frozenset(get_args(EarlyMetric))
DistanceName = Literal["psi", "js", "tv", "ks"]


class BatchRule(Rule):
    """What is judged of a batch or of the table as a whole: one value, and the bounds that it is to keep.

    Attributes:
        min: Smallest value that meets it.
        max: Largest value that meets it.
    """

    min: float | None = None
    max: float | None = None

    @property
    def low(self) -> float | None:
        """Smallest value that meets it."""
        return self.min if self.min is not None else self.warn_below

    @property
    def high(self) -> float | None:
        """Largest value that meets it."""
        return self.max if self.max is not None else self.warn_above

    @property
    def reads(self) -> tuple[str, ...]:
        """Every column that it reads; not those of its ``where``: a batch of these rows misses it whoever reads them."""
        return tuple(dict.fromkeys((*((self.column,) if self.column else ()), *self.others)))


class Completeness(BatchRule):
    """Enough of a batch's rows have a value."""

    kind = "completeness"


class RowCount(BatchRule):
    """A batch has so many rows, or so many for each row of earlier batches; or the whole table has so many.

    Attributes:
        of: What has the rows: ``batch`` or ``table``.
        relative_to: The earlier batches.
    """

    kind = "row_count"
    of: Literal["batch", "table"] = "batch"
    relative_to: str | None = None


class Freshness(BatchRule):
    """The table's newest data is not too old, or a column's values did not stop changing.

    Attributes:
        max_age: How old the newest data may be.
        of: The time column that tells; ``None``: when the table was last written to.
        max_unchanged: How many batches in a row may repeat a column's values.
    """

    kind = "freshness"
    max_age: timedelta | None = None
    of: str | None = None
    max_unchanged: int | None = None


class Statistic(BatchRule):
    """A statistic of a batch's values lies between two bounds."""

    kind = "statistic"
    of: StatisticName
    quantile: float | None = None


class Change(BatchRule):
    """A statistic or the number of rows changes by no more than so much from earlier batches."""

    kind = "change"
    of: str
    quantile: float | None = None
    relative_to: str = "previous"
    absolute: bool = False


class Drift(BatchRule):
    """A batch's values are distributed like those of earlier batches."""

    kind = "drift"
    by: DistanceName = "psi"
    relative_to: str = "previous"
    trained_on: tuple[str, str] | None = None


class Skew(BatchRule):
    """A batch's values are distributed like those of a column in another guarded table."""

    kind = "skew"
    by: DistanceName = "psi"
    table: str
    to: str


class NoGap(BatchRule):
    """Values follow each other without a step larger than so much."""

    kind = "no_gap"
    every: timedelta | int
    per: tuple[str, ...] = ()


class NoOverlap(BatchRule):
    """Spans from one column to another do not overlap; the end does not belong to a span."""

    kind = "no_overlap"
    start: str
    end: str
    per: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return (self.start, self.end)


class Monotonic(BatchRule):
    """Values only rise, or only fall, in the order of other columns."""

    kind = "monotonic"
    order: tuple[str, ...] = Field(min_length=1)
    per: tuple[str, ...] = ()
    direction: Literal["rising", "falling"] = "rising"
    strictly: bool = False


class SameAs(BatchRule):
    """Each row has a row with the same key and the same values in another table."""

    kind = "same_as"
    table: str
    on: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns or self.on


class QueryRule(BatchRule):
    """A query of the author's own returns no rows."""

    kind = "query"
    query: Query


class MlMetric(BatchRule):
    """The predictions of a batch are good enough, beyond what chance explains.

    Attributes:
        of: What is measured.
        over: How many batches are taken together, the judged one being the last.
        per: Columns by which it is measured apart: the worst group decides.
        confidence: Of the interval that has to be beyond the bound before the objective is missed.
        columns: Columns of the table that it is about: the score, and the class.
    """

    kind = "ml_metric"
    of: MetricName
    over: int = 1
    per: tuple[str, ...] = ()
    confidence: float = 0.95
    columns: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns
