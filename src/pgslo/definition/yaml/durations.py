"""When, how long and how far: days, spans of time, steps between values, stretches of batches, as a definition writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pgslo.definition.yaml.nodes import Node, Scalar, Sequence
from pgslo.definition.yaml.values import Integer, Text, a_scalar, describe
from pgslo.errors import DefinitionError

_PAIR = 2
_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_SPAN = r"[0-9]{1,6} +(?:second|minute|hour|day|week)s?"
_DURATION = re.compile(rf"{_SPAN}(?: +{_SPAN})*\Z")
_BYTE_UNITS = {"kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_AMOUNT = "([0-9]{1,6}) *(kB|MB|GB|TB)"
_BYTES = re.compile(rf"{_AMOUNT}\Z")
MAX_DURATION = timedelta(days=3_660)
#: Batches that learned bounds compare with; fewer cannot be kept.
LEAST_HISTORY = 60
_HISTORY = r"[1-9][0-9]{0,6} +batch(?:es)?"
_DAY = r"([0-9]{4}-)?[0-9]{2}-[0-9]{2}"
#: In which 29 February is a day.
_A_LEAP_YEAR = "2000-"


@dataclass(frozen=True)
class Step:
    """How far values may be apart: a span of time, or a whole number."""

    def read(self, node: Node) -> timedelta | int:
        """The step."""
        if isinstance(node, Scalar) and isinstance(node.value, int) and not isinstance(node.value, bool):
            return Integer(1, 2**62).read(node)
        return Duration().read(node)

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"anyOf": [Integer(1, 2**62).schema(), Duration().schema()]}


@dataclass(frozen=True)
class Stretch:
    """The first and the last of some batches, by their names."""

    def read(self, node: Node) -> tuple[str, str]:
        """The two names."""
        if not isinstance(node, Sequence) or len(node.items) != _PAIR:
            raise DefinitionError(
                f"expected the first and the last batch in brackets, not {describe(node)}",
                hint='For example ["2026-01-01", "2026-01-31"].',
                location=node.location,
            )
        first, last = (Text("a batch", 200, lenient=True).read(item) for item in node.items)
        return first, last

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        item = {"type": ["string", "number"]}
        return {"type": "array", "items": item, "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class Duration:
    """A span of time in words: ``1 hour``, ``15 minutes``, ``1 day 6 hours``."""

    def read(self, node: Node) -> timedelta:
        """The span."""
        written = a_scalar(node, "a duration such as 1 hour")
        text = written.text.strip().lower()
        if not _DURATION.match(text):
            calendar = re.search(r"month|year|quarter", text)
            raise DefinitionError(
                f'"{written.text}" is not a duration',
                hint="Months and years differ in length; write days, for example 30 days."
                if calendar
                else "Write a whole number and a unit: 90 seconds, 15 minutes, 1 hour, 1 day, 2 weeks.",
                location=node.location,
            )
        words = text.split()
        span = sum(
            (
                int(number) * _UNITS[unit.removesuffix("s")]
                for number, unit in zip(words[::2], words[1::2], strict=True)
            ),
            timedelta(),
        )
        if not timedelta(seconds=1) <= span <= MAX_DURATION:
            raise DefinitionError(
                f'"{written.text}" is not between one second and {MAX_DURATION.days} days',
                location=node.location,
            )
        return span

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": rf"^{_SPAN}( +{_SPAN})*$"}


@dataclass(frozen=True)
class History:
    """How far back state is kept: ``400 batches``, or a span of time."""

    def read(self, node: Node) -> int | timedelta:
        """The number of batches, or the span."""
        written = a_scalar(node, "a history such as 400 batches")
        batches = history_batches(written.text)
        if batches is None:
            if re.search(r"[0-9]\s*\Z|batch", written.text):
                raise DefinitionError(
                    f'"{written.text}" is not a history',
                    hint="Write a number of batches or a span: 400 batches, 365 days.",
                    location=node.location,
                )
            return Duration().read(node)
        if batches < LEAST_HISTORY:
            raise DefinitionError(
                f"a history of {batches} batches is too short",
                detail=f"Learned bounds compare with as many as {LEAST_HISTORY}.",
                hint=f"Write {LEAST_HISTORY} batches or more.",
                location=node.location,
            )
        return batches

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"anyOf": [{"type": "string", "pattern": f"^{_HISTORY}$"}, Duration().schema()]}


def history_batches(text: str) -> int | None:
    """The number of ``400 batches``; ``None`` for another text."""
    text = text.strip().lower()
    return int(text.split()[0]) if re.fullmatch(_HISTORY, text) else None


@dataclass(frozen=True)
class Bytes:
    """An amount of storage, in PostgreSQL's units: ``64 MB``, ``1 GB``; 1 kB is 1,024 bytes."""

    def read(self, node: Node) -> int:
        """The number of bytes."""
        written = a_scalar(node, "an amount such as 1 GB")
        found = _BYTES.match(written.text.strip())
        if not found or int(found[1]) == 0:
            raise DefinitionError(
                f'"{written.text}" is not an amount of storage',
                hint="Write a whole number and a unit: 512 kB, 64 MB, 1 GB, 2 TB.",
                location=node.location,
            )
        return int(found[1]) * _BYTE_UNITS[found[2]]

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": rf"^{_AMOUNT}$"}


@dataclass(frozen=True)
class Day:
    """A day: ``2026-11-26``, or ``12-25`` for that of each year."""

    def read(self, node: Node) -> str:
        """The day as it was written."""
        text = a_scalar(node, "a day such as 2026-11-26 or 12-25").text
        if not is_day(text):
            raise DefinitionError(
                f'"{text}" is not a day',
                hint="Write 2026-11-26, or 12-25 for that of each year.",
                location=node.location,
            )
        return text

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": f"^{_DAY}$"}


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar, or with no year one of any."""
    match = re.fullmatch(_DAY, text)
    if match is None:
        return False
    try:
        date.fromisoformat(text if match[1] else _A_LEAP_YEAR + text)
    except ValueError:
        return False
    return True
