"""Writing a backup: a snapshot into one archive, beside a running server."""

from __future__ import annotations

import os
import stat
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from doyen.core.errors import DoyenError, InputError, storage_errors
from doyen.core.files import sync_folder
from doyen.core.manifest import now, short_id
from doyen.core.progress import Bar, Reporter, Silent
from doyen.core.settings import FILE_NAME
from doyen.core.store import Store
from doyen.core.store.database import REVISIONS
from doyen.core.workspace import Workspace
from doyen.platform.backup.archive_format import BLOCK, FORMAT, MANIFEST, BackupManifest, FileEntry, open_archive
from doyen.platform.backup.settings_without_secrets import DATABASE_URL, without_secrets
from doyen.platform.backup.snapshot import Snapshot, snapshot_of

_DENSE = (".safetensors", ".npy", ".bin", ".gguf", ".pdf")
"""Files that packing makes hardly smaller."""
WAIT_S = 60.0


@dataclass(frozen=True)
class BackupReport:
    """A backup that was written.

    Attributes:
        file: the archive.
        size: its bytes.
    """

    file: Path
    size: int
    manifest: BackupManifest


def back_up(
    workspace: Workspace,
    store: Store,
    file: Path,
    *,
    index: bool = True,
    wait_s: float = WAIT_S,
    reporter: Reporter | None = None,
) -> BackupReport:
    """Write everything of a workspace but secrets into one archive.

    The file is the old or the new archive, whenever the process is killed. The workspace can be used meanwhile; writers wait
    only while the snapshot is made.

    Args:
        file: an archive that is there already is replaced.
        index: whether to take the index in; without, it is made again from the texts after a restore.
        wait_s: seconds to wait for another writer, such as an ingestion.

    Raises:
        Busy: another process is changing the workspace, or another backup is being made.
        InputError: the file is there and is no backup, or lies in the workspace's own state.
        StateError: the database is damaged.
        StorageError: the disk is full.
    """
    target = _check_target(workspace, file)
    # The name is the same each time, so that the next backup takes the place of what a killed one left.
    part = target.with_name(f".{target.name}.{short_id(str(workspace.root))}.part")
    with storage_errors("backing up"), snapshot_of(workspace, store, index=index, wait_s=wait_s) as snapshot:
        try:
            manifest = _write(part, workspace, store, snapshot, reporter or Silent())
            part.replace(target)
            sync_folder(target.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return BackupReport(target, target.stat().st_size, manifest)


def _check_target(workspace: Workspace, file: Path) -> Path:
    target = file.absolute()
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"{file} cannot be written: name a file in a folder that exists")
    if target.resolve().is_relative_to(workspace.state.resolve()):
        raise InputError(f"{file} lies in {workspace.state}, which is what is backed up: name another place, on another disk")
    if target.exists():
        try:
            with open_archive(target):
                pass
        except DoyenError as error:
            raise InputError(f"{file} exists and is not a backup ({error}): name another file") from error
    return target


def _write(part: Path, workspace: Workspace, store: Store, snapshot: Snapshot, reporter: Reporter) -> BackupManifest:
    sqlite = store.engine.dialect.name == "sqlite"
    # An SQLite database that lies elsewhere is restored into the workspace.
    drop = (DATABASE_URL,) if sqlite else ()
    settings, removed = without_secrets((workspace.root / FILE_NAME).read_text(encoding="utf-8"), drop=drop)
    files: dict[str, FileEntry] = {}
    total = sum(path.stat().st_size for path in snapshot.files.values())
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with zipfile.ZipFile(stream, "w") as archive, reporter.bar("Writing the backup", total) as bar:
            data = settings.encode("utf-8")
            archive.writestr(_member(FILE_NAME), data)
            files[FILE_NAME] = FileEntry(size=len(data), sha256=sha256(data).hexdigest())
            for name, path in snapshot.files.items():
                files[name] = _add(archive, name, path, bar)
            manifest = BackupManifest(
                format=FORMAT,
                doyen=version("doyen"),
                created_at=now(),
                workspace_id=store.workspace_id(),
                name=workspace.settings.name,
                schema_revision=REVISIONS[-1],
                database="sqlite" if sqlite else "server",
                holds=snapshot.holds,
                left_out=snapshot.left_out,
                removed_settings=removed,
                files=files,
            )
            archive.writestr(_member(MANIFEST), manifest.model_dump_json(indent=1))
            bar.advance(0, MANIFEST)
        stream.flush()
        os.fsync(stream.fileno())
    return manifest


def _add(archive: zipfile.ZipFile, name: str, path: Path, bar: Bar) -> FileEntry:
    seen, size = sha256(), 0
    with path.open("rb") as source, archive.open(_member(name), "w", force_zip64=True) as target:
        while block := source.read(BLOCK):
            target.write(block)
            seen.update(block)
            size += len(block)
            bar.advance(len(block), name)
    return FileEntry(size=size, sha256=seen.hexdigest())


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    info.compress_type = zipfile.ZIP_STORED if name.endswith(_DENSE) else zipfile.ZIP_DEFLATED
    return info
