"""What goes to an expert: the items on which annotators disagree, or that nobody trustworthy has labelled, worst first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from doyen.annotation.quality.aggregation import Aggregation, aggregate
from doyen.annotation.quality.comparison import NOTHING, Difference
from doyen.annotation.quality.labelled_items import Item, gather
from doyen.annotation.type_table import difference, entry_of
from doyen.annotation.types.typed_labels import LabelledText
from doyen.core.errors import InputError

DISPUTED_BELOW = 0.8
"""Agreement of an item below which an expert decides: of five spans or tokens one differs at most."""
TEXTS_DISPUTED_BELOW = 0.5
"""The same for free text, where two right answers share a part of their words only."""
LOW_RELIABILITY = 0.7
LOW_CONFIDENCE = 0.6
TELLING = ("dawid-skene", "mace", "given")
"""Ways of knowing an annotator's reliability that tell one annotator from another."""
MOST_NAMED = 3
"""Differences that a reason names."""


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
    agreement: float = math.nan


@dataclass(frozen=True)
class _Comparison:
    """An item with how its annotators differ, pair by pair, and how sure the consensus is."""

    item: Item
    differences: list[Difference]
    confidence: float

    @property
    def agreement(self) -> float:
        return fmean(found.agreement for found in self.differences) if self.differences else math.nan

    @property
    def apart(self) -> float:
        return fmean(found.apart for found in self.differences) if self.differences else 0.0

    @property
    def confusions(self) -> list[tuple[str, str]]:
        return [confusion for found in self.differences for confusion in found.confusions]


def disputed(
    labels: Sequence[LabelledText],
    *,
    threshold: float | None = None,
    share: float | None = None,
    reliability: Mapping[str, float] | None = None,
    multiple: bool = False,
) -> list[Dispute]:
    """Rank what an expert should decide, worst first.

    An item is disputed when its annotators agree less than ``threshold``, when only annotators of low reliability labelled
    it (a model or gold items say so), or when a model's consensus is unsure. What reliable annotators agree on is never
    disputed.

    Items are ranked by the decisions on which their annotators differ. Where that is equal, as between two annotators who
    chose different classes, an item comes first whose confusion is rare (a slip, where a frequent one is a gap in the
    guideline that a few decisions settle) and whose consensus is least sure (both annotators are equally reliable).

    Args:
        labels: current labels of one type; items with one label count too.
        threshold: agreement (0 to 1) below which an item is disputed; default ``DISPUTED_BELOW``, of free text
            ``TEXTS_DISPUTED_BELOW``, and none where ``share`` is given.
        share: take at most this share of all items, the worst; alone, it takes them however much they agree, as long as
            there is anything to settle.
        reliability: known reliability of annotators (0 to 1), for example from gold items; estimated where not given.
        multiple: whether a text may have several classes, as the task's description says.

    Raises:
        InputError: the labels are of different types, a text has several classes without ``multiple``, or threshold or
            share is not between 0 and 1.
    """
    for name, value in (("threshold", threshold), ("share", share)):
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"{name} is {value}: choose a number from 0 to 1")
    items = gather(labels)
    together = aggregate(items, reliability, multiple=multiple)
    agreed = together.consensus()
    compared = [
        _Comparison(
            item, [difference(a.label, b.label) for a, b in combinations(item.labels, 2)], agreed[item.item_id].confidence
        )
        for item in items
    ]
    times = Counter(confusion for found in compared for confusion in found.confusions)
    below = threshold if threshold is not None else _usual_threshold(items) if share is None else math.inf
    ranked = [
        Dispute(found.item.item_id, _score(found, times), _reason(found), found.item.labels, found.agreement)
        for found in compared
        if _is_doubtful(found, together) or (found.apart > 0 and found.agreement < below)
    ]
    ranked.sort(key=lambda dispute: (-dispute.score, dispute.item_id))
    return ranked if share is None else ranked[: math.ceil(round(share * len(items), 9))]


def _usual_threshold(items: Sequence[Item]) -> float:
    return TEXTS_DISPUTED_BELOW if items and entry_of(items[0].labels[0].label).votes is None else DISPUTED_BELOW


def _is_doubtful(found: _Comparison, together: Aggregation) -> bool:
    """Whether what is known of its annotators makes the label doubtful, however much they agree.

    Only a model or gold items tell one annotator from another: that two people seldom agree says nothing against the
    items on which they do.
    """
    trusted = [together.reliability[name] for name in found.item.annotators if name in together.reliability]
    if trusted and all(own.method in TELLING and own.value < LOW_RELIABILITY for own in trusted):
        return True
    return together.method in TELLING and found.confidence < LOW_CONFIDENCE


def _score(found: _Comparison, times: Mapping[tuple[str, str], int]) -> float:
    """Decisions that differ, plus less than one half for what distinguishes items that differ as much."""
    rarity = max((1 / times[confusion] for confusion in found.confusions), default=0.0)
    return found.apart + (rarity + 1 - found.confidence) / 4.01


def _reason(found: _Comparison) -> str:
    *others, last = found.item.annotators
    if not others:
        return f"Only {last} labelled this, whose labels are right with probability {found.confidence:.2f}."
    people = f"{', '.join(others)} and {last}"
    if not found.apart:
        return f"{people} agree, but are of low reliability or the consensus is unsure ({found.confidence:.2f})."
    said = list(dict.fromkeys(found.confusions))
    named = [_confusion(*confusion) for confusion in said[:MOST_NAMED]]
    if len(said) > MOST_NAMED:
        named.append(f"{len(said) - MOST_NAMED} more")
    about = f": {'; '.join(named)}" if named else ""
    return f"{people} agree to {found.agreement:.0%}{about}."


def _confusion(first: str, second: str) -> str:
    one, other = (label if label == NOTHING else f"“{label}”" for label in (first, second))
    return f"{one} or {other}" if first != second else f"where {one} begins and ends"
