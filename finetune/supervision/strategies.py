"""Which texts to label next: strategies over vectors and a model's uncertainty, apart from task types.

A strategy sees the open texts and what has been labelled already, and returns the rows of a batch, the most wanted first.
Everything else (what a model's uncertainty is for classes, tokens and answers) is a learner's, in ``learners``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

GROUND = 4000
"""Texts for which a facility is sought at most, drawn at random: more change the choice little and cost time and memory."""
CANDIDATES = 10
"""Times the size of a batch: the most uncertain texts, among which ``diverse-uncertainty`` looks for different ones."""


class Strategy(StrEnum):
    """How texts are chosen."""

    RANDOM = "random"
    """By chance: what the others are measured against."""
    LEAST_CONFIDENCE = "least-confidence"
    """The lowest probability of the likeliest label (Lewis and Gale, 1994)."""
    MARGIN = "margin"
    """The smallest lead of the likeliest label over the next (Scheffer et al., 2001)."""
    ENTROPY = "entropy"
    """The most even probabilities (Shannon; Settles, 2009)."""
    BALD = "bald"
    """The most disagreement among models that dropout makes of one (Houlsby et al., 1112.5745; Gal et al., 1703.02910)."""
    CORE_SET = "core-set"
    """The text furthest from all labelled ones, again and again: k-center greedy (Sener and Savarese, arXiv 1708.00489)."""
    FACILITY_LOCATION = "facility-location"
    """Texts to which all others are near: greedy maximum of a submodular function (Wei et al., ICML 2015)."""
    DIVERSE_UNCERTAINTY = "diverse-uncertainty"
    """Of the texts with the smallest margins those that stand for the most uncertain others (Zhdanov, arXiv 1901.05954, with
    facility location in the place of k-means)."""
    COST_AWARE = "cost-aware"
    """The smallest margin for the time that labelling takes: long texts must be worth it (Settles et al., 2008)."""


NEEDS_MODEL = frozenset(Strategy) - {Strategy.RANDOM, Strategy.CORE_SET, Strategy.FACILITY_LOCATION}
"""Strategies that go by a model's uncertainty, and so need labels first."""


@dataclass(frozen=True)
class Pool:
    """What there is to choose from.

    Attributes:
        vectors: of the open texts, ``(n, dim)``, L2-normalised.
        labelled: of the labelled texts, ``(m, dim)``.
        costs: what a label of each open text costs, ``(n,)``, in any unit.
        uncertainty: of the model about each open text, ``(n,)``, higher for less sure; None without a model.
    """

    vectors: Floats
    labelled: Floats
    costs: Floats
    uncertainty: Floats | None = None

    @property
    def known_uncertainty(self) -> Floats:
        """The uncertainty. Raises ValueError without a model."""
        if self.uncertainty is None:
            raise ValueError("the strategy goes by a model's uncertainty, and there is none")
        return self.uncertainty


def choose(strategy: Strategy, pool: Pool, n: int, seed: int) -> Rows:
    """Return the rows of the ``n`` texts (fewer where there are fewer) to label next, the most wanted first.

    Raises:
        ValueError: the strategy goes by uncertainty, and the pool has none.
    """
    return _STRATEGIES[strategy](pool, min(n, len(pool.vectors)), np.random.default_rng(seed))


def least_confidence(probabilities: Floats) -> Floats:
    """Return one minus the probability of the likeliest label; ``(…, labels)`` to ``(…,)``."""
    return 1 - probabilities.max(axis=-1)


def small_margin(probabilities: Floats) -> Floats:
    """Return one minus the lead of the likeliest label over the next; of a single label, one minus its probability."""
    if probabilities.shape[-1] < 2:
        return least_confidence(probabilities)
    best = np.partition(probabilities, -2, axis=-1)
    return 1 - (best[..., -1] - best[..., -2])


def entropy(probabilities: Floats) -> Floats:
    """Return the entropy in nats."""
    return -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=-1)


def mutual_information(sampled: Floats) -> Floats:
    """Return what a label would tell of the model: entropy of the mean less mean of the entropies; ``(samples, n, labels)``."""
    return np.maximum(entropy(sampled.mean(axis=0)) - entropy(sampled).mean(axis=0), 0)


def _at_random(pool: Pool, n: int, chance: np.random.Generator) -> Rows:
    return chance.permutation(len(pool.vectors))[:n]


def _most_uncertain(pool: Pool, n: int, chance: np.random.Generator) -> Rows:
    return _highest(pool.known_uncertainty, n, chance)


