"""The published index, opened for searching: all segments as one, and words alone while vectors do not answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import IndexMissing, ServiceError, StateError, StorageError
from doyen.core.models import resolve_embedder
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.index_manifest import REMEDY, REPAIR, IndexManifest, manifest_path, read_manifest
from doyen.retrieval.lexical import LexicalIndex
from doyen.retrieval.lexical_view import AnyLexical, combine
from doyen.retrieval.segments import Segment, load_segment, vector_folder
from doyen.retrieval.server_collection import open_collection
from doyen.retrieval.vectors import NEAREST, VectorIndex, open_folder

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]
Nearest = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Rows of pieces and their cosines, best first."""
NOTHING_NEAR: Nearest = (np.zeros(0, np.int64), np.zeros(0))
RETRY_SECONDS = 30.0
"""After vectors have failed, words alone are searched for this long before vectors are opened again."""


@dataclass(frozen=True)
class _Part:
    """A segment in use."""

    segment: Segment
    lexical: LexicalIndex
    vectors: VectorIndex | None


class OpenIndex:
    """One publication, opened. It is closed when it is retired and nobody uses it any more.

    Attributes:
        stamp: tells this publication from others.
        lexical: all segments read as one.
        problem: why vectors are not searched at the moment, or None.
    """

    def __init__(self, workspace: Workspace, store: Store, stamp: Stamp, parts: Sequence[_Part]) -> None:
        self.stamp = stamp
        self.lexical: AnyLexical = combine([part.lexical for part in parts], [part.segment.dropped for part in parts])
        self.problem: str | None = None
        self._workspace, self._store, self._parts = workspace, store, list(parts)
        self._rows = {str(chunk_id): row for row, chunk_id in enumerate(self.lexical.chunk_ids.tolist())}
        self._lock = threading.Lock()
        self._users, self._retry = 1, 0.0
        self.is_open = True

    def nearest(self, vector: NDArray[np.float32], exclude_documents: Sequence[str] = ()) -> Nearest:
        """Return the live pieces nearest to a vector, as rows of ``lexical.piece_first``, and their cosines, best first.

        Both are empty while vectors fail, which ``problem`` then explains.
        """
        if self.problem and time.monotonic() < self._retry:
            return NOTHING_NEAR
        try:
            if self.problem:
                self._reopen()
            found = [hit for part in self._parts for hit in self._hits(part, vector, exclude_documents)]
            self.problem = None
        except (StateError, ServiceError, StorageError) as error:
            self.go_without_vectors(error)
            return NOTHING_NEAR
        best = sorted(found, key=lambda hit: -hit[1])[:NEAREST]
        return np.array([row for row, _ in best], np.int64), np.array([cosine for _, cosine in best], np.float64)

    def go_without_vectors(self, error: Exception) -> None:
        """Search words alone for RETRY_SECONDS."""
        self.problem, self._retry = f"passages are found by their words alone: {error}", time.monotonic() + RETRY_SECONDS
        log.warning("%s", self.problem)

    def use(self) -> None:
        """Keep it open until ``release``."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Give up one use."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            for part in self._parts:
                if part.vectors is not None:
                    part.vectors.close()

    def retire(self) -> None:
        """Close it as soon as nobody uses it."""
        if self.is_open:
            self.is_open = False
            self.release()

    def _hits(self, part: _Part, vector: NDArray[np.float32], exclude_documents: Sequence[str]) -> list[tuple[int, float]]:
        """Return a segment's NEAREST live pieces: as long as dropped ones took their places, more are asked for."""
        if part.vectors is None:
            return []
        wanted = NEAREST
        while True:
            found = part.vectors.nearest(vector, wanted, exclude_documents)
            live = [(row, cosine) for chunk_id, number, cosine in found if (row := self._piece(chunk_id, number)) is not None]
            if len(live) >= NEAREST or len(found) < wanted:
                return live[:NEAREST]
            wanted *= 2

    def _piece(self, chunk_id: str, number: int) -> int | None:
        """Return the row of a piece in the lexical index, or None for one that is not live."""
        row = self._rows.get(chunk_id)
        if row is None:
            return None
        piece = int(self.lexical.piece_offset[row]) + number
        return piece if piece < self.lexical.piece_offset[row + 1] else None

    def _reopen(self) -> None:
        """Open all vectors anew after a failure."""
        with self._lock:
            old = self._parts
            self._parts = _with_vectors(self._workspace, self._store, [(part.segment, part.lexical) for part in old])
        for part in old:
            if part.vectors is not None:
                part.vectors.close()


def open_index(workspace: Workspace, store: Store, before: OpenIndex | None = None) -> OpenIndex:
    """Open what the manifest names, and retire what was open before; a publication in between is followed.

    Raises:
        IndexMissing: there is no index, or it is damaged or of another embedder.
    """
    folder = workspace.index_folder
    for attempt in range(3):
        stamp, manifest = read_stamp(folder), read_manifest(folder)
        _check_embedder(workspace, manifest)
        try:
            lexical = [(segment, load_segment(folder, segment)) for segment in manifest.segments]
            opened = _opened(workspace, store, stamp, lexical)
        except (OSError, StateError) as error:
            if attempt < 2 and stamp != read_stamp(folder):
                continue
            raise IndexMissing(f"the index in {folder} is damaged ({error}): {REPAIR}") from error
        if before is not None:
            before.retire()
        return opened
    raise IndexMissing(f"the index in {folder} is being replaced: try again")


def _opened(workspace: Workspace, store: Store, stamp: Stamp, lexical: Sequence[tuple[Segment, LexicalIndex]]) -> OpenIndex:
    """Open the vectors beside the words; a server that does not answer is no reason not to search the words."""
    try:
        return OpenIndex(workspace, store, stamp, _with_vectors(workspace, store, lexical))
    except ServiceError as error:
        opened = OpenIndex(workspace, store, stamp, [_Part(segment, index, None) for segment, index in lexical])
        opened.go_without_vectors(error)
        return opened


def read_stamp(folder: Path) -> Stamp:
    """Return what changes whenever the manifest is replaced.

    Raises:
        IndexMissing: there is none.
    """
    try:
        stat = manifest_path(folder).stat()
    except FileNotFoundError as error:
        raise IndexMissing(f"{folder.parent.parent} has no index: {REMEDY}") from error
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _with_vectors(workspace: Workspace, store: Store, lexical: Sequence[tuple[Segment, LexicalIndex]]) -> list[_Part]:
    """Open the vectors of segments; a server holds them all in one collection, which goes with the first."""
    url, parts = workspace.settings.retrieval.chroma_url, list[_Part]()
    try:
        for number, (segment, index) in enumerate(lexical):
            vectors = None
            if not url:
                vectors = open_folder(vector_folder(workspace.index_folder / segment.name))
            elif number == 0:
                vectors = open_collection(workspace, store)
            parts.append(_Part(segment, index, vectors))
    except BaseException:
        for part in parts:
            if part.vectors is not None:
                part.vectors.close()
        raise
    return parts


def _check_embedder(workspace: Workspace, manifest: IndexManifest) -> None:
    name = workspace.settings.retrieval.embedder
    if resolve_embedder(name)[1] != manifest.embedder_sha256:
        raise IndexMissing(f"the index was made with embedder {manifest.embedder!r}, the settings name {name!r}: {REMEDY}")
