"""Values of rules in words: numbers, bounds, spans of time, lists, as messages, comments and reports show them."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from decimal import Decimal

#: Bounds from the first to below the second are written out; others as a power of ten.
_SHORTEST, _LONGEST = Decimal("1e-15"), Decimal("1e15")
_LISTED = 10
#: Comments end before this many characters, where they can.
_WIDTH = 114


def one_line(text: str) -> str:
    """Text for a comment or a sentence: whatever could end the line is a blank."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def comment(text: str) -> str:
    """Text for a comment that begins with ``--``, on as many lines as it needs."""
    lines = textwrap.wrap(one_line(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n--   ".join(lines)


def listed(values: tuple[object, ...]) -> str:
    """The first ten values, and how many there are if there are more."""
    shown = ", ".join(str(value) if str(value).strip() else f'"{value}"' for value in values[:_LISTED])
    return shown if len(values) <= _LISTED else f"{shown}, … ({len(values)} values)"


def number(value: float, factor: int = 1) -> str:
    """Return a bound with thousands separators, multiplied by a factor; ``pgslo_catalog.bound_shown()`` says the same."""
    exact = Decimal(f"{value:.15g}") * factor
    if exact and not _SHORTEST <= abs(exact) < _LONGEST:
        return f"{exact.normalize():e}"
    text = f"{exact:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float) -> str:
    """Return a fraction as a percentage."""
    return f"{number(value, 100)} %"


def signed_percent(value: float) -> str:
    """Return a fraction as a percentage with its sign."""
    return f"{'+' if value >= 0 else ''}{percent(value)}"


def bounds(low: str | None, high: str | None) -> str:
    """Return one or two bounds, each written out before."""
    if high is None:
        return f"at least {low}"
    if low is None:
        return f"at most {high}"
    return f"exactly {low}" if low == high else f"between {low} and {high}"


def span_shown(span: timedelta | None) -> str:
    """The span in the largest unit that measures it, as messages write it."""
    seconds = int(span.total_seconds()) if span else 0
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    name, length = next(unit for unit in units if seconds % unit[1] == 0)
    return f"{seconds // length} {name}{'' if seconds == length else 's'}"


def called(of: str, quantile: float | None) -> str:
    """A statistic, in words."""
    return f"{quantile:g} quantile" if of == "quantile" and quantile is not None else of.replace("_", " ")


def for_each(columns: tuple[str, ...]) -> str:
    """The end of a sentence about something that holds for each value of some columns; empty without columns."""
    return f" for each {', '.join(columns)}" if columns else ""


def earlier(words: str | None) -> str:
    """The earlier batches that a definition compares with."""
    match words:
        case None | "previous":
            return "the previous batch"
        case "same weekday":
            return "the batch of a week before"
    return f"the mean of the {words} before"
