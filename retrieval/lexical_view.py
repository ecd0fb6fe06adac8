"""Several lexical indexes read as one, so that an update writes what changed and ranks stay those of a single index.

A document lies whole in one part. The view numbers chunks and units as one index over the live chunks would:

    part 0   a1 a2 | b1 (dropped) | c1        view   a1 a2 | b1' | c1 | d1
    part 1   b1' | d1
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from doyen.retrieval.lexical import PLACE_ARRAYS, Ints, LexicalIndex, build_lexical, cumulated

Rows = tuple[int, ...]
"""A term's row in the vocabulary of each part, -1 where it has none."""
CACHED_TERMS = 4096


class LexicalView:
    """Reads like a `LexicalIndex`; ``term`` gives a row in each part, which the other methods take."""

    def __init__(self, parts: Sequence[LexicalIndex], dropped: Sequence[Collection[str]]) -> None:
        """Number the live chunks anew.

        Args:
            parts: of which no two hold live chunks of the same document.
            dropped: for each part, the ids of its chunks that are not to be seen.
        """
        self.parts = parts
        self._terms: dict[Rows, tuple[Ints, Ints, int]] = {}
        self._number_chunks(dropped)
        self._number_units()
        self._number_pieces()

    def _number_chunks(self, dropped: Sequence[Collection[str]]) -> None:
        keep = [~np.isin(part.chunk_ids, list(gone)) for part, gone in zip(self.parts, dropped, strict=True)]
        self._keep = np.concatenate(keep)
        owners = np.concatenate([np.asarray(part.documents)[part.chunk_document] for part in self.parts])[self._keep]
        self._order = np.argsort(owners, kind="stable")
        ids = np.concatenate([part.chunk_ids for part in self.parts])[self._keep]
        self.chunk_ids: NDArray[np.str_] = ids[self._order]
        self.documents, chunk_document = np.unique(owners[self._order], return_inverse=True)
        self.chunk_document: Ints = chunk_document.astype(np.int64)
        places = _placed(self._keep, self._order)
        self.chunk_map = np.split(places, np.cumsum([part.n_chunks for part in self.parts])[:-1])

    def _number_units(self) -> None:
        parts = self.parts
        chunk = np.concatenate([places[part.unit_chunk] for part, places in zip(parts, self.chunk_map, strict=True)])
        keep = chunk >= 0
        order = np.argsort(chunk[keep], kind="stable")

        def gathered(values: list[Ints]) -> Ints:
            return np.concatenate(values)[keep][order]

        self.unit_chunk: Ints = gathered([chunk])
        self.unit_start = gathered([part.unit_start for part in parts])
        self.unit_end = gathered([part.unit_end for part in parts])
        self.words = cumulated(gathered([np.diff(part.words) for part in parts]))
        self.lengths = cumulated(gathered([np.diff(part.lengths) for part in parts]))
        begins = gathered([_begins(part).astype(np.int64) for part in parts])
        edges = np.append(np.flatnonzero(begins), len(begins))
        self.segment_end: Ints = edges[np.cumsum(begins)] if len(begins) else np.zeros(0, np.int64)
        self.unit_document: Ints = self.chunk_document[self.unit_chunk]
        self.unit_map = np.split(_placed(keep, order), np.cumsum([part.n_units for part in parts])[:-1])

    def _number_pieces(self) -> None:
        counts = np.concatenate([np.diff(part.piece_offset) for part in self.parts])
        owner = np.concatenate(self.chunk_map).repeat(counts)
        own_first = [np.searchsorted(part.unit_chunk, np.arange(part.n_chunks)) for part in self.parts]
        before = np.concatenate(own_first).repeat(counts)
        keep = owner >= 0
        order = np.argsort(owner[keep], kind="stable")
        now = np.searchsorted(self.unit_chunk, owner[keep][order])
        first = np.concatenate([part.piece_first for part in self.parts])
        last = np.concatenate([part.piece_last for part in self.parts])
        self.piece_first: Ints = now + (first - before)[keep][order]
        self.piece_last: Ints = now + (last - before)[keep][order]
        self.piece_offset = cumulated(counts[self._keep][self._order])

    @property
    def n_chunks(self) -> int:
        """Live chunks."""
        return len(self.chunk_ids)

    @property
    def n_units(self) -> int:
        """Units of live chunks."""
        return len(self.unit_chunk)

    def term(self, token: str) -> Rows | None:
        """Return the rows of a token, or None when no live chunk holds it."""
        found = [part.term(token) for part in self.parts]
        rows = tuple(-1 if row is None else row for row in found)
        known = any(row >= 0 for row in rows) and (self._term(rows)[2] or len(self.labelled(rows)))
        return rows if known else None

    def idf(self, rows: Rows | None) -> float:
        """Return the inverse document frequency of a term over the live chunks, as `LexicalIndex.idf` does."""
        frequency = 0 if rows is None else self._term(rows)[2]
        return math.log(1 + (self.n_chunks - frequency + 0.5) / (frequency + 0.5))

    def postings(self, rows: Rows) -> tuple[Ints, Ints]:
        """Return the live units that hold a term, ascending, and its count in each."""
        return self._term(rows)[:2]

    def labelled(self, rows: Rows) -> Ints:
        """Return the live chunks whose title or headings hold a term, ascending."""
        known = [(p, m, r) for p, m, r in zip(self.parts, self.chunk_map, rows, strict=True) if r >= 0]
        found = np.concatenate([np.zeros(0, np.int64), *[places[part.labelled(row)] for part, places, row in known]])
        return np.sort(found[found >= 0])

    def _term(self, rows: Rows) -> tuple[Ints, Ints, int]:
        """Return a term's live units, its counts there, and the number of chunks that hold it."""
        if (cached := self._terms.get(rows)) is not None:
            return cached
        units: list[Ints] = [np.zeros(0, np.int64)]
        counts: list[Ints] = [np.zeros(0, np.int64)]
        for part, places, row in zip(self.parts, self.unit_map, rows, strict=True):
            if row >= 0:
                held, times = part.postings(row)
                units.append(places[held])
                counts.append(times)
        unit, count = np.concatenate(units), np.concatenate(counts)
        order = np.argsort(unit, kind="stable")
        order = order[np.searchsorted(unit[order], 0) :]
        unit, count = unit[order], count[order]
        if len(self._terms) >= CACHED_TERMS:
            self._terms.clear()
        found = self._terms[rows] = unit, count, len(np.unique(self.unit_chunk[unit]))
        return found

    def merged(self) -> LexicalIndex:
        """Return the view as one index, equal in every array to one that was built from the live chunks' texts."""
        union = np.unique(np.concatenate([np.zeros(0, "S1"), *[part.vocabulary for part in self.parts]]))
        terms, units, counts, named, chunks = [], [], [], [], []
        for part, unit_map, chunk_map in zip(self.parts, self.unit_map, self.chunk_map, strict=True):
            row = np.searchsorted(union, part.vocabulary)
            terms.append(row.repeat(np.diff(part.posting_offset)))
            units.append(unit_map[part.posting_unit])
            counts.append(part.posting_count)
            named.append(row.repeat(np.diff(part.label_offset)))
            chunks.append(chunk_map[part.label_chunk])
        term, unit, count = _sorted_live(np.concatenate(terms), np.concatenate(units), np.concatenate(counts))
        label, chunk, _ = _sorted_live(np.concatenate(named), np.concatenate(chunks), np.concatenate(chunks))
        chunk_of = self.unit_chunk[unit]
        fresh = np.append(True, (np.diff(term) != 0) | (np.diff(chunk_of) != 0))[: len(term)]
        posted, labels = np.bincount(term, minlength=len(union)), np.bincount(label, minlength=len(union))
        used = (posted > 0) | (labels > 0)
        return LexicalIndex(
            **{name: getattr(self, name) for name in PLACE_ARRAYS},
            vocabulary=np.array(union[used].tolist(), np.bytes_),
            frequency=np.bincount(term[fresh], minlength=len(union))[used],
            posting_offset=cumulated(posted[used]),
            posting_unit=unit,
            posting_count=count,
            label_offset=cumulated(labels[used]),
            label_chunk=chunk,
        )


AnyLexical = LexicalIndex | LexicalView
"""What queries read; the rows that one gives are not for the other."""


def combine(parts: Sequence[LexicalIndex], dropped: Sequence[Collection[str]]) -> AnyLexical:
    """Return parts as one index; see `LexicalView`. A single part of which nothing is dropped is returned as it is."""
    if not parts:
        return build_lexical([])
    if len(parts) == 1 and not dropped[0]:
        return parts[0]
    return LexicalView(parts, dropped)


def _placed(keep: NDArray[np.bool_], order: Ints) -> Ints:
    """Return for each old row its new one, or -1 for those that are not kept."""
    places = np.full(len(keep), -1, np.int64)
    places[np.flatnonzero(keep)[order]] = np.arange(len(order))
    return places


def _begins(part: LexicalIndex) -> NDArray[np.bool_]:
    """Return for each unit whether a segment begins there."""
    return np.append(True, np.diff(part.segment_end) != 0)[: part.n_units]


def _sorted_live(term: Ints, place: Ints, value: Ints) -> tuple[Ints, Ints, Ints]:
    """Return what has a place, sorted by term and place."""
    live = np.flatnonzero(place >= 0)
    order = live[np.lexsort((place[live], term[live]))]
    return term[order], place[order], value[order]
