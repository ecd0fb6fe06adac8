"""Questions and answers that a model writes about passages: on one, on two, and such as the passage does not answer.

    passage ─▶ question, answer, evidence ─┬─▶ votes: the model answers again ─▶ round trip: the reader finds the answer ─▶ kept
                                           └─▶ one value exchanged (arXiv 2310.19403): nothing here answers it

An answer that is not in the passage, or that the model itself, asked again, or the reader does not find, is dropped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from doyen.annotation import Excerpt
from doyen.annotation.types.spans import find_quotes
from doyen.annotation.types.typed_labels import PromptResponse
from doyen.core.records import REFUSAL
from doyen.core.text import normalise, words
from doyen.finetune.similarity import same_answer
from doyen.finetune.swapped_questions import swap_value, values_of
from doyen.retrieval.units import split_sentences

SINGLE, TWO, UNANSWERABLE = "single", "two", "unanswerable"
KINDS = (SINGLE, TWO, UNANSWERABLE)
PROMPTS = {
    SINGLE: (
        "Choose a sentence of the passage that states a fact. Write one question that this sentence answers and that can be "
        "understood without it, and the answer in a few words copied from the sentence.\n\nPassage:\n{first}"
    ),
    TWO: (
        "Write one question for which both passages are needed and that can be understood without them, its answer, and from "
        "each passage the exact words that prove it.\n\nFirst passage:\n{first}\n\nSecond passage:\n{second}"
    ),
    "answer": (
        "Answer the question from the passage, in a few words copied from it. If it does not say, answer “{refusal}”"
        "\n\nPassage:\n{first}\n\nQuestion: {question}"
    ),
}
"""A changed wording raises ``generated.PROMPT_VERSION``."""
MOST_SENTENCES = 100
_LONG = {"type": "string", "minLength": 1, "maxLength": 400}
_SHORT = {"type": "string", "minLength": 1, "maxLength": 160}


class SpanReader(Protocol):
    """Finds answers in passages, as ``retrieval.reading.Reader`` does."""

    def read(self, question: str, passages: Sequence[str], *, spans: int = 1) -> Sequence[Any]:
        """Return a reading of each passage, with its best ``spans``."""


@dataclass(frozen=True)
class WrittenQuestion:
    """What came of a passage.

    Attributes:
        dropped: why nothing did.
        score: share of the model's own answers that agree.
    """

    kind: str
    label: PromptResponse | None
    score: float = 0.0
    dropped: str = ""


Fill = Callable[[str, dict[str, Any], int], dict[str, Any] | None]
"""``fill(prompt, schema, sample)``: the model's answer as an object, None where it gave none; each sample is another draw."""


