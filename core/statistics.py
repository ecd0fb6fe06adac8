"""How sure a mean or a difference is: exact bounds of rates, bootstrap intervals, a sign-flip permutation test.

Whether two modes differ is decided by p: on scores that are mostly equal the BCa interval of a difference leaves out zero
in up to 8% of the cases without any difference, the permutation test in 5% (``benchmarks/false_alarms.py``).

Sources: Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial" (1934);
Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 14 for BCa; Dror et al., "The Hitchhiker's Guide to
Testing Statistical Significance in NLP" (ACL 2018) for the paired tests. All are checked against scipy.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from doyen.core.report_files import ENOUGH

Floats = NDArray[np.float64]
Method = Literal["bca", "percentile"]
CONFIDENCE = 0.95
ROUNDING = 1e-12
FEWEST = 6
"""Fewer values have no interval: with five pairs not even the sign-flip p can fall below 0.05."""
EXACT_PAIRS = 14
"""Up to so many pairs all sign patterns are counted, whatever ``samples`` says."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval.

    Attributes:
        mean: None when there is no number at all.
        low: None, as ``high``, also when the numbers are too few or too equal for an interval.
        n: numbers that the mean is of.
        nan: numbers that are missing although the metric applies.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    nan: int


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences ``a - b``, its 95% interval and the two-sided p of "no difference".

    ``low`` and ``high`` are None where the pairs are too few or too equal for an interval.
    """

    delta: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int


def mean_interval(
    values: Floats,
    *,
    samples: int,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    method: Method = "bca",
    rate: bool = False,
) -> Interval:
    """Return the mean and its interval; NaN are left out and counted.

    Args:
        values: (n,) one number a question.
        rate: all are 0 or 1: the bounds are exact (Clopper-Pearson), and with clusters as wide as the wider of both.
        samples: bootstrap resamples.
        clusters: (n,) labels; whole clusters are drawn, because questions on one document are not independent.
    """
    kept, labels = _without_nan(values, clusters)
    nan = int(len(values) - len(kept))
    if not len(kept):
        return Interval(None, None, None, 0, nan)
    ends = None if rate and labels is None else _bootstrap(kept, labels, samples, seed, method)
    if rate:
        exact = rate_bounds(int(kept.sum()), len(kept))
        ends = (min(exact[0], ends[0]), max(exact[1], ends[1])) if ends else exact
    low, high = ends or (None, None)
    return Interval(float(kept.mean()), low, high, len(kept), nan)


def rate_bounds(successes: int, n: int) -> tuple[float, float]:
    """Return the exact 95% bounds of a rate (Clopper & Pearson): 2 of 2 show no more than 0.16 to 1."""
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, successes, n - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, n - successes)) if successes < n else 1.0
    return low, high


def paired_difference(
    a: Floats,
    b: Floats,
    *,
    samples: int,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    method: Method = "bca",
) -> Difference:
    """Return how ``a`` differs from ``b`` on the same questions; questions where either is NaN are left out.

    Args:
        a: (n,) one number a question.
        b: (n,) the same questions in the same order.
    """
    if len(a) != len(b):
        raise ValueError(f"paired values must be of the same questions: {len(a)} and {len(b)} were given")
    kept, labels = _without_nan(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), clusters)
    if not len(kept):
        return Difference(None, None, None, None, 0)
    low, high = _bootstrap(kept, labels, samples, seed, method) or (None, None)
    return Difference(float(kept.mean()), low, high, sign_flip_p(kept, samples=samples, seed=seed, clusters=labels), len(kept))


def sign_flip_p(differences: Floats, *, samples: int, seed: int, clusters: Sequence[Hashable] | None = None) -> float:
    """Return the two-sided p of a sign-flip permutation test on the mean of paired differences.

    Under "no difference" each pair's sign is a coin toss. With few pairs all sign patterns are counted; otherwise
    ``samples`` random ones, and one is added to both counts so that p is never 0 (Phipson & Smyth 2010).
    """
    sums, _ = _cluster_sums(np.asarray(differences, dtype=np.float64), clusters)
    observed = abs(sums.sum())
    exact = len(sums) <= EXACT_PAIRS or (len(sums) < 31 and 2 ** len(sums) <= samples)
    flipped = np.abs((_all_signs(len(sums)) if exact else random_signs(len(sums), samples, seed)) @ sums)
    # Rounding must not decide whether a pattern is as extreme as the one that was seen.
    extreme = int((flipped >= observed - ROUNDING * max(1.0, observed)).sum())
    return extreme / len(flipped) if exact else (extreme + 1) / (len(flipped) + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values corrected for how many there are (Holm, "A simple sequentially rejective multiple test procedure", 1979).

    The chance that any of those below 0.05 is without a difference stays below 0.05.
    """
    corrected = [0.0] * len(ps)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = highest
    return corrected


def detectable_difference(spread: float, n: int, *, power: float = 0.8) -> float:
    """Return the smallest mean difference that ``n`` pairs show at p < 0.05 with this power, by the normal approximation.

    Args:
        spread: standard deviation of the paired differences.
    """
    from scipy.stats import norm

    return float((norm.ppf(1 - (1 - CONFIDENCE) / 2) + norm.ppf(power)) * spread / np.sqrt(n))


