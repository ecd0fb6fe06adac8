"""Hashes of model files, remembered between starts: a model of 15 GB takes half a minute to read."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from doyen.core.files import sha256_file, write_json_atomic

SETTLED_S = 2.0
"""A file that changed less than this long ago may change again within one tick of its clock: its hash is not kept."""

_known: dict[str, Any] = {}
"""What this process has hashed, also where the file of hashes cannot be written."""


def model_hash(path: Path, remembered: Path) -> str:
    """Return the SHA-256 of a file, read only when its path, size, time or inode is another than before.

    Args:
        remembered: the file in which hashes are kept.
    """
    status, key = path.stat(), str(path.resolve())
    identity = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
    stored = {**_read(remembered), **_known}
    match stored.get(key):
        case {"identity": list(before), "sha256": str(digest)} if before == identity:
            return digest
    digest = sha256_file(path)
    if time.time() - status.st_mtime > SETTLED_S:
        _known[key] = {"identity": identity, "sha256": digest}
        with suppress(OSError):
            write_json_atomic(remembered, {**_read(remembered), key: _known[key]})
    return digest


def forget_hashes(remembered: Path) -> None:
    """Have all files hashed again when they are next asked for."""
    _known.clear()
    with suppress(OSError):
        os.unlink(remembered)


def _read(remembered: Path) -> dict[str, Any]:
    try:
        found = json.loads(remembered.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
