"""Metrics of predictions and their labels."""

from __future__ import annotations

from pgslo.compile.batches.kinds.base import BatchKind, Parts
from pgslo.definition import rules

_BY_PAIRS = "added up by tick() from the predictions and labels that changed; never from all pairs"


class MlMetric(BatchKind[rules.MlMetric]):
    """A metric, which tick() adds up itself."""

    is_counted = False

    def parts(self) -> Parts:
        """Return which metric it is, over how many batches, and by which columns it is kept apart."""
        rule, definition = self.rule, self.table.definition
        columns, labels = definition.predictions, definition.labels
        segments = labels.segments if labels else ()
        places = [0 if columns and name == columns.model else segments.index(name) + 1 for name in rule.per]
        measure = {
            "form": "metric",
            "of": rule.of,
            "over": rule.over,
            "per": list(rule.per),
            "places": places,
            "confidence": rule.confidence,
            "early": rule.of in rules.EARLY,
        }
        return Parts(measure, _BY_PAIRS)
