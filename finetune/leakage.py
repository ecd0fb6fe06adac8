"""The proof that a dataset leaks nothing: neither between its parts nor from frozen evaluation questions."""

from __future__ import annotations

from collections.abc import Sequence

from doyen.finetune.similarity import near_duplicate_pairs, request_words
from doyen.finetune.split import Split, pair_keys
from doyen.platform.core.records import Question


def find_leaks(split: Split, near_groups: dict[str, str], questions: Sequence[Question] = ()) -> list[str]:
    """Return one sentence for each leak; an empty list proves that there is none.

    Checked without the code that makes the split: every key and every prompt is compared directly.

    Args:
        near_groups: near-duplicate group of each source.
        questions: frozen questions that no prompt may nearly repeat.
    """
    leaks: list[str] = []
    trained = {key: pair.id for pair in split.train for key in pair_keys(pair, near_groups)}
    for pair in split.validation:
        shared = [key for key in pair_keys(pair, near_groups) if key in trained]
        leaks += [f"validation pair {pair.id!r} shares {key!r} with training pair {trained[key]!r}" for key in shared]
    train = [request_words(pair) for pair in split.train]
    validation = [request_words(pair) for pair in split.validation]
    for i, j in near_duplicate_pairs(validation, train):
        leaks.append(f"validation pair {split.validation[i].id!r} asks nearly what training pair {split.train[j].id!r} asks")
    frozen = [request_words(question) for question in questions]
    for part, prompts in ((split.train, train), (split.validation, validation)):
        for i, j in near_duplicate_pairs(prompts, frozen):
            leaks.append(f"pair {part[i].id!r} asks nearly the frozen question {questions[j].id!r}")
    return leaks
