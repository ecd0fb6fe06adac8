"""Synonyms from a list of our own (``synonyms.toml``): few words, but such that stand for each other nearly everywhere."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from pathlib import Path

from doyen.finetune.supervision.variants.kept_words import free_words, like, replace_at

SHARE = 0.5
"""Share of the words with synonyms that are exchanged, at least one."""


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """Return word → its synonyms."""
    sets = tomllib.loads(Path(__file__).with_name("synonyms.toml").read_text(encoding="utf-8"))["sets"]
    found: dict[str, tuple[str, ...]] = {}
    for words in sets:
        found |= {word: tuple(other for other in words if other != word) for word in words if word not in found}
    return found


def exchange_synonyms(text: str, draw: random.Random) -> str:
    """Return the text with synonyms of some words; unchanged where none has any."""
    known = [place for place in free_words(text) if text[place[0] : place[1]].lower() in synonyms()]
    chosen = draw.sample(known, min(len(known), max(1, round(SHARE * len(known)))))
    changes = {}
    for start, end in chosen:
        word = text[start:end]
        changes[start, end] = like(word, draw.choice(synonyms()[word.lower()]))
    return replace_at(text, changes)
