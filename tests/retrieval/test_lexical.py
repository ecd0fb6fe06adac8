"""The lexical index against a naive count of the same texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.retrieval.excerpt import Excerpt, Near, cut_excerpt
from doyen.retrieval.lexical import IndexedChunk, LexicalIndex, build_lexical, load_lexical
from doyen.retrieval.lexical_merge import merge_lexical
from doyen.retrieval.lexical_view import LexicalView, Terms
from doyen.retrieval.tokens import tokens
from doyen.retrieval.windows import Chosen, _counts, choose, score_windows

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


def excerpt_of(view: LexicalView, query: list[str], near: Near | None = None) -> tuple[Excerpt, Terms]:
    terms = view.look_up(tokens(" ".join(query)), view.live, 48)
    return cut_excerpt(view, terms, near or Near(np.zeros(0, np.int64), np.zeros(0)), view.live), terms


@settings(max_examples=40, deadline=None)
@given(CORPUS, st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
def test_counts_of_any_window_equal_a_naive_count(corpus: list[list[list[str]]], query: list[str]) -> None:
    index, texts = make(corpus)
    view = LexicalView([index], [[]])
    excerpt, terms = excerpt_of(view, query)
    for first in range(excerpt.n_units):
        last = min(first + 3, int(excerpt.segment_end[first]))
        text = texts[str(view.documents[view.chunk_document[excerpt.unit_chunk[first]]])]
        inside = [
            token
            for unit in range(first, last)
            for token in tokens(text[int(excerpt.unit_start[unit]) : int(excerpt.unit_end[unit])])
        ]
        counted = _counts(excerpt, np.array([first]), np.array([last]))[0]
        expected = [inside.count(index.vocabulary[row].decode()) for (row,) in terms.rows]
        assert counted.tolist() == expected


@settings(max_examples=40, deadline=None)
@given(CORPUS, st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), st.integers(1, 6))
def test_chosen_passages_do_not_overlap_and_stay_in_one_document(
    corpus: list[list[list[str]]], query: list[str], k: int
) -> None:
    index, _ = make(corpus)
    view = LexicalView([index], [[]])
    excerpt, terms = excerpt_of(view, query)
    chosen = choose(excerpt, score_windows(excerpt, terms), k, 30)
    seen: set[int] = set()
    assert 1 <= len(chosen) <= k
    for each in chosen:
        units = set(range(each.first, each.last))
        assert not seen & units
        seen |= units
        assert len({int(view.chunk_document[excerpt.unit_chunk[unit]]) for unit in units}) == 1
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


def chunks_of(corpus: list[list[list[str]]], prefix: str) -> list[IndexedChunk]:
    """Return the chunks of a corpus; documents of equal number in corpora of other prefixes are other versions of them."""
    chunks = []
    for number, document in enumerate(corpus):
        end = -2
        for place, words in enumerate(document):
            text = " ".join(words)
            start, end = end + 2 + (300 if place == 2 else 0), end + 2 + (300 if place == 2 else 0) + len(text)
            chunks.append(IndexedChunk(f"{prefix}-d{number}c{place}", f"d{number}", start, end, f"Title {words[0]}", text))
    return chunks


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CORPUS, st.integers(0, 3)), min_size=1, max_size=3), st.lists(st.sampled_from(WORDS), min_size=1))
def test_parts_read_as_one_equal_an_index_built_at_once(
    versions: list[tuple[list[list[list[str]]], int]], query: list[str]
) -> None:
    """Each version replaces the documents from some number on, as updates do; to the last bit."""
    live: dict[str, tuple[int, list[IndexedChunk]]] = {}
    parts: list[list[IndexedChunk]] = []
    for version, (corpus, skip) in enumerate(versions):
        chunks = [chunk for chunk in chunks_of(corpus, f"v{version}") if int(chunk.document_id[1:]) >= skip]
        parts.append(chunks)
        for chunk in chunks:
            if live.get(chunk.document_id, (-1, []))[0] != version:
                live[chunk.document_id] = (version, [])
            live[chunk.document_id][1].append(chunk)
    kept = {chunk.chunk_id for _, chunks in live.values() for chunk in chunks}
    dropped = [[chunk.chunk_id for chunk in part if chunk.chunk_id not in kept] for part in parts]
    indexes = [build_lexical(part) for part in parts]
    whole = build_lexical([chunk for document in sorted(live) for chunk in live[document][1]])
    merged = merge_lexical(indexes, dropped)
    for name in whole.__dataclass_fields__:
        assert np.array_equal(getattr(merged, name), getattr(whole, name)), name
    rows = [
        [int(np.flatnonzero(index.chunk_ids == each)[0]) for each in gone] for index, gone in zip(indexes, dropped, strict=True)
    ]
    assert found(LexicalView(indexes, rows), query) == found(LexicalView([whole], [[]]), query)


def found(view: LexicalView, query: list[str]) -> list[tuple[str, int, int, Chosen]]:
    """Search with every other piece of the live chunks as a near one; return the chosen stretches in terms of the texts."""
    chunks = sorted(np.flatnonzero(view.live).tolist(), key=view.chunk_id)
    pieces = np.array([piece for row in chunks for piece in range(*view.piece_offset[row : row + 2])], np.int64)[::2]
    excerpt, terms = excerpt_of(view, query, Near(pieces, np.linspace(0.9, 0.1, len(pieces))))
    chosen = choose(excerpt, score_windows(excerpt, terms), 5, 140)
    first = [(view.chunk_id(excerpt.unit_chunk[each.first]), int(excerpt.unit_start[each.first])) for each in chosen]
    return [(*place, int(excerpt.unit_end[each.last - 1]), each) for place, each in zip(first, chosen, strict=True)]
