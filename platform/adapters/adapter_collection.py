"""Collecting adapters that nothing rests on: first what would go, then, if it is wanted, their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.registry import Adapter, Registry
from doyen.platform.adapters.adapter_use import adapters_in_use


@dataclass(frozen=True)
class AdapterCollection:
    """What of a workspace's adapters is collected.

    Attributes:
        removable: "name:version" to the bytes of its files, of those that nothing rests on.
        kept: "name:version" to the reasons why it stays.
        removed: whether the files are gone; False for a trial.
    """

    removable: dict[str, int]
    kept: dict[str, list[str]]
    removed: bool

    @property
    def bytes(self) -> int:
        """What is gained."""
        return sum(self.removable.values())

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"removable": self.removable, "kept": self.kept, "removed": self.removed, "bytes": self.bytes}


def collect_adapters(workspace: Workspace, store: Store, *, remove: bool = False) -> AdapterCollection:
    """Find the adapters that nothing rests on, see `adapters_in_use`, and with ``remove`` delete their files.

    Their rows stay, so that lineage still names them, and their numbers are not given out again.

    Raises:
        Busy: with ``remove``, another process changes the workspace.
    """
    if not remove:
        return _look(workspace, store, removed=False)
    with workspace.lock("collecting adapters"):
        found = _look(workspace, store, removed=True)
        registry = Registry(workspace, store)
        for reference in found.removable:
            registry.delete(reference)
    return found


def _look(workspace: Workspace, store: Store, *, removed: bool) -> AdapterCollection:
    used = adapters_in_use(workspace, store)
    free = [adapter for adapter in Registry(workspace, store).list() if adapter.ref not in used]
    return AdapterCollection({adapter.ref: _size(adapter) for adapter in free}, used, removed)


def _size(adapter: Adapter) -> int:
    return sum(path.stat().st_size for path in adapter.folder.rglob("*") if path.is_file())
