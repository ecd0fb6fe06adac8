"""Bringing the index up to date with the store, and opening it."""

from __future__ import annotations

import logging
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from doyen.core.errors import IndexMissing, StateError, storage_errors
from doyen.core.models import resolve_embedder
from doyen.core.progress import Reporter, Silent
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.content import make_plan, read_content
from doyen.retrieval.flat_vectors import open_vectors
from doyen.retrieval.index_manifest import IndexManifest, manifest_path, read_manifest
from doyen.retrieval.lexical import LexicalIndex
from doyen.retrieval.segments import Damaged, Segment, load_segment, piece_names
from doyen.retrieval.server_collection import clean_collection, open_collection
from doyen.retrieval.writing import RESERVE, SegmentWriter, require_space

log = logging.getLogger(__name__)

Loaded = list[tuple[Segment, LexicalIndex]]


@dataclass(frozen=True)
class IndexReport:
    """What an update did.

    Attributes:
        embedded: chunks that were embedded.
        removed: chunks that left the index.
        chunks: chunks that the index now holds.
        published: whether readers see a new index.
    """

    embedded: int
    removed: int
    chunks: int
    published: bool


def update_index(
    workspace: Workspace, store: Store, *, reporter: Reporter | None = None, thorough: bool = False
) -> IndexReport:
    """Embed what is new, drop what is gone, and publish the result; the caller holds the workspace's lock.

    It may be killed anywhere and run again: what was embedded stays in an unpublished segment, and readers go on with
    the index before until the manifest is replaced, which is the last step. Segments that are damaged are written anew.

    Args:
        workspace: whose index it is.
        store: holds the texts.
        reporter: shows progress.
        thorough: verify the checksums of large segments too.

    Raises:
        StorageError: the disk is full; the published index still answers.
        ModelMissing: the embedder is not on this machine.
        ServiceError: the Chroma server cannot be reached.
    """
    return _write(workspace, store, reporter or Silent(), thorough=thorough, fresh=False)


def rebuild_index(workspace: Workspace, store: Store, *, reporter: Reporter | None = None) -> IndexReport:
    """Write the whole index into new files and delete the old ones; the caller holds the workspace's lock.

    No byte of a text that has left the store stays behind. Vectors are taken over where they are sound.

    Raises:
        StorageError, ModelMissing, ServiceError: as in ``update_index``.
    """
    return _write(workspace, store, reporter or Silent(), thorough=True, fresh=True)


def check_rebuild(workspace: Workspace, store: Store, beside: int = 0) -> None:
    """Check ahead of changes to the store that the index can be rebuilt after them.

    Args:
        beside: bytes that are needed for something else.

    Raises:
        StorageError, ModelMissing, ServiceError: as in ``update_index``.
        StateError: the vectors on the Chroma server are written by a copy of the workspace.
    """
    folder = workspace.index_folder
    resolve_embedder(workspace.settings.retrieval.embedder)
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    require_space(folder, RESERVE + sum(files) + beside)
    if workspace.settings.retrieval.chroma_url:
        open_collection(workspace, store, write=True).close()


def check_index(workspace: Workspace, store: Store) -> list[str]:
    """Return what is wrong with the published index, one sentence each: all files are read, and compared with the store.

    Raises:
        IndexMissing: there is none, or its manifest cannot be read, or it is of another embedder.
    """
    manifest = read_manifest(workspace.index_folder)
    state = _inspect(workspace, store, manifest, thorough=True)
    problems = list(state.damaged.values())
    if state.foreign:
        problems.append(f"the Chroma server holds {state.foreign:,} vector(s) that are of no chunk")
    if manifest.content != read_content(store).digest:
        problems.append("the index is older than the documents in the store")
    return problems


