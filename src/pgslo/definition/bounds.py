"""Whether the bounds and objectives of a rule agree with each other, and with what can be known when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgslo.definition.rules import BatchRule, Rule
from pgslo.errors import DefinitionError

_ROW_BY_ROW = "A rule that stops or changes rows evaluates each row alone."


def check(rule: Rule) -> Iterator[DefinitionError]:
    """The errors in the bounds of a rule."""
    yield from _check_objective(rule)
    shares = [
        option
        for option in ("at_least", "at_most")
        if option in rule.places and option not in rule.unfit.options
    ]
    if len(shares) > 1:
        yield DefinitionError(
            '"at_least" and "at_most" say the same in two ways',
            hint="Keep one.",
            location=rule.place("at_most"),
        )
    if not isinstance(rule, BatchRule):
        yield from _check_share(rule, shares)
        return
    yield from _check_twice(rule)
    yield from _check_order(rule)
    yield from _check_rejecting(rule)


def _check_objective(rule: Rule) -> Iterator[DefinitionError]:
    if rule.window is not None and rule.target is None:
        yield DefinitionError(
            '"window" needs "target"', hint="For example target: 0.99.", location=rule.place("window")
        )


def _check_share(rule: Rule, shares: Sequence[str]) -> Iterator[DefinitionError]:
    """A share of rows, with the bound at which the statement is refused."""
    if shares and rule.on_breach not in ("warn", "flag"):
        yield DefinitionError(
            f'"{shares[0]}" does not fit "on_breach: {rule.on_breach}"',
            detail=_ROW_BY_ROW,
            hint=f'Leave "{shares[0]}" out, or use on_breach: warn or flag.',
            location=rule.place(shares[0]),
        )
    if rule.reject_below is None:
        return
    place = rule.place("reject_below")
    if not 0 <= rule.reject_below <= 1:
        yield DefinitionError(f"{rule.reject_below:g} is not between 0 and 1", location=place)
    elif rule.reject_below > (rule.at_least if rule.at_least is not None else 1):
        yield DefinitionError(
            f"reject_below {rule.reject_below:g} is above at_least {rule.at_least:g}",
            hint="A refused value has to be worse than one that is warned of.",
            location=place,
        )
    if rule.on_breach not in ("warn", "flag"):
        yield DefinitionError(
            f'"reject_below" does not fit "on_breach: {rule.on_breach}"',
            detail=_ROW_BY_ROW,
            hint="Use on_breach: warn or flag.",
            location=place,
        )


def _check_twice(rule: BatchRule) -> Iterator[DefinitionError]:
    for short, long in (("min", "warn_below"), ("max", "warn_above")):
        if getattr(rule, short) is not None and getattr(rule, long) is not None:
            yield DefinitionError(
                f'"{short}" and "{long}" say the same', hint="Keep one.", location=rule.place(long)
            )


def _check_order(rule: BatchRule) -> Iterator[DefinitionError]:
    low, high = rule.low, rule.high
    if low is not None and high is not None and low > high:
        yield DefinitionError(
            f"the lower bound {low:g} is above the upper bound {high:g}",
            location=rule.place("min" if rule.min is not None else "warn_below"),
        )
    if low is not None and rule.reject_below is not None and rule.reject_below > low:
        yield DefinitionError(
            f"reject_below {rule.reject_below:g} is above the bound {low:g} that is warned of",
            hint="A refused value has to be worse than one that is warned of.",
            location=rule.place("reject_below"),
        )
    if high is not None and rule.reject_above is not None and rule.reject_above < high:
        yield DefinitionError(
            f"reject_above {rule.reject_above:g} is below the bound {high:g} that is warned of",
            hint="A refused value has to be worse than one that is warned of.",
            location=rule.place("reject_above"),
        )
    if (
        rule.reject_below is not None
        and rule.reject_above is not None
        and rule.reject_below > rule.reject_above
    ):
        yield DefinitionError(
            "reject_below is above reject_above: every statement would be refused",
            location=rule.place("reject_below"),
        )


def rejects(rule: Rule) -> tuple[float | None, float | None]:
    """The two bounds beyond which a statement is refused."""
    if isinstance(rule, BatchRule) and rule.on_breach == "reject":
        low = rule.reject_below if rule.reject_below is not None else rule.low
        high = rule.reject_above if rule.reject_above is not None else rule.high
        return low, high
    return rule.reject_below, rule.reject_above


def _check_rejecting(rule: BatchRule) -> Iterator[DefinitionError]:
    """Refuse what would have to be known before the batch is complete."""
    late = rule.late(*rejects(rule))
    if late is None:
        return
    key = "reject_below" if late.is_low else "reject_above"
    yield DefinitionError(
        f'"{rule.kind}" cannot reject a statement by this bound',
        detail=late.reason,
        hint=f"Use {late.instead}, or on_breach: warn." if late.instead else "Use on_breach: warn or flag.",
        location=rule.place(key if getattr(rule, key) is not None else "on_breach"),
    )
