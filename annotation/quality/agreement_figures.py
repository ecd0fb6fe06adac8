"""Which figures say how far annotators agree, by the kind of label; each item was labelled by two annotators or more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from doyen.annotation.quality import coefficients
from doyen.annotation.quality.coefficients import NAN, Figure, Floats, Integers, figure, figures
from doyen.annotation.quality.comparison import (
    Mark,
    Shared,
    ceaf_e,
    clusters,
    evidence,
    exact,
    jaccard,
    marks,
    masi,
    muc,
    overlapping,
    places,
    relation_marks,
    rouge_l,
    token_f1,
)
from doyen.annotation.quality.labelled_items import Item, require_single
from doyen.annotation.types.typed_labels import (
    MAX_RATING,
    Classes,
    Coreference,
    Entities,
    Label,
    PromptResponse,
    Tags,
)
from doyen.core.errors import InputError

Figures = dict[str, Figure]

NO_CLASS = "(none)"
NO_ORDER = "only classes of which each text has one can have an order: leave it out"
MOST_SETS = 1500
"""Different sets of labels that alpha with MASI compares each with each."""

L = TypeVar("L", bound=Label)


@dataclass(frozen=True)
class Measures:
    """The measures of one task type.

    Attributes:
        primary: name of the measure that a threshold should be set on.
        overall: the figures of items, by measure.
        by_label: the figures of each label.
    """

    primary: str
    overall: Callable[[Sequence[Item]], Figures]
    by_label: Callable[[Sequence[Item]], dict[str, Figures]]


MeasuresOf: TypeAlias = Callable[[Sequence[Item], bool, Sequence[str] | None], Measures]
"""From items, which are only checked, ``multiple`` and ``order`` (as for ``agreement_report``) to the measures of a type."""


def measures_without_order(
    primary: str, overall: Callable[[Sequence[Item]], Figures], by_label: Callable[[Sequence[Item]], dict[str, Figures]]
) -> MeasuresOf:
    """Return the measures of a task type whose labels cannot be put in order."""

    def measures(items: Sequence[Item], multiple: bool, order: Sequence[str] | None) -> Measures:
        if order:
            raise InputError(NO_ORDER)
        return Measures(primary, overall, by_label)

    return measures


def class_measures(
    items: Sequence[Item], multiple: bool, order: Sequence[str] | None, *, scale: Sequence[str] = ()
) -> Measures:
    """Return the measures of classes: of sets where a text may have several, else nominal, and ordinal where ordered.

    Args:
        scale: their order where none is given.
    """
    if multiple:
        if order:
            raise InputError(NO_ORDER)
        return Measures("alpha_masi", set_figures, set_label_figures)
    require_single(items)
    levels = scale if order is None else order
    used = {name for item in items for label in item.of(Classes) for name in label.labels}
    if levels and (missing := sorted(used - set(levels))):
        raise InputError(f"the order of classes lacks {', '.join(missing)}: name every class that is in use, from low to high")
    return Measures(
        "alpha",
        lambda own: nominal_figures(class_units(own, levels), ordered=bool(levels)),
        lambda own: nominal_label_figures(class_units(own, levels)),
    )


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
        return _counts([list(unit.values()) for unit in self.answers], self.labels)

    def codes(self, annotator: str) -> Integers:
        """(n_units,) the annotator's answers as numbers; every unit must have one."""
        code = {label: number for number, label in enumerate(self.labels)}
        return np.array([code[unit[annotator]] for unit in self.answers], dtype=np.int64)


def class_units(items: Sequence[Item], order: Sequence[str] = ()) -> Units:
    """Return each text as one unit; ``order`` puts its labels first, in this order."""
    return _units([[{name: only_class(own) for name, own in item.by_annotator(Classes).items()}] for item in items], order)


def tag_units(items: Sequence[Item]) -> Units:
    """Return each token as a unit: tokens are the same where their offsets are."""
    found = []
    for item in items:
        units: dict[tuple[int, int], dict[str, str]] = {}
        for name, label in item.by_annotator(Tags).items():
            for place, tag in places(label).items():
                units.setdefault(place, {})[name] = tag
        found.append([units[place] for place in sorted(units)])
    return _units(found, ())


def only_class(label: Classes) -> str:
    """Return the class of a text that has one at most."""
    return label.labels[0] if label.labels else NO_CLASS


