"""Tokens, units and pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.retrieval.tokens import MAX_TOKEN, tokens
from doyen.retrieval.units import MAX_UNIT_WORDS, PIECE_WORDS, count_words, split_pieces, split_sentences, split_units

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from(list("aB1 .-\n|\t?!éß中の,;:/_’")), max_size=400)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("AB-1234", "the filter AB-1234 is new"),
        ("ab1234", "the filter AB-1234 is new"),
        ("AB 1234", "the filter AB-1234 is new"),
        ("1234", "the filter AB-1234 is new"),
        ("AB-1234", "see ab_1234"),
        ("1000", "1,000 pieces"),
        ("2.5", "a gap of 2.5 mm"),
        ("Café", "the CAFE is open"),
        ("Straße", "STRASSE 5"),
        ("measurement", "it measures"),
        ("圧力", "入口圧力が低い"),
        ("สัปดาห์", "ตรวจสอบทุก 26สัปดาห์ครับ"),
        ("हफ़्ते", "हर 26 हफ़्ते जाँच करें"),
        ("e-mail", "send an email"),
        ("don't", "dont or don’t"),
    ],
)
def test_query_and_text_share_a_token(query: str, text: str) -> None:
    assert set(tokens(query, stopwords=False)) & set(tokens(text, stopwords=False))


@pytest.mark.parametrize(("query", "text"), [("हफ़्ते", "हफ़्ता"), ("สัปดาห์", "สามวัน")])
def test_vowel_signs_are_part_of_a_word(query: str, text: str) -> None:
    assert not set(tokens(query)) & set(tokens(text))


def test_codes_stay_whole() -> None:
    assert "ab1234" in tokens("AB-1234")
    assert "ab1234" not in tokens("AB-9999 and CD-1234")
    assert "3.5" in tokens("3.5 bar")
    assert "3.5" not in tokens("5.3 bar")


def test_question_words_are_left_out() -> None:
    assert tokens("What is the torque?") == tokens("torque")
    assert tokens("What is it?") == []


@settings(max_examples=80, deadline=None)
@given(TEXTS)
def test_tokens_do_not_depend_on_case_and_stay_short(text: str) -> None:
    assert tokens(text.lower()) == tokens(text.lower().casefold())
    assert all(0 < len(token) <= MAX_TOKEN for token in tokens(text))


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_units_and_pieces_hold_every_word_once(text: str) -> None:
    for split in (split_units, split_sentences, split_pieces):
        spans = split(text)
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        words = [word for start, end in spans for word in text[start:end].split()]
        assert words == text.split()


def test_long_text_without_punctuation_is_cut() -> None:
    text = "word " * 500
    assert all(count_words(text[start:end]) <= MAX_UNIT_WORDS for start, end in split_units(text))
    sizes = [count_words(text[start:end]) for start, end in split_pieces(text)]
    assert max(sizes) <= 2 * PIECE_WORDS
    assert min(sizes) >= PIECE_WORDS / 2


def test_table_is_one_unit() -> None:
    table = "| code | meaning |\n| --- | --- |\n| E-17 | pressure too low for the pump. Open it |\n| E-18 | motor hot |"
    assert split_units(table) == [(0, len(table))]
