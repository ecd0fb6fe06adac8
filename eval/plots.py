"""Geometry of the report's plots; the template draws them as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ROW, HEADING, TOP, BOTTOM = 26, 30, 8, 28
LETTER = 7.6
"""Width of a label's letter in SVG units; enough for any common typeface at 13 units."""
FIGURES = 215
"""Width of the numbers on the right."""
TICKS = 5
CURVES = 220
"""Height of the room for curves."""


@dataclass(frozen=True)
class Row:
    """One mark with its interval.

    Attributes:
        label: on the left.
        figure: the numbers on the right.
        kind: CSS class that colours it.
    """

    label: str
    mean: float
    low: float
    high: float
    figure: str
    kind: str


@dataclass(frozen=True)
class Mark:
    """A row at its place, in SVG units."""

    row: Row
    x: float
    left: float
    right: float
    y: float


@dataclass(frozen=True)
class Plot:
    """An interval plot, ready to be drawn.

    Attributes:
        headings: (y, text) above groups of rows.
        ticks: (x, label) of the axis.
        zero: x of the zero line, or None when the axis starts there.
        summary: what a screen reader says.
    """

    marks: list[Mark]
    headings: list[tuple[float, str]]
    ticks: list[tuple[float, str]]
    zero: float | None
    width: int
    height: float
    labels: float
    summary: str


def interval_plot(
    groups: Sequence[tuple[str, Sequence[Row]]], summary: str, *, width: int, around_zero: bool = False
) -> Plot | None:
    """Return marks with intervals on one axis; None when there is nothing to draw.

    Args:
        groups: (heading, rows); an empty heading takes no room.
        width: in SVG units; narrow plots keep their letters readable in half a page.
        around_zero: differences, with a zero line; otherwise the axis starts at 0.
    """
    rows = [row for _, members in groups for row in members]
    if not rows:
        return None
    start, step, count = _axis(min(row.low for row in rows), max(row.high for row in rows))
    labels = max(len(row.label) for row in rows) * LETTER + 20

    def place(value: float) -> float:
        return round(labels + (value - start) / (step * count) * (width - labels - FIGURES), 1)

    marks: list[Mark] = []
    headings: list[tuple[float, str]] = []
    y = float(TOP)
    for heading, members in groups:
        if heading:
            headings.append((y + HEADING - 10, heading))
            y += HEADING
        for row in members:
            marks.append(Mark(row, place(row.mean), place(row.low), place(row.high), y + ROW / 2))
            y += ROW
    ticks = [(place(value), label) for value, label in _ticks(start, step, count)]
    return Plot(marks, headings, ticks, place(0.0) if around_zero else None, width, y + BOTTOM, labels, summary)


@dataclass(frozen=True)
class Curve:
    """A line of a mode.

    Attributes:
        points: (x, y), x from 0 to 1, y from 0 up; from left to right.
        kind: CSS class that colours it.
    """

    label: str
    points: list[tuple[float, float]]
    kind: str


@dataclass(frozen=True)
class Line:
    """A curve at its place, in SVG units.

    Attributes:
        path: what a ``polyline`` takes.
        end: the last point.
        legend: y of the label on the right.
        figure: the last point's values.
    """

    curve: Curve
    path: str
    end: tuple[float, float]
    legend: float
    figure: str


@dataclass(frozen=True)
class CurvePlot:
    """Curves on two axes, ready to be drawn.

    Attributes:
        x_ticks: (x, label).
        y_ticks: (y, label).
        left: x of the vertical axis.
        right: x where the curves' room ends and the labels begin.
        bottom: y of the horizontal axis.
        summary: what a screen reader says.
    """

    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    left: float
    right: float
    bottom: float
    width: int
    height: float
    summary: str


def curve_plot(curves: Sequence[Curve], summary: str, *, width: int) -> CurvePlot | None:
    """Return curves over the share from 0 to 1; None when there is nothing to draw."""
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return None
    start, step, count = _axis(0.0, max(y for curve in drawn for _, y in curve.points))
    left, right, bottom = 44.0, float(width - FIGURES), float(TOP + CURVES)

    def place(x: float, y: float) -> tuple[float, float]:
        return round(left + x * (right - left), 1), round(bottom - (y - start) / (step * count) * CURVES, 1)

    lines = []
    for number, curve in enumerate(drawn):
        places = [place(x, y) for x, y in curve.points]
        path = " ".join(f"{x},{y}" for x, y in places)
        figure = "to {:.0%}, risk {:.3f}".format(*curve.points[-1])
        lines.append(Line(curve, path, places[-1], TOP + ROW * (number + 0.5), figure))
    shares = [number / TICKS for number in range(TICKS + 1)]
    x_ticks = [(place(share, 0)[0], f"{share:.0%}") for share in shares]
    y_ticks = [(place(0, value)[1], label) for value, label in _ticks(start, step, count)]
    return CurvePlot(lines, x_ticks, y_ticks, left, right, bottom, width, bottom + BOTTOM, summary)


def _ticks(start: float, step: float, count: int) -> list[tuple[float, str]]:
    """Return an axis' ticks with as many digits as their distance has."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(start + step * number, f"{start + step * number:.{digits}f}") for number in range(count + 1)]


def _axis(low: float, high: float) -> tuple[float, float, int]:
    """Return start, distance and number of steps of an axis that holds zero and both values at round ticks."""
    low, high = min(0.0, low), max(0.0, high)
    raw = (high - low) / TICKS or 0.2
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw - 1e-12)
    start = math.floor(low / step + 1e-9) * step
    return start, step, max(1, math.ceil((high - start) / step - 1e-9))
