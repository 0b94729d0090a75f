"""A number over batches as SVG: its axis, its bounds, batches that missed and that were healed, and the value now. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Literal

from markupsafe import Markup

# About as wide as a phone shows a page, so that text is not made smaller there.
WIDTH, HEIGHT = 360, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 54, 12, 30
#: Beyond it the difference of two numbers may be infinite.
_MOST = 1e300
#: A bound that is farther away than this multiple of the range of the values is cut off: it would flatten the line.
_FAR = 3.0

State = Literal["", "missed", "suspect", "healed"]


@dataclass(frozen=True)
class Mark:
    """One batch of a chart.

    Attributes:
        batch: Its name.
        value: The number, or ``None``.
        state: ``healed`` is a batch that missed once, and does not any more.
        low: The lower bound that held for it.
        high: The upper bound.
    """

    batch: str
    value: float | None
    state: State = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """A number over batches, oldest first.

    Attributes:
        title: Its subject, also for readers who cannot see it.
        marks: The batches.
        unit: ``%`` for shares from 0 to 1, or nothing.
    """

    title: str
    marks: Sequence[Mark]
    unit: str = ""
    _clean: tuple[Mark, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Numbers that cannot be drawn become ``None``."""
        clean = (
            replace(m, value=_finite(m.value), low=_finite(m.low), high=_finite(m.high)) for m in self.marks
        )
        object.__setattr__(self, "_clean", tuple(clean))

    @property
    def values(self) -> list[float]:
        """The known values, oldest first."""
        return [m.value for m in self._clean if m.value is not None]

    @property
    def is_flat(self) -> bool:
        """Whether a sentence says all that a drawing would."""
        return len(set(self.values)) <= 1 and not any(m.state for m in self._clean)

    def formatted(self, value: float | None) -> str:
        """Format a value of it for display."""
        known = _finite(value)
        if known is None:
            return "unknown"
        return f"{figure(known * 100)} %" if self.unit == "%" else figure(known)

    def sentence(self) -> str:
        """The chart in words: how many batches, the range, what missed, and the value now with its bounds."""
        values = self.values
        if not values:
            return "No value is known."
        low, high = self.formatted(min(values)), self.formatted(max(values))
        parts = [
            f"{len(self._clean)} batches, {low} to {high}"
            if low != high
            else f"{len(self._clean)} batches, always {low}"
        ]
        counts = Counter(m.state for m in self._clean)
        parts += [f"{counts[state]} {state}" for state in ("missed", "suspect", "healed") if counts[state]]
        last = next(m for m in reversed(self._clean) if m.value is not None)
        bounds = (
            f", bounds {self.formatted(last.low)} to {self.formatted(last.high)}"
            if last.low is not None and last.high is not None
            else f", at least {self.formatted(last.low)}"
            if last.low is not None
            else f", at most {self.formatted(last.high)}"
            if last.high is not None
            else ""
        )
        parts.append(f"now {self.formatted(last.value)}{bounds}")
        return "; ".join(parts) + "."

    def drawn(self, key: str) -> Markup:
        """The drawing; nothing where no value is known.

        Args:
            key: Distinguishes it from other drawings of the page; letters, digits and hyphens.
        """
        if not self.values:
            return Markup()
        bottom, top = _range(self._clean)
        count = len(self._clean)

        def x(n: int) -> float:
            return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (n / (count - 1) if count > 1 else 0.5), 1)

        def y(value: float) -> float:
            share = (min(max(value, bottom), top) / 2 - bottom / 2) / (top / 2 - bottom / 2)
            return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

        parts = [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{key}-t {key}-d">',
            f'<title id="{key}-t">{escape(self.title)}</title><desc id="{key}-d">{escape(self.sentence())}</desc>',
        ]
        drawn = set()
        for value in _ticks(bottom, top):
            label = self.formatted(value)
            if label not in drawn:
                drawn.add(label)
                parts.append(
                    f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value)}" y2="{y(value)}"/>'
                    f'<text x="{_LEFT - 5}" y="{y(value) + 3.5:.1f}" text-anchor="end">{label}</text>'
                )
        parts += _band(self._clean, x, y)
        for run in _runs(self._clean):
            points = " ".join(f"{x(n)},{y(value)}" for n, value in run)
            parts.append(f'<polyline class="line" points="{points}"/>')
        last = max(n for n, m in enumerate(self._clean) if m.value is not None)
        for n, mark in enumerate(self._clean):
            if mark.state or n == last:
                at = y(mark.value) if mark.value is not None else HEIGHT - _BOTTOM
                parts.append(_sign(x(n), at, mark, self.formatted(mark.value)))
        now = self._clean[last].value or 0.0
        parts.append(
            f'<text class="now" x="{x(last) + 7}" y="{y(now) + 3.5:.1f}">{self.formatted(now)}</text>'
            if count > 1
            else f'<text class="now" x="{x(last) + 7}" y="{y(now) - 7:.1f}">{self.formatted(now)}</text>'
        )
        parts.append(_ends(self._clean))
        return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - numbers, and escaped text


