"""Writing files and folders so that readers see the old or the new content, never a part, and only their owner sees it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_FOLDER, _FILE, _OTHERS = 0o700, 0o600, 0o077


def sha256_bytes(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of the bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Force a folder's entries to the disk, so that files made or renamed in it survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content replaces the file in one step when the block ends well.

    A block that fails, and a crash, leave the file as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Replace the file's content in one step; after a crash the file is the old or the new one."""
    with open_atomic(path) as stream:
        stream.write(data)


def write_text_atomic(path: Path, text: str) -> None:
    """Replace the file's content by UTF-8 text in one step, line ends unchanged."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: Path, value: Any) -> None:
    """Replace the file's content by indented JSON in one step."""
    write_text_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder that becomes ``path`` when the block ends well, replacing what was there.

    A block that fails leaves ``path`` as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    retired = temporary.with_name(temporary.name + ".old")
    try:
        yield temporary
        if path.exists():
            path.rename(retired)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def make_private(folder: Path) -> None:
    """Make the folder where it is missing, and it and all in it private to its owner, from now on.

    What libraries write later, such as SQLite and Chroma, gets the process's own mask; what an earlier version wrote is
    corrected here. Links are left alone, and so is what belongs to somebody else.
    """
    os.umask(_OTHERS)
    folder.mkdir(parents=True, exist_ok=True)
    _restrict(folder, _FOLDER)
    for path, folders, files in os.walk(folder):
        for name in folders:
            _restrict(Path(path, name), _FOLDER)
        for name in files:
            _restrict(Path(path, name), _FILE)


def _restrict(path: Path, mode: int) -> None:
    try:
        status = path.lstat()
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & _OTHERS and status.st_uid == os.geteuid():
            path.chmod(mode)
    except FileNotFoundError:
        # A temporary file of another process.
        return
