"""Thousands of labels go through every format without being held in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from doyen.ingestion.annotation.formats import FORMATS, Losses, read_labels
from doyen.ingestion.annotation.records import Classes, Entities, Label, LabelledText, Region, Tags

ROWS = 5_000
WORDS = 60
"""Words of five letters in each text: all texts together are ten times as large as what may be held."""
MOST_BYTES = 4_000_000


def labels(kind: str) -> Iterator[LabelledText]:
    for number in range(ROWS):
        words = [f"w{(number * 31 + position) % 9973:04d}" for position in range(WORDS)]
        yield LabelledText(f"item {number}", " ".join(words), label_of(kind, number), "ann@example.com", "", {"page": number})


def label_of(kind: str, number: int) -> Label:
    marked = tuple(Region(str(n), n * 6, n * 6 + 5, "AB"[n % 2]) for n in range(WORDS))
    if kind == "classification":
        return Classes(("even" if number % 2 else "odd",))
    return Tags(marked) if kind == "pos" else Entities(marked[:: WORDS // 2])


@pytest.mark.parametrize("name", [name for name, found in FORMATS.items() if found.writes])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    kind = next(kind for kind in ("entities", "pos", "classification") if kind in FORMATS[name].kinds)
    FORMATS[name].write((item for item, _ in zip(labels(kind), range(5), strict=False)), tmp_path / "warm", Losses())
    count = sum(1 for _ in read_labels(tmp_path / "warm", name, kind, Losses()))
    tracemalloc.start()
    try:
        FORMATS[name].write(labels(kind), tmp_path / "all", Losses())
        count = sum(1 for _ in read_labels(tmp_path / "all", name, kind, Losses()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == ROWS
    assert peak < MOST_BYTES
