"""The vector index: the only module that knows Chroma.

Chroma is reached through llama-index's ChromaVectorStore, except for writing: its ``add`` leaves ids that exist
unchanged, and an interrupted run has to be repeatable, so writes are Chroma's upserts. No text is stored: Chroma keeps
deleted text in its files (chroma #2063), and the store has it anyway.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
from numpy.typing import NDArray

from doyen.platform.core.errors import (
    DoyenError,
    ServiceError,
    SettingsError,
    StateError,
    StorageError,
    disk_full,
    storage_errors,
)
from doyen.platform.core.workspace import Workspace

PREFIX = "doyen-"
NEAREST = 100
"""Pieces that a query looks at; Chroma's search list must be at least as long."""
DELETE_BATCH = 200
NEARLY_FULL = 4_000_000
"""Free bytes below which a failed write is put down to the full disk: Chroma writes a megabyte and more at a time."""

_OPENED: dict[Path, int | None] = {}
"""The database file behind each folder's cached connection."""
_OPENING = threading.Lock()
"""Chroma shares one client a folder within a process, and loses it when two threads make it at the same time."""


class VectorIndex:
    """Vectors of pieces in one Chroma collection, found by cosine.

    Args:
        folder: where an embedded Chroma keeps its files; None for a server.
    """

    def __init__(self, collection: Any, folder: Path | None) -> None:
        from llama_index.vector_stores.chroma import ChromaVectorStore

        self._store = ChromaVectorStore(chroma_collection=collection)
        self._collection = collection
        self._folder = folder

    def upsert(self, pieces: Sequence[tuple[str, str, int]], vectors: NDArray[np.float32], batch: int) -> None:
        """Write pieces given as (chunk_id, document_id, number); what exists is replaced."""
        for at in range(0, len(pieces), batch):
            part = pieces[at : at + batch]
            with chroma_errors("writing vectors", self._folder):
                self._store.client.upsert(
                    ids=[f"{chunk_id}:{number}" for chunk_id, _, number in part],
                    embeddings=vectors[at : at + batch],
                    metadatas=[{"chunk_id": chunk_id, "document_id": document_id} for chunk_id, document_id, _ in part],
                )

    def delete_chunks(self, chunk_ids: Sequence[str]) -> None:
        """Remove all pieces of chunks; unknown ones are no error."""
        for at in range(0, len(chunk_ids), DELETE_BATCH):
            with chroma_errors("deleting vectors", self._folder):
                self._collection.delete(where={"chunk_id": {"$in": list(chunk_ids[at : at + DELETE_BATCH])}})

    def nearest(self, vector: NDArray[np.float32], exclude_documents: Sequence[str] = ()) -> list[tuple[str, int, float]]:
        """Return at most NEAREST pieces as (chunk_id, number, cosine), most similar first."""
        from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters, VectorStoreQuery

        excluded = MetadataFilter(key="document_id", value=list(exclude_documents), operator=FilterOperator.NIN)
        query = VectorStoreQuery(
            query_embedding=vector.tolist(),
            similarity_top_k=NEAREST,
            filters=MetadataFilters(filters=[excluded]) if exclude_documents else None,
        )
        with chroma_errors("searching"):
            result = self._store.query(query)
        found = []
        for name, similarity in zip(result.ids or [], result.similarities or [], strict=True):
            chunk_id, _, number = name.rpartition(":")
            # The wrapper gives exp(-distance), and the distance is 1 - cosine.
            found.append((chunk_id, int(number), 1.0 + math.log(similarity)))
        return found

    def count(self) -> int:
        """Return the number of stored pieces."""
        with chroma_errors("counting vectors"):
            return int(self._collection.count())


