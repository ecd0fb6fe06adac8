"""Each sentence of an answer is marked, and none with a wrong figure as supported."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.answers import AnswerSentence, Passage
from doyen.core.quantities import find_facts
from doyen.platform.serving.number_guard import NumberGuard
from doyen.platform.serving.verifier import Judgement

TEXT = (
    "The job may start when the cell has cooled to 45 °C. The safety thermostat opens at 185 °C and cannot be reset. "
    "Tighten the head screws to 2.1 Nm in two passes. Order kit QC-41-0194 from the parts desk by 4 April 2025. "
    "The diaphragm lasts 7,500 operating hours."
)


def passage(text: str, start: int = 0, heading: str = "") -> Passage:
    return Passage("c1", "d1", "v1", "cell.md", start, start + len(text), None, heading, 0.9, text, {})


def judge(question: str, answer: str, *texts: str) -> Judgement:
    return NumberGuard().judge(question, [passage(text, 100) for text in texts or (TEXT,)], answer)


def marks(question: str, answer: str, *texts: str) -> list[tuple[str, str]]:
    judgement = judge(question, answer, *texts)
    check(judgement, answer)
    return [(answer[sentence.start : sentence.end], sentence.mark) for sentence in judgement.sentences]


def check(judgement: Judgement, answer: str) -> None:
    """What holds for every answer from passages."""
    assert ("number_differs" in [each.mark for each in judgement.sentences]) == (judgement.support == "number_not_found")
    done = 0
    for sentence in judgement.sentences:
        assert done <= sentence.start < sentence.end <= len(answer)
        assert (sentence.citation is not None) == (sentence.mark == "supported")
        done = sentence.end


def test_each_sentence_has_its_own_mark() -> None:
    answer = "Tighten the head screws to 2.1 Nm. [1] Bananas are yellow, as everybody knows. The thermostat opens at 190 °C."
    assert marks("What torque do the head screws get, and when does the thermostat open?", answer) == [
        ("Tighten the head screws to 2.1 Nm. [1]", "supported"),
        ("Bananas are yellow, as everybody knows.", "not_found"),
        ("The thermostat opens at 190 °C.", "number_differs"),
    ]


def test_a_supported_sentence_names_the_sentence_that_supports_it() -> None:
    (sentence,) = judge("What torque do the head screws get?", "2.1 Nm, in two passes.").sentences
    assert sentence.citation is not None
    assert sentence.citation.quote == "Tighten the head screws to 2.1 Nm in two passes."
    assert sentence.citation.support == "supported"
    assert sentence.citation.start == 100 + TEXT.index("Tighten")


@pytest.mark.parametrize(
    ("question", "answer", "mark"),
    [
        ("How cold must the cell be before the job starts?", "45 °C.", "supported"),
        ("How cold must the cell be before the job starts?", "45", "supported"),
        ("How cold must the cell be before the job starts?", "185 °C.", "number_differs"),
        ("How cold must the cell be before the job starts?", "Cooled to 45 bar.", "number_differs"),
        ("Which kit do I order?", "Order kit QC-41-0194 from the parts desk.", "supported"),
        ("Which kit do I order?", "Order kit QC-41-0195 from the parts desk.", "number_differs"),
        ("Can the thermostat be reset?", "The safety thermostat cannot be reset.", "supported"),
        ("Who sells the kit?", "Alban Treadgold of Corvane sells it at the gate.", "not_found"),
        ("Who sells the kit?", "Alban Treadgold of Corvane, the parts man, sells it at the gate [1].", "not_found"),
        ("Is the lamp off?", "Yes.", "not_found"),
    ],
)
def test_answers_of_one_sentence(question: str, answer: str, mark: str) -> None:
    assert marks(question, answer) == [(answer, mark)]


def test_a_figure_of_the_question_is_no_proof_either() -> None:
    limit = "The limit of the inlet valve is 30 bar. The cover is held by 3 screws. The test pressure is 50 bar."
    said = "Yes, the limit of the inlet valve is 50 bar. The cover is held by 3 screws."
    question = "Is the limit of the inlet valve 50 bar, and how many screws hold the cover?"
    assert [mark for _, mark in marks(question, said, limit)] == ["not_found", "supported"]


def test_a_figure_is_not_supported_by_a_sentence_about_another_thing() -> None:
    text = "The valve closes at 30 bar. The pump starts at 50 bar."
    question = "At how many bar does the valve close and the pump start?"
    assert marks(question, "The valve closes at 50 bar.", text)[0][1] != "supported"
    assert marks(question, "Valve: 50 bar.", text)[0][1] != "supported"
    assert marks(question, "The pump starts at 50 bar.", text)[0][1] == "supported"
    swapped = "Valve closes at 50 bar. Pump starts at 30 bar."
    assert "supported" not in [mark for _, mark in marks(question, swapped, text)]
    screws = "The kit has 4 screws. The pump has 6 screws."
    assert marks("How many screws has the kit?", "The kit has 6 screws.", screws)[0][1] != "supported"


def test_of_two_documents_that_differ_each_supports_its_own() -> None:
    texts = ("The valve closes at 30 bar.", "The valve closes at 50 bar.")
    (sentence,) = judge("When does the valve close?", "The valve closes at 50 bar.", *texts).sentences
    assert sentence.mark == "supported"
    assert sentence.citation is not None
    assert sentence.citation.marker == 2


def test_every_sentence_of_a_long_answer_is_proved_though_few_are_shown() -> None:
    parts = ("inlet valve", "outlet hose", "main motor", "upper sensor", "drain filter")
    text = " ".join(f"The {part} of the pump is replaced after {number} months." for number, part in enumerate(parts, start=11))
    judgement = judge("After how many months are the parts of the pump replaced?", text, text)
    assert [sentence.mark for sentence in judgement.sentences] == ["supported"] * 5
    assert len(judgement.citations) == 3
    assert judgement.support == "supported"


def test_nothing_is_marked_without_passages_or_text() -> None:
    assert NumberGuard().judge("How many?", [], "About 12.").sentences == []
    assert judge("How many?", "").sentences == []


SUBJECTS = ("inlet valve", "cooling pump", "safety lamp", "drive motor")
UNITS = ("bar", "°C", "Nm", "mm")
STATED = st.dictionaries(
    st.sampled_from(SUBJECTS), st.tuples(st.integers(2, 60), st.sampled_from(UNITS)), min_size=1, max_size=len(SUBJECTS)
)
CLAIMED = st.lists(
    st.tuples(
        st.sampled_from((*SUBJECTS, "")),
        st.integers(2, 60),
        st.sampled_from((*UNITS, "")),
        st.sampled_from(("", " [1]", " [2]")),
    ),
    min_size=1,
    max_size=4,
)


def claim(subject: str, value: int, unit: str) -> str:
    number = f"{value} {unit}".strip()
    return f"The limit of the {subject} is set to {number}" if subject else f"It is {number}"


@settings(max_examples=150, deadline=None)
@given(STATED, CLAIMED, st.booleans(), st.data())
def test_no_sentence_with_a_wrong_figure_is_supported(
    stated: dict[str, tuple[int, str]], claimed: list[tuple[str, int, str, str]], apart: bool, data: st.DataObject
) -> None:
    sentences = [claim(subject, *figure) + "." for subject, figure in stated.items()]
    texts = sentences if apart else [" ".join(sentences)]
    # Half of the claims state a value that stands somewhere, be it of another subject.
    somewhere = st.sampled_from(sorted(stated.values()))
    claims = [
        (subject, *(data.draw(somewhere) if data.draw(st.booleans()) else (value, unit)), marker)
        for subject, value, unit, marker in claimed
    ]
    answer = " ".join(claim(subject, value, unit) + f"{marker}." for subject, value, unit, marker in claims)
    asked = data.draw(st.sampled_from((*SUBJECTS, "machine", "inlet valve at 50 bar")))
    judgement = judge(f"What is the limit of the {asked} set to?", answer, *texts)
    check(judgement, answer)
    for sentence in judgement.sentences:
        if sentence.mark == "supported":
            hold(sentence, answer, stated)


def hold(sentence: AnswerSentence, answer: str, stated: dict[str, tuple[int, str]]) -> None:
    """A supported sentence says of a subject what the passages say of it, perhaps without the unit.

    Of a subject that no passage names it says a figure of theirs: words are compared, not read.
    """
    for part in re.sub(r"\[\d\]", "", answer[sentence.start : sentence.end]).split(". "):
        said = [figure for subject, figure in stated.items() if subject in part] or list(stated.values())
        for number in find_facts(part):
            assert any(str(value) == number.value and number.unit in {"", unit} for value, unit in said), (part, stated)
