"""The kind of rule about predictions and their labels."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pgslo.definition import wording
from pgslo.definition.rules.base import BatchRule
from pgslo.definition.rules.predictions import Columns
from pgslo.definition.rules.syntax import ANY_BOUND, COLUMNS, LIMITS, NOT_BOUNDED, Syntax, Unfit, Ways
from pgslo.definition.yaml.lists import Batches
from pgslo.definition.yaml.values import Fraction, OneOf

#: Metrics of predicted classes, of predicted numbers, of labels, and of predictions alone.
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

_CALLED = {
    "f1": "F1",
    "auc": "area under the ROC curve",
    "log_loss": "logarithmic loss",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "mape": "mean absolute percentage error",
    "bias": "mean error",
    "label_coverage": "share of predictions with a label",
    "label_delay": "mean hours from prediction to label",
    "default_share": "share of predictions with a default",
    "abstain_share": "share of predictions that abstain",
    "expected_accuracy": "accuracy expected from the scores",
}


class MlMetric(BatchRule):
    """The predictions of a batch are good enough, beyond what chance explains.

    Attributes:
        of: The metric.
        over: How many batches are taken together, the judged one being the last.
        per: Columns by which it is measured apart: the worst group decides.
        confidence: Of the interval that has to be beyond the bound before the objective is missed.
        columns: Columns of the table that it is about: the score, and the class.
    """

    kind = "ml_metric"
    syntax = Ways(
        rules=Syntax(
            "ml_metric: {of: auc, min: 0.7}",
            parameters={
                "of": OneOf(
                    "metric", tuple(name for part in get_args(MetricName) for name in get_args(part))
                ),
                "over": Batches(),
                "per": COLUMNS,
                "confidence": Fraction(),
                **LIMITS,
            },
            required=("of",),
            one_of=ANY_BOUND,
        )
    )
    unfit = Unfit(
        (*NOT_BOUNDED, "where", "reject_below", "reject_above"),
        "it measures whole batches, long after they were written",
    )
    of_predictions = True
    of: MetricName
    over: int = 1
    per: tuple[str, ...] = ()
    confidence: float = 0.95
    columns: tuple[str, ...] = ()

    def with_predictions(self, columns: Columns) -> Self:
        """Return the rule with the columns that it is about: the score, and the class."""
        about = (columns.score, *((columns.decided,) if columns.decided else ()))
        return self.model_copy(update={"columns": about})

    def expected(self) -> str:
        """Return the expected state in words."""
        called = _CALLED.get(self.of, self.of.replace("_", " "))
        over = f" over {self.over} batches" if self.over > 1 else ""
        return f"{called} {self.bounds_shown()}{over}{wording.for_each(self.per)}"

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return self.columns
