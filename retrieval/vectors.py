"""The vector index: the only module that knows Chroma.

Chroma is called directly: llama-index's ChromaVectorStore hides distances behind ``exp(-distance)``, and its ``add`` leaves
ids that exist unchanged, where an interrupted run has to be repeatable. No text is stored: Chroma keeps deleted text in its
files (chroma #2063), and the store has it anyway.

An embedded Chroma is written by one process and then only read: even a query makes it replay and write its log, so two
processes on one folder damage it, and a process that has it open does not see what another one wrote (chroma #3792).
"""

from __future__ import annotations

import ctypes
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

import httpx
import numpy as np
from numpy.typing import NDArray

from doyen.core.batches import batched
from doyen.core.errors import (
    DoyenError,
    ServiceError,
    SettingsError,
    StateError,
    StorageError,
    disk_full,
    storage_errors,
)
from doyen.core.models import LOADING
from doyen.retrieval.timed_call import DeadlineExceeded, call_with_deadline

T = TypeVar("T")

NEAREST = 100
"""Pieces that a query looks at; Chroma's search list must be at least as long."""
BATCH = 1000
NEARLY_FULL = 4_000_000
"""Free bytes below which a failed write is put down to the full disk: Chroma writes a megabyte and more at a time."""
READ_SECONDS = 30.0
WRITE_SECONDS = 600.0
"""After which a call counts as hung. A query takes milliseconds, the first one also reads the index; a batch, seconds."""
SAME = 0.999
"""Cosine above which two vectors are taken for the same."""
SYNC_PIECES = 4000
"""Writes after which Chroma saves its graph; until then they are in its log, which every opening replays."""
DATABASE = "chroma.sqlite3"
COLLECTION = "doyen"
"""Name of the collection in an embedded Chroma, of which each segment has its own."""
OWNER = "owner"
"""Key of a collection's metadata."""

_OPEN: set[str] = set()
_NAMING = threading.Lock()


