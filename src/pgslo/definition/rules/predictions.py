"""A table of predictions as its author describes it: its columns, the processing of a score, and the source of labels."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from pgslo.errors import Location
from pgslo.expression import Expression

Constant = bool | int | float | str


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)
    location: Location
    places: dict[str, Location] = Field(default_factory=dict)

    def place(self, key: str) -> Location:
        """The location of a key, or of the part when it is not written out."""
        return self.places.get(key, self.location)


class Columns(_Part):
    """Which columns of the table hold what.

    Attributes:
        score: A probability, or the predicted number.
        decided: The class that was decided on, or ``None``.
        model: The model's version, or ``None``.
        at: When it was predicted, or ``None``.
    """

    score: str
    decided: str | None = None
    model: str | None = None
    at: str | None = None


class Step(_Part):
    """One step of post-processing.

    Attributes:
        name: What a row's trail calls it.
    """

    kind: ClassVar[str]
    name: str


class Default(Step):
    """A value where the model gave NULL or NaN: a constant, or the last good one of rows with equal columns."""

    kind = "default"
    value: float
    last: tuple[str, ...] = ()


class Clip(Step):
    """No lower and no higher than so much."""

    kind = "clip"
    low: float | None
    high: float | None


class Round(Step):
    """A number of digits after the point."""

    kind = "round"
    digits: int = Field(ge=0, le=15)


class Calibrate(Step):
    """A score made into a probability.

    Attributes:
        way: Platt's sigmoid ``1 / (1 + exp(a s + b))``, a table with straight lines between its points, or bins.
        first: ``(a, b)``, the points' scores in rising order, or the bins' upper edges.
        second: Nothing, the points' values, or the bins' values, one more than edges.
    """

    kind = "calibrate"
    way: Literal["platt", "isotonic", "binning"]
    first: tuple[float, ...]
    second: tuple[float, ...] = ()


class Override(Step):
    """A business rule: where a condition holds, score or class are set."""

    kind = "override"
    when: Expression
    score: float | None = None
    decided: Constant | None = None


class Threshold(Step):
    """The class, decided by the score."""

    kind = "threshold"
    at: float
    above: Constant
    below: Constant


class Abstain(Step):
    """Where a condition holds, nothing is decided: the class is NULL, or the score in a table without a class."""

    kind = "abstain"
    when: Expression


class TopK(Step):
    """Whether a row is among the highest scores of its group; computed by the guarded views, never stored."""

    kind = "top_k"
    k: int = Field(ge=1)
    per: tuple[str, ...]
    into: str


class PostProcessing(_Part):
    """The processing of every score before it is served.

    Attributes:
        apply: By a trigger as rows are written, or by the guarded views as they are read.
        raw: Column that keeps what the model gave.
        trail: Column that names the version of the steps, and the steps that changed the row.
    """

    apply: Literal["on_write", "on_read"] = "on_write"
    raw: str
    trail: str
    steps: tuple[Step, ...]

    @property
    def stored(self) -> tuple[Step, ...]:
        """The steps that make a row's own values."""
        return tuple(step for step in self.steps if not isinstance(step, TopK))

    @property
    def ranked(self) -> tuple[TopK, ...]:
        """The steps that look at other rows."""
        return tuple(step for step in self.steps if isinstance(step, TopK))

    @property
    def decides(self) -> bool:
        """Whether the class is what the steps make of the score."""
        return any(isinstance(step, Threshold) for step in self.steps)


class Labels(_Part):
    """Where the truth comes from, and when it is taken as complete.

    Attributes:
        schema_name: Schema of the label table.
        table_name: Its name.
        on: Pairs of a column of the predictions and the column of the labels that it equals.
        label: The label table's column that holds the truth.
        at: Its column that says when that was known, or ``None``.
        positive: The class that counts as positive; ``None`` without one, as for numbers.
        threshold: From which score on a row without a class of its own counts as positive.
        classes: All classes, or none when any value is one.
        maturity: How long after a batch's newest prediction its labels are taken as complete.
        segments: Columns of the predictions by which metrics are kept apart.
    """

    schema_name: str
    table_name: str
    on: tuple[tuple[str, str], ...]
    label: str
    at: str | None = None
    positive: Constant | None = None
    threshold: float = 0.5
    classes: tuple[Constant, ...] = ()
    maturity: timedelta
    segments: tuple[str, ...] = ()
