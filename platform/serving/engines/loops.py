"""Greedy decoding can fall into a loop and repeat itself to the token limit: seen while it happens, and stopped.

Use the key. Use the key. Use the key. …
|<- m ->|<- still repeating ->
|<-   p   ->|             p: the period, m: how far the end repeats what stands p characters before it

Prose may say a thing twice; rows, cells and lists of numbers ("0, 0, 0") may rightly repeat more often:

"Use the key. " 3 times, "1. Use the key. 2. Use the key. …" 6 times, "| bolt | 5 Nm |" 20 times: a loop
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_WINDOW = 1800
"""Characters at the end of the text that are looked at; longer loops end at the token limit."""
_TAIL = 16
"""Characters that must recur before a repetition is suspected."""
_HELD = _TAIL + 4
"""Characters held back while an answer is long enough: those of ``_TAIL`` and the digits of a counter."""
_CALM = 40
"""The first characters are shown at once: no loop is that short."""
_LONG_PERIOD = 60
"""A part of this length is a loop when it comes twice in a row; a shorter one must come ``_ROUNDS`` times."""
_ROUNDS = 3
_COUNTED_ROUNDS = 6
"""Rounds of parts that differ in a counter alone."""
_DATA_ROUNDS = 20
_LEAST, _DATA_LEAST, _MOST = 80, 160, 1500
"""Characters of the shortest loop of prose and of data; what repeats for ``_MOST`` is a loop whatever it is."""
_LEAST_LETTERS = 8
"""Letters of a part beside its counter; "1, 2, 3" is a list."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_BLANK = "\uffff"
"""Stands for a number where texts are compared without them."""


class LoopWatch:
    """Releases text as it comes and tells when it goes round in circles.

    Text that repeats what stands just before it is held back until it goes on differently, so that of a loop only its
    first round is shown. The released pieces together are ``text``.

    Attributes:
        text: everything released so far.
        looping: whether a loop was seen; what is pushed later is ignored.
    """

    def __init__(self) -> None:
        self._whole = ""
        self.text = ""
        self.looping = False

    def push(self, piece: str) -> str:
        """Add text and return what may be shown of it, maybe nothing."""
        if self.looping or not piece:
            return ""
        self._whole += piece
        whole, shown = self._whole, len(self.text)
        repeats = [_repeating(whole), _counting(whole)]
        for rounds, is_loop in repeats:
            if is_loop:
                self.looping = True
                later = [place for place in rounds if place >= shown] or [shown]
                return self._release(_round_end(whole, later[0], later[1] if len(later) > 1 else len(whole)))
        held = _HELD if len(whole) > _CALM else 0
        return self._release(min(len(whole) - held, *(rounds[0] for rounds, _ in repeats)))

    def finish(self, piece: str = "") -> str:
        """Add the last text and return all that was still held back."""
        released = self.push(piece)
        return released if self.looping else released + self._release(len(self._whole))

    def _release(self, end: int) -> str:
        piece = self._whole[len(self.text) : max(end, len(self.text))]
        self.text += piece
        return piece


def _round_end(text: str, place: int, following: int) -> int:
    """Return where the line, table cell or word that ``place`` stands in ends; a round may begin within one.

    Args:
        following: where the next round begins; a line that ends later is none of the repeated lines.
    """
    line = text.rfind("\n", 0, place) + 1
    if place == line:
        return place
    if (end := text.find("\n", place, following)) >= 0:
        return end
    if text.startswith("|", line) and (cell := text.find("|", place - 1, following)) >= 0:
        return cell + 1
    within = re.compile(r"(?<=\w)\w{0,20}").match(text, place)
    return within.end() if within else place


def _repetition(text: str) -> tuple[int, int]:
    """Return (m, p) of the longest repetition at the end, or (0, 0)."""
    recent = text[-_WINDOW:]
    length, period = min(_TAIL, len(recent)) - 1, 0
    while (place := recent.rfind(recent[-length - 1 :], 0, len(recent) - max(period, 1))) >= 0:
        length += 1
        period = len(recent) - length - place
        while length + period < len(recent) and recent[-length - 1] == recent[-length - 1 - period]:
            length += 1
        if length + period == len(recent):
            break
    return (length, period) if period else (0, 0)


def _repeating(text: str) -> tuple[Sequence[int], bool]:
    """Return where each round of the repetition at the end begins (without one: the end), and whether it is a loop."""
    repeated, period = _repetition(text)
    if not period:
        return [len(text)], False
    part = text[-period:]
    rounds = 2 if period >= _LONG_PERIOD else _ROUNDS
    is_loop = repeated + period >= _enough(period, rounds, is_data=_is_data(part))
    return range(len(text) - repeated, len(text) + 1, period), is_loop


def _enough(period: int, rounds: int, *, is_data: bool) -> int:
    """Return the characters from which a repetition is a loop."""
    least, rounds = (_DATA_LEAST, _DATA_ROUNDS) if is_data else (_LEAST, rounds)
    return max(least, min(rounds * period, _MOST))


def _is_data(part: str) -> bool:
    """Whether a part is a row or cell of a table ("| yes "), a number in a list ("5 Nm, ", "0 "), or a rule ("-----")."""
    if "|" in part or not any(map(str.isalnum, part)):
        return True
    separators = ",;\n" if any(map(str.isalpha, part)) else ",;\n "
    return len(part) < _TAIL and any(map(str.isdigit, part)) and any(char in separators for char in part)


def _counting(text: str) -> tuple[Sequence[int], bool]:
    """As ``_repeating``, of rounds that differ in a counter ("1. Check it. 2. Check it. 3. Check it.") alone.

    Where other numbers change, nothing is repeated.
    """
    recent = text[-_WINDOW:]
    numbers = list(_NUMBER.finditer(recent))
    blind = _NUMBER.sub(_BLANK, recent)
    repeated, period = _repetition(blind) if len(numbers) > 1 else (0, 0)
    part = blind[len(blind) - period :]
    slots = part.count(_BLANK)
    if not slots or sum(char.isalpha() for char in part) < _LEAST_LETTERS:
        return [len(text)], False
    first = blind.count(_BLANK, 0, len(blind) - repeated - period)
    values = [match.group() for match in numbers[first:] if match.end() < len(recent)]
    rows = [values[slot::slots] for slot in range(slots)]
    counters = [row for row in rows if len(set(row)) > 1]
    if not counters or not all(_counts(row) and row[0] == counters[0][0] for row in counters):
        return [len(text)], False
    is_loop = repeated + period >= _enough(period, _COUNTED_ROUNDS, is_data=len(counters) < slots or "|" in part)
    earlier = len(text) - len(recent)
    places = range(len(blind) - repeated, len(blind) + 1, period)
    return [earlier + _original(blind, numbers, place) for place in places], is_loop


def _counts(row: list[str]) -> bool:
    """Whether numbers go up by one."""
    return all(one.isdigit() and other.isdigit() and int(other) == int(one) + 1 for one, other in pairwise(row))


def _original(blind: str, numbers: list[re.Match[str]], place: int) -> int:
    """Return the place in the text of a place in the text without numbers."""
    return place + sum(len(match.group()) - 1 for match in numbers[: blind.count(_BLANK, 0, place)])
