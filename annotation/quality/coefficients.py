"""Coefficients of agreement, each as sums over items and a formula of those sums.

Every measure here is such a formula, so that one matrix product gives all bootstrap resamples at once. A chance-corrected
coefficient is undefined where chance alone makes everybody agree (a single label in use); it is NaN then.

Sources: Cohen (1960), "A coefficient of agreement for nominal scales"; Fleiss (1971), "Measuring nominal scale agreement
among many raters"; Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability"; Hripcsak & Rothschild (2005),
"Agreement, the F-measure, and reliability in information retrieval", for F1 where nobody counts the negatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ONE_LABEL = "only one label is in use, so that agreement by chance is certain"
NOTHING_MARKED = "nobody marked anything"
NO_VALUES = "nobody gave a value"


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


def cohen_kappa(first: Integers, second: Integers, labels: int, items: Integers | None = None) -> Measure:
    """Cohen's kappa of two annotators.

    Args:
        first: (n_units,) codes from 0 to ``labels - 1``.
        second: the other annotator's, aligned.
        labels: how many labels there are.
        items: (n_units,) the item that each unit belongs to, from 0 on; default: each unit is an item.
    """
    eye = np.eye(labels)
    terms = np.column_stack([np.ones(len(first)), first == second, eye[first], eye[second]])

    def formula(sums: Floats) -> Floats:
        n, same = sums[..., 0], sums[..., 1]
        chance = (sums[..., 2 : 2 + labels] * sums[..., 2 + labels :]).sum(-1)
        return _ratio(n * same - chance, n * n - chance)

    return Measure(by_item(terms, items), formula, ONE_LABEL)


def fleiss_kappa(counts: Floats, items: Integers | None = None) -> Measure:
    """Fleiss' kappa; every unit needs the same number of ratings, at least two.

    Args:
        counts: (n_units, n_labels) how many annotators gave each label.
        items: (n_units,) the item of each unit; default: each unit is an item.
    """
    raters = counts.sum(1, keepdims=True)
    same = ((counts**2).sum(1, keepdims=True) - raters) / (raters * (raters - 1))
    terms = np.column_stack([np.ones(len(counts)), same, raters, counts])

    def formula(sums: Floats) -> Floats:
        observed = _ratio(sums[..., 1], sums[..., 0])
        ratings, chosen = sums[..., 2], sums[..., 3:]
        chance, certain = (chosen**2).sum(-1), ratings**2
        return _ratio(observed * certain - chance, certain - chance)

    return Measure(by_item(terms, items), formula, ONE_LABEL)


def nominal_alpha(counts: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha of unordered labels; units with fewer than two ratings count for nothing.

    Args:
        counts: (n_units, n_labels) how many annotators gave each label.
        items: (n_units,) the item of each unit; default: each unit is an item.
    """
    counts = counts * (counts.sum(1, keepdims=True) > 1)
    raters = counts.sum(1)
    apart = (raters**2 - (counts**2).sum(1)) / np.maximum(raters - 1, 1)

    def formula(sums: Floats) -> Floats:
        chosen = sums[..., 1:]
        n = chosen.sum(-1)
        return 1 - _ratio((n - 1) * sums[..., 0], n**2 - (chosen**2).sum(-1))

    return Measure(by_item(np.column_stack([apart, counts]), items), formula, ONE_LABEL)


def distance_alpha(counts: Floats, distance: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha with a given distance between labels, as MASI between sets of labels.

    Args:
        counts: (n_units, n_labels) how many annotators gave each label.
        distance: (n_labels, n_labels), symmetric, zero on the diagonal.
        items: (n_units,) the item of each unit; default: each unit is an item.
    """
    counts = counts * (counts.sum(1, keepdims=True) > 1)
    apart = ((counts @ distance) * counts).sum(1) / np.maximum(counts.sum(1) - 1, 1)

    def formula(sums: Floats) -> Floats:
        chosen = sums[..., 1:]
        return 1 - _ratio((chosen.sum(-1) - 1) * sums[..., 0], ((chosen @ distance) * chosen).sum(-1))

    return Measure(by_item(np.column_stack([apart, counts]), items), formula, ONE_LABEL)


def ordinal_alpha(counts: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha of ordered labels, whose distance depends on how many ratings lie between them.

    Args:
        counts: (n_units, n_labels) how many annotators gave each label, labels in their order.
        items: (n_units,) the item of each unit; default: each unit is an item.
    """
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
    return Measure(by_item(np.column_stack([counts, flat]), items), formula, ONE_LABEL)


def label_alphas(chosen: Floats, raters: Floats, items: Integers | None = None) -> Measure:
    """Krippendorff's alpha of each label against all others: is it this label, or is it not?

    Args:
        chosen: (n_units, n_labels) how many annotators gave each label.
        raters: (n_units,) how many annotators labelled the unit at all.
        items: (n_units,) the item of each unit; default: each unit is an item.
    """
    chosen = chosen * (raters > 1)[:, None]
    others = np.where(raters > 1, raters, 0)[:, None] - chosen
    apart = 2 * chosen * others / np.maximum(raters - 1, 1)[:, None]

    def formula(sums: Floats) -> Floats:
        yes, no = sums[..., 1], sums[..., 2]
        return 1 - _ratio((yes + no - 1) * sums[..., 0], 2 * yes * no)

    return Measure(by_item(np.stack([apart, chosen, others], -1), items), formula, "everybody used it always or never")


def mean(values: Floats, weights: Floats | None = None, undefined: str = NO_VALUES) -> Measure:
    """The mean of values; with weights, ``values`` are sums over so many comparisons each.

    Args:
        values: (n_items, …).
        weights: of the same shape; default: 1 each.
        undefined: why the mean is NaN when all weights are 0.
    """
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


def by_item(terms: Floats, items: Integers | None) -> Floats:
    """Add up the terms of units that belong to one item, as tokens to a sentence: items are what a resample draws."""
    if items is None:
        return terms.astype(np.float64)
    sums = np.zeros((int(items.max(initial=-1)) + 1, *terms.shape[1:]))
    np.add.at(sums, items, terms)
    return sums


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below != 0)
