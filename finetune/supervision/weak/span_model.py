"""skweak's hidden Markov model: which entities labelling functions mean, learnt without any true label.

Source: Lison, Hubin, Barnes & Touileb (ACL 2020), "Named entity recognition without labelled data: a weak supervision
approach", and skweak 0.3 (arXiv 2104.09683). The true tags form a Markov chain; given the true tag of a token, the functions
that mark anything in the text give theirs independently of each other. A tag that no function gives a token is not its true
one. The model is fitted by Baum–Welch from the counts of a majority vote. skweak's discount for functions whose names begin
alike is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from doyen.finetune.supervision.weak.span_tags import OUTSIDE, TaggedText, tag_count
from doyen.finetune.supervision.weak.votes import ABSTAIN, Matrix

ROUNDS = 4
"""Most rounds of expectation and maximisation."""
GAIN = 1e-2
"""Gain in log-likelihood below which fitting ends."""
FALSE_ALARMS, MISSES = 0.1, 0.3
"""How often functions are expected to mark what is nothing, and to miss what is something, for each right mark."""
OUTSIDE_BASE = 3.0
"""In a majority vote a function that marks nothing counts little against one that does: by this factor less for each mark."""

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class SpanModel:
    """A fitted model of K tags and m functions.

    Attributes:
        start: (K,) P(first tag).
        moves: (K, K) P(next tag | tag).
        emission: (m, K, K) P(tag that the function gives | true tag).
    """

    start: Shares
    moves: Shares
    emission: Shares

    def probabilities(self, tags: Matrix) -> Shares:
        """Return (T, K) P(true tag of each token | what the functions say); outside where none says anything."""
        if not _speakers(tags):
            return np.eye(len(self.start))[np.zeros(len(tags), dtype=int)]
        forward, backward, _, _ = self._passes(tags)
        joint = forward * backward
        return joint / joint.sum(axis=1, keepdims=True)

    def _passes(self, tags: Matrix) -> tuple[Shares, Shares, Shares, float]:
        """Return the scaled forward and backward passes, the likelihoods of each token's tags, and the log-likelihood."""
        logs = _log_likelihoods(self.emission, tags)
        highest = logs.max(axis=1, keepdims=True)
        likely = np.exp(logs - highest)
        forward, backward = np.empty_like(likely), np.ones_like(likely)
        total = float(highest.sum())
        for n in range(len(likely)):
            before = self.start if n == 0 else forward[n - 1] @ self.moves
            forward[n] = before * likely[n]
            scale = forward[n].sum()
            forward[n] /= scale
            total += float(np.log(scale))
        for n in range(len(likely) - 2, -1, -1):
            backward[n] = self.moves @ (likely[n + 1] * backward[n + 1])
            backward[n] /= backward[n].sum()
        return forward, backward, likely, total

    def expect(self, tags: Matrix, counts: _Counts) -> float:
        """Add what one text is expected to hold to the counts; return its log-likelihood."""
        forward, backward, likely, total = self._passes(tags)
        joint = forward * backward
        shares = joint / joint.sum(axis=1, keepdims=True)
        steps = forward[:-1, :, None] * self.moves[None] * (likely * backward)[1:, None, :]
        if len(steps):
            counts.moves += (steps / steps.sum(axis=(1, 2), keepdims=True)).sum(axis=0)
        counts.add_tokens(tags, shares)
        return total


@dataclass
class _Counts:
    """Expected numbers of starts, moves and emissions, with what is believed beforehand in them."""

    functions: int
    states: int
    start: Shares = field(init=False)
    moves: Shares = field(init=False)
    emission: Shares = field(init=False)

    def __post_init__(self) -> None:
        one = np.eye(self.states)
        one[OUTSIDE, :] += FALSE_ALARMS
        one[:, OUTSIDE] += MISSES
        self.start, self.moves = np.ones(self.states) + 1e-10, np.ones((self.states, self.states)) + 1e-10
        self.emission = np.tile(one + 1e-6, (self.functions, 1, 1))

    def add_tokens(self, tags: Matrix, shares: Shares) -> None:
        """Add the first token's tag, and what functions say of each token, weighed by the shares (T, K) of its true tags."""
        self.start += shares[0]
        for function in _speakers(tags):
            self.emission[function] += shares.T @ np.eye(self.states)[tags[:, function]]

    def model(self) -> SpanModel:
        """Return the model under which these counts are likeliest; an entity is gone on with after its beginning only."""
        possible = _possible_moves(self.states)
        start = np.where(possible[OUTSIDE], self.start, 0.0)
        moves = np.where(possible, self.moves, 0.0)
        emission = self.emission / self.emission.sum(axis=2, keepdims=True)
        return SpanModel(start / start.sum(), moves / moves.sum(axis=1, keepdims=True), emission)


def fit_span_model(texts: Iterable[TaggedText], labels: int, functions: int) -> SpanModel:
    """Fit the model on the texts in which any function marks anything; deterministic."""
    states = tag_count(labels)
    spoken = [text.tags for text in texts if len(text.tags) and _speakers(text.tags)]
    counts = _Counts(functions, states)
    for tags in spoken:
        shares = majority_shares(tags, labels)
        counts.moves += shares[:-1].T @ shares[1:]
        counts.add_tokens(tags, shares)
    model = counts.model()
    before: float | None = None
    for _ in range(ROUNDS):
        counts = _Counts(functions, states)
        likelihood = sum(model.expect(tags, counts) for tags in spoken)
        model = counts.model()
        if before is not None and likelihood - before < GAIN:
            break
        before = likelihood
    return model


def majority_shares(tags: Matrix, labels: int) -> Shares:
    """Return (T, K) shares of the votes on each token's tag; outside where no function says anything."""
    counts = np.stack([(tags == tag).sum(axis=1) for tag in range(tag_count(labels))], axis=1).astype(float)
    counts[:, OUTSIDE] = OUTSIDE_BASE ** (counts[:, OUTSIDE] - counts.sum(axis=1))
    return counts / counts.sum(axis=1, keepdims=True)


def _speakers(tags: Matrix) -> Sequence[int]:
    """Return the functions that say something of a text."""
    return np.flatnonzero((tags != ABSTAIN).any(axis=0)).tolist() if tags.size else []


def _log_likelihoods(emission: Shares, tags: Matrix) -> Shares:
    """Return (T, K) log P(what the functions say of a token | its true tag), minus infinity for tags that none gives it."""
    states = emission.shape[1]
    logs = np.zeros((len(tags), states))
    voted = np.zeros((len(tags), states), dtype=bool)
    for function in _speakers(tags):
        said = tags[:, function]
        logs += np.log(emission[function][:, said].T)
        voted[np.arange(len(tags)), said] = True
    return np.where(voted, logs, -np.inf)


def _possible_moves(states: int) -> NDArray[np.bool_]:
    """Return (K, K) whether one tag can follow another: "inside" follows the beginning or inside of its own label alone."""
    possible = np.ones((states, states), dtype=bool)
    for inside in range(2, states, 2):
        possible[:, inside] = False
        possible[[inside - 1, inside], inside] = True
    return possible
