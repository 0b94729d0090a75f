"""The grammar of a line of SodaCL: a metric, its arguments, and what its number has to be."""

from __future__ import annotations

import decimal
import re
from dataclasses import dataclass

from pgslo.importing.mapping.limits import Limits
from pgslo.importing.model import UnmappableError

_LINE = re.compile(
    r"(?P<metric>[A-Za-z_][\w ]*?)\s*(?:\((?P<arguments>[^()]*)\))?\s*(?P<rest>(?:<=|>=|!=|<>|=|<|>|not\s+between\b|between\b).*)?\Z",
    re.DOTALL,
)
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_COMPARED = re.compile(rf"(<=|>=|!=|<>|=|<|>)\s*({_NUMBER})\s*(%?)\Z")
_BETWEEN = re.compile(
    rf"(not\s+)?between\s*([(\[]?)\s*({_NUMBER})\s*%?\s+and\s+({_NUMBER})\s*(%?)\s*([)\]]?)\Z"
)
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "=", "<>": "="}


@dataclass(frozen=True)
class Line:
    """A line of SodaCL.

    Attributes:
        metric: The metric's name.
        arguments: The text between its brackets.
        condition: What its number has to be, as text.
    """

    metric: str
    arguments: tuple[str, ...]
    condition: str


def parse(text: str) -> Line | None:
    """Return a line in parts, or ``None`` for one of another form."""
    match = _LINE.match(text.strip())
    if match is None:
        return None
    arguments = tuple(one.strip().strip('"`') for one in (match["arguments"] or "").split(",") if one.strip())
    return Line(" ".join(match["metric"].split()), arguments, (match["rest"] or "").strip())


def limits(condition: str, *, fails: bool = False) -> Limits:
    """Return what a number has to be.

    Args:
        condition: For example ``between (0 and 10]``.
        fails: Whether the condition says when the check fails, not when it passes.

    Raises:
        UnmappableError: It is not a condition on a number.
    """
    text = condition.strip()
    compared = _COMPARED.match(text)
    if compared:
        operator = _NEGATED[compared[1]] if fails else compared[1]
        return _limits(operator, decimal.Decimal(compared[2]))
    between = _BETWEEN.match(text)
    if between is None:
        raise UnmappableError("unclear", f'"{text[:60]}" is not a condition on a number')
    low, high = decimal.Decimal(between[3]), decimal.Decimal(between[4])
    open_low, open_high = between[2] == "(", between[6] == ")"
    if bool(between[1]) != fails:
        # An end that belongs to the range does not belong to the values outside of it.
        return Limits(low, high, above=not open_low, below=not open_high, outside=True)
    return Limits(low, high, above=open_low, below=open_high)


def _limits(operator: str, bound: decimal.Decimal) -> Limits:
    match operator:
        case "<":
            return Limits(high=bound, below=True)
        case "<=":
            return Limits(high=bound)
        case ">":
            return Limits(low=bound, above=True)
        case ">=":
            return Limits(low=bound)
        case "=":
            return Limits(bound, bound)
    return Limits(bound, bound, above=True, below=True, outside=True)
