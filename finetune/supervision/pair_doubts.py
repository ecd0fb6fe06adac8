"""Doubts about labelled answers, for which no classifier is trained.

Answers are doubted that their evidence does not carry, that contradict each other, and that a training hardly learnt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from statistics import median

from doyen.annotation.types.typed_labels import LabelledText, PromptResponse
from doyen.core.records import REFUSAL
from doyen.core.text import words
from doyen.finetune.similarity import content_words, near_duplicate_pairs, numbers, same_answer

UNPROVEN = 0.5
"""Quality of an answer that has neither a passage nor a quote to rest on: nothing speaks for it or against it."""
WRONG_NUMBER = 0.1
"""Quality of an answer with a number that its evidence does not hold."""
OTHER_WORDS = 0.2
"""Quality of an answer none of whose words its evidence holds: it may say the same in others."""
IN_MAJORITY, IN_MINORITY = 0.4, 0.05
"""Quality of an answer that another one contradicts, by which of them more labels give."""

NORMAL = 1.4826
"""Standard deviation of a normal distribution whose median distance from the middle is 1."""


@dataclass(frozen=True)
class Doubt:
    """How far an answer can be believed.

    Attributes:
        quality: 0 to 1; 1: nothing speaks against it.
        reason: a sentence.
    """

    quality: float
    reason: str


def doubt_pairs(labelled: Sequence[LabelledText], areas: Mapping[int, float] | None = None) -> list[Doubt]:
    """Return the worst that can be said of each answer.

    Args:
        areas: under the margin of a training, by place in ``labelled``, for as many as there is one.
    """
    contradicted, unlearnt = _contradictions(labelled), _unlearnt(areas or {})
    doubts = ([_support(label), *contradicted[row], *unlearnt.get(row, ())] for row, label in enumerate(labelled))
    return [min(own, key=lambda doubt: doubt.quality) for own in doubts]


def _unlearnt(areas: Mapping[int, float]) -> dict[int, list[Doubt]]:
    """Return a doubt of each pair that was learnt less well than most.

    Its quality is how often one that belongs to the others would lie so far below the middle or further, were they distributed
    normally; their spread is told by the median, which wrong pairs do not move.
    """
    middle = median(areas.values()) if areas else 0.0
    spread = NORMAL * median(abs(area - middle) for area in areas.values()) if areas else 0.0
    if spread == 0:
        return {}
    found = {}
    for row, area in areas.items():
        if area < middle:
            said = f"The training on it was hardly sure of it: a margin of {area:.1f}, of most answers {middle:.1f}."
            found[row] = [Doubt(erfc((middle - area) / spread / sqrt(2)), said)]
    return found


def _support(labelled: LabelledText) -> Doubt:
    label = labelled.label
    if not isinstance(label, PromptResponse) or label.response.strip() == REFUSAL:
        return Doubt(1.0, "It refuses, which no evidence can prove.")
    evidence = " ".join([*(span.text for span in label.evidence), *label.quotes]) or labelled.text
    if not evidence.strip():
        return Doubt(UNPROVEN, "It has neither a passage nor a quote to rest on.")
    held = frozenset(words(evidence, whole="codes"))
    said = content_words(label.response)
    if strange := sorted(numbers(said) - held):
        return Doubt(WRONG_NUMBER, f"Its evidence does not hold {', '.join(strange)}.")
    # Words of the question are no news.
    news = said - content_words(label.prompt) or said
    share = len(news & held) / len(news) if news else 1.0
    return Doubt(OTHER_WORDS + (1 - OTHER_WORDS) * share, f"Its evidence holds {share:.0%} of its words.")


def _contradictions(labelled: Sequence[LabelledText]) -> dict[int, list[Doubt]]:
    """Return doubts by row: answers to nearly the same question about the same text that do not say the same."""
    asked = [content_words(_prompt(label)) for label in labelled]
    near: dict[int, list[int]] = defaultdict(list)
    for row, other in near_duplicate_pairs(asked, asked):
        if row != other and _comparable(labelled[row], labelled[other]):
            near[row].append(other)
    found: dict[int, list[Doubt]] = defaultdict(list)
    for row, others in near.items():
        agree = [other for other in others if same_answer(_response(labelled[row]), _response(labelled[other]))]
        against = [other for other in others if other not in agree]
        if against:
            quality = IN_MINORITY if len(agree) + 1 <= len(against) else IN_MAJORITY
            said = _response(labelled[against[0]])
            found[row].append(Doubt(quality, f"Nearly the same question is answered “{said[:80]}” elsewhere."))
    return found


def _comparable(one: LabelledText, other: LabelledText) -> bool:
    """Whether two answers must agree: they are about one document, or one of them names none."""
    sources = one.meta.get("source"), other.meta.get("source")
    return not all(sources) or sources[0] == sources[1]


def _prompt(labelled: LabelledText) -> str:
    return labelled.label.prompt if isinstance(labelled.label, PromptResponse) else ""


def _response(labelled: LabelledText) -> str:
    return labelled.label.response if isinstance(labelled.label, PromptResponse) else ""
