"""What is in the index: a small file that is replaced last, so that readers see a whole index or the one before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from doyen.core.errors import IndexMissing
from doyen.core.files import write_json_atomic
from doyen.core.manifest import build_manifest
from doyen.retrieval.lexical import FORMAT
from doyen.retrieval.segments import Segment

Stamp = tuple[int, int, int]
REMEDY = "run `doyen ingest` with your documents"
REPAIR = "run `doyen doctor --repair`, which makes it again from the stored texts, or `doyen ingest`"


@dataclass(frozen=True)
class IndexEmbedder:
    """Which weights an index's vectors are made with, and how.

    Attributes:
        name: of the model in the settings.
        base_sha256: of that model's weights.
        sha256: of the weights that are used.
        dtype: the number format that they compute in, "float32" or "bfloat16".
        tuned: the registered embedder that was trained from that model, "name:version"; None for the model itself.
    """

    name: str
    base_sha256: str
    sha256: str
    dtype: str
    tuned: str | None = None

    @property
    def identity(self) -> str:
        """The same for embedders whose vectors may stand in one index."""
        return f"{self.sha256}-{self.dtype}"

    def to_json(self) -> dict[str, Any]:
        """Return it as manifests hold it."""
        trained = {"base_sha256": self.base_sha256, "tuned": self.tuned} if self.tuned else {}
        return {"name": self.name, "sha256": self.sha256, "dtype": self.dtype, **trained}

    @staticmethod
    def from_json(data: dict[str, Any]) -> IndexEmbedder:
        """Return what ``to_json`` gave."""
        digest = str(data["sha256"])
        base = str(data.get("base_sha256", digest))
        return IndexEmbedder(str(data["name"]), base, digest, str(data["dtype"]), data.get("tuned"))


@dataclass(frozen=True)
class IndexManifest:
    """The published index.

    Attributes:
        embedder: what made its vectors.
        segments: where lexical arrays and vectors are, the largest first.
        chunks: number of live chunks.
        content: fingerprint of the chunk ids.
        kept: the index of the embedder before, whose files stay so that going back costs only what has changed since.
    """

    embedder: IndexEmbedder
    segments: tuple[Segment, ...]
    chunks: int
    content: str
    kept: IndexManifest | None = None

    @property
    def files(self) -> set[str]:
        """The segments that it needs, those of what is kept included."""
        return {segment.name for segment in self.segments} | (self.kept.files if self.kept else set())

    def write(self, folder: Path) -> None:
        """Publish it in the index folder, with what else is needed to make the index again."""
        made = build_manifest("index", inputs=self._inputs(), settings={"format": FORMAT})
        kept = {"kept": {"inputs": self.kept._inputs(), **self.kept._places()}} if self.kept else {}
        write_json_atomic(manifest_path(folder), {**made, **self._places(), **kept})

    def _inputs(self) -> dict[str, Any]:
        return {"embedder": self.embedder.to_json(), "content": self.content}

    def _places(self) -> dict[str, Any]:
        return {"chunks": self.chunks, "segments": [segment.to_json() for segment in self.segments]}


def manifest_path(folder: Path) -> Path:
    """Return where the manifest of an index folder is."""
    return folder / "manifest.json"


def read_manifest(folder: Path) -> IndexManifest:
    """Return the published index.

    Raises:
        IndexMissing: there is none, or the file is damaged, or another version of Doyen wrote it.
    """
    path = manifest_path(folder)
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["settings"]["format"] != FORMAT:
            raise IndexMissing(f"the index in {folder} was written by another version of Doyen: {REMEDY}")
        return _from_json(data)
    except FileNotFoundError as error:
        raise IndexMissing(f"{folder.parent.parent} has no index yet: {REMEDY}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexMissing(f"the index is damaged ({path} cannot be read: {error}): {REPAIR}") from error


def read_stamp(folder: Path) -> Stamp:
    """Return what changes whenever the manifest is replaced.

    Raises:
        IndexMissing: there is none.
    """
    try:
        stat = manifest_path(folder).stat()
    except FileNotFoundError as error:
        raise IndexMissing(f"{folder.parent.parent} has no index: {REMEDY}") from error
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def tuned_embedder_of(folder: Path) -> str | None:
    """Return the trained embedder, "name:version", of a published index; None for none, and where there is no index."""
    try:
        return _tuned(folder, read_stamp(folder))
    except IndexMissing:
        return None


@lru_cache(maxsize=4)
def _tuned(folder: Path, _: Stamp) -> str | None:
    return read_manifest(folder).embedder.tuned


def _from_json(data: dict[str, Any]) -> IndexManifest:
    return IndexManifest(
        embedder=IndexEmbedder.from_json(data["inputs"]["embedder"]),
        segments=tuple(map(Segment.from_json, data["segments"])),
        chunks=int(data["chunks"]),
        content=str(data["inputs"]["content"]),
        kept=_from_json(data["kept"]) if data.get("kept") else None,
    )
