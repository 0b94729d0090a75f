"""The drawing of a backtest: detected faults by column and kind, and the results of other sensitivities."""

from __future__ import annotations

from html import escape

from pgslo.backtest import WHOLE, Point, Report, Share

_CELL_W, _CELL_H, _LEFT, _TOP = 74, 24, 190, 120
_CURVE_W, _CURVE_H = 420, 190
_NAME = 24
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.small{font-size:11px;fill:#666}.title{font-size:15px;font-weight:600}"
    ".cell{stroke:#fff}.axis{stroke:#999}.grid{stroke:#e4e4e4}.recall{fill:none;stroke:#0b6e4f;stroke-width:2}"
    ".precision{fill:none;stroke:#8a3ffc;stroke-width:2;stroke-dasharray:6 3}.now{stroke:#d1495b}"
)


def as_svg(report: Report, *, table: str, sensitivity: float, rate: float) -> str:
    """The drawing as one SVG file without scripts; texts of the database are escaped.

    Args:
        report: What the replay came to.
        table: Its name.
        sensitivity: With which it was replayed.
        rate: Share of batches with a fault that precision is computed for.
    """
    faults = [group.name for group in report.faults]
    rows = len(report.columns)
    width = max(_LEFT + _CELL_W * (len(faults) + 2) + 20, _LEFT + _CURVE_W + 180)
    below = _TOP + rows * _CELL_H + 60
    height = below + _CURVE_H + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(f'Alerts on {table}, replayed')}</title><style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(16, 26, f"Alerts on {table}: faults found by column", "title"),
        _text(
            16,
            46,
            f"{report.batches} batches, {report.first} to {report.last}; {report.found.of} faults, "
            f"{percent(report.found.value)} found; {report.false_per_100:.1f} false alarms in 100 batches; "
            f"precision {percent(report.precision)} if one batch in {1 / rate:.3g} has a fault",
            "small",
        ),
    ]
    for n, name in enumerate([*faults, "all faults", "false / 100"]):
        x, y = _LEFT + n * _CELL_W + _CELL_W / 2, _TOP - 8
        parts.append(
            f'<text x="{x}" y="{y}" transform="rotate(-30 {x} {y})">{escape(name.replace("_", " "))}</text>'
        )
    for row, group in enumerate(report.columns):
        y = _TOP + row * _CELL_H
        name = "(the table)" if group.name == WHOLE else group.name
        shown = name if len(name) <= _NAME else name[: _NAME - 1] + "…"
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(shown)}<title>{escape(name)}</title></text>'
        )
        for n, fault in enumerate(faults):
            parts.append(_cell(_LEFT + n * _CELL_W, y, report.cells.get((group.name, fault))))
        parts.append(_cell(_LEFT + len(faults) * _CELL_W, y, group.found))
        false = 100 * (group.false.value or 0.0)
        parts.append(_text(_LEFT + (len(faults) + 1) * _CELL_W + 18, y + 16, f"{false:.1f}"))
    parts += _drawn_curve(report.curve, _LEFT, below, sensitivity, rate)
    return "".join([*parts, "</svg>\n"])


def as_html(svg: str, *, table: str) -> str:
    """A page that holds the drawing."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(table)}: backtest</title></head>'
        f'<body style="margin:1rem;background:#fff">{svg}</body></html>\n'
    )


def percent(share: float | None) -> str:
    """A share as people read it."""
    return "-" if share is None else f"{100 * share:.0f} %"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _cell(x: float, y: float, share: Share | None) -> str:
    if share is None or share.value is None:
        return f'<rect class="cell" x="{x}" y="{y}" width="{_CELL_W}" height="{_CELL_H}" fill="#f6f6f6"/>'
    # From red (nothing found) over yellow to green; the figures say the same to those who see no colours.
    return (
        f'<rect class="cell" x="{x}" y="{y}" width="{_CELL_W}" height="{_CELL_H}" fill="hsl({130 * share.value:.0f} 55% 78%)"/>'
        f'<text x="{x + _CELL_W / 2}" y="{y + 16}" text-anchor="middle">{share.hits}/{share.of}</text>'
    )


def _drawn_curve(
    curve: tuple[Point, ...], left: float, top: float, sensitivity: float, rate: float
) -> list[str]:
    def x(n: int) -> float:
        return round(left + n * _CURVE_W / max(len(curve) - 1, 1), 1)

    def y(share: float) -> float:
        return round(top + _CURVE_H * (1 - share), 1)

    parts = [_text(left, top - 14, "sensitivity, and its result", "title")]
    parts += [
        f'<line class="grid" x1="{left}" x2="{left + _CURVE_W}" y1="{y(tenth / 10)}" y2="{y(tenth / 10)}"/>'
        f'<text class="small" x="{left - 8}" y="{y(tenth / 10) + 4}" text-anchor="end">{tenth * 10} %</text>'
        for tenth in range(0, 11, 2)
    ]
    for n, point in enumerate(curve):
        if n % 4 == 0:
            parts.append(
                f'<text class="small" x="{x(n)}" y="{top + _CURVE_H + 18}" text-anchor="middle">{point.times * sensitivity:.3g}</text>'
            )
    now = x(len(curve) // 2)
    parts.append(f'<line class="now" x1="{now}" x2="{now}" y1="{top}" y2="{top + _CURVE_H}"/>')
    recall = " ".join(f"{x(n)},{y(point.recall)}" for n, point in enumerate(curve))
    precise = " ".join(
        f"{x(n)},{y(point.precision)}" for n, point in enumerate(curve) if point.precision is not None
    )
    parts += [
        f'<polyline class="recall" points="{recall}"/>',
        f'<polyline class="precision" points="{precise}"/>',
    ]
    right = left + _CURVE_W + 16
    parts += [
        f'<line class="recall" x1="{right}" x2="{right + 24}" y1="{top + 16}" y2="{top + 16}"/>',
        _text(right + 30, top + 20, "recall"),
        f'<line class="precision" x1="{right}" x2="{right + 24}" y1="{top + 38}" y2="{top + 38}"/>',
        _text(right + 30, top + 42, f"precision, 1 in {1 / rate:.3g}"),
        f'<line class="now" x1="{right}" x2="{right + 24}" y1="{top + 60}" y2="{top + 60}"/>',
        _text(right + 30, top + 64, f"replayed: {sensitivity:.3g}"),
    ]
    return parts
