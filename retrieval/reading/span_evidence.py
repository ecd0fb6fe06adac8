"""Whether a span may be shown as the answer: what tells that it is the right one, and when nothing can.

A passage that answers is not enough: "12 hours" stands in a true sentence, verbatim, and the question was about another sensor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from doyen.core.answer_kinds import contradicts, repeats
from doyen.core.answers import Passage
from doyen.core.quantities import Fact, Stated, find_facts, find_values
from doyen.core.text import token_f1
from doyen.retrieval.reading.calibration import SpanObservation
from doyen.retrieval.tokens import tokens
from doyen.retrieval.units import split_sentences

if TYPE_CHECKING:
    from doyen.retrieval.reading.findings import Finding

SAME = 0.5
"""Token F1 from which two spans say the same."""
_SEPARATORS = re.compile(r"[-_/.]+")
_ENDING = re.compile(r"(?<=[^\W\d])(?:['’]s|s)$")


@dataclass(frozen=True)
class _Sentence:
    """A sentence of a passage with what it says; the rest is looked up once, when it is needed."""

    passage: Passage
    start: int
    end: int

    @cached_property
    def tokens(self) -> frozenset[str]:
        return frozenset(tokens(f"{about(self.passage)} {self.passage.text[self.start : self.end]}"))

    @cached_property
    def facts(self) -> list[Fact]:
        return find_facts(self.passage.text[self.start : self.end])


class SpanEvidence:
    """What speaks for and against each of the spans that were found for a question."""

    def __init__(self, question: str, passages: Sequence[Passage], spans: Sequence[Finding]) -> None:
        """Take what was read.

        Args:
            spans: all that were found in the passages.
        """
        self._question, self._spans = question, spans
        self._asked = frozenset(tokens(question))
        self._sentences = [_Sentence(each, *place) for each in passages for place in split_sentences(each.text)]
        highest = max((span.score for span in spans), default=0.0)
        self._weights = [math.exp(span.score - highest) for span in spans]

    def observe(self, span: Finding) -> SpanObservation:
        """Return what a calibration is fitted to and applied to."""
        pairs = zip(self._weights, self._spans, strict=True)
        same = sum(weight for weight, other in pairs if token_f1(span.text, other.text) >= SAME)
        share = self._shared(_Sentence(span.passage, *span.sentence)) / len(self._asked) if self._asked else 1.0
        return SpanObservation(span.score, same / sum(self._weights), share, float(contradicts(self._question, span.text)))

    def is_disputed(self, span: Finding) -> bool:
        """Whether a span cannot be the proved answer, however well it fits.

        It only says what the question says, its passage lacks a code, number or name of the question ("E-42" where it speaks
        of E-41), or another sentence that shares as many words with the question states another value of the same kind.
        """
        repeated = repeats(self._question, span.text)
        return repeated or stated_share(self._question, span.passage) < 1 or self._has_rival(span)

    def _has_rival(self, span: Finding) -> bool:
        facts = find_facts(span.text)
        kinds = {(fact.kind, fact.unit) for fact in facts}
        least = self._shared(_Sentence(span.passage, *span.sentence))
        for sentence in self._sentences if facts else []:
            own = sentence.passage is span.passage and sentence.start < span.sentence[1] and span.sentence[0] < sentence.end
            if own or self._shared(sentence) < least:
                continue
            agrees = any(fact.stated_by(other) for fact in facts for other in sentence.facts)
            if not agrees and any((other.kind, other.unit) in kinds for other in sentence.facts):
                return True
        return False

    def _shared(self, sentence: _Sentence) -> int:
        return len(self._asked & sentence.tokens)


def about(passage: Passage) -> str:
    """Return what a passage is about beside its text: the headings above it and the words of its document's name."""
    return f"{passage.heading} | {_SEPARATORS.sub(' ', passage.source)}"


def stated_share(question: str, passage: Passage) -> float:
    """Return the share of a question's codes, numbers and names that a passage or its headings state; 1 without any."""
    values = [question[start:end] for start, end in find_values(question)]
    stated = Stated([f"{passage.source} | {about(passage)} | {passage.text}"])
    found = sum(value in stated or _ENDING.sub("", value) in stated for value in values)
    return found / len(values) if values else 1.0
