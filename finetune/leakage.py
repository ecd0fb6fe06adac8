"""The proof that a dataset leaks nothing: neither between its parts nor from frozen evaluation questions.

Nothing here is shared with the code that makes the split, so that a fault there cannot hide itself. The check is the
stricter one in what it calls a leak: of prompts that merely resemble each other the splitter errs on the safe side.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from doyen.core.records import TEXT_MARK, Pair, Question
from doyen.finetune.split import Split

SAME_PROMPT = 0.95
"""Share of common words from which two prompts with the same figures are one. Where a single word differs it takes a
prompt of forty words to get there, and the splitter holds such prompts together already at 0.75."""


def find_leaks(split: Split, near_groups: dict[str, str], questions: Sequence[Question] = ()) -> list[str]:
    """Return one sentence for each leak; an empty list proves that there is none.

    Args:
        near_groups: near-duplicate group of each source.
        questions: frozen questions that no prompt may repeat.
    """
    leaks = [
        f"validation pair {pair.id!r} shares its {what} {key!r} with training pair {other.id!r}"
        for what, train, validation in (
            ("document", _by_document(split.train, near_groups), _by_document(split.validation, near_groups)),
            ("group", _by_group(split.train), _by_group(split.validation)),
        )
        for key in validation.keys() & train.keys()
        for pair in validation[key]
        for other in train[key][:1]
    ]
    for pair, other in _same_prompts(split.validation, split.train):
        leaks.append(f"validation pair {pair.id!r} asks what training pair {other.id!r} asks")
    for pair, question in _same_prompts([*split.train, *split.validation], questions):
        leaks.append(f"pair {pair.id!r} asks the frozen question {question.id!r}")
    return leaks


def _by_document(pairs: Iterable[Pair], near_groups: dict[str, str]) -> dict[str, list[Pair]]:
    found = defaultdict(list)
    for pair in pairs:
        if pair.source is not None:
            found[near_groups.get(pair.source, pair.source)].append(pair)
    return found


def _by_group(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    found = defaultdict(list)
    for pair in pairs:
        if pair.group is not None:
            found[pair.group].append(pair)
    return found


def _same_prompts(left: Sequence[Pair], right: Sequence[Pair | Question]) -> Iterator[tuple[Pair, Pair | Question]]:
    """Yield the prompts of both sides that are one: of equal words, or long and of nearly equal ones."""
    there = [(_prompt_words(item), item) for item in right]
    equal = defaultdict(list)
    for words, item in there:
        equal[words].append(item)
    long = [(words, item) for words, item in there if len(words) * (1 - SAME_PROMPT) >= 1]
    for pair in left:
        own = _prompt_words(pair)
        for item in equal.get(own, ()):
            yield pair, item
        for words, item in long:
            if words != own and _nearly_equal(own, words):
                yield pair, item


def _nearly_equal(a: frozenset[str], b: frozenset[str]) -> bool:
    if min(len(a), len(b)) < SAME_PROMPT * max(len(a), len(b)) or len(a & b) < SAME_PROMPT * len(a | b):
        return False
    return not any(character.isdigit() for word in a ^ b for character in word)


def _prompt_words(request: Pair | Question) -> frozenset[str]:
    """Return the words of a prompt between blanks, case and outer punctuation apart, with those of the user's turn before."""
    prompt = request.prompt if isinstance(request, Pair) else request.question
    turns = [turn.content for turn in request.history if turn.role == "user"][-1:]
    text = unicodedata.normalize("NFKC", " ".join([*turns, prompt.rpartition(TEXT_MARK)[2]])).casefold()
    words = map(_without_outer_marks, text.split())
    return frozenset(word for word in words if word)


def _without_outer_marks(word: str) -> str:
    letters = [place for place, character in enumerate(word) if character.isalnum()]
    return word[letters[0] : letters[-1] + 1] if letters else ""
