"""Small drawings as SVG, made of numbers alone: no text of a database gets into them unescaped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

_LANE = 16
#: Share of a budget below which it is drawn as running low.
_LOW = 0.25


@dataclass(frozen=True)
class Bar:
    """An incident on the timeline; ``end`` is ``None`` while it is open."""

    lane: str
    label: str
    start: dt.datetime
    end: dt.datetime | None
    kind: str


def timeline(bars: Sequence[Bar], *, start: dt.datetime, now: dt.datetime) -> Markup:
    """Incidents over time, a lane for each rule; it grows with the page's width."""
    if not bars:
        return Markup()
    lanes = list(dict.fromkeys(bar.lane for bar in bars))
    span = max((now - start).total_seconds(), 1.0)
    height = len(lanes) * _LANE + 18

    def x(when: dt.datetime) -> float:
        return round(min(max((when - start).total_seconds() / span, 0), 1) * 1000, 1)

    parts = [
        f'<svg class="time" viewBox="0 0 1000 {height}" preserveAspectRatio="none" height="{height}" role="img">',
        f"<title>{len(bars)} {'incident' if len(bars) == 1 else 'incidents'} since {start:%Y-%m-%d}</title>",
    ]
    parts += [
        f'<line class="lane" x1="0" x2="1000" y1="{n * _LANE}" y2="{n * _LANE}"/>'
        for n in range(1, len(lanes) + 1)
    ]
    for bar in bars:
        left, right = x(bar.start), x(bar.end or now)
        top = lanes.index(bar.lane) * _LANE + 3
        parts.append(
            f'<rect class="{bar.kind}" x="{min(left, 994.0)}" y="{top}" width="{max(right - left, 6.0):.1f}" height="10" rx="2">'
            f"<title>{escape(bar.label)}</title></rect>"
        )
    return _drawn(*parts, "</svg>")


def gauge(left: float | None) -> Markup:
    """How much of a budget is left, from 0 to 1; less than nothing is drawn as nothing."""
    share = min(max(left or 0.0, 0.0), 1.0)
    kind = "ok" if share > _LOW else "low"
    said = "unknown" if left is None else f"{left * 100:.0f} % left"
    return _drawn(
        f'<svg class="gauge {kind}" viewBox="0 0 100 8" width="100" height="8" role="img"><title>{said}</title>',
        '<rect class="rest" width="100" height="8" rx="4"/>',
        f'<rect class="left" width="{share * 100:.1f}" height="8" rx="4"/></svg>',
    )


def _drawn(*parts: str) -> Markup:
    return Markup("".join(parts))  # noqa: S704 - numbers, and escaped text
