"""A label taken apart into decisions that annotators vote on, and put together again from the outcomes.

A class is one decision, a token's tag is one, and so is each span, mention, link or relation that anybody marked: in or
out. Free text has no such parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from doyen.annotation.quality.comparison import Mark, clusters, marks, places, relation_marks
from doyen.annotation.quality.labelled_items import Item
from doyen.annotation.quality.nominal_figures import NO_CLASS
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, Label, Region, Relation, Tags

YES, NO = "yes", "no"

Key: TypeAlias = tuple[Any, ...]
Parts: TypeAlias = dict[Key, str]
"""decision → answer, of one label; what is not in it was answered ``NO``."""


@dataclass(frozen=True)
class Anatomy:
    """How labels of one type are taken apart and put together.

    Attributes:
        parts: the decisions of one label.
        whole: the label that given outcomes make.
        open_ended: whether a decision that a label does not have was answered no (spans), or not at all (tokens).
    """

    parts: Callable[[Any], Parts]
    whole: Callable[[Parts], Label]
    open_ended: bool


def anatomy(type: type[Label], *, multiple: bool = False) -> Anatomy | None:
    """Return how labels of a type are taken apart; None for free text.

    Args:
        type: the label's class.
        multiple: whether a text has several classes.
    """
    if type is Classes:
        return _SETS if multiple else _CLASS
    return {Tags: _TAGS, Entities: _ENTITIES, Coreference: _COREFERENCE}.get(type)


def votes_of(item: Item, taken_apart: Anatomy) -> dict[Key, dict[str, str]]:
    """Return decision → annotator → answer of one item, decisions in the order of the text."""
    labels = {entry.annotator: taken_apart.parts(entry.label) for entry in item.labels}
    keys = sorted({key for parts in labels.values() for key in parts})
    return {
        key: {name: parts.get(key, NO) for name, parts in labels.items() if taken_apart.open_ended or key in parts}
        for key in keys
    }


def _set_parts(label: Classes) -> Parts:
    return {("class", name): YES for name in label.labels}


def _entity_parts(label: Entities) -> Parts:
    related = {("relation", *head, *tail, name): YES for head, tail, name in relation_marks(label)}
    return {("span", *mark): YES for mark in marks(label.regions)} | related


def _entities(outcomes: Parts) -> Entities:
    kept = _marked(outcomes)
    regions = _regions(key[1:] for key in kept if key[0] == "span")
    ids = {(region.start, region.end, region.label): region.id for region in regions}
    ends = [(key[1:4], key[4:7], key[7]) for key in kept if key[0] == "relation"]
    found = (Relation(ids[head], ids[tail], label) for head, tail, label in ends if head in ids and tail in ids)
    return Entities(regions, tuple(found))


def _coreference_parts(label: Coreference) -> Parts:
    """A cluster of n mentions has a link between each two of them, so that every way of drawing it votes alike."""
    mentions: Parts = {("mention", *mark): YES for mark in marks(label.mentions)}
    for members in clusters(label):
        ordered = sorted(members)
        mentions |= {("link", *a, *b): YES for number, a in enumerate(ordered) for b in ordered[number + 1 :]}
    return mentions


def _coreference(outcomes: Parts) -> Coreference:
    kept = _marked(outcomes)
    mentions = _regions(key[1:] for key in kept if key[0] == "mention")
    ids = {(mention.start, mention.end): mention.id for mention in mentions}
    ends = [(key[1:3], key[3:5]) for key in kept if key[0] == "link"]
    links = (Relation(ids[tail], ids[head]) for head, tail in ends if head in ids and tail in ids)
    drawn = Coreference(mentions, tuple(links))
    order = {mention.id: number for number, mention in enumerate(mentions)}
    chains = [sorted(members, key=order.__getitem__) for members in drawn.clusters()]
    return Coreference(mentions, tuple(Relation(b, a) for chain in chains for a, b in pairwise(chain)))


def _tag_parts(label: Tags) -> Parts:
    return {("token", *place): tag for place, tag in places(label).items()}


def _tags(outcomes: Parts) -> Tags:
    """Tokens in order; of two that overlap, because annotators cut the text differently, the first."""
    kept: list[Mark] = []
    for (_, start, end), tag in sorted(outcomes.items()):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end, tag))
    return Tags(_regions(kept))


def _class(outcomes: Parts) -> Classes:
    chosen = outcomes.get(("class",), NO_CLASS)
    return Classes(() if chosen == NO_CLASS else (chosen,))


def _marked(outcomes: Parts) -> list[Key]:
    return sorted(key for key, answer in outcomes.items() if answer == YES)


def _regions(found: Iterable[tuple[Any, ...]]) -> tuple[Region, ...]:
    return tuple(Region(f"r{number}", start, end, label) for number, (start, end, label) in enumerate(sorted(found), start=1))


_CLASS = Anatomy(lambda label: {("class",): label.labels[0] if label.labels else NO_CLASS}, _class, open_ended=False)
_SETS = Anatomy(_set_parts, lambda outcomes: Classes(tuple(key[1] for key in _marked(outcomes))), open_ended=True)
_TAGS = Anatomy(_tag_parts, _tags, open_ended=False)
_ENTITIES = Anatomy(_entity_parts, _entities, open_ended=True)
_COREFERENCE = Anatomy(_coreference_parts, _coreference, open_ended=True)