@dataclass(frozen=True)
class QuestionWriter:
    """Writes one question about a passage.

    Attributes:
        votes: how often the answer is given, the first time with the question.
        reader: None leaves the round trip out.
        second: gives another passage of the same document with all of its text, or None.
    """

    fill: Fill
    votes: int
    reader: SpanReader | None
    second: Callable[[Excerpt], tuple[str, str] | None]
    seed: int

    def write(self, excerpt: Excerpt, kind: str, asked: Sequence[str]) -> WrittenQuestion:
        """Return a question of a kind about a passage; where there is no second one, of one passage alone.

        Args:
            asked: questions that were written before, whose values are exchanged for this one's.
        """
        other = self.second(excerpt) if kind == TWO else None
        kind = SINGLE if kind == TWO and other is None else kind
        passages = [excerpt.text, *([other[0]] if other else [])]
        made = self._ask(kind, passages)
        if made is None:
            return WrittenQuestion(kind, None, dropped="no question in the form that was asked for")
        question, answer, evidence = made
        if wrong := _unsound(question, answer, evidence, passages):
            return WrittenQuestion(kind, None, dropped=wrong)
        if not self._found_again(question, answer, passages):
            return WrittenQuestion(kind, None, dropped="the reader does not find the answer")
        score = self._agreement(question, answer, passages)
        if kind == UNANSWERABLE:
            return self._unanswerable(excerpt, question, score, asked)
        here, elsewhere = find_quotes(excerpt.text, evidence)
        return WrittenQuestion(kind, PromptResponse(question, answer, True, tuple(here), tuple(elsewhere)), score)

    def _ask(self, kind: str, passages: Sequence[str]) -> tuple[str, str, list[str]] | None:
        names = ["evidence"] if len(passages) == 1 else ["evidence_1", "evidence_2"]
        # The sentence comes first and is one of the passage's: a small model copies none without a mistake.
        quotes = {name: _one_of(text) for name, text in zip(names, passages, strict=True)}
        form = _form(**quotes, question=_SHORT, answer=_SHORT)
        wording = PROMPTS[TWO if len(passages) == 2 else SINGLE]
        values = self.fill(wording.format(first=passages[0], second=passages[-1]), form, 0)
        try:
            found = [" ".join(str(values[name]).split()) for name in ("question", "answer")] if values else []
            return (found[0], found[1], [str(values[name]).strip() for name in names]) if values else None
        except KeyError:
            return None

    def _found_again(self, question: str, answer: str, passages: Sequence[str]) -> bool:
        """Whether the best span that the reader finds in the passages is the answer."""
        if self.reader is None:
            return True
        readings = self.reader.read(question, list(passages), spans=1)
        spans = [(reading.spans[0], text) for reading, text in zip(readings, passages, strict=True) if reading.spans]
        if not spans:
            return False
        best, text = max(spans, key=lambda found: found[0].score)
        return same_answer(text[best.start : best.end], answer)

    def _agreement(self, question: str, answer: str, passages: Sequence[str]) -> float:
        """Return the share of the model's answers that agree with the first."""
        wording = PROMPTS["answer"].format(first="\n\n".join(passages), question=question, refusal=REFUSAL)
        agreed = 1
        for sample in range(1, self.votes):
            values = self.fill(wording, _form(answer=_SHORT), sample)
            agreed += values is not None and same_answer(str(values.get("answer", "")), answer)
        return round(agreed / self.votes, 4)

    def _unanswerable(self, excerpt: Excerpt, question: str, score: float, asked: Sequence[str]) -> WrittenQuestion:
        draw = random.Random(f"{self.seed}/{excerpt.chunk_id or excerpt.text}")
        found = self.second(excerpt)
        texts = [excerpt.text, *([found[1]] if found else [])]
        swapped = swap_value(question, texts, values_of(asked), draw)
        if swapped is None:
            return WrittenQuestion(UNANSWERABLE, None, dropped="the question has no value to exchange")
        return WrittenQuestion(UNANSWERABLE, PromptResponse(swapped, REFUSAL, answerable=False), score)


def _unsound(question: str, answer: str, evidence: Sequence[str], passages: Sequence[str]) -> str:
    """Return what is wrong with a question and its answer; empty where nothing is."""
    if len(question.split()) < 3:
        return "the question is too short"
    if any(normalise(question).rstrip("?. ") in normalise(text) for text in passages):
        return "the question is copied from the passage"
    if set(words(answer)) <= set(words(question)):
        return "the question holds the answer"
    if any(quote not in text for quote, text in zip(evidence, passages, strict=True)):
        return "a passage does not hold the evidence"
    if not words(answer) or not any(normalise(answer) in normalise(text) for text in passages):
        return "the passage does not hold the answer"
    return ""


def _one_of(passage: str) -> dict[str, Any]:
    """Return the form of a sentence of a passage; of one with very many, any text."""
    sentences = {passage[start:end].strip() for start, end in split_sentences(passage)} - {""}
    return {"type": "string", "enum": sorted(sentences)} if 0 < len(sentences) <= MOST_SENTENCES else _LONG


def _form(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
