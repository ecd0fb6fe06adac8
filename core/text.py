"""When two texts read the same, what a word is in any script, and texts from outside on a terminal or in a log."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Literal

import regex

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana and Chinese characters
)
"""Letters of scripts that put no blanks between words, as ranges of a regular expression: compared one by one."""
CASELESS = (
    "\u0590-\u109f\u1100-\u139f\u1780-\u18af\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufb1d-\ufdff"
    "\ufe70-\ufefe\uff66-\uffdc\U00020000-\U0003ffff"
)
"""Letters of scripts without capitals (Hebrew to Hangul and Chinese), as ranges: next to figures, but part of no code."""
MARKS = "".join(char for char in map(chr, range(0x300, 0x10000)) if unicodedata.category(char) in {"Mn", "Mc"})
"""Vowel signs and accents, which belong to the letter before them but are no letters to the module ``re``."""
_LETTERS = rf"[^\W{UNSPACED}]+(?:[{MARKS}]+[^\W{UNSPACED}]*)*"
_WORDS = {
    "nothing": re.compile(rf"[{UNSPACED}]|{_LETTERS}"),
    "numbers": re.compile(rf"\d+(?:[.,]\d+)+|[{UNSPACED}]|{_LETTERS}"),
    "codes": re.compile(rf"[{UNSPACED}]|{_LETTERS}(?:[.,:/'’-]{_LETTERS})*"),
}


def normalise(text: str) -> str:
    """Return the text in NFKC, case-folded, with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


# Fillers and variation selectors are letters and marks to the categories, the empty Braille cell is a symbol.
_UNSEEN = r"\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800"
_BLANK = regex.compile(rf"[\s{_UNSEEN}]*")
_UNSEEN_CHARACTERS = regex.compile(rf"[{_UNSEEN}--\s]+", regex.VERSION1)


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: no character at all, or only blanks, controls, fillers and joiners."""
    return _BLANK.fullmatch(text) is not None


def is_encodable(text: str) -> bool:
    """Return whether a text can be written as UTF-8: half of a surrogate pair, and bytes that were no text, cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=20_000)
def words(text: str, *, whole: Literal["nothing", "numbers", "codes"] = "nothing") -> tuple[str, ...]:
    """Return the words of a text: Unicode NFKC, case folded, without punctuation and white space.

    Where a script puts no blanks between words, each character is one.

    Args:
        whole: what stays one word in spite of the marks inside it: numbers (4,000 and 2.5), or also all that is joined by
            marks, such as codes (SP-410-02).
    """
    return tuple(_WORDS[whole].findall(unicodedata.normalize("NFKC", text).casefold()))


def token_f1(a: str, b: str) -> float:
    """Return the F1 of the overlap of two texts' words, codes whole, 0 to 1; 1 for two texts without words."""
    first, second = Counter(words(a, whole="codes")), Counter(words(b, whole="codes"))
    common = (first & second).total()
    return 2 * common / (first.total() + second.total()) if common else float(first == second)


_SENTENCE_MARKS = ".,;:!?…'\"`´‘’‚“”„«»‹›()[]{}¿¡。、「」『』،؛؟।–—"
"""Marks around a word that do not change what a question asks; NFKC has turned full-width ones into these."""


def question_hash(question: str) -> str:
    """Return the SHA-256 of a question whatever its case, blanks and marks around words: its repeats have the same.

    Marks inside words, and such as "+", "#" and "%", may be what is asked about ("C++", "2.5") and count.
    """
    words = (word.strip(_SENTENCE_MARKS) for word in normalise(_UNSEEN_CHARACTERS.sub("", question)).split())
    return hashlib.sha256((" ".join(filter(None, words)) or normalise(question)).encode("utf-8")).hexdigest()
