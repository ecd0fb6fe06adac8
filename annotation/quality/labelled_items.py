"""Labels gathered by item: who said what about one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import TypeVar

from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, Label, LabelledText, PromptResponse, Tags
from doyen.core.errors import InputError

UNKNOWN = "unknown"
LABEL_TYPES: dict[str, type] = {
    "prompt-response": PromptResponse,
    "classification": Classes,
    "sentiment": Classes,
    "entities": Entities,
    "coreference": Coreference,
    "pos": Tags,
}

L = TypeVar("L", bound=Label)


@dataclass(frozen=True)
class Item:
    """One text with its labels.

    Attributes:
        labels: one for each annotator, sorted by annotator.
    """

    item_id: str
    labels: tuple[LabelledText, ...]

    @property
    def annotators(self) -> tuple[str, ...]:
        """Who labelled it, sorted."""
        return tuple(entry.annotator for entry in self.labels)

    @property
    def finished_at(self) -> datetime | None:
        """When its newest label was made; None when no label says."""
        moments = [moment for entry in self.labels if (moment := moment_of(entry.created_at)) is not None]
        return max(moments, default=None)

    def of(self, kind: type[L]) -> list[L]:
        """Return the bare labels.

        Raises:
            InputError: a label is of another type.
        """
        found: list[L] = []
        for entry in self.labels:
            if not isinstance(entry.label, kind):
                raise InputError(
                    f"item {self.item_id}: the label of {entry.annotator} is {type(entry.label).__name__}, "
                    f"expected {kind.__name__}: compare labels of one task type at a time"
                )
            found.append(entry.label)
        return found

    def pairs(self, kind: type[L]) -> Iterator[tuple[L, L]]:
        """Yield the bare labels of every pair of annotators."""
        return combinations(self.of(kind), 2)

    def only(self, annotators: Iterable[str]) -> Item:
        """Return the item with the labels of some annotators alone."""
        wanted = set(annotators)
        return Item(self.item_id, tuple(entry for entry in self.labels if entry.annotator in wanted))


def gather(labels: Iterable[LabelledText]) -> list[Item]:
    """Group labels by item, in the order of first appearance; an annotator's newest label of an item counts.

    Labels without an annotator are held to be of different people: "unknown", "unknown 2", …
    """
    found: dict[str, dict[str, LabelledText]] = {}
    for entry in labels:
        own = found.setdefault(entry.item_id, {})
        name = entry.annotator or _next_unknown(own)
        known = own.get(name)
        if known is None or not _older(entry, known):
            own[name] = replace(entry, annotator=name)
    return [Item(item_id, tuple(own[name] for name in sorted(own))) for item_id, own in found.items()]


def moment_of(created_at: str) -> datetime | None:
    """Read an ISO 8601 time; one without a zone is taken as UTC. None for what is no time."""
    try:
        moment = datetime.fromisoformat(created_at)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _older(entry: LabelledText, known: LabelledText) -> bool:
    mine, other = moment_of(entry.created_at), moment_of(known.created_at)
    return mine is not None and other is not None and mine < other


def _next_unknown(taken: dict[str, LabelledText]) -> str:
    if UNKNOWN not in taken:
        return UNKNOWN
    number = 2
    while f"{UNKNOWN} {number}" in taken:
        number += 1
    return f"{UNKNOWN} {number}"
