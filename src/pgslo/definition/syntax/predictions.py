"""How the keys of a file about predictions are written: their shapes, and the parts made of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pgslo.definition.rules import predictions
from pgslo.definition.rules.predictions import Columns, Labels, PostProcessing, Step
from pgslo.definition.syntax.forms import StableName
from pgslo.definition.yaml.durations import Duration
from pgslo.definition.yaml.lists import ListOf, Pair
from pgslo.definition.yaml.named import Condition, Name, Relation
from pgslo.definition.yaml.nodes import Mapping, Node, Sequence
from pgslo.definition.yaml.values import (
    AnyConstant,
    Bound,
    Fraction,
    Integer,
    Measure,
    OneOf,
    Shape,
    close_match,
    describe,
)
from pgslo.errors import DefinitionError, Location

_PAIR = 2


@dataclass(frozen=True)
class Read:
    """Values by key, and where they stand."""

    values: dict[str, Any]
    places: dict[str, Location]


@dataclass(frozen=True)
class Keys:
    """A mapping with known keys."""

    shapes: dict[str, Shape]
    example: str
    required: tuple[str, ...] = ()

    def read(self, node: Node) -> Read:
        """Values and places."""
        if not isinstance(node, Mapping):
            raise DefinitionError(
                f"expected keys and values, not {describe(node)}",
                hint=f"For example {self.example}",
                location=node.location,
            )
        found = Read({}, {})
        for key, value in node.entries:
            if key.text not in self.shapes:
                hint = close_match(key.text, self.shapes) or f"One of: {', '.join(self.shapes)}."
                raise DefinitionError(
                    f'key "{key.text}" does not exist here', hint=hint, location=key.location
                )
            found.values[key.text] = self.shapes[key.text].read(value)
            found.places[key.text] = value.location
        for key_wanted in self.required:
            if key_wanted not in found.values:
                raise DefinitionError(
                    f'"{key_wanted}" is missing',
                    hint=f"For example {self.example}",
                    location=node.location,
                )
        return found

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape in self.shapes.items()},
            "additionalProperties": False,
            **({"required": list(self.required)} if self.required else {}),
        }


@dataclass(frozen=True)
class Either:
    """A short way to write something, or keys and values."""

    short: Shape
    keys: Keys

    def read(self, node: Node) -> Any:
        """What the short way gives, or the keys' values."""
        return self.keys.read(node) if isinstance(node, Mapping) else self.short.read(node)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"anyOf": [self.short.schema(), self.keys.schema()]}


@dataclass(frozen=True)
class Numbers:
    """Numbers in brackets, which may be the same twice."""

    least: int = 1
    most: int = 1_000

    def read(self, node: Node) -> tuple[float, ...]:
        """The numbers."""
        if not isinstance(node, Sequence) or not self.least <= len(node.items) <= self.most:
            count = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most:,}"
            raise DefinitionError(
                f"expected {count} numbers in brackets, not {describe(node)}", location=node.location
            )
        return tuple(Measure().read(item) for item in node.items)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {
            "type": "array",
            "items": {"type": "number"},
            "minItems": self.least,
            "maxItems": self.most,
        }


@dataclass(frozen=True)
class Points:
    """Pairs of a score and the value it stands for."""

    def read(self, node: Node) -> tuple[tuple[float, ...], ...]:
        """The points."""
        if not isinstance(node, Sequence) or len(node.items) < _PAIR:
            raise DefinitionError(
                f"expected two points or more, not {describe(node)}",
                hint="For example [[0, 0.02], [1, 0.97]].",
                location=node.location,
            )
        return tuple(Numbers(_PAIR, _PAIR).read(item) for item in node.items)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "array", "items": Numbers(_PAIR, _PAIR).schema(), "minItems": _PAIR}


@dataclass(frozen=True)
class Joined:
    """Columns that equal each other: names that both tables have, or one table's to the other's."""

    def read(self, node: Node) -> tuple[tuple[str, str], ...]:
        """Pairs of names."""
        if isinstance(node, Mapping) and node.entries:
            return tuple((Name().read(key), Name().read(value)) for key, value in node.entries)
        return tuple((name, name) for name in ListOf(Name(), single=True).read(node))

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        mapping = {"type": "object", "additionalProperties": Name().schema(), "minProperties": 1}
        return {"anyOf": [ListOf(Name(), single=True).schema(), mapping]}


COLUMNS = Keys(
    {"score": Name(), "class": Name(), "model": Name(), "at": Name()},
    "{score: score, class: late, model: model_version, at: predicted_at}",
    ("score",),
)
LABELS = Keys(
    {
        "table": Relation(),
        "on": Joined(),
        "label": Name(),
        "at": Name(),
        "positive": AnyConstant(),
        "threshold": Fraction(),
        "classes": ListOf(AnyConstant()),
        "maturity": Duration(),
        "segments": ListOf(Name(), single=True),
    },
    "{table: serving.label, on: [order_id], label: late, at: known_at, positive: true, maturity: 2 days}",
    ("table", "on", "label", "maturity"),
)

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
    """How one kind of step is written, and what it becomes."""

    shape: Shape
    make: Callable[[Any, dict[str, Any]], Step]


def _values(read: Any, **short: Any) -> dict[str, Any]:
    return dict(read.values) if isinstance(read, Read) else short


def _default(read: Any, common: dict[str, Any]) -> Step:
    values = _values(read, **{"else": read})
    value = values.get("else", values.get("value"))
    if value is None:
        raise DefinitionError(
            '"default" needs a value for when there is none to repeat',
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


POST_PROCESSING = Keys(
    {
        "apply": OneOf("choice", ("on_write", "on_read")),
        "raw": Name(),
        "trail": Name(),
        "steps": Steps(),
    },
    "{raw: raw_score, trail: trail, steps: [clip: [0, 1]]}",
    ("raw", "trail", "steps"),
)

#: Keys of a file about predictions, besides ``kind``.
PARTS: dict[str, Keys] = {"predictions": COLUMNS, "post_process": POST_PROCESSING, "labels": LABELS}
KIND = OneOf("kind of table", ("predictions",))


def read_part(key: str, node: Node) -> Columns | PostProcessing | Labels:
    """One of the parts, by its key.

    Raises:
        DefinitionError: It is not written as it has to be.
    """
    read = PARTS[key].read(node)
    common = {"location": node.location, "places": read.places}
    values = dict(read.values)
    if key == "predictions":
        return Columns(decided=values.pop("class", None), **values, **common)
    if key == "post_process":
        return PostProcessing(**values, **common)
    schema, table = values.pop("table")
    return Labels(schema_name=schema, table_name=table, **values, **common)
