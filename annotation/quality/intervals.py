"""A figure with what makes it credible: its bootstrap interval and the number of items behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doyen.annotation.quality.coefficients import Floats, Measure

RESAMPLES = 1000
SEED = 20260101
CONFIDENCE = 0.95
MOST_DEFINED = 0.5
"""Share of the resamples in which a measure must be defined for its interval to mean something."""
_BLOCK = 4_000_000
"""Numbers of a block of resamples: bounds memory, changes no result."""
_KEPT = 10_000_000
"""Numbers of resamples that are kept for the next figure."""

NO_OVERLAP = "no item was labelled by two annotators"
NAN = float("nan")


@dataclass(frozen=True)
class Figure:
    """A measured value.

    Attributes:
        value: NaN where it is undefined; ``reason`` then says why.
        low: lower end of the 95% interval; NaN where there is none (undefined, or a single item).
        high: upper end.
        items: how many items it rests on.
    """

    value: float
    low: float
    high: float
    items: int
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it with None for NaN, since JSON knows no NaN."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        found: dict[str, Any] = {name: None if np.isnan(number) else number for name, number in numbers.items()}
        return found | {"items": self.items} | ({"reason": self.reason} if self.reason else {})


def figure(measure: Measure, *, items: int | None = None) -> Figure:
    """Compute one measure with its interval. ``items`` overrides how many items are said to be behind it."""
    counted = len(measure.terms) if items is None else items
    return figures(Measure(measure.terms[:, None], measure.formula, measure.undefined), [counted])[0]


def figures(measure: Measure, items: list[int]) -> list[Figure]:
    """Compute measures that stand side by side (``terms`` of shape (n_items, n_measures, n_terms)).

    Args:
        measure: the measures.
        items: how many items are said to be behind each.
    """
    if not len(measure.terms):
        return [Figure(NAN, NAN, NAN, 0, NO_OVERLAP) for _ in items]
    values = measure.value()
    low, high = interval(measure)
    return [
        Figure(float(value), float(start), float(end), count, measure.undefined if np.isnan(value) else "")
        for value, start, end, count in zip(values, low, high, items, strict=True)
    ]


def interval(measure: Measure, *, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[Floats, Floats]:
    """Return the percentile bootstrap interval over items, which Zapf et al. (2016) found to cover well for alpha.

    Whole items are drawn, so that the tokens of one sentence stay together. Resamples in which the measure is undefined
    are left out; where that is more than half of them, or where there is but one item, the interval is NaN.
    """
    shape = measure.terms.shape[1:-1]
    nothing = np.full(shape, np.nan)
    if len(measure.terms) < 2:
        return nothing, nothing
    drawn = np.concatenate(list(_resampled(measure, resamples, seed)))
    defined = np.isfinite(drawn).mean(0)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.array(nothing), np.array(nothing)
    usable = (defined >= MOST_DEFINED) & np.isfinite(measure.value())
    if usable.any():
        low[usable], high[usable] = np.nanquantile(drawn[:, usable], [tail, 1 - tail], axis=0)
    return low, high


def _resampled(measure: Measure, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield blocks of values (n_resamples, …), one for each way of drawing as many items with replacement."""
    n = len(measure.terms)
    flat = measure.terms.reshape(n, -1)
    rows = max(1, _BLOCK // max(n, flat.shape[1]))
    rng = np.random.default_rng(seed)
    known = _draw_all(n, resamples, seed) if n * resamples <= _KEPT else None
    for start in range(0, resamples, rows):
        block = min(rows, resamples - start)
        drawn = _draw(rng, n, block) if known is None else known[start : start + block]
        yield measure.formula((drawn.astype(np.float64) @ flat).reshape(block, *measure.terms.shape[1:]))


@lru_cache(maxsize=4)
def _draw_all(n: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    """Draw once for the many figures that rest on as many items."""
    return _draw(np.random.default_rng(seed), n, resamples)


def _draw(rng: np.random.Generator, n: int, resamples: int) -> NDArray[np.uint16]:
    """Return (n_resamples, n) how often each item is drawn."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.uint16)
