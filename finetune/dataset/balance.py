"""Classes of a dataset: which pairs are of one, how many each has, and a limit to how unequal training may be."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from doyen.core.records import TEXT_MARK, Pair
from doyen.core.settings import DatasetSettings
from doyen.finetune.split import Split

if TYPE_CHECKING:
    from doyen.finetune.dataset.labels import Cleaned

MEMBERS = 4
"""Pairs that a response has on average where responses are the labels of a classification."""
LABEL_WORDS = 6
"""Words that such a label has at most."""


def classes_of(pairs: Sequence[Pair]) -> list[str]:
    """Return the class of each pair: the label of a classification, else whether there is an answer."""
    if is_classification(pairs):
        return [pair.response for pair in pairs]
    return ["answerable" if pair.answerable else "unanswerable" for pair in pairs]


def is_classification(pairs: Sequence[Pair]) -> bool:
    """Whether the responses are labels: few, short and each shared by many pairs."""
    responses = Counter(pair.response for pair in pairs if pair.answerable)
    if not responses:
        return False
    labelling = all(TEXT_MARK in pair.prompt for pair in pairs)
    short = all(len(response.split()) <= LABEL_WORDS for response in responses)
    return short and len(responses) > 1 and responses.total() >= (2 if labelling else MEMBERS) * len(responses)


def balance_training(split: Split, cleaned: Cleaned, recipe: DatasetSettings, seed: int) -> Split:
    """Return the split with no class of the training part larger than the recipe's multiple of the smallest.

    What is left out is drawn by a hash of seed and id, so that more pairs of another class hardly move the choice.
    """
    if recipe.balance is None:
        return split
    members: dict[str, list[Pair]] = defaultdict(list)
    for pair, name in zip(split.train, classes_of(split.train), strict=True):
        members[name].append(pair)
    most = max(1, int(recipe.balance * min(map(len, members.values()), default=0)))
    reasons: dict[str, str] = {}
    for name, pairs in members.items():
        drawn = sorted(pairs, key=lambda pair: hashlib.sha256(f"{seed}:{pair.id}".encode()).hexdigest())
        reasons |= {pair.id: f"class {name!r} has more than {most} pairs" for pair in drawn[most:]}
    cleaned.drop("balance", reasons)
    return Split([pair for pair in split.train if pair.id not in reasons], split.validation, split.test)
