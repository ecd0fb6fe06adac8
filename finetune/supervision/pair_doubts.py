"""Doubts about labelled answers, for which no classifier is trained: unsupported ones, and ones that contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Doubt:
    """How far an answer can be believed.

    Attributes:
        quality: 0 to 1; 1: nothing speaks against it.
        reason: a sentence.
    """

    quality: float
    reason: str


def doubt_pairs(labelled: Sequence[LabelledText]) -> list[Doubt]:
    """Return the worst that can be said of each answer: of its evidence, or of answers to nearly the same question."""
    contradicted = _contradictions(labelled)
    return [min([_support(label), *contradicted[row]], key=lambda doubt: doubt.quality) for row, label in enumerate(labelled)]


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
