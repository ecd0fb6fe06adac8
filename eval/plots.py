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
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = [(place(start + step * number), f"{start + step * number:.{digits}f}") for number in range(count + 1)]
    return Plot(marks, headings, ticks, place(0.0) if around_zero else None, width, y + BOTTOM, labels, summary)


def _axis(low: float, high: float) -> tuple[float, float, int]:
    """Return start, distance and number of steps of an axis that holds zero and both values at round ticks."""
    low, high = min(0.0, low), max(0.0, high)
    raw = (high - low) / TICKS or 0.2
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw - 1e-12)
    start = math.floor(low / step + 1e-9) * step
    return start, step, max(1, math.ceil((high - start) / step - 1e-9))
