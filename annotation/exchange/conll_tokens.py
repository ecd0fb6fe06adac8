"""Cutting text into tokens for formats that know nothing smaller."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_LAST_WITH_MARKS = 0x20000
"""Combining marks stand below this, but for the variation selectors."""
_SELECTORS = range(0xE0100, 0xE01F0)


def tokens(text: str, cuts: set[int], *, at_blanks: bool = False) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of words and single signs, none with a blank in it, cut also at the given offsets.

    Combining marks and joiners stay with the character before them, so that no accent becomes a token of its own.

    Args:
        at_blanks: the text is cut into tokens already, with a blank between them.
    """
    waiting = iter(sorted(cuts))
    cut = next(waiting, len(text))
    for found in (_BETWEEN_BLANKS if at_blanks else _pattern()).finditer(text):
        start, last = found.span()
        while cut < last:
            if cut > start:
                yield start, cut
                start = cut
            cut = next(waiting, len(text))
        yield start, last


_BETWEEN_BLANKS = re.compile("[^ ]+")


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    marks = "".join(re.escape(chr(code)) for code in (*range(_LAST_WITH_MARKS), *_SELECTORS) if _is_mark(code))
    return re.compile(rf"\w+(?:[{marks}]+\w*)*|\S[{marks}]*")


def _is_mark(code: int) -> bool:
    return code <= sys.maxunicode and (unicodedata.category(chr(code))[0] == "M" or code == 0x200D)
