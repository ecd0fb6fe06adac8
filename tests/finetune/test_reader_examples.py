"""What a reader learns from: where answers stand in passages, negatives that do not answer, and questions with other values."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.answers import Passage
from doyen.core.progress import Silent
from doyen.core.records import Pair
from doyen.finetune import reader_examples
from doyen.finetune.answer_spans import answer_span, find_quote
from doyen.finetune.gold_passages import holds_evidence
from doyen.finetune.mining import mine
from doyen.finetune.reader_examples import is_answered, reading_examples
from doyen.finetune.reader_fit import FEWEST, Case, ReadCase, fit_probability, fit_ranking, fit_span_probability
from doyen.finetune.swapped_questions import swap_value
from doyen.finetune.train_reader import cases_of, tell_if_all_is_refused, tell_if_not_measured
from doyen.retrieval.reading.calibration import Calibration, Ranking, SpanObservation
from doyen.retrieval.reading.reader import Reading, Span

# Where an answer stands


@pytest.mark.parametrize(
    ("response", "evidence", "text", "found"),
    [
        ("Every 14 months.", [], "It is replaced every\n 14   months, or so.", "every\n 14   months"),
        ("every 14 MONTHS", ["replaced every 14 months"], "Every 14 months? No: replaced Every 14 Months.", "Every 14 Months"),
        ("4 mm", [], "Not 0.4 mm or 14 mm, but 4 mm of wear.", "4 mm"),
        ("0.4", [], "Not 0.45 or 10.4 or 0.4.5: it is 0.4.", "0.4"),
        ("3", [], "From 30 to 3,000 and in 3 steps", "3"),
        ("3 day", [], "3 days", "3"),
        ("It is 18 Nm, crosswise", ["tighten crosswise to 18 Nm"], "Tool 9: tighten crosswise to 18 Nm.", "crosswise to 18 Nm"),
        ("“Red.”", [], "The lamp turns (red) then.", "red"),
        ("Nothing like it at all", [], "The lamp turns red then.", None),
        ("...", [], 'A lone . or " is no answer.', None),
        ("5 °C", [], "Straße 😀 naïve: 5 °C, not 15 °C", "5 °C"),
        ("every 14 months", ["a quote that is not there"], "Replaced every 14 months.", "every 14 months"),
    ],
)  # fmt: skip
def test_an_answer_is_found_verbatim_or_in_the_words_nearest_to_it(response, evidence, text, found):
    place = answer_span(Pair(id="p", prompt="?", response=response, evidence=evidence), text)
    assert (place and text[slice(*place)]) == found


@given(st.lists(st.sampled_from(["red", "Straße", "0.4", "mm,", "(14)", "é", "x"]), max_size=12), st.text(" \n\t", min_size=1))
@settings(max_examples=80, deadline=None)
def test_a_stretch_of_whole_words_is_found_again(words: list[str], blank: str):
    text = blank.join(["Begin:", *words, "end"])
    for first in range(len(words)):
        place = find_quote(" ".join(words[first:]).upper().replace("STRASSE", "Straße"), text)
        assert place is not None
        assert text[slice(*place)].split() == words[first:]


# Examples


@pytest.fixture
def mined(domain, retriever, store):
    return mine(domain, retriever, store, passages=3, reporter=Silent(), excluded=frozenset(pair.id for pair in domain))


def test_a_passage_with_the_evidence_is_never_a_negative_and_spans_say_the_answer(mined):
    pairs = {item.pair.prompt: item.pair for item in mined}
    seen = set()
    for number in range(3):
        for example in reading_examples(mined, 17, number):
            pair = pairs.get(example.question)
            if pair is None:
                continue  # a swapped question, or a follow-up
            assert example.answers == holds_evidence(pair, example.passage)
            seen.add(example.answers)
            if example.answers:
                said = example.passage[slice(*example.span)]
                assert said.casefold() == pair.response.rstrip(".").casefold()
            else:
                assert example.span is None
    assert seen == {True, False}


def test_each_epoch_draws_its_own_examples_and_a_seed_the_same(mined):
    assert reading_examples(mined, 17, 0) == reading_examples(mined, 17, 0)
    assert reading_examples(mined, 17, 0) != reading_examples(mined, 17, 1)


def test_a_follow_up_is_asked_so_that_it_stands_alone(mined):
    questions = {example.question for example in reading_examples(mined, 17, 0)}
    assert "And how tight?" not in questions
    (follow_up,) = [question for question in questions if "And how tight?" in question]
    assert "Arrel" in follow_up


def test_swapped_questions_ask_for_something_that_the_passage_does_not_say(mined, monkeypatch):
    monkeypatch.setattr(reader_examples, "NEGATIVES", 0)
    swapped = [each for number in range(8) for each in reading_examples(mined, 17, number) if not each.answers]
    assert swapped
    for example in swapped:
        new = set(re.findall(r"\w+", example.question)) - set(re.findall(r"\w+", example.passage))
        assert any(name[0].isupper() for name in new), example


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("question", "passage", "values", "allowed"),
    [
        # A value is replaced whole, never in the middle of a longer one.
        ("Is 300 more than 30?", "300, 30", ["41", "300", "30"], r"Is (41|\d{3}) more than 30\?|Is 300 more than (41|\d\d)\?"),
        # The same in other words is no other value.
        ("Valid for 4000 h?", "For 4,000 hours.", ["4,000 hours", "4000 h"], r"Valid for [1-9]{4} h\?"),
        ("Does Arrel fit?", "Arrel and Brask fit.", ["Arrel", "Brask"], None),
        ("Does Arrel fit?", "Arrel fits.", ["Arrel", "Brask"], r"Does Brask fit\?"),
        # One run of digits changes, so that a code stays one.
        ("What is E-410-07?", "E-410-07", [], r"What is (E-[1-9]{3}-07|E-410-[1-9]{2})\?"),
        ("What is it?", "Anything", ["41"], None),
    ],
)  # fmt: skip
def test_a_value_is_swapped_whole_and_for_one_that_the_passage_does_not_say(question, passage, values, allowed, seed):
    swapped = swap_value(question, [passage], values, random.Random(seed))
    if allowed is None:
        assert swapped is None
    else:
        assert swapped != question
        assert re.fullmatch(allowed, swapped)


# Cases and what is fitted to them


def test_cases_know_whether_their_passages_answer(mined, retriever):
    found = cases_of(mined, retriever, 3, 17)
    assert any(case.answers for case in found)
    assert any(not case.answers for case in found)
    for case in found:
        assert len(case.passages) == len(case.golds) <= 3
        assert bool(case.answers) == any(case.golds)
    unanswerable = [item for item in mined if not item.pair.answerable]
    assert {is_answered(item, item.ranked) for item in unanswerable} == {False}


def read_case(number: int, *, answered: bool, gold: int) -> ReadCase:
    """A case of three passages, of which one holds the evidence and the reader likes the last best."""
    texts = [f"the wrong thing {place} of {number}" for place in range(3)]
    texts[gold] = f"the answer {number} stands here"
    passages = [
        Passage(f"c{place}", f"d{place}", "v", "a.md", 0, len(text), None, "", 1.0, text, {"dense": 0.5})
        for place, text in enumerate(texts)
    ]
    readings = [
        Reading((Span(4, 4 + len(f"answer {number}"), 3.0),), 4.0) if place == gold else Reading((Span(4, 9, -3.0),), -4.0)
        for place in range(3)
    ]
    if not answered:
        readings = [Reading((Span(4, 9, -3.0 - number % 3),), -4.0 - number % 2)] * 3
    golds = [answered and place == gold for place in range(3)]
    return ReadCase(Case(f"q{number}", passages, [f"answer {number}"] if answered else [], golds), readings)


def test_ranking_is_fitted_where_it_helps_and_left_alone_where_it_cannot_tell():
    default = Ranking(1.5, 0.0)
    few = [read_case(number, answered=True, gold=2) for number in range(FEWEST - 1)]
    assert fit_ranking(few, 3, default) is default
    assert fit_ranking([*few, read_case(99, answered=True, gold=2)], 3, default).reranks
    first = [read_case(number, answered=True, gold=0) for number in range(FEWEST)]
    assert not fit_ranking(first, 3, default).reranks


def test_probability_is_fitted_where_both_kinds_are_there():
    answered = [read_case(number, answered=True, gold=0) for number in range(FEWEST)]
    unanswered = [read_case(number, answered=False, gold=0) for number in range(FEWEST)]
    default = Calibration()
    assert fit_probability([*answered, *unanswered[1:]], default) is default
    made = fit_probability([*answered, *unanswered], default)
    assert made.curve
    assert made.threshold(0.1) < 1


def test_the_probability_of_a_span_is_fitted_where_some_are_right_and_some_are_not():
    right = [read_case(number, answered=True, gold=0) for number in range(FEWEST)]
    wrong = [read_case(number, answered=False, gold=0) for number in range(FEWEST)]
    default = Calibration((0.0,) * 4)
    assert fit_span_probability([*right, *wrong[1:]], Ranking(), default) is default
    assert fit_span_probability(right, Ranking(), None) is None
    made = fit_span_probability([*right, *wrong], Ranking(), default)
    assert made.probability(SpanObservation(4.0, 1.0, 1.0, 0.0)) > 0.5 > made.probability(SpanObservation(-6.0, 0.3, 0.0, 0.0))


@pytest.mark.parametrize(
    ("curve", "risk", "said"),
    [
        (((0.2, 0.4), (0.9, 0.3)), 0.1, 1),
        (((0.2, 0.4), (0.9, 0.05)), 0.1, 0),
        (((0.2, 0.4), (0.9, 0.3)), 0.35, 0),
        (((0.2, 0.4), (0.9, 0.3)), 1.0, 0),
        ((), 0.1, 0),
    ],
)
def test_a_reader_that_would_refuse_every_question_is_told(curve, risk: float, said: int):
    heard: list[str] = []
    tell_if_all_is_refused(Calibration(curve=curve), risk, SimpleNamespace(say=heard.append))
    assert heard == [f"with serving.risk = {risk:g} this reader refuses every question: raise it, or label more pairs"] * said


@pytest.mark.parametrize(("scores", "said"), [([], 1), ([0.0], 0)])
def test_a_reader_that_nothing_measures_is_told(scores: list[float], said: int):
    heard: list[str] = []
    tell_if_not_measured(scores, SimpleNamespace(say=heard.append))
    assert ["no validation pair" in each for each in heard] == [True] * said
