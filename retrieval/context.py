"""What a passage is about beyond its own words: the title and the headings that it stands under, indexed beside them.

Reports of a year, procedures of a product and rows of a table seldom repeat in each sentence what they are about. Putting
that before what is indexed saves a third to two thirds of failed retrievals (Anthropic, "Introducing Contextual Retrieval",
2024). Here the context is embedded by itself, once for each section, and its vector is added to those of the pieces below,
which finds as much as a prefix does and does not make texts longer (docs/experiments.md). Offsets and stored texts know
nothing of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONTEXT_WEIGHT = 0.3
"""Length of the context's vector beside that of the piece, which is 1."""
SEPARATOR = " > "


def context_of(title: str, heading: str) -> str:
    """Return the title and the path of headings below it, without the heading that repeats the title.

    Args:
        title: of the document.
        heading: path of headings, joined by " > "; may be empty.
    """
    path = heading.split(SEPARATOR) if heading else []
    if path and path[0].strip().casefold() == title.strip().casefold():
        path = path[1:]
    return SEPARATOR.join(filter(None, [title.strip(), *path]))


def with_context(pieces: NDArray[np.float32], contexts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vectors of pieces moved towards those of their contexts.

    Args:
        pieces: (n, dim) of unit length.
        contexts: (n, dim) of unit length, row by row the context of the piece.

    Returns:
        (n, dim) float32 of unit length.
    """
    moved = pieces + CONTEXT_WEIGHT * contexts
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), np.float32)
