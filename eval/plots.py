"""Geometry of the report's plots; the template draws them as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, ROW, TOP, BOTTOM = 640, 26, 8, 28
LABELS, VALUES = 170, 150
"""Width of the labels on the left and of the figures on the right; the axis is between."""


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
        ticks: (x, label) of the axis.
        zero: x of the zero line, or None when the axis starts there.
        summary: what a screen reader says.
    """

    marks: list[Mark]
    ticks: list[tuple[float, str]]
    zero: float | None
    height: int
    summary: str
    width: int = WIDTH
    axis_left: int = LABELS
    axis_right: int = WIDTH - VALUES


def interval_plot(rows: Sequence[Row], summary: str, *, around_zero: bool = False) -> Plot | None:
    """Return marks with intervals on one axis; None when there is nothing to draw.

    Args:
        around_zero: differences, with a zero line; otherwise the axis starts at 0.
    """
    if not rows:
        return None
    low = min(0.0, min(row.low for row in rows))
    high = max(0.0, max(row.high for row in rows))
    step = _step(high - low)
    start, end = math.floor(low / step) * step, math.ceil(high / step) * step
    if end <= start:
        end = start + step

    def place(value: float) -> float:
        return round(LABELS + (value - start) / (end - start) * (WIDTH - LABELS - VALUES), 1)

    marks = [
        Mark(row, place(row.mean), place(row.low), place(row.high), TOP + ROW * number + ROW / 2)
        for number, row in enumerate(rows)
    ]
    count = round((end - start) / step)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = [(place(start + step * number), f"{start + step * number:.{digits}f}") for number in range(count + 1)]
    zero = place(0.0) if around_zero else None
    return Plot(marks, ticks, zero, TOP + ROW * len(rows) + BOTTOM, summary)


def _step(span: float) -> float:
    """Return a round distance between ticks that gives about five of them."""
    if span <= 0:
        return 0.2
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
