"""Splitting pairs so that nothing of a validation or test pair is in training: whole connected components change sides."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from doyen.core.errors import InputError
from doyen.core.records import Pair
from doyen.core.settings import DatasetSettings
from doyen.finetune.similarity import near_duplicate_pairs, request_words

DEFAULT = DatasetSettings()


@dataclass(frozen=True)
class Split:
    """The parts of a dataset, each in input order; test is empty where none was asked for."""

    train: list[Pair]
    validation: list[Pair]
    test: list[Pair] = field(default_factory=list)


def pair_keys(pair: Pair, near_groups: Mapping[str, str], *, by_document: bool = True) -> list[Hashable]:
    """Return what ties a pair to others: its document's near-duplicate group and its labelling group."""
    keys: list[Hashable] = []
    if by_document and pair.source is not None:
        keys.append(("document", near_groups.get(pair.source, pair.source)))
    if pair.group is not None:
        keys.append(("group", pair.group))
    return keys


def components(
    pairs: Sequence[Pair],
    near_groups: Mapping[str, str],
    *,
    by_document: bool = True,
    together: Sequence[tuple[int, int]] = (),
) -> list[list[int]]:
    """Return the indexes of pairs that hang together by document, group or near-duplicate prompt.

    Args:
        near_groups: near-duplicate group of each source.
        by_document: whether documents tie their pairs.
        together: indexes of pairs that are tied for other reasons.
    """
    parent = list(range(len(pairs)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    holder: dict[Hashable, int] = {}
    for index, pair in enumerate(pairs):
        for key in pair_keys(pair, near_groups, by_document=by_document):
            parent[find(index)] = find(holder.setdefault(key, index))
    prompts = [request_words(pair) for pair in pairs]
    for i, j in [*near_duplicate_pairs(prompts, prompts), *together]:
        parent[find(i)] = find(j)
    grouped: dict[int, list[int]] = defaultdict(list)
    for index in range(len(pairs)):
        grouped[find(index)].append(index)
    return sorted(grouped.values())


def split_pairs(
    pairs: Sequence[Pair],
    near_groups: Mapping[str, str],
    seed: int,
    recipe: DatasetSettings = DEFAULT,
    together: Sequence[tuple[int, int]] = (),
) -> Split:
    """Put pairs aside for validation and test, a tenth for validation if nothing else is asked for.

    A component that would make a part larger than one and a half times what was asked for stays in training; with a single
    component, all of it is training.

    Args:
        recipe: how to split, what every part holds in proportion, and how large the parts are.
        together: indexes of pairs that no split may part.
    """
    parts = components(pairs, near_groups, by_document=recipe.split == "document", together=together)
    if recipe.split == "time":
        validation, test = _newest(parts, pairs, recipe)
    else:
        random.Random(seed).shuffle(parts)
        validation = _share(parts, pairs, recipe.validation_share, recipe.stratify)
        rest = [part for part in parts if part[0] not in validation]
        test = _share(rest, pairs, recipe.test_share / (1 - recipe.validation_share), recipe.stratify)
    return assigned(pairs, {**dict.fromkeys(validation, "validation"), **dict.fromkeys(test, "test")})


def assigned(pairs: Sequence[Pair], parts: Mapping[int, str]) -> Split:
    """Return the split that says of indexes whether they are validation or test; the others are training."""

    def of(part: str) -> list[Pair]:
        return [pair for index, pair in enumerate(pairs) if parts.get(index, "train") == part]

    return Split(of("train"), of("validation"), of("test"))


def _share(parts: Sequence[list[int]], pairs: Sequence[Pair], share: float, stratify: str) -> set[int]:
    """Return indexes of about a share of the pairs, whole components, each stratum in proportion."""
    chosen: set[int] = set()
    for members in _strata(pairs, stratify):
        kind = [part for part in parts if not members.isdisjoint(part)]
        wished = share * sum(len(part) for part in kind)
        taken = 0
        for part in kind[:-1]:
            if taken < wished and taken + len(part) <= max(1.0, 1.5 * wished):
                chosen |= set(part)
                taken += len(part)
    return chosen


def _strata(pairs: Sequence[Pair], stratify: str) -> list[set[int]]:
    """Return the indexes of each stratum: the answerable and the unanswerable pairs, or those of each response."""
    found: dict[Hashable, set[int]] = {True: set(), False: set()} if stratify == "answerable" else {}
    for index, pair in enumerate(pairs):
        found.setdefault(pair.answerable if stratify == "answerable" else pair.response, set()).add(index)
    return list(found.values())


def _newest(parts: Sequence[list[int]], pairs: Sequence[Pair], recipe: DatasetSettings) -> tuple[set[int], set[int]]:
    """Return the indexes of validation and test: the newest components are test, those before them validation.

    A component is as new as its newest pair, so that training holds nothing newer than either.
    """
    dated = sorted(((max(created_at(pairs[index]) for index in part), part) for part in parts), key=lambda item: item[0])
    aside: list[set[int]] = []
    for share in (recipe.test_share, recipe.validation_share):
        chosen: set[int] = set()
        while len(dated) > 1 and len(chosen) < share * len(pairs):
            chosen |= set(dated.pop()[1])
        aside.append(chosen)
    return aside[1], aside[0]


def created_at(pair: Pair) -> datetime:
    """Return when a pair was labelled, in UTC; without a date, the beginning of time.

    Raises:
        InputError: the date is not ISO 8601.
    """
    if pair.created_at is None:
        return datetime.min.replace(tzinfo=UTC)
    try:
        found = datetime.fromisoformat(pair.created_at)
    except ValueError as error:
        raise InputError(f"pair {pair.id!r} has the date {pair.created_at!r}: write it as 2026-11-28T09:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
