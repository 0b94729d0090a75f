"""Whether the bounds and objectives of a rule agree with each other, and with what can be known when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pgslo.definition.rules import (
    BatchRule,
    Change,
    Completeness,
    Drift,
    RowCount,
    Rule,
    Skew,
    Statistic,
    TalliedName,
)
from pgslo.errors import DefinitionError

_AT_CLOSE = "Only when a batch is closed is it known whether this holds; the statements that wrote it are over by then."


def check(rule: Rule) -> Iterator[DefinitionError]:
    """What is wrong with the bounds of a rule."""
    yield from _check_objective(rule)
    if not isinstance(rule, BatchRule):
        yield from _check_share(rule)
        return
    if rule.on_breach not in ("warn", "flag", "reject"):
        yield DefinitionError(
            f'"{rule.kind}" judges whole batches and cannot {rule.on_breach}',
            hint="Use on_breach: warn, flag or reject.",
            location=rule.place("on_breach"),
        )
    yield from _check_twice(rule)
    yield from _check_order(rule)
    yield from _check_rejecting(rule)
    yield from _check_parameters(rule)


def _check_objective(rule: Rule) -> Iterator[DefinitionError]:
    if rule.window is not None and rule.target is None:
        yield DefinitionError(
            '"window" needs "target"', hint="For example target: 0.99.", location=rule.place("window")
        )


def _check_share(rule: Rule) -> Iterator[DefinitionError]:
    """A share of rows, with the bound at which the statement is refused."""
    if rule.reject_below is None:
        return
    place = rule.place("reject_below")
    if not 0 <= rule.reject_below <= 1:
        yield DefinitionError(f"{rule.reject_below:g} is not between 0 and 1", location=place)
    elif rule.reject_below > (rule.at_least if rule.at_least is not None else 1):
        yield DefinitionError(
            f"reject_below {rule.reject_below:g} is above at_least {rule.at_least:g}",
            hint="What is refused is worse than what is warned of.",
            location=place,
        )
    if rule.on_breach not in ("warn", "flag"):
        yield DefinitionError(
            f'"reject_below" does not fit "on_breach: {rule.on_breach}"',
            detail="A rule that stops or changes rows judges each row by itself.",
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
            hint="What is refused is worse than what is warned of.",
            location=rule.place("reject_below"),
        )
    if high is not None and rule.reject_above is not None and rule.reject_above < high:
        yield DefinitionError(
            f"reject_above {rule.reject_above:g} is below the bound {high:g} that is warned of",
            hint="What is refused is worse than what is warned of.",
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
    if isinstance(rule, Completeness):
        for key in ("min", "max", "warn_below", "warn_above", "reject_below", "reject_above"):
            value = getattr(rule, key)
            if value is not None and not 0 <= value <= 1:
                yield DefinitionError(f"{value:g} is not between 0 and 1", location=rule.place(key))


def rejects(rule: Rule) -> tuple[float | None, float | None]:
    """The two bounds beyond which a statement is refused."""
    if isinstance(rule, BatchRule) and rule.on_breach == "reject":
        low = rule.reject_below if rule.reject_below is not None else rule.low
        high = rule.reject_above if rule.reject_above is not None else rule.high
        return low, high
    return rule.reject_below, rule.reject_above


def _check_rejecting(rule: BatchRule) -> Iterator[DefinitionError]:
    """Refuse what would have to be known before the batch is complete."""
    low, high = rejects(rule)
    key_low = "reject_below" if rule.reject_below is not None else "on_breach"
    key_high = "reject_above" if rule.reject_above is not None else "on_breach"
    is_stated = rule.on_breach == "reject" or low is not None or high is not None
    match rule:
        case Completeness():
            return
        case RowCount(relative_to=None, of="batch"):
            if low is not None:
                yield _not_yet(
                    rule, key_low, "A batch has all of its rows only when it is closed.", "reject_above"
                )
        case Statistic() if rule.of in get_args(TalliedName):
            if rule.of == "sum" and low is not None:
                yield _not_yet(
                    rule, key_low, "A sum is complete only when the batch is closed.", "reject_above"
                )
        case Statistic() if is_stated:
            yield _not_yet(rule, key_low, f"The {rule.of} is computed when the batch is closed.", None)
        case _ if is_stated:
            yield _not_yet(rule, key_low if low is not None else key_high, _AT_CLOSE, None)


def _not_yet(rule: BatchRule, key: str, why: str, instead: str | None) -> DefinitionError:
    return DefinitionError(
        f'"{rule.kind}" cannot reject a statement by this bound',
        detail=why,
        hint=f"Use {instead}, or on_breach: warn." if instead else "Use on_breach: warn or flag.",
        location=rule.place(key),
    )


def _check_parameters(rule: BatchRule) -> Iterator[DefinitionError]:
    match rule:
        case Statistic() | Change():
            if rule.of == "quantile" and rule.quantile is None:
                yield DefinitionError(
                    'a quantile needs "quantile"',
                    hint="For example quantile: 0.95.",
                    location=rule.place("of"),
                )
            elif rule.of != "quantile" and rule.quantile is not None:
                yield DefinitionError(
                    f'"quantile" does not fit "of: {rule.of}"', location=rule.place("quantile")
                )
        case Drift() if rule.trained_on is not None and "relative_to" in rule.places:
            yield DefinitionError(
                '"relative_to" and "trained_on" name two things to compare with',
                hint="Keep one.",
                location=rule.place("trained_on"),
            )
    if isinstance(rule, RowCount) and rule.low is not None and rule.low < 0:
        yield DefinitionError(f"a {rule.of} cannot have less than no rows", location=rule.place("min"))
    if isinstance(rule, RowCount) and rule.of == "table" and rule.relative_to is not None:
        yield DefinitionError(
            '"relative_to" compares batches, and "of: table" counts the whole table',
            hint="Keep one.",
            location=rule.place("relative_to"),
        )
    if isinstance(rule, Drift | Skew) and rule.high is not None and rule.high < 0:
        yield DefinitionError("a distance is never below zero", location=rule.place("max"))
