"""Scoring stretches of text (windows) against a query: BM25 at several sizes around the same place, plus vectors.

    units      [──][────][───][─────][──][────][───][──]     sentences and lines, u1 … u8
    window          [──────────────────]                     u2 – u5: about CORE_WORDS words, scored
     narrow              [────]                              the best stretch of NARROW_WORDS in it counts half again
     around    [───────────────────────────────────────      200, 400, 800 words with the window in their middle
    passage         [──────────────────────]                 u2 – u6: the best windows that do not overlap, grown

A window is a run of whole units. A good answer passage matches at every size: one sentence in it matches closely, the
passage as a whole, and its surroundings are about the same thing. Summing BM25 over sizes that double says just that,
and cures what fixed chunks suffer from: answers cut at chunk edges, and subjects that are named a paragraph earlier.
BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doyen.retrieval.excerpt import DENSE_WEIGHT, Excerpt
from doyen.retrieval.lexical import Floats, Ints
from doyen.retrieval.lexical_view import Flags, Terms

K1 = 1.2
B = 0.75
CORE_WORDS = 100
"""Words of the window that is ranked; it is grown to the passage's size afterwards."""
NARROW_WORDS = 40
NARROW_WEIGHT = 0.5
"""Of the best stretch of NARROW_WORDS inside the window."""
CONTEXT_WEIGHTS = {200: 0.5, 400: 0.25, 800: 0.15}
"""Words of the surroundings and their weight."""
LABEL_WEIGHT = 0.1
"""Of the query's terms that stand in the document's title or the headings above."""
CANDIDATES = 1000
"""Windows that are scored exactly; a cheap pass over the excerpt chooses them."""


@dataclass(frozen=True)
class Windows:
    """Scored windows, in no order.

    Attributes:
        start: first unit.
        end: one past the last unit.
        score: fused relevance.
        lexical: BM25 of the window alone.
        share: share of the query's idf mass that the window and its labels hold, 0 to 1.
        dense: mean cosine of the pieces that the window covers.
    """

    start: Ints
    end: Ints
    score: Floats
    lexical: Floats
    share: Floats
    dense: Floats


def score_windows(index: Excerpt, terms: Terms) -> Windows:
    """Score the most promising windows of CORE_WORDS."""
    ends = _ends(index, np.arange(index.n_units), CORE_WORDS)
    dense = _dense(index, ends)
    start = _candidates(index, terms, dense, ends)
    end, dense = ends[start], dense[start]
    lexical = _bm25(index, terms, start, end)
    total = lexical + NARROW_WEIGHT * _narrow(index, terms, start, end)
    for words, weight in CONTEXT_WEIGHTS.items():
        total += weight * _bm25(index, terms, *_around(index, start, end, words))
    labelled = _labelled(index, terms, start)
    total += LABEL_WEIGHT * (labelled @ terms.idf)
    highest = terms.mass * (1 + NARROW_WEIGHT + sum(CONTEXT_WEIGHTS.values()) + LABEL_WEIGHT)
    present = labelled | (_counts(index, start, end) > 0)
    share = np.minimum(present @ terms.idf / terms.mass, 1.0) if terms.mass else np.zeros(len(start))
    relative = total / highest if terms.mass else total
    return Windows(start, end, relative + DENSE_WEIGHT * dense, lexical, share, dense)


def _ends(index: Excerpt, start: Ints, words: int) -> Ints:
    """Return where windows of at most ``words`` words end; a window has at least one unit and stays in its segment."""
    reach = np.searchsorted(index.words, index.words[start] + words, side="right") - 1
    return np.minimum(np.maximum(reach, start + 1), index.segment_end[start])


def _dense(index: Excerpt, ends: Ints) -> Floats:
    """Return the mean cosine of each window, weighted by words."""
    counts = np.maximum(np.diff(index.words), 1)
    weights = np.concatenate([np.zeros(1), np.cumsum(counts)])
    values = np.concatenate([np.zeros(1), np.cumsum(index.cosines * counts)])
    start = np.arange(index.n_units)
    return (values[ends] - values[start]) / (weights[ends] - weights[start])


def _candidates(index: Excerpt, terms: Terms, dense: Floats, ends: Ints) -> Ints:
    """Choose windows by the idf of their matches and their cosine, without looking at sizes."""
    matches = np.zeros(index.n_units + 1)
    for (units, _), idf in zip(index.postings, terms.idf, strict=True):
        matches[units + 1] += idf
    cumulated = np.cumsum(matches)
    rough = (cumulated[ends] - cumulated[:-1]) / max(terms.mass, 1e-9) + DENSE_WEIGHT * dense
    may_start = np.flatnonzero(index.allowed)
    count = min(CANDIDATES, len(may_start))
    return np.sort(may_start[np.argpartition(-rough[may_start], count - 1)[:count]]) if count else may_start


def _counts(index: Excerpt, start: Ints, end: Ints) -> Floats:
    """Return occurrences of each term in each window, ``(n_windows, n_terms)``."""
    counts = np.zeros((len(start), len(index.postings)))
    for column, (units, before) in enumerate(index.postings):
        counts[:, column] = before[np.searchsorted(units, end)] - before[np.searchsorted(units, start)]
    return counts


