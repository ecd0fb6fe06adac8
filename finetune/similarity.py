"""When two questions or two answers count as the same: rules shared by deduplication, splitting and the leak check."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from math import ceil

from doyen.core.records import TEXT_MARK, Pair, Question
from doyen.core.text import token_f1, words

NEAR_DUPLICATE = 0.75
"""Jaccard similarity of word sets from which two questions about the same numbers and codes are near-duplicates."""
SAME_ANSWER = 0.5
"""Token F1 from which two answers with the same numbers say the same."""

_FILLER_WORDS = "a an the of in on at to for is are was were be do does did has have had it its this that"
_FILLER = frozenset(_FILLER_WORDS.split())


def request_words(request: Pair | Question) -> frozenset[str]:
    """Return the set of words that a question asks with; a follow-up includes the user's last turn.

    Of a labelling task, the text alone counts: the instruction is the same for all, and would make all texts alike.
    """
    prompt = request.prompt if isinstance(request, Pair) else request.question
    _, mark, text = prompt.partition(TEXT_MARK)
    prompt = text if mark else prompt
    earlier = [turn.content for turn in request.history if turn.role == "user"][-1:]
    return content_words(" ".join([*earlier, prompt]))


def numbers(items: Sequence[str] | frozenset[str]) -> frozenset[str]:
    """Return the words that hold a digit."""
    return frozenset(item for item in items if any(character.isdigit() for character in item))


def near_duplicates(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two word sets are one question in two wordings: same numbers and codes, nearly the same words."""
    return numbers(a) == numbers(b) and len(a & b) >= NEAR_DUPLICATE * len(a | b)


def near_duplicate_pairs(left: Sequence[frozenset[str]], right: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """Return all ``(i, j)`` with ``left[i]`` and ``right[j]`` near-duplicates, ordered.

    Exact and fast by prefix filtering (Bayardo et al., "Scaling Up All Pairs Similarity Search", 2007): two sets that
    similar share a word among the rarest few of each.
    """
    frequency = Counter(word for items in (*left, *right) for word in items)

    def rarest(items: frozenset[str]) -> list[str]:
        ordered = sorted(items, key=lambda word: (frequency[word], word))
        return ordered[: len(ordered) - ceil(NEAR_DUPLICATE * len(ordered)) + 1]

    holders: dict[str, list[int]] = defaultdict(list)
    for j, items in enumerate(right):
        for word in rarest(items):
            holders[word].append(j)
    found = []
    for i, items in enumerate(left):
        candidates = {j for word in rarest(items) for j in holders[word]}
        found += [(i, j) for j in sorted(candidates) if near_duplicates(items, right[j])]
    return found


@lru_cache(maxsize=16_384)
def content_words(text: str) -> frozenset[str]:
    """Return the set of a text's words that are not mere grammar; of a text that is nothing else, all of them."""
    found = frozenset(words(text, whole="codes"))
    return found - _FILLER or found


def same_answer(a: str, b: str) -> bool:
    """Whether two responses agree: one's numbers include the other's, and the words overlap or one holds the other."""
    first, second = set(words(a, whole="codes")), set(words(b, whole="codes"))
    if first <= second or second <= first:
        return True
    digits_a, digits_b = numbers(frozenset(first)), numbers(frozenset(second))
    return (digits_a <= digits_b or digits_b <= digits_a) and token_f1(a, b) >= SAME_ANSWER