def nominal_figures(units: Units, *, ordered: bool = False) -> Figures:
    """Return observed agreement, alpha, Fleiss' kappa, and of two annotators Cohen's; alpha for ordered labels if asked."""
    counts, items = units.counts, units.items
    found = {
        "agreement": figure(coefficients.observed_agreement(counts, items)),
        "alpha": figure(coefficients.nominal_alpha(counts, items)),
    }
    if ordered:
        found["alpha_ordinal"] = figure(coefficients.ordinal_alpha(counts, items))
    found["fleiss_kappa"] = _fleiss(counts, items)
    annotators = sorted({name for unit in units.answers for name in unit})
    if len(annotators) == 2:
        first, second = map(units.codes, annotators)
        found["cohen_kappa"] = figure(coefficients.cohen_kappa(first, second, len(units.labels), items))
    return found


def nominal_label_figures(units: Units) -> dict[str, Figures]:
    """Return alpha of each label against all others; ``items`` are those in which somebody used it."""
    counts = units.counts
    return _label_alphas(units.labels, counts, counts.sum(1), units.items)


def set_figures(items: Sequence[Item]) -> Figures:
    """Return how alike sets of classes are: alpha with MASI, and mean Jaccard and MASI over pairs of annotators."""
    chosen = [[tuple(sorted(set(label.labels))) for label in item.of(Classes)] for item in items]
    return {
        "alpha_masi": _masi_alpha(chosen),
        "jaccard": _mean(items, Classes, lambda a, b: jaccard(a.labels, b.labels)),
        "masi": _mean(items, Classes, lambda a, b: masi(a.labels, b.labels)),
    }


def set_label_figures(items: Sequence[Item]) -> dict[str, Figures]:
    """Return alpha of each class, held or not; ``items`` are those in which somebody chose it."""
    chosen = [[label for own in item.of(Classes) for label in sorted(set(own.labels))] for item in items]
    labels = sorted({label for own in chosen for label in own})
    raters = np.array([len(item.labels) for item in items], float)
    return _label_alphas(labels, _counts(chosen, labels), raters, np.arange(len(items)))


def entity_figures(items: Sequence[Item]) -> Figures:
    """Return F1 of entities, exact and overlapping, and of relations where there are any."""
    found = {
        "f1_exact": _f1(items, Entities, lambda a, b: exact(marks(a.regions), marks(b.regions))),
        "f1_overlap": _f1(items, Entities, lambda a, b: overlapping(marks(a.regions), marks(b.regions))),
    }
    if any(label.relations for item in items for label in item.of(Entities)):
        found["f1_relations"] = _f1(items, Entities, lambda a, b: exact(relation_marks(a), relation_marks(b)))
    return found


def entity_label_figures(items: Sequence[Item]) -> dict[str, Figures]:
    """Return F1 of each entity label, exact and overlapping; ``items`` are those in which somebody marked it."""

    def marked(entities: Entities, label: str) -> set[Mark]:
        return marks(region for region in entities.regions if region.label == label)

    labels = sorted({region.label for item in items for own in item.of(Entities) for region in own.regions})
    if not labels:
        return {}
    found: dict[str, Figures] = {label: {} for label in labels}
    for name, compare in (("f1_exact", exact), ("f1_overlap", overlapping)):
        shared = np.zeros((len(items), len(labels), 2))
        for row, item in enumerate(items):
            for first, second in item.pairs(Entities):
                shared[row] += [compare(marked(first, label), marked(second, label)) for label in labels]
        behind = (shared[..., 1] > 0).sum(0).tolist()
        for label, value in zip(labels, figures(coefficients.f1(shared[..., 0], shared[..., 1]), behind), strict=True):
            found[label][name] = value
    return found


def coreference_figures(items: Sequence[Item]) -> Figures:
    """Return F1 of links (MUC), of aligned clusters (CEAF-e) and of mentions."""
    return {
        "muc_f1": _f1(items, Coreference, lambda a, b: muc(clusters(a), clusters(b))),
        "ceaf_e_f1": _f1(items, Coreference, lambda a, b: ceaf_e(clusters(a), clusters(b))),
        "mention_f1": _f1(items, Coreference, lambda a, b: exact(marks(a.regions), marks(b.regions))),
    }


def token_figures(items: Sequence[Item]) -> Figures:
    """Return F1 of the tokens' boundaries: tags are compared on tokens that both annotators have."""
    return {"token_boundaries_f1": _f1(items, Tags, lambda a, b: exact(places(a).keys(), places(b).keys()))}


