"""Whether an index is as it was published: its segments' files, and the vectors of their pieces."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from doyen.core.errors import StateError
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.flat_vectors import open_vectors
from doyen.retrieval.index_manifest import IndexManifest
from doyen.retrieval.lexical import LexicalIndex
from doyen.retrieval.segments import Damaged, Segment, load_segment, piece_names
from doyen.retrieval.server_collection import open_collection

Loaded = list[tuple[Segment, LexicalIndex]]


@dataclass(frozen=True)
class IndexState:
    """What an inspection of the published segments found.

    Attributes:
        loaded: the sound ones.
        damaged: names of the others → what is wrong.
        foreign: vectors on the Chroma server that are of no live piece; 0 while a segment's files are damaged.
    """

    loaded: Loaded
    damaged: dict[str, str]
    foreign: int


def inspect_index(workspace: Workspace, store: Store, manifest: IndexManifest, *, thorough: bool) -> IndexState:
    """Read the files of an index's segments and compare their live pieces with the vectors."""
    url = workspace.settings.retrieval.chroma_url
    loaded, damaged = Loaded(), dict[str, str]()
    for segment in manifest.segments:
        try:
            lexical = load_segment(workspace.index_folder, segment, thorough=thorough)
            if thorough and not url:
                _check_vectors(workspace.index_folder / segment.name, segment, lexical)
            loaded.append((segment, lexical))
        except StateError as error:
            damaged[segment.name] = str(error)
    if not url or not loaded:
        return IndexState(loaded, damaged, 0)
    try:
        there = _vectors_there(workspace, store, manifest)
    except StateError as error:
        return IndexState([], {**damaged, **{segment.name: str(error) for segment, _ in loaded}}, 0)
    unknown, sound = set(there), Loaded()
    for segment, lexical in loaded:
        pieces = set(piece_names(lexical, segment.dropped))
        unknown -= pieces
        if lost := len(pieces - there):
            place = workspace.index_folder / segment.name
            damaged[segment.name] = f"{lost:,} of the {len(pieces):,} vectors of {place} are not on the Chroma server"
        else:
            sound.append((segment, lexical))
    return IndexState(sound, damaged, len(unknown) if len(loaded) == len(manifest.segments) else 0)


def _check_vectors(place: Path, segment: Segment, lexical: LexicalIndex) -> None:
    """Open and count a segment's own vectors, and search them once."""
    with closing(open_vectors(place, lexical)) as vectors:
        if (count := vectors.count()) < segment.pieces:
            raise Damaged(f"{place} has {count:,} vectors instead of {segment.pieces:,}")
        vectors.check_one()


def _vectors_there(workspace: Workspace, store: Store, manifest: IndexManifest) -> set[str]:
    """Return the names of the workspace's vectors on the Chroma server, which is searched once."""
    with closing(open_collection(workspace, store, manifest.embedder)) as vectors:
        vectors.check_one()
        return vectors.names()
