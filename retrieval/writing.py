"""Writing one segment: its vectors batch by batch, then its lexical arrays, then everything forced to the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from doyen.core.batches import batched
from doyen.core.errors import StateError, StorageError, disk_full
from doyen.core.files import new_folder
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.content import Plan, count_chunks, read_chunks
from doyen.retrieval.context import with_context
from doyen.retrieval.document_facts import Facts, FactsCollector, live_facts, load_facts, save_facts
from doyen.retrieval.flat_vectors import AnyVectors, FlatVectors, open_vectors
from doyen.retrieval.index_embedder import open_index_embedder
from doyen.retrieval.index_manifest import IndexEmbedder
from doyen.retrieval.lexical import FORMAT, IndexedChunk, LexicalIndex, build_lexical
from doyen.retrieval.lexical_merge import merge_lexical
from doyen.retrieval.segments import Segment, lexical_folder, piece_names, sealed_files, vector_folder
from doyen.retrieval.server_collection import open_collection
from doyen.retrieval.units import split_pieces
from doyen.retrieval.vectors import open_folder, seal_folder

BATCH_CHUNKS = 512
"""Chunks embedded together: what a kill can cost, and how many texts share length-sorted batches."""
RESERVE = 8_000_000
"""Bytes that must be left on the disk after the estimated need: databases near a full disk fail in odd ways."""
CHUNK_BYTES = 12_000
"""Estimated need of a chunk: its vectors in Chroma's log and graph, its words."""
GARBAGE_SHARE = 20
"""A graph may hold one deleted vector for so many live ones; above, it is built anew, so that files don't grow."""


