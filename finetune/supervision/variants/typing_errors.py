"""Typing errors: neighbouring keys, letters left out, doubled or exchanged. Codes, numbers and names stay as they are."""

from __future__ import annotations

import random

from doyen.finetune.supervision.variants.kept_words import free_words, replace_at

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
LEAST_LETTERS = 4
"""Shorter words are read by their shape: an error makes another word of them."""
SHARE = 0.2
"""Share of the longer words that get an error, at least one."""


def _neighbours() -> dict[str, str]:
    near: dict[str, str] = {}
    for row in ROWS:
        for place, letter in enumerate(row):
            near[letter] = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    return near


NEIGHBOURS = _neighbours()


def mistype(text: str, draw: random.Random) -> str:
    """Return the text with typing errors; unchanged where it has no word that is long enough."""
    long = [place for place in free_words(text) if place[1] - place[0] >= LEAST_LETTERS]
    chosen = draw.sample(long, min(len(long), max(1, round(SHARE * len(long)))))
    return replace_at(text, {(start, end): _slip(text[start:end], draw) for start, end in chosen})


def _slip(word: str, draw: random.Random) -> str:
    """Return a word with one error, not in its first letter: people see that at once."""
    at = draw.choice([place for place in range(1, len(word) - 1) if word[place].isalpha()])
    kind = draw.choice(("neighbour", "left out", "doubled", "exchanged"))
    if kind == "neighbour" and word[at].lower() in NEIGHBOURS:
        return word[:at] + draw.choice(NEIGHBOURS[word[at].lower()]) + word[at + 1 :]
    if kind == "left out":
        return word[:at] + word[at + 1 :]
    if kind == "exchanged" and word[at + 1].isalpha() and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at] + word[at:]
