"""Coefficients of agreement with their bootstrap intervals.

Each coefficient is a formula of sums over items, so that one matrix product gives all bootstrap resamples at once:

    items × terms (n, t)   ──resample──▶   draws (1000, n) @ terms (n, t) = sums (1000, t)   ──formula──▶   values (1000,)

A chance-corrected coefficient is undefined where chance alone makes everybody agree (a single label in use); it is NaN then.

Sources: Cohen (1960), "A coefficient of agreement for nominal scales"; Fleiss (1971), "Measuring nominal scale agreement
among many raters"; Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability"; Hripcsak & Rothschild (2005),
"Agreement, the F-measure, and reliability in information retrieval", for F1 where nobody counts the negatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

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
ONE_LABEL = "only one label is in use, so that agreement by chance is certain"
NOTHING_MARKED = "nobody marked anything"
NO_VALUES = "nobody gave a value"
NAN = float("nan")


@dataclass(frozen=True)
class Measure:
    """A coefficient that has not been computed yet.

    Attributes:
        terms: (n_items, …, n_terms); axes between the first and the last are several measures side by side.
        formula: from sums of terms (…, n_terms) to values (…), NaN where undefined.
        undefined: why a value is NaN, as half a sentence.
    """

    terms: Floats
    formula: Callable[[Floats], Floats]
    undefined: str

    def value(self) -> Floats:
        """Return the value over all items."""
        return self.formula(self.terms.sum(axis=0))


@dataclass(frozen=True)
class Figure:
    """A measured value with what makes it credible.

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


def figure(measure: Measure) -> Figure:
    """Compute one measure with its interval."""
    return figures(Measure(measure.terms[:, None], measure.formula, measure.undefined), [len(measure.terms)])[0]


def figures(measure: Measure, items: list[int]) -> list[Figure]:
    """Compute measures that stand side by side (``terms`` of shape (n_items, n_measures, n_terms)).

    Args:
        measure: the measures.
        items: how many items are said to be behind each.
    """
    if not len(measure.terms):
        return [Figure(NAN, NAN, NAN, 0, NO_OVERLAP) for _ in items]
    low, high = interval(measure)
    return [
        Figure(float(value), float(start), float(end), count, measure.undefined if np.isnan(value) else "")
        for value, start, end, count in zip(measure.value(), low, high, items, strict=True)
    ]


def interval(measure: Measure, *, resamples: int = RESAMPLES) -> tuple[Floats, Floats]:
    """Return the percentile bootstrap interval over items, which Zapf et al. (2016) found to cover well for alpha.

    Whole items are drawn, so that the tokens of one sentence stay together. Resamples in which the measure is undefined
    are left out; where that is more than half of them, or where there is but one item, the interval is NaN.
    """
    low, high = (np.full(measure.terms.shape[1:-1], np.nan) for _ in range(2))
    if len(measure.terms) < 2:
        return low, high
    drawn = np.concatenate(list(_resampled(measure, resamples)))
    tail = (1 - CONFIDENCE) / 2
    usable = (np.isfinite(drawn).mean(0) >= MOST_DEFINED) & np.isfinite(measure.value())
    if usable.any():
        low[usable], high[usable] = np.nanquantile(drawn[:, usable], [tail, 1 - tail], axis=0)
    return low, high


