"""The instruction form of marked stretches: one a line, as ``LABEL: words``, in a way that reads back exactly.

A line names the words and not their offsets, which a language model cannot count. Words that the text holds several
times are found at their first place as a word of their own; ``@3`` after them means the third place.
Line breaks and blanks at the ends are written out, so that every line is one line and survives stripping.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from doyen.annotation.types.descriptions import NOTHING
from doyen.annotation.types.typed_labels import short

_ESCAPED = re.compile(r"\\(?:u([0-9a-f]{4})|(.))", re.DOTALL)
_ORDINAL = re.compile(r"(.*) @([1-9]\d*)", re.DOTALL)
_SHORTHANDS = {"\\": "\\", "n": "\n", "r": "\r", "|": "|"}


def quote(text: str, start: int, end: int, *, after: int | None = None) -> str:
    """Return the words at a place, with their number where they stand elsewhere first (see ``places``)."""
    words = text[start:end]
    number = next(n for n, place in enumerate(places(text, words, after), start=1) if place == start)
    plain = escape(words)
    return f"{plain} @{number}" if number > 1 or _ORDINAL.fullmatch(plain) else plain


def find(text: str, quoted: str, *, after: int | None = None) -> tuple[int, int] | None:
    """Return the place of quoted words; the inverse of ``quote``. None where the text does not hold them."""
    match = _ORDINAL.fullmatch(quoted)
    plain, number = (match[1], int(match[2])) if match else (quoted, 1)
    words = unescape(plain)
    if not words:
        return None
    for n, start in enumerate(places(text, words, after), start=1):
        if n == number:
            return start, start + len(words)
    return None


def places(text: str, words: str, after: int | None = None) -> Iterator[int]:
    """Yield where the words stand.

    Args:
        after: look from here on, from the left; None: everywhere, first where they are not part of a longer word.
    """
    inside = []
    start = text.find(words, after or 0)
    while start >= 0:
        if after is None and (_cuts(text, start) or _cuts(text, start + len(words))):
            inside.append(start)
        else:
            yield start
        start = text.find(words, start + 1)
    yield from inside


def lines_of(answer: str) -> Iterator[str]:
    """Yield the lines that say something."""
    return (line for line in map(str.strip, answer.split("\n")) if line and line != NOTHING)


def place_of(line: str, text: str, labels: Collection[str], *, after: int | None = None) -> tuple[int, int, str] | str:
    """Return (start, end, label) of a line ``LABEL: words``, or what is wrong with it."""
    label, colon, words = line.partition(": ")
    if not colon or label not in labels:
        return f"{short(line)} names no known label"
    place = find(text, words, after=after)
    return (*place, label) if place else f"the text does not hold {short(words)}" + (" there" if after else "")


def escape(words: str) -> str:
    """Write out backslashes, bars, line breaks, and blanks at the ends."""
    plain = words.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n").replace("\r", "\\r")
    body = plain.strip()
    head = plain[: len(plain) - len(plain.lstrip())]
    tail = plain[len(head) + len(body) :]
    return _written_out(head) + body + _written_out(tail)


def unescape(words: str) -> str:
    """Return what ``escape`` was given; a backslash that escapes nothing stays."""
    return _ESCAPED.sub(_meant, words)


def _written_out(blanks: str) -> str:
    return "".join(f"\\u{ord(blank):04x}" for blank in blanks)


def _meant(match: re.Match[str]) -> str:
    code, shorthand = match.groups()
    return chr(int(code, 16)) if code else _SHORTHANDS.get(shorthand, match.group())


def _cuts(text: str, at: int) -> bool:
    """Whether a place lies inside a word."""
    return 0 < at < len(text) and _is_word(text[at - 1]) and _is_word(text[at])


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
