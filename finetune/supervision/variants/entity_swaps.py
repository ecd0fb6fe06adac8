"""Other entities in the same sentences: marked stretches are exchanged for others of their label, and every offset moves along.

    Replace the [sample pump PART] every [4,000 h INTERVAL].
    Replace the [heated line PART] every [2,000 h INTERVAL].

Numbers in a marked stretch that no other stretch of its label can stand for get other digits.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from doyen.annotation.types.typed_labels import Entities, LabelledText, Region

_DIGIT = re.compile(r"\d")


def stretches_by_label(labelled: Iterable[LabelledText]) -> dict[str, list[str]]:
    """Return the marked words of each label, each once, in order."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for item in labelled:
        for region in item.label.stretches():
            found[region.label].setdefault(item.text[region.start : region.end])
    return {label: list(words) for label, words in found.items()}


def swap_entities(item: LabelledText, others: Mapping[str, Sequence[str]], draw: random.Random) -> LabelledText | None:
    """Return the text with other entities in the place of its own, marked as they were.

    The same words get the same other words everywhere in the text. Texts whose entities overlap are left alone: they cannot
    be exchanged one by one.

    Args:
        others: label → words that can stand for entities of that label.

    Returns:
        None where nothing can be exchanged, or the label marks no entities.
    """
    label = item.label
    if not isinstance(label, Entities):
        return None
    regions = sorted(label.regions, key=lambda region: (region.start, region.end))
    if any(before.end > after.start for before, after in pairwise(regions)):
        return None
    chosen: dict[tuple[str, str], str] = {}
    for region in regions:
        words = item.text[region.start : region.end]
        chosen.setdefault((region.label, words), _other(words, others.get(region.label, ()), draw))
    if all(words == other for (_, words), other in chosen.items()):
        return None
    text, moved = _rewrite(item.text, regions, chosen)
    return replace(item, text=text, label=Entities(moved, label.relations))


def _other(words: str, others: Sequence[str], draw: random.Random) -> str:
    fitting = [other for other in others if other != words and other.strip()]
    if fitting:
        return draw.choice(fitting)
    return _DIGIT.sub(lambda match: match.group() if match.group() == "0" else draw.choice("123456789"), words)


def _rewrite(text: str, regions: Sequence[Region], chosen: Mapping[tuple[str, str], str]) -> tuple[str, tuple[Region, ...]]:
    """Return the text with the chosen words, and the regions at their new places, in the order of the text."""
    parts: list[str] = []
    moved: list[Region] = []
    done = length = 0
    for region in regions:
        between = text[done : region.start]
        words = chosen[region.label, text[region.start : region.end]]
        start = length + len(between)
        parts += [between, words]
        length, done = start + len(words), region.end
        moved.append(replace(region, start=start, end=length))
    return "".join(parts) + text[done:], tuple(moved)
