"""The search of an excerpt against a plain slow one over all units, and how little it misses of a larger index."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.retrieval import excerpt as excerpts
from doyen.retrieval.excerpt import Near, cut_excerpt
from doyen.retrieval.lexical import JOINABLE_GAP, IndexedChunk, build_lexical
from doyen.retrieval.lexical_view import LexicalView
from doyen.retrieval.tokens import tokens
from doyen.retrieval.units import count_words, split_units
from doyen.retrieval.windows import Chosen, choose, score_windows

WORDS = ["pump", "filter", "valve", "AB-12", "pressure", "Hans", "42", "the", "seal.", "Motor", "hot!\n", "3.5"]
NOTHING_NEAR = Near(np.zeros(0, np.int64), np.zeros(0))


@dataclass
class Unit:
    document: str
    section: int
    words: int
    tokens: list[str]
    label: list[str]


def units_of(chunks: list[IndexedChunk]) -> list[Unit]:
    """Cut chunks that do not overlap; a gap parts sections."""
    units: list[Unit] = []
    section, before = 0, None
    for chunk in chunks:
        if before is None or before.document_id != chunk.document_id or chunk.start - before.end > JOINABLE_GAP:
            section += 1
        for start, end in split_units(chunk.text):
            text = chunk.text[start:end]
            units.append(Unit(chunk.document_id, section, count_words(text), tokens(text), tokens(chunk.context)))
        before = chunk
    return units


def slow_scores(chunks: list[IndexedChunk], query: list[str]) -> list[float]:
    """Return the score of the window at every unit, one unit and one term at a time, as the module's text describes it."""
    units, terms = units_of(chunks), list(dict.fromkeys(query))
    frequency = {term: sum(term in tokens(chunk.text) for chunk in chunks) for term in terms}
    idf = {term: math.log(1 + (len(chunks) - frequency[term] + 0.5) / (frequency[term] + 0.5)) for term in terms}

    def end(start: int, most: int) -> int:
        stop, used = start, 0
        while stop < len(units) and units[stop].section == units[start].section and used + units[stop].words <= most:
            used, stop = used + units[stop].words, stop + 1
        return max(stop, start + 1)

    def bm25(windows: list[tuple[int, int]]) -> list[float]:
        held = [[token for unit in units[first:last] for token in unit.tokens] for first, last in windows]
        mean = max(sum(map(len, held)) / len(held), 1.0)
        found = []
        for each in held:
            norm = 1.2 * (1 - 0.75 + 0.75 * len(each) / mean)
            found.append(sum(idf[term] * each.count(term) / (each.count(term) + norm) for term in terms))
        return found

    def around(first: int, last: int, most: int) -> tuple[int, int]:
        before = [sum(unit.words for unit in units[:number]) for number in range(len(units) + 1)]
        middle = (before[first] + before[last]) / 2
        same = [number for number, unit in enumerate(units) if unit.document == units[first].document]
        left = [number for number in same if before[number] >= middle - most / 2]
        right = [number + 1 for number in same if before[number + 1] <= middle + most / 2]
        return min([first, *left]), max([last, *right])

    cores = [(start, end(start, 100)) for start in range(len(units))]
    narrow = bm25([(start, end(start, 40)) for start in range(len(units))])
    total = bm25(cores)
    for number, (first, last) in enumerate(cores):
        total[number] += 0.5 * max(narrow[at] for at in range(first, last) if at == first or end(at, 40) <= last)
    for most, weight in {200: 0.5, 400: 0.25, 800: 0.15}.items():
        for number, value in enumerate(bm25([around(first, last, most) for first, last in cores])):
            total[number] += weight * value
    for number, unit in enumerate(units):
        total[number] += 0.1 * sum(idf[term] for term in terms if term in unit.label)
    highest = sum(idf.values()) * (1 + 0.5 + 0.5 + 0.25 + 0.15 + 0.1)
    return [value / highest for value in total]


@st.composite
def corpora(draw: st.DrawFn) -> list[IndexedChunk]:
    chunks = []
    for document in range(draw(st.integers(1, 4))):
        end = 0
        for number in range(draw(st.integers(1, 4))):
            text = " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=70)))
            start = end + draw(st.sampled_from([0, 2, 300]))
            end = start + len(text)
            chunks.append(IndexedChunk(f"d{document}c{number}", f"d{document}", start, end, "Valve list", text))
    return chunks