class VectorDatabase:
    """The workspace's Chroma: embedded in the index folder, or the server of ``retrieval.chroma_url``."""

    def __init__(self, workspace: Workspace) -> None:
        self.url = workspace.settings.retrieval.chroma_url
        self.folder = workspace.index_folder / "chroma"
        self._files = None if self.url else self.folder
        with _OPENING, chroma_errors("opening Chroma"):
            self._client = _server(self.url) if self.url else _embedded(self.folder)
            self.batch = int(self._client.get_max_batch_size())

    def open(self, name: str) -> VectorIndex | None:
        """Return a collection, or None when there is none of that name."""
        with chroma_errors("opening a collection"):
            if name not in {each.name for each in self._client.list_collections()}:
                return None
            return VectorIndex(self._client.get_collection(name, embedding_function=None), self._files)

    def create(self, name: str) -> VectorIndex:
        """Make an empty collection; one of that name is deleted first."""
        with chroma_errors("making a collection"):
            if self.open(name) is not None:
                self._client.delete_collection(name)
            configuration = {"hnsw": {"space": "cosine", "ef_search": 2 * NEAREST, "ef_construction": 128}}
            made = self._client.create_collection(name, configuration=configuration, embedding_function=None)
        return VectorIndex(made, self._files)

    def keep_only(self, name: str, family: str) -> None:
        """Delete this workspace's other collections, and the files that Chroma leaves behind (chroma #5259).

        Args:
            name: the collection to keep.
            family: what the names of this workspace's collections start with.
        """
        with chroma_errors("deleting old collections"):
            for other in [each.name for each in self._client.list_collections()]:
                if other != name and other.startswith(family):
                    self._client.delete_collection(other)
        if not self.url:
            _sweep(self.folder)


def close_clients() -> None:
    """Forget cached connections, so that the next opening reads the files anew."""
    from chromadb.api.shared_system_client import SharedSystemClient

    with _OPENING:
        SharedSystemClient.clear_system_cache()
    _OPENED.clear()


def _embedded(folder: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "chroma.sqlite3"
    if _OPENED.get(folder) not in {None, _inode(database)}:
        # Another process made the database anew; Chroma's cached connection would go on reading the deleted one.
        close_clients()
    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    _OPENED[folder] = _inode(database)
    return client


def _inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def _server(url: str) -> Any:
    import chromadb
    from chromadb.config import Settings

    parts = urlparse(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError("retrieval.chroma_url", [f"{url!r} is not a URL like http://host:8000"])
    ssl = parts.scheme == "https"
    return chromadb.HttpClient(
        host=parts.hostname,
        port=parts.port or (443 if ssl else 8000),
        ssl=ssl,
        settings=Settings(anonymized_telemetry=False),
    )


def _sweep(folder: Path) -> None:
    """Delete the folders of segments that the database no longer knows."""
    database = sqlite3.connect(f"file:{folder / 'chroma.sqlite3'}?mode=ro", uri=True)
    try:
        known = {row[0] for row in database.execute("SELECT id FROM segments")}
    finally:
        database.close()
    for child in folder.iterdir():
        if child.is_dir() and child.name not in known:
            shutil.rmtree(child, ignore_errors=True)


@contextmanager
def chroma_errors(action: str, folder: Path | None = None) -> Iterator[None]:
    """Turn Chroma's errors into ours.

    Args:
        action: what was being done, for the message.
        folder: where Chroma was writing. Some of its errors hide that the disk is full, so the disk is asked.

    Raises:
        StorageError: the disk is full.
        ServiceError: the Chroma server cannot be reached.
        StateError: Chroma's files are damaged.
    """
    import httpx
    from chromadb.errors import ChromaError

    try:
        with storage_errors(action):
            yield
    except DoyenError:
        raise
    except (httpx.HTTPError, ConnectionError) as error:
        raise ServiceError(f"the Chroma server failed while {action} ({error}): check retrieval.chroma_url") from error
    except ValueError as error:
        if "Could not connect" not in str(error):
            raise
        raise ServiceError(f"{error} Check retrieval.chroma_url and that the server runs.") from error
    except ChromaError as error:
        if folder is not None and shutil.disk_usage(folder).free < NEARLY_FULL:
            raise StorageError(disk_full(action)) from error
        raise StateError(f"Chroma failed while {action} ({error}): run `doyen ingest` again to rebuild the index") from error