class VectorIndex:
    """Vectors of pieces in one Chroma collection, found by cosine. Every call has a deadline.

    A piece's id is ``chunk_id:number``. After a call that did not come back all others fail at once, and the client is
    left behind: open the collection again.
    """

    def __init__(self, client: Any, collection: Any, folder: Path | None, name: str) -> None:
        """Wrap an open collection; use ``open_folder`` or ``open_server``.

        Args:
            folder: where an embedded Chroma keeps its files; None for a server.
            name: that the client was opened by.
        """
        self._client, self._collection, self._folder, self._name = client, collection, folder, name
        self._hung = False

    def upsert(self, names: Sequence[str], documents: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Write pieces given by their ids and documents; what exists is replaced."""
        for at in range(0, len(names), BATCH):
            part = slice(at, at + BATCH)
            metadatas = [
                {"chunk_id": name.rpartition(":")[0], "document_id": document}
                for name, document in zip(names[part], documents[part], strict=True)
            ]
            rows = {"ids": list(names[part]), "embeddings": vectors[part], "metadatas": metadatas}
            self._call("writing vectors", WRITE_SECONDS, partial(self._collection.upsert, **rows))

    def delete(self, names: Sequence[str]) -> None:
        """Remove pieces; unknown ones are no error."""
        for part in batched(names, BATCH):
            self._call("deleting vectors", WRITE_SECONDS, partial(self._collection.delete, ids=part))

    def nearest(
        self, vector: NDArray[np.float32], k: int = NEAREST, only_documents: Sequence[str] | None = None
    ) -> list[tuple[str, int, float]]:
        """Return at most ``k`` pieces as (chunk_id, number, cosine), most similar first; of some documents, or of all."""
        if only_documents is not None and not only_documents:
            return []
        query = partial(
            self._collection.query,
            query_embeddings=[vector],
            n_results=k,
            where=None if only_documents is None else {"document_id": {"$in": list(only_documents)}},
            include=["distances"],
        )
        result = self._call("searching", READ_SECONDS, query)
        found = []
        for name, distance in zip(result["ids"][0], result["distances"][0], strict=True):
            chunk_id, _, number = name.rpartition(":")
            found.append((chunk_id, int(number), 1.0 - distance))
        return found

    def count(self) -> int:
        """Return the number of stored pieces."""
        return int(self._call("counting vectors", READ_SECONDS, self._collection.count))

    def names(self) -> set[str]:
        """Return the ids of all stored pieces."""
        found = self._call("listing vectors", WRITE_SECONDS, lambda: self._collection.get(include=[]))
        return set(found["ids"])

    def fetch(self, names: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Return the ids of those of the pieces that are stored, and their vectors."""
        found: list[str] = []
        vectors = []
        for part in batched(names, BATCH):
            read = partial(self._collection.get, ids=part, include=["embeddings"])
            rows = self._call("reading vectors", WRITE_SECONDS, read)
            found += rows["ids"]
            vectors.append(np.asarray(rows["embeddings"], np.float32).reshape(len(rows["ids"]), -1))
        return found, np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)

    @property
    def owner(self) -> str | None:
        """What ``set_owner`` noted when the collection was opened."""
        return (self._collection.metadata or {}).get(OWNER)

    def set_owner(self, owner: str) -> None:
        """Note in the collection who writes it."""
        change = {**(self._collection.metadata or {}), OWNER: owner}
        self._call("noting the owner", WRITE_SECONDS, lambda: self._collection.modify(metadata=change))

    def check_one(self) -> None:
        """Find a stored piece by its own vector.

        Raises:
            StateError: it is not found, so the graph is damaged.
        """
        rows = self._call("reading vectors", WRITE_SECONDS, lambda: self._collection.get(limit=1, include=["embeddings"]))
        if not rows["ids"]:
            return
        nearest = self.nearest(np.asarray(rows["embeddings"][0], np.float32))
        if not nearest or nearest[0][2] < SAME:
            raise StateError("Chroma does not find a stored piece by its own vector: its graph is damaged")

    def save_every_write(self) -> None:
        """Save the graph with every write from the next opening on, and not only after SYNC_PIECES."""
        change = {"hnsw": {"sync_threshold": 2}}
        self._call("configuring", WRITE_SECONDS, lambda: self._collection.modify(configuration=change))

    def rewrite_one(self) -> None:
        """Write a piece as it is, twice, which is the least that has Chroma save its graph."""
        rows = self._call(
            "reading vectors", WRITE_SECONDS, lambda: self._collection.get(limit=1, include=["embeddings", "metadatas"])
        )
        for _ in range(2 if rows["ids"] else 0):
            self._call("saving vectors", WRITE_SECONDS, lambda: self._collection.upsert(**_written(rows)))

    def close(self) -> None:
        """Close the connection, files and threads; one that hangs is left behind instead."""
        try:
            if not self._hung:
                call_with_deadline(READ_SECONDS, self._client.close)
        except DeadlineExceeded:
            self._hung = True
        if self._hung:
            # Freeing it would wait for what hangs, at the latest when the process ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._client))
        else:
            _release(self._name)

    def _call(self, action: str, seconds: float, call: Callable[[], T]) -> T:
        if self._hung:
            raise StateError(f"Chroma did not answer before: it is opened again before {action}")
        with chroma_errors(action, self._folder):
            try:
                return call_with_deadline(seconds, call)
            except DeadlineExceeded:
                self._hung = True
                raise


def open_folder(folder: Path, *, create: bool = False) -> VectorIndex:
    """Open the collection of an embedded Chroma, anew at each call, so that it is seen as it is on disk.

    Args:
        folder: the files of one segment.
        create: make the collection where there is none.

    Raises:
        StateError: the files are damaged, or the collection is missing.
        StorageError: the disk is full.
    """
    import_chroma()
    folder.mkdir(parents=True, exist_ok=True)
    name = _reserve(folder)
    try:
        with chroma_errors("opening Chroma", folder):
            return call_with_deadline(WRITE_SECONDS if create else READ_SECONDS, lambda: _embedded(name, folder, create))
    except BaseException:
        _release(name)
        raise


