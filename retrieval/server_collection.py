"""A workspace's collection on a Chroma server, which may hold those of others too.

The workspace's id names it, so that it is found again after a move and no other workspace's is ever written. A copy of a
workspace has the same id until it is separated; the collection therefore says which folder writes it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from doyen.core.errors import StateError
from doyen.core.manifest import short_id
from doyen.core.settings import FILE_NAME
from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace
from doyen.retrieval.index_manifest import IndexEmbedder, IndexManifest
from doyen.retrieval.lexical import FORMAT, load_lexical
from doyen.retrieval.segments import lexical_folder, piece_names
from doyen.retrieval.vectors import VectorIndex, open_server


def open_collection(workspace: Workspace, store: Store, embedder: IndexEmbedder, *, write: bool = False) -> VectorIndex:
    """Open the workspace's collection of the vectors of an embedder; to write, it is made where there is none.

    Raises:
        ServiceError: the server cannot be reached or does not answer.
        SettingsError: the URL is none.
        StateError: the collection is missing, or may not be written because a copy of the workspace writes it.
    """
    vectors = open_server(workspace.settings.retrieval.chroma_url or "", _name(store, embedder), create=write)
    try:
        if write:
            _claim(vectors, workspace, store)
    except BaseException:
        vectors.close()
        raise
    return vectors


def clean_collection(workspace: Workspace, store: Store, manifest: IndexManifest) -> None:
    """Delete all vectors that are not of live pieces of the published segments."""
    live: set[str] = set()
    for segment in manifest.segments:
        live.update(piece_names(load_lexical(lexical_folder(workspace.index_folder / segment.name)), segment.dropped))
    with closing(open_collection(workspace, store, manifest.embedder, write=True)) as vectors:
        vectors.delete(sorted(vectors.names() - live))


def _name(store: Store, embedder: IndexEmbedder) -> str:
    return f"doyen-{store.workspace_id()}-{short_id(embedder.identity, str(FORMAT))}"


def _claim(vectors: VectorIndex, workspace: Workspace, store: Store) -> None:
    """Note that this folder writes the collection, unless one that is still there and has the same id does."""
    owner = vectors.owner
    if owner == str(workspace.root):
        return
    if owner and _is_copy(Workspace(Path(owner)), workspace, store):
        raise StateError(
            f"{workspace.root} and {owner} are copies of one workspace and would overwrite each other's vectors on the Chroma "
            "server: run `doyen annotate relink --as-copy` in the one that is the copy, then repeat this"
        )
    vectors.set_owner(str(workspace.root))


def _is_copy(other: Workspace, workspace: Workspace, store: Store) -> bool:
    """Whether another folder is a workspace with the same id in a database of its own."""
    if not (other.root / FILE_NAME).is_file() or not other.state.is_dir() or other.database_url == workspace.database_url:
        return False
    with closing(open_store(other)) as there:
        return there.workspace_id() == store.workspace_id()
