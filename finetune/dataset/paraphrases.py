"""Pairs that ask the same in other words, so that a split can hold them together.

The leak check has its own rules, which are stricter in what they call the same, and shares nothing with these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from doyen.core.records import Pair, Question
from doyen.finetune.dataset.filters import text_of
from doyen.finetune.similarity import numbers, request_words, same_answer

SAME_QUESTION = 0.82
"""Cosine from which two prompts with the same answer are held together."""
SAME_TEXT = 0.94
"""Cosine from which two prompts are, whatever the answer."""
SPELLING = 0.85
"""Share of equal letters from which two prompts are, however their spelling moves their vectors."""
CLOSE = 0.5
"""Cosine below which the letters are not compared."""
CLASS = 5
"""A response that more pairs share is a label, and says nothing of what was asked."""
BLOCK = 1000


def same_questions(
    pairs: Sequence[Pair],
    others: Sequence[Pair | Question] | None,
    encode: Callable[[Sequence[str]], NDArray[np.float32]],
) -> list[tuple[int, int]]:
    """Return all ``(i, j)`` of a pair and another that ask the same in other words.

    Args:
        others: what the pairs are compared with; None compares them with each other, and ``i < j``.
        encode: returns unit vectors of texts.
    """
    rows: Sequence[Pair | Question] = pairs if others is None else others
    if not pairs or not rows:
        return []
    left, right = [_text(row) for row in pairs], [_text(row) for row in rows]
    one, other = encode(left), encode(right)
    counts = Counter(answer for row in {id(row): row for row in (*pairs, *rows)}.values() for answer in set(_answers(row)))
    found = []
    for start in range(0, len(left), BLOCK):
        cosines = one[start : start + BLOCK] @ other.T
        for row, j in zip(*np.nonzero(cosines >= CLOSE), strict=True):
            i = start + int(row)
            if (others is not None or i < j) and _alike(pairs[i], rows[j], float(cosines[row, j]), counts):
                found.append((i, int(j)))
    return found


def _alike(pair: Pair, row: Pair | Question, cosine: float, counts: Counter[str]) -> bool:
    if numbers(request_words(pair)) != numbers(request_words(row)):
        return False
    if cosine >= SAME_TEXT:
        return True
    if SequenceMatcher(None, _text(pair).casefold(), _text(row).casefold()).quick_ratio() >= SPELLING:
        return SequenceMatcher(None, _text(pair).casefold(), _text(row).casefold()).ratio() >= SPELLING
    told = counts[pair.response] <= CLASS and pair.answerable
    return told and cosine >= SAME_QUESTION and any(same_answer(pair.response, answer) for answer in _answers(row))


def _text(row: Pair | Question) -> str:
    earlier = [turn.content for turn in row.history if turn.role == "user"][-1:]
    return "\n".join([*earlier, text_of(row) if isinstance(row, Pair) else row.question])


def _answers(row: Pair | Question) -> Sequence[str]:
    return [row.response] if isinstance(row, Pair) else row.answers
