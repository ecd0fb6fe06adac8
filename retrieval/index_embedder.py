"""The embedder of an index: the one that the settings name, or one that was trained from it and promoted.

An index and the queries to it must be embedded by the same weights, so its manifest names them and queries follow the manifest.
The store says which embedder the next index is to be made with. The same holds of the number format: vectors of bfloat16 and
of float32 differ, so "auto" is decided when a workspace is first indexed, and later indexes are made as the published one was.
"""

from __future__ import annotations

from sqlalchemy import select

from doyen.core.errors import IncompatibleError, IndexMissing, ModelMissing
from doyen.core.models import number_format, resolve_embedder
from doyen.core.store import Store
from doyen.core.store.schema import EMBEDDER, PRODUCTION, AdapterRow
from doyen.core.workspace import Workspace
from doyen.retrieval.embedder import Embedder, load_embedder
from doyen.retrieval.index_manifest import IndexEmbedder, read_manifest


def base_embedder(workspace: Workspace) -> IndexEmbedder:
    """Return the embedder that the settings name.

    Raises:
        ModelMissing: it is not on this machine.
    """
    name = workspace.settings.retrieval.embedder
    digest = resolve_embedder(name)[1]
    return IndexEmbedder(name, digest, digest, _number_format(workspace))


def tuned_embedder(workspace: Workspace, name: str, version: int, trained_from: str) -> IndexEmbedder:
    """Return a registered embedder.

    Args:
        trained_from: SHA-256 of the weights that it was trained from.

    Raises:
        IncompatibleError: it was trained from another model than the settings name.
        ModelMissing: its files are gone.
    """
    base, folder = base_embedder(workspace), workspace.adapters_folder / name / str(version)
    reference = f"{name}:{version}"
    if trained_from != base.base_sha256:
        raise IncompatibleError(f"embedder {reference} was trained from another model than {base.name!r}: train it again")
    if not folder.is_dir():
        raise ModelMissing(f"the files of embedder {reference} are gone: go back with `doyen adapters rollback {name}`")
    return IndexEmbedder(base.name, base.base_sha256, resolve_embedder(str(folder))[1], base.dtype, reference)


def wanted_embedder(workspace: Workspace, store: Store) -> IndexEmbedder:
    """Return what the index is to be made with: the promoted embedder where it was trained from the settings' one.

    Raises:
        ModelMissing: its files are gone.
    """
    base = base_embedder(workspace)
    query = select(AdapterRow).where(AdapterRow.stage == PRODUCTION, AdapterRow.base_sha256 == base.sha256)
    with store.session() as session:
        rows = [row for row in session.scalars(query) if row.manifest.get("kind") == EMBEDDER]
        return tuned_embedder(workspace, rows[0].name, rows[0].version, rows[0].base_sha256) if rows else base


def open_index_embedder(workspace: Workspace, embedder: IndexEmbedder) -> Embedder:
    """Load an index's embedder, once in this process.

    Raises:
        ModelMissing: its files are gone or not those that the index was made with.
    """
    if embedder.tuned is None:
        return load_embedder(workspace.settings.retrieval.embedder, embedder.dtype)
    name, _, version = embedder.tuned.partition(":")
    loaded = load_embedder(str(workspace.adapters_folder / name / version), embedder.dtype)
    if loaded.sha256 != embedder.sha256:
        raise ModelMissing(
            f"the files of embedder {embedder.tuned} have changed: go back with `doyen adapters rollback {name}`"
        )
    return loaded


def _number_format(workspace: Workspace) -> str:
    """Return what the settings name, with "auto" what the published index was made in, without one what suits the machine."""
    setting = workspace.settings.retrieval.embedder_dtype
    if setting == "auto":
        try:
            return read_manifest(workspace.index_folder).embedder.dtype
        except IndexMissing:
            pass
    return number_format(setting)
