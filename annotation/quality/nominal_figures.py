"""Figures for labels that are names: the class of a text, the tag of a token, a set of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from doyen.annotation.quality import coefficients
from doyen.annotation.quality.coefficients import Floats, Integers
from doyen.annotation.quality.comparison import jaccard, masi, places
from doyen.annotation.quality.intervals import NAN, Figure, figure, figures
from doyen.annotation.quality.labelled_items import Item
from doyen.annotation.types.typed_labels import Classes, Tags

NO_CLASS = "(none)"
MOST_SETS = 1500
"""Different sets of labels that alpha with MASI compares each with each."""


@dataclass(frozen=True)
class Units:
    """What is decided one by one and was decided by two annotators or more: a text's class, or a token's tag.

    Attributes:
        answers: of each unit, by annotator.
        items: (n_units,) number of the item that each unit belongs to, without gaps.
        labels: all answers in use, in their order.
    """

    answers: list[Mapping[str, str]]
    items: Integers
    labels: list[str]

    @property
    def counts(self) -> Floats:
        """(n_units, n_labels) how many annotators gave each answer."""
        code = self._code()
        return count(([code[answer] for answer in unit.values()] for unit in self.answers), len(self.labels))

    @property
    def annotators(self) -> list[str]:
        """Who answered any unit, sorted."""
        return sorted({name for unit in self.answers for name in unit})

    def codes(self, annotator: str) -> Integers:
        """(n_units,) the annotator's answers as numbers; every unit must have one."""
        code = self._code()
        return np.array([code[unit[annotator]] for unit in self.answers], dtype=np.int64)

    def _code(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}


def class_units(items: Sequence[Item], order: Sequence[str] = ()) -> Units:
    """Return each text as one unit; ``order`` puts its labels first, in this order."""
    return _units(
        (
            [{entry.annotator: _only(label) for entry, label in zip(item.labels, item.of(Classes), strict=True)}]
            for item in items
        ),
        order,
    )


def tag_units(items: Sequence[Item]) -> Units:
    """Return each token as a unit: tokens are the same where their offsets are."""

    def tokens(item: Item) -> list[dict[str, str]]:
        units: dict[tuple[int, int], dict[str, str]] = {}
        for entry, label in zip(item.labels, item.of(Tags), strict=True):
            for place, tag in places(label).items():
                units.setdefault(place, {})[entry.annotator] = tag
        return [units[place] for place in sorted(units)]

    return _units((tokens(item) for item in items), ())


def nominal_figures(units: Units, *, ordered: bool = False) -> dict[str, Figure]:
    """Return observed agreement, alpha, Fleiss' kappa, and of two annotators Cohen's; alpha for ordered labels if asked."""
    counts = units.counts
    raters = counts.sum(1)
    same = ((counts**2).sum(1) - raters) / (raters * (raters - 1))
    terms = coefficients.by_item(np.column_stack([same, np.ones_like(same)]), units.items)
    found = {
        "agreement": figure(coefficients.mean(terms[:, 0], terms[:, 1])),
        "alpha": figure(coefficients.nominal_alpha(counts, units.items)),
    }
    if ordered:
        found["alpha_ordinal"] = figure(coefficients.ordinal_alpha(counts, units.items))
    found["fleiss_kappa"] = _fleiss(units, counts)
    annotators = units.annotators
    if len(annotators) == 2:
        first, second = (units.codes(name) for name in annotators)
        found["cohen_kappa"] = figure(coefficients.cohen_kappa(first, second, len(units.labels), units.items))
    return found


def nominal_label_figures(units: Units) -> dict[str, dict[str, Figure]]:
    """Return alpha of each label against all others; ``items`` are those in which somebody used it."""
    counts = units.counts
    return _label_alphas(units.labels, counts, counts.sum(1), units.items)


def set_figures(items: Sequence[Item]) -> dict[str, Figure]:
    """Return how alike sets of classes are: mean Jaccard and MASI over pairs of annotators, and alpha with MASI."""
    items = [item for item in items if len(item.labels) > 1]
    pairs = [[(a.labels, b.labels) for a, b in item.pairs(Classes)] for item in items]
    weights = np.array([len(own) for own in pairs], float)
    found = {
        name: figure(coefficients.mean(np.array([sum(alike(a, b) for a, b in own) for own in pairs], float), weights))
        for name, alike in (("jaccard", jaccard), ("masi", masi))
    }
    chosen = [[tuple(sorted(set(label.labels))) for label in item.of(Classes)] for item in items]
    kinds = sorted({labels for own in chosen for labels in own})
    if len(kinds) > MOST_SETS:
        return found | {"alpha_masi": Figure(NAN, NAN, NAN, len(items), f"more than {MOST_SETS} different sets are in use")}
    code = {labels: number for number, labels in enumerate(kinds)}
    distance = np.array([[1 - masi(a, b) for b in kinds] for a in kinds]).reshape(len(kinds), len(kinds))
    counts = count(([code[labels] for labels in own] for own in chosen), len(kinds))
    return {"alpha_masi": figure(coefficients.distance_alpha(counts, distance))} | found


def set_label_figures(items: Sequence[Item]) -> dict[str, dict[str, Figure]]:
    """Return alpha of each class, held or not; ``items`` are those in which somebody chose it."""
    items = [item for item in items if len(item.labels) > 1]
    chosen = [[label for own in item.of(Classes) for label in sorted(set(own.labels))] for item in items]
    labels = sorted({label for own in chosen for label in own})
    code = {label: number for number, label in enumerate(labels)}
    counts = count(([code[label] for label in own] for own in chosen), len(labels))
    return _label_alphas(labels, counts, np.array([len(item.labels) for item in items], float), None)


def count(codes: Iterable[Sequence[int]], width: int) -> Floats:
    """Return (n_rows, width) how often each code stands in each row."""
    rows = [np.bincount(row, minlength=width) for row in codes]
    return np.array(rows, float).reshape(len(rows), width)


def _label_alphas(labels: list[str], counts: Floats, raters: Floats, items: Integers | None) -> dict[str, dict[str, Figure]]:
    numbers = np.arange(len(counts)) if items is None else items
    behind = [len(np.unique(numbers[counts[:, column] > 0])) for column in range(len(labels))]
    found = figures(coefficients.label_alphas(counts, raters, items), behind)
    return {label: {"alpha": value} for label, value in zip(labels, found, strict=True)}


def _fleiss(units: Units, counts: Floats) -> Figure:
    """Fleiss' kappa needs as many ratings of each unit: those with the commonest number of ratings are taken."""
    raters = counts.sum(1)
    if not len(raters):
        return figure(coefficients.fleiss_kappa(counts))
    numbers, times = np.unique(raters, return_counts=True)
    kept = raters == numbers[times.argmax()]
    _, items = np.unique(units.items[kept], return_inverse=True)
    return figure(coefficients.fleiss_kappa(counts[kept], items))


def _units(found: Iterable[Sequence[Mapping[str, str]]], order: Sequence[str]) -> Units:
    answers: list[Mapping[str, str]] = []
    items: list[int] = []
    number = 0
    for units in found:
        shared = [unit for unit in units if len(unit) > 1]
        answers += shared
        items += [number] * len(shared)
        number += bool(shared)
    used = {answer for unit in answers for answer in unit.values()}
    labels = [label for label in order if label in used]
    return Units(answers, np.array(items, dtype=np.int64), labels + sorted(used - set(labels)))


def _only(label: Classes) -> str:
    return label.labels[0] if label.labels else NO_CLASS
