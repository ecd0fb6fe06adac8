"""A label taken apart into decisions that annotators vote on, and put together again from the outcomes.

A class is one decision, a token's tag is one, and so is each span, mention, link or relation that anybody marked: in or
out. Free text has no such parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, TypeAlias

from doyen.annotation.quality.agreement_figures import NO_CLASS, only_class
from doyen.annotation.quality.comparison import Mark, clusters, marks, places, relation_marks
from doyen.annotation.quality.labelled_items import Item
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, Label, Region, Relation, Tags

YES, NO = "yes", "no"

Key: TypeAlias = tuple[Any, ...]
Parts: TypeAlias = dict[Key, str]
"""decision → answer, of one label; what is not in it was answered ``NO``."""


@dataclass(frozen=True)
class Decomposition:
    """How labels of one type are taken apart and put together.

    Attributes:
        parts: the decisions of one label.
        whole: the label that given outcomes make.
        open_ended: whether a decision that a label does not have was answered no (spans), or not at all (tokens).
    """

    parts: Callable[[Any], Parts]
    whole: Callable[[Parts], Label]
    open_ended: bool

    def votes(self, item: Item) -> dict[Key, dict[str, str]]:
        """Return decision → annotator → answer of one item, decisions in the order of the text."""
        labels = {entry.annotator: self.parts(entry.label) for entry in item.labels}
        keys = sorted({key for parts in labels.values() for key in parts})
        return {
            key: {name: parts.get(key, NO) for name, parts in labels.items() if self.open_ended or key in parts} for key in keys
        }


def class_votes(multiple: bool) -> Decomposition:
    """Return how classes are taken apart: one decision, or, where a text may have several, one on each."""
    return SET_VOTES if multiple else CLASS_VOTES


def _class(outcomes: Parts) -> Classes:
    chosen = outcomes.get(("class",), NO_CLASS)
    return Classes(() if chosen == NO_CLASS else (chosen,))


def _entity_parts(label: Entities) -> Parts:
    return dict.fromkeys([("span", mark) for mark in marks(label.regions)], YES) | dict.fromkeys(
        [("relation", *related) for related in relation_marks(label)], YES
    )


def _entities(outcomes: Parts) -> Entities:
    regions = _regions(mark for (mark,) in _accepted(outcomes, "span"))
    ids = {(region.start, region.end, region.label): region.id for region in regions}
    related = _accepted(outcomes, "relation")
    return Entities(regions, tuple(Relation(ids[a], ids[b], name) for a, b, name in related if a in ids and b in ids))


def _coreference_parts(label: Coreference) -> Parts:
    """A cluster of n mentions has a link between each two of them, so that every way of drawing it votes alike."""
    links = (pair for members in clusters(label) for pair in combinations(sorted(members), 2))
    return dict.fromkeys([*(("mention", mark) for mark in marks(label.regions)), *(("link", *pair) for pair in links)], YES)


def _coreference(outcomes: Parts) -> Coreference:
    mentions = _regions(mark for (mark,) in _accepted(outcomes, "mention"))
    ids = {(mention.start, mention.end): mention.id for mention in mentions}
    links = (Relation(ids[b], ids[a]) for a, b in _accepted(outcomes, "link") if a in ids and b in ids)
    chains = Coreference(mentions, tuple(links)).chains()
    return Coreference(mentions, tuple(Relation(b.id, a.id) for chain in chains for a, b in pairwise(chain)))


def _tags(outcomes: Parts) -> Tags:
    """Tokens in order; of two that overlap, because annotators cut the text differently, the first."""
    kept: list[Mark] = []
    for (_, (start, end)), tag in sorted(outcomes.items()):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end, tag))
    return Tags(_regions(kept))


def _accepted(outcomes: Parts, what: str) -> list[Key]:
    """Return what the accepted decisions of one kind are about, in order."""
    return [key[1:] for key, answer in sorted(outcomes.items()) if key[0] == what and answer == YES]


def _regions(found: Iterable[Mark]) -> tuple[Region, ...]:
    return tuple(Region(f"r{number}", *mark) for number, mark in enumerate(sorted(found), start=1))


CLASS_VOTES = Decomposition(lambda label: {("class",): only_class(label)}, _class, open_ended=False)
SET_VOTES = Decomposition(
    lambda label: {("class", name): YES for name in label.labels},
    lambda outcomes: Classes(tuple(name for (name,) in _accepted(outcomes, "class"))),
    open_ended=True,
)
TAG_VOTES = Decomposition(
    lambda label: {("token", place): tag for place, tag in places(label).items()}, _tags, open_ended=False
)
ENTITY_VOTES = Decomposition(_entity_parts, _entities, open_ended=True)
COREFERENCE_VOTES = Decomposition(_coreference_parts, _coreference, open_ended=True)
