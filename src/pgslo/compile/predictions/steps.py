"""The steps of post-processing as SQL."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from pgslo import sql
from pgslo.compile.predictions import last
from pgslo.compile.rows.kinds.base import Bound
from pgslo.compile.rows.kinds.repairs import Clipped, Defaulted, Rounded
from pgslo.compile.snippets import literals
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules import predictions
from pgslo.definition.rules.predictions import Columns, PostProcessing, Step
from pgslo.errors import Location
from pgslo.sql import Sql

_NAN, _LOWEST, _HIGHEST = Sql("'NaN'"), Sql("'-Infinity'"), Sql("'Infinity'")


@dataclass(frozen=True)
class _Made:
    score: Sql
    value: Sql
    name: Sql


@dataclass(frozen=True)
class _Set:
    target: Sql
    value: Sql


@dataclass(frozen=True)
class _Sets:
    when: Sql
    sets: tuple[_Set, ...]
    name: Sql


@dataclass(frozen=True)
class _Threshold:
    score: Sql
    target: Sql
    at: Sql
    above: Sql
    below: Sql
    name: Sql


@dataclass(frozen=True)
class _Number:
    score: Sql
    value: Sql
    type: Sql


@dataclass(frozen=True)
class _Platt:
    score: Sql
    a: Sql
    b: Sql


@dataclass(frozen=True)
class _Point:
    at: Sql
    value: Sql


@dataclass(frozen=True)
class _Line:
    at: Sql
    to: Sql
    low: Sql
    slope: Sql


@dataclass(frozen=True)
class _Isotonic:
    score: Sql
    first: _Point
    lines: tuple[_Line, ...]
    last: Sql


@dataclass(frozen=True)
class _Binning:
    score: Sql
    bins: tuple[_Point, ...]
    last: Sql


@dataclass(frozen=True)
class _Last:
    score: Sql
    found: Sql
    otherwise: Sql


class Steps:
    """Prints the steps of post-processing over a row."""

    def __init__(self, subject: Subject, columns: Columns, processing: PostProcessing) -> None:
        self.subject = subject
        self.columns = columns
        self.processing = processing
        self.score = subject.column(columns.score, columns.place("score"))

    def step(self, step: Step, row: Sql) -> Sql:
        """Return what a step does with a row, and the mark that it leaves in the trail."""
        score, name = Sql(f"{row}.{sql.identifier(self.score.name)}"), sql.literal(step.name)
        match step:
            case predictions.Override():
                sets = []
                if step.score is not None:
                    sets.append(_Set(score, self._number(step.score)))
                if step.decided is not None:
                    sets.append(self._class(step.decided, row, step.place("class")))
                return sql.render("post_process/set", _Sets(step.when.qualified(row), tuple(sets), name))
            case predictions.Abstain():
                target = (
                    Sql(f"{row}.{sql.identifier(self.columns.decided)}") if self.columns.decided else score
                )
                return sql.render(
                    "post_process/set",
                    _Sets(step.when.qualified(row), (_Set(target, sql.literal(None)),), name),
                )
            case predictions.Threshold():
                above = self._class(step.above, row, step.place("above"))
                below = self._class(step.below, row, step.place("below"))
                return sql.render(
                    "post_process/threshold",
                    _Threshold(score, above.target, self._number(step.at), above.value, below.value, name),
                )
        return sql.render("post_process/value", _Made(score, self.value(step, score, row), name))

    def value(self, step: Step, score: Sql, row: Sql) -> Sql:
        """Return the score that a step makes of a score."""
        match step:
            case predictions.Clip():
                bounds = tuple(
                    Bound(Sql(operator), self._number(limit))
                    for operator, limit in (("<", step.low), (">", step.high))
                    if limit is not None
                )
                return sql.render("repairs/clip", Clipped(score, (_NAN,), score, bounds))
            case predictions.Round():
                return sql.render(
                    "repairs/round", Rounded(score, sql.literal(step.digits), (_NAN, _LOWEST, _HIGHEST))
                )
            case predictions.Default() if step.last:
                found = last.found(self.subject, self.columns, self.processing, step, row)
                context = _Last(score, found, self._number(step.value))
                return sql.render("post_process/last", context)
            case predictions.Default():
                return sql.render("repairs/default", Defaulted(score, (_NAN,), self._number(step.value)))
            case predictions.Calibrate():
                number = _Number(score, self._calibrated(step, score), Sql(self.score.type))
                return sql.render("post_process/number", number)
        raise AssertionError(step.kind)

    def _calibrated(self, step: predictions.Calibrate, score: Sql) -> Sql:
        def exact(value: float) -> Sql:
            return Sql(f"({sql.literal(value)})") if value < 0 else sql.literal(value)

        if step.way == "platt":
            return sql.render("post_process/platt", _Platt(score, exact(step.first[0]), exact(step.first[1])))
        if step.way == "binning":
            bins = tuple(
                _Point(exact(at), exact(value)) for at, value in zip(step.first, step.second, strict=False)
            )
            return sql.render("post_process/binning", _Binning(score, bins, exact(step.second[-1])))
        points = list(zip(step.first, step.second, strict=True))
        lines = tuple(
            _Line(exact(x), exact(to), exact(y), exact((high - y) / (to - x)))
            for (x, y), (to, high) in itertools.pairwise(points)
        )
        first = _Point(exact(points[0][0]), exact(points[0][1]))
        return sql.render("post_process/isotonic", _Isotonic(score, first, lines, exact(points[-1][1])))

    def _number(self, value: float) -> Sql:
        written = sql.literal(value)
        return Sql(
            f"({written})::{self.score.base_type}" if value < 0 else f"{written}::{self.score.base_type}"
        )

    def _class(self, value: predictions.Constant, row: Sql, location: Location) -> _Set:
        assert self.columns.decided is not None
        column = self.subject.column(self.columns.decided, location)
        return _Set(
            Sql(f"{row}.{sql.identifier(column.name)}"),
            literals.constant(value, column, location),  # type: ignore[arg-type]
        )