def _bm25(index: Excerpt, terms: Terms, start: Ints, end: Ints) -> Floats:
    """Return BM25 of windows among windows of their size, at most ``terms.mass``."""
    if not terms.rows or not len(start):
        return np.zeros(len(start))
    length = (index.lengths[end] - index.lengths[start]).astype(np.float64)
    norm = K1 * (1 - B + B * length / max(float(length.mean()), 1.0))
    counts = _counts(index, start, end)
    return (counts / (counts + norm[:, None])) @ terms.idf


def _narrow(index: Excerpt, terms: Terms, start: Ints, end: Ints) -> Floats:
    """Return the highest BM25 of a window of NARROW_WORDS inside each window."""
    size = end - start
    wide = int(size.max()) if len(size) else 0
    inside = np.unique((start[:, None] + np.arange(wide))[np.arange(wide) < size[:, None]]) if wide else start
    narrow_end = _ends(index, inside, NARROW_WORDS)
    scores = _bm25(index, terms, inside, narrow_end)
    place = np.searchsorted(inside, start)
    best: Floats = np.zeros(len(start))
    for step in range(wide):
        at = np.minimum(place + step, len(inside) - 1)
        fits = (step < size) & ((narrow_end[at] <= end) | (step == 0))
        best = np.where(fits, np.maximum(best, scores[at]), best)
    return best


def _around(index: Excerpt, start: Ints, end: Ints, words: int) -> tuple[Ints, Ints]:
    """Return windows of ``words`` words with the given ones in their middle, inside the same region."""
    region = index.unit_region
    first = np.searchsorted(region, region[start], side="left")
    last = np.searchsorted(region, region[start], side="right")
    middle = (index.words[start] + index.words[end]) / 2
    left = np.searchsorted(index.words, middle - words / 2, side="left")
    right = np.searchsorted(index.words, middle + words / 2, side="right") - 1
    return np.maximum(np.minimum(left, start), first), np.minimum(np.maximum(right, end), last)


def _labelled(index: Excerpt, terms: Terms, start: Ints) -> Flags:
    """Return whether the title or headings above each window hold each term, ``(n_windows, n_terms)``."""
    chunk = index.unit_chunk[start]
    found = np.zeros((len(start), len(terms.labelled)), np.bool_)
    for column, chunks in enumerate(terms.labelled):
        if len(chunks):
            place = np.searchsorted(chunks, chunk)
            found[:, column] = chunks[np.minimum(place, len(chunks) - 1)] == chunk
    return found


@dataclass(frozen=True)
class Chosen:
    """A stretch of units that becomes a passage.

    Attributes:
        first: first unit.
        last: one past the last unit.
        score: fused relevance of its core.
        lexical: BM25 of its core.
        lexical_rank: place of the core among all scored windows by BM25, from 1.
        share: share of the query's idf mass in the core and its labels.
        dense: highest cosine of its units.
    """

    first: int
    last: int
    score: float
    lexical: float
    lexical_rank: int
    share: float
    dense: float

    def signals(self, index: Excerpt) -> dict[str, float]:
        """Return the named scores of a passage."""
        first, last = index.near
        inside = (first < self.last) & (last > self.first)
        rank = int(np.argmax(inside)) + 1 if inside.any() else len(inside) + 1
        return {
            "dense": self.dense,
            "dense_rank": float(rank),
            "lexical": self.lexical,
            "lexical_rank": float(self.lexical_rank),
            "lexical_share": self.share,
        }


def choose(index: Excerpt, windows: Windows, k: int, words: int) -> list[Chosen]:
    """Return the ``k`` best stretches that do not overlap, best first, each grown to at most ``words`` words.

    Growing takes the neighbouring unit whose own window scores higher, so that an answer at the core's edge is whole.
    """
    scores = np.full(index.n_units, -np.inf)
    scores[windows.start] = windows.score
    taken = np.zeros(index.n_units, np.bool_)
    picked: list[int] = []
    for number in np.argsort(-windows.score, kind="stable"):
        span = slice(int(windows.start[number]), int(windows.end[number]))
        if taken[span].any() or not index.allowed[span].all():
            continue
        taken[span] = True
        picked.append(int(number))
        if len(picked) == k:
            break
    chosen = []
    for number in picked:
        first, last = _grow(index, int(windows.start[number]), int(windows.end[number]), words, scores, taken)
        chosen.append(
            Chosen(
                first=first,
                last=last,
                score=float(windows.score[number]),
                lexical=float(windows.lexical[number]),
                lexical_rank=int((windows.lexical > windows.lexical[number]).sum()) + 1,
                share=float(windows.share[number]),
                dense=float(index.cosines[first:last].max()),
            )
        )
    return chosen


def _grow(index: Excerpt, first: int, last: int, words: int, scores: Floats, taken: Flags) -> tuple[int, int]:
    segment = index.segment_end[first]

    def free(unit: int) -> bool:
        inside = 0 <= unit < index.n_units and index.segment_end[unit] == segment
        return inside and not taken[unit] and bool(index.allowed[unit])

    while True:
        options = []
        if free(first - 1) and index.words[last] - index.words[first - 1] <= words:
            options.append((scores[first - 1], first - 1))
        if free(last) and index.words[last + 1] - index.words[first] <= words:
            options.append((scores[last], last))
        if not options:
            return first, last
        unit = max(options)[1]
        taken[unit] = True
        first, last = min(first, unit), max(last, unit + 1)
