"""Vectors of texts that are computed once, and remembered in a file of the project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from doyen.core.files import open_atomic
from doyen.core.manifest import short_id


class Encoder(Protocol):
    """Turns texts into L2-normalised vectors (``retrieval.embedder.Embedder``)."""

    @property
    def sha256(self) -> str:
        """Of its weights."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors, ``(len(texts), dim)``."""


class KnownVectors:
    """The vectors of one embedder in one folder; texts that it has not seen are embedded and added."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self._path = folder / f"vectors-{encoder.sha256[:12]}.npz"
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}
        if self._path.exists():
            with np.load(self._path) as stored:
                self._known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, ``(len(texts), dim)``."""
        keys = [short_id(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if new:
            self._known |= dict(zip(new, self._encoder.encode(list(new.values())), strict=True))
            with open_atomic(self._path) as stream:
                np.savez(stream, keys=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
        return np.stack([self._known[key] for key in keys]) if keys else self._encoder.encode([])
