"""Predictions and their labels: triggers that record changes, and the function that returns the current pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import BOOLEAN, Name
from pgslo.compile.artifact import Artifact, qualified
from pgslo.compile.part import Part
from pgslo.compile.predictions import post_processing
from pgslo.compile.predictions.images import Images, Side
from pgslo.compile.predictions.tables import Tables
from pgslo.compile.snippets import literals
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules
from pgslo.definition.rules import predictions
from pgslo.definition.rules.predictions import Columns, Labels
from pgslo.sql import Sql

# One context class for each template.


@dataclass(frozen=True)
class _Write:
    source: Sql
    function: Sql
    definition: Sql
    guards: tuple[Sql, ...]
    rows: Sql


@dataclass(frozen=True)
class _Truncate:
    source: Sql
    function: Sql
    definition: Sql


@dataclass(frozen=True)
class _Now:
    source: Sql
    function: Sql
    whole: tuple[Sql, ...]
    touched: tuple[Sql, ...]
    security: Sql
    undoing: tuple[Undoing, ...]


def wanted(definition: rules.Definition) -> bool:
    """Whether anything is measured of predictions."""
    return definition.labels is not None or any(
        rule.of_predictions and rule.enabled for rule in definition.rules
    )


def pair(table: TableContext, so_far: Part) -> Part:
    """Make what metrics of predictions need."""
    del so_far
    if wanted(table.definition):
        paired = Compiler(table)
        return Part(artifacts=paired.artifacts(), registered={"pairs": paired.document()})
    return Part()


class Compiler:
    """Makes what the metrics of one table of predictions need."""

    def __init__(self, table: TableContext) -> None:
        definition = table.definition
        assert definition.predictions is not None
        self.table = table
        self.definition = definition
        self.columns: Columns = definition.predictions
        self.labels: Labels | None = definition.labels
        self.subject = table.subject
        self.function = naming.fit(definition.schema_name, definition.table_name, "pairs_now")
        self.tables = Tables(self.columns, self.labels, self.subject)
        self.classified = self.tables.classified
        self.served = self._served()
        self.images = Images(table, self.tables, self.served)

    def _served(self) -> post_processing.Compiler | None:
        """The expression of the measured scores, where these are not stored."""
        if self.definition.post_process is None:
            return None
        steps = post_processing.Compiler(self.definition, self.subject.catalog, self.subject.relation)
        return steps if steps.serves else None

    # Registration

    def document(self) -> dict[str, Any]:
        """How pairs are completed and measured."""
        labels, columns = self.labels, self.columns
        return {
            "function": self.function,
            "regression": labels is not None and not self.classified,
            "labelled": labels is not None,
            "has_class": self.columns.decided is not None,
            "positive": self._class_text(labels.positive if labels else self._said_positive()),
            "threshold": labels.threshold if labels else 0.5,
            "classes": [self._class_text(one) for one in labels.classes]
            if labels and labels.classes
            else None,
            "maturity": literals.seconds(labels.maturity) if labels else None,
            "has_model": self.columns.model is not None,
            "model": self.columns.model,
            "segments": list(labels.segments) if labels else [],
            # A role that may read these may see metrics.
            "columns": [one for one in (columns.score, columns.decided, columns.model) if one is not None]
            + (list(labels.segments) if labels else []),
            "label": [labels.schema_name, labels.table_name, labels.label] if labels else None,
            # The input of an image: when it changes, everything is recounted.
            "made_of": hashlib.sha256(f"{self._now()}{self._steps()}".encode()).hexdigest()[:16],
        }

    def _steps(self) -> str:
        return post_processing.version(self.served.processing) if self.served else ""

    def _said_positive(self) -> predictions.Constant | None:
        """The class of a high score, where no label defines it: for the accuracy that scores imply."""
        steps = self.definition.post_process.steps if self.definition.post_process else ()
        for step in steps:
            if isinstance(step, predictions.Threshold):
                return step.above
        decided = self.columns.decided
        is_boolean = (
            decided is not None and self.tables.own(decided, self.columns.place("class")).category == BOOLEAN
        )
        return True if is_boolean else None

    def _class_text(self, value: predictions.Constant | None) -> str | None:
        if value is None:
            return None
        return str(value).lower() if isinstance(value, bool) else str(value)

    # Objects

    def artifacts(self) -> tuple[Artifact, ...]:
        """Triggers with their functions, and the function that returns the current pairs."""
        made = [
            self.table.function(
                self.function,
                self._now(),
                "the rows of both tables that metrics look at, all of them or those that changed",
                arguments=Sql("pgslo_catalog.pair_image[]"),
                reads_table=True,
            )
        ]
        for side in self.images.sides():
            made += self._triggers(side)
        return tuple(made)

    def _triggers(self, side: Side) -> Iterable[Artifact]:
        own: Name = (side.relation.schema, side.relation.name)
        tables: tuple[Name, ...] = (own, *side.relation.partitions)
        # A label table may serve the predictions of several models: each has triggers of its own there.
        mark = "pair"
        if side.what == "label":
            digest = hashlib.sha256(self.definition.name.encode()).hexdigest()[:8]
            mark = f"label_{digest}"
        for word, form, source, sign, events in (
            ("written", "trigger_statement", Sql("pgslo_new AS r"), 1, ("INSERT", "UPDATE")),
            ("taken", "trigger_taken", Sql("pgslo_old AS r"), -1, ("UPDATE", "DELETE")),
        ):
            function = self._name(f"{side.what}_{word}")
            context = _Write(
                source=self.table.source(),
                function=sql.identifier(naming.GENERATED_SCHEMA, function),
                definition=sql.literal(self.definition.name),
                guards=self.table.guards(side.relation, returns=Sql("NULL")),
                rows=self.images.rows(side, source, sign),
            )
            yield self.table.function(
                function,
                sql.render("write_pairs", context),
                f"notes the rows of a statement, for {side.what}s to be paired later",
            )
            for name in tables:
                for event in events:
                    trigger = naming.trigger(naming.PAIR_ORDER, f"{mark}_{word}", event.lower())
                    yield self.table.trigger(
                        form,
                        trigger,
                        event,
                        function,
                        name,
                        "an AFTER STATEMENT trigger with a transition table, one for each event",
                    )
        function = self._name(f"{side.what}_emptied")
        emptied = _Truncate(
            self.table.source(),
            sql.identifier(naming.GENERATED_SCHEMA, function),
            sql.literal(self.definition.name),
        )
        yield self.table.function(
            function, sql.render("truncate_pairs", emptied), "TRUNCATE shows no rows: pairs are recounted"
        )
        for name in tables:
            yield self.table.trigger(
                "trigger_truncate",
                naming.trigger(naming.PAIR_ORDER, f"{mark}_emptied", "truncate"),
                "TRUNCATE",
                function,
                name,
                "TRUNCATE fires no other trigger, and has no rows to show",
            )

    def _name(self, what: str) -> str:
        return naming.fit(self.definition.schema_name, self.definition.table_name, what)

    def _now(self) -> Sql:
        sides = self.images.sides()
        context = _Now(
            source=self.table.source(),
            function=sql.identifier(naming.GENERATED_SCHEMA, self.function),
            whole=tuple(
                self.images.rows(
                    side, Sql(f"{qualified((side.relation.schema, side.relation.name))} AS r"), 1
                )
                for side in sides
            ),
            touched=tuple(self.images.rows(side, self.images.touched(side), 1) for side in sides),
            security=Sql(" SECURITY DEFINER" if self.subject.is_of_another else ""),
            undoing=self.table.undoing,
        )
        return sql.render("pairs_now", context)
