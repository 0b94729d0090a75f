"""How a kind of rule is written: its keys, the shapes of their values, and the short way to write it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgslo.definition.yaml.lists import ListOf, Pair
from pgslo.definition.yaml.named import Name
from pgslo.definition.yaml.values import Measure, Shape


@dataclass(frozen=True)
class Syntax:
    """How a kind of rule is written in one place.

    Attributes:
        example: One way to write it.
        parameters: Its own keys.
        required: Those that have to be given.
        one_of: Those of which at least one has to be given.
        shorthand: The short form of a mapping.
        stands_for: The keys whose values the shorthand gives, one by one.
    """

    example: str
    parameters: dict[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    shorthand: Shape | None = None
    stands_for: tuple[str, ...] = ()

    @property
    def bare(self) -> bool:
        """Whether the kind's word alone says everything."""
        return not self.required and not self.one_of


@dataclass(frozen=True)
class Ways:
    """How a kind of rule is written, for each place where it may be.

    Attributes:
        columns: Under a column.
        rules: Under ``rules:``.
        file: As a key of the file.
        assertions: Under ``assertions:``.
    """

    columns: Syntax | None = None
    rules: Syntax | None = None
    file: Syntax | None = None
    assertions: Syntax | None = None


@dataclass(frozen=True)
class Unfit:
    """Options of all rules that a kind cannot have.

    Attributes:
        options: Their keys.
        reason: Why they make no sense for it, as errors say it.
    """

    options: tuple[str, ...] = ()
    reason: str = ""


def direct(parameter: str, shape: Shape, example: str, **others: Shape) -> Syntax:
    """A kind that is mostly one parameter, whose value may follow the kind's word."""
    return Syntax(
        example,
        parameters={parameter: shape, **others},
        required=(parameter,),
        shorthand=shape,
        stands_for=(parameter,),
    )


def two_bounds(shape: Shape, example: str, **others: Shape) -> Syntax:
    """A kind with a lower bound, an upper bound, or both; other keys bound a side as well."""
    return Syntax(
        example,
        parameters={"min": shape, "max": shape, **others},
        one_of=("min", "max", *others),
        shorthand=Pair(shape),
        stands_for=("min", "max"),
    )


#: One column or several.
COLUMNS = ListOf(Name(), single=True)
#: Bounds of a batch's value among a kind's parameters, and every option that is such a bound.
LIMITS: dict[str, Shape] = {"min": Measure(), "max": Measure()}
ANY_BOUND = ("min", "max", "warn_below", "warn_above", "reject_below", "reject_above")
#: Options about values of batches, those that do not fit what counts failures, and those that do not fit what has bounds.
OVER_BATCHES = ("warn_below", "warn_above", "reject_below", "reject_above", "opens_after", "resolves_after")
NOT_COUNTING = ("at_least", "samples", "warn_below", "warn_above", "reject_below", "reject_above")
NOT_BOUNDED = ("at_least", "at_most", "samples")
