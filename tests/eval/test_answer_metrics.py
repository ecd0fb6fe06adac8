"""Metrics of single answers: SQuAD's numbers, citations, refusals, and what does not apply."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evaluation_world import ScriptedAssistant, cited, make_questions, passages

from doyen.core.answers import AnswerSentence, Citation, Mark
from doyen.core.records import REFUSAL, Question
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import (
    ANSWER_METRICS,
    INFO,
    PASSAGE_METRICS,
    citation_precision,
    citation_recall,
    exact_match,
    over_refusal,
    overlap_f1,
    refusal_accuracy,
    squad_normalise,
    token_f1,
)
from doyen.eval.ragas_metrics import CONTEXT_METRICS, JUDGED_METRICS, TEXT_METRICS, Sample, text_scores

QUESTIONS = {question.id: question for question in make_questions()}


def answered(question: Question, mode: str = "rag", **changes: object) -> AnswerRecord:
    record = AnswerRecord.of("k", question.id, ScriptedAssistant(make_questions()).ask(question.question, mode, record=False))
    return replace(record, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        # Worked by hand with SQuAD's script: articles and punctuation do not count, repetition does.
        ("The valve is red.", "a red valve", 0.8),
        ("4,000 hours", "4000 hours", 1.0),
        ("red red", "red", 2 / 3),
        ("blue", "red", 0.0),
        ("", "", 1.0),
        ("the", "red", 0.0),
        # Other scripts: their punctuation is punctuation, full-width figures are figures, and characters are words.
        ("每26周检查一次", "每26周检查一次。", 1.0),
        ("每２６周检查一次", "每26周检查一次。", 1.0),
        ("每27周检查一次", "每26周检查一次。", 6 / 7),
        ("«Каждые 26 недель»", "каждые 26 недель", 1.0),
        ("כל 26 שבועות׃", "כל 26 שבועות", 1.0),
        ("ทุก 26 สัปดาห์", "ทุก26สัปดาห์", 1.0),
        ("हर 26 हफ़्ते।", "हर 26 हफ़्ते", 1.0),
        ("10⁶", "106", 0.0),
    ],
)
def test_token_f1_by_hand(answer: str, reference: str, f1: float) -> None:
    assert overlap_f1(answer, reference) == pytest.approx(f1)


def test_rouge_reads_other_scripts() -> None:
    def scores(answer: str, reference: str) -> float:
        return text_scores([Sample("?", answer, [reference])])["rouge_l"][0]

    assert scores("每26周检查一次", "每26周检查一次。") == 1
    assert scores("каждые 26 недель", "каждые 30 недель") == pytest.approx(2 / 3)
    assert scores("Ответ", "Вопрос") == 0


@settings(max_examples=80, deadline=None)
@given(a=st.text(max_size=40), b=st.text(max_size=40))
def test_token_f1_is_symmetric_within_bounds_and_one_for_equal_words(a: str, b: str) -> None:
    assert 0 <= overlap_f1(a, b) == overlap_f1(b, a) <= 1
    assert overlap_f1(a, a) == 1
    if squad_normalise(a) == squad_normalise(b):
        assert overlap_f1(a, b) == 1


def test_the_best_reference_counts() -> None:
    question = QUESTIONS["q2"]
    record = answered(question, answer="2.5 Nm, crosswise.")
    assert token_f1(question, record) == exact_match(question, record) == 1


def test_correctness_does_not_apply_to_unanswerable_questions_nor_refusal_to_the_others() -> None:
    hopeless, fine = QUESTIONS["q5"], QUESTIONS["q1"]
    refused = answered(hopeless, answer=REFUSAL, abstained=True)
    assert token_f1(hopeless, refused) is None
    assert exact_match(hopeless, refused) is None
    assert refusal_accuracy(hopeless, refused) == 1
    assert over_refusal(hopeless, refused) is None
    assert refusal_accuracy(fine, answered(fine)) is None
    assert over_refusal(fine, answered(fine, answer=REFUSAL, abstained=True)) == 1
    assert over_refusal(fine, answered(fine)) == 0


def citation(quote: str, source: str = "pumps.md", chunk: str = "elsewhere") -> Citation:
    return Citation(1, chunk, source, 0, len(quote), None, quote)


@pytest.mark.parametrize(
    ("given", "precision", "recall"),
    [
        ([citation("The sample pump runs for 4,000 hours.")], 1, 1),
        ([citation("4,000 hours")], 1, 1),
        ([citation("The sample pump runs for 4,000 hours.", source="old.md")], 0, 0),
        ([citation("Tighten the four screws")], 0, 0),
        # Another sentence of the passage that holds the evidence: the right place, but not the right quote.
        ([citation("Replace the diaphragm", chunk="pumps.md-0")], 1, 0),
        ([citation("4,000 hours"), citation("Tighten the four screws")], 0.5, 1),
    ],
)
def test_citations(given: list[Citation], precision: float, recall: float) -> None:
    question = QUESTIONS["q1"]
    record = answered(question, citations=given, passages=passages())
    assert citation_precision(question, record) == precision
    assert citation_recall(question, record) == recall


def test_an_answer_that_cites_nothing_has_no_precision_but_no_recall_either() -> None:
    question = QUESTIONS["q1"]
    record = answered(question, citations=[])
    assert math.isnan(citation_precision(question, record) or 0)
    assert citation_recall(question, record) == 0
    assert citation_precision(QUESTIONS["q5"], record) is None
    bare = question.model_copy(update={"evidence": []})
    assert citation_precision(bare, record) is None


def test_a_refusal_cites_nothing_whatever_sentences_it_shows_as_nearby() -> None:
    question = QUESTIONS["q1"]
    nearby = [citation("The sample pump runs for 4,000 hours.")]
    refused = answered(question, answer=REFUSAL, abstained=True, citations=nearby, passages=passages())
    assert math.isnan(citation_precision(question, refused) or 0)
    assert citation_recall(question, refused) == 0
    assert PASSAGE_METRICS["number_not_found"](question, refused) is None


def test_the_scripted_citations_are_right_where_the_passage_was_shown() -> None:
    question = QUESTIONS["q3"]
    record = answered(question, citations=cited(question, passages()))
    assert citation_precision(question, record) == citation_recall(question, record) == 1


def test_every_metric_is_explained() -> None:
    names = {*ANSWER_METRICS, *PASSAGE_METRICS, *TEXT_METRICS, *CONTEXT_METRICS, *JUDGED_METRICS, "semantic_similarity"}
    assert names == set(INFO)


@pytest.mark.parametrize(("support", "score"), [("supported", 0.0), ("number_not_found", 1.0), ("not_checked", None)])
def test_figures_without_a_cited_sentence_are_counted(support: str, score: float | None) -> None:
    assert PASSAGE_METRICS["number_not_found"](QUESTIONS["q1"], answered(QUESTIONS["q1"], support=support)) == score


@pytest.mark.parametrize(
    ("marks", "score"), [([], None), (["supported"], 1.0), (["supported", "not_found", "number_differs", "not_found"], 0.25)]
)
def test_the_share_of_supported_sentences(marks: list[Mark], score: float | None) -> None:
    sentences = [AnswerSentence(number, number + 1, mark) for number, mark in enumerate(marks)]
    assert PASSAGE_METRICS["sentences_supported"](QUESTIONS["q1"], answered(QUESTIONS["q1"], sentences=sentences)) == score
