"""How much memory this process has needed."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_PROCESSES = Path("/proc")
_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


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


def available_memory_mb() -> float | None:
    """Return how much memory can still be taken, in MB of 2**20 bytes, within what this process's group may hold (cgroup v2).

    Returns:
        None where the system does not tell.
    """
    try:
        told = next(line for line in _MEMORY.read_text().splitlines() if line.startswith("MemAvailable:"))
        free = int(told.split()[1]) / 2**10
    except (OSError, StopIteration, ValueError):
        return None
    try:
        limit, used = ((_GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        cached = next(line for line in (_GROUP / "memory.stat").read_text().splitlines() if line.startswith("inactive_file "))
        return min(free, (int(limit) - int(used) + int(cached.split()[1])) / 2**20)
    except (OSError, StopIteration, ValueError):
        return free  # there is no such group, or it has no limit
