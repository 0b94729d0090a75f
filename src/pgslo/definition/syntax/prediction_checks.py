"""Whether what a definition says of predictions fits together."""

from __future__ import annotations

from collections.abc import Iterator

from pgslo.definition import rules
from pgslo.definition.rules import predictions
from pgslo.definition.rules.predictions import Columns, Labels, PostProcessing
from pgslo.definition.syntax.predictions import COLUMNS, LABELS
from pgslo.errors import DefinitionError, Location


def check(definition: rules.Definition) -> Iterator[DefinitionError]:
    """Whether the parts fit each other, and the rules that ask for them."""
    columns, steps, labels = definition.predictions, definition.post_process, definition.labels
    metrics = [rule for rule in definition.rules if isinstance(rule, rules.MlMetric)]
    if columns is None:
        for key in ("post_process", "labels"):
            if key in definition.places:
                yield DefinitionError(
                    f'"{key}" needs "predictions"',
                    hint=f"For example predictions: {COLUMNS.example}",
                    location=definition.place(key),
                )
        for rule in metrics:
            yield DefinitionError(
                '"ml_metric" is about a table of predictions',
                hint=f"Write kind: predictions, and predictions: {COLUMNS.example}",
                location=rule.location,
            )
        return
    if steps is not None:
        yield from _check_steps(steps, columns)
    if labels is not None:
        yield from _check_labels(definition, labels, columns)
    elif metrics and (definition.batch is None or definition.batch.by is None):
        yield _no_batch(metrics[0].location)
    for rule in metrics:
        yield from _check_metric(rule, definition)


def _check_steps(steps: PostProcessing, columns: Columns) -> Iterator[DefinitionError]:
    named: set[str] = set()
    for n, step in enumerate(steps.steps):
        kinds = {one.kind for one in steps.steps if one.name == step.name}
        if step.name not in named and len(kinds) > 1:
            yield DefinitionError(f'steps of two kinds are called "{step.name}"', location=step.location)
        named.add(step.name)
        if isinstance(step, predictions.Default) and step.last:
            if n > 0 or steps.apply == "on_read":
                yield DefinitionError(
                    "the last good value is what the model gave then, so this step has to be the first one"
                    if n
                    else "the last good value is looked up as rows are written",
                    location=step.location,
                )
            if columns.at is None:
                yield DefinitionError(
                    '"last" needs "at" among the predictions\' columns', location=step.location
                )
        decides = isinstance(step, predictions.Threshold | predictions.Abstain) or (
            isinstance(step, predictions.Override) and step.decided is not None
        )
        if decides and columns.decided is None and not isinstance(step, predictions.Abstain):
            yield DefinitionError(
                f'"{step.kind}" writes the class, and "predictions" names no "class"',
                location=step.location,
            )
        earlier = any(isinstance(one, predictions.Threshold) for one in steps.steps[:n])
        if decides and columns.decided and not earlier and not isinstance(step, predictions.Threshold):
            yield DefinitionError(
                f'"{step.kind}" would write over a class that nothing keeps',
                detail="What the model gave is kept for the score alone; a class has to be made from it.",
                hint="Put a threshold step before it.",
                location=step.location,
            )
    if len({steps.raw, steps.trail, columns.score}) < 3:
        yield DefinitionError("score, raw and trail are three columns", location=steps.place("raw"))


def _no_batch(location: Location) -> DefinitionError:
    return DefinitionError(
        "metrics are kept by batches of predictions, and no column says the batch of a row",
        hint="For example batch: {by: predicted_on}.",
        location=location,
    )


def _check_labels(
    definition: rules.Definition, labels: Labels, columns: Columns
) -> Iterator[DefinitionError]:
    if definition.batch is None or definition.batch.by is None:
        yield _no_batch(labels.location)
    if columns.at is None:
        yield DefinitionError(
            '"labels" needs "at" among the predictions\' columns',
            detail="Labels are complete some time after the prediction was made.",
            location=definition.place("predictions"),
        )
    if labels.classes and labels.positive is not None and labels.positive not in labels.classes:
        yield DefinitionError(
            f'"positive" is not one of "classes": {labels.positive}', location=labels.place("positive")
        )


def _check_metric(rule: rules.MlMetric, definition: rules.Definition) -> Iterator[DefinitionError]:
    columns, steps, labels = definition.predictions, definition.post_process, definition.labels
    assert columns is not None
    place = rule.place("of")
    if not 0 < rule.confidence < 1:
        yield DefinitionError(
            f"confidence {rule.confidence:g} leaves nothing to chance, or everything",
            hint="For example confidence: 0.95.",
            location=rule.place("confidence"),
        )
    if rule.of in ("default_share", "abstain_share"):
        kind = predictions.Default if rule.of == "default_share" else predictions.Abstain
        if steps is None or not any(isinstance(step, kind) for step in steps.steps):
            yield DefinitionError(f'"{rule.of}" needs a step "{kind.kind}"', location=place)
    elif rule.of == "expected_accuracy":
        return
    elif labels is None:
        yield DefinitionError(
            f'"{rule.of}" needs "labels"', hint=f"For example labels: {LABELS.example}", location=place
        )
    else:
        classified = labels.positive is not None or columns.decided is not None
        if rule.of in rules.OF_NUMBERS and classified:
            yield DefinitionError(f'"{rule.of}" is about numbers, and these are classes', location=place)
        if rule.of in rules.OF_CLASSES and not classified:
            yield DefinitionError(
                f'"{rule.of}" is about classes, and "labels" names no "positive"', location=place
            )
        elif rule.of in rules.OF_CLASSES and rule.of != "accuracy" and labels.positive is None:
            yield DefinitionError(f'"{rule.of}" needs "positive" in "labels"', location=place)
    known = (*((columns.model,) if columns.model else ()), *(labels.segments if labels else ()))
    for n, name in enumerate(rule.per):
        if name not in known:
            yield DefinitionError(
                f'metrics are not kept apart by "{name}"',
                hint=f"One of: {', '.join(known)}." if known else 'List it under "segments" of "labels".',
                location=rule.place(f"per.{n}"),
            )
