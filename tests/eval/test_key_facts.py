"""Key facts right: by hand, by rule, and on labelled answers of real runs."""

from __future__ import annotations

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
        ("Which colour?", "Purple.", "Purple.", None),
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