def auroc_interval(
    scores: Floats, positive: NDArray[np.bool_], *, samples: int, seed: int, clusters: Sequence[Hashable] | None = None
) -> tuple[float, float | None, float | None]:
    """Return the area under the ROC curve and the ends of its interval (BCa), which are None as in `Interval`.

    The area is the share of pairs of a positive and a negative in which the positive has the higher score, ties counting
    half (Hanley & McNeil, Radiology 1982).

    Args:
        scores: (n,) without NaN.
        positive: (n,) both kinds must be there.
        clusters: (n,) labels; whole clusters are drawn.
    """
    units = np.arange(len(scores)) if clusters is None else cluster_index(clusters)
    pairs, won = _pairs(scores, positive, units)

    def areas(counts: Floats) -> Floats:
        drawn = ((counts @ pairs) * counts).sum(axis=1)
        kept = drawn > 0  # a resample without a positive or a negative has no area
        return ((counts[kept] @ won) * counts[kept]).sum(axis=1) / drawn[kept]

    n = len(pairs)
    area = float(won.sum() / pairs.sum())
    fewest = min(np.unique(units[positive]).size, np.unique(units[~positive]).size)
    if fewest < FEWEST:
        return area, None, None
    resampled = areas(resampled_counts(n, samples, seed))
    if np.ptp(resampled) == 0:
        return (area, area, area) if fewest >= ENOUGH else (area, None, None)
    return (area, *interval_ends(resampled, area, areas(1 - np.eye(n)), "bca"))


def _pairs(scores: Floats, positive: NDArray[np.bool_], units: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return (n_units, n_units): how many pairs of a positive of one unit and a negative of another, and how many are won."""
    high, low = scores[positive][:, None], scores[~positive][None, :]
    wins = (high > low) + 0.5 * (high == low)
    n = int(units.max()) + 1
    pairs, won = np.zeros((n, n)), np.zeros((n, n))
    place = np.ix_(units[positive], units[~positive])
    np.add.at(pairs, place, 1.0)
    np.add.at(won, place, wins)
    return pairs, won


def _without_nan(values: Floats, clusters: Sequence[Hashable] | None) -> tuple[Floats, list[Hashable] | None]:
    numbers = np.asarray(values, dtype=np.float64)
    kept = ~np.isnan(numbers)
    labels = None if clusters is None else [label for label, keep in zip(clusters, kept, strict=True) if keep]
    return numbers[kept], labels


def _cluster_sums(values: Floats, clusters: Sequence[Hashable] | None) -> tuple[Floats, Floats]:
    """Return the sum and the size of each cluster; each value alone without clusters."""
    if clusters is None:
        return values, np.ones_like(values)
    index = cluster_index(clusters)
    return np.bincount(index, weights=values).astype(np.float64), np.bincount(index).astype(np.float64)


def cluster_index(clusters: Sequence[Hashable]) -> NDArray[np.intp]:
    """Return the number of each value's cluster, in the order in which they come."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in clusters], dtype=np.intp)


def _bootstrap(
    values: Floats, clusters: Sequence[Hashable] | None, samples: int, seed: int, method: Method
) -> tuple[float, float] | None:
    """Return the interval's ends, or None where the values are too few; both are the mean where nothing varies."""
    sums, sizes = _cluster_sums(values, clusters)
    mean = float(values.mean())
    if len(sums) < FEWEST:
        return None
    if np.ptp(values) == 0:
        # Fewer equal values have no interval, rather than one of no width.
        return (mean, mean) if len(sums) >= ENOUGH else None
    counts = resampled_counts(len(sums), samples, seed)
    means = (counts @ sums) / (len(sums) if clusters is None else counts @ sizes)
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    return interval_ends(means, mean, left_out, method)


def interval_ends(resampled: Floats, estimate: float, left_out: Floats, method: Method) -> tuple[float, float]:
    """Return the interval's ends.

    Args:
        resampled: (samples,) the statistic of each resample.
        left_out: (n,) the statistic without each of the items that were drawn.
    """
    tail = (1 - CONFIDENCE) / 2
    ends = (tail, 1 - tail)
    if method == "bca":
        ends = _bca_ends(resampled, estimate, left_out, ends)
    low, high = np.quantile(resampled, ends)
    return float(low), float(high)


def _bca_ends(resampled: Floats, estimate: float, left_out: Floats, ends: tuple[float, float]) -> tuple[float, float]:
    """Return the quantiles that correct for bias and skew; the plain ones where the correction is undefined."""
    from scipy.special import ndtr, ndtri

    # Resamples that equal the estimate count half; rounding must not decide which those are.
    below = ((resampled < estimate - ROUNDING).mean() + (resampled <= estimate + ROUNDING).mean()) / 2
    if not 0 < below < 1:
        return ends
    bias = ndtri(below)
    spread = left_out.mean() - left_out
    variance = (spread**2).sum()
    acceleration = (spread**3).sum() / (6 * variance**1.5) if variance > 0 else 0.0
    z = bias + ndtri(np.array(ends))
    corrected = ndtr(bias + z / (1 - acceleration * z))
    return float(corrected[0]), float(corrected[1])


@lru_cache(maxsize=4)
def resampled_counts(n: int, samples: int, seed: int) -> Floats:
    """Return (samples, n): how often each of ``n`` items is drawn. The same for all metrics, hence kept."""
    drawn = np.random.default_rng(seed).integers(0, n, (samples, n))
    drawn += np.arange(samples)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=samples * n).reshape(samples, n).astype(np.float64)


@lru_cache(maxsize=4)
def random_signs(n: int, samples: int, seed: int) -> Floats:
    """Return (samples, n): 1 or -1 for each of ``n`` items. The same for all metrics, hence kept."""
    signs = np.random.default_rng(seed).integers(0, 2, (samples, n), dtype=np.int8)
    return (2 * signs - 1).astype(np.float64)


@lru_cache(maxsize=4)
def _all_signs(n: int) -> Floats:
    patterns = np.arange(2**n)[:, None] >> np.arange(n)[None, :]
    return (2 * (patterns & 1) - 1).astype(np.float64)
