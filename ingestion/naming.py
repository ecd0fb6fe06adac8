"""The source of a file: its path below the ingested root, made unique where two roots hold the same path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from doyen.ingestion.sources import FoundFile
from doyen.platform.core.manifest import short_id
from doyen.platform.core.store.schema import DocumentRow


def choose_sources(files: Sequence[FoundFile], known: Mapping[str, DocumentRow]) -> dict[str, FoundFile]:
    """Give each file its source.

    A path that another root already uses gets the name of its root's folder in front, so that no document silently replaces
    another. A root that has been moved keeps its sources: where the old file is gone, the new one takes its place.

    Returns:
        Source to file, in the order of the files.
    """
    chosen: dict[str, FoundFile] = {}
    for file in files:
        folder = Path(file.root).name or "root"
        candidates = [file.relative, f"{folder}/{file.relative}", f"{folder}-{short_id(file.root)[:6]}/{file.relative}"]
        own = [source for source in candidates if source in known and known[source].root == file.root]
        free = [source for source in candidates if source not in chosen and _is_free(known.get(source), file)]
        source = next((source for source in own if source not in chosen), None) or free[0]
        chosen[source] = file
    return chosen


def _is_free(row: DocumentRow | None, file: FoundFile) -> bool:
    if row is None or row.root == file.root:
        return True
    return row.root != "" and not (Path(row.root) / file.relative).exists()
