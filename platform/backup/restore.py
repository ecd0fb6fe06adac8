"""Restoring a backup into a new folder.

    FOLDER/.restoring/workspace/…     every file, verified; then the database, migrated
    FOLDER/.doyen                     moved here when all is well
    FOLDER/doyen.toml                 moved here last: only now is FOLDER a workspace

Killed anywhere, FOLDER is either no workspace yet, and the same command starts anew, or a whole one. All is prepared inside
FOLDER because it may be a mounted volume, beside which nothing can be written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from doyen.core.errors import IncompatibleError, InputError, SettingsError, StorageError, UnreadableDocument, storage_errors
from doyen.core.files import sync_folder
from doyen.core.locks import hold
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import FILE_NAME
from doyen.core.store import Store, open_store
from doyen.core.store.document_access import Assigned, assign_groups, groups_of
from doyen.core.store.schema import AccessOrigin, DocumentAccessRow, DocumentRow
from doyen.core.workspace import Workspace
from doyen.ingestion.access_rules import AccessRules
from doyen.platform.backup.archive_format import STATE, Archive, BackupManifest, open_archive
from doyen.platform.backup.settings_without_secrets import API_KEY
from doyen.platform.serving.keys import add_key

STAGE = ".restoring"
RESERVE = 64 << 20
"""Bytes that stay free beside what is unpacked: for the migration, and whatever else runs."""
KEY_NAME = "restored"


@dataclass
class RestoreReport:
    """A workspace that was restored.

    Attributes:
        folder: its root.
        manifest: of the archive.
        moved: documents whose files are looked for in other folders than before.
        pinned: sources of documents that keep the groups they had, because the rules' folders are others here.
        key: a new key with all rights, where the archive had left out the only one; shown this once.
    """

    folder: Path
    manifest: BackupManifest
    moved: int = 0
    pinned: list[str] = field(default_factory=list)
    key: str | None = None


def restore_backup(
    file: Path, folder: Path, *, moved_folders: Mapping[str, Path] | None = None, reporter: Reporter | None = None
) -> RestoreReport:
    """Make a workspace from an archive, its database migrated to this version's schema.

    Args:
        folder: the new workspace's; it must not exist, or be empty.
        moved_folders: where folders of documents were → where they are now, so that `doyen ingest` knows their files again.

    Raises:
        InputError: the archive is damaged or no backup, or the folder is not empty; nothing was restored.
        IncompatibleError: a newer version has written the archive.
        Busy: another process is restoring into the folder.
        StorageError: the disk is full.
    """
    root = folder.absolute()
    with open_archive(file) as archive, storage_errors("restoring"):
        archive.check_schema()
        with _stage(root, archive) as stage:
            with (reporter or Silent()).bar("Restoring", archive.manifest.size) as bar:
                for name in archive.manifest.files:
                    for size in _unpack(archive, name, stage):
                        bar.advance(size, name)
                report = _prepare(Workspace(stage), RestoreReport(root, archive.manifest), moved_folders or {})
                (stage / STATE).rename(root / STATE)
                bar.advance(0, STATE)
                sync_folder(root)
                (stage / FILE_NAME).rename(root / FILE_NAME)
                sync_folder(root)
    return report


@contextmanager
def _stage(root: Path, archive: Archive) -> Iterator[Path]:
    """Give an empty folder in the new workspace's; a failure leaves nothing of it."""
    made = not root.exists()
    _check_folder(root)
    home, needed = root / STAGE, archive.manifest.size + RESERVE
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    done = False
    try:
        with hold(home / "lock", "a restore", f"cannot restore into {root}: {{holder}} does so already"):
            free = shutil.disk_usage(root).free
            if free < needed:
                raise StorageError(
                    f"the backup needs {needed:,} bytes and {root} has {free:,} free: free some space, or name another disk"
                )
            # What a restore that was killed has left.
            for leftover in (home / "workspace", root / STATE):
                shutil.rmtree(leftover, ignore_errors=True)
            (home / "workspace" / STATE).mkdir(parents=True, mode=0o700)
            try:
                yield home / "workspace"
                done = True
            finally:
                shutil.rmtree(home / "workspace", ignore_errors=True)
                if not done and not (root / FILE_NAME).exists():
                    shutil.rmtree(root / STATE, ignore_errors=True)
                shutil.rmtree(home, ignore_errors=True)
    finally:
        if made and not done and root.exists() and not any(root.iterdir()):
            root.rmdir()


