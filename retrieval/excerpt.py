"""The part of the index that a query is scored on: the promising chunks with what stands around them.

    chunks     ──  ──  ██  ──  ──  ──  ──  ██  ██  ──        the most promising ones: postings and near vectors decide
    regions   [──────────────]    [──────────────────        with the words around that windows are compared by
    units      u0 … u31            u32 … u80                 numbered anew

All that follows costs in proportion to the excerpt, however large the index is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doyen.retrieval.lexical import Floats, Ints, LexicalIndex, cumulated
from doyen.retrieval.lexical_view import Flags, LexicalView, Terms

CHUNKS = 150
"""Most promising chunks that an excerpt is made around."""
MARGIN_WORDS = 520
"""Words on either side: half the widest surroundings that windows are compared by, and a window."""
NEIGHBOUR_WEIGHT = 0.5
"""Of what the chunks before and after hold: a window may reach into them, and its surroundings count."""
DENSE_WEIGHT = 0.5
"""Of the cosine, beside the lexical score as a share of the highest that the query allows."""


@dataclass(frozen=True)
class Near:
    """The pieces nearest to the query, most similar first.

    Attributes:
        pieces: rows of the view's pieces.
        cosines: their similarity.
    """

    pieces: Ints
    cosines: Floats


@dataclass(frozen=True)
class Excerpt:
    """Units of some regions, in the order of their documents' ids and of the text.

    Attributes:
        unit_chunk: (n_units,) row of the view's chunks.
        unit_start, unit_end: (n_units,) characters in the document's text.
        unit_region: (n_units,) number of the region; one region is a stretch of one document.
        segment_end: (n_units,) one past the last unit that a passage starting here may reach.
        words, lengths: (n_units + 1,) words and tokens before each unit.
        allowed: (n_units,) may be part of a passage.
        postings: for each term, the units that hold it, ascending, and the occurrences before each and after the last.
        near: for each of the nearest pieces, most similar first, its first unit and one past its last; empty if elsewhere.
        cosines: (n_units,) of the unit's piece to the query, or the lowest one known.
    """

    unit_chunk: Ints
    unit_start: Ints
    unit_end: Ints
    unit_region: Ints
    segment_end: Ints
    words: Ints
    lengths: Ints
    allowed: Flags
    postings: list[tuple[Ints, Ints]]
    near: tuple[Ints, Ints]
    cosines: Floats

    @property
    def n_units(self) -> int:
        """Units of all regions."""
        return len(self.unit_chunk)


def cut_excerpt(view: LexicalView, terms: Terms, near: Near, allowed: Flags) -> Excerpt:
    """Return the surroundings of the most promising chunks.

    Args:
        view: the index.
        terms: the query's.
        near: its nearest pieces; all others are taken to be as far as the last of them.
        allowed: (n_rows,) chunks that passages may touch.
    """
    regions = _Regions(view, promising_chunks(view, terms, near, allowed))
    n_units = regions.n_units

    def gather(name: str) -> Ints:
        values = np.zeros(n_units, np.int64)
        for number, part in enumerate(view.parts):
            values[regions.place[number]] = getattr(part, name)[regions.unit[number]]
        return values

    def sums(name: str) -> Ints:
        values = np.zeros(n_units, np.int64)
        for number, part in enumerate(view.parts):
            every, unit = getattr(part, name), regions.unit[number]
            values[regions.place[number]] = every[unit + 1] - every[unit]
        return cumulated(values)

    unit_chunk = gather("unit_chunk") + regions.of_unit(regions.chunk_base)
    segment_end = gather("segment_end") + regions.of_unit(regions.shift)
    spans = regions.pieces(near.pieces)
    return Excerpt(
        unit_chunk=unit_chunk,
        unit_start=gather("unit_start"),
        unit_end=gather("unit_end"),
        unit_region=regions.of_unit(np.arange(len(regions.shift))),
        segment_end=np.minimum(segment_end, regions.of_unit(regions.ends)),
        words=sums("words"),
        lengths=sums("lengths"),
        allowed=allowed[unit_chunk],
        postings=[regions.postings(rows) for rows in terms.rows],
        near=spans,
        cosines=unit_cosines(n_units, spans, near.cosines),
    )


def promising_chunks(view: LexicalView, terms: Terms, near: Near, allowed: Flags) -> Ints:
    """Return the rows of the CHUNKS chunks, ascending, that hold most of the query, or have pieces near to it."""
    if int(allowed.sum()) <= CHUNKS:
        return np.flatnonzero(allowed)
    scores = np.zeros(len(allowed))
    for chunks, idf in zip(terms.chunks, terms.idf, strict=True):
        scores[chunks] += idf
    scores /= max(terms.mass, 1e-9)
    if len(near.pieces):
        owner = np.searchsorted(view.piece_offset, near.pieces, side="right") - 1
        first = np.unique(owner, return_index=True)[1]
        scores[owner[first]] += DENSE_WEIGHT * (near.cosines[first] - near.cosines.min())
    joined = view.chunk_document[1:] == view.chunk_document[:-1]
    beside = np.zeros(len(scores))
    beside[1:] += scores[:-1] * joined
    beside[:-1] += scores[1:] * joined
    found = np.flatnonzero((scores > 0) & allowed)
    if len(found) > CHUNKS:
        total = scores[found] + NEIGHBOUR_WEIGHT * beside[found]
        found = np.sort(found[np.argpartition(-total, CHUNKS - 1)[:CHUNKS]])
    return found


def unit_cosines(n_units: int, spans: tuple[Ints, Ints], cosines: Floats) -> Floats:
    """Return a cosine for each unit: its piece's, or the lowest one known for units of pieces that were not found.

    Args:
        spans: first unit of each piece, and one past its last.
        cosines: of the pieces, descending.
    """
    values = np.full(n_units, float(cosines.min()) if len(cosines) else 0.0)
    for first, last, cosine in zip(*spans, cosines, strict=True):
        np.maximum(values[first:last], cosine, out=values[first:last])
    return values


class _Regions:
    """Where the regions are: in their parts and in the excerpt.

    Attributes:
        part: (n_regions,) which part each is in.
        first, last: (n_regions,) its units there.
        chunk_base: (n_regions,) what makes a part's rows of chunks the view's.
        shift: (n_regions,) what makes a part's units the excerpt's.
        ends: (n_regions,) one past its last unit in the excerpt.
        unit, place: for each part, its units and where in the excerpt they go.
    """

    def __init__(self, view: LexicalView, chunks: Ints) -> None:
        self._view = view
        found = []
        for number, index in enumerate(view.parts):
            base = view.chunk_base[number]
            rows = chunks[(chunks >= base) & (chunks < view.chunk_base[number + 1])] - base
            found += [(str(index.documents[document]), number, *span) for document, *span in _around(index, rows)]
        found.sort()
        self.part, self.first, self.last = np.array([each[1:] for each in found], np.int64).reshape(-1, 3).T
        edges = cumulated(self.last - self.first)
        self.n_units = int(edges[-1])
        self.shift, self.ends = edges[:-1] - self.first, edges[1:]
        self.chunk_base = view.chunk_base[self.part]
        self.unit, self.place = [], []
        for number in range(len(view.parts)):
            mine = self.part == number
            unit = ranges(self.first[mine], self.last[mine])
            self.unit.append(unit)
            self.place.append(unit + np.repeat(self.shift[mine], (self.last - self.first)[mine]))

    def of_unit(self, values: Ints) -> Ints:
        """Return for each unit the value of its region."""
        return np.repeat(values, self.last - self.first)

    def postings(self, rows: tuple[int, ...]) -> tuple[Ints, Ints]:
        """Return the units of the excerpt that hold a term, ascending, and the occurrences before each and after the last."""
        places: list[Ints] = [np.zeros(0, np.int64)]
        counts: list[Ints] = [np.zeros(0, np.int64)]
        for number, (part, row) in enumerate(zip(self._view.parts, rows, strict=True)):
            mine = self.part == number
            if row < 0 or not mine.any():
                continue
            units, times = part.postings(row)
            begin, end = np.searchsorted(units, self.first[mine]), np.searchsorted(units, self.last[mine])
            taken = ranges(begin, end)
            places.append(units[taken] + np.repeat(self.shift[mine], end - begin))
            counts.append(times[taken])
        place, count = np.concatenate(places), np.concatenate(counts)
        order = np.argsort(place, kind="stable")
        return place[order], cumulated(count[order])

    def pieces(self, pieces: Ints) -> tuple[Ints, Ints]:
        """Return the first unit in the excerpt of each of the view's pieces, and one past the last; 0 and 0 if elsewhere."""
        first, last = np.zeros(len(pieces), np.int64), np.zeros(len(pieces), np.int64)
        part = np.searchsorted(self._view.piece_base, pieces, side="right") - 1
        for number, index in enumerate(self._view.parts):
            ours, regions = np.flatnonzero(part == number), np.flatnonzero(self.part == number)
            if not len(ours) or not len(regions):
                continue
            row = pieces[ours] - self._view.piece_base[number]
            begin, end = index.piece_first[row], index.piece_last[row]
            regions = regions[np.argsort(self.first[regions])]
            place = np.searchsorted(self.first[regions], begin, side="right") - 1
            region = regions[np.maximum(place, 0)]
            inside = (place >= 0) & (begin < self.last[region])
            first[ours] = np.where(inside, begin + self.shift[region], 0)
            last[ours] = np.where(inside, end + self.shift[region], 0)
        return first, last


