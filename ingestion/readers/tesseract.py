"""The program Tesseract: whether it is installed, in which version and languages, and a run of it with bounds."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache

from doyen.core.child_environment import child_environment

PROGRAM = "tesseract"
ANSWER_SECONDS = 60.0
"""For questions about itself, on a machine that is busy."""


@cache
def installed_version() -> str:
    """Return its version, such as "tesseract 5.3.0"; empty where it is not installed. Asked once in a process."""
    if shutil.which(PROGRAM) is None:
        return ""
    return run(["--version"], seconds=ANSWER_SECONDS).stdout.decode("utf-8", "replace").split("\n")[0].strip()


@cache
def installed_languages() -> frozenset[str]:
    """Return the names of its languages, such as "eng". Asked once in a process."""
    shown = run(["--list-langs"], seconds=ANSWER_SECONDS).stdout.decode("utf-8", "replace")
    return frozenset(line.strip() for line in shown.split("\n")[1:] if line.strip())


def run(arguments: Sequence[str], *, seconds: float, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run it.

    Args:
        data: its standard input.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was ended.
    """
    # One thread: its four would each wait for the others on small pages, and other documents need processors, too.
    environment = child_environment(OMP_THREAD_LIMIT="1")
    return subprocess.run([PROGRAM, *arguments], input=data, capture_output=True, timeout=seconds, check=False, env=environment)
