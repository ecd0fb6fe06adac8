"""The retriever: vectors and words together, over windows of text instead of fixed chunks."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doyen.platform.core.errors import IndexMissing, StateError
from doyen.platform.core.models import resolve_embedder
from doyen.platform.core.store import Store
from doyen.platform.core.workspace import Workspace
from doyen.retrieval.embedder import Embedder, open_embedder
from doyen.retrieval.lexical import LexicalIndex, load_lexical
from doyen.retrieval.manifest import REMEDY, IndexManifest, manifest_path, read_manifest
from doyen.retrieval.passage import Passage
from doyen.retrieval.reading import read_passages
from doyen.retrieval.selection import choose
from doyen.retrieval.tokens import tokens
from doyen.retrieval.vectors import VectorDatabase, VectorIndex, close_clients
from doyen.retrieval.windows import Terms, look_up, score_windows, unit_cosines

MAX_TERMS = 48
"""Rarest words of a query that are looked up: a pasted page must not take seconds."""
MAX_QUERY_CHARS = 20_000
"""What is read of a longer query."""
ROUNDS = 3
"""How often a search is repeated without chunks that the store has dropped since the index was published."""


@dataclass(frozen=True)
class _Opened:
    """One published index, opened."""

    stamp: tuple[int, int, int]
    manifest: IndexManifest
    lexical: LexicalIndex
    vectors: VectorIndex
    rows: dict[str, int]
    """chunk_id to row of the lexical index."""


class HybridRetriever:
    """Finds passages by words and by meaning. Threads may share one; it reloads when the index is updated."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        """Open the published index.

        Raises:
            IndexMissing: there is none, or it is damaged or of another embedder.
        """
        self._workspace, self._store = workspace, store
        self._lock = threading.Lock()
        self._passage_words = workspace.settings.ingestion.chunk_words
        self._opened = _open(workspace)

    @property
    def n_chunks(self) -> int:
        """Chunks in the index as it is now."""
        return self._current().lexical.n_chunks

    @property
    def embedder(self) -> Embedder:
        """The model that embeds queries, loaded by the first caller."""
        return open_embedder(self._workspace.settings.retrieval)

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = ()) -> list[Passage]:
        """Return at most ``k`` passages, best first, none from ``exclude_documents`` (document ids).

        Passages never overlap, hold whole sentences and at most about ``ingestion.chunk_words`` words. A blank query
        finds nothing. Their ``signals``:

        - ``dense``: highest cosine of the query to a piece of the passage;
        - ``dense_rank``: place of that piece among all, from 1;
        - ``lexical``: BM25 of the passage's core; ``lexical_rank``: its place among the scored windows, from 1;
        - ``lexical_share``: share of the query's idf mass found in the core and the headings above it, 0 to 1.

        Raises:
            IndexMissing: the index was deleted meanwhile.
        """
        query = query[:MAX_QUERY_CHARS].strip()
        opened = self._current()
        if not query or k < 1 or not opened.lexical.n_units:
            return []
        terms = self._terms(opened.lexical, query)
        vector = self.embedder.encode([query], kind="query")[0]
        nearest = [
            (piece, cosine)
            for chunk_id, number, cosine in opened.vectors.nearest(vector, exclude_documents)
            if (piece := _piece(opened, chunk_id, number)) is not None
        ]
        pieces = np.array([piece for piece, _ in nearest], np.int64)
        cosines = unit_cosines(opened.lexical, pieces, np.array([cosine for _, cosine in nearest]))
        allowed = _allowed(opened.lexical, exclude_documents)
        for _ in range(ROUNDS):
            windows = score_windows(opened.lexical, terms, cosines, allowed)
            chosen = choose(opened.lexical, windows, cosines, k, self._passage_words, allowed)
            passages, stale = read_passages(self._store, opened.lexical, chosen, pieces)
            if not stale:
                break
            gone = np.isin(opened.lexical.unit_chunk, stale)
            allowed = ~gone if allowed is None else allowed & ~gone
        return passages

    def _terms(self, lexical: LexicalIndex, query: str) -> Terms:
        distinct = list(dict.fromkeys(tokens(query)))
        if len(distinct) > MAX_TERMS:
            distinct = sorted(distinct, key=lambda token: -lexical.idf(lexical.term(token)))[:MAX_TERMS]
        return look_up(lexical, distinct)

    def _current(self) -> _Opened:
        """Return the published index, opened again when its manifest has changed."""
        stamp = _stamp(self._workspace.index_folder)
        if stamp == self._opened.stamp:
            return self._opened
        with self._lock:
            if stamp != self._opened.stamp:
                self._opened = _open(self._workspace)
        return self._opened


def _open(workspace: Workspace) -> _Opened:
    """Open what the manifest names; a publication in between is followed once."""
    folder = workspace.index_folder
    for attempt in range(2):
        stamp, manifest = _stamp(folder), read_manifest(folder)
        _check_embedder(workspace, manifest)
        try:
            lexical = load_lexical(folder / manifest.lexical)
            vectors = VectorDatabase(workspace).open(manifest.collection)
        except (OSError, ValueError, StateError) as error:
            if attempt == 0 and stamp != _stamp(folder):
                continue
            close_clients()
            raise IndexMissing(f"the index in {folder} is damaged ({error}): {REMEDY}") from error
        if vectors is None:
            raise IndexMissing(f"the index in {folder} is damaged (its vectors are gone): {REMEDY}")
        rows = {str(chunk_id): row for row, chunk_id in enumerate(lexical.chunk_ids)}
        return _Opened(stamp, manifest, lexical, vectors, rows)
    raise IndexMissing(f"the index in {folder} is being replaced: try again")


def _check_embedder(workspace: Workspace, manifest: IndexManifest) -> None:
    name = workspace.settings.retrieval.embedder
    if resolve_embedder(name)[1] != manifest.embedder_sha256:
        raise IndexMissing(f"the index was made with embedder {manifest.embedder!r}, the settings name {name!r}: {REMEDY}")


def _stamp(folder: Path) -> tuple[int, int, int]:
    """Return what changes whenever the manifest is replaced."""
    try:
        stat = manifest_path(folder).stat()
    except FileNotFoundError as error:
        raise IndexMissing(f"{folder.parent.parent} has no index: {REMEDY}") from error
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _piece(opened: _Opened, chunk_id: str, number: int) -> int | None:
    """Return the row of a piece in the lexical index, or None for one that was written after it was published."""
    row = opened.rows.get(chunk_id)
    if row is None:
        return None
    piece = int(opened.lexical.piece_offset[row]) + number
    return piece if piece < opened.lexical.piece_offset[row + 1] else None


def _allowed(lexical: LexicalIndex, exclude_documents: Iterable[str]) -> NDArray[np.bool_] | None:
    excluded = np.isin(lexical.documents, np.array(list(exclude_documents), np.str_))
    return ~excluded[lexical.unit_document] if excluded.any() else None