@settings(max_examples=60, deadline=None)
@given(corpora(), st.lists(st.sampled_from(["pump", "filter", "ab12", "valv", "unknown"]), min_size=1, max_size=4))
def test_windows_score_as_a_plain_slow_search_says(chunks: list[IndexedChunk], query: list[str]) -> None:
    view = LexicalView([build_lexical(chunks)], [[]])
    terms = view.look_up(query, view.live, 48)
    excerpt = cut_excerpt(view, terms, NOTHING_NEAR, view.live)
    windows = score_windows(excerpt, terms)
    assert windows.start.tolist() == list(range(excerpt.n_units))
    assert windows.score == pytest.approx(slow_scores(chunks, query), abs=1e-9)


def large_corpus(n_documents: int, seed: int) -> list[IndexedChunk]:
    """Return chunks of sentences of words by Zipf's law; each document has some words that it uses often."""
    random = np.random.default_rng(seed)
    vocabulary = np.array([f"{'bcdfgklmnp'[n % 10]}{'aeiou'[n % 5]}{n}" for n in range(3000)])
    weights = 1 / np.arange(1, 3001)
    weights /= weights.sum()
    chunks = []
    for document in range(n_documents):
        own, at = random.choice(vocabulary, 8), 0
        for number in range(int(random.integers(1, 12))):
            words = [*random.choice(vocabulary, 110, p=weights), *random.choice(own, 10)]
            random.shuffle(words)
            text = ". ".join(" ".join(words[first : first + 12]) for first in range(0, 120, 12)) + "."
            chunks.append(IndexedChunk(f"{document:04}-{number:02}", f"{document:04}", at, at + len(text), own[0], text))
            at += len(text) + 2
    return chunks


def search(view: LexicalView, query: str, near: Near) -> list[tuple[str, int]]:
    terms = view.look_up(tokens(query), view.live, 48)
    excerpt = cut_excerpt(view, terms, near, view.live)
    chosen: list[Chosen] = choose(excerpt, score_windows(excerpt, terms), 5, 140)
    return [(view.chunk_id(excerpt.unit_chunk[each.first]), int(excerpt.unit_start[each.first])) for each in chosen]


def test_an_excerpt_finds_what_all_units_would(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = large_corpus(260, seed=3)
    cut = [number for number in range(1, len(chunks)) if chunks[number].document_id != chunks[number - 1].document_id]
    middle = cut[len(cut) // 3]
    view = LexicalView([build_lexical(chunks[:middle]), build_lexical(chunks[middle:])], [[], []])
    random = np.random.default_rng(4)
    queries = []
    for _ in range(40):
        words = chunks[int(random.integers(len(chunks)))].text.replace(".", "").split()
        pieces = random.choice(view.piece_base[-1], 40, replace=False)
        queries.append((" ".join(random.choice(words, 6)), Near(pieces, np.linspace(0.6, 0.2, 40))))
    monkeypatch.setattr(excerpts, "CHUNKS", len(chunks))
    everything = [search(view, *query) for query in queries]
    monkeypatch.setattr(excerpts, "CHUNKS", 100)
    limited = [search(view, *query) for query in queries]
    first = np.mean([few[0] == many[0] for few, many in zip(limited, everything, strict=True)])
    shared = np.mean([len(set(few) & set(many)) / 5 for few, many in zip(limited, everything, strict=True)])
    assert first >= 0.95, first
    assert shared >= 0.9, shared


def test_only_units_near_promising_chunks_are_looked_at() -> None:
    chunks = large_corpus(260, seed=5)
    view = LexicalView([build_lexical(chunks)], [[]])
    rare = min((len(view.parts[0].holding(row)), row) for row in range(len(view.parts[0].vocabulary)))[1]
    terms = view.look_up([view.parts[0].vocabulary[rare].decode()], view.live, 48)
    excerpt = cut_excerpt(view, terms, NOTHING_NEAR, view.live)
    assert 0 < excerpt.n_units < view.parts[0].n_units / 20


def test_dropped_and_excluded_chunks_are_in_no_excerpt() -> None:
    chunks = large_corpus(60, seed=6)
    dropped = [row for row, chunk in enumerate(chunks) if chunk.document_id in {"0003", "0017"}]
    view = LexicalView([build_lexical(chunks)], [dropped])
    allowed = view.live & (view.documents[view.chunk_document] != "0020")
    query = tokens(" ".join(chunks[row].context for row in dropped))
    excerpt = cut_excerpt(view, view.look_up(query, view.live, 48), NOTHING_NEAR, allowed)
    touched = set(view.documents[view.chunk_document[excerpt.unit_chunk]].tolist())
    assert touched
    assert not touched & {"0003", "0017", "0020"}