def open_server(url: str, collection: str, *, create: bool = False) -> VectorIndex:
    """Open a collection of a Chroma server; see ``open_folder``.

    Raises:
        ServiceError: the server cannot be reached or does not answer.
        SettingsError: the URL is none.
        StateError: the collection is missing.
    """
    import_chroma()
    parts = urlparse(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError("retrieval.chroma_url", [f"{url!r} is not a URL like http://host:8000"])
    with chroma_errors("opening Chroma"):
        return call_with_deadline(READ_SECONDS, lambda: _server(url, collection, create))


def seal_folder(folder: Path) -> None:
    """Have Chroma save its graph whole, and give free pages of its database back.

    Otherwise every opening replays the writes since the graph was last saved: three seconds for 1,500 of them.
    """
    with closing(open_folder(folder)) as index:
        index.save_every_write()
    with closing(open_folder(folder)) as index:
        index.rewrite_one()
    with storage_errors("compacting vectors"), closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("VACUUM")


def import_chroma() -> None:
    """Import Chroma once: two threads that import it together break each other."""
    with LOADING:
        import chromadb  # noqa: F401


def _embedded(name: str, folder: Path, create: bool) -> VectorIndex:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(name, settings=Settings(anonymized_telemetry=False))
    try:
        return VectorIndex(client, _collection(client, COLLECTION, create), folder, name)
    except BaseException:
        client.close()
        raise


def _server(url: str, collection: str, create: bool) -> VectorIndex:
    import chromadb
    from chromadb.config import Settings

    parts = urlparse(url)
    ssl = parts.scheme == "https"
    client = chromadb.HttpClient(
        host=parts.hostname or "",
        port=parts.port or (443 if ssl else 8000),
        ssl=ssl,
        settings=Settings(anonymized_telemetry=False),
    )
    return VectorIndex(client, _collection(client, collection, create), None, "")


def _collection(client: Any, name: str, create: bool) -> Any:
    if name in {each.name for each in client.list_collections()}:
        return client.get_collection(name, embedding_function=None)
    if not create:
        raise StateError("the collection of vectors is missing")
    hnsw = {"space": "cosine", "ef_search": 2 * NEAREST, "ef_construction": 128, "sync_threshold": SYNC_PIECES}
    return client.create_collection(name, configuration={"hnsw": hnsw}, embedding_function=None)


def _written(rows: Any) -> dict[str, Any]:
    return {name: rows[name] for name in ("ids", "embeddings", "metadatas")}


def _reserve(folder: Path) -> str:
    """Return a name of the folder that no open client has: Chroma shares one client a name within a process."""
    with _NAMING:
        name = str(folder)
        while name in _OPEN:
            name += "/."
        _OPEN.add(name)
    return name


def _release(name: str) -> None:
    with _NAMING:
        _OPEN.discard(name)


@contextmanager
def chroma_errors(action: str, folder: Path | None = None) -> Iterator[None]:
    """Turn Chroma's errors into ours.

    Args:
        action: what was being done, for the message.
        folder: where Chroma was writing. Some of its errors hide that the disk is full, so the disk is asked.

    Raises:
        StorageError: the disk is full.
        ServiceError: the Chroma server cannot be reached or does not answer.
        StateError: Chroma's files are damaged, or its runtime hangs.
    """
    try:
        with storage_errors(action):
            yield
    except DoyenError:
        raise
    except (DeadlineExceeded, OSError, RuntimeError, ValueError) as error:
        raise _translated(error, action, folder) from error
    except BaseException as error:
        from chromadb.errors import ChromaError

        # A panic of Chroma's Rust code is no `Exception`; an answer that is not Chroma's, as from a proxy, is a bare one.
        vendors = isinstance(error, ChromaError | httpx.HTTPError) or type(error).__name__ == "PanicException"
        if vendors or (folder is None and type(error) is Exception):
            raise _translated(error, action, folder) from error
        raise


def _translated(error: BaseException, action: str, folder: Path | None) -> Exception:
    unreachable = isinstance(error, httpx.HTTPError | OSError | DeadlineExceeded) or type(error) is Exception
    if folder is None and unreachable:
        return ServiceError(f"the Chroma server failed while {action} ({error}): check retrieval.chroma_url")
    if "Could not connect" in str(error):
        return ServiceError(f"{error} Check retrieval.chroma_url and that the server runs.")
    if folder is not None and folder.is_dir() and shutil.disk_usage(folder).free < NEARLY_FULL:
        return StorageError(disk_full(action))
    return StateError(f"Chroma failed while {action} ({error}): run `doyen doctor --repair` to rebuild the index")
