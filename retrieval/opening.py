"""The published index, opened for searching: all segments as one, and words alone while vectors do not answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import IndexMissing, ServiceError, StateError, StorageError
from doyen.core.models import resolve_embedder
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.document_facts import Facts, live_facts, load_facts
from doyen.retrieval.embedder import Embedder
from doyen.retrieval.excerpt import Near
from doyen.retrieval.flat_vectors import AnyVectors, open_vectors
from doyen.retrieval.index_embedder import open_index_embedder
from doyen.retrieval.index_manifest import REMEDY, REPAIR, IndexManifest, Stamp, read_manifest, read_stamp
from doyen.retrieval.lexical import LexicalIndex
from doyen.retrieval.lexical_view import Flags, LexicalView
from doyen.retrieval.query_expansion import learn_forms
from doyen.retrieval.segments import Segment, lexical_folder, load_segment
from doyen.retrieval.server_collection import open_collection
from doyen.retrieval.vectors import NEAREST
from doyen.retrieval.versions import find_versions

log = logging.getLogger(__name__)

NOTHING_NEAR = Near(np.zeros(0, np.int64), np.zeros(0))
MOST_SEARCHED = 1600
"""Pieces that are asked for at most to find NEAREST allowed ones among them."""
RETRY_SECONDS = 30.0
"""After vectors have failed, words alone are searched for this long before vectors are opened again."""


class _Part:
    """A segment in use. Publications that hold it share it; its vectors are closed when none of them is open any more.

    Attributes:
        segment: as it was published first.
        lexical: its words.
        vectors: None where words alone are searched, or another part's vectors are those of all.
    """

    def __init__(self, segment: Segment, lexical: LexicalIndex, vectors: AnyVectors | None) -> None:
        self.segment, self.lexical, self.vectors = segment, lexical, vectors
        self._facts: Facts | None = None
        self._users, self._lock = 1, threading.Lock()

    @cached_property
    def rows(self) -> dict[str, int]:
        """Chunk ids → their rows."""
        return {chunk_id: row for row, chunk_id in enumerate(self.lexical.chunk_ids.tolist())}

    def facts(self, index_folder: Path) -> Facts:
        """Return what is known of its documents, read once."""
        if self._facts is None:
            self._facts = load_facts(lexical_folder(index_folder / self.segment.name))
        return self._facts

    def use(self) -> _Part:
        """Keep it open for one more publication."""
        with self._lock:
            self._users += 1
        return self

    def release(self) -> None:
        """Give up one use."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last and self.vectors is not None:
            self.vectors.close()


