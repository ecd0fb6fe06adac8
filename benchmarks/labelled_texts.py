"""Banking77 and CrossNER as typed labels, for the benchmarks of supervision."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doyen.annotation.types.typed_labels import Classes, Entities, Label, Region

HALF_SEED = 77
"""Of the two halves of Banking77's training texts: the first was used to choose strategies and settings."""


def read_banking77(folder: Path, part: str) -> tuple[list[str], list[Label]]:
    """Return texts and classes of "train" or "test"."""
    with (folder / "banking77" / f"{part}.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row["text"] for row in rows], [Classes((row["category"],)) for row in rows]


def second_half(texts: Sequence[str], labels: Sequence[Label]) -> tuple[list[str], list[Label]]:
    """Return the half on which nothing was chosen."""
    kept = sorted(np.random.default_rng(HALF_SEED).permutation(len(texts))[len(texts) // 2 :].tolist())
    return [texts[row] for row in kept], [labels[row] for row in kept]


def read_crossner(folder: Path, *names: str) -> tuple[list[str], list[Label]]:
    """Return sentences, tokens joined by blanks, and their entities."""
    texts: list[str] = []
    labels: list[Label] = []
    for name in names:
        for block in (folder / "crossner" / f"{name}.txt").read_text(encoding="utf-8").split("\n\n"):
            if block.strip():
                text, regions = _sentence([line.split("\t") for line in block.strip().splitlines()])
                texts.append(text)
                labels.append(Entities(tuple(regions)))
    return texts, labels


def _sentence(lines: Sequence[Any]) -> tuple[str, list[Region]]:
    regions: list[Region] = []
    at = 0
    for token, tag in lines:
        if tag.startswith("B-"):
            regions.append(Region(f"e{len(regions)}", at, at + len(token), tag[2:]))
        elif tag.startswith("I-"):
            regions[-1] = replace(regions[-1], end=at + len(token))
        at += len(token) + 1
    return " ".join(token for token, _ in lines), regions
