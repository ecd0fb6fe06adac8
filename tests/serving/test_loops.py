"""Loops of greedy decoding are seen and cut to their first round; everything else passes unchanged."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.platform.serving.engines.loops import LoopWatch


def watched(text: str, size: int = 4) -> tuple[str, LoopWatch]:
    """Push a text in pieces; return what was shown."""
    watch = LoopWatch()
    shown = ""
    for start in range(0, len(text), size):
        shown += watch.push(text[start : start + size])
        assert shown == watch.text
    return shown + watch.finish(), watch


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        ("", "The document is: "),
        ("Every 26 weeks. ", "The document is: SP-410-02, revision C. "),
        ("Open the valve, then ", "close the valve and open the valve again, then "),
        ("", "valve "),
        ("It is 2.1 Nm. ", "0"),
        ("", "泵的膜片每26周更换一次。"),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_loop_is_stopped_and_its_first_round_is_left(start: str, unit: str, size: int) -> None:
    shown, watch = watched(start + unit * 100, size)
    assert watch.looping
    # What stands before the loop may share its last characters: then its round ends so much earlier.
    assert shown.startswith((start + unit)[: len(start) + len(unit) * 2 // 3])
    assert len(shown) <= len(start) + max(2 * len(unit), 60)


@pytest.mark.parametrize(
    "form",
    [
        "{}. The document is the one. ",
        "Step {}: Repeat the step above. ",
        "Step {}: Repeat the step above.\n",
        "{}. Step {}: Repeat the step above.\n",
        "第{}步：重复上面的所有步骤一次。",
    ],
)
@pytest.mark.parametrize("start", ["", "These are the steps: ", "Steps of 5 Nm.\n\n"])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_rounds_that_only_count_are_a_loop(form: str, start: str, size: int) -> None:
    first = start + form.format(1, 1)
    shown, watch = watched(start + "".join(form.format(number, number) for number in range(1, 40)), size)
    assert watch.looping
    assert shown.strip() in {first.strip(), (first + form.format(2, 2)).strip()}  # the first 40 characters are shown at once


@pytest.mark.parametrize("unit", [".", "* ", "😀", "⭐ ", "…", "-=-"])
def test_signs_without_end_are_a_loop(unit: str) -> None:
    shown, watch = watched("It is 2.1 Nm. " + unit * 300)
    assert watch.looping
    assert len(shown) < 60


@pytest.mark.parametrize("head", ["", "| Part | Torque |\n|---|---|\n", "The bolts:\n\n"])
@pytest.mark.parametrize("row", ["| bolt | 5 Nm |\n", "| 5 Nm | 5 Nm | 5 Nm | 5 Nm | 5 Nm | 5 Nm | 5 Nm | 5 Nm | 5 Nm |\n"])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_table_is_cut_at_the_end_of_a_row(head: str, row: str, size: int) -> None:
    shown, watch = watched(head + row * 100, size)
    assert watch.looping
    assert shown.strip() in {(head + row * rounds).strip() for rounds in (1, 2, 3)}


def test_a_row_without_end_is_cut_at_the_end_of_a_cell() -> None:
    shown, watch = watched("| bolt" + " | 5 Nm" * 300)
    assert watch.looping
    assert shown.rstrip().endswith(" |")
    assert len(shown) < 60


def test_a_list_is_cut_at_the_end_of_a_line() -> None:
    shown, _ = watched("- the nut for the cover gets 5 Nm\n" + "- the bolt for the cover gets 5 Nm\n" * 30)
    assert shown == "- the nut for the cover gets 5 Nm\n- the bolt for the cover gets 5 Nm"


def test_numbered_lines_that_repeat_are_a_loop() -> None:
    shown, watch = watched("".join(f"{number}. Check the valve.\n" for number in range(1, 30)))
    assert watch.looping
    assert shown.count("Check") <= 3


@pytest.mark.parametrize(
    "text",
    [
        "2.1 Nm for the head screws and 2.1 Nm for the foot screws and 2.1 Nm for the cover screws.",
        "1. Check the valve.\n2. Check the pump.\n3. Check the valve.\n4. Check the filter.\n5. Check the valve.\n",
        "| Model | 410 | 415 | 420 |\n|---|---|---|---|\n| Torque | 2.1 Nm | 2.1 Nm | 2.1 Nm |\n",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        "No, no, no, no, no: never drill it out.",
        "Step 1: 5 bar. Step 2: 6 bar. Step 3: 7 bar. Step 4: 8 bar. Step 5: 9 bar. Step 6: 10 bar.",
        "0, " * 40 + "end",
        "0 " * 45 + "end",
        "5 Nm, " * 20 + "end",
        "| Part | Torque |\n|---|---|\n" + "| bolt | 5 Nm |\n" * 6,
        "| Part | Torque |\n|---|---|\n" + "| the long bolt of the cover of the inlet valve | 5 Nm, crosswise |\n" * 6,
        "| bolt | " + "yes | " * 20,
        "".join(f"| {number} | tighten to 5 Nm |\n" for number in range(1, 13)),
        "".join(f"Model {410 + 5 * number}: {number + 2}.1 Nm of torque\n" for number in range(12)),
        "".join(f"Week {number}: check the filter. " for number in range(1, 5)),
        "1. Check the valve.\n2. Check the valve.\n3. Check the valve.\nThen stop.",
        "".join(f"Bolt {number}: tighten to {number + 4} Nm. " for number in range(1, 20)),
        "Contents " + "." * 120 + " 5",
        "Press the key for 3 seconds. Press the key for 3 seconds. Then let it go.",
    ],
)
@pytest.mark.parametrize("size", [1, 4, 7])
def test_lists_tables_and_emphasis_are_no_loops(text: str, size: int) -> None:
    shown, watch = watched(text, size)
    assert (shown, watch.looping) == (text, False)


@given(st.text(), st.lists(st.integers(0, 10_000)))
def test_what_is_released_is_the_text(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    watch = LoopWatch()
    shown = "".join(watch.push(text[start:end]) for start, end in pairwise(places)) + watch.finish()
    assert shown == watch.text
    assert text.startswith(shown)
    assert watch.looping or shown == text


@given(st.text(min_size=1, max_size=120).filter(lambda unit: any(char.isalnum() for char in unit)), st.text(max_size=50))
def test_every_endless_repetition_is_seen(unit: str, start: str) -> None:
    _, watch = watched(start + unit * 100)
    assert watch.looping


def test_the_first_words_are_shown_at_once() -> None:
    watch = LoopWatch()
    assert [watch.push(piece) for piece in ("Tighten ", "the ", "screws ")] == ["Tighten ", "the ", "screws "]
