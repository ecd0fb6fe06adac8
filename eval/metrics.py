"""Metrics of one answer against its question, each a small function.

A metric returns None where it does not apply to the question (token F1 of an unanswerable one), and NaN where it
applies but has no value (citation precision of an answer that cites nothing): both stay out of the mean, and the
second is counted.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from doyen.core.answers import Citation
from doyen.core.records import Question
from doyen.core.text import UNSPACED
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.evidence_overlap import evidence_in, quotes_evidence
from doyen.eval.key_facts import key_facts_right

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")

HALF = 0.5
"""Token F1 from which an answer without key facts counts as right where one word is needed."""

Score = float | None
Metric = Callable[[Question, AnswerRecord], Score]


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is shown.

    Attributes:
        title: for tables.
        better: "higher" or "lower".
        explanation: one sentence for the report; docs/evaluation.md has the whole definition.
        rate: each score is 0 or 1, so that the interval is exact.
    """

    title: str
    explanation: str
    better: str = "higher"
    rate: bool = False


def squad_normalise(text: str) -> str:
    """Return the text in lower case without punctuation, English articles and extra white space.

    This is the normalisation of SQuAD's evaluation script (Rajpurkar et al. 2016, arXiv 1606.05250), carried over to other
    scripts: any punctuation of Unicode, full-width forms as their usual ones, and blanks around the characters of
    scripts that have none. ASCII text comes out exactly as from that script.
    """
    kept = "".join(char for char in map(_usual_width, text.casefold()) if not _is_punctuation(char))
    return " ".join(_UNSPACED_LETTER.sub(r" \g<0> ", _ARTICLES.sub(" ", kept)).split())


@lru_cache(maxsize=4096)
def _usual_width(char: str) -> str:
    """Return "２" as "2" and "ｋ" as "k"; raised and lowered figures stay, because 10⁶ is not 106."""
    return unicodedata.normalize("NFKC", char) if unicodedata.east_asian_width(char) in {"F", "H"} else char


@lru_cache(maxsize=4096)
def _is_punctuation(char: str) -> bool:
    return char in string.punctuation or unicodedata.category(char).startswith("P")


def overlap_f1(answer: str, reference: str) -> float:
    """Return SQuAD's token F1: the harmonic mean of precision and recall of the shared words, with repetition."""
    given, wanted = squad_normalise(answer).split(), squad_normalise(reference).split()
    if not given or not wanted:
        return float(given == wanted)
    shared = (Counter(given) & Counter(wanted)).total()
    return 2 * shared / (len(given) + len(wanted))


def token_f1(question: Question, record: AnswerRecord) -> Score:
    """SQuAD token F1 (0 to 1) against the best of the references; answerable questions only, a refusal scores as text."""
    if not question.answerable:
        return None
    return max(overlap_f1(record.answer, reference) for reference in question.answers)


def exact_match(question: Question, record: AnswerRecord) -> Score:
    """SQuAD exact match (0 or 1): equal to one of the references after normalisation; answerable questions only."""
    if not question.answerable:
        return None
    return float(squad_normalise(record.answer) in {squad_normalise(reference) for reference in question.answers})


def key_facts(question: Question, record: AnswerRecord) -> Score:
    """Whether the answer holds a reference's key facts and no other number of the same unit (0 or 1).

    Does not apply where no reference states a number, date, code or name; a refusal is wrong.
    """
    if not question.answerable:
        return None
    right = key_facts_right(question.question, "" if record.abstained else record.answer, question.answers)
    return None if right is None else float(right)


def refusal_accuracy(question: Question, record: AnswerRecord) -> Score:
    """Whether an unanswerable question was refused (0 or 1)."""
    return None if question.answerable else float(record.abstained)


def over_refusal(question: Question, record: AnswerRecord) -> Score:
    """Whether an answerable question was refused (0 or 1; lower is better)."""
    return float(record.abstained) if question.answerable else None


def citation_precision(question: Question, record: AnswerRecord) -> Score:
    """Share of the answer's citations that are right (0 to 1); NaN when it cites nothing.

    A citation is right when it is of the evidence's document and its quote holds an evidence quote (or is part of
    one), or the passage that it was taken from holds one. After ALCE (Gao et al. 2023, arXiv 2305.14627), with the
    experts' quotes in place of an entailment model.
    """
    if not (question.answerable and question.evidence):
        return None
    cited = _cited(record)
    if not cited:
        return math.nan
    holding = {passage.chunk_id for passage in record.passages if evidence_in(question, passage)}
    right = [bool(quotes_evidence(question, citation)) or citation.chunk_id in holding for citation in cited]
    return sum(right) / len(right)


