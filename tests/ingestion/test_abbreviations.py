"""Abbreviations that texts explain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.ingestion.abbreviations import best_long_form, find_abbreviations


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Heated Line Controller (HLC) is on.", {"HLC": "Heated Line Controller"}),
        ("HLC (heated line controller) is on.", {"HLC": "heated line controller"}),
        ("enzyme-linked immunosorbent assay (ELISA, Roche)", {"ELISA": "enzyme-linked immunosorbent assay"}),
        ("caused by human coronavirus OC43 (HCoV-OC43)", {"HCoV-OC43": "human coronavirus OC43"}),
        ("It weighs 3 kg (KG). The pump (see below). Open it (WARNING).", {}),
        ("The line.\nController heated (HLC)", {}),
    ],
)
def test_found(text: str, found: dict[str, str]) -> None:
    assert find_abbreviations(text) == found


@given(st.text("abc AB.-ß İ", max_size=30), st.text("ABCabc", min_size=2, max_size=6))
def test_a_long_form_ends_the_candidate_and_holds_the_letters(candidate: str, short: str) -> None:
    long = best_long_form(short, candidate)
    if long is not None:
        assert candidate.rstrip().endswith(long)
        letters = iter(long.casefold())
        assert all(letter in letters for letter in short.casefold())
