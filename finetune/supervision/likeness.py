"""How alike two labels of one text are, from 0 to 1: for votes of a model, and for what people make of its drafts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

from doyen.annotation.types.typed_labels import Classes, Coreference, Label, Marks, PromptResponse
from doyen.core.text import normalise
from doyen.finetune.similarity import same_answer


def likeness(first: Label, second: Label) -> float:
    """Return 1 for labels that say the same, 0 for those that share nothing.

    Classes are compared by the share that both have of all, marked stretches by F1 over stretch and label (of coreference also
    over pairs that name the same thing), answers by whether they agree (`same_answer`) on the same question.
    """
    if isinstance(first, PromptResponse) and isinstance(second, PromptResponse):
        asked = normalise(first.prompt) == normalise(second.prompt)
        return float(asked and first.answerable == second.answerable and same_answer(first.response, second.response))
    ours, theirs = _parts(first), _parts(second)
    if not ours and not theirs:
        return 1.0
    shared = len(ours & theirs)
    if isinstance(first, Classes):
        return shared / len(ours | theirs)
    return 2 * shared / (len(ours) + len(theirs))


def most_agreed(labels: Sequence[Label]) -> tuple[int, float]:
    """Return the place of the label that is most like all others, the first among equals, and how alike on average."""
    if len(labels) == 1:
        return 0, 1.0
    means = [sum(likeness(one, other) for other in labels) - 1 for one in labels]
    best = max(range(len(labels)), key=lambda place: means[place])
    return best, round(means[best] / (len(labels) - 1), 4)


def _parts(label: Label) -> set[Hashable]:
    """Return what a label is made of."""
    if isinstance(label, Classes):
        return set(label.labels)
    if not isinstance(label, Marks):
        return {label}
    places = {region.id: (region.start, region.end, region.label) for region in label.regions}
    parts: set[Hashable] = set(places.values())
    if isinstance(label, Coreference):
        return parts | {pair for chain in label.chains() for pair in combinations([(m.start, m.end) for m in chain], 2)}
    return parts | {(places[link.head], link.label, places[link.tail]) for link in label.relations}