def _around(index: LexicalIndex, chunks: Ints) -> list[tuple[int, int, int]]:
    """Return regions of whole chunks around ascending rows of chunks: the document's row, first unit, one past the last."""
    if not len(chunks):
        return []
    owner = index.chunk_document
    document = owner[chunks]
    begin = np.searchsorted(index.unit_chunk, np.searchsorted(owner, document, side="left"))
    end = np.searchsorted(index.unit_chunk, np.searchsorted(owner, document, side="right"))
    words, n_units = index.words, index.n_units
    first = np.searchsorted(index.unit_chunk, chunks)
    last = np.searchsorted(index.unit_chunk, chunks, side="right")
    left = np.searchsorted(words, words[first] - MARGIN_WORDS, side="left")
    right = np.searchsorted(words, words[last] + MARGIN_WORDS, side="right") - 1
    left = np.searchsorted(index.unit_chunk, index.unit_chunk[np.minimum(left, n_units - 1)], side="left")
    right = np.searchsorted(index.unit_chunk, index.unit_chunk[np.maximum(right - 1, 0)], side="right")
    left, right = np.maximum(np.minimum(left, first), begin), np.minimum(np.maximum(right, last), end)
    opens = np.append(True, (left[1:] > right[:-1]) | (document[1:] != document[:-1]))
    closes = np.append(opens[1:], True)
    regions = zip(document[opens].tolist(), left[opens].tolist(), right[closes].tolist(), strict=True)
    return [region for region in regions if region[1] < region[2]]


def ranges(first: Ints, last: Ints) -> Ints:
    """Return the numbers from each first to before each last one, one range after the other."""
    size = last - first
    return np.arange(int(size.sum())) + np.repeat(first - cumulated(size)[:-1], size)
