"""When two texts read the same, apart from case, width and blanks."""

from __future__ import annotations

import hashlib
import unicodedata


def normalise(text: str) -> str:
    """Return the text in NFKC, case-folded, with single spaces: what a quote search compares."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: no character at all, or only blanks, controls and joiners of width zero."""
    return all(character.isspace() or unicodedata.category(character) in {"Cc", "Cf"} for character in text)


def question_hash(question: str) -> str:
    """Return the SHA-256 of the normalised question: frozen questions are kept out of training by it."""
    return hashlib.sha256(normalise(question).encode("utf-8")).hexdigest()
