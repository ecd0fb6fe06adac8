"""One model is loaded at a time: transformers' lazy imports and torch's default type are global and not thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LOADING = threading.RLock()
"""Held while transformers is imported or weights are read; two threads that do so break each other's model."""


def load_once(maxsize: int | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator: each combination of arguments is loaded once in this process, also when threads ask together.

    A load that fails is not remembered: the next caller tries again.

    Args:
        maxsize: results kept at most; None keeps all.
    """

    def decorate(load: Callable[P, T]) -> Callable[P, T]:
        cached = lru_cache(maxsize)(load)

        @wraps(load)
        def locked(*args: P.args, **kwargs: P.kwargs) -> T:
            with LOADING:
                return cached(*args, **kwargs)  # type: ignore[arg-type]

        return locked

    return decorate
