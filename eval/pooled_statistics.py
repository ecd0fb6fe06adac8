"""How sure a figure is that is made of sums over texts, as F1 is: bootstrap intervals, and a test that swaps answers.

A micro- or macro-averaged F1 is no mean of texts' scores, so that whole texts (or documents) are drawn again, their counts
summed, and the figure made of the sums. Whether two models differ is decided by swapping their answers of texts at random
(Noreen, *Computer-Intensive Methods for Testing Hypotheses*, 1989; Yeh, "More accurate tests for the statistical significance
of result differences", COLING 2000).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from doyen.core.report_files import ENOUGH
from doyen.core.statistics import (
    FEWEST,
    ROUNDING,
    Difference,
    Floats,
    Interval,
    cluster_index,
    interval_ends,
    random_signs,
    resampled_counts,
)

Statistic = Callable[[Floats], Floats]
"""Makes figures ``(samples,)`` of summed counts ``(samples, …)``."""


def micro_f1(sums: Floats) -> Floats:
    """Return the F1 of all classes together, ``(samples,)``; 0 where nothing is right.

    Args:
        sums: ``(samples, classes, 3)``: right, predicted and true ones.
    """
    right, predicted, true = np.moveaxis(sums.sum(axis=1), -1, 0)
    return 2 * right / np.maximum(predicted + true, 1)


def macro_f1(sums: Floats) -> Floats:
    """Return the mean F1 over the classes that are predicted or true, ``(samples,)``; 0 where none is.

    Args:
        sums: as for ``micro_f1``.
    """
    right, predicted, true = np.moveaxis(sums, -1, 0)
    counts = (predicted + true > 0).sum(axis=1)
    return (2 * right / np.maximum(predicted + true, 1)).sum(axis=1) / np.maximum(counts, 1)


def pooled_interval(
    counts: Floats, statistic: Statistic, *, samples: int, seed: int, clusters: Sequence[Hashable] | None = None
) -> Interval:
    """Return a figure of summed counts with its 95% interval (BCa).

    Args:
        counts: ``(n, …)`` those of each text.
        clusters: ``(n,)`` labels; whole clusters are drawn.
    """
    n = len(counts)
    if not n:
        return Interval(None, None, None, 0, 0)
    units = _units(counts, clusters)
    figure = float(statistic(units.sum(axis=0)[None])[0])
    ends = _ends(units, lambda sums: statistic(sums), samples, seed)
    low, high = ends or (None, None)
    return Interval(figure, low, high, n, 0)


def pooled_difference(
    a: Floats, b: Floats, statistic: Statistic, *, samples: int, seed: int, clusters: Sequence[Hashable] | None = None
) -> Difference:
    """Return how a figure of ``a`` differs from that of ``b`` on the same texts, with its interval and p.

    Args:
        a, b: ``(n, …)`` counts of the same texts in the same order.
    """
    n = len(a)
    if not n:
        return Difference(None, None, None, None, 0)
    both = _units(np.stack([a, b], axis=1), clusters)

    def differs(sums: Floats) -> Floats:
        return statistic(sums[:, 0]) - statistic(sums[:, 1])

    delta = float(differs(both.sum(axis=0)[None])[0])
    low, high = _ends(both, differs, samples, seed) or (None, None)
    return Difference(delta, low, high, _swap_p(both, differs, samples, seed), n)


def _units(counts: Floats, clusters: Sequence[Hashable] | None) -> Floats:
    """Return the counts of each text, or the sums of each cluster."""
    values = np.asarray(counts, dtype=np.float64)
    if clusters is None:
        return values
    index = cluster_index(clusters)
    sums = np.zeros((int(index.max()) + 1, *values.shape[1:]))
    np.add.at(sums, index, values)
    return sums


def _ends(units: Floats, statistic: Statistic, samples: int, seed: int) -> tuple[float, float] | None:
    """Return the interval's ends; None where the units are too few, or the figure never varies and they are not many."""
    n, total = len(units), units.sum(axis=0)
    if n < FEWEST:
        return None
    resampled = statistic(_drawn(resampled_counts(n, samples, seed), units))
    estimate = float(statistic(total[None])[0])
    if np.ptp(resampled) <= ROUNDING:
        return (estimate, estimate) if n >= ENOUGH else None
    return interval_ends(resampled, estimate, statistic(total[None] - units), "bca")


def _drawn(times: Floats, units: Floats) -> Floats:
    """Return the sums of units, each taken so many times, ``(samples, …)``."""
    return (times @ units.reshape(len(units), -1)).reshape(len(times), *units.shape[1:])


def _swap_p(both: Floats, differs: Statistic, samples: int, seed: int) -> float:
    """Return the two-sided p: how often a difference is as large when the two models' answers are swapped at random."""
    total, gaps = both.sum(axis=0), both[:, 0] - both[:, 1]
    signs = random_signs(len(both), samples, seed)
    # With a sign of -1 a unit's answers change sides: each side's sum moves by half of what the signs make of the gaps.
    middle, half = (total[0] + total[1]) / 2, _drawn(signs, gaps) / 2
    observed = abs(float(differs(total[None])[0]))
    swapped = np.abs(differs(np.stack([middle + half, middle - half], axis=1)))
    extreme = int((swapped >= observed - ROUNDING * max(1.0, observed)).sum())
    return (extreme + 1) / (samples + 1)
