"""What is streamed is the answer: nothing shown is taken back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.records import REFUSAL
from doyen.platform.serving.refusals import RefusalBuffer, is_refusal

TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from([REFUSAL, "26", " 14 %\n", "The documents do not say, but 26 is.", "The passages do not mention it."]),
    st.lists(st.sampled_from(["The", " ", "documents", "do not say", ".", "26", "\n", "I", "don't know", "but"])).map("".join),
)


def spoken(text: str, cuts: list[int]) -> tuple[list[str], RefusalBuffer]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    buffer = RefusalBuffer()
    shown = [buffer.push(text[start:end]) for start, end in pairwise(places)]
    return [*shown, buffer.finish()], buffer


@given(TEXTS, st.lists(st.integers(0, 1000), max_size=20))
def test_the_pieces_are_the_answer_and_a_refusal_shows_nothing_else(text: str, cuts: list[int]) -> None:
    pieces, buffer = spoken(text, cuts)
    assert "".join(pieces) == buffer.text
    if buffer.refused:
        assert pieces[:-1] == [""] * (len(pieces) - 1)
        assert buffer.text == REFUSAL
    else:
        assert buffer.text == text.strip()


@given(st.lists(st.integers(0, 1000), max_size=20))
@pytest.mark.parametrize("text", ["26", "14 %", "$1,200", "2024-05-17", "否"])
def test_figures_and_other_scripts_are_shown_and_stay(text: str, cuts: list[int]) -> None:
    pieces, buffer = spoken(text, cuts)
    assert ("".join(pieces), buffer.refused) == (text, False)


def test_an_answer_is_shown_from_its_first_telling_word() -> None:
    buffer = RefusalBuffer()
    assert buffer.push("The ") == ""
    assert buffer.push("pump ") == "The pump"
    assert buffer.push("head") == " head"
    assert not is_refusal(buffer.text)


def test_a_refusal_that_states_a_figure_of_its_own_is_shown() -> None:
    buffer = RefusalBuffer("May I return it?")
    buffer.push("I cannot help with refunds after 30 days.")
    assert (buffer.finish(), buffer.refused) == ("I cannot help with refunds after 30 days.", False)
    buffer = RefusalBuffer("May I return it after 30 days?")
    buffer.push("I cannot help with refunds after 30 days.")
    assert (buffer.finish(), buffer.refused) == (REFUSAL, True)
