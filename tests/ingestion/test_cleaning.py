"""Cleaning: encodings, mojibake, white space, hyphens; and nothing else changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import join_lines, line_vocabulary, repair_text, tidy_lines
from doyen.ingestion.decoding import decode_bytes

GERMAN = "Die Prüfung größerer Geräte kostet 5 € – jährlich „gemäß“ §4.\nZweite Zeile ohne Umlaute."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(encoding):
    assert decode_bytes(GERMAN.encode(encoding)) == GERMAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Насос нужно проверять каждые шесть недель, иначе гарантия не действует. " * 3, "cp1251"),
        ("ポンプは六週間ごとに点検してください。保証の条件です。" * 3, "shift_jis"),
        ("Wymień uszczelkę pompy. Część zamienna leży w magazynie głównym. Źródło światła wyłączyć na dłużej." * 3, "cp1250"),
    ],
)
def test_other_code_pages(text, encoding):
    assert decode_bytes(text.encode(encoding)) == text


def test_utf8_with_a_few_broken_bytes_is_still_utf8():
    data = ("größer ü " * 50).encode() + b"\xff" + "Schluß".encode()
    assert decode_bytes(data).startswith("größer")
    assert decode_bytes(data).endswith("Schluß")


def test_binary_is_refused():
    with pytest.raises(UnreadableDocument, match="binary"):
        decode_bytes(bytes(range(256)) * 20)


def test_mojibake_is_repaired_and_sound_lines_are_left():
    assert (
        repair_text("Ã¼berholt â€“ CafÃ©\r\nA “quote” – ok\rx\x00y\u200bz\u00a0")
        == "überholt – Café\nA “quote” – ok\nx yz\u00a0"
    )


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="latin-1", exclude_categories=("Cc", "Cf")), max_size=200))
def test_sound_ascii_words_survive(text):
    words = [word for word in text.split() if word.isascii() and "?" not in word]
    cleaned = tidy_lines(repair_text(text))
    assert all(word in cleaned for word in words)


def test_hyphens_at_line_ends():
    assert join_lines(["The main-", "tenance of long-", "term contracts"]) == "The maintenance of long-term contracts"
    assert (
        join_lines(["Off\u00ad", "set and QC-41-", "0238 parts, Non-", "GAAP -", "x"])
        == "Offset and QC-41-0238 parts, Non-GAAP - x"
    )


def test_the_rest_of_the_document_decides_about_hyphens():
    words = line_vocabulary(["The tax is related to income, the analysis is fixed-rate.", "A main-", "tenance plan"])
    assert "tenance" not in words
    assert join_lines(["tax-", "related fixed-", "rate ana-", "lysis ana-", "tenance"], words | {"analysis"}) == (
        "tax-related fixed-rate analysis anatenance"
    )
