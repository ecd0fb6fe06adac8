"""Thousands of labels go through every format without being held in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from doyen.annotation.exchange.formats import FORMATS, Losses
from doyen.annotation.types.typed_labels import Classes, Entities, Label, LabelledText, Region, Tags

ROWS = 5_000
WORDS = 10
"""Words of fifty letters in each text: the labels together take far more memory than may be held."""
MOST_BYTES = 3_000_000


def labels(kind: str) -> Iterator[LabelledText]:
    for number in range(ROWS):
        words = [f"{(number * 31 + position) % 9973:050d}" for position in range(WORDS)]
        yield LabelledText(f"item {number}", " ".join(words), label_of(kind, number), "ann@example.com", "", {"page": number})


def label_of(kind: str, number: int) -> Label:
    marked = tuple(Region(str(n), n * 51, n * 51 + 50, "AB"[n % 2]) for n in range(WORDS))
    if kind == "classification":
        return Classes(("even" if number % 2 else "odd",))
    return Tags(marked) if kind == "pos" else Entities(marked[::5])


@pytest.mark.parametrize("name", [name for name, found in FORMATS.items() if found.writes])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    kind = next(kind for kind in ("entities", "pos", "classification") if kind in FORMATS[name].kinds)
    FORMATS[name].write((item for item, _ in zip(labels(kind), range(5), strict=False)), tmp_path / "warm", Losses())
    assert sum(1 for _ in FORMATS[name].read(tmp_path / "warm", kind, Losses())) == 5
    tracemalloc.start()
    try:
        FORMATS[name].write(labels(kind), tmp_path / "all", Losses())
        count = sum(1 for _ in FORMATS[name].read(tmp_path / "all", kind, Losses()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == ROWS
    assert peak < MOST_BYTES
