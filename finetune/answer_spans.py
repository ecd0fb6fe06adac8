"""Where an answer that a person wrote stands in a passage: the stretch of the quoted evidence that says the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from doyen.core.records import Pair

LEAST_F1 = 0.5
"""Token F1 with the response from which a stretch counts as the answer; below, only the passage is known to answer."""
MAX_SPAN_WORDS = 30
_WORD = re.compile(r"[^\s]+")
_EDGES = " \t\n.,;:!?\"'()[]“”‘’"


def answer_span(pair: Pair, text: str) -> tuple[int, int] | None:
    """Return start and end of a pair's answer in a passage that holds its evidence, None where it stands there in other words.

    The response itself is looked for first, then the stretch of the evidence that shares most words with it.
    """
    regions = [found for quote in pair.evidence if (found := find_quote(quote, text))] or [(0, len(text))]
    for start, end in regions:
        if found := find_quote(pair.response.strip(_EDGES), text[start:end]):
            return start + found[0], start + found[1]
    return _best_run(_words(pair.response), text, regions)


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Return where a text holds a quote as whole words and numbers, but for case and white space."""
    parts = quote.split()
    if not parts:
        return None
    before = r"(?<!\w)(?<!\d[.,])" if parts[0][0].isalnum() else ""
    after = r"(?!\w|[.,]\d)" if parts[-1][-1].isalnum() else ""
    match = re.search(before + r"\s+".join(map(re.escape, parts)) + after, text, re.IGNORECASE)
    return match.span() if match else None


def _best_run(wanted: Counter[str], text: str, regions: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    best, place = 0.0, None
    for start, end in regions:
        found = [(match.start(), match.end(), _word(match.group())) for match in _WORD.finditer(text, start, end)]
        for first in range(len(found)):
            shared, left = 0, wanted.copy()
            for last in range(first, min(len(found), first + MAX_SPAN_WORDS)):
                word = found[last][2]
                if word and left[word] > 0:
                    left[word] -= 1
                    shared += 1
                f1 = 2 * shared / (last - first + 1 + wanted.total())
                if f1 > best:
                    best, place = f1, (found[first][0], found[last][1])
    return _trimmed(text, *place) if place and best >= LEAST_F1 else None


def _words(text: str) -> Counter[str]:
    return Counter(_word(match.group()) for match in _WORD.finditer(text))


def _word(text: str) -> str:
    return text.strip(_EDGES).casefold()


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out the marks around a stretch."""
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip(_EDGES)), end - (len(inner) - len(inner.rstrip(_EDGES)))
