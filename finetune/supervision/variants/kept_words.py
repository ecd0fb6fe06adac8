"""The words of a question that a variant may change: not its codes, numbers and names, which the answer hangs on."""

from __future__ import annotations

import re

from doyen.core.quantities import find_values

_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")


def free_words(text: str) -> list[tuple[int, int]]:
    """Return where the words stand that are no part of a code, number or name, from left to right."""
    values = find_values(text)
    places = [match.span() for match in _WORD.finditer(text)]
    return [place for place in places if not any(start < place[1] and place[0] < end for start, end in values)]


def replace_at(text: str, changes: dict[tuple[int, int], str]) -> str:
    """Return the text with other words at some places, which do not overlap."""
    for (start, end), word in sorted(changes.items(), reverse=True):
        text = text[:start] + word + text[end:]
    return text


def like(word: str, other: str) -> str:
    """Return the other word with a capital where this one has one."""
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
