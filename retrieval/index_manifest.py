"""What is in the index: a small file that is replaced last, so that readers see a whole index or the one before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import IndexMissing
from doyen.core.files import write_json_atomic
from doyen.core.manifest import build_manifest
from doyen.retrieval.lexical import FORMAT
from doyen.retrieval.segments import Segment

REMEDY = "run `doyen ingest` with your documents"
REPAIR = "run `doyen doctor --repair`, which makes it again from the stored texts, or `doyen ingest`"


@dataclass(frozen=True)
class IndexManifest:
    """The published index.

    Attributes:
        embedder: name of the model in the settings.
        embedder_sha256: of its weights.
        segments: where lexical arrays and vectors are, the largest first.
        chunks: number of live chunks.
        content: fingerprint of the chunk ids.
    """

    embedder: str
    embedder_sha256: str
    segments: tuple[Segment, ...]
    chunks: int
    content: str

    def write(self, folder: Path) -> None:
        """Publish it in the index folder, with what else is needed to make the index again."""
        inputs = {"embedder": {"name": self.embedder, "sha256": self.embedder_sha256}, "content": self.content}
        made = build_manifest("index", inputs=inputs, settings={"format": FORMAT})
        places = {"chunks": self.chunks, "segments": [segment.to_json() for segment in self.segments]}
        write_json_atomic(manifest_path(folder), {**made, **places})


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
        return IndexManifest(
            embedder=str(data["inputs"]["embedder"]["name"]),
            embedder_sha256=str(data["inputs"]["embedder"]["sha256"]),
            segments=tuple(map(Segment.from_json, data["segments"])),
            chunks=int(data["chunks"]),
            content=str(data["inputs"]["content"]),
        )
    except FileNotFoundError as error:
        raise IndexMissing(f"{folder.parent.parent} has no index yet: {REMEDY}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexMissing(f"the index is damaged ({path} cannot be read: {error}): {REPAIR}") from error
