"""What goes to an expert: the items on which annotators disagree, or that nobody trustworthy has labelled, worst first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from doyen.annotation.quality.consensus import conclude
from doyen.annotation.quality.differences import NOTHING, Difference, difference
from doyen.annotation.quality.labelled_items import Item, gather
from doyen.annotation.quality.reliability import Judgement, judge
from doyen.annotation.types.typed_labels import LabelledText, PromptResponse
from doyen.core.errors import InputError

DISPUTED_BELOW = 0.8
"""Agreement of an item below which an expert decides: of five spans or tokens one differs at most."""
TEXTS_DISPUTED_BELOW = 0.5
"""The same for free text, where two right answers share a part of their words only."""
LOW_RELIABILITY = 0.7
LOW_CONFIDENCE = 0.6
TELLING = ("dawid-skene", "mace", "given")
"""Ways of knowing an annotator's reliability that tell one annotator from another."""
_TELL = 3
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
class _Case:
    """An item with how its annotators differ, pair by pair, and how sure the consensus is.

    Attributes:
        doubtful: nobody trustworthy labelled it, or the consensus is unsure.
    """

    item: Item
    differences: list[Difference]
    confidence: float
    doubtful: bool

    @property
    def agreement(self) -> float:
        return fmean(found.agreement for found in self.differences) if self.differences else math.nan

    @property
    def apart(self) -> float:
        return fmean(found.apart for found in self.differences) if self.differences else 0.0


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
    cases = _cases(items, judge(items, reliability, multiple=multiple), multiple)
    times = Counter(confusion for case in cases for found in case.differences for confusion in found.confusions)
    below = threshold if threshold is not None else _usual_threshold(items) if share is None else math.inf
    ranked = [
        Dispute(case.item.item_id, _score(case, times), _reason(case), case.item.labels, case.agreement)
        for case in cases
        if case.doubtful or (case.apart > 0 and case.agreement < below)
    ]
    ranked.sort(key=lambda dispute: (-dispute.score, dispute.item_id))
    return ranked if share is None else ranked[: math.ceil(round(share * len(items), 9))]


def _usual_threshold(items: Sequence[Item]) -> float:
    return TEXTS_DISPUTED_BELOW if items and isinstance(items[0].labels[0].label, PromptResponse) else DISPUTED_BELOW


def _cases(items: Sequence[Item], judgement: Judgement, multiple: bool) -> list[_Case]:
    agreed = conclude(items, judgement, multiple=multiple)
    return [
        _Case(
            item,
            [difference(a.label, b.label) for a, b in combinations(item.labels, 2)],
            agreed[item.item_id].confidence,
            _doubtful(item, judgement, agreed[item.item_id].confidence),
        )
        for item in items
    ]


def _doubtful(item: Item, judgement: Judgement, confidence: float) -> bool:
    """Whether what is known of its annotators makes the label doubtful, however much they agree.

    Only a model or gold items tell one annotator from another: that two people seldom agree says nothing against the
    items on which they do.
    """
    trusted = [judgement.reliability[name] for name in item.annotators if name in judgement.reliability]
    if trusted and all(own.method in TELLING and own.value < LOW_RELIABILITY for own in trusted):
        return True
    return judgement.method in TELLING and confidence < LOW_CONFIDENCE


def _score(case: _Case, times: Mapping[tuple[str, str], int]) -> float:
    """Decisions that differ, plus less than one half for what distinguishes items that differ as much."""
    confusions = {confusion for found in case.differences for confusion in found.confusions}
    rarity = max((1 / times[confusion] for confusion in confusions), default=0.0)
    return case.apart + (rarity + 1 - case.confidence) / 4.01


def _reason(case: _Case) -> str:
    names = case.item.annotators
    if len(names) == 1:
        return f"Only {names[0]} labelled this, whose labels are right with probability {case.confidence:.2f}."
    said = Counter(confusion for found in case.differences for confusion in found.confusions)
    told = [f"{_word(a)} or {_word(b)}" if a != b else f"where {_word(a)} begins and ends" for a, b in list(said)[:_TELL]]
    if len(said) > _TELL:
        told.append(f"{len(said) - _TELL} more")
    about = f": {'; '.join(told)}" if told else ""
    if not case.apart:
        return f"{_listed(names)} agree, but are of low reliability or the consensus is unsure ({case.confidence:.2f})."
    return f"{_listed(names)} agree to {case.agreement:.0%}{about}."


def _word(label: str) -> str:
    return label if label == NOTHING else f"“{label}”"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
