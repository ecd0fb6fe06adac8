"""Words as the lexical index knows them: folded, stemmed, with part codes and numbers kept whole and in parts."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import Stemmer

from doyen.core.text import MARKS, UNSPACED

MAX_TOKEN = 40
"""Longer runs (base64, long URLs) are cut: they would only widen the vocabulary."""

_STOPWORDS = """
a about all also am an and any are as at be because been being but by can could d did do does doing for from had has
have having he her here hers him his how i if in into is it its itself just ll me my of on or our ours please re s she
should so some such t tell than that the their theirs them then there these they this those to too us ve very was we
were what when where which while who whom whose why will with would you your yours
"""
STOPWORDS = frozenset(_STOPWORDS.split())

_RUN = rf"{UNSPACED}가-힯"  # Korean too: its words carry endings
_LETTERS = rf"[^\W_{_RUN}]+(?:[{MARKS}]+[^\W_{_RUN}]*)*"
_COMPOUND = re.compile(rf"[{_RUN}]+|{_LETTERS}(?:[-._/:,+'’]{_LETTERS})*")
_IS_RUN = re.compile(rf"[{_RUN}]")
_SEPARATORS = re.compile(r"[-._/:,+'’]")
_ENGLISH = Stemmer.Stemmer("english")


def tokens(text: str, *, stopwords: bool = True) -> list[str]:
    """Return the tokens of a text in order.

    ``AB-1234`` gives ``ab``, ``1234`` and ``ab1234``, so that it is found as a whole, in parts and however it is
    punctuated; ``3.5`` gives ``3``, ``5`` and ``3.5``; ``1,000`` gives ``1000``. Runs of scripts without blanks between
    words, and of Korean, give overlapping pairs of characters.

    Args:
        text: any text.
        stopwords: leave out English function and question words.
    """
    found: list[str] = []
    for match in _COMPOUND.finditer(fold(text)):
        found.extend(_forms(match.group()))
    return [token for token in found if token not in STOPWORDS] if stopwords else found


def likeness(one: str, other: str) -> float:
    """Return how alike two texts are: the Dice coefficient of their distinct tokens, 0 to 1."""
    mine, theirs = set(tokens(one)), set(tokens(other))
    return 2 * len(mine & theirs) / (len(mine) + len(theirs)) if mine and theirs else 0.0


def fold(text: str) -> str:
    """Return the text in compatibility form, lower case and without accents (the length may change)."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f"))


@lru_cache(maxsize=200_000)
def _forms(compound: str) -> tuple[str, ...]:
    """Return the tokens of one run of letters and digits with inner punctuation, already folded."""
    if _IS_RUN.match(compound):
        pairs = [compound[at : at + 2] for at in range(len(compound) - 1)]
        return tuple(pairs or [compound])
    parts = _SEPARATORS.split(compound)
    if len(parts) == 1:
        return (_stem(compound),)
    if "'" in compound or "’" in compound:
        return tuple(_stem(part) for part in parts)
    if all(part.isdigit() for part in parts):
        if "," in compound and all(len(part) == 3 for part in parts[1:]):
            return ("".join(parts),)
        return (*parts, compound[:MAX_TOKEN])
    return (*(_stem(part) for part in parts), "".join(parts)[:MAX_TOKEN])


def _stem(word: str) -> str:
    if word in STOPWORDS or any(char.isdigit() for char in word):
        return word[:MAX_TOKEN]
    return str(_ENGLISH.stemWord(word))[:MAX_TOKEN]
