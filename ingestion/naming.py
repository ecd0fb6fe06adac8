"""The source of a file: its path below the ingested root, made unique where two roots hold the same path.

It is chosen when a file is first seen and stays, so that ids, labels and citations hold whichever way the file comes next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from os.path import lexists
from pathlib import Path

from doyen.core.manifest import short_id
from doyen.core.store.schema import DocumentRow
from doyen.ingestion.sources import FoundFile

MOVED_SHARE = 0.5
"""A folder counts as moved when at least this share of its lost files is found elsewhere, with the same path and size."""


def choose_sources(files: Sequence[FoundFile], known: Mapping[str, DocumentRow]) -> dict[str, FoundFile]:
    """Give each file its source.

    A file that is known keeps its source, whatever path it came by. A path that another root already uses gets the name
    of its root's folder in front, so that no document silently replaces another. A root that has been moved keeps its
    sources.

    Returns:
        Source to file, in the order of the files.
    """
    by_path = {row.path: source for source, row in known.items() if row.path}
    kept = {file.path: by_path[str(file.path)] for file in files if str(file.path) in by_path}
    replaceable = _replaceable([file for file in files if file.path not in kept], known, set(kept.values()))
    chosen: dict[str, FoundFile] = {}
    used = set(kept.values())
    for file in files:
        source = kept.get(file.path)
        if source is None:
            free = (each for each in candidates(file) if each not in used and (each not in known or each in replaceable[file]))
            source = next(free)
        used.add(source)
        chosen[source] = file
    return chosen


def candidates(file: FoundFile) -> list[str]:
    """Return the sources that a file may have, best first; the last is free unless the same file has it."""
    folder = Path(file.root).name or "root"
    marked = f"{folder}-{short_id(file.root)[:6]}/{file.relative}"
    return [file.relative, f"{folder}/{file.relative}", marked, f"{short_id(str(file.path))}/{file.relative}"]


def _replaceable(files: Sequence[FoundFile], known: Mapping[str, DocumentRow], kept: set[str]) -> dict[FoundFile, set[str]]:
    """Return for each new file the known sources whose place it takes.

    These are the same path below the same root, which leads to another file now (a link was changed), and paths below a
    root that was moved.
    """
    if not files:
        return {}
    lost = {source: row for source, row in known.items() if source not in kept and row.path and not _exists(row.path)}
    lost_of_root = Counter(row.root for row in lost.values())
    pairs = [(file, source) for file in files for source in candidates(file) if source in lost]
    alike = Counter((lost[source].root, file.root) for file, source in pairs if lost[source].size == file.size)
    found: dict[FoundFile, set[str]] = {file: set() for file in files}
    for file, source in pairs:
        old = lost[source].root
        if alike[old, file.root] >= MOVED_SHARE * lost_of_root[old]:
            found[file].add(source)
    for file in files:
        for source in candidates(file):
            row = known.get(source)
            if row is not None and source not in kept and row.root == file.root:
                found[file].add(source)
    return found


def _exists(path: str) -> bool:
    """Whether a file is there, or the archive that it is a member of."""
    return lexists(path) or any(parent.is_file() for parent in Path(path).parents)