def _worth_the_cost(pool: Pool, n: int, chance: np.random.Generator) -> Rows:
    return _highest(pool.known_uncertainty / np.maximum(pool.costs, 1e-6), n, chance)


def _diverse_uncertain(pool: Pool, n: int, chance: np.random.Generator) -> Rows:
    rows = _highest(pool.known_uncertainty, CANDIDATES * n, chance)
    return rows[facility_location(pool.vectors[rows], pool.labelled[:0], n, chance, pool.known_uncertainty[rows])]


def _core_set(pool: Pool, n: int, chance: np.random.Generator) -> Rows:
    return k_center(pool.vectors, pool.labelled, n)


def _facilities(pool: Pool, n: int, chance: np.random.Generator) -> Rows:
    return facility_location(pool.vectors, pool.labelled, n, chance)


_STRATEGIES: dict[Strategy, Callable[[Pool, int, np.random.Generator], Rows]] = {
    Strategy.RANDOM: _at_random,
    Strategy.LEAST_CONFIDENCE: _most_uncertain,
    Strategy.MARGIN: _most_uncertain,
    Strategy.ENTROPY: _most_uncertain,
    Strategy.BALD: _most_uncertain,
    Strategy.CORE_SET: _core_set,
    Strategy.FACILITY_LOCATION: _facilities,
    Strategy.DIVERSE_UNCERTAINTY: _diverse_uncertain,
    Strategy.COST_AWARE: _worth_the_cost,
}


def _highest(values: Floats, n: int, chance: np.random.Generator) -> Rows:
    """Return the rows of the highest values, best first; equal ones in random order."""
    return np.lexsort((chance.random(len(values)), -values))[:n]


def k_center(vectors: Floats, labelled: Floats, n: int) -> Rows:
    """Return rows so that no text is far from a chosen or labelled one: each time the furthest is taken.

    Without a labelled text the first is the one furthest from the mean.
    """
    nearest = _nearest(vectors, labelled) if len(labelled) else vectors @ vectors.mean(axis=0)
    chosen = np.empty(n, np.intp)
    for place in range(n):
        row = int(nearest.argmin())
        chosen[place] = row
        similar = vectors @ vectors[row]
        nearest = similar if not place and not len(labelled) else np.maximum(nearest, similar)
        nearest[chosen[: place + 1]] = np.inf
    return chosen


def facility_location(
    vectors: Floats, labelled: Floats, n: int, chance: np.random.Generator, weights: Floats | None = None
) -> Rows:
    """Return rows that greedily maximise the weighted similarity of all texts to the nearest chosen or labelled one.

    Gains only shrink, so that most need no second look (Minoux, 1978: lazy evaluation). The choice is within 1 - 1/e of the
    best (Nemhauser et al., 1978).

    Args:
        weights: how much each text counts, ``(len(vectors),)``; None counts all alike.
    """
    ground = np.sort(chance.permutation(len(vectors))[:GROUND])
    similar = np.maximum(vectors @ vectors[ground].T, 0)
    weight = np.ones(len(ground), np.float32) if weights is None else weights[ground].astype(np.float32)
    covered = np.maximum(_nearest(vectors[ground], labelled), 0) if len(labelled) else np.zeros(len(ground), np.float32)
    gains = np.concatenate([np.maximum(block - covered, 0) @ weight for block in _blocks(similar)]) if len(vectors) else []
    queue = [(-float(gain), row) for row, gain in enumerate(gains)]
    heapq.heapify(queue)
    chosen: list[int] = []
    while queue and len(chosen) < n:
        _, row = heapq.heappop(queue)
        gain = float(np.maximum(similar[row] - covered, 0) @ weight)
        if queue and gain < -queue[0][0]:
            heapq.heappush(queue, (-gain, row))
            continue
        chosen.append(row)
        covered = np.maximum(covered, similar[row])
    return np.array(chosen, np.intp)


def _nearest(vectors: Floats, others: Floats) -> Floats:
    """Return for each vector the similarity to the nearest of the others."""
    return np.concatenate([(block @ others.T).max(axis=1) for block in _blocks(vectors)]).astype(np.float32)


def _blocks(matrix: Floats, rows: int = 1000) -> list[Floats]:
    """Cut a matrix into blocks of rows, so that what is computed of one stays small."""
    return [matrix[start : start + rows] for start in range(0, max(len(matrix), 1), rows)]