def citation_recall(question: Question, record: AnswerRecord) -> Score:
    """Share of the evidence quotes that a citation's own quote holds or is part of (0 to 1); 0 when nothing is cited."""
    if not (question.answerable and question.evidence):
        return None
    found = {number for citation in _cited(record) for number in quotes_evidence(question, citation)}
    return len(found) / len(question.evidence)


def _cited(record: AnswerRecord) -> list[Citation]:
    """Return the citations that support an answer; those of a refusal show what the documents say nearby."""
    return [] if record.abstained else record.citations


def is_right(question: Question, record: AnswerRecord) -> bool:
    """Whether an answer is right as far as can be told: by its key facts, without such by half of the words or more."""
    if not question.answerable:
        return record.abstained
    by_facts = key_facts(question, record)
    return bool(by_facts) if by_facts is not None else (token_f1(question, record) or 0.0) >= HALF


def number_not_found(_: Question, record: AnswerRecord) -> Score:
    """Whether a figure of the answer stands in no cited sentence (0 or 1; lower is better); only answers with figures."""
    return None if record.support == "not_checked" else float(record.support == "number_not_found")


def sentences_supported(_: Question, record: AnswerRecord) -> Score:
    """Share of the answer's sentences that the passages support (0 to 1); only answers whose sentences are marked."""
    if not record.sentences:
        return None
    return sum(sentence.mark == "supported" for sentence in record.sentences) / len(record.sentences)


ANSWER_METRICS: dict[str, Metric] = {
    "token_f1": token_f1,
    "exact_match": exact_match,
    "key_facts": key_facts,
    "refusal_accuracy": refusal_accuracy,
    "over_refusal": over_refusal,
}
PASSAGE_METRICS: dict[str, Metric] = {
    "citation_precision": citation_precision,
    "citation_recall": citation_recall,
    "number_not_found": number_not_found,
    "sentences_supported": sentences_supported,
}
"""Only in modes that are given passages; the others cannot cite."""

INFO: dict[str, MetricInfo] = {
    "token_f1": MetricInfo("Token F1", "Words shared with the reference answer, on answerable questions."),
    "exact_match": MetricInfo(
        "Exact match", "Answers that equal a reference apart from case, articles and punctuation.", rate=True
    ),
    "key_facts": MetricInfo(
        "Key facts right",
        "Answers with all numbers, units, codes and names of a reference and no other number of the same unit.",
        rate=True,
    ),
    "rouge_l": MetricInfo("ROUGE-L", "Longest common word sequence with the reference, stemmed (RAGAS)."),
    "string_presence": MetricInfo("String presence", "Answers that contain the reference word for word (RAGAS).", rate=True),
    "semantic_similarity": MetricInfo("Semantic similarity", "Cosine of the embeddings of answer and reference (RAGAS)."),
    "refusal_accuracy": MetricInfo("Refusal accuracy", "Unanswerable questions that were refused.", rate=True),
    "over_refusal": MetricInfo("Over-refusal", "Answerable questions that were refused.", better="lower", rate=True),
    "citation_precision": MetricInfo("Citation precision", "Citations that point to the evidence."),
    "citation_recall": MetricInfo("Citation recall", "Evidence quotes that a citation quotes."),
    "number_not_found": MetricInfo(
        "Figures not found",
        "Answers with a number, unit or code that stands in no cited sentence about the question.",
        better="lower",
        rate=True,
    ),
    "sentences_supported": MetricInfo("Sentences supported", "Sentences of the answer that a passage says, figures included."),
    "context_precision": MetricInfo("Context precision", "How high the passages with evidence are ranked (RAGAS, no judge)."),
    "context_recall": MetricInfo("Context recall", "Evidence quotes that are in the passages shown (RAGAS, no judge)."),
    "judge_faithfulness": MetricInfo("Faithfulness", "Statements of the answer that the passages support, says the judge."),
    "judge_answer_relevancy": MetricInfo("Answer relevancy", "How well the answer fits the question, says the judge."),
    "judge_context_precision": MetricInfo("Context precision (judge)", "Ranking of the useful passages, says the judge."),
    "judge_context_recall": MetricInfo("Context recall (judge)", "Reference statements that the passages support."),
}


def is_rate(name: str) -> bool:
    """Whether each score of a metric is 0 or 1."""
    return name in INFO and INFO[name].rate


def describe(name: str) -> dict[str, str]:
    """Return a metric's title and direction ("higher" or "lower") for programs that show a report."""
    info = INFO.get(name, MetricInfo(name.replace("_", " "), ""))
    return {"title": info.title, "better": info.better}
