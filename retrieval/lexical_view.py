"""Several lexical indexes searched as one, so that an update opens what is new and ranks stay those of a single index.

A document lies whole in one part. Rows of documents, chunks and pieces count through all parts, dropped ones included;
units keep their part's numbers, and only those near promising chunks are ever looked at (`excerpt`):

    part 0   a1 a2 | b1 (dropped) | c1      chunks 0 1 | 2 | 3
    part 1   b1' | d1                       chunks 4 | 5
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doyen.retrieval.lexical import Floats, Ints, LexicalIndex, cumulated

Flags = NDArray[np.bool_]
Rows = tuple[int, ...]
"""A term's row in the vocabulary of each part, -1 where it has none."""


OTHER_FORM_WEIGHT = 0.5
"""Of the words that an abbreviation or another name in the query stands for, and the other way round."""


@dataclass(frozen=True)
class Terms:
    """The query as the index knows it.

    Attributes:
        rows: terms that visible chunks, or their titles and headings, hold.
        chunks: for each of them, the visible chunks that hold it, ascending.
        labelled: for each of them, the visible chunks whose title or headings hold it, ascending.
        idf: (n_rows,) their weights.
        mass: weight of all of the query's terms, those unknown to the index included.
    """

    rows: list[Rows]
    chunks: list[Ints]
    labelled: list[Ints]
    idf: Floats
    mass: float

    def with_others(self, others: Terms) -> Terms:
        """Return the terms with those of other forms of the query, which count less and are not missed."""
        return Terms(
            [*self.rows, *others.rows],
            [*self.chunks, *others.chunks],
            [*self.labelled, *others.labelled],
            np.concatenate([self.idf, OTHER_FORM_WEIGHT * others.idf]),
            self.mass,
        )


class LexicalView:
    """Looks up words in all parts.

    Attributes:
        parts: of which no two hold live chunks of the same document.
        live: (n_rows,) chunks that are not dropped.
        documents: document ids; one that was replaced is there twice.
        chunk_document: (n_rows,) row of ``documents``.
        piece_offset: (n_rows + 1,) where a chunk's pieces start.
        chunk_base, piece_base: (n_parts + 1,) rows before each part.
    """

    def __init__(self, parts: Sequence[LexicalIndex], dropped: Sequence[Collection[int]]) -> None:
        """Put parts together.

        Args:
            parts: see the class.
            dropped: for each part, the rows of its chunks that are not to be seen.
        """
        self.parts = parts
        self.chunk_base = cumulated(np.array([part.n_chunks for part in parts], np.int64))
        self.piece_base = cumulated(np.array([len(part.piece_first) for part in parts], np.int64))
        documents = cumulated(np.array([len(part.documents) for part in parts], np.int64))
        self.live: Flags = np.ones(self.chunk_base[-1], np.bool_)
        for base, rows in zip(self.chunk_base[:-1], dropped, strict=True):
            self.live[base + np.array(sorted(rows), np.int64)] = False
        none = np.zeros(0, np.int64)
        self.documents: NDArray[np.str_] = np.concatenate([np.zeros(0, "U1"), *[part.documents for part in parts]])
        self.chunk_document: Ints = np.concatenate(
            [none, *[part.chunk_document + base for part, base in zip(parts, documents[:-1], strict=True)]]
        )
        offsets = [part.piece_offset[:-1] + base for part, base in zip(parts, self.piece_base[:-1], strict=True)]
        self.piece_offset: Ints = np.concatenate([*offsets, self.piece_base[-1:]])
        self.n_chunks = int(self.live.sum())

    def chunk_id(self, row: int) -> str:
        """Return the id of a chunk."""
        part = int(np.searchsorted(self.chunk_base, row, side="right")) - 1
        return str(self.parts[part].chunk_ids[row - self.chunk_base[part]])

    def look_up(self, query_tokens: Sequence[str], visible: Flags, at_most: int) -> Terms:
        """Return the query's distinct terms with their weights: the inverse document frequency among visible chunks.

        An unknown term weighs as the rarest.

        Args:
            query_tokens: repeated ones count once.
            visible: (n_rows,) chunks that are there as far as the caller may know, all of them live.
            at_most: of more terms the rarest are taken.
        """
        count, mass = int(visible.sum()), 0.0
        found: list[tuple[float, Rows, Ints, Ints]] = []
        for token in dict.fromkeys(query_tokens):
            rows = tuple(-1 if (row := part.term(token)) is None else row for part in self.parts)
            chunks, labelled = self._holding(rows, visible)
            weight = math.log(1 + (count - len(chunks) + 0.5) / (len(chunks) + 0.5))
            found.append((weight, rows, chunks, labelled))
        found = sorted(found, key=lambda term: -term[0])[:at_most] if len(found) > at_most else found
        mass = sum(weight for weight, _, _, _ in found)
        known = [term for term in found if len(term[2]) or len(term[3])]
        idf = np.array([weight for weight, _, _, _ in known], np.float64)
        return Terms([term[1] for term in known], [term[2] for term in known], [term[3] for term in known], idf, mass)

    def _holding(self, rows: Rows, visible: Flags) -> tuple[Ints, Ints]:
        """Return the visible chunks that hold a term, and those whose title or headings do."""
        chunks, labelled = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for part, base, row in zip(self.parts, self.chunk_base, rows, strict=False):
            if row >= 0:
                chunks.append(part.holding(row) + base)
                labelled.append(part.labelled(row) + base)
        held, named = np.concatenate(chunks), np.concatenate(labelled)
        return held[visible[held]], named[visible[named]]
