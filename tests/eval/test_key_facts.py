"""Key facts right: by hand, by rule, and on labelled answers of real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doyen.eval.key_facts import key_facts_right

LABELLED = Path(__file__).parent / "key_facts_by_hand.jsonl"


@pytest.mark.parametrize(
    ("question", "answer", "reference", "right"),
    [
        ("Torque of the head screws?", "The screws get 2.1 Nm.", "2.1 Nm.", True),
        ("Torque of the head screws?", "2,1 Nm", "2.1 Nm.", True),
        ("Torque of the head screws?", "2.1 Nm or 4.4 Nm.", "2.1 Nm.", False),
        ("Torque of the head screws?", "At least 4.4 Nm.", "2.1 Nm.", False),
        ("Torque of the head screws?", "2.1", "2.1 Nm.", False),
        ("Torque in Nm?", "2.1", "2.1 Nm.", True),
        ("Torque of the head screws?", "Tighten them well.", "2.1 Nm.", False),
        ("Torque of the head screws?", "2.1 Nm at 120 °C.", "2.1 Nm.", True),
        ("How many rules fit in a Corvane 410?", "A Corvane 410 holds 16 rules.", "Up to 16 rules.", True),
        ("How many rules fit in a Corvane 410?", "A Corvane 415 holds 16 rules.", "Up to 16 rules.", False),
        ("2 or 3 screws?", "2 or 3 screws.", "3 screws.", False),
        ("2 or 3 screws?", "3.", "3 screws.", True),
        ("When?", "On 14 July 2023.", "By 2023-07-14.", True),
        ("When?", "On 15 July 2023.", "By 14 July 2023.", False),
        ("Which kit?", "Kit QC-41-0194.", "QC-41-0194", True),
        ("Which kit?", "QC-41-0194, QC-41-0195 and QC-41-0196.", "QC-41-0194", False),
        ("Who signs?", "It is signed by Alban Treadgold.", "Alban Treadgold, extension 5108.", False),
        ("Who signs?", "Treadgold, Alban (5108).", "Alban Treadgold, extension 5108.", True),
        ("Who signs?", "Nobody.", "Alban Treadgold.", False),
        ("How often?", "每26周检查一次", "每26周检查一次。", True),
        ("How often?", "每27周检查一次", "每26周检查一次。", False),
        ("How often?", "传感器每26周检查一次", "每26周检查一次。", True),
        ("How often?", "传感器每26周检查一次", "Every 26 weeks.", True),
        ("How hot?", "最高温度为45℃", "45℃", True),
        ("How hot?", "最高温度为50℃", "45℃", False),
        ("How much?", "価格は1200円です", "1200円", True),
        ("How much?", "価格は1300円です", "1200円", False),
        ("Which kit?", "请订购QC-41-0194。", "QC-41-0194", True),
        ("Which colour?", "Purple.", "Purple.", None),
        ("Do they add up?", "They are two kinds.", "No, the better one of the two counts.", None),
        ("How many must sign?", "Two.", "Two technicians.", True),
        ("How many must sign?", "One of them.", "Two technicians.", False),
        ("What is the surcharge per hour?", "96 euros an hour.", "96 euros.", True),
        ("What is the surcharge per hour?", "96 euros.", "96 euros an hour.", True),
        ("What is the surcharge?", "96 euros a day.", "96 euros.", False),
    ],
)
def test_by_hand(question: str, answer: str, reference: str, right: bool | None) -> None:
    assert key_facts_right(question, answer, [reference]) is right


def test_any_reference_will_do_and_those_without_facts_say_nothing() -> None:
    assert key_facts_right("How long?", "About 3 h.", ["180 min", "3 hours"]) is True
    assert key_facts_right("How long?", "Long.", ["Long.", "3 hours"]) is False


def test_more_words_gain_nothing() -> None:
    long = "The documents describe the torque in many ways, but all in all it is 2.1 Nm, as everybody knows."
    assert key_facts_right("Torque?", long, ["2.1 Nm"]) is key_facts_right("Torque?", "2.1 Nm", ["2.1 Nm"]) is True


def test_sixty_answers_agree_with_the_labels_that_a_person_gave() -> None:
    """27 of a real run of the packaged model and 33 written ones; docs/experiments.md tells how they were chosen."""
    rows = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 60
    assert 20 <= sum(row["right"] for row in rows) <= 40, "one-sided labels would prove nothing"
    judged = [(key_facts_right(row["question"], row["answer"], row["references"]), row) for row in rows]
    assert [row["answer"] for found, row in judged if found != row["right"]] == []
