"""Vectors of a small segment: one array, compared with the query row by row.

A graph of a few hundred vectors takes longer to make, open and ask than it saves: in Chroma each segment costs an update
about 0.3 s and a query 2 ms. Lucene leaves small segments without a graph for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import StateError
from doyen.retrieval.lexical import Ints, LexicalIndex
from doyen.retrieval.segments import piece_names
from doyen.retrieval.vectors import NEAREST, SAME, VectorIndex, open_folder

FILE = "vectors.npy"


class FlatVectors:
    """Reads and collects vectors as `VectorIndex` does. They have unit length, so that products are cosines."""

    def __init__(self, names: Sequence[str], documents: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Hold pieces given by their ids and documents."""
        self._names, self._documents, self._vectors = list(names), list(documents), vectors
        self._rows = {name: row for row, name in enumerate(self._names)}

    def upsert(self, names: Sequence[str], documents: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add pieces, none of which is there."""
        held = [self._vectors] if self._names else []
        self._vectors = np.concatenate([*held, vectors])
        self._rows |= {name: row for row, name in enumerate(names, start=len(self._names))}
        self._names += names
        self._documents += documents

    def nearest(
        self, vector: NDArray[np.float32], k: int = NEAREST, only_documents: Sequence[str] | None = None
    ) -> list[tuple[str, int, float]]:
        """See `VectorIndex.nearest`."""
        cosines = self._vectors @ np.asarray(vector, np.float32)
        rows: Ints = np.arange(len(cosines))
        if only_documents is not None:
            rows = np.flatnonzero(np.isin(np.array(self._documents, np.str_), np.array(list(only_documents), np.str_)))
        best = rows[np.argsort(-cosines[rows], kind="stable")[:k]]
        found = []
        for row in best.tolist():
            chunk_id, _, number = self._names[row].rpartition(":")
            found.append((chunk_id, int(number), float(cosines[row])))
        return found

    def names(self) -> set[str]:
        """Return the ids of all pieces."""
        return set(self._names)

    def count(self) -> int:
        """Return the number of pieces."""
        return len(self._names)

    def fetch(self, names: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Return the ids of those of the pieces that are there, and their vectors."""
        found = [name for name in names if name in self._rows]
        return found, self._vectors[[self._rows[name] for name in found]]

    def check_one(self) -> None:
        """Find a piece by its own vector.

        Raises:
            StateError: it is not found, so the array is damaged.
        """
        if self._names and not float(self._vectors[0] @ self._vectors[0]) > SAME:
            raise StateError(f"{FILE} does not hold vectors of unit length")

    def save(self, folder: Path, names: Sequence[str]) -> None:
        """Write the vectors of pieces, in this order, into an existing folder."""
        np.save(folder / FILE, self.fetch(names)[1], allow_pickle=False)

    def close(self) -> None:
        """Do nothing: the array is in memory."""


AnyVectors = VectorIndex | FlatVectors


def open_vectors(segment: Path, lexical: LexicalIndex) -> AnyVectors:
    """Open the vectors of a segment's folder.

    Raises:
        StateError: they are damaged.
    """
    if not (segment / FILE).is_file():
        return open_folder(segment / "chroma")
    try:
        vectors = np.load(segment / FILE, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StateError(f"{segment / FILE} is damaged ({error})") from error
    names = piece_names(lexical)
    if len(vectors) != len(names):
        raise StateError(f"{segment / FILE} holds {len(vectors):,} vectors instead of {len(names):,}")
    owners = lexical.documents[lexical.chunk_document].repeat(np.diff(lexical.piece_offset))
    return FlatVectors(names, owners.tolist(), vectors)
