"""Labels gathered by item: who said what about one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import TypeVar

from doyen.annotation.types.typed_labels import Classes, Label, LabelledText
from doyen.core.errors import InputError

UNKNOWN = "unknown"
L = TypeVar("L", bound=Label)


@dataclass(frozen=True)
class Item:
    """One text with its labels, one for each annotator, sorted by annotator."""

    item_id: str
    labels: tuple[LabelledText, ...]

    @property
    def annotators(self) -> tuple[str, ...]:
        """Who labelled it, sorted."""
        return tuple(entry.annotator for entry in self.labels)

    @property
    def finished_at(self) -> datetime | None:
        """When its newest label was made; None when no label says."""
        moments = [moment for entry in self.labels if (moment := _moment(entry)) is not None]
        return max(moments, default=None)

    def by_annotator(self, kind: type[L]) -> dict[str, L]:
        """Return the bare labels.

        Raises:
            InputError: a label is of another type.
        """
        found: dict[str, L] = {}
        for entry in self.labels:
            if not isinstance(entry.label, kind):
                raise InputError(
                    f"item {self.item_id}: the label of {entry.annotator} is {type(entry.label).__name__}, "
                    f"expected {kind.__name__}: compare labels of one task type at a time"
                )
            found[entry.annotator] = entry.label
        return found

    def of(self, kind: type[L]) -> list[L]:
        """Return the bare labels, as ``by_annotator`` does."""
        return list(self.by_annotator(kind).values())

    def pairs(self, kind: type[L]) -> Iterator[tuple[L, L]]:
        """Yield the bare labels of every pair of annotators."""
        return combinations(self.of(kind), 2)


def gather(labels: Iterable[LabelledText]) -> list[Item]:
    """Group labels by item, in the order of first appearance; an annotator's newest label of an item counts.

    Labels without an annotator are held to be of different people: "unknown", "unknown 2", …
    """
    found: dict[str, dict[str, LabelledText]] = {}
    for entry in labels:
        own = found.setdefault(entry.item_id, {})
        name = entry.annotator or _next_unknown(own)
        if name not in own or not _older(entry, own[name]):
            own[name] = replace(entry, annotator=name)
    return [Item(item_id, tuple(own[name] for name in sorted(own))) for item_id, own in found.items()]


def require_single(items: Sequence[Item]) -> None:
    """Raise InputError where a text has several classes."""
    for item in items:
        for label in item.of(Classes):
            if len(label.labels) > 1:
                raise InputError(
                    f"item {item.item_id} has the classes {', '.join(label.labels)}, but a text of this task has one: "
                    "say that texts may have several (multiple)"
                )


def _moment(entry: LabelledText) -> datetime | None:
    """Read the ISO 8601 time of a label; one without a zone is taken as UTC. None for what is no time."""
    try:
        moment = datetime.fromisoformat(entry.created_at)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _older(entry: LabelledText, known: LabelledText) -> bool:
    mine, other = _moment(entry), _moment(known)
    return mine is not None and other is not None and mine < other


def _next_unknown(taken: dict[str, LabelledText]) -> str:
    names = (UNKNOWN if number == 1 else f"{UNKNOWN} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
