"""Whether a dataset is large enough: a rule of thumb, and what the workspace's own trainings say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any, NamedTuple

FEW, SOME, MANY = 100, 500, 10_000
"""Examples that a simple classification needs at least and at most, and that a complex adaptation needs."""
CLASS_ROWS = 10
"""Examples below which a class is too small to be learnt or measured."""
WORTH = 0.02
"""Gain of a score by twice the examples from which more of them are worth labelling."""


class CurvePoint(NamedTuple):
    """A score that a training with so many examples reached; higher is better."""

    examples: int
    score: float


def size_advice(manifest: Mapping[str, Any]) -> list[str]:
    """Return what the rule of thumb says of the training part of a dataset."""
    rows = manifest["counts"]["train"]
    if manifest["classification"]:
        small = [name for name, parts in manifest["classes"].items() if parts["train"] < CLASS_ROWS]
        said = f"{rows} training rows; a simple classification needs {FEW} to {SOME}"
        verdict = "there are too few" if rows < FEW else "that may do" if rows < SOME else "that is enough for most"
        lines = [f"{said}: {verdict}."]
        if small:
            lines.append(f"{len(small)} classes have fewer than {CLASS_ROWS} training rows, such as {small[0]!r}.")
        return lines
    verdict = "too few even for a narrow task" if rows < FEW else "enough for a narrow task" if rows < MANY else "enough"
    return [
        f"{rows} training rows: {verdict}. A narrow task needs {FEW} to {SOME}, teaching a model a field's way of answering "
        f"{MANY:,} or more; facts are better found in the documents."
    ]


def curve_advice(points: Sequence[CurvePoint], rows: int) -> list[str]:
    """Return what trainings of different size say about labelling more.

    Args:
        points: of this workspace, in any order; those of the same size are averaged.
        rows: training rows of the dataset that is asked about.
    """
    sizes: dict[int, list[float]] = {}
    for point in points:
        sizes.setdefault(point.examples, []).append(point.score)
    curve = [CurvePoint(size, sum(scores) / len(scores)) for size, scores in sorted(sizes.items())]
    if len(curve) < 2:
        return ["There is no learning curve of this workspace yet: it takes trainings on two sizes."]
    low, high = curve[-2:]
    doublings = log2(high.examples / low.examples)
    gain = (high.score - low.score) / doublings
    told = f"From {low.examples} to {high.examples} rows the score went from {low.score:.3f} to {high.score:.3f}"
    if gain >= WORTH:
        said = f"{told}: by {gain:.3f} for twice the rows, so more labels are worth it."
    else:
        said = f"{told}: more rows of the same kind promise little. Look at label errors and at what is asked wrongly instead."
    return [said, *([f"This dataset has {rows} rows, outside what was measured."] if rows > 2 * high.examples else [])]
