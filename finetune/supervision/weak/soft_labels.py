"""Soft labels: a probability for each label of each text, kept to training; and the plain labels above a threshold.

Texts of which no function says anything, or nothing sure enough, have no plain label: they wait for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doyen.annotation.task_types import TaskType
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.annotation.types.typed_labels import Classes, Entities, Label, Region
from doyen.core.manifest import short_id
from doyen.core.records import Pair
from doyen.finetune.supervision.weak.functions import Marked, TextItem
from doyen.finetune.supervision.weak.votes import ABSTAIN, SeveralVotes, SpanVotes, Votes


@dataclass(frozen=True)
class SoftLabel:
    """What the functions together say of one text.

    Attributes:
        votes: what each function says, by name; those that abstain are left out.
        shares: probability of each class; empty for entities. Of several classes each is the probability that it applies,
            and those of which no function says anything are left out.
        marked: stretches with their probability; empty for classes.
        several: the classes of a project, where a text may have several of them, or none; else empty.
    """

    item: TextItem
    votes: Mapping[str, Any]
    shares: Mapping[str, float] = field(default_factory=dict)
    marked: tuple[tuple[Marked, float], ...] = ()
    several: tuple[str, ...] = ()

    @property
    def probability(self) -> float:
        """Of the likeliest class, of the least sure one of several, or of the least sure stretch; 0 without any vote."""
        if not self.votes:
            return 0.0
        if self.several:
            return min(max(share, 1 - share) for share in self.shares.values())
        return max(self.shares.values()) if self.shares else min((sure for _, sure in self.marked), default=0.0)

    def label(self, threshold: float) -> Label | None:
        """Return the plain label, or None to abstain.

        It abstains where no class is that probable, or two are equally; of several classes, where it is not that sure whether
        one applies, or nothing is said of any that might; of entities, where no stretch is that probable.
        """
        if not self.votes:
            return None
        if self.several:
            return self._classes(threshold)
        if self.shares:
            best = max(self.shares.values())
            names = [name for name, share in self.shares.items() if share == best]
            return Classes((names[0],)) if best >= threshold and len(names) == 1 else None
        sure = [mark for mark, probability in self.marked if probability >= threshold]
        regions = (Region(str(number), *mark) for number, mark in enumerate(sure, start=1))
        return Entities(tuple(regions)) if sure else None

    def _classes(self, threshold: float) -> Classes | None:
        undecided = any(max(share, 1 - share) < threshold or share == 0.5 for share in self.shares.values())
        applying = tuple(name for name, share in self.shares.items() if share > 0.5)
        known = applying or len(self.shares) == len(self.several)
        return Classes(applying) if known and not undecided else None

    def to_json(self, threshold: float) -> dict[str, Any]:
        """Return it as a line of ``soft_labels.jsonl``."""
        label = self.label(threshold)
        row: dict[str, Any] = {"id": self.item.id, "text": self.item.text, "votes": dict(self.votes)}
        if self.shares:
            row["probabilities"] = {name: round(share, 6) for name, share in self.shares.items()}
            row["label"] = (list(label.labels) if self.several else label.labels[0]) if isinstance(label, Classes) else None
        else:
            row["entities"] = [_entity(mark, sure) for mark, sure in self.marked]
        return row


def _entity(mark: Marked, probability: float) -> dict[str, Any]:
    return {"start": mark[0], "end": mark[1], "label": mark[2], "probability": round(probability, 6)}


def soft_classes(votes: Votes, shares: NDArray[np.float64]) -> list[SoftLabel]:
    """Return the soft labels of texts with classes.

    Args:
        shares: (n texts, k labels).
    """
    found = []
    for item, said, own in zip(votes.items, votes.matrix, shares, strict=True):
        cast = {votes.functions[number]: votes.labels[said[number]] for number in np.flatnonzero(said != ABSTAIN)}
        found.append(SoftLabel(item, cast, dict(zip(votes.labels, map(float, own), strict=True))))
    return found


def soft_several(votes: SeveralVotes, chances: NDArray[np.float64]) -> list[SoftLabel]:
    """Return the soft labels of texts that may have several classes.

    Args:
        chances: (n texts, k classes) that each applies, NaN where that is not known.
    """
    found = []
    for item, said, own in zip(votes.items, votes.matrix, chances, strict=True):
        cast = {
            name: {votes.labels[number]: bool(spoken[number]) for number in np.flatnonzero(spoken != ABSTAIN)}
            for name, spoken in zip(votes.functions, said, strict=True)
            if (spoken != ABSTAIN).any()
        }
        shares = {name: float(chance) for name, chance in zip(votes.labels, own, strict=True) if not np.isnan(chance)}
        found.append(SoftLabel(item, cast, shares, several=votes.labels))
    return found


def soft_spans(votes: SpanVotes, aggregated: Iterable[Sequence[tuple[Marked, float]]]) -> list[SoftLabel]:
    """Return the soft labels of texts with entities."""
    found = []
    for item, marked, own in zip(votes.items, votes.marked, aggregated, strict=True):
        cast = {name: [list(mark) for mark in marks] for name, marks in zip(votes.functions, marked, strict=True) if marks}
        found.append(SoftLabel(item, cast, marked=tuple(own)))
    return found


class SoftDrafter:
    """Implements ``Drafter``: proposes the plain labels of the texts that were aggregated, and none where it abstains."""

    def __init__(self, soft: Iterable[SoftLabel], threshold: float, version: str) -> None:
        self._by_text = {each.item.text: each for each in soft}
        self._threshold, self.version = threshold, version

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return the label with its probability; one without a label where it abstains; None for any other text."""
        soft = self._by_text.get(excerpt.text)
        if soft is None:
            return None
        label = soft.label(self._threshold)
        return Draft(label, round(soft.probability, 4) if label is not None else 0.0)


def soft_pairs(soft: Iterable[SoftLabel], task_type: TaskType, threshold: float, version: str) -> Iterator[Pair]:
    """Yield a training pair for each text with a plain label, under the name of the version as its annotator."""
    for each in soft:
        label = each.label(threshold)
        if label is not None:
            data = {"uid": each.item.id, "text": each.item.text, **each.item.meta}
            identity = f"weak-{short_id(each.item.id, version)}"
            yield task_type.to_pair(label, data, pair_id=identity, annotator=version, created_at="")


def weighted_rows(shares: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return (text, class, weight) of each class that is possible for each text: soft labels for any classifier with weights.

    Cross-entropy under these weights is the cross-entropy to the soft labels, so that nothing is rounded to a plain label.

    Args:
        shares: (n texts, k labels) probabilities.
    """
    texts, classes = np.nonzero(shares > 0)
    return texts, classes, shares[texts, classes]
