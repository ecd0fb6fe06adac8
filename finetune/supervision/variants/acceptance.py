"""Which variants are good for training: not mere copies, still about the same thing, and with the same answer."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from doyen.core.quantities import find_values
from doyen.core.records import TEXT_MARK, Pair
from doyen.core.text import question_hash, words
from doyen.finetune.similarity import content_words, same_answer

UNCHANGED, COPY, CHANGED, LEAK = "unchanged", "copy", "changed", "leak"
"""Reasons for which a variant is left out: there was nothing to change; it differs in marks and capitals alone or repeats
another pair; it may no longer have its parent's answer; it is in another part, or a frozen question, too."""
LEAST_SIMILARITY = 0.8
"""Cosine similarity to its parent that a variant written by a model must have."""
MOST_LONGER = 2
"""How many times as long as its parent, and two words more, such a variant may be."""
MOST_QUOTED = 0.8
"""Where a response holds more of a text's words than this it tags them one by one, and no word may change."""
_NEGATING = (
    "no not never none nothing nobody without cannot unable neither nor except unless don't doesn't didn't isn't aren't "
    "wasn't weren't can't won't haven't hasn't"
)
_NEGATIONS = frozenset(_NEGATING.split())
_DIGITS = re.compile(r"\d+")

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def varied_text(pair: Pair) -> str:
    """Return what of a prompt is varied: the question, or the text of a labelling task."""
    _, mark, text = pair.prompt.partition(TEXT_MARK)
    return text if mark else pair.prompt


class Acceptance:
    """Judges variants of pairs one after another; what was accepted counts as a pair.

    Args:
        pairs: all pairs of the dataset.
        embed: makes vectors of texts, for variants that a model wrote.
    """

    def __init__(self, pairs: Sequence[Pair], embed: Embed | None) -> None:
        self._embed = embed
        self._seen = {_asked(pair) for pair in pairs}
        self._pairs = list(pairs)
        self._words = [content_words(varied_text(pair)) for pair in pairs]
        self._holders: dict[str, list[int]] = defaultdict(list)
        for place, own in enumerate(self._words):
            for word in own:
                self._holders[word].append(place)

    def refusal(self, parent: Pair, variant: Pair, *, by_model: bool) -> str | None:
        """Return why a variant is left out, or None to accept it.

        A variant with another response was given it together with its words: it is left out as a copy only.
        """
        old, new = varied_text(parent), varied_text(variant)
        if new == old:
            return UNCHANGED
        if not new.strip() or _asked(variant) in self._seen:
            return COPY
        if variant.response == parent.response and (reason := self._changed(parent, old, new, by_model=by_model)):
            return reason
        self._seen.add(_asked(variant))
        return None

    def _changed(self, parent: Pair, old: str, new: str, *, by_model: bool) -> str | None:
        if _values_changed(old, new) or _negations(old) != _negations(new) or _quotes_changed(parent, old, new):
            return CHANGED
        if self._nearer_to_another(parent, old, new):
            return CHANGED
        if by_model and _talks_about_the_question(old, new):
            return CHANGED
        if by_model and self._embed is not None:
            one, other = self._embed([old, new])
            if float(one @ other) < LEAST_SIMILARITY:
                return CHANGED
        return None

    def _nearer_to_another(self, parent: Pair, old: str, new: str) -> bool:
        """Whether the variant shares more words with a pair of another answer than with its parent."""
        own = content_words(new)
        to_parent = _overlap(own, content_words(old))
        shared = Counter(place for word in own for place in self._holders.get(word, ()))
        for place, count in shared.items():
            likeness = count / (len(own) + len(self._words[place]) - count)
            other = self._pairs[place]
            if likeness > to_parent and other.id != parent.id and not same_answer(other.response, parent.response):
                return True
        return False


def _talks_about_the_question(old: str, new: str) -> bool:
    """Whether a model quotes or announces the question, as in 'Here is the question: "…"', or repeats what it was told."""
    longer = len(new.split()) > MOST_LONGER * len(old.split()) + 2
    return longer or any(mark in new and mark not in old for mark in ('"', "“", ": ", "in other words"))


def _asked(pair: Pair) -> str:
    return question_hash(" ".join([*(turn.content for turn in pair.history), pair.prompt]))


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(len(a | b), 1)


def _values_changed(old: str, new: str) -> bool:
    """Whether a code, number or name is missing, or digits are new; people write names in small letters."""
    said = new.casefold()
    values = [old[start:end].casefold() for start, end in find_values(old)]
    return any(value not in said for value in values) or Counter(_DIGITS.findall(old)) != Counter(_DIGITS.findall(new))


def _negations(text: str) -> int:
    return sum(word in _NEGATIONS for word in words(text.replace("’", "'"), whole="codes"))


def _quotes_changed(parent: Pair, old: str, new: str) -> bool:
    """Whether words of a labelled text that its label quotes are no longer there as often."""
    if TEXT_MARK not in parent.prompt:
        return False
    before, after = Counter(words(old)), Counter(words(new))
    quoted = [word for word in words(parent.response) if word in before]
    if sum(before[word] for word in set(quoted)) > MOST_QUOTED * before.total():
        return before != after
    return any(before[word] != after[word] for word in quoted)
