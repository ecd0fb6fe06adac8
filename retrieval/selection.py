"""From scored windows to passages: the best ones that do not overlap, grown to a passage's size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doyen.retrieval.lexical_view import AnyLexical
from doyen.retrieval.windows import Windows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


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

    def signals(self, pieces: Ints, index: AnyLexical) -> dict[str, float]:
        """Return the named scores of a passage.

        Args:
            pieces: rows of the pieces nearest to the query, most similar first.
        """
        inside = (index.piece_first[pieces] < self.last) & (index.piece_last[pieces] > self.first)
        rank = int(np.argmax(inside)) + 1 if inside.any() else len(pieces) + 1
        return {
            "dense": self.dense,
            "dense_rank": float(rank),
            "lexical": self.lexical,
            "lexical_rank": float(self.lexical_rank),
            "lexical_share": self.share,
        }


def choose(
    index: AnyLexical, windows: Windows, cosines: Floats, k: int, words: int, allowed: Flags | None = None
) -> list[Chosen]:
    """Return the ``k`` best stretches that do not overlap, best first, each grown to at most ``words`` words.

    Growing takes the neighbouring unit whose own window scores higher, so that an answer at the core's edge is whole.
    """
    scores = np.full(index.n_units, -np.inf)
    scores[windows.start] = windows.score
    taken = np.zeros(index.n_units, np.bool_)
    picked: list[int] = []
    for number in np.argsort(-windows.score, kind="stable"):
        span = slice(int(windows.start[number]), int(windows.end[number]))
        if taken[span].any() or (allowed is not None and not allowed[span].all()):
            continue
        taken[span] = True
        picked.append(int(number))
        if len(picked) == k:
            break
    chosen = []
    for number in picked:
        first, last = _grow(index, int(windows.start[number]), int(windows.end[number]), words, scores, taken, allowed)
        chosen.append(
            Chosen(
                first=first,
                last=last,
                score=float(windows.score[number]),
                lexical=float(windows.lexical[number]),
                lexical_rank=int((windows.lexical > windows.lexical[number]).sum()) + 1,
                share=float(windows.share[number]),
                dense=float(cosines[first:last].max()),
            )
        )
    return chosen


def _grow(
    index: AnyLexical, first: int, last: int, words: int, scores: Floats, taken: Flags, allowed: Flags | None
) -> tuple[int, int]:
    segment = index.segment_end[first]

    def free(unit: int) -> bool:
        inside = 0 <= unit < index.n_units and index.segment_end[unit] == segment
        return inside and not taken[unit] and (allowed is None or bool(allowed[unit]))

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
