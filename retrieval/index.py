"""Bringing the index up to date with the store, and opening it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import delete, func, select, update

from doyen.platform.core.errors import IndexMissing, StateError, storage_errors
from doyen.platform.core.files import new_folder
from doyen.platform.core.manifest import short_id
from doyen.platform.core.models import resolve_embedder
from doyen.platform.core.progress import Reporter, Silent
from doyen.platform.core.store import Store
from doyen.platform.core.store.schema import ChunkRow, DocumentRow, IndexRemovalRow
from doyen.platform.core.workspace import Workspace
from doyen.retrieval.embedder import open_embedder
from doyen.retrieval.hybrid import HybridRetriever
from doyen.retrieval.lexical import FORMAT, IndexedChunk, build_lexical, load_lexical
from doyen.retrieval.manifest import IndexManifest, read_manifest
from doyen.retrieval.units import split_pieces
from doyen.retrieval.vectors import VectorDatabase, VectorIndex, close_clients

BATCH_CHUNKS = 512
"""Chunks embedded and marked together: what a kill can cost, and how many texts share length-sorted batches."""


@dataclass(frozen=True)
class IndexReport:
    """What an update did.

    Attributes:
        embedded: chunks that were embedded.
        removed: chunks that left the index.
        chunks: chunks that the index now holds.
        published: whether readers see a new index.
    """

    embedded: int
    removed: int
    chunks: int
    published: bool


def update_index(workspace: Workspace, store: Store, *, reporter: Reporter | None = None) -> IndexReport:
    """Embed what is new, delete what is gone, and publish the result; the caller holds the workspace's lock.

    It may be killed anywhere and run again: vectors are upserted and marked batch by batch, and readers go on with the
    index before until the manifest is replaced, which is the last step.

    Raises:
        StorageError: the disk is full; the published index still answers.
        ModelMissing: the embedder is not on this machine.
        ServiceError: the Chroma server cannot be reached.
    """
    reporter = reporter or Silent()
    name, folder = workspace.settings.retrieval.embedder, workspace.index_folder
    digest = resolve_embedder(name)[1]
    with storage_errors("indexing"):
        database = _open_database(workspace, store)
        collection = f"{_family(workspace)}{short_id(name, digest, str(FORMAT))}"
        vectors = _collection(database, collection, store, folder)
        embedded = _embed(workspace, store, vectors, database.batch, reporter)
        removed = _remove(store, vectors)
        content, chunks = _content(store)
        wanted = IndexManifest(name, digest, collection, f"lexical-{content[:16]}", chunks, content)
        published = _published(folder)
        fresh = published == wanted and _readable(folder / wanted.lexical)
        if not fresh:
            _publish(folder, store, wanted, reporter)
        database.keep_only(collection, _family(workspace))
        _tidy(folder, wanted.lexical)
    return IndexReport(embedded, removed, chunks, not fresh)


def open_retriever(workspace: Workspace, store: Store) -> HybridRetriever:
    """Open the published index for searching; it follows later updates by itself, those of other processes too.

    Raises:
        IndexMissing: there is no index, or it is damaged, or made with another embedder than the settings name.
    """
    return HybridRetriever(workspace, store)


def _family(workspace: Workspace) -> str:
    """Return the start of this workspace's collection names: a Chroma server may hold those of others too."""
    return f"doyen-{short_id(str(workspace.root))}-"


def _open_database(workspace: Workspace, store: Store) -> VectorDatabase:
    """Open Chroma; an embedded one whose files are damaged is made anew, since the store can refill it."""
    try:
        return VectorDatabase(workspace)
    except StateError:
        if workspace.settings.retrieval.chroma_url:
            raise
    close_clients()
    shutil.rmtree(workspace.index_folder / "chroma", ignore_errors=True)
    return VectorDatabase(workspace)


def _collection(database: VectorDatabase, name: str, store: Store, folder: Path) -> VectorIndex:
    """Return the collection that the chunks' marks speak about; when it is another one, all chunks are marked as new.

    The file ``marks`` names that collection. It is written after the old marks are gone and before new ones are made.
    """
    marks = folder / "marks"
    vectors = database.open(name)
    if vectors is not None and marks.is_file() and marks.read_text(encoding="utf-8") == name:
        return vectors
    folder.mkdir(parents=True, exist_ok=True)
    marks.unlink(missing_ok=True)
    with store.session() as session:
        session.execute(update(ChunkRow).values(indexed=False).where(ChunkRow.indexed))
    vectors = database.create(name)
    marks.write_text(name, encoding="utf-8")
    return vectors