def _write(workspace: Workspace, store: Store, reporter: Reporter, *, thorough: bool, fresh: bool) -> IndexReport:
    name, folder = workspace.settings.retrieval.embedder, workspace.index_folder
    digest = resolve_embedder(name)[1]
    with storage_errors("indexing"):
        published, loaded, foreign = _sound(workspace, store, digest, thorough=thorough)
        content = read_content(store)
        plan = make_plan(content, loaded, fresh=fresh)
        chunks = len(content.owners)
        if plan is None and published is not None and published.content == content.digest:
            _tidy(folder, published)
            if foreign:
                clean_collection(workspace, store, published)
            return IndexReport(0, 0, chunks, False)
        # Nothing to write leaves what is published, also where the fingerprint was made in another way.
        segments, embedded = [segment for segment, _ in loaded], 0
        if plan is not None:
            segments = list(plan.keep)
            lexical = {segment.name: each for segment, each in loaded}
            writer = SegmentWriter(workspace, store, digest, plan, [lexical[each.name] for each in plan.replaced])
            if written := writer.write(reporter):
                segments.append(written)
            embedded = writer.embedded
        manifest = IndexManifest(name, digest, tuple(segments), chunks, content.digest)
        manifest.write(folder)
        _tidy(folder, manifest)
        if plan is not None and workspace.settings.retrieval.chroma_url:
            clean_collection(workspace, store, manifest)
    return IndexReport(embedded, plan.removed if plan else 0, chunks, True)


def _sound(workspace: Workspace, store: Store, digest: str, *, thorough: bool) -> tuple[IndexManifest | None, Loaded, int]:
    """Return the published manifest, its segments, and how many vectors are of none; damaged segments are deleted."""
    folder = workspace.index_folder
    try:
        manifest = read_manifest(folder)
    except IndexMissing as error:
        if manifest_path(folder).exists():
            log.warning("the index is built anew: %s", error)
            shutil.rmtree(folder, ignore_errors=True)
        return None, [], 0
    if manifest.embedder_sha256 != digest:
        return None, [], 0
    state = _inspect(workspace, store, manifest, thorough=thorough)
    for name, problem in state.damaged.items():
        log.warning("a part of the index is built anew: %s", problem)
        shutil.rmtree(folder / name, ignore_errors=True)
    return (None if state.damaged else manifest), state.loaded, state.foreign


@dataclass(frozen=True)
class _State:
    """What an inspection of the published segments found.

    Attributes:
        loaded: the sound ones.
        damaged: names of the others → what is wrong.
        foreign: vectors on the Chroma server that are of no live piece; 0 while a segment's files are damaged.
    """

    loaded: Loaded
    damaged: dict[str, str]
    foreign: int


def _inspect(workspace: Workspace, store: Store, manifest: IndexManifest, *, thorough: bool) -> _State:
    """Read the segments' files and compare their live pieces with the vectors."""
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
        return _State(loaded, damaged, 0)
    try:
        there = _vectors_there(workspace, store)
    except StateError as error:
        return _State([], {**damaged, **{segment.name: str(error) for segment, _ in loaded}}, 0)
    unknown, sound = set(there), Loaded()
    for segment, lexical in loaded:
        pieces = set(piece_names(lexical, segment.dropped))
        unknown -= pieces
        if lost := len(pieces - there):
            place = workspace.index_folder / segment.name
            damaged[segment.name] = f"{lost:,} of the {len(pieces):,} vectors of {place} are not on the Chroma server"
        else:
            sound.append((segment, lexical))
    return _State(sound, damaged, len(unknown) if len(loaded) == len(manifest.segments) else 0)


def _check_vectors(place: Path, segment: Segment, lexical: LexicalIndex) -> None:
    """Open and count a segment's own vectors, and search them once."""
    with closing(open_vectors(place, lexical)) as vectors:
        if (count := vectors.count()) < segment.pieces:
            raise Damaged(f"{place} has {count:,} vectors instead of {segment.pieces:,}")
        vectors.check_one()


def _vectors_there(workspace: Workspace, store: Store) -> set[str]:
    """Return the names of the workspace's vectors on the Chroma server, which is searched once."""
    with closing(open_collection(workspace, store)) as vectors:
        vectors.check_one()
        return vectors.names()


def _tidy(folder: Path, manifest: IndexManifest) -> None:
    """Delete all but the published files; readers that have others open can go on."""
    published = {manifest_path(folder).name, *(segment.name for segment in manifest.segments)}
    for child in folder.iterdir():
        if child.name not in published:
            shutil.rmtree(child, ignore_errors=True) if child.is_dir() else child.unlink(missing_ok=True)