def text_figures(items: Sequence[Item]) -> Figures:
    """Return how alike the responses are, and agreement on evidence, on answerability and on ratings.

    A response and a refusal are compared as any two texts are.
    """
    answerable = [[label.answerable for label in item.of(PromptResponse)] for item in items]
    found = {
        "token_f1": _mean(items, PromptResponse, lambda a, b: token_f1(a.response, b.response)),
        "rouge_l": _mean(items, PromptResponse, lambda a, b: rouge_l(a.response, b.response)),
        "answerable_alpha": figure(coefficients.nominal_alpha(_counts(answerable, [False, True]))),
        "evidence_f1": _f1(items, PromptResponse, lambda a, b: exact(evidence(a), evidence(b))),
    }
    ratings = [[label.rating for label in item.of(PromptResponse) if label.rating is not None] for item in items]
    if rated := [own for own in ratings if len(own) > 1]:
        found["rating_alpha"] = figure(coefficients.ordinal_alpha(_counts(rated, range(MAX_RATING + 1))))
    return found


def no_labels(items: Sequence[Item]) -> dict[str, Figures]:
    """Return the figures of each label where labels are not compared one by one."""
    return {}


entity_measures = measures_without_order("f1_exact", entity_figures, entity_label_figures)
coreference_measures = measures_without_order("muc_f1", coreference_figures, no_labels)
tag_measures = measures_without_order(
    "alpha",
    lambda items: nominal_figures(tag_units(items)) | token_figures(items),
    lambda items: nominal_label_figures(tag_units(items)),
)
text_measures = measures_without_order("token_f1", text_figures, no_labels)


def _units(found: Iterable[Sequence[Mapping[str, str]]], order: Sequence[str]) -> Units:
    shared = [own for units in found if (own := [unit for unit in units if len(unit) > 1])]
    answers = [unit for own in shared for unit in own]
    items = np.repeat(np.arange(len(shared)), [len(own) for own in shared])
    used = {answer for unit in answers for answer in unit.values()}
    labels = [label for label in order if label in used]
    return Units(answers, items, labels + sorted(used - set(labels)))


def _counts(answers: Sequence[Sequence[object]], labels: Sequence[object]) -> Floats:
    """Return (n_units, n_labels) how often each label is among the answers to each unit."""
    code = {label: number for number, label in enumerate(labels)}
    rows = [np.bincount([code[answer] for answer in own], minlength=len(labels)) for own in answers]
    return np.array(rows, float).reshape(len(rows), len(labels))


def _label_alphas(labels: list[str], counts: Floats, raters: Floats, items: Integers) -> dict[str, Figures]:
    behind = [len(np.unique(items[counts[:, column] > 0])) for column in range(len(labels))]
    found = figures(coefficients.label_alphas(counts, raters, items), behind)
    return {label: {"alpha": value} for label, value in zip(labels, found, strict=True)}


def _fleiss(counts: Floats, items: Integers) -> Figure:
    """Fleiss' kappa needs as many ratings of each unit: those with the commonest number of ratings are taken."""
    if len(counts):
        raters = counts.sum(1)
        numbers, times = np.unique(raters, return_counts=True)
        kept = raters == numbers[times.argmax()]
        counts, items = counts[kept], np.unique(items[kept], return_inverse=True)[1]
    return figure(coefficients.fleiss_kappa(counts, items))


def _masi_alpha(chosen: Sequence[Sequence[tuple[str, ...]]]) -> Figure:
    kinds = sorted({labels for own in chosen for labels in own})
    if len(kinds) > MOST_SETS:
        return Figure(NAN, NAN, NAN, len(chosen), f"more than {MOST_SETS} different sets are in use")
    distance = np.array([[1 - masi(a, b) for b in kinds] for a in kinds]).reshape(len(kinds), len(kinds))
    return figure(coefficients.distance_alpha(_counts(chosen, kinds), distance))


def _f1(items: Sequence[Item], kind: type[L], compare: Callable[[L, L], Shared]) -> Figure:
    """F1 over all pairs of annotators of all items."""
    shared = [np.sum([compare(a, b) for a, b in item.pairs(kind)], axis=0) for item in items]
    table = np.array(shared, float).reshape(len(shared), 2)
    return figure(coefficients.f1(table[:, 0], table[:, 1]))


def _mean(items: Sequence[Item], kind: type[L], alike: Callable[[L, L], float]) -> Figure:
    """Mean similarity over the pairs of annotators of each item."""
    found = [[alike(a, b) for a, b in item.pairs(kind)] for item in items]
    sums, weights = (np.array([total(own) for own in found], float) for total in (sum, len))
    return figure(coefficients.mean(sums, weights))
