"""How people ask: spoken, terse, or typed in a hurry. Labelled questions are worded with care, users' questions are not."""

from __future__ import annotations

import random
import re

from doyen.core.quantities import find_values
from doyen.finetune.supervision.variants.kept_words import free_words, replace_at
from doyen.finetune.supervision.variants.typing_errors import mistype

OPENINGS = (
    "hi, quick question: ",
    "hello, ",
    "so ",
    "um, ",
    "can you tell me: ",
    "sorry, one more thing, ",
    "ok so ",
    "do you know, ",
)
CLOSINGS = ("", "", " please", " thanks", ", any idea")
CONTRACTIONS = {
    "what is": "what's",
    "where is": "where's",
    "who is": "who's",
    "how is": "how's",
    "it is": "it's",
    "do not": "don't",
    "does not": "doesn't",
    "cannot": "can't",
    "is not": "isn't",
    "are not": "aren't",
    "i am": "i'm",
    "i have": "i've",
}
_LITTLE = "a an the of is are was were be do does did in on for to that which there please must should"
LITTLE = frozenset(_LITTLE.split())
"""Words that people leave out of a search box."""


def speak(text: str, draw: random.Random) -> str:
    """Return the question as it is said aloud."""
    said = _uncapitalised(text).rstrip(" ?.")
    for long, short in CONTRACTIONS.items():
        said = re.sub(rf"\b{long}\b", short, said)
    return draw.choice(OPENINGS) + said + draw.choice(CLOSINGS) + draw.choice(("?", ""))


def shorten(text: str, draw: random.Random) -> str:
    """Return the question as it is typed into a search box; unchanged where too little would be left."""
    little = {place: "" for place in free_words(text) if text[place[0] : place[1]].lower() in LITTLE}
    kept = " ".join(replace_at(_uncapitalised(text), little).rstrip(" ?.").split())
    kept = re.sub(r" ([,.;:])", r"\1", kept)
    return kept if len(kept.split()) >= 2 else text


def hurry(text: str, draw: random.Random) -> str:
    """Return the question with typing errors, without capitals of its own and marks at its end."""
    typed = mistype(_uncapitalised(text), draw).rstrip(" ?.")
    return typed.replace("'", "").replace("’", "") if draw.random() < 0.5 else typed


def _uncapitalised(text: str) -> str:
    """Return the text with its first word in small letters, unless that is a code or name."""
    word = re.match(r"[A-Z][a-z]*\b", text)
    if word is None or any(start < word.end() for start, _ in find_values(text)):
        return text
    return text[0].lower() + text[1:]
