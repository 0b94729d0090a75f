"""How the steps of post-processing are written, one form a kind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pgslo.definition.rules import predictions
from pgslo.definition.rules.predictions import Step
from pgslo.definition.syntax.forms import StableName
from pgslo.definition.yaml.keyed import Either, Keys, Read
from pgslo.definition.yaml.lists import ListOf, Numbers, Pair, Points
from pgslo.definition.yaml.named import Condition, Name
from pgslo.definition.yaml.nodes import Mapping, Node, Sequence
from pgslo.definition.yaml.values import AnyConstant, Bound, Integer, Shape, close_match, describe
from pgslo.errors import DefinitionError

_PAIR = 2

_NAMED: dict[str, Shape] = {"name": StableName("step")}
_NUMBER = Bound(numbers_only=True)
_CALIBRATIONS = Keys(
    {
        "platt": Numbers(_PAIR, _PAIR),
        "isotonic": Points(),
        "binning": Keys(
            {"edges": Numbers(), "values": Numbers(_PAIR)},
            "{edges: [0.2, 0.5], values: [0.1, 0.3, 0.8]}",
            ("edges", "values"),
        ),
        **_NAMED,
    },
    "{platt: [-1.3, 0.2]}",
)


@dataclass(frozen=True)
class StepForm:
    """The syntax of one kind of step, and its result."""

    shape: Shape
    make: Callable[[Any, dict[str, Any]], Step]


def _values(read: Any, **short: Any) -> dict[str, Any]:
    return dict(read.values) if isinstance(read, Read) else short


def _default(read: Any, common: dict[str, Any]) -> Step:
    values = _values(read, **{"else": read})
    value = values.get("else", values.get("value"))
    if value is None:
        raise DefinitionError(
            '"default" needs a value for rows without an earlier one',
            hint="For example default: {last: [user_id], else: 0.5}.",
            location=common["location"],
        )
    return predictions.Default(value=float(value), last=values.get("last", ()), **common)


def _clip(read: Any, common: dict[str, Any]) -> Step:
    low, high = read
    if low is not None and high is not None and low > high:
        raise DefinitionError(f"{low} is above {high}", location=common["location"])
    return predictions.Clip(
        low=None if low is None else float(low), high=None if high is None else float(high), **common
    )


def _calibrate(read: Read, common: dict[str, Any]) -> Step:
    ways = [key for key in read.values if key != "name"]
    if len(ways) != 1:
        raise DefinitionError(
            "a score is calibrated in one way",
            hint="One of platt, isotonic, binning.",
            location=common["location"],
        )
    (way,), value = ways, read.values[ways[0]]
    if way == "platt":
        return predictions.Calibrate(way="platt", first=value, **common)
    if way == "isotonic":
        scores, made = tuple(point[0] for point in value), tuple(point[1] for point in value)
    else:
        scores, made = value.values["edges"], value.values["values"]
        if len(made) != len(scores) + 1:
            raise DefinitionError(
                f"{len(scores)} edges make {len(scores) + 1} bins, and there are {len(made)} values",
                location=common["location"],
            )
    if any(left >= right for left, right in itertools.pairwise(scores)):
        raise DefinitionError("the scores have to rise", location=common["location"])
    if way == "isotonic" and any(a > b for a, b in itertools.pairwise(made)):
        raise DefinitionError("an isotonic table never falls", location=common["location"])
    return predictions.Calibrate(way=way, first=scores, second=made, **common)


def _override(read: Read, common: dict[str, Any]) -> Step:
    values = read.values
    if "score" not in values and "class" not in values:
        raise DefinitionError('"override" sets "score" or "class"', location=common["location"])
    return predictions.Override(
        when=values["when"],
        score=None if "score" not in values else float(values["score"]),
        decided=values.get("class"),
        **common,
    )


def _threshold(read: Any, common: dict[str, Any]) -> Step:
    values = {"above": True, "below": False} | _values(read, at=read)
    return predictions.Threshold(
        at=float(values["at"]), above=values["above"], below=values["below"], **common
    )


def _abstain(read: Any, common: dict[str, Any]) -> Step:
    return predictions.Abstain(**_values(read, when=read), **common)


STEPS: dict[str, StepForm] = {
    "default": StepForm(
        Either(
            _NUMBER,
            Keys(
                {"last": ListOf(Name(), single=True), "else": _NUMBER, "value": _NUMBER, **_NAMED},
                "{last: [user_id], else: 0.5}",
            ),
        ),
        _default,
    ),
    "clip": StepForm(Pair(_NUMBER), _clip),
    "round": StepForm(Integer(0, 15), lambda read, common: predictions.Round(digits=read, **common)),
    "calibrate": StepForm(_CALIBRATIONS, _calibrate),
    "override": StepForm(
        Keys(
            {"when": Condition(), "score": _NUMBER, "class": AnyConstant(), **_NAMED},
            '{when: "cancelled", score: 0}',
            ("when",),
        ),
        _override,
    ),
    "threshold": StepForm(
        Either(
            _NUMBER,
            Keys(
                {"at": _NUMBER, "above": AnyConstant(), "below": AnyConstant(), **_NAMED},
                "{at: 0.5, above: true, below: false}",
                ("at",),
            ),
        ),
        _threshold,
    ),
    "abstain": StepForm(
        Either(Condition(), Keys({"when": Condition(), **_NAMED}, '{when: "score < 0.6"}', ("when",))),
        _abstain,
    ),
    "top_k": StepForm(
        Keys(
            {"k": Integer(1, 10_000), "per": ListOf(Name(), single=True), "into": Name(), **_NAMED},
            "{k: 3, per: [user_id], into: in_top}",
            ("k", "per", "into"),
        ),
        lambda read, common: predictions.TopK(
            k=read.values["k"], per=read.values["per"], into=read.values["into"], **common
        ),
    ),
}


@dataclass(frozen=True)
class Steps:
    """A list of steps, each a mapping with one key: its kind."""

    forms: dict[str, StepForm] = field(default_factory=lambda: STEPS)

    def read(self, node: Node) -> tuple[Step, ...]:
        """The steps."""
        if not isinstance(node, Sequence) or not node.items:
            raise DefinitionError(
                f"expected a list of steps, not {describe(node)}",
                hint="Begin each step with a dash: - clip: [0, 1]",
                location=node.location,
            )
        return tuple(self._step(item) for item in node.items)

    def _step(self, node: Node) -> Step:
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            raise DefinitionError(
                f"expected one step, not {describe(node)}",
                hint="For example - clip: [0, 1]",
                location=node.location,
            )
        ((kind, value),) = node.entries
        form = self.forms.get(kind.text)
        if form is None:
            hint = close_match(kind.text, self.forms) or f"One of: {', '.join(self.forms)}."
            raise DefinitionError(f'step "{kind.text}" does not exist', hint=hint, location=kind.location)
        read = form.shape.read(value)
        named = read.values.pop("name", None) if isinstance(read, Read) else None
        places = read.places if isinstance(read, Read) else {}
        return form.make(read, {"name": named or kind.text, "location": kind.location, "places": places})

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {kind: form.shape.schema() for kind, form in self.forms.items()},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        }