class OpenIndex:
    """One publication, opened. It is closed when it is retired and nobody uses it any more.

    Attributes:
        stamp: tells this publication from others.
        lexical: the words of all segments.
        problem: why vectors are not searched at the moment, or None.
        facts: what is known of whole documents.
        versions: documents that are versions of one another.
        other_forms: abbreviations and other names, as the documents explain them.
    """

    def __init__(
        self, workspace: Workspace, store: Store, stamp: Stamp, manifest: IndexManifest, parts: Sequence[_Part]
    ) -> None:
        self.stamp, self._manifest, segments = stamp, manifest, manifest.segments
        dropped = [[part.rows[each] for each in segment.dropped] for segment, part in zip(segments, parts, strict=True)]
        self.lexical = LexicalView([part.lexical for part in parts], dropped)
        self.problem: str | None = None
        self.facts: Facts = {}
        for segment, part in zip(segments, parts, strict=True):
            self.facts |= live_facts(part.facts(workspace.index_folder), part.lexical, segment.dropped)
        self.versions, self.other_forms = find_versions(store, self.facts), learn_forms(self.facts)
        self._workspace, self._store = workspace, store
        self.parts = list(parts)
        self._lock = threading.Lock()
        self._users, self._retry = 1, 0.0
        self.is_open = True

    @property
    def embedder(self) -> Embedder:
        """What embeds queries to this publication, loaded by the first caller."""
        return open_index_embedder(self._workspace, self._manifest.embedder)

    def nearest(self, vector: NDArray[np.float32], allowed: Flags) -> Near:
        """Return the pieces nearest to a vector; none while vectors fail, which ``problem`` then explains.

        Args:
            allowed: (n_rows,) chunks that may be found, all of them live.
        """
        if self.problem and time.monotonic() < self._retry:
            return NOTHING_NEAR
        try:
            if self.problem:
                self._reopen()
            found = [hit for part in self.parts for hit in self._hits(part, vector, allowed)]
            self.problem = None
        except (StateError, ServiceError, StorageError) as error:
            self.go_without_vectors(error)
            return NOTHING_NEAR
        best = sorted(found, key=lambda hit: -hit[1])[:NEAREST]
        return Near(np.array([row for row, _ in best], np.int64), np.array([cosine for _, cosine in best], np.float64))

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
            for part in self.parts:
                part.release()

    def retire(self) -> None:
        """Close it as soon as nobody uses it."""
        if self.is_open:
            self.is_open = False
            self.release()

    def _hits(self, part: _Part, vector: NDArray[np.float32], allowed: Flags) -> list[tuple[int, float]]:
        """Return a segment's NEAREST allowed pieces.

        As long as others took their places, more are asked for; Chroma's own filter, which is slow, is left for when only few
        are allowed.
        """
        if part.vectors is None:
            return []
        wanted = NEAREST
        few = int(allowed.sum()) * MOST_SEARCHED < NEAREST * len(allowed)
        while True:
            found = part.vectors.nearest(vector, wanted, self._documents(allowed) if few else None)
            hits = [
                (row, cosine)
                for chunk_id, number, cosine in found
                if (row := self._piece(chunk_id, number, allowed)) is not None
            ]
            if len(hits) >= NEAREST or len(found) < wanted:
                return hits[:NEAREST]
            wanted *= 2
            few = few or wanted > MOST_SEARCHED

    def _documents(self, allowed: Flags) -> list[str]:
        """Return the ids of documents that have allowed chunks."""
        rows = np.unique(self.lexical.chunk_document[allowed])
        return self.lexical.documents[rows].tolist()

    def _piece(self, chunk_id: str, number: int, allowed: Flags) -> int | None:
        """Return the row of a piece in the lexical index, or None for one of a chunk that is not allowed."""
        for part, base in zip(self.parts, self.lexical.chunk_base.tolist(), strict=False):
            row = part.rows.get(chunk_id)
            if row is not None and allowed[base + row]:
                piece = int(self.lexical.piece_offset[base + row]) + number
                return piece if piece < self.lexical.piece_offset[base + row + 1] else None
        return None

    def _reopen(self) -> None:
        """Open all vectors anew after a failure."""
        with self._lock:
            old = self.parts
            self.parts = _open_parts(
                self._workspace, self._store, self._manifest, [(part.segment, part.lexical) for part in old]
            )
        for part in old:
            part.release()


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
            opened = _opened(workspace, store, stamp, manifest, before)
        except (OSError, StateError) as error:
            if attempt < 2 and stamp != read_stamp(folder):
                continue
            raise IndexMissing(f"the index in {folder} is damaged ({error}): {REPAIR}") from error
        if before is not None:
            before.retire()
        return opened
    raise IndexMissing(f"the index in {folder} is being replaced: try again")


def _opened(workspace: Workspace, store: Store, stamp: Stamp, manifest: IndexManifest, before: OpenIndex | None) -> OpenIndex:
    """Open the segments that were not open before; a server that does not answer is no reason not to search the words."""
    url, segments = workspace.settings.retrieval.chroma_url, manifest.segments
    # The vectors of a server go with its first segment, so they are opened anew with each publication.
    shared = before.parts if before is not None and not before.problem and not url else []
    # A damaged segment that was made again has its old name.
    known = {each.name: part for each in segments for part in shared if _is_same(part.segment, each)}
    new = [(each, load_segment(workspace.index_folder, each)) for each in segments if each.name not in known]
    problem = None
    try:
        fresh = _open_parts(workspace, store, manifest, new)
    except ServiceError as error:
        fresh, problem = [_Part(segment, lexical, None) for segment, lexical in new], error
    parts = {part.segment.name: part for part in (*fresh, *(part.use() for part in known.values()))}
    opened = OpenIndex(workspace, store, stamp, manifest, [parts[each.name] for each in segments])
    if problem is not None:
        opened.go_without_vectors(problem)
    return opened


def _is_same(one: Segment, other: Segment) -> bool:
    return (one.name, one.files) == (other.name, other.files)


def _open_parts(
    workspace: Workspace, store: Store, manifest: IndexManifest, lexical: Sequence[tuple[Segment, LexicalIndex]]
) -> list[_Part]:
    """Open the vectors of segments; a server holds them all in one collection, which goes with the first."""
    url, parts = workspace.settings.retrieval.chroma_url, list[_Part]()
    try:
        for number, (segment, index) in enumerate(lexical):
            vectors: AnyVectors | None = None
            if not url:
                vectors = open_vectors(workspace.index_folder / segment.name, index)
            elif number == 0:
                vectors = open_collection(workspace, store, manifest.embedder)
            parts.append(_Part(segment, index, vectors))
    except BaseException:
        for part in parts:
            part.release()
        raise
    return parts


def _check_embedder(workspace: Workspace, manifest: IndexManifest) -> None:
    name, made = workspace.settings.retrieval.embedder, manifest.embedder
    if resolve_embedder(name)[1] != made.base_sha256:
        raise IndexMissing(f"the index was made with embedder {made.name!r}, the settings name {name!r}: {REMEDY}")