def _finite(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return min(max(float(value), -_MOST), _MOST)


def _range(marks: Iterable[Mark]) -> tuple[float, float]:
    """What the axis goes from and to."""
    marks = list(marks)
    values = [m.value for m in marks if m.value is not None]
    low, high = min(values), max(values)
    reach = _FAR * ((high - low) or abs(high) or 1.0)
    bounds = [b for m in marks for b in (m.low, m.high) if b is not None and low - reach <= b <= high + reach]
    low, high = min([low, *bounds]), max([high, *bounds])
    # A smaller part is lost in the rounding of a float of this size.
    space = max((high - low) * 0.06, abs(low) * 1e-9, abs(high) * 1e-9, 1e-300)
    if low == high:
        space = max(abs(low) * 0.1, space)
    return low - space, high + space


def _ticks(bottom: float, top: float) -> list[float]:
    """Three to six round numbers within the axis."""
    span = top - bottom
    rough = span / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((times * power for times in (1, 2, 2.5, 5) if times * power >= rough), 10 * power)
    first = math.ceil(bottom / step)
    ticks = [n * step for n in range(first, first + 8)] if abs(first) < 2**50 else [bottom, top]
    return [value for value in ticks if bottom <= value <= top]


def figure(value: float) -> str:
    """At most nine characters, with as many digits as people compare."""
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e100 or size < 1e-99:
        # Three digits of the exponent take the place of one of the value.
        return f"{value:.2g}"
    if size >= 1_000_000 or size < 0.001:
        return f"{value:.3g}"
    if size >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _runs(marks: Sequence[Mark]) -> list[list[tuple[int, float]]]:
    """The values that follow each other without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for n, mark in enumerate(marks):
        if mark.value is None:
            runs.append([])
        else:
            runs[-1].append((n, mark.value))
    return [run for run in runs if len(run) > 1]


def _band(marks: Sequence[Mark], x: Callable[[int], float], y: Callable[[float], float]) -> list[str]:
    """The bounds as dashed lines, with a gap where a batch has none; between two of them a band."""
    parts = []
    both = [(n, m.low, m.high) for n, m in enumerate(marks) if m.low is not None and m.high is not None]
    if len(both) > 1:
        points = [f"{x(n)},{y(high)}" for n, _, high in both] + [
            f"{x(n)},{y(low)}" for n, low, _ in reversed(both)
        ]
        parts.append(f'<polygon class="band" points="{" ".join(points)}"/>')
    for side in ("low", "high"):
        for run in _runs([replace(m, value=getattr(m, side)) for m in marks]):
            points = [f"{x(n)},{y(value)}" for n, value in run]
            parts.append(f'<polyline class="bound" points="{" ".join(points)}"/>')
    return parts


def _sign(x: float, y: float, mark: Mark, value: str) -> str:
    """A sign for each state, which has a shape of its own for readers who cannot distinguish the colours."""
    text = f"<title>{escape(mark.batch)}: {value}{', ' + mark.state if mark.state else ''}</title>"
    if mark.state in ("missed", "suspect"):
        shape = f"{x},{y - 5:.1f} {x + 5:.1f},{y} {x},{y + 5:.1f} {x - 5:.1f},{y}"
        return f'<polygon class="{mark.state}" points="{shape}">{text}</polygon>'
    radius, kind = (4, "healed") if mark.state == "healed" else (3, "dot")
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}">{text}</circle>'


def _ends(marks: Sequence[Mark]) -> str:
    """The first and the last batch below the axis."""
    base = HEIGHT - _BOTTOM
    line = f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>'
    first, last = marks[0].batch, marks[-1].batch
    names = f'<text x="{_LEFT}" y="{base + 16}">{_short(first)}</text>' if len(marks) > 1 else ""
    return f'{line}{names}<text x="{WIDTH - _RIGHT}" y="{base + 16}" text-anchor="end">{_short(last)}</text>'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return escape(line if len(line) <= 16 else line[:15] + "…")
