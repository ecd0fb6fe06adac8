"""Lock files that tell who holds them. A lock is released when its process ends, however it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from doyen.core.errors import Busy
from doyen.core.files import write_json_atomic
from doyen.core.manifest import now


@contextmanager
def hold(path: Path, purpose: str, refusal: str, *, wait_s: float = 0) -> Iterator[None]:
    """Hold a lock file; its folder is made if need be.

    Args:
        purpose: what it is held for, as others are told.
        refusal: the sentence for those who come second; ``{holder}`` in it becomes who was first.
        wait_s: seconds to wait for it.

    Raises:
        Busy: another process, or another part of this one, holds it; beyond ``wait_s`` waiting is left to the user.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(path), path.with_name(f"{path.name}.holder")
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise Busy(refusal.format(holder=_holder(note))) from error
    try:
        write_json_atomic(note, {"purpose": purpose, "process": os.getpid(), "since": now()})
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _holder(note: Path) -> str:
    """Return who holds the lock; the note may not be written yet."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        return f"another doyen command ({found['purpose']}, process {found['process']}, since {found['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another doyen command"
