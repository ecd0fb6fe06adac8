"""Where two labels of one text part: how many decisions there were, and on how many they differ."""

from __future__ import annotations

from dataclasses import dataclass

from doyen.annotation.quality.comparison import (
    clusters,
    evidence,
    jaccard,
    marks,
    muc,
    overlap,
    pair_up,
    places,
    relation_marks,
    token_f1,
)
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, Label, PromptResponse, Tags

NOTHING = "nothing"
BOUNDARY = 0.5
"""What spans of equal label count at least when only their boundaries differ; nearly 1 when they hardly touch."""


@dataclass(frozen=True)
class Difference:
    """How two labels differ.

    Attributes:
        decisions: how many decisions the text asked for.
        apart: on how many of them the labels differ; parts of one where they nearly agree.
        confusions: what the one said where the other said something else, in alphabetical order.
    """

    decisions: float
    apart: float
    confusions: tuple[tuple[str, str], ...] = ()

    @property
    def agreement(self) -> float:
        """From 0 to 1; 1 where there was nothing to decide."""
        return 1 - self.apart / self.decisions if self.decisions else 1.0


def difference(first: Label, second: Label) -> Difference:
    """Compare two labels of one type; the order does not matter."""
    match first, second:
        case Classes(), Classes():
            return _classes(first, second)
        case Entities(), Entities():
            return _entities(first, second)
        case Coreference(), Coreference():
            return _coreference(first, second)
        case Tags(), Tags():
            return _tags(first, second)
        case PromptResponse(), PromptResponse():
            return _responses(first, second)
    raise TypeError(f"{type(first).__name__} and {type(second).__name__} cannot be compared")


def _classes(first: Classes, second: Classes) -> Difference:
    apart = 1 - jaccard(first.labels, second.labels)
    mine, yours = (", ".join(sorted(set(label.labels))) or NOTHING for label in (first, second))
    return Difference(1, apart, (_confusion(mine, yours),) if apart else ())


def _entities(first: Entities, second: Entities) -> Difference:
    mine, yours = marks(first.regions), marks(second.regions)
    same = mine & yours
    pairs = pair_up(mine - same, yours - same, any_label=True)
    apart = sum(1.0 if a[2] != b[2] else BOUNDARY + (1 - BOUNDARY) * (1 - overlap(a, b)) for a, b in pairs)
    alone = [*(mine - same - {a for a, _ in pairs}), *(yours - same - {b for _, b in pairs})]
    related = [relation_marks(label) for label in (first, second)]
    return Difference(
        len(same) + len(pairs) + len(alone) + len(related[0] | related[1]),
        apart + len(alone) + len(related[0] ^ related[1]),
        tuple(sorted([*(_confusion(a[2], b[2]) for a, b in pairs), *(_confusion(mark[2], NOTHING) for mark in alone)])),
    )


def _coreference(first: Coreference, second: Coreference) -> Difference:
    mine, yours = marks(first.mentions), marks(second.mentions)
    own, other = clusters(first), clusters(second)
    links = max(sum(len(members) - 1 for members in found) for found in (own, other))
    return Difference(len(mine | yours) + links, len(mine ^ yours) + links - muc(own, other).hits)


def _tags(first: Tags, second: Tags) -> Difference:
    mine, yours = places(first), places(second)
    everywhere = mine.keys() | yours.keys()
    apart = [(mine.get(place, NOTHING), yours.get(place, NOTHING)) for place in everywhere]
    confusions = sorted(_confusion(a, b) for a, b in apart if a != b)
    return Difference(len(everywhere), len(confusions), tuple(confusions))


def _responses(first: PromptResponse, second: PromptResponse) -> Difference:
    """One decision on the answer, one on the evidence, one on the rating, as far as anybody gave them."""
    decisions, apart = 1, 1.0
    if first.answerable == second.answerable:
        apart = 1 - token_f1(first.response, second.response)
    proof = evidence(first, second)
    if proof.marked:
        decisions, apart = decisions + 1, apart + 1 - proof.f1
    if first.rating is not None and second.rating is not None:
        decisions, apart = decisions + 1, apart + abs(first.rating - second.rating) / 4
    return Difference(decisions, apart)


def _confusion(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first <= second else (second, first)
