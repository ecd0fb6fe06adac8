"""Files that only their owner can read: a workspace holds documents, questions and keys of its people."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_FOLDER, _FILE, _OTHERS = 0o700, 0o600, 0o077


def make_private(folder: Path) -> None:
    """Make the folder where it is missing, and it and all in it private to its owner, from now on.

    What libraries write later, such as SQLite and Chroma, gets the process's own mask; what an earlier version wrote is
    corrected here. Links are left alone, and so is what belongs to somebody else.
    """
    os.umask(_OTHERS)
    folder.mkdir(parents=True, exist_ok=True)
    _close(folder, _FOLDER)
    for path, folders, files in os.walk(folder):
        for name in folders:
            _close(Path(path, name), _FOLDER)
        for name in files:
            _close(Path(path, name), _FILE)


def _close(path: Path, mode: int) -> None:
    try:
        status = path.lstat()
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & _OTHERS and status.st_uid == os.geteuid():
            path.chmod(mode)
    except FileNotFoundError:
        # A temporary file of another process.
        return