def _resampled(measure: Measure, resamples: int) -> Iterator[Floats]:
    """Yield blocks of values (n_resamples, …), one for each way of drawing as many items with replacement."""
    n = len(measure.terms)
    flat = measure.terms.reshape(n, -1)
    rows = max(1, _BLOCK // max(n, flat.shape[1]))
    rng = np.random.default_rng(SEED)
    known = _draw_all(n, resamples) if n * resamples <= _KEPT else None
    for start in range(0, resamples, rows):
        block = min(rows, resamples - start)
        drawn = _draw(rng, n, block) if known is None else known[start : start + block]
        yield measure.formula((drawn.astype(np.float64) @ flat).reshape(block, *measure.terms.shape[1:]))


@lru_cache(maxsize=4)
def _draw_all(n: int, resamples: int) -> NDArray[np.uint16]:
    """Draw once for the many figures that rest on as many items."""
    return _draw(np.random.default_rng(SEED), n, resamples)


def _draw(rng: np.random.Generator, n: int, resamples: int) -> NDArray[np.uint16]:
    """Return (n_resamples, n) how often each item is drawn."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.uint16)


# In all measures, ``items`` (n_units,) is the number of the item to which each unit belongs, as a token to its sentence, from
# 0 on; None: each unit is an item. ``counts`` (n_units, n_labels) says how many annotators gave each label.


def cohen_kappa(first: Integers, second: Integers, labels: int, items: Integers | None = None) -> Measure:
    """Cohen's kappa of two annotators, whose codes (n_units,) run from 0 to ``labels - 1``."""
    eye = np.eye(labels)
    terms = np.column_stack([np.ones(len(first)), first == second, eye[first], eye[second]])

    def formula(sums: Floats) -> Floats:
        n, same = sums[..., 0], sums[..., 1]
        chance = (sums[..., 2 : 2 + labels] * sums[..., 2 + labels :]).sum(-1)
        return _ratio(n * same - chance, n * n - chance)

    return Measure(_by_item(terms, items), formula, ONE_LABEL)


def fleiss_kappa(counts: Floats, items: Integers | None = None) -> Measure:
    """Fleiss' kappa; every unit needs the same number of ratings, at least two."""
    terms = np.column_stack([np.ones(len(counts)), _agreeing(counts), counts.sum(1), counts])

    def formula(sums: Floats) -> Floats:
        observed = _ratio(sums[..., 1], sums[..., 0])
        ratings, chosen = sums[..., 2], sums[..., 3:]
        chance, certain = (chosen**2).sum(-1), ratings**2
        return _ratio(observed * certain - chance, certain - chance)

    return Measure(_by_item(terms, items), formula, ONE_LABEL)


def observed_agreement(counts: Floats, items: Integers | None = None) -> Measure:
    """The mean over units of the share of pairs of annotators who agree; every unit needs at least two ratings."""
    same = _agreeing(counts)
    terms = _by_item(np.column_stack([same, np.ones_like(same)]), items)
    return mean(terms[:, 0], terms[:, 1])


def nominal_alpha(counts: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha of unordered labels; units with fewer than two ratings count for nothing."""
    return distance_alpha(counts, 1 - np.eye(counts.shape[1]), items)


def distance_alpha(counts: Floats, distance: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha with a given distance between labels, as MASI between sets of labels.

    Args:
        counts: how many annotators gave each label.
        distance: (n_labels, n_labels), symmetric, zero on the diagonal.
        items: the item of each unit.
    """
    counts = counts * (counts.sum(1, keepdims=True) > 1)
    apart = ((counts @ distance) * counts).sum(1) / np.maximum(counts.sum(1) - 1, 1)

    def formula(sums: Floats) -> Floats:
        chosen = sums[..., 1:]
        return 1 - _ratio((chosen.sum(-1) - 1) * sums[..., 0], ((chosen @ distance) * chosen).sum(-1))

    return Measure(_by_item(np.column_stack([apart, counts]), items), formula, ONE_LABEL)


def ordinal_alpha(counts: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha of labels in their order; their distance depends on how many ratings lie between them."""
    counts = counts * (counts.sum(1, keepdims=True) > 1)
    labels = counts.shape[1]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(labels)
    coincidences = pairs / np.maximum(counts.sum(1) - 1, 1)[:, None, None]

    def formula(sums: Floats) -> Floats:
        chosen = sums[..., :labels]
        observed = sums[..., labels:].reshape(*sums.shape[:-1], labels, labels)
        ranks = np.cumsum(chosen, -1) - chosen / 2
        distance = (ranks[..., :, None] - ranks[..., None, :]) ** 2
        expected = chosen[..., :, None] * chosen[..., None, :] * distance
        return 1 - _ratio((chosen.sum(-1) - 1) * (observed * distance).sum((-2, -1)), expected.sum((-2, -1)))

    flat = coincidences.reshape(len(counts), labels * labels)
    return Measure(_by_item(np.column_stack([counts, flat]), items), formula, ONE_LABEL)


def label_alphas(chosen: Floats, raters: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha of each label against all others: is it this label, or is it not?

    Args:
        chosen: (n_units, n_labels) how many annotators gave each label.
        raters: (n_units,) how many annotators labelled the unit at all.
        items: the item of each unit.
    """
    raters = np.where(raters > 1, raters, 0)[:, None]
    chosen = chosen * (raters > 0)
    others = raters - chosen
    apart = 2 * chosen * others / np.maximum(raters - 1, 1)

    def formula(sums: Floats) -> Floats:
        yes, no = sums[..., 1], sums[..., 2]
        return 1 - _ratio((yes + no - 1) * sums[..., 0], 2 * yes * no)

    return Measure(_by_item(np.stack([apart, chosen, others], -1), items), formula, "everybody used it always or never")


def mean(values: Floats, weights: Floats | None = None, undefined: str = NO_VALUES) -> Measure:
    """The mean of values (n_items, …); with weights of the same shape, ``values`` are sums over so many comparisons each."""
    stacked = np.stack([values, np.ones_like(values) if weights is None else weights], -1)
    return Measure(stacked, lambda sums: _ratio(sums[..., 0], sums[..., 1]), undefined)


def f1(hits: Floats, marked: Floats) -> Measure:
    """F1 over all items together: twice the hits by all that either of two annotators marked.

    With several annotators the counts of all pairs are added up. F1 of two annotators does not depend on who is held to
    be right.

    Args:
        hits: (n_items, …) what both marked.
        marked: (n_items, …) what the one marked plus what the other marked.
    """
    return mean(2 * hits, marked, NOTHING_MARKED)


def _agreeing(counts: Floats) -> Floats:
    """Return (n_units,) the share of pairs of annotators who agree."""
    raters = counts.sum(1)
    return ((counts**2).sum(1) - raters) / (raters * (raters - 1))


def _by_item(terms: Floats, items: Integers | None) -> Floats:
    """Add up the terms of units that belong to one item: items are what a resample draws."""
    if items is None:
        return terms.astype(np.float64)
    sums = np.zeros((int(items.max(initial=-1)) + 1, *terms.shape[1:]))
    np.add.at(sums, items, terms)
    return sums


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below != 0)