class SegmentWriter:
    """Writes the segment that a plan asks for.

    Attributes:
        embedded: chunks that were embedded.
    """

    def __init__(
        self, workspace: Workspace, store: Store, embedder: IndexEmbedder, plan: Plan, replaced: Sequence[LexicalIndex]
    ) -> None:
        """Prepare it.

        Args:
            embedder: what vectors are made with.
            replaced: the lexical indexes of ``plan.replaced``.
        """
        self._workspace, self._store, self._plan = workspace, store, plan
        self._embedder, self._url = embedder, workspace.settings.retrieval.chroma_url
        self._parts = list(replaced)
        names = [each.name for each in (*plan.keep, *plan.replaced)]
        identity = short_id(embedder.identity, str(FORMAT), str(len(plan.keep)), *names)
        self._folder = workspace.index_folder / f"segment-{identity}"
        self.embedded = 0

    def write(self, reporter: Reporter) -> Segment | None:
        """Return the written segment, or None when it would be empty. A write that was killed is gone on with.

        Raises:
            StorageError: the disk is full; what was written is deleted.
        """
        taken_over = [
            name for part, gone in zip(self._parts, self._plan.dropped, strict=True) for name in piece_names(part, gone)
        ]
        if not taken_over and not self._plan.documents:
            return None
        self._check_space()
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            if self._plan.keep and not self._url:
                words = self._write_words(reporter)
                pieces = self._write_flat(words, taken_over, reporter)
            else:
                try:
                    pieces = self._write_vectors(taken_over, reporter)
                except StateError:
                    # The rest of a write that was killed may be damaged; what is published is not touched.
                    shutil.rmtree(self._folder, ignore_errors=True)
                    pieces = self._write_vectors(taken_over, reporter)
                words = self._write_words(reporter)
            return Segment(self._folder.name, words.n_chunks, pieces, (), sealed_files(self._folder))
        except (StorageError, OSError):
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _check_space(self) -> None:
        index = self._workspace.index_folder
        copied = sum(size for segment in self._plan.replaced for size, _ in segment.files.values())
        need = RESERVE + copied + CHUNK_BYTES * count_chunks(self._store, self._plan.documents)
        require_space(index, need)

    def _write_flat(self, words: LexicalIndex, taken_over: list[str], reporter: Reporter) -> int:
        """Write the vectors of a segment that stands beside a larger one; return their number."""
        vectors = FlatVectors([], [], np.zeros((0, 0), np.float32))
        self._take_over(taken_over, vectors)
        self._embed(vectors, set(), reporter)
        names = piece_names(words)
        if vectors.names() != set(names):
            raise StateError(f"{vectors.count():,} vectors were made for {len(names):,} pieces")
        vectors.save(self._folder, names)
        return len(names)

    def _write_vectors(self, taken_over: list[str], reporter: Reporter) -> int:
        """Bring the segment's vectors together; return their number."""
        chroma = vector_folder(self._folder)
        if self._url:
            opened = open_collection(self._workspace, self._store, self._embedder, write=True)
        else:
            self._copy_graph(chroma)
            opened = open_folder(chroma, create=True)
        with closing(opened) as vectors:
            have = vectors.names()
            if not self._url:
                self._take_over([name for name in taken_over if name not in have], vectors)
            wanted = {*taken_over, *self._embed(vectors, have, reporter)}
            if not self._url:
                vectors.delete(sorted(have - wanted))
                if (count := vectors.count()) != len(wanted):
                    raise StateError(f"Chroma holds {count:,} vectors of {len(wanted):,} that were written")
        if not self._url:
            seal_folder(chroma)
        return len(wanted)

    def _copy_graph(self, chroma: Path) -> None:
        """Start from a copy of the first replaced segment's vectors, unless too many of them are garbage."""
        source = next(iter(self._plan.replaced), None)
        if chroma.exists() or source is None or not self._plan.keep_graph:
            return
        held = vector_folder(self._workspace.index_folder / source.name)
        if not held.is_dir():
            return
        elements = sum(size // 4 for name, (size, _) in source.files.items() if name.endswith("/length.bin"))
        live = len(piece_names(self._parts[0], self._plan.dropped[0]))
        if elements <= live + live // GARBAGE_SHARE:
            with new_folder(chroma) as target:
                shutil.copytree(held, target, dirs_exist_ok=True)

    def _take_over(self, names: list[str], vectors: AnyVectors) -> None:
        """Copy vectors from the replaced segments."""
        for segment, part in zip(self._plan.replaced, self._parts, strict=True):
            held = set(piece_names(part)).intersection(names)
            if not held:
                continue
            with closing(open_vectors(self._workspace.index_folder / segment.name, part)) as source:
                found, rows = source.fetch(sorted(held))
            owners = dict(zip(part.chunk_ids.tolist(), part.documents[part.chunk_document].tolist(), strict=True))
            vectors.upsert(found, [owners[name.rpartition(":")[0]] for name in found], rows)

    def _embed(self, vectors: AnyVectors, have: set[str], reporter: Reporter) -> list[str]:
        """Embed the pieces of the plan's documents that are not there yet; return the names of all."""
        total = count_chunks(self._store, self._plan.documents)
        if not total:
            return []
        names: list[str] = []
        embedder = open_index_embedder(self._workspace, self._embedder)
        with reporter.bar("Embedding chunks", total) as bar:
            for batch in batched(read_chunks(self._store, self._plan.documents), BATCH_CHUNKS):
                pieces = [
                    (f"{chunk.chunk_id}:{number}", chunk.document_id, chunk.text[start:end], chunk.context)
                    for chunk in batch
                    for number, (start, end) in enumerate(split_pieces(chunk.text))
                ]
                names += [name for name, *_ in pieces]
                new = [piece for piece in pieces if piece[0] not in have]
                if new:
                    texts, contexts = ([piece[column] for piece in new] for column in (2, 3))
                    rows = with_context(embedder.encode(texts), embedder.encode(contexts))
                    vectors.upsert([name for name, *_ in new], [owner for _, owner, *_ in new], rows)
                self.embedded += len({name.rpartition(":")[0] for name, *_ in new})
                bar.advance(len(batch))
        return names

    def _write_words(self, reporter: Reporter) -> LexicalIndex:
        """Write and return the lexical arrays."""
        total = count_chunks(self._store, self._plan.documents)
        collector = FactsCollector()
        with reporter.bar("Indexing words", total) as bar:

            def counted() -> Iterator[IndexedChunk]:
                for chunk in read_chunks(self._store, self._plan.documents):
                    bar.advance()
                    collector.add(chunk)
                    yield chunk

            fresh = build_lexical(counted())
        merged = merge_lexical([*self._parts, fresh], [*self._plan.dropped, set()])
        with new_folder(lexical_folder(self._folder)) as target:
            merged.save(target)
            save_facts(target, self._facts() | collector.finish(self._store))
        return merged

    def _facts(self) -> Facts:
        """Return what is known of the documents that are taken over."""
        known: Facts = {}
        for segment, part, dropped in zip(self._plan.replaced, self._parts, self._plan.dropped, strict=True):
            known |= live_facts(load_facts(lexical_folder(self._workspace.index_folder / segment.name)), part, dropped)
        return known


def require_space(folder: Path, need: int) -> None:
    """Check that so many bytes are free where a folder is or will be.

    Raises:
        StorageError: they are not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise StorageError(f"{disk_full('indexing')} (about {need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free)")
