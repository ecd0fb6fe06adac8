"""Line charts as SVG: small, without a library, in the colours of the page, and with everything from outside escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 14, 34
TICKS = 4
MOST_NAMES = 8
"""Of points below the axis that are named; of more, some are."""
COLOURS = 6
"""Lines that the style sheet tells apart."""


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        points: (place on the x-axis, value).
        band: (low, high) of each point; empty where there are none.
    """

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()


def line_chart(lines: Sequence[Line], *, title: str, names: Sequence[str] = (), low: float | None = None) -> str:
    """Return a chart; nothing where there is no point.

    Args:
        title: what it shows; stands above it.
        names: of the places 0, 1, 2 … on the x-axis; without them the places are numbers.
        low: where the y-axis begins; None: at the lowest value.
    """
    found = [point for line in lines for point in line.points if all(map(math.isfinite, point))]
    if not found:
        return ""
    bounds = [edge for line in lines for pair in line.band for edge in pair if math.isfinite(edge)]
    scale = _Scale.around(
        [x for x, _ in found], [*(y for _, y in found), *bounds, *([low] if low is not None else [])], len(names)
    )
    drawn = "".join(_line(line, number % COLOURS, scale) for number, line in enumerate(lines))
    legend = "".join(
        f"<span class='doyen-key doyen-line-{number % COLOURS}'>{escape(line.name)}</span>"
        for number, line in enumerate(lines)
        if line.name
    )
    return (
        f"<figure class='doyen-chart'><figcaption>{escape(title)}</figcaption>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(title)}'>{scale.axes(names)}{drawn}</svg>"
        f"{f'<div class=doyen-legend>{legend}</div>' if len(lines) > 1 else ''}</figure>"
    )


@dataclass(frozen=True)
class _Scale:
    """From values to places in the picture."""

    x0: float
    x1: float
    y0: float
    y1: float

    @classmethod
    def around(cls, xs: Sequence[float], ys: Sequence[float], named: int) -> _Scale:
        x0, x1 = (-0.5, named - 0.5) if named else (min(xs), max(xs))
        y0, y1 = min(ys), max(ys)
        room = (y1 - y0) * 0.06 or abs(y1) * 0.1 or 0.5
        return cls(x0, x1 if x1 > x0 else x0 + 1, y0 if y0 == 0 else y0 - room, y1 + room)

    def x(self, value: float) -> float:
        return round(LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM), 1)

    def axes(self, names: Sequence[str]) -> str:
        parts = []
        for value in _ticks(self.y0, self.y1):
            y = self.y(value)
            parts.append(f"<line class='doyen-grid' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y}' y2='{y}'/>")
            parts.append(f"<text x='{LEFT - 7}' y='{y + 4}' text-anchor='end'>{_short(value)}</text>")
        every = math.ceil(len(names) / MOST_NAMES) or 1
        places = [(float(n), name) for n, name in enumerate(names) if (len(names) - 1 - n) % every == 0]
        for value, name in places or [(tick, _short(tick)) for tick in _ticks(self.x0, self.x1)]:
            shown = name if len(name) <= 14 else f"{name[:13]}…"
            parts.append(f"<text x='{self.x(value)}' y='{HEIGHT - 12}' text-anchor='middle'>{escape(shown)}</text>")
        return "".join(parts)


def _line(line: Line, colour: int, scale: _Scale) -> str:
    points = [(x, y) for x, y in line.points if math.isfinite(y)]
    parts = []
    if line.band:
        edges = [(x, *pair) for (x, _), pair in zip(line.points, line.band, strict=True) if all(map(math.isfinite, pair))]
        around = [(x, high) for x, _, high in edges] + [(x, low) for x, low, _ in reversed(edges)]
        parts.append(f"<polygon class='doyen-band' points='{_path(around, scale)}'/>")
    if len(points) > 1:
        parts.append(f"<polyline points='{_path(points, scale)}'/>")
    if len(points) <= 40:
        parts += [
            f"<circle cx='{scale.x(x)}' cy='{scale.y(y)}' r='3.2'><title>{escape(line.name)} {_short(y)}</title></circle>"
            for x, y in points
        ]
    return f"<g class='doyen-line-{colour}'>{''.join(parts)}</g>"


def _path(points: Sequence[tuple[float, float]], scale: _Scale) -> str:
    return " ".join(f"{scale.x(x)},{scale.y(y)}" for x, y in points)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two, about `TICKS` of them."""
    rough = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [round(n * step, 10) for n in range(first, math.floor(high / step) + 1)]


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1e4 else f"{value / 1000:.0f}k"
