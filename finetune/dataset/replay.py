"""Mixing general pairs into training, so that less of what the model could do before is forgotten."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from doyen.core.errors import InputError
from doyen.core.records import Pair, Question
from doyen.core.settings import DatasetSettings
from doyen.finetune.similarity import near_duplicate_pairs, request_words
from doyen.finetune.split import Split

if TYPE_CHECKING:
    from doyen.finetune.dataset.labels import Cleaned

PREFIX = "replay:"
"""Before the id of a general pair."""


def is_replayed(pair: Pair) -> bool:
    """Return whether a pair of a dataset is a general one."""
    return pair.id.startswith(PREFIX)


def mix_in(
    general: Sequence[Pair],
    split: Split,
    cleaned: Cleaned,
    frozen: Sequence[Question],
    recipe: DatasetSettings,
    seed: int,
) -> Split:
    """Return the split with general pairs behind the training part, the recipe's share of it, drawn by the seed.

    General pairs that nearly repeat a frozen question or a held-out prompt are left out. They name no document here.

    Raises:
        InputError: none of the general pairs is left.
    """
    if not general:
        return split
    rows: list[Pair | Question] = [*frozen, *split.validation, *split.test]
    held_out = [request_words(row) for row in rows]
    asked = {i for i, _ in near_duplicate_pairs([request_words(pair) for pair in general], held_out)}
    usable = [pair for place, pair in enumerate(general) if place not in asked]
    if not usable:
        raise InputError(f"all {len(general)} general pairs repeat held-out prompts: name others with --replay")
    wanted = round(recipe.replay_share / (1 - recipe.replay_share) * len(split.train))
    drawn = random.Random(seed).sample(usable, min(wanted, len(usable)))
    short = f", fewer than the {wanted} that were asked for" if wanted > len(drawn) else ""
    left_out = f"; {len(asked)} repeat held-out prompts and were left out" if asked else ""
    cleaned.notes.append(f"{len(drawn)} general pairs were mixed into training{short}{left_out}")
    unsourced: dict[str, Any] = {"source": None, "evidence": [], "group": None}
    renamed = [pair.model_copy(update={"id": f"{PREFIX}{pair.id}", **unsourced}) for pair in drawn]
    return Split([*split.train, *renamed], split.validation, split.test)
