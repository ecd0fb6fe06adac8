"""Segments: folders that hold the lexical arrays and the vectors of some documents and are never changed once published.

    index/manifest.json
    index/segment-3f…/lexical/*.npy
    index/segment-3f…/chroma/        (on a Chroma server, one collection holds the vectors of all segments)

Readers of a published segment need no lock, a failed write cannot harm it, and the checksum of each file stays true.
Only ``chroma.sqlite3`` has none: Chroma notes every opening in it, so its structure and ids are checked instead.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doyen.core.errors import StateError
from doyen.core.files import sha256_file, sync_folder
from doyen.retrieval.lexical import LexicalIndex, load_lexical
from doyen.retrieval.vectors import DATABASE

HASHED_AT_OPEN = 32_000_000
"""Bytes of a segment up to which an opening verifies all checksums, as `doyen doctor` always does."""


class Damaged(StateError):
    """A segment is not as it was published."""


@dataclass(frozen=True)
class Segment:
    """What the manifest says of a segment.

    Attributes:
        name: of its folder inside the index folder.
        chunks: that it holds, dropped ones included.
        pieces: embedded pieces of its chunks.
        dropped: ids of its chunks that have left the store, or whose documents are in a later segment.
        files: path inside the folder → size in bytes and SHA-256; no SHA-256 for Chroma's database.
    """

    name: str
    chunks: int
    pieces: int
    dropped: tuple[str, ...]
    files: dict[str, tuple[int, str | None]]

    def to_json(self) -> dict[str, Any]:
        """Return it as the manifest holds it."""
        return {**vars(self), "dropped": list(self.dropped)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Segment:
        """Return what ``to_json`` gave."""
        files = {str(name): (int(size), digest) for name, (size, digest) in data["files"].items()}
        counts = int(data["chunks"]), int(data["pieces"])
        return Segment(str(data["name"]), *counts, tuple(map(str, data["dropped"])), files)


def lexical_folder(segment: Path) -> Path:
    """Return where the arrays of a segment's folder are."""
    return segment / "lexical"


def vector_folder(segment: Path) -> Path:
    """Return where the embedded Chroma of a segment's folder is."""
    return segment / "chroma"


def piece_names(lexical: LexicalIndex, dropped: Collection[str] = ()) -> list[str]:
    """Return the ids of the pieces of all chunks that are not dropped, in the order of ``piece_first``."""
    counts = zip(lexical.chunk_ids.tolist(), np.diff(lexical.piece_offset).tolist(), strict=True)
    gone = frozenset(dropped)
    return [f"{chunk_id}:{number}" for chunk_id, count in counts if chunk_id not in gone for number in range(count)]


def sealed_files(folder: Path) -> dict[str, tuple[int, str | None]]:
    """Force all files of a segment to the disk; return their sizes and checksums."""
    files: dict[str, tuple[int, str | None]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
            continue
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        files[path.relative_to(folder).as_posix()] = (path.stat().st_size, _digest(path))
    sync_folder(folder)
    sync_folder(folder.parent)
    return files


def load_segment(folder: Path, segment: Segment, *, thorough: bool = False) -> LexicalIndex:
    """Verify a segment's files and return its lexical index.

    Args:
        folder: the index folder.
        segment: what was published.
        thorough: verify all checksums also of a large segment.

    Raises:
        Damaged: a file is missing or not as it was published.
    """
    place = folder / segment.name
    small = sum(size for size, _ in segment.files.values()) <= HASHED_AT_OPEN
    for name, (size, digest) in segment.files.items():
        path = place / name
        if not path.is_file():
            raise Damaged(f"{path} is missing")
        if path.name == DATABASE:
            if thorough or small:
                _check_database(path)
        elif path.stat().st_size != size:
            raise Damaged(f"{path} has {path.stat().st_size:,} bytes instead of {size:,}")
        elif (thorough or small) and digest != _digest(path):
            raise Damaged(f"{path} has changed since it was written")
    try:
        lexical = load_lexical(lexical_folder(place))
    except (OSError, ValueError) as error:
        raise Damaged(str(error)) from error
    if (database := vector_folder(place) / DATABASE).is_file():
        _check_ids(database, segment, lexical if thorough or small else None)
    return lexical


def _digest(path: Path) -> str | None:
    return None if path.name == DATABASE else sha256_file(path)


def _check_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            [(answer,), *_] = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise Damaged(f"{path}: {error}") from error
    if answer != "ok":
        raise Damaged(f"{path}: {answer}")


def _check_ids(path: Path, segment: Segment, lexical: LexicalIndex | None) -> None:
    """Compare the pieces that Chroma's database lists with the lexical index, or their number with the published one."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            [(count,)] = database.execute("SELECT count(*) FROM embeddings").fetchall()
            rows = database.execute("SELECT embedding_id FROM embeddings").fetchall() if lexical else []
    except sqlite3.Error as error:
        raise Damaged(f"{path}: {error}") from error
    if count != segment.pieces:
        raise Damaged(f"{path} lists {count:,} vectors instead of {segment.pieces:,}")
    if lexical and {str(row[0]) for row in rows} != set(piece_names(lexical)):
        raise Damaged(f"{path} lists vectors of other chunks than the lexical index")
