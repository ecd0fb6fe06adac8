"""Splitting pairs so that nothing of a validation pair is in training: whole connected components change sides."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from doyen.core.records import Pair
from doyen.finetune.similarity import near_duplicate_pairs, request_words

VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Split:
    """Two lists of pairs, each in input order."""

    train: list[Pair]
    validation: list[Pair]


def pair_keys(pair: Pair, near_groups: dict[str, str]) -> list[Hashable]:
    """Return what ties a pair to others: its document's near-duplicate group and its labelling group."""
    keys: list[Hashable] = []
    if pair.source is not None:
        keys.append(("document", near_groups.get(pair.source, pair.source)))
    if pair.group is not None:
        keys.append(("group", pair.group))
    return keys


def components(pairs: Sequence[Pair], near_groups: dict[str, str]) -> list[list[int]]:
    """Return the indexes of pairs that hang together by document, group or near-duplicate prompt.

    Args:
        near_groups: near-duplicate group of each source.
    """
    parent = list(range(len(pairs)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    holder: dict[Hashable, int] = {}
    for index, pair in enumerate(pairs):
        for key in pair_keys(pair, near_groups):
            parent[find(index)] = find(holder.setdefault(key, index))
    prompts = [request_words(pair) for pair in pairs]
    for i, j in near_duplicate_pairs(prompts, prompts):
        parent[find(i)] = find(j)
    grouped: dict[int, list[int]] = defaultdict(list)
    for index in range(len(pairs)):
        grouped[find(index)].append(index)
    return sorted(grouped.values())


def split_pairs(pairs: Sequence[Pair], near_groups: dict[str, str], seed: int) -> Split:
    """Put about a tenth of the pairs aside for validation, answerable and unanswerable ones in proportion.

    A component that would make the validation part larger than one and a half times what was asked for stays in training;
    with a single component, all of it is training.
    """
    parts = components(pairs, near_groups)
    random.Random(seed).shuffle(parts)
    chosen: set[int] = set()
    for answerable in (True, False):
        kind = [part for part in parts if any(pairs[index].answerable for index in part) == answerable]
        wished = VALIDATION_SHARE * sum(len(part) for part in kind)
        taken = 0
        for part in kind[:-1]:
            if taken < wished and taken + len(part) <= max(1.0, 1.5 * wished):
                chosen |= set(part)
                taken += len(part)
    return Split(
        [pair for index, pair in enumerate(pairs) if index not in chosen],
        [pair for index, pair in enumerate(pairs) if index in chosen],
    )