def _embed(workspace: Workspace, store: Store, vectors: VectorIndex, batch: int, reporter: Reporter) -> int:
    """Embed the chunks that are not marked, batch by batch; return how many."""
    with store.session() as session:
        total = session.scalar(select(func.count()).select_from(ChunkRow).where(~ChunkRow.indexed)) or 0
    if not total:
        return 0
    embedder = open_embedder(workspace.settings.retrieval)
    with reporter.bar("Embedding chunks", total) as bar:
        while rows := _unmarked(store):
            spans = [(row, split_pieces(row.text)) for row in rows]
            texts = [row.text[start:end] for row, found in spans for start, end in found]
            pieces = [(row.chunk_id, row.document_id, number) for row, found in spans for number in range(len(found))]
            vectors.upsert(pieces, embedder.encode(texts), batch)
            with store.session() as session:
                ids = [row.chunk_id for row in rows]
                session.execute(update(ChunkRow).where(ChunkRow.chunk_id.in_(ids)).values(indexed=True))
            bar.advance(len(rows))
    return total


def _unmarked(store: Store) -> Sequence[ChunkRow]:
    with store.session() as session:
        return session.scalars(select(ChunkRow).where(~ChunkRow.indexed).limit(BATCH_CHUNKS)).all()


def _remove(store: Store, vectors: VectorIndex) -> int:
    """Delete from Chroma what ingestion noted as gone, unless a chunk of that id is back; return how many were noted."""
    with store.session() as session:
        noted = session.scalars(select(IndexRemovalRow.chunk_id)).all()
        join = select(ChunkRow.chunk_id).join(IndexRemovalRow, ChunkRow.chunk_id == IndexRemovalRow.chunk_id)
        back = set(session.scalars(join).all())
    vectors.delete_chunks([chunk_id for chunk_id in noted if chunk_id not in back])
    with store.session() as session:
        for at in range(0, len(noted), BATCH_CHUNKS):
            part = noted[at : at + BATCH_CHUNKS]
            session.execute(delete(IndexRemovalRow).where(IndexRemovalRow.chunk_id.in_(part)))
    return len(noted)


def _content(store: Store) -> tuple[str, int]:
    """Return a fingerprint of all chunk ids, and their number."""
    digest, count = sha256(), 0
    with store.session() as session:
        for chunk_id in session.scalars(select(ChunkRow.chunk_id).order_by(ChunkRow.chunk_id)):
            digest.update(chunk_id.encode("utf-8") + b"\n")
            count += 1
    return digest.hexdigest(), count


def _publish(folder: Path, store: Store, manifest: IndexManifest, reporter: Reporter) -> None:
    """Write the lexical index beside the old one, then switch over."""
    with reporter.bar("Indexing words", manifest.chunks) as bar:

        def counted() -> Iterator[IndexedChunk]:
            for chunk in _chunks(store):
                bar.advance()
                yield chunk

        index = build_lexical(counted())
    with new_folder(folder / manifest.lexical) as target:
        index.save(target)
    manifest.write(folder)


def _chunks(store: Store) -> Iterator[IndexedChunk]:
    query = (
        select(ChunkRow, DocumentRow.title)
        .join(DocumentRow, DocumentRow.document_id == ChunkRow.document_id)
        .order_by(ChunkRow.document_id, ChunkRow.ordinal)
        .execution_options(yield_per=1000)
    )
    with store.session() as session:
        for row, title in session.execute(query):
            label = f"{title} {row.heading}"
            yield IndexedChunk(row.chunk_id, row.document_id, row.start, row.end, label, row.text)


def _published(folder: Path) -> IndexManifest | None:
    try:
        return read_manifest(folder)
    except IndexMissing:
        return None


def _readable(lexical: Path) -> bool:
    try:
        load_lexical(lexical)
    except (OSError, ValueError):
        return False
    return True


def _tidy(folder: Path, lexical: str) -> None:
    """Delete lexical indexes other than the published one; readers that have them mapped can go on."""
    for child in folder.glob("*lexical-*"):
        if child.name != lexical:
            shutil.rmtree(child, ignore_errors=True)
