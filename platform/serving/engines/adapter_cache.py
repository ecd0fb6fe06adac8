"""Adapters that an engine holds: each is checked and loaded once, and the one unused for longest makes room."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from doyen.core.errors import IncompatibleError
from doyen.core.models import GeneratorFiles
from doyen.finetune.registry import WEIGHTS
from doyen.platform.serving.engines.protocol import AdapterFiles

MAX_ADAPTERS = 8
Held = TypeVar("Held")


class AdapterCache(Generic[Held]):
    """What an engine has made of adapters, least recently used first; told apart by their weight files. Thread-safe."""

    def __init__(
        self,
        base: GeneratorFiles,
        load: Callable[[AdapterFiles], Held],
        unload: Callable[[Held], None] = lambda held: None,
        *,
        capacity: int = MAX_ADAPTERS,
    ) -> None:
        """Begin empty.

        Args:
            base: the model that adapters must have been trained on.
            load: makes an adapter usable; may take long, and no lock is held meanwhile.
            unload: frees one that made room.
            capacity: adapters held at most.
        """
        self._base = base
        self._load = load
        self._unload = unload
        self._capacity = capacity
        self._held: dict[tuple[Path, int, int], Held] = {}
        self._lock = threading.Lock()

    def get(self, adapter: AdapterFiles) -> Held:
        """Return what the engine has of an adapter, loaded unless it is held already.

        Raises:
            IncompatibleError: it was trained on another base, or its weights are gone.
        """
        key = self._check(adapter)
        with self._lock:
            held = self._held.pop(key, None)
            if held is not None:
                self._held[key] = held
                return held
        held = self._load(adapter)
        with self._lock:
            self._held[key] = held
            surplus = [self._held.pop(oldest) for oldest in list(self._held)[: -self._capacity]]
        for unused in surplus:
            self._unload(unused)
        return held

    def values(self) -> list[Held]:
        """Return all that is held, the last used last."""
        with self._lock:
            return list(self._held.values())

    def clear(self) -> None:
        """Forget everything, without unloading it."""
        with self._lock:
            self._held.clear()

    def _check(self, adapter: AdapterFiles) -> tuple[Path, int, int]:
        """Return the identity of an adapter's weights, which another training in the same folder changes."""
        base = self._base
        if adapter.base_sha256 != base.sha256:
            raise IncompatibleError(
                f"adapter {adapter.name!r} was trained on a base with sha256 {adapter.base_sha256[:12]}…, but the engine "
                f"serves {base.name!r} ({base.sha256[:12]}…): train it again on this base, or set serving.model"
            )
        weights = adapter.folder / WEIGHTS
        if not weights.is_file():
            raise IncompatibleError(f"adapter {adapter.name!r} has no weights in {adapter.folder}: train it again")
        status = weights.stat()
        return weights, status.st_size, status.st_mtime_ns
