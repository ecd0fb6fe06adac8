"""What goes to an expert: the items on which annotators disagree, or that nobody trustworthy has labelled, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from doyen.ingestion.annotation.records import LabelledText


@dataclass(frozen=True)
class Dispute:
    """An item that an expert should decide.

    Attributes:
        score: how much there is to settle; higher is worse. Its unit is one decision (a class, a span, a token, a link), so
            that a text with three disputed spans comes before one with a single disputed span.
        reason: a sentence for the expert: who said what, or why the label is doubted.
        labels: all current labels of the item, sorted by annotator.
        agreement: mean agreement of its annotators from 0 to 1; NaN where only one person labelled it.
    """

    item_id: str
    score: float
    reason: str
    labels: tuple[LabelledText, ...]
    agreement: float = float("nan")


def disputed(
    labels: Sequence[LabelledText],
    *,
    threshold: float | None = None,
    share: float | None = None,
    reliability: Mapping[str, float] | None = None,
) -> list[Dispute]:
    """Rank what an expert should decide, worst first.

    An item is disputed when its annotators agree less than ``threshold``, when somebody whose reliability is low labelled
    it alone, or when the consensus is unsure. Unanimous items of reliable annotators are never disputed.

    Args:
        labels: current labels of one type; items with one label count too.
        threshold: agreement (0 to 1) below which an item is disputed; default ``DISPUTED_BELOW`` unless ``share`` is given.
        share: take at most this share of all items, the worst; alone, it takes them whatever their agreement, as long as
            there is anything to settle.
        reliability: known reliability of annotators (0 to 1), for example from gold items; estimated where not given.

    Raises:
        InputError: the labels are of different types, or threshold or share is not between 0 and 1.
    """
    raise NotImplementedError
