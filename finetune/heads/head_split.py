"""Which labelled texts a head is measured on: whole documents, groups and near-duplicates, the same ones as labels are added.

Texts that hang together are a component; components are ordered by a hash of what they are, and those that come first are
the test part. So more labels hardly move a text from one part to the other, and the next version is measured on what the one
before has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from doyen.core.errors import InputError
from doyen.core.manifest import short_id
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow
from doyen.core.text import normalise
from doyen.finetune.heads.head_examples import Item
from doyen.finetune.split import components

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
LARGEST = 1.5
"""A component of more than so many times what a part shall hold stays in training."""


@dataclass(frozen=True)
class Parts:
    """The texts of a head.

    Attributes:
        clusters: which document, group or text each test item belongs to: what a bootstrap draws whole.
    """

    train: list[Item]
    validation: list[Item]
    test: list[Item]
    clusters: list[str]

    def hashes(self) -> dict[str, list[str]]:
        """Return the hash of each text, by part."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: sorted(text_hash(item.text) for item in items) for name, items in parts.items()}


def text_hash(text: str) -> str:
    """Return what names a text, whatever its case and blanks."""
    return short_id("text", normalise(text))


def near_groups(store: Store) -> dict[str, str]:
    """Return the near-duplicate group of each document, by its source."""
    with store.session() as session:
        return {
            source: group or source for source, group in session.execute(select(DocumentRow.source, DocumentRow.near_group))
        }


def split_items(items: Sequence[Item], groups: Mapping[str, str]) -> Parts:
    """Return the parts; a text that no person labelled is in training, or left out where its component is set aside.

    Args:
        items: labelled texts, no two of them the same.
        groups: near-duplicate group of each document.

    Raises:
        InputError: all labelled texts hang together, so that none can be set aside.
    """
    # What ties pairs of a dataset ties texts here: document, group, and nearly the same words.
    pairs = [
        Pair(id=str(n), prompt=item.text, response="-", source=item.source, group=item.group) for n, item in enumerate(items)
    ]
    found = [(_name(part, items), part) for part in components(pairs, groups)]
    found.sort(key=lambda entry: short_id("component", entry[0]))
    labelled = [(name, [n for n in part if items[n].labels]) for name, part in found]
    total = sum(len(own) for _, own in labelled)
    test = _taken(labelled, TEST_SHARE * total)
    validation = _taken([entry for entry in labelled if entry[0] not in test], VALIDATION_SHARE * total)
    if not test:
        raise InputError(
            f"the {total} labelled texts hang together (one document, one group, or nearly the same words), so that none "
            "can be set aside to measure with: label texts of several documents"
        )
    parts: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
    for name, part in found:
        of = "test" if name in test else "validation" if name in validation else "train"
        parts[of] += [items[n] for n in part if items[n].labels or of == "train"]
    clusters = [name for name, own in labelled if name in test for _ in own]
    return Parts(parts["train"], parts["validation"], parts["test"], clusters)


def _taken(parts: Sequence[tuple[str, list[int]]], wished: float) -> set[str]:
    """Return the names of the first components that together hold about as many as wished; never all of them.

    Where all are larger than what is wished, it is the smallest.
    """
    filled = [(name, len(own)) for name, own in parts if own]
    chosen: set[str] = set()
    held = 0
    for name, size in filled[:-1]:
        if held < wished and held + size <= max(1.0, LARGEST * wished):
            chosen.add(name)
            held += size
    if not chosen and len(filled) > 1:
        chosen.add(min(filled, key=lambda entry: entry[1])[0])
    return chosen


def _name(part: Sequence[int], items: Sequence[Item]) -> str:
    return min(items[n].source or items[n].group or normalise(items[n].text) for n in part)
