"""Marked stretches and their relations in Label Studio's JSON: read with every problem named, and written."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from doyen.annotation.contracts import Result
from doyen.annotation.offsets import locate_span
from doyen.annotation.records import Region, Relation
from doyen.annotation.types.screen import TEXT

L = TypeVar("L")
MARKS = "label"
"""Name of the control with which stretches are marked."""


def write_marks(text: str, regions: Collection[Region], relations: Collection[Relation] = ()) -> Result:
    """Return regions and relations as Label Studio writes them; ids stay as they are."""
    marked: Result = [
        {
            "id": region.id,
            "from_name": MARKS,
            "to_name": TEXT,
            "type": "labels",
            "value": {
                "start": region.start,
                "end": region.end,
                "text": text[region.start : region.end],
                "labels": [region.label],
            },
        }
        for region in regions
    ]
    links: Result = [
        {
            "from_id": relation.head,
            "to_id": relation.tail,
            "type": "relation",
            "direction": "right",
            "labels": [relation.label] if relation.label else [],
        }
        for relation in relations
    ]
    return marked + links


class MarksReader:
    """Reads one annotation; afterwards it holds what is sound, and a sentence for each thing that is wrong.

    Attributes:
        regions: by start, end and label.
        relations: in the order of the annotation; one that points both ways is two.
        problems: what is wrong.
    """

    def __init__(self, text: str, labels: Collection[str]) -> None:
        self._text, self._labels = text, labels
        self.regions: list[Region] = []
        self.relations: list[Relation] = []
        self.problems: list[str] = []

    def take(self, result: Result, relation_labels: Collection[str] | None) -> None:
        """Read all regions and relations.

        Args:
            relation_labels: names that relations may have; an empty collection: they carry none; None: there are none.
        """
        links = []
        for region in result:
            if not isinstance(region, dict):
                self.problems.append(f"a region is no JSON object: {short(region)}")
            elif region.get("type") == "relation":
                links.append(region)
            else:
                self._take_region(region)
        known = {region.id for region in self.regions}
        for link in links:
            self._take_relation(link, known, relation_labels)
        self.regions.sort(key=lambda region: (region.start, region.end, region.label))

    def label(self, found: L) -> L | None:
        """Return what was found; None where nothing is sound: that is not to say that there is nothing to mark."""
        return found if self.regions or not self.problems else None

    def _take_region(self, region: dict[str, Any]) -> None:
        value, identity = region.get("value"), region.get("id")
        if region.get("from_name") != MARKS:
            self.problems.append(f"there is no field {region.get('from_name')!r} in this task type")
            return
        if not isinstance(value, dict):
            self.problems.append(f"a region has no value: {short(region)}")
            return
        if not isinstance(identity, str) or not identity:
            self.problems.append(f"a region has no id: {short(region)}")
            return
        if any(known.id == identity for known in self.regions):
            self.problems.append(f"two regions have the id {identity!r}")
            return
        label = self._label(value.get("labels"))
        place = self._place(value)
        if label is not None and place is not None:
            self.regions.append(Region(identity, *place, label))

    def _label(self, labels: Any) -> str | None:
        if not isinstance(labels, list) or len(labels) != 1:
            self.problems.append(f"a region must have one label, found {short(labels)}")
            return None
        if labels[0] not in self._labels:
            self.problems.append(f"there is no label {short(labels[0])}: known ones are {', '.join(self._labels)}")
            return None
        return str(labels[0])

    def _place(self, value: dict[str, Any]) -> tuple[int, int] | None:
        start, end, shown = value.get("start"), value.get("end"), value.get("text")
        if type(start) is not int or type(end) is not int:
            self.problems.append(f"a region has no whole-number offsets: {start!r} to {end!r}")
            return None
        span = locate_span(self._text, start, end, shown if isinstance(shown, str) else None)
        if span is not None:
            return span.start, span.end
        if not 0 <= start < end <= len(self._text):
            self.problems.append(f"region {start} to {end} lies outside the text of {len(self._text)} characters")
        else:
            there = short(self._text[start:end])
            self.problems.append(f"region {start} to {end} says {short(shown)} but the text has {there} there")
        return None

    def _take_relation(self, link: dict[str, Any], known: set[str], allowed: Collection[str] | None) -> None:
        head, tail, labels = link.get("from_id"), link.get("to_id"), link.get("labels") or []
        if allowed is None:
            self.problems.append(f"this task has no relations, but one leads from {head!r} to {tail!r}")
            return
        missing = [end for end in (head, tail) if end not in known]
        if missing:
            self.problems += [f"a relation leads to a region {short(end)}, which does not exist" for end in missing]
            return
        if head == tail:
            self.problems.append(f"a relation leads from the region {head!r} to itself")
            return
        if not isinstance(labels, list) or (allowed and not labels):
            self.problems.append(f"the relation from {head!r} to {tail!r} has no name: choose among {', '.join(allowed)}")
            return
        unknown = [name for name in labels if name not in allowed] if allowed else []
        self.problems += [f"there is no relation {short(name)}: known ones are {', '.join(allowed)}" for name in unknown]
        direction = link.get("direction")
        for name in [label for label in labels if label in allowed] if allowed else [""]:
            if direction != "left":
                self.relations.append(Relation(str(head), str(tail), name))
            if direction in {"left", "bi"}:
                self.relations.append(Relation(str(tail), str(head), name))


def short(value: Any) -> str:
    """Return a value as it is shown in a message."""
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "…'"
