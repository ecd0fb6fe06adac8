"""The archive of a backup: a ZIP file whose last member lists all others with their sizes and hashes.

    doyen.toml                         the settings, without secrets
    .doyen/doyen.db                    the database
    .doyen/adapters/law/1/…            adapters, datasets, reports, annotation files, originals, the index
    backup.json                        the manifest

A name in an archive never leads out of the folder that it is restored into: it is checked before anything is written.
"""

from __future__ import annotations

import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from doyen.core.errors import IncompatibleError, InputError
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import FILE_NAME
from doyen.core.store.database import REVISIONS

MANIFEST = "backup.json"
STATE = ".doyen"
DATABASE_MEMBER = f"{STATE}/doyen.db"
FORMAT = 1
BLOCK = 1 << 20
MOST_FILES = 1_000_000
MOST_MANIFEST_BYTES = 512 << 20
LONGEST_NAME = 1000
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
"""Characters that some system cannot have in a file's name, or that would lead elsewhere there."""


class FileEntry(BaseModel):
    """A file of an archive as the manifest lists it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackupManifest(BaseModel):
    """What an archive holds.

    Attributes:
        doyen: version that wrote it.
        schema_revision: of the database.
        database: "sqlite" where the archive holds it; "server" where a database server does, and the archive does not.
        holds: counts by noun: documents and labels where it holds the database, datasets, adapters, reports and index.
        left_out: a sentence for each thing that is not in the archive.
        removed_settings: secrets that were taken out of the settings, by their names.
    """

    model_config = ConfigDict(frozen=True)

    format: int
    doyen: str
    created_at: str
    workspace_id: str
    name: str
    schema_revision: str
    database: Literal["sqlite", "server"]
    holds: dict[str, int]
    left_out: list[str]
    removed_settings: list[str]
    files: dict[str, FileEntry]

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(entry.size for entry in self.files.values())


def is_confined(name: str) -> bool:
    """Whether a member's name can only be that of the settings, or of a file below the state folder."""
    parts = name.split("/")
    safe = len(name) <= LONGEST_NAME and not _FORBIDDEN.search(name) and all(part not in {"", ".", ".."} for part in parts)
    return safe and (name == FILE_NAME or (len(parts) > 1 and parts[0] == STATE))


class Archive:
    """An archive that is open for reading.

    Attributes:
        manifest: what it holds, checked.
    """

    def __init__(self, path: Path, members: zipfile.ZipFile) -> None:
        self._path, self._members = path, members
        self.manifest = self._read_manifest()
        self._check_members()

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file block by block, never more than the manifest says.

        Raises:
            InputError: it is not what was backed up; known only after the last block.
        """
        left, seen = self.manifest.files[name].size, sha256()
        with self._damage(name), self._members.open(name) as source:
            # One byte more than there may be is enough to see that there is too much.
            while block := source.read(min(BLOCK, left + 1)):
                left -= len(block)
                if left < 0:
                    break
                seen.update(block)
                yield block
        if left or seen.hexdigest() != self.manifest.files[name].sha256:
            raise InputError(f"{self._path} is damaged: {name} in it is not what was backed up; use another backup")

    def verify(self, reporter: Reporter | None = None) -> None:
        """Read every file and compare it with the manifest.

        Raises:
            InputError: one is damaged.
        """
        with (reporter or Silent()).bar("Verifying the backup", self.manifest.size) as bar:
            for name in self.manifest.files:
                for block in self.blocks(name):
                    bar.advance(len(block), name)

    def check_schema(self) -> None:
        """Check that this version of Doyen can read the database of the archive.

        Raises:
            IncompatibleError: a newer one has written it.
        """
        if self.manifest.schema_revision not in REVISIONS:
            raise IncompatibleError(
                f"{self._path} has database schema {self.manifest.schema_revision}, this version knows those up to "
                f"{REVISIONS[-1]}: upgrade doyen to {self.manifest.doyen}, which wrote it, or later"
            )

    def _read_manifest(self) -> BackupManifest:
        try:
            info = self._members.getinfo(MANIFEST)
        except KeyError as error:
            raise _no_backup(self._path, "it has no list of its files") from error
        if info.file_size > MOST_MANIFEST_BYTES:
            raise _no_backup(self._path, "the list of its files is too long")
        with self._damage(MANIFEST):
            data = self._members.read(info)
        try:
            found = json.loads(data)
            number = found["format"]
            if isinstance(number, int) and number > FORMAT:
                raise IncompatibleError(
                    f"{self._path} has format {number}, which this version does not know: upgrade doyen to "
                    f"{found.get('doyen')} or later"
                )
            return BackupManifest.model_validate(found)
        except (ValueError, TypeError, KeyError, ValidationError) as error:
            raise _no_backup(self._path, f"{MANIFEST} in it cannot be understood") from error

    def _check_members(self) -> None:
        """Compare the members with the manifest, before a byte of them is read."""
        infos, files = self._members.infolist(), self.manifest.files
        names = [info.filename for info in infos]
        if len(names) > MOST_FILES:
            raise _no_backup(self._path, f"it holds more than {MOST_FILES:,} files")
        if unsafe := next((name for name in files if not is_confined(name)), None):
            raise _no_backup(self._path, f"{unsafe!r} in it would not be a file of a workspace")
        if len({name.casefold() for name in names}) != len(names) or set(names) != {*files, MANIFEST}:
            raise _no_backup(self._path, "it holds other files than it lists")
        folders = {name.rsplit("/", depth)[0] for name in files for depth in range(1, name.count("/") + 1)}
        if folders & files.keys() or FILE_NAME not in files:
            raise _no_backup(self._path, "its files are not those of a workspace")
        if (DATABASE_MEMBER in files) != (self.manifest.database == "sqlite"):
            raise _no_backup(self._path, "it does not hold the database that it lists")
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG} or info.flag_bits & 1:
                raise _no_backup(self._path, f"{info.filename} in it is a link, a device or encrypted")
            if info.filename != MANIFEST and info.file_size != files[info.filename].size:
                raise InputError(f"{self._path} is damaged: {info.filename} in it has another size than is listed")

    @contextmanager
    def _damage(self, name: str) -> Iterator[None]:
        """Turn what the ZIP reader says of a damaged member into our error."""
        try:
            yield
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error, ValueError, OSError) as error:
            # The last two: a damaged offset points before the file's beginning.
            raise InputError(f"{self._path} is damaged at {name} ({error}): use another backup") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Give the archive in a file, its names and sizes checked.

    Raises:
        InputError: there is none, or it is damaged, or names lead out of it.
        IncompatibleError: a newer version has written it in another form.
    """
    try:
        members = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: name an archive that `doyen backup` wrote") from error
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _no_backup(path, str(error)) from error
    with members:
        yield Archive(path, members)


def _no_backup(path: Path, why: str) -> InputError:
    return InputError(f"{path} is not a whole backup ({why}): name an archive that `doyen backup` wrote")
