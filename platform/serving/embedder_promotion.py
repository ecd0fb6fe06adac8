"""Promoting an embedder and going back: the index is built with it beside the one that serves, then takes its place.

build beside ─▶ registry ─▶ replace the manifest

A failure or a kill in the first step changes nothing. One between the last two leaves the index before serving, with the
embedder that it was made with; the next ingestion finishes the swap, and finds the index built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from doyen.core.errors import InputError, StateError
from doyen.core.progress import Reporter
from doyen.core.store import Store
from doyen.core.store.schema import EMBEDDER
from doyen.core.workspace import Workspace
from doyen.finetune.registry import Adapter, Registry
from doyen.retrieval.index import build_index
from doyen.retrieval.index_embedder import base_embedder, tuned_embedder
from doyen.retrieval.index_manifest import IndexEmbedder


def promote_embedder(
    workspace: Workspace, store: Store, adapter: Adapter, grounds: Mapping[str, Any], reporter: Reporter | None = None
) -> Adapter:
    """Build the index with an embedder and have it serve; running processes take it with their next query.

    Raises:
        Busy: another process is changing the workspace.
        IncompatibleError: it was trained from another model than the settings name.
        ModelMissing, StorageError, ServiceError: the index cannot be built; nothing was changed.
    """
    registry = Registry(workspace, store)
    with workspace.lock(f"promoting {adapter.ref}"):
        embedder = _embedder(workspace, adapter)
        return _switch(workspace, store, embedder, lambda: registry.promote(adapter.ref, grounds), reporter)


def roll_back_embedder(workspace: Workspace, store: Store, name: str, reporter: Reporter | None = None) -> Adapter:
    """Go back to the embedder that was promoted before, behind the first one to the settings' own; see `promote_embedder`.

    The index before is still there, so that only documents that have changed since are embedded.

    Raises:
        StateError: no embedder is promoted.
    """
    registry = Registry(workspace, store)
    with workspace.lock(f"going back from {name}"):
        before = registry.before(name)
        embedder = _embedder(workspace, before) if before else base_embedder(workspace)
        return _switch(workspace, store, embedder, lambda: registry.rollback(name), reporter)


def require_better(adapter: Adapter) -> None:
    """Let an embedder pass that finds more for the validation pairs than the one it was trained from.

    Raises:
        StateError: it does not.
    """
    found = adapter.manifest.get("validation") or {}
    if not found.get("better"):
        raise StateError(
            f"{adapter.ref} finds no more for the {found.get('n', 0)} validation pairs than the embedder before "
            f"({found.get('recall')} against {found.get('base_recall')}): a written reason overrides"
        )


def refuse_report(adapter: Adapter, report: object) -> None:
    """Refuse a report as grounds: reports are about answers, embedders and heads are judged by what was set aside.

    Raises:
        InputError: there is one.
    """
    if report is not None:
        what = (
            "an embedder, which its validation pairs speak"
            if adapter.kind == EMBEDDER
            else "a head, which its test texts speak"
        )
        raise InputError(f"{adapter.ref} is {what} for: leave the report out")


def _embedder(workspace: Workspace, adapter: Adapter) -> IndexEmbedder:
    return tuned_embedder(workspace, adapter.name, adapter.version, adapter.base_sha256)


def _switch(
    workspace: Workspace, store: Store, embedder: IndexEmbedder, register: Callable[[], Adapter], reporter: Reporter | None
) -> Adapter:
    built = build_index(workspace, store, embedder, reporter=reporter, thorough=True)
    adapter = register()
    built.publish()
    return adapter