def _check_folder(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file: name a new folder")
    present = {path.name for path in root.iterdir()} if root.exists() else set()
    # "lost+found" is what the root of an empty disk holds.
    if not present <= {STAGE, STATE, "lost+found"} or (STATE in present and STAGE not in present):
        raise InputError(f"{root} is not empty: name a new folder, nothing is restored over another workspace")


def _unpack(archive: Archive, name: str, stage: Path) -> Iterator[int]:
    """Write a file, which must not be there, below the stage; yield the sizes of its blocks."""
    path = stage / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        for block in archive.blocks(name):
            target.write(block)
            yield len(block)
        target.flush()
        os.fsync(target.fileno())


def _prepare(staged: Workspace, report: RestoreReport, moved_folders: Mapping[str, Path]) -> RestoreReport:
    """Check the settings, migrate the database, and keep closed what was closed."""
    try:
        settings = staged.settings
    except SettingsError as error:
        raise IncompatibleError(
            f"the settings in the backup, which doyen {report.manifest.doyen} wrote, do not fit: use that version or a later "
            f"one, and unset variables DOYEN_… of the environment.\n{error}"
        ) from error
    if report.manifest.database == "sqlite":
        if settings.platform.database_url:
            raise InputError("the backup holds an SQLite database, and DOYEN_PLATFORM__DATABASE_URL names another: unset it")
        with closing(open_store(staged)) as store:
            report.moved = _move_documents(store, moved_folders)
            report.pinned = _pin_groups(store, AccessRules(staged, report.folder))
    has_key = settings.serving.keys or settings.serving.api_key.get_secret_value()
    if API_KEY in report.manifest.removed_settings and not has_key:
        report.key = add_key(staged, KEY_NAME, admin=True)
    return report


def _move_documents(store: Store, moved_folders: Mapping[str, Path]) -> int:
    """Have the files of documents looked for in other folders; return how many documents that are.

    Raises:
        InputError: no document lies in a folder that is said to have moved.
    """
    moved = 0
    with store.session() as session:
        rows = [row for row in session.scalars(select(DocumentRow)) if row.path]
        for old, new in moved_folders.items():
            before, now = Path(os.path.normpath(old)), Path(os.path.realpath(new))
            below = [row for row in rows if Path(row.path).is_relative_to(before)]
            if not below:
                known = sorted({row.root for row in rows})
                raise InputError(f"no document was read from {old}: folders were {', '.join(known) or 'none'}")
            for row in below:
                row.path = str(now / Path(row.path).relative_to(before))
                if Path(row.root).is_relative_to(before):
                    row.root = str(now / Path(row.root).relative_to(before))
            moved += len(below)
    return moved


def _pin_groups(store: Store, rules: AccessRules) -> list[str]:
    """Let documents keep their groups where a rule's folder meant others before the workspace was moved.

    "../documents/hr" of a workspace in another place is another folder: without this, what it closed would be open.
    """
    pinned = []
    with store.session() as session:
        documents = session.execute(select(DocumentRow.document_id, DocumentRow.source, DocumentRow.path)).tuples().all()
        origins = dict(session.execute(select(DocumentAccessRow.document_id, DocumentAccessRow.origin)).tuples().all())
        groups = groups_of(session, [document_id for document_id, _, _ in documents])
        for document_id, source, path in documents:
            if not groups[document_id] or origins.get(document_id) != AccessOrigin.RULES:
                continue
            try:
                said = rules.groups_of(source, path)
            except UnreadableDocument:
                continue
            if said.origin == AccessOrigin.RULES and said.groups != groups[document_id]:
                assign_groups(session, document_id, Assigned(groups[document_id], AccessOrigin.API))
                pinned.append(source)
    return pinned
