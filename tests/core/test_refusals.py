"""What counts as a refusal: the fixed one in any script, the models' own wordings, and no text at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.records import REFUSAL
from doyen.core.refusals import is_blank, is_refusal, may_become_refusal

EXAMPLE = Path(__file__).parents[2] / "examples" / "quillane"

REFUSALS = [
    REFUSAL,
    "the documents do not say",
    " The documents do not say this. ",
    "The documents do not say anything about it.",
    "The documents do not say. [1]",
    "“The documents do not say.”",
    "Ｔｈｅ documents do not say。",
    "The documents do not say. The documents do not say.",
    "",
    "\n",
    "\u200b \ufeff",
    "The passages do not mention the torque of the Corvane 415.",
    "The passages provided do not mention how often the sensor is checked.",
    "The provided documents do not contain any information about holidays.",
    "The context does not provide the weight of the cell.",
    "Unfortunately, the text doesn't specify the weight.",
    "Based on the provided passages, there is no information about it.",
    "There is no mention of a colour in the provided text.",
    "No information is given in the passages.",
    "None of the passages mention the price.",
    "I don't have information about that.",
    "I don’t have any information on the 410.",
    "I'm sorry, but I don't have enough information to answer that question. Please consult the manual.",
    "I cannot answer this question based on the given passages.",
    "I don't know.",
    "The answer is not in the passages.",
    "It is not mentioned in the documents.",
    "Not mentioned in the passages.",
    "Not specified.",
    "Die Dokumente sagen dazu nichts.",
    "Les documents ne le précisent pas.",
    "文档没有说明。",
]
ANSWERS = [
    "26",
    "14 %",
    "$1,200",
    "2024-05-17",
    "4.5",
    "否",
    "每26周检查一次",
    "Да.",
    "٢٦",
    "…",
    "-",
    "No.",
    "None.",
    "Nothing.",
    "The documents say 5 Nm.",
    "I think the documents do not say.",
    "The documents do not say, but 26 weeks is usual.",
    "The documents do not say. The pump gets 2.1 Nm.",
    "The document does not mention a torque; use 2.1 Nm.",
    "The documents do not need a signature.",
    "There is no information on the display.",
    "There is no data in the buffer.",
    "There is no answer from the bus.",
    "The contract does not provide information rights.",
    "I do not have to wear gloves.",
    "No details are needed.",
    "No answer within 3 s.",
    "The text is not printed.",
    "The certificate is not included.",
    "It is not given to customers.",
    "Not available.",
    "Not before 5 pm.",
    "No, the better one of the two counts.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_recognised(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", REFUSALS)
def test_no_beginning_of_a_refusal_may_be_shown(text: str) -> None:
    assert all(may_become_refusal(text[:end]) for end in range(len(text) + 1))


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_are_no_refusals(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize(("file", "key"), [("questions.jsonl", "answer"), ("pairs.jsonl", "response")])
def test_no_reference_answer_of_the_example_is_taken_for_a_refusal(file: str, key: str) -> None:
    answers = [json.loads(line)[key] for line in (EXAMPLE / file).read_text(encoding="utf-8").splitlines()]
    assert len(answers) > 300
    assert {answer for answer in answers if is_refusal(answer)} == {REFUSAL}


@given(st.text())
def test_only_what_cannot_be_seen_is_no_text(text: str) -> None:
    assert is_blank(text) == (not any(char.isprintable() and not char.isspace() for char in text))


@given(st.text(alphabet=st.characters(categories=["N", "S", "P", "Lo"])))
def test_figures_symbols_and_other_scripts_are_answers(text: str) -> None:
    assert is_refusal(text) == is_blank(text) or "没" in text or "未" in text
