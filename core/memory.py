"""How much memory this process has needed."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_PROCESSES = Path("/proc")


def peak_memory_mb() -> float:
    """Return the most memory that this process has held so far, in MB of 2**20 bytes.

    On Linux it leaves out what the process that started this one held: ``getrusage`` counts that too, since the figure
    outlives ``exec``.
    """
    if _STATUS.exists():
        return int(_STATUS.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def peak_memory_with_children_mb() -> float:
    """Return the sum of the most that this process and those that it has started and that still run have each held, in MB.

    A model's worker is such a process. Elsewhere than on Linux they are left out.
    """
    peak = peak_memory_mb()
    for child in _children(os.getpid()):
        try:
            peak += int((_PROCESSES / str(child) / "status").read_text().split("VmHWM:")[1].split()[0]) / 2**10
        except (OSError, IndexError):
            continue  # it has just ended
    return peak


def _children(process: int) -> list[int]:
    found: list[int] = []
    for path in (_PROCESSES / str(process) / "task").glob("*/children"):
        try:
            direct = [int(number) for number in path.read_text().split()]
        except OSError:
            continue
        for child in direct:
            found += [child, *_children(child)]
    return found
