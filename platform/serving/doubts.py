"""Which sentences of an answer are shown as proved: those whose figures stand in a passage may still answer something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from doyen.core.answers import AnswerSentence
from doyen.core.quantities import find_facts
from doyen.core.text import words
from doyen.platform.serving.verifier import Judgement
from doyen.retrieval.reading.findings import Finding


def doubted(judgement: Judgement, answer: str, spans: Sequence[Finding], sure: float) -> Judgement:
    """Return a judgement in which supported sentences that may not be what was asked are marked "unsure".

    Args:
        answer: the answer that was judged.
        spans: what the reader found, best first; a sentence is as probable as the best span that it says.
        sure: probability from which a span may be shown without a mark.
    """
    if not spans or spans[0].probability is None:
        return judgement
    sentences = [_doubted(sentence, answer[sentence.start : sentence.end], spans, sure) for sentence in judgement.sentences]
    return replace(judgement, sentences=sentences)


def _doubted(sentence: AnswerSentence, text: str, spans: Sequence[Finding], sure: float) -> AnswerSentence:
    if sentence.mark != "supported":
        return sentence
    said = set(words(text))
    # What says no span is unsure where it states figures: the reader, who looked for the answer, found others.
    unread = 0.0 if find_facts(text) else 1.0
    probability = next((span.probability or 0.0 for span in spans if said.issuperset(words(span.text))), unread)
    return sentence if probability >= sure else replace(sentence, mark="unsure")
