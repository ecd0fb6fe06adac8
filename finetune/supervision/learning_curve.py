"""How the score grows with labels: the curve with intervals, how many more a target needs, and when to stop.

Scores of models that learn from n labels are well described by a power law, ``score(n) = best - loss * n ** -rate`` (Hestness
et al., arXiv 1712.00409; for small numbers of labels Figueroa et al., BMC Medical Informatics 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doyen.finetune.supervision.learners import Features, Learner, score

SHARES = (0.2, 0.35, 0.5, 0.7, 1.0)
"""Of the labels, to which the curve's points belong."""
REPEATS = 3
"""Random subsets for each point but the last."""
LEAST_TEST, LEAST_POINTS = 20, 3
"""Labelled test texts, and points, below which there is no curve and no estimate."""
BOOTSTRAP, REFITS = 500, 100
LONGEST = 1_000_000
"""Labels beyond which an estimate is as good as never."""


@dataclass(frozen=True)
class Point:
    """The score of a model that was trained on so many labels, with a 95% bootstrap interval over the test texts."""

    labels: int
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """What the fitted power law says.

    Attributes:
        best: score that no number of labels exceeds.
        needed: labels that the target needs, all together; None: it is not reached.
        low, high: the middle 90% of that over refits of the curve within its intervals; None: not reached.
        gain: what the next batch is to add to the score, at the upper end of 90%.
    """

    target: float
    best: float
    needed: int | None
    low: int | None
    high: int | None
    gain: float


def learning_curve(
    learner: Learner, train: Features, targets: Sequence[Any], test: Features, test_targets: Sequence[Any], seed: int
) -> list[Point]:
    """Measure models trained on growing random parts of the labels; empty with fewer than ``LEAST_TEST`` test texts."""
    if len(test) < LEAST_TEST:
        return []
    chance = np.random.default_rng(seed)
    points = []
    for labels in sorted({round(share * len(train)) for share in SHARES} - {0, 1}):
        measured = []
        for _ in range(REPEATS if labels < len(train) else 1):
            part = chance.permutation(len(train))[:labels]
            model = learner.fit(train.take(part), [targets[row] for row in part])
            if model is not None:
                measured.append(learner.outcomes(model, test, test_targets))
        if measured:
            points.append(_point(labels, measured, chance))
    return points


def _point(labels: int, measured: list[NDArray[np.int64]], chance: np.random.Generator) -> Point:
    n = len(measured[0])
    drawn = [chance.integers(0, n, n) for _ in range(BOOTSTRAP)]
    scores = [float(np.mean([score(outcomes[rows]) for outcomes in measured])) for rows in drawn]
    low, high = np.quantile(scores, [0.025, 0.975])
    return Point(labels, float(np.mean([score(outcomes) for outcomes in measured])), float(low), float(high))


def forecast(points: Sequence[Point], target: float, batch: int, seed: int) -> Forecast | None:
    """Fit the power law and read from it what the target needs; None with fewer than ``LEAST_POINTS`` points."""
    if len(points) < LEAST_POINTS:
        return None
    labels = np.array([point.labels for point in points], float)
    scores = np.array([point.score for point in points])
    spread = np.maximum([(point.high - point.low) / 3.92 for point in points], 1e-4)
    chance = np.random.default_rng(seed)
    fitted = _fit(labels, scores, spread)
    refits = [_fit(labels, scores + chance.normal(0, spread), spread) for _ in range(REFITS)]
    needed = sorted(_needed(law, target) for law in refits)
    gains = [law(labels[-1] + batch) - law(labels[-1]) for law in refits]
    low, high = needed[int(0.05 * REFITS)], needed[int(0.95 * REFITS) - 1]
    told = [None if number > LONGEST else int(np.ceil(number)) for number in (_needed(fitted, target), low, high)]
    return Forecast(target, fitted.best, told[0], told[1], told[2], float(np.quantile(gains, 0.95)))


@dataclass(frozen=True)
class _PowerLaw:
    best: float
    loss: float
    rate: float

    def __call__(self, labels: Any) -> Any:
        return self.best - self.loss * labels**-self.rate


def _fit(labels: NDArray[np.float64], scores: NDArray[np.float64], spread: NDArray[np.float64]) -> _PowerLaw:
    """Fit by least squares, weighted by the points' intervals."""
    from scipy.optimize import least_squares

    def residuals(law: NDArray[np.float64]) -> NDArray[np.float64]:
        return (_PowerLaw(*law)(labels) - scores) / spread

    start = (min(max(scores.max() + 0.02, 0.0), 1.0), max(scores.max() - scores.min(), 0.05) * labels[0] ** 0.5, 0.5)
    return _PowerLaw(*least_squares(residuals, start, bounds=([0, 0, 0.05], [1, np.inf, 3])).x)


def _needed(law: _PowerLaw, target: float) -> float:
    """Return the labels at which the law reaches the target; infinite where it never does."""
    if target >= law.best:
        return float("inf")
    return float((law.loss / (law.best - target)) ** (1 / law.rate)) if law.loss > 0 else 0.0


def advise(points: Sequence[Point], found: Forecast | None, batch: int, least_gain: float, n_open: int, n_test: int) -> str:
    """Return in a sentence whether to label on, and why."""
    if not points:
        return (
            f"Label on: {n_test} test texts are labelled, and from {LEAST_TEST} on the score can be measured."
            if n_open
            else "Stop: nothing is left to label."
        )
    now = points[-1]
    if not n_open:
        return f"Stop: nothing is left to label; the score is {now.score:.3f} ({now.low:.3f} to {now.high:.3f})."
    if found is None:
        return f"Label on: with {now.labels} labels the score is {now.score:.3f}, and there are too few points to look ahead."
    if now.low >= found.target:
        return f"Stop: the score is {now.score:.3f} ({now.low:.3f} to {now.high:.3f}), the target {found.target:g} is reached."
    if found.gain < least_gain:
        return f"Stop: {batch} more labels promise {found.gain:.3f} at most, less than {least_gain:g}."
    if found.needed is None:
        return f"Label on, and look at the guideline: more labels alone lead to {found.best:.3f}, not to {found.target:g}."
    more = max(found.needed - now.labels, 0)
    between = f"{found.low if found.low is not None else 'unknown'} to {found.high if found.high is not None else 'never'}"
    return f"Label on: about {more} more labels lead to {found.target:g} (all together {found.needed}; 90% interval {between})."
