"""The embedder of an index: the one that the settings name, or one that was trained from it and promoted.

An index and the queries to it must be embedded by the same weights, so its manifest names them and queries follow the manifest.
The store says which embedder the next index is to be made with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from doyen.core.errors import IncompatibleError, ModelMissing
from doyen.core.models import resolve_embedder
from doyen.core.store import Store
from doyen.core.store.schema import EMBEDDER, PROMOTED, AdapterRow
from doyen.core.workspace import Workspace
from doyen.retrieval.embedder import Embedder, load_embedder, open_embedder


@dataclass(frozen=True)
class IndexEmbedder:
    """Which weights an index's vectors are made with.

    Attributes:
        name: of the model in the settings.
        base_sha256: of that model's weights.
        sha256: of the weights that are used.
        tuned: the registered embedder that was trained from that model, "name:version"; None for the model itself.
    """

    name: str
    base_sha256: str
    sha256: str
    tuned: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as manifests hold it."""
        trained = {"base_sha256": self.base_sha256, "tuned": self.tuned} if self.tuned else {}
        return {"name": self.name, "sha256": self.sha256, **trained}

    @staticmethod
    def from_json(data: dict[str, Any]) -> IndexEmbedder:
        """Return what ``to_json`` gave."""
        digest = str(data["sha256"])
        return IndexEmbedder(str(data["name"]), str(data.get("base_sha256", digest)), digest, data.get("tuned"))


def base_embedder(workspace: Workspace) -> IndexEmbedder:
    """Return the embedder that the settings name.

    Raises:
        ModelMissing: it is not on this machine.
    """
    name = workspace.settings.retrieval.embedder
    digest = resolve_embedder(name)[1]
    return IndexEmbedder(name, digest, digest)


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
    return IndexEmbedder(base.name, base.base_sha256, resolve_embedder(str(folder))[1], reference)


def wanted_embedder(workspace: Workspace, store: Store) -> IndexEmbedder:
    """Return what the index is to be made with: the promoted embedder where it was trained from the settings' one.

    Raises:
        ModelMissing: its files are gone.
    """
    base = base_embedder(workspace)
    query = select(AdapterRow).where(AdapterRow.status == PROMOTED, AdapterRow.base_sha256 == base.sha256)
    with store.session() as session:
        rows = [row for row in session.scalars(query) if row.manifest.get("kind") == EMBEDDER]
        return tuned_embedder(workspace, rows[0].name, rows[0].version, rows[0].base_sha256) if rows else base


def open_index_embedder(workspace: Workspace, embedder: IndexEmbedder) -> Embedder:
    """Load an index's embedder, once in this process.

    Raises:
        ModelMissing: its files are gone or not those that the index was made with.
    """
    settings = workspace.settings.retrieval
    if embedder.tuned is None:
        return open_embedder(settings)
    name, _, version = embedder.tuned.partition(":")
    loaded = load_embedder(str(workspace.adapters_folder / name / version), settings.embedder_dtype)
    if loaded.sha256 != embedder.sha256:
        raise ModelMissing(
            f"the files of embedder {embedder.tuned} have changed: go back with `doyen adapters rollback {name}`"
        )
    return loaded
