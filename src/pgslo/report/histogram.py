"""How the numbers of a column were distributed in two batches, as SVG: bins made of quantiles. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from pgslo.report.chart import HEIGHT, WIDTH, figure

_LEFT, _RIGHT, _TOP, _BOTTOM = 10, 10, 12, 30
_BINS = 20
#: From such a quotient of the largest and the least number on, bins are of equal quotients: else one would hold nearly all.
_WIDE = 50.0
#: Beyond it the difference of two numbers may be infinite.
_MOST = 1e300


@dataclass(frozen=True)
class Histogram:
    """Two distributions over the same bins.

    Attributes:
        column: The column.
        batches: The names of the two batches, the earlier one first.
        quantiles: Of each the quantiles at equal steps, from the least on; those at the ends are not extremes.
    """

    column: str
    batches: tuple[str, str]
    quantiles: tuple[Sequence[float], Sequence[float]]

    @property
    def title(self) -> str:
        """The title, which screen readers read as well."""
        return f"{self.column}: values before and then"

    @property
    def is_flat(self) -> bool:
        """Whether there is nothing to draw: all values are one, or some cannot be drawn."""
        known = [value for one in self.quantiles for value in one]
        return any(not math.isfinite(v) or abs(v) > _MOST for v in known) or len(set(known)) <= 1

    @property
    def edges(self) -> list[float]:
        """Where the bins begin, and where the last one ends."""
        low, high = (bound(v for one in self.quantiles for v in one) for bound in (min, max))
        if low > 0 and high / low >= _WIDE:
            step = (math.log(high) - math.log(low)) / _BINS
            inner = [math.exp(math.log(low) + n * step) for n in range(1, _BINS)]
        else:
            inner = [low + (high - low) * (n / _BINS) for n in range(1, _BINS)]
        return [low, *inner, high]

    @property
    def shares(self) -> tuple[list[float], list[float]]:
        """The share of values in each bin, from 0 to 1, for each of the two; that of all bins is 1."""
        edges = self.edges
        first, second = (_shares(one, edges) for one in self.quantiles)
        return first, second

    def sentence(self) -> str:
        """The drawing in words: the middle and the middle half of both."""
        before, then = (
            f"median {figure(_at(one, 0.5))}, the middle half {figure(_at(one, 0.25))} to {figure(_at(one, 0.75))}"
            for one in self.quantiles
        )
        return f"Grey, batch {self.batches[0]}: {before}. Blue, batch {self.batches[1]}: {then}."

    def drawn(self, key: str) -> Markup:
        """The drawing.

        Args:
            key: Distinguishes it from other drawings of the page; letters, digits and hyphens.
        """
        edges, (before, then) = self.edges, self.shares
        most = max(*before, *then)
        base, width = HEIGHT - _BOTTOM, (WIDTH - _LEFT - _RIGHT) / _BINS

        def bars(shares: Sequence[float], kind: str) -> list[str]:
            return [
                f'<rect class="{kind}" x="{_LEFT + n * width:.1f}" y="{base - share / most * (base - _TOP):.1f}"'
                f' width="{width - 1:.1f}" height="{share / most * (base - _TOP):.1f}"/>'
                for n, share in enumerate(shares)
                if share > 0
            ]

        ends = (
            f'<text x="{at}" y="{base + 16}" text-anchor="{anchor}">{figure(value)}</text>'
            for at, anchor, value in (
                (_LEFT, "start", edges[0]),
                (WIDTH / 2, "middle", edges[_BINS // 2]),
                (WIDTH - _RIGHT, "end", edges[-1]),
            )
        )
        parts = [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{key}-t {key}-d">',
            f'<title id="{key}-t">{escape(self.title)}</title><desc id="{key}-d">{escape(self.sentence())}</desc>',
            *bars(before, "before"),
            *bars(then, "then"),
            f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>',
            *ends,
        ]
        return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - numbers, and escaped text


def _at(quantiles: Sequence[float], share: float) -> float:
    return quantiles[round(share * (len(quantiles) - 1))]


def _shares(quantiles: Sequence[float], edges: Sequence[float]) -> list[float]:
    below = [_below(quantiles, edge) for edge in edges[1:-1]]
    return [high - low for low, high in zip([0.0, *below], [*below, 1.0], strict=True)]


def _below(quantiles: Sequence[float], value: float) -> float:
    """The share of values that are less, on a straight line between two quantiles."""
    steps = len(quantiles) - 1
    if value <= quantiles[0]:
        return 0.0
    for n in range(steps):
        low, high = quantiles[n], quantiles[n + 1]
        if value <= high:
            return (n + (value - low) / (high - low)) / steps
    return 1.0
