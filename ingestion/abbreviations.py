"""Abbreviations that a text itself explains: "Heated Line Controller (HLC)", "HLC (heated line controller)".

The algorithm is that of Schwartz and Hearst, "A Simple Algorithm for Identifying Abbreviation Definitions in Biomedical
Text" (PSB 2003): the letters of the short form are looked for in the words before it, from its end, and the first one has
to begin a word. Beyond the paper, a short form needs two capitals, which keeps units and remarks in brackets out.
"""

from __future__ import annotations

import re

LONGEST_SHORT = 10
"""Characters of a short form."""
_BRACKET = re.compile(r"\(([^()\n]{2,120})\)")
_SHORT = re.compile(r"[A-Za-z0-9][\w&/.\-]*")
_WORD = re.compile(r"\S+")
_BREAK = re.compile(r"[.;:!?|]\s|\n|\t|\(")


def find_abbreviations(text: str) -> dict[str, str]:
    """Return short form → long form of the abbreviations that a text explains, the first explanation of each."""
    found: dict[str, str] = {}
    for match in _BRACKET.finditer(text):
        inside, before = match.group(1).strip(), _clause(text[max(0, match.start() - 200) : match.start()])
        short = inside.split(",")[0].split(";")[0].strip()
        if is_short_form(short):
            long = best_long_form(short, _last_words(before, min(len(short) + 5, 2 * len(short))))
        else:
            words = _WORD.findall(before)
            short = words[-1].strip("\"'“”,") if words else ""
            long = best_long_form(short, inside) if is_short_form(short) else None
            long = long if long == inside else None
        if long is not None:
            found.setdefault(short, long)
    return found


def is_short_form(text: str) -> bool:
    """Whether a text may be an abbreviation: one word of 2 to LONGEST_SHORT characters, two of them capitals."""
    return 2 <= len(text) <= LONGEST_SHORT and bool(_SHORT.fullmatch(text)) and sum(map(str.isupper, text)) >= 2


def best_long_form(short: str, candidate: str) -> str | None:
    """Return the end of the candidate that the short form abbreviates, None where it does not.

    Every letter and digit of the short form stands in it in order, the first one at the beginning of a word.
    """
    place = len(candidate) - 1
    letters = [letter for letter in short.casefold() if letter.isalnum()]
    folded = candidate.casefold()
    if len(folded) != len(candidate):
        return None
    for number in range(len(letters) - 1, -1, -1):
        while place >= 0 and not (folded[place] == letters[number] and (number or _begins_word(folded, place))):
            place -= 1
        if place < 0:
            return None
        place -= 1
    long = candidate[place + 1 :].strip()
    words = long.split()
    enough = len(long) > len(short) and len(words) <= min(len(short) + 5, 2 * len(short))
    return long if enough and short not in words else None


def _begins_word(text: str, place: int) -> bool:
    return place == 0 or not text[place - 1].isalnum()


def _clause(before: str) -> str:
    """Return what stands since the last end of a sentence, line or cell."""
    breaks = [match.end() for match in _BREAK.finditer(before)]
    return before[breaks[-1] :].strip() if breaks else before.strip()


def _last_words(text: str, count: int) -> str:
    return " ".join(_WORD.findall(text)[-count:])
