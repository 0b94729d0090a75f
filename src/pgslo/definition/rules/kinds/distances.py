"""The kinds of rule about how a batch's values are distributed, one class each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from pgslo.definition import wording
from pgslo.definition.rules.base import BatchRule, ValueType
from pgslo.definition.rules.syntax import NOT_BOUNDED, Syntax, Unfit, Ways
from pgslo.definition.yaml.durations import Stretch
from pgslo.definition.yaml.lists import Earlier
from pgslo.definition.yaml.named import Relation, canonical
from pgslo.definition.yaml.values import Measure, OneOf
from pgslo.errors import DefinitionError

DistanceName = Literal["psi", "js", "tv", "ks"]
_DISTANCE = OneOf("distance", get_args(DistanceName))


class DistanceRule(BatchRule):
    """A distance between two distributions, with an upper bound.

    Attributes:
        by: How it is measured.
    """

    unfit = Unfit(
        (*NOT_BOUNDED, "where", "warn_below", "reject_below", "reject_above"),
        "it compares whole batches, and can only be too far off",
    )
    by: DistanceName = "psi"

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: a number for ks, which needs an order."""
        del name
        return "number" if self.by == "ks" else None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for a bound that no distance can meet."""
        if self.high is not None and self.high < 0:
            yield DefinitionError("a distance is never below zero", location=self.place("max"))

    def within(self) -> str:
        """Return the largest distance that meets the rule, in words."""
        return f"{self.column} within {self.by} {wording.number(self.high or 0)}"


class Drift(DistanceRule):
    """A batch's values are distributed like those of earlier batches."""

    kind = "drift"
    about_values = True
    syntax = Ways(
        columns=Syntax(
            "drift: {by: psi, relative_to: 28 batches, max: 0.2}",
            parameters={
                "by": _DISTANCE,
                "relative_to": Earlier(),
                "trained_on": Stretch(),
                "max": Measure(),
            },
            one_of=("max", "warn_above"),
        )
    )
    relative_to: str = "previous"
    trained_on: tuple[str, str] | None = None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for two things to compare with."""
        if self.trained_on is not None and "relative_to" in self.places:
            yield DefinitionError(
                '"relative_to" and "trained_on" name two things to compare with',
                hint="Keep one.",
                location=self.place("trained_on"),
            )
        yield from super().check()

    def expected(self) -> str:
        """Return the expected state in words."""
        if self.trained_on:
            return f"{self.within()} of batches {self.trained_on[0]} to {self.trained_on[1]}"
        return f"{self.within()} of {wording.earlier(self.relative_to)}"


class Skew(DistanceRule):
    """A batch's values are distributed like those of a column in another guarded table."""

    kind = "skew"
    about_values = True
    syntax = Ways(
        columns=Syntax(
            "skew: {from: training.user_stats.age, by: psi, max: 0.2}",
            parameters={"from": Relation(parts=3, path=True), "by": _DISTANCE, "max": Measure()},
            required=("from",),
            one_of=("max", "warn_above"),
        )
    )
    table: str
    to: str

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        del column
        *table, to = written.pop("from")
        return written | {"table": canonical(tuple(table)), "to": to}

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.within()} of {self.to} of {self.table}"
