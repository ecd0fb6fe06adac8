"""The lexical index: which words stand in which unit, on disk as plain arrays that are mapped and not read.

BM25 scores of fixed chunks would be smaller to store. Counts by unit (sentence or line) let a query score any stretch
of text, at several sizes at once, which finds clearly more answers than chunks do (docs/decisions/retrieval.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doyen.retrieval.tokens import tokens
from doyen.retrieval.units import count_words, split_pieces, split_units

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FORMAT = 4
"""Changes with the meaning of the files; an index of another format is rebuilt."""
JOINABLE_GAP = 200
"""Characters between two chunks of a document over which a passage may still reach."""


@dataclass(frozen=True)
class IndexedChunk:
    """What the lexical index needs of a chunk.

    Attributes:
        context: title of its document and path of its headings, see `context_of`.
    """

    chunk_id: str
    document_id: str
    start: int
    end: int
    context: str
    text: str


@dataclass(frozen=True)
class LexicalIndex:
    """All arrays of the index. Units are numbered in reading order, document after document.

    Attributes:
        chunk_ids: (n_chunks,) text.
        chunk_document: (n_chunks,) row of ``documents``.
        documents: (n_documents,) document ids.
        unit_chunk: (n_units,) row of ``chunk_ids``.
        unit_start: (n_units,) first character in the document's text.
        unit_end: (n_units,) one past the last character.
        segment_end: (n_units,) one past the last unit that a passage starting here may reach.
        words: (n_units + 1,) words before each unit, cumulated over the whole index.
        lengths: (n_units + 1,) tokens before each unit, cumulated.
        piece_offset: (n_chunks + 1,) where a chunk's pieces start in ``piece_first`` and ``piece_last``.
        piece_first: (n_pieces,) first unit of an embedded piece.
        piece_last: (n_pieces,) one past its last unit.
        vocabulary: (n_terms,) sorted terms as UTF-8 bytes.
        frequency: (n_terms,) chunks that hold the term.
        posting_offset: (n_terms + 1,) where a term's postings start.
        posting_unit: (n_postings,) units that hold the term, ascending.
        posting_count: (n_postings,) occurrences there.
        label_offset: (n_terms + 1,) where a term's labels start.
        label_chunk: (n_labels,) chunks whose title or headings hold the term, ascending.
    """

    chunk_ids: NDArray[np.str_]
    chunk_document: Ints
    documents: NDArray[np.str_]
    unit_chunk: Ints
    unit_start: Ints
    unit_end: Ints
    segment_end: Ints
    words: Ints
    lengths: Ints
    piece_offset: Ints
    piece_first: Ints
    piece_last: Ints
    vocabulary: NDArray[np.bytes_]
    frequency: Ints
    posting_offset: Ints
    posting_unit: Ints
    posting_count: Ints
    label_offset: Ints
    label_chunk: Ints

    @property
    def n_chunks(self) -> int:
        """Chunks in the index."""
        return len(self.chunk_ids)

    @property
    def n_units(self) -> int:
        """Units in the index."""
        return len(self.unit_chunk)

    def term(self, token: str) -> int | None:
        """Return the row of a token in the vocabulary, or None."""
        key = token.encode("utf-8")
        row = int(np.searchsorted(self.vocabulary, np.bytes_(key)))
        return row if row < len(self.vocabulary) and self.vocabulary[row] == key else None

    def postings(self, row: int) -> tuple[Ints, Ints]:
        """Return the units that hold a term, ascending, and its count in each."""
        span = slice(int(self.posting_offset[row]), int(self.posting_offset[row + 1]))
        return self.posting_unit[span], self.posting_count[span]

    def holding(self, row: int) -> Ints:
        """Return the chunks that hold a term, ascending."""
        chunks = self.unit_chunk[self.postings(row)[0]]
        return chunks[np.append(True, chunks[1:] != chunks[:-1])[: len(chunks)]]

    def labelled(self, row: int) -> Ints:
        """Return the chunks whose title or headings hold a term, ascending."""
        return self.label_chunk[int(self.label_offset[row]) : int(self.label_offset[row + 1])]

    def save(self, folder: Path) -> None:
        """Write one ``.npy`` file for each array into an existing folder."""
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)


ARRAYS = tuple(array.name for array in fields(LexicalIndex))
PLACE_ARRAYS = ARRAYS[: ARRAYS.index("vocabulary")]
"""Those about chunks, units and pieces."""


def load_lexical(folder: Path) -> LexicalIndex:
    """Map the arrays of a folder; pages are read when a query needs them.

    Raises:
        OSError: a file is missing.
        ValueError: a file is damaged.
    """
    arrays = {}
    for name in ARRAYS:
        path = folder / f"{name}.npy"
        try:
            # A plain view: numpy's memmap class makes every small operation slower.
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
        except ValueError:
            # An empty array cannot be mapped; anything else that is wrong with the file fails again.
            arrays[name] = np.load(path, allow_pickle=False)
        except EOFError as error:
            raise ValueError(f"{path} is empty") from error
    index = LexicalIndex(**arrays)
    if len(index.words) != index.n_units + 1 or int(index.posting_offset[-1]) != len(index.posting_unit):
        raise ValueError(f"the arrays in {folder} do not fit each other")
    return index


def build_lexical(chunks: Iterable[IndexedChunk]) -> LexicalIndex:
    """Build the index of chunks that come ordered by document and by place in it."""
    builder = _Builder()
    for chunk in chunks:
        builder.add(chunk)
    return builder.finish()


class _Builder:
    """Collects units, pieces and postings chunk by chunk."""

    def __init__(self) -> None:
        self.chunk_ids: list[str] = []
        self.chunk_document: list[int] = []
        self.documents: list[str] = []
        self.units: list[tuple[int, int, int, int, int]] = []
        self.breaks: list[int] = []
        self.pieces: list[tuple[int, int]] = []
        self.piece_offset = [0]
        self.frequency: Counter[str] = Counter()
        self.postings: dict[str, list[tuple[int, int]]] = {}
        self.labels: dict[str, list[int]] = {}
        self._end = 0

    def add(self, chunk: IndexedChunk) -> None:
        """Take in the next chunk; characters that an earlier chunk covers already are left out."""
        row = len(self.chunk_ids)
        if not self.documents or self.documents[-1] != chunk.document_id:
            self.documents.append(chunk.document_id)
            self._end = 0
            self.breaks.append(len(self.units))
        elif chunk.start - self._end > JOINABLE_GAP:
            self.breaks.append(len(self.units))
        self.chunk_ids.append(chunk.chunk_id)
        self.chunk_document.append(len(self.documents) - 1)
        first = len(self.units)
        seen: set[str] = set()
        for start, end in split_units(chunk.text):
            if chunk.start + start >= self._end:
                seen |= self._add_unit(row, chunk.start + start, chunk.start + end, chunk.text[start:end])
        self.frequency.update(seen)
        self._add_pieces(chunk, first)
        for token in set(tokens(chunk.context)):
            self.labels.setdefault(token, []).append(row)
        self._end = max(self._end, chunk.end)

    def _add_unit(self, row: int, start: int, end: int, text: str) -> set[str]:
        number = len(self.units)
        counts = Counter(tokens(text))
        for token, count in counts.items():
            self.postings.setdefault(token, []).append((number, count))
        self.units.append((row, start, end, count_words(text), counts.total()))
        return set(counts)

    def _add_pieces(self, chunk: IndexedChunk, first: int) -> None:
        """Note which units each embedded piece covers: those that it shares a character with."""
        own = self.units[first:]
        for start, end in split_pieces(chunk.text):
            covered = [
                first + number
                for number, unit in enumerate(own)
                if unit[1] < chunk.start + end and unit[2] > chunk.start + start
            ]
            self.pieces.append((covered[0], covered[-1] + 1) if covered else (first, first))
        self.piece_offset.append(len(self.pieces))

    def finish(self) -> LexicalIndex:
        """Return the arrays."""
        units = np.array(self.units, np.int64).reshape(-1, 5)
        pieces = np.array(self.pieces, np.int64).reshape(-1, 2)
        vocabulary = sorted({token.encode("utf-8") for token in (*self.postings, *self.labels)})
        terms = [term.decode("utf-8") for term in vocabulary]
        posted = [np.array(self.postings.get(term, []), np.int64).reshape(-1, 2) for term in terms]
        labelled = [np.array(self.labels.get(term, []), np.int64) for term in terms]
        joined = np.concatenate([np.zeros((0, 2), np.int64), *posted])
        return LexicalIndex(
            chunk_ids=np.array(self.chunk_ids, np.str_),
            chunk_document=np.array(self.chunk_document, np.int64),
            documents=np.array(self.documents, np.str_),
            unit_chunk=units[:, 0].copy(),
            unit_start=units[:, 1].copy(),
            unit_end=units[:, 2].copy(),
            segment_end=_segment_ends(self.breaks, len(units)),
            words=cumulated(units[:, 3]),
            lengths=cumulated(units[:, 4]),
            piece_offset=np.array(self.piece_offset, np.int64),
            piece_first=pieces[:, 0].copy(),
            piece_last=pieces[:, 1].copy(),
            vocabulary=np.array(vocabulary, np.bytes_),
            frequency=np.array([self.frequency.get(term, 0) for term in terms], np.int64),
            posting_offset=cumulated(np.array([len(each) for each in posted], np.int64)),
            posting_unit=joined[:, 0].copy(),
            posting_count=joined[:, 1].copy(),
            label_offset=cumulated(np.array([len(each) for each in labelled], np.int64)),
            label_chunk=np.concatenate([np.zeros(0, np.int64), *labelled]),
        )


def cumulated(values: Ints) -> Ints:
    """Return the sums before each value and after the last one, ``(n + 1,)``."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)])


def _segment_ends(breaks: list[int], n_units: int) -> Ints:
    edges = np.unique(np.array([*breaks, n_units], np.int64))
    units = np.arange(n_units)
    return edges[np.searchsorted(edges, units, side="right")] if n_units else np.zeros(0, np.int64)
