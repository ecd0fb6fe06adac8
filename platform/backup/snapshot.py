"""A snapshot of a workspace: what a backup holds, as it is at one moment, while the workspace goes on changing.

The database is copied through SQLite's online backup, which gives one consistent state beside running writers. Everything
else is never changed once it is written, only replaced, so that a second link to a file is a copy of it that costs nothing.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from doyen.core.errors import Busy, IndexMissing, StateError
from doyen.core.locks import hold
from doyen.core.report_files import report_folders
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow, DocumentRow
from doyen.core.workspace import Workspace
from doyen.platform.backup.archive_format import DATABASE_MEMBER, STATE, is_confined
from doyen.retrieval.index_manifest import manifest_path, read_manifest
from doyen.retrieval.vectors import DATABASE

REPORT_FILES = ("report.json", "report.html", "answers.jsonl", "judgements.jsonl")
FOLDERS = ("datasets", "questions", "adapters", "annotation", "supervision", "jobs", "originals")
"""Folders of the state folder that are taken in whole."""
_TABLES = {"documents": DocumentRow.__tablename__, "labels": AnnotationRow.__tablename__}
_MANIFESTS = {
    "datasets": f"{STATE}/datasets/*/manifest.json",
    "adapters": f"{STATE}/adapters/*/*/manifest.json",
    "reports": f"{STATE}/reports/*/report.json",
    "index": f"{STATE}/index/manifest.json",
}
_NO_LINKS = {errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK, errno.EACCES}


@dataclass
class Snapshot:
    """Files that stay as they are while they are written into an archive.

    Attributes:
        folder: where it lies.
        files: member name → file.
        holds: counts of what is in it, by noun.
        left_out: a sentence for each thing that is not in it.
    """

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def link(self, name: str, path: Path) -> None:
        """Take a file in, by a second link to it, or by a copy where its disk has no links."""
        if not is_confined(name):
            self.left_out.append(f"{path}: its name cannot be that of a file on every system")
            return
        target = self._place(name)
        try:
            os.link(path, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(path, target)

    def copy_database(self, name: str, path: Path) -> None:
        """Take an SQLite database in, as it is now, beside processes that use it.

        Raises:
            StateError: it is damaged.
        """
        target = self._place(name)
        try:
            with (
                closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(target)) as copy,
            ):
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
                [(answer,), *_] = copy.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.DatabaseError as error:
            answer = str(error)
        if "full" in answer:
            raise OSError(errno.ENOSPC, answer)
        if answer != "ok":
            raise StateError(f"{path} is damaged ({answer}), so that it is not backed up: `doyen doctor` says what to do")

    def count(self) -> None:
        """Count what is in it: rows in the copy of the database, and folders by their manifests."""
        if DATABASE_MEMBER in self.files:
            with closing(sqlite3.connect(self.files[DATABASE_MEMBER])) as copy:
                for noun, table in _TABLES.items():
                    [self.holds[noun]] = copy.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
        for noun, pattern in _MANIFESTS.items():
            self.holds[noun] = sum(PurePosixPath(name).match(pattern) for name in self.files)

    def _place(self, name: str) -> Path:
        target = self.folder / str(len(self.files))
        self.files[name] = target
        return target


@contextmanager
def snapshot_of(workspace: Workspace, store: Store, *, index: bool, wait_s: float) -> Iterator[Snapshot]:
    """Give a snapshot that is deleted when the block ends.

    The writer lock is held only while it is made, which takes about as long as copying the database.

    Args:
        index: take the published index in too.
        wait_s: seconds to wait for another writer.

    Raises:
        Busy: another process is changing the workspace, or another backup is being made.
        StateError: the database is damaged.
    """
    with _backup_lock(workspace):
        folder = workspace.snapshot_folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            made = Snapshot(folder)
            with workspace.lock("the backup", wait_s=wait_s):
                _take(made, workspace, store, index=index)
            yield made
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def drop_snapshot(workspace: Workspace) -> str | None:
    """Delete what a backup that was killed has left; return a sentence where one is being made."""
    try:
        with _backup_lock(workspace):
            shutil.rmtree(workspace.snapshot_folder, ignore_errors=True)
    except Busy:
        return "a backup that is being made: delete it, and earlier ones"
    return None


@contextmanager
def _backup_lock(workspace: Workspace) -> Iterator[None]:
    refusal = "cannot start a backup: {holder} makes one already; wait until it has finished"
    with hold(workspace.state / "locks" / "backup.lock", "a backup", refusal):
        yield


def _take(made: Snapshot, workspace: Workspace, store: Store, *, index: bool) -> None:
    """Take everything in; the database first, so that all files that it names are there."""
    if store.engine.dialect.name == "sqlite":
        made.copy_database(DATABASE_MEMBER, Path(str(store.engine.url.database)))
    else:
        made.left_out.append(
            f"the database, which is on {store.engine.url.render_as_string()}: it holds texts, labels, answers and the "
            "registry of adapters; back it up with its own program (pg_dump)"
        )
    for name in FOLDERS:
        for path in _regular_files(workspace.state / name, made):
            made.link(f"{STATE}/{path.relative_to(workspace.state).as_posix()}", path)
    for name, folder in report_folders(workspace.reports_folder).items():
        for path in (folder / each for each in REPORT_FILES):
            if path.is_file():
                made.link(f"{STATE}/reports/{name}/{path.name}", path.resolve())
    if index:
        _take_index(made, workspace)
    else:
        made.left_out.append("the index: after a restore `doyen doctor --repair` makes it from the stored texts")
    made.count()


def _take_index(made: Snapshot, workspace: Workspace) -> None:
    """Take the published index in. Chroma notes every opening in its database, which is therefore copied as one."""
    folder = workspace.index_folder
    try:
        manifest = read_manifest(folder)
    except IndexMissing as error:
        made.left_out.append(f"the index: {error}")
        return
    if workspace.settings.retrieval.chroma_url:
        made.left_out.append("the index: its vectors are on the Chroma server; `doyen doctor --repair` makes it again")
        return
    for name in sorted(manifest.files):
        for path in _regular_files(folder / name, made):
            member = f"{STATE}/{path.relative_to(workspace.state).as_posix()}"
            if path.name == DATABASE:
                made.copy_database(member, path)
            elif not path.name.startswith(DATABASE):
                made.link(member, path)
    made.link(f"{STATE}/index/{manifest_path(folder).name}", manifest_path(folder))


def _regular_files(folder: Path, made: Snapshot) -> Iterator[Path]:
    """Yield the files below a folder but locks and temporary ones, whose names begin with a dot; links are noted."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for path in (Path(place, name) for name in sorted([*names, *folders]) if not name.startswith(".")):
            if path.is_symlink():
                made.left_out.append(f"{path}: it is a link")
            elif path.is_file() and not path.name.endswith((".lock", ".lock.holder")):
                yield path
