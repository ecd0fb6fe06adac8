"""Long lists in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
SQL_BATCH = 500
"""Ids in one statement: databases limit the number of parameters."""


def batched(items: Iterable[T], size: int = SQL_BATCH) -> Iterator[list[T]]:
    """Yield the items in lists of ``size``, the last one maybe shorter, as `itertools.batched` does from Python 3.12 on."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
