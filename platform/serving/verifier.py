"""The seam between generating and citing: who judges an answer by its passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from doyen.core.answers import AnswerSentence, Citation, Passage, Support


@dataclass(frozen=True)
class Judgement:
    """What is held to be true about an answer.

    Attributes:
        support: "supported" when each figure stands in a cited sentence about what was asked, "number_not_found" when one
            does not or they are of another kind than was asked for, "not_checked" without figures.
        citations: the sentences that the answer rests on, each with its own ``support``; a quote that contradicts the
            answer is left out.
        sentences: the answer's sentences with their marks; empty where nothing is checked.
    """

    support: Support
    citations: list[Citation]
    sentences: list[AnswerSentence] = field(default_factory=list)


class Verifier(Protocol):
    """Judges a generated answer before it is given out with its citations."""

    def judge(self, question: str, passages: Sequence[Passage], answer: str) -> Judgement:
        """Return what of the answer the passages carry.

        Args:
            question: a follow-up made to stand alone, from what the person said and no earlier answer.
            passages: what the model was shown, best first; citations refer to them by marker, from 1.
            answer: the generated text, no refusal.
        """
