"""The lexical index against a naive count of the same texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.retrieval.lexical import IndexedChunk, LexicalIndex, build_lexical, load_lexical
from doyen.retrieval.selection import choose
from doyen.retrieval.tokens import tokens
from doyen.retrieval.windows import _counts, look_up, score_windows, unit_cosines

WORDS = ["pump", "filter", "valve", "AB-12", "pressure", "Hans", "42", "the", "seal.", "Motor", "hot!\n", "3.5"]
CORPUS = st.lists(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60), min_size=1, max_size=3), min_size=1, max_size=4
)


def make(corpus: list[list[list[str]]]) -> tuple[LexicalIndex, dict[str, str]]:
    """Return the index of documents of chunks of words, and each document's text."""
    chunks, texts = [], {}
    for number, document in enumerate(corpus):
        text, spans = "", []
        for words in document:
            start = len(text)
            text += " ".join(words)
            spans.append((start, len(text)))
            text += "\n\n"
        texts[f"d{number}"] = text
        for place, (start, end) in enumerate(spans):
            chunks.append(IndexedChunk(f"d{number}c{place}", f"d{number}", start, end, "Title", text[start:end]))
    return build_lexical(chunks), texts


@settings(max_examples=40, deadline=None)
@given(CORPUS, st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
def test_counts_of_any_window_equal_a_naive_count(corpus: list[list[list[str]]], query: list[str]) -> None:
    index, texts = make(corpus)
    terms = look_up(index, tokens(" ".join(query)))
    for first in range(index.n_units):
        last = min(first + 3, int(index.segment_end[first]))
        text = texts[str(index.documents[index.unit_document[first]])]
        inside = [
            token
            for unit in range(first, last)
            for token in tokens(text[int(index.unit_start[unit]) : int(index.unit_end[unit])])
        ]
        counted = _counts(index, terms, np.array([first]), np.array([last]))[0]
        expected = [inside.count(index.vocabulary[row].decode()) for row in terms.rows]
        assert counted.tolist() == expected


@settings(max_examples=40, deadline=None)
@given(CORPUS, st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), st.integers(1, 6))
def test_chosen_passages_do_not_overlap_and_stay_in_one_document(
    corpus: list[list[list[str]]], query: list[str], k: int
) -> None:
    index, _ = make(corpus)
    cosines = unit_cosines(index, np.array([], np.int64), np.array([]))
    windows = score_windows(index, look_up(index, tokens(" ".join(query))), cosines)
    chosen = choose(index, windows, cosines, k, 30)
    seen: set[int] = set()
    assert 1 <= len(chosen) <= k
    for each in chosen:
        units = set(range(each.first, each.last))
        assert not seen & units
        seen |= units
        assert len({int(index.unit_document[unit]) for unit in units}) == 1
        assert 0 <= each.share <= 1 + 1e-9
    scores = [each.score for each in chosen]
    assert scores == sorted(scores, reverse=True)


def test_saved_and_mapped_index_is_the_same(tmp_path: Path) -> None:
    index, _ = make([[["pump", "filter", "AB-12"], ["seal."]], [["Hans", "42"]]])
    index.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy"}
    loaded = load_lexical(tmp_path)
    for name in index.__dataclass_fields__:
        assert np.array_equal(getattr(index, name), getattr(loaded, name)), name
    assert isinstance(loaded.posting_unit.base, np.memmap)


def test_empty_index_can_be_saved_and_searched(tmp_path: Path) -> None:
    build_lexical([]).save(tmp_path)
    loaded = load_lexical(tmp_path)
    assert (loaded.n_chunks, loaded.n_units, loaded.term("pump")) == (0, 0, None)


def test_damaged_files_are_noticed(tmp_path: Path) -> None:
    make([[["pump", "filter"]]])[0].save(tmp_path)
    (tmp_path / "words.npy").write_bytes(b"nonsense")
    with pytest.raises(ValueError):
        load_lexical(tmp_path)
    (tmp_path / "words.npy").unlink()
    with pytest.raises(OSError):
        load_lexical(tmp_path)


def test_overlapping_chunks_are_counted_once() -> None:
    text = "The pump is old. The filter is new. The valve is red."
    chunks = [
        IndexedChunk("a", "d", 0, 35, "", text[0:35]),
        IndexedChunk("b", "d", 17, len(text), "", text[17:]),
    ]
    index = build_lexical(chunks)
    row = index.term("filter")
    assert row is not None
    assert index.postings(row)[1].sum() == 1


def test_far_apart_chunks_are_not_joined() -> None:
    chunks = [IndexedChunk("a", "d", 0, 9, "", "The pump."), IndexedChunk("b", "d", 5000, 5011, "", "The filter.")]
    assert build_lexical(chunks).segment_end.tolist() == [1, 2]
