"""What counts as a refusal: the fixed one in any script, the models' own wordings, and no text at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.records import REFUSAL
from doyen.platform.serving.refusals import is_refusal, is_unprintable, may_become_refusal

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
    "文档没有说明原因。",
    "The passages do not mention the torque of the Corvane 415 [1].",
    "The documents do not mention the price and weight of the cell.",
    "The documents do not say so.",
    "The documents do not say whether the sensor is checked.",
    "The documents do not give information as to the torque that is needed.",
    "The passages do not mention the price, so I cannot answer the question.",
    "I cannot answer this question, as the passages do not mention the price.",
    "I don't know; the documents do not say.",
    "I cannot help with that, please contact the supplier.",
    "None of the passages mention how often the sensor is checked.",
    "Nothing in the documents says so.",
    "Die Dokumente sagen nicht, wie oft der Sensor geprüft wird.",
    "Die Dokumente enthalten keine Angaben zum Preis.",
    "The documents do not provide the weight of the cell.",
    "There is no information available.",
    "This information is not in the passages.",
    "I don't know. Please provide more context.",
    "The documents do not say how much 1,200 litres at 17:15 cost.",
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
    "The document does not explicitly state the torque, it is 2.1 Nm [1].",
    "The documents do not mention a fee and the service costs 12 euros.",
    "The documents do not mention a fee and smoking is forbidden.",
    "The documents do not mention a fee because the service is free.",
    "The documents do not mention a fee so the service is free.",
    "The documents do not mention a fee other than the yearly one.",
    "The documents do not mention a fee - it is free.",
    "The documents do not mention a fee – it is free.",
    "The documents do not mention a fee—it is free.",
    "The documents do not mention a fee\nThe service is free",
    "The documents do not mention a fee (it is free).",
    "The documents do not say (26 weeks).",
    "The documents do not say.26 weeks.",
    "The documents do not state that smoking is allowed.",
    "The documents do not say visitors must wear gloves.",
    "The documents do not provide information rights to tenants.",
    "The documents do not say. You should close the valve first.",
    "The documents do not say. If you open the valve the pump stops.",
    "The documents do not say. Please close the valve.",
    "The documents do not say. You can see details on the display.",
    "文档没有提到价格，价格是45元",
    "文档没有提到价格（45元）。",
    "文档没有提到价格因为免费",
    "資料には価格は45円、送料は記載されていません。",
    "I cannot help with refunds after 30 days, call 0800 123.",
    "I do not know the answer: 26 weeks",
    "Les documents ne disent pas 45, c'est 50 °C.",
    "Les documents ne disent pas cela mais le manuel dit cinquante degrés.",
    "Die Dokumente enthalten keine Angaben, es sind 45 °C.",
    "Die Dokumente enthalten keine Angaben und der Eintritt ist frei.",
    "Los documentos no dicen eso pero el servicio es gratis.",
    "The text does not provide for a refund.",
    "The text does not give the tenant a right to a refund.",
    "Nothing in the documents says smoking is forbidden.",
    "Nothing in the documents says that smoking is forbidden.",
    "None of the documents states the tenant must pay.",
]
STATING = [
    ("May I return it?", "I cannot help with refunds after 30 days."),
    ("What does it cost?", "文档没有说明价格是45元"),
    ("What is the limit?", "Les documents ne disent pas 50 °C."),
    ("Which kit?", "The documents do not mention kit QC-41-0194."),
]
"""Refusals by their wording that state a figure which nobody asked about."""


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_recognised(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", REFUSALS)
def test_no_beginning_of_a_refusal_may_be_shown(text: str) -> None:
    assert all(may_become_refusal(text[:end]) for end in range(len(text) + 1))


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_are_no_refusals(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize(("question", "text"), STATING)
def test_what_states_a_figure_that_was_not_asked_about_is_an_answer(question: str, text: str) -> None:
    assert not is_refusal(text, question)


@pytest.mark.parametrize(("_", "text"), STATING)
def test_a_figure_of_the_question_makes_no_answer(_: str, text: str) -> None:
    assert is_refusal(text, f"You wrote: {text} Why?")


@pytest.mark.parametrize(("file", "key"), [("questions.jsonl", "answer"), ("pairs.jsonl", "response")])
def test_no_reference_answer_of_the_example_is_taken_for_a_refusal(file: str, key: str) -> None:
    answers = [json.loads(line)[key] for line in (EXAMPLE / file).read_text(encoding="utf-8").splitlines()]
    assert len(answers) > 300
    assert {answer for answer in answers if is_refusal(answer)} == {REFUSAL}


@given(st.text())
def test_only_what_cannot_be_seen_is_no_text(text: str) -> None:
    assert is_unprintable(text) == (not any(char.isprintable() and not char.isspace() for char in text))


@given(st.text(alphabet=st.characters(categories=["N", "S", "P", "Lo"])))
def test_figures_symbols_and_other_scripts_are_answers(text: str) -> None:
    assert is_refusal(text) == is_unprintable(text) or "没" in text or "未" in text
