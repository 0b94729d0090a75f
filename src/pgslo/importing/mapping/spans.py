"""Spans of time in sources as spans of a definition."""

from __future__ import annotations

import re

from pgslo.importing.model import UnmappableError

_UNITS = {
    "s": "second", "sec": "second", "second": "second",
    "m": "minute", "min": "minute", "minute": "minute",
    "h": "hour", "hr": "hour", "hour": "hour",
    "d": "day", "day": "day",
    "w": "week", "week": "week",
}  # fmt: skip
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?\Z")


def span(count: float | str, unit: str) -> str:
    """Return a number of units of time as a definition writes it.

    Raises:
        UnmappableError: The unit has no fixed length, or the number is invalid.
    """
    word = _UNITS.get(unit.strip().lower().rstrip("s") or unit.strip().lower())
    try:
        number = float(count)
    except (TypeError, ValueError):
        raise UnmappableError("unclear", f"{str(count)[:40]} is not a number of units of time") from None
    if word is None:
        raise UnmappableError("no_word", f"a span in {unit[:20]} has no fixed length")
    if number != int(number) or not 0 < number < 1_000_000:
        raise UnmappableError("unclear", f"{number:g} {word}s is not a span of a definition")
    return f"{int(number)} {word}{'s' if number != 1 else ''}"


def iso(text: str) -> str:
    """Return a duration of ISO 8601, such as ``PT25H``, as a definition writes it."""
    match = _ISO.match(text.strip().upper())
    found = zip(match.groups(), ("week", "day", "hour", "minute", "second"), strict=True) if match else ()
    parts = [span(number, unit) for number, unit in found if number is not None]
    if not parts:
        raise UnmappableError("no_word", f'"{text[:40]}" is not a span of a fixed length')
    return " ".join(parts)


def short(text: str) -> str:
    """Return a span such as ``1d6h`` as a definition writes it."""
    parts = re.findall(r"(\d+)\s*([a-z]+)", text.strip().lower())
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != re.sub(
        r"\s", "", text.strip().lower()
    ):
        raise UnmappableError("unclear", f'"{text[:40]}" is not a span')
    return " ".join(span(number, unit) for number, unit in parts)
