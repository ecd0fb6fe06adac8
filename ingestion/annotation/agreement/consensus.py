"""One label for each item out of several annotators' labels, with how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from doyen.ingestion.annotation.records import Label, LabelledText


@dataclass(frozen=True)
class Consensus:
    """What the annotators of one item hold together.

    Attributes:
        confidence: from 0 to 1; for labels of many parts the mean over their parts.
        method: dawid-skene, mace, majority or closest: the name to store with the decision.
        annotators: whose labels went into it, sorted.
    """

    label: Label
    confidence: float
    method: str
    annotators: tuple[str, ...] = ()


def consensus(labels: Sequence[LabelledText], *, reliability: Mapping[str, float] | None = None) -> dict[str, Consensus]:
    """Aggregate the labels of each item into one; labels of one type only.

    Args:
        labels: current labels; where an annotator has several of one item the newest counts.
        reliability: known reliability of annotators (0 to 1), for example from gold items; estimated where not given.

    Returns:
        item_id → consensus, for every item with at least one label, in the order of first appearance.

    Raises:
        InputError: the labels are of different types.
    """
    raise NotImplementedError
