"""Bringing the index up to date with the store, in place or beside the published one.

An index of another embedder is built beside the one that serves: its segments lie in the same folder under other names, and
replacing the manifest is the swap. The manifest goes on naming the segments before, so that going back builds little:

    manifest.json    segments  3f…          kept  –           serving with the settings' embedder
                     segments  3f…          kept  –           b7… is written beside it
    manifest.json    segments  b7…          kept  3f…         swapped: a trained embedder serves
    manifest.json    segments  3f…, 9c…     kept  b7…         rolled back; 9c… holds what has changed since
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from doyen.core.errors import IndexMissing, storage_errors
from doyen.core.progress import Reporter, Silent
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.content import make_plan, read_content
from doyen.retrieval.index_embedder import wanted_embedder
from doyen.retrieval.index_manifest import IndexEmbedder, IndexManifest, manifest_path, read_manifest
from doyen.retrieval.inspection import Loaded, inspect_index
from doyen.retrieval.server_collection import clean_collection, open_collection
from doyen.retrieval.writing import RESERVE, SegmentWriter, require_space

log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class BuiltIndex:
    """An index that lies complete on the disk.

    Attributes:
        report: what was done for it.
        publish: makes it the one that readers open, by replacing the manifest.
    """

    report: IndexReport
    publish: Callable[[], None]


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
    built = build_index(workspace, store, wanted_embedder(workspace, store), reporter=reporter, thorough=thorough)
    built.publish()
    return built.report


def rebuild_index(workspace: Workspace, store: Store, *, reporter: Reporter | None = None) -> IndexReport:
    """Write the whole index into new files and delete the old ones; the caller holds the workspace's lock.

    No byte of a text that has left the store stays behind, nor is the index of an embedder before kept. Vectors are taken
    over where they are sound.

    Raises:
        StorageError, ModelMissing, ServiceError: as in ``update_index``.
    """
    built = build_index(workspace, store, wanted_embedder(workspace, store), reporter=reporter, thorough=True, fresh=True)
    built.publish()
    return built.report


def build_index(
    workspace: Workspace,
    store: Store,
    embedder: IndexEmbedder,
    *,
    reporter: Reporter | None = None,
    thorough: bool = False,
    fresh: bool = False,
) -> BuiltIndex:
    """Build an index of all the store holds with an embedder, and leave it to the caller to publish it.

    Until then readers go on with the one before, and a failure costs nothing but time. The caller holds the workspace's lock.

    Args:
        thorough: verify the checksums of large segments too.
        fresh: write everything into new files.

    Raises:
        StorageError, ModelMissing, ServiceError: as in ``update_index``.
    """
    folder, url = workspace.index_folder, workspace.settings.retrieval.chroma_url
    with storage_errors("indexing"):
        live = _read_live(folder)
        start = _start(live, embedder)
        loaded, foreign, damaged = _sound(workspace, store, start, thorough=thorough)
        content = read_content(store)
        plan = make_plan(content, loaded, fresh=fresh)
        chunks = len(content.owners)
        same = live is not None and (live.embedder, live.content) == (embedder, content.digest)
        if live is not None and plan is None and same and not damaged:
            return BuiltIndex(IndexReport(0, 0, chunks, False), partial(_clean, workspace, store, live, [], foreign > 0))
        # Nothing to write leaves the segments, also where the fingerprint was made in another way.
        segments, embedded = [segment for segment, _ in loaded], 0
        if plan is not None:
            segments = list(plan.keep)
            lexical = {segment.name: each for segment, each in loaded}
            writer = SegmentWriter(workspace, store, embedder, plan, [lexical[each.name] for each in plan.replaced])
            if written := writer.write(reporter or Silent()):
                segments.append(written)
            embedded = writer.embedded
    kept = None if fresh else _kept(live, start, embedder)
    manifest = IndexManifest(embedder, tuple(segments), chunks, content.digest, kept)

    def publish() -> None:
        with storage_errors("indexing"):
            manifest.write(folder)
            _clean(workspace, store, manifest, _indexes(live), plan is not None and url is not None)

    return BuiltIndex(IndexReport(embedded, plan.removed if plan else 0, chunks, True), publish)


def check_rebuild(workspace: Workspace, store: Store, beside: int = 0) -> None:
    """Check ahead of changes to the store that the index can be rebuilt after them.

    Args:
        beside: bytes that are needed for something else.

    Raises:
        StorageError, ModelMissing, ServiceError: as in ``update_index``.
        StateError: the vectors on the Chroma server are written by a copy of the workspace.
    """
    folder = workspace.index_folder
    embedder = wanted_embedder(workspace, store)
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    require_space(folder, RESERVE + sum(files) + beside)
    if workspace.settings.retrieval.chroma_url:
        open_collection(workspace, store, embedder, write=True).close()


def check_index(workspace: Workspace, store: Store) -> list[str]:
    """Return what is wrong with the published index, one sentence each: all files are read, and compared with the store.

    Raises:
        IndexMissing: there is none, or its manifest cannot be read, or it is of another embedder.
    """
    manifest = read_manifest(workspace.index_folder)
    state = inspect_index(workspace, store, manifest, thorough=True)
    problems = list(state.damaged.values())
    if state.foreign:
        problems.append(f"the Chroma server holds {state.foreign:,} vector(s) that are of no chunk")
    if manifest.embedder.identity != (wanted := wanted_embedder(workspace, store)).identity:
        chosen = f"{wanted.tuned or wanted.name} in {wanted.dtype}"
        problems.append(f"the index is not yet made with embedder {chosen}, which was chosen")
    if manifest.content != read_content(store).digest:
        problems.append("the index is older than the documents in the store")
    return problems


def _read_live(folder: Path) -> IndexManifest | None:
    """Return the published index; one that cannot be read is deleted."""
    try:
        return read_manifest(folder)
    except IndexMissing as error:
        if manifest_path(folder).exists():
            log.warning("the index is built anew: %s", error)
            shutil.rmtree(folder, ignore_errors=True)
        return None


def _indexes(manifest: IndexManifest | None) -> list[IndexManifest]:
    """Return a published index and what it keeps."""
    return [] if manifest is None else [manifest, *_indexes(manifest.kept)]


def _start(live: IndexManifest | None, embedder: IndexEmbedder) -> IndexManifest | None:
    """Return the index that has vectors of the embedder, None where there is none."""
    return next((each for each in _indexes(live) if each.embedder.identity == embedder.identity), None)


def _kept(live: IndexManifest | None, start: IndexManifest | None, embedder: IndexEmbedder) -> IndexManifest | None:
    """Return what a new manifest keeps: the index before a promotion, not one before other settings."""
    if live is None or start is live:
        return live.kept if live else None
    shared = (live.embedder.base_sha256, live.embedder.dtype) == (embedder.base_sha256, embedder.dtype)
    return replace(live, kept=None) if shared else None


def _sound(workspace: Workspace, store: Store, manifest: IndexManifest | None, *, thorough: bool) -> tuple[Loaded, int, bool]:
    """Return an index's sound segments, how many vectors are of none, and whether others were damaged, which are deleted."""
    if manifest is None:
        return [], 0, False
    state = inspect_index(workspace, store, manifest, thorough=thorough)
    for name, problem in state.damaged.items():
        log.warning("a part of the index is built anew: %s", problem)
        shutil.rmtree(workspace.index_folder / name, ignore_errors=True)
    return state.loaded, state.foreign, bool(state.damaged)


def _clean(workspace: Workspace, store: Store, manifest: IndexManifest, before: list[IndexManifest], of_server: bool) -> None:
    """Delete all but the files of a published index; readers that have others open can go on.

    Args:
        before: what was published before it.
        of_server: delete the vectors of no live piece from the Chroma server, too.
    """
    folder = workspace.index_folder
    published = {manifest_path(folder).name, *manifest.files}
    for child in folder.iterdir():
        if child.name not in published:
            shutil.rmtree(child, ignore_errors=True) if child.is_dir() else child.unlink(missing_ok=True)
    if not of_server:
        return
    clean_collection(workspace, store, manifest)
    there = {each.embedder.identity for each in _indexes(manifest)}
    for each in before:
        if each.embedder.identity not in there:
            clean_collection(workspace, store, replace(each, segments=()))
