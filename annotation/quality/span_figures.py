"""Figures for what is marked or written: spans, mentions with their links, tokens, and free text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from doyen.annotation.quality import coefficients
from doyen.annotation.quality.comparison import (
    Shared,
    ceaf_e,
    clusters,
    evidence,
    exact,
    marks,
    muc,
    overlapping,
    places,
    relations,
    rouge_l,
    token_f1,
)
from doyen.annotation.quality.intervals import Figure, figure, figures
from doyen.annotation.quality.labelled_items import Item
from doyen.annotation.quality.nominal_figures import count
from doyen.annotation.types.typed_labels import Coreference, Entities, Label, PromptResponse, Tags

MOST_RATING = 5

L = TypeVar("L", bound=Label)


def entity_figures(items: Sequence[Item]) -> dict[str, Figure]:
    """Return F1 of entities, exact and overlapping, and of relations where there are any."""
    found = {
        "f1_exact": _f1(items, Entities, lambda a, b: exact(marks(a.regions), marks(b.regions))),
        "f1_overlap": _f1(items, Entities, lambda a, b: overlapping(marks(a.regions), marks(b.regions))),
    }
    if any(label.relations for item in items for label in item.of(Entities)):
        found["f1_relations"] = _f1(items, Entities, relations)
    return found


def entity_label_figures(items: Sequence[Item]) -> dict[str, dict[str, Figure]]:
    """Return F1 of each entity label, exact and overlapping; ``items`` are those in which somebody marked it."""
    items = [item for item in items if len(item.labels) > 1]
    labels = sorted({region.label for item in items for label in item.of(Entities) for region in label.regions})
    found: dict[str, dict[str, Figure]] = {label: {} for label in labels}
    for name, compare in (("f1_exact", exact), ("f1_overlap", overlapping)):
        shared = np.zeros((len(items), len(labels), 2))
        for row, item in enumerate(items):
            for first, second in item.pairs(Entities):
                for column, label in enumerate(labels):
                    shared[row, column] += compare(marks(first.regions, label), marks(second.regions, label))
        behind = [int((shared[:, column, 1] > 0).sum()) for column in range(len(labels))]
        values = figures(coefficients.f1(shared[..., 0], shared[..., 1]), behind)
        for label, value in zip(labels, values, strict=True):
            found[label][name] = value
    return found


def coreference_figures(items: Sequence[Item]) -> dict[str, Figure]:
    """Return F1 of links (MUC), of aligned clusters (CEAF-e) and of mentions."""
    return {
        "muc_f1": _f1(items, Coreference, lambda a, b: muc(clusters(a), clusters(b))),
        "ceaf_e_f1": _f1(items, Coreference, lambda a, b: ceaf_e(clusters(a), clusters(b))),
        "mention_f1": _f1(items, Coreference, lambda a, b: exact(marks(a.mentions), marks(b.mentions))),
    }


def token_figures(items: Sequence[Item]) -> dict[str, Figure]:
    """Return F1 of the tokens' boundaries: tags are compared on tokens that both annotators have."""
    return {"token_boundaries_f1": _f1(items, Tags, _boundaries)}


def text_figures(items: Sequence[Item]) -> dict[str, Figure]:
    """Return how alike the responses are, and agreement on evidence, on answerability and on ratings.

    A response and a refusal are compared as any two texts are.
    """
    items = [item for item in items if len(item.labels) > 1]
    found = {
        "token_f1": _mean(items, lambda a, b: token_f1(a.response, b.response)),
        "rouge_l": _mean(items, lambda a, b: rouge_l(a.response, b.response)),
        "answerable_alpha": figure(
            coefficients.nominal_alpha(count(([int(a.answerable) for a in item.of(PromptResponse)] for item in items), 2))
        ),
        "evidence_f1": _f1(items, PromptResponse, evidence),
    }
    ratings = [[a.rating for a in item.of(PromptResponse) if a.rating is not None] for item in items]
    rated = [own for own in ratings if len(own) > 1]
    if rated:
        found["rating_alpha"] = figure(coefficients.ordinal_alpha(count(rated, MOST_RATING + 1)))
    return found


def _boundaries(first: Tags, second: Tags) -> Shared:
    mine, yours = places(first).keys(), places(second).keys()
    return Shared(len(mine & yours), len(mine) + len(yours))


def _f1(items: Sequence[Item], kind: type[L], compare: Callable[[L, L], Shared]) -> Figure:
    """F1 over all pairs of annotators of all items that two or more labelled."""
    shared = [np.sum([compare(a, b) for a, b in item.pairs(kind)], axis=0) for item in items if len(item.labels) > 1]
    table = np.array(shared, float).reshape(len(shared), 2)
    return figure(coefficients.f1(table[:, 0], table[:, 1]))


def _mean(items: Sequence[Item], alike: Callable[[PromptResponse, PromptResponse], float]) -> Figure:
    """Mean similarity over the pairs of annotators of each item."""
    pairs = [list(item.pairs(PromptResponse)) for item in items]
    sums = np.array([sum(alike(a, b) for a, b in own) for own in pairs], float)
    return figure(coefficients.mean(sums, np.array([len(own) for own in pairs], float)))
