"""The time by which a request must be answered, known to everything that works for it.

with until(time.monotonic() + 30):
    ...                      # however deep below, also in a generator that is advanced here:
    client.get(url, timeout=time_left(120))
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DEADLINE: ContextVar[float] = ContextVar("doyen.deadline", default=float("inf"))
_LEAST_S = 0.001


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Bound what is done in the block, in this thread, by a time of ``time.monotonic()``; an earlier one stays."""
    token = _DEADLINE.set(min(deadline, _DEADLINE.get()))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def time_left(longest: float) -> float:
    """Return the seconds that are left, above 0 and at most ``longest``."""
    return max(_LEAST_S, min(longest, _DEADLINE.get() - time.monotonic()))


def time_is_up() -> bool:
    """Return whether the deadline has passed."""
    return time.monotonic() >= _DEADLINE.get()
