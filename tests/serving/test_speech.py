"""What is streamed is the answer: nothing shown is taken back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.records import REFUSAL
from doyen.core.refusals import is_refusal
from doyen.platform.serving.speech import Speech

TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from([REFUSAL, "26", " 14 %\n", "The documents do not say, but 26 is.", "The passages do not mention it."]),
    st.lists(st.sampled_from(["The", " ", "documents", "do not say", ".", "26", "\n", "I", "don't know", "but"])).map("".join),
)


def spoken(text: str, cuts: list[int]) -> tuple[list[str], Speech]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    speech = Speech()
    shown = [speech.push(text[start:end]) for start, end in pairwise(places)]
    return [*shown, speech.finish()], speech


@given(TEXTS, st.lists(st.integers(0, 1000), max_size=20))
def test_the_pieces_are_the_answer_and_a_refusal_shows_nothing_else(text: str, cuts: list[int]) -> None:
    pieces, speech = spoken(text, cuts)
    assert "".join(pieces) == speech.text
    if speech.refused:
        assert pieces[:-1] == [""] * (len(pieces) - 1)
        assert speech.text == REFUSAL
    else:
        assert speech.text == text.strip()


@given(st.lists(st.integers(0, 1000), max_size=20))
@pytest.mark.parametrize("text", ["26", "14 %", "$1,200", "2024-05-17", "否"])
def test_figures_and_other_scripts_are_shown_and_stay(text: str, cuts: list[int]) -> None:
    pieces, speech = spoken(text, cuts)
    assert ("".join(pieces), speech.refused) == (text, False)


def test_an_answer_is_shown_from_its_first_telling_word() -> None:
    speech = Speech()
    assert speech.push("The ") == ""
    assert speech.push("pump ") == "The pump"
    assert speech.push("head") == " head"
    assert not is_refusal(speech.text)


def test_a_refusal_that_states_a_figure_of_its_own_is_shown() -> None:
    speech = Speech("May I return it?")
    speech.push("I cannot help with refunds after 30 days.")
    assert (speech.finish(), speech.refused) == ("I cannot help with refunds after 30 days.", False)
    speech = Speech("May I return it after 30 days?")
    speech.push("I cannot help with refunds after 30 days.")
    assert (speech.finish(), speech.refused) == (REFUSAL, True)
