"""Several lexical indexes written as one.

The arrays are those of an index that was built at once from the texts of the live chunks:

    part 0   a1 a2 | b1 (dropped) | c1        merged   a1 a2 | b1' | c1 | d1
    part 1   b1' | d1
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from doyen.retrieval.lexical import PLACE_ARRAYS, Ints, LexicalIndex, build_lexical, cumulated


def merge_lexical(parts: Sequence[LexicalIndex], dropped: Sequence[Collection[str]]) -> LexicalIndex:
    """Return the live chunks of parts as one index.

    Args:
        parts: of which no two hold live chunks of the same document.
        dropped: for each part, the ids of its chunks that are left out.
    """
    if not parts:
        return build_lexical([])
    if len(parts) == 1 and not dropped[0]:
        return parts[0]
    return _Merger(parts, dropped).merged()


class _Merger:
    """Numbers the live chunks, units and pieces of all parts anew, documents in the order of their ids."""

    def __init__(self, parts: Sequence[LexicalIndex], dropped: Sequence[Collection[str]]) -> None:
        self.parts = parts
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

    def merged(self) -> LexicalIndex:
        """Return the merged index."""
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
