"""Figures of an answer must stand in a cited sentence about what was asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.answers import Citation, Passage
from doyen.platform.serving.number_guard import judge_numbers
from doyen.retrieval.citations import Statement, support_statements

TEXT = (
    "The job may start when the cell has cooled to 45 °C. The safety thermostat opens at 185 °C and cannot be reset. "
    "Tighten the head screws to 2.1 Nm in two passes. Order kit QC-41-0194 from the parts desk by 4 April 2025. "
    "The diaphragm lasts 7,500 operating hours."
)


def passage(text: str = TEXT) -> Passage:
    return Passage("c1", "d1", "v1", "cell.md", 100, 100 + len(text), None, "", 0.9, text, {})


def quoting(*quotes: str, text: str = TEXT) -> list[Citation]:
    places = [100 + text.index(quote) for quote in quotes]
    return [
        Citation(1, "c1", "cell.md", start, start + len(quote), None, quote)
        for start, quote in zip(places, quotes, strict=True)
    ]


def resting_on(answer: str, quotes: list[Citation]) -> list[Statement]:
    """An answer of one sentence that these quotes support."""
    return [Statement(0, len(answer), dict.fromkeys(quotes, 1.0))]


def verdict(question: str, answer: str, *quotes: str, text: str = TEXT) -> tuple[str, list[str]]:
    passages = [passage(text)]
    given = resting_on(answer, quoting(*quotes, text=text)) if quotes else support_statements(answer, passages)
    found = judge_numbers(question, passages, answer, given)
    return found.support, [citation.support for citation in found.citations]


COLD = "The job may start when the cell has cooled to 45 °C."
HOT = "The safety thermostat opens at 185 °C and cannot be reset."


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How cold must the cell be before the job starts?", "45 °C."),
        ("How cold must the cell be before the job starts?", "45"),
        ("What torque do the head screws get?", "2.1 Nm, in two passes."),
        ("What torque do the head screws get?", "2.10 N·m [1]"),
        ("Which kit do I order?", "Kit qc-41-0194."),
        ("By when do I order the kit?", "2025-04-04"),
        ("How long does the diaphragm last?", "7500 h"),
    ],
)
def test_figures_in_a_cited_sentence_about_the_question_are_supported(question: str, answer: str) -> None:
    quotes = [sentence for sentence in TEXT.replace(". ", ".|").split("|") if any(char.isdigit() for char in sentence)]
    support, each = verdict(question, answer, *quotes)
    assert support == "supported"
    assert "supported" in each


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How cold must the cell be before the job starts?", "At least 185 °C."),
        ("How cold must the cell be before the job starts?", "45 bar."),
        ("How cold must the cell be before the job starts?", "46 °C."),
        ("What torque do the head screws get?", "2.1 bar."),
        ("Which kit do I order?", "Kit QC-41-0195."),
        ("By when do I order the kit?", "By 5 April 2025."),
        ("How long does the diaphragm last?", "7,500 operating hours, then 9,000."),
    ],
)
def test_other_numbers_units_and_codes_are_not_found(question: str, answer: str) -> None:
    assert verdict(question, answer)[0] == "number_not_found"


def test_a_number_of_a_sentence_about_something_else_proves_nothing() -> None:
    assert verdict("How cold must the cell be?", "At least 185 °C.", HOT) == ("number_not_found", ["number_not_found"])


def test_a_quote_that_contradicts_the_answer_is_not_cited() -> None:
    assert verdict("How cold must the cell be?", "Below 60 °C.", COLD) == ("number_not_found", [])


def test_a_quote_without_figures_of_that_kind_stays() -> None:
    quote = "Order kit QC-41-0194 from the parts desk by 4 April 2025."
    assert verdict("What does the kit from the parts desk weigh?", "3 kg.", quote) == ("number_not_found", ["number_not_found"])


@pytest.mark.parametrize("answer", ["The parts desk.", "No, it cannot be reset.", "否"])
def test_answers_without_figures_are_not_checked(answer: str) -> None:
    assert set(verdict("Who sells it?", answer, COLD)[1]) | {verdict("Who sells it?", answer, COLD)[0]} == {"not_checked"}


def test_numbers_of_the_question_are_no_claims() -> None:
    assert verdict("Is the 415 warm at 45 °C?", "No, the 415 is cold at 45 °C.", COLD)[0] == "not_checked"


@pytest.mark.parametrize(
    ("question", "sentence", "right", "wrong"),
    [
        ("part no. of one cell window", "Part: QX-77-0310 | Name: cell window | Diameter: 38 mm", "QX-77-0310", "38 mm"),
        ("On which date was the pump tested?", "The pump was tested at 6 bar on 4 May 2020.", "4 May 2020", "6 bar"),
        ("How many hours does the burn-in take?", "The burn-in takes 18 hours at 95 %.", "18 hours", "95 %"),
        ("At what temperature are the nuts tightened?", "Nuts are tightened to 18 Nm at 90 °C.", "90 °C", "18 Nm"),
        ("What does the yearly service cost?", "The yearly service takes 3 hours and costs 275 euros.", "275 euros", "3 hours"),
        ("What is the dose for adults?", "Adults: a dose of 500 mg for 10 days.", "500 mg", "10 days"),
        ("By when must the notes be repaid?", "The notes of 4.5 % must be repaid by 1 July 2031.", "1 July 2031", "4.5 %"),
        ("Who approved the lease?", "Ada Lindqvist approved the lease at 1,250 euros.", "Ada Lindqvist", "1,250 euros"),
        ("Welche Bestellnummer hat der Filter?", "Filter 14 mm, Bestellnummer AB-1234", "AB-1234", "14 mm"),
    ],
)
def test_a_figure_of_another_kind_than_was_asked_for_is_proved_by_nothing(
    question: str, sentence: str, right: str, wrong: str
) -> None:
    assert verdict(question, wrong, sentence, text=sentence) == ("number_not_found", ["number_not_found"])
    assert verdict(question, right, sentence, text=sentence)[0] in {"supported", "not_checked"}
    found = judge_numbers(question, [passage(sentence)], wrong, resting_on(wrong, quoting(sentence, text=sentence)))
    assert [each.mark for each in found.sentences] == ["number_differs"]


def test_a_figure_beside_one_of_the_asked_kind_is_no_contradiction() -> None:
    text = "The hot torque of the ring is 4.4 Nm after one hour at 120 °C."
    assert verdict("what's the hot torque of the ring", "4.4 Nm, after one hour at 120 °C", text, text=text)[0] == "supported"


LIMIT = "The limit of the inlet valve is 30 bar."
CHOICE = "Is the limit of the inlet valve 30 or 50 bar?"


@pytest.mark.parametrize(
    ("question", "answer", "support"),
    [
        ("Is the limit of the inlet valve 50 bar?", "Yes, the limit of the inlet valve is 50 bar.", "number_not_found"),
        ("Is the limit of the inlet valve 50 bar?", "No more than 50 bar.", "number_not_found"),
        ("Is the limit of the inlet valve 30 bar?", "Yes, the limit of the inlet valve is 30 bar.", "supported"),
        ("Is the limit of the inlet valve 50 bar?", "No, the limit is not 50 bar.", "not_checked"),
        ("Is the limit of the inlet valve 50 bar?", "The limit of the inlet valve is not 50 bar.", "not_checked"),
        (CHOICE, "50 bar.", "number_not_found"),
        (CHOICE, "30 bar, not 50 bar.", "supported"),
        ("How do I set the inlet valve to 50 bar?", "Turn the wheel.", "not_checked"),
    ],
)
def test_figures_that_are_all_the_questions_own_need_proof(question: str, answer: str, support: str) -> None:
    assert verdict(question, answer, LIMIT, text=LIMIT)[0] == support


def test_a_number_that_names_the_subject_may_stand_in_the_heading() -> None:
    text = "The inlet valve is serviced by Alban Treadgold."
    headed = replace(passage(text), heading="Corvane 410")
    answer = "The inlet valve of the Corvane 410 is serviced by Alban Treadgold."
    found = judge_numbers(
        "Who services the inlet valve of the Corvane 410?", [headed], answer, resting_on(answer, quoting(text, text=text))
    )
    assert found.support == "supported"


@pytest.mark.parametrize(
    ("question", "text", "right", "wrong"),
    [
        ("保修期多长？", "保修期为24个月。", "24个月", "36个月"),
        ("保修期多长？", "保修期为24个月。", "保修期为24个月", "保修期为12个月"),
        ("最高温度是多少？", "最高温度为45℃。", "45℃", "50℃"),
        ("価格はいくらですか", "価格は1200円です。", "1200円", "1300円"),
        ("온도는 얼마입니까?", "온도는 45도입니다.", "45도", "46도"),
        ("ประกันกี่เดือน", "ประกัน24เดือน", "24เดือน", "36เดือน"),
    ],
)
def test_figures_between_letters_without_blanks_are_checked(question: str, text: str, right: str, wrong: str) -> None:
    assert verdict(question, right, text, text=text) == ("supported", ["supported"])
    assert verdict(question, wrong, text, text=text) == ("number_not_found", [])


def test_a_number_in_another_unit_without_blanks_is_not_found() -> None:
    assert verdict("保修期多长？", "24年", "保修期为24个月。", text="保修期为24个月。")[0] == "number_not_found"


def test_a_serial_number_is_not_contradicted_by_another_code() -> None:
    text = "Call 0800 for version 5.0.4 of the manual."
    assert verdict("Which extension has the manual?", "0336", text, text=text) == ("number_not_found", ["number_not_found"])


def test_without_citations_a_number_is_not_found() -> None:
    found = judge_numbers("How many?", [], "About 12.", [])
    assert (found.support, found.citations) == ("number_not_found", [])


def test_the_unit_of_a_table_may_stand_in_its_heading() -> None:
    table = "Part | Torque (Nm)\nHead screws | 2.1\nCover screws | 3.4"
    row = "Head screws | 2.1"
    assert verdict("What torque do the head screws get?", "2.1 Nm", row, text=table)[0] == "supported"
    assert verdict("What torque do the head screws get?", "2.1 bar", row, text=table)[0] == "number_not_found"


@given(st.integers(0, 99_999), st.sampled_from(["°C", "bar", "Nm", "mm", "h", "%", ""]))
def test_the_verdict_follows_the_number(value: int, unit: str) -> None:
    sentence = f"The valve closes at {value} {unit}".strip() + "."
    question, right, wrong = "When does the valve close?", f"At {value:,} {unit}", f"At {value + 1} {unit}"
    for answer, support in ((right, "supported"), (wrong, "number_not_found")):
        quotes = resting_on(answer, quoting(sentence, text=sentence))
        assert judge_numbers(question, [passage(sentence)], answer, quotes).support == support
