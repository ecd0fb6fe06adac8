"""When two texts read the same, apart from case, width and blanks; and texts from outside on a terminal or in a log."""

from __future__ import annotations

import hashlib
import re
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


# Control characters, line separators and what changes the direction of writing.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    r"""Return the text with line breaks and other control characters written as escapes such as ``\n``."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def printable(text: str) -> str:
    """Return the text for a terminal: its lines and tabs stay, other control characters are written as escapes."""
    return "\n".join("\t".join(one_line(cell) for cell in line.split("\t")) for line in text.split("\n"))
