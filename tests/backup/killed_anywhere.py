"""Backs up, or restores, in a process that is killed at each step in turn; prints what is there after each kill.

Run as ``python killed_anywhere.py backup|restore WORKSPACE-OR-ARCHIVE TARGET``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

from doyen.core.progress import Silent
from doyen.core.store import open_store
from doyen.core.workspace import FILE_NAME, Workspace
from doyen.platform.backup.archive_format import open_archive
from doyen.platform.backup.restore import restore_backup
from doyen.platform.backup.write_backup import back_up


class Killer(Silent):
    """A reporter that kills its process at a step."""

    def __init__(self, step: int) -> None:
        self.left = step

    @contextmanager
    def bar(self, title, total):
        outer = self

        class Bar:
            def advance(self, amount=1, note=""):
                if not outer.left:
                    os.kill(os.getpid(), signal.SIGKILL)
                outer.left -= 1

        yield Bar()


def back_up_killed(source: Path, target: Path, step: int) -> None:
    workspace = Workspace(source)
    back_up(workspace, open_store(workspace), target, reporter=Killer(step))


def restore_killed(source: Path, target: Path, step: int) -> None:
    restore_backup(source, target, reporter=Killer(step))


def written(target: Path) -> str:
    with open_archive(target) as archive:
        archive.verify()
        return archive.manifest.created_at


def restored(target: Path) -> str | None:
    if not (target / FILE_NAME).exists():
        return None
    store = open_store(Workspace(target))
    try:
        return store.workspace_id()
    finally:
        store.close()


def main() -> None:
    kind, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    act, state = (back_up_killed, written) if kind == "backup" else (restore_killed, restored)
    found = []
    for step in range(1000):
        child = os.fork()
        if not child:
            act(source, target, step)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found.append({"ended": ended, "state": state(target)})
        if ended != -signal.SIGKILL:
            break
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
