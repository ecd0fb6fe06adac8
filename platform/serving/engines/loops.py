"""Greedy decoding can fall into a loop and repeat itself to the token limit: seen while it happens, and stopped.

Use the key. Use the key. Use the key. …
|<- m ->|<- still repeating ->
|<-   p   ->|             p: the period, m: how far the end repeats what stands p characters before it
"""

from __future__ import annotations

import re

_WINDOW = 1800
"""Characters at the end of the text that are looked at; longer loops end at the token limit."""
_TAIL = 16
"""Characters that must recur before a repetition is suspected; so many are held back while an answer is long enough."""
_CALM = 40
"""The first characters are shown at once: no loop is that short."""
_LONG_PERIOD = 60
"""A part of this length said twice in a row is a loop; shorter ones must come three times."""
_LEAST = 48
"""Characters of a loop of short parts; ``_LEAST_TINY`` for parts under ``_TAIL``, as cells of a table may rightly repeat."""
_LEAST_TINY = 80
_NUMBERING = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.)])\s+")


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
        repeated, period = _repetition(self._whole)
        if _is_loop(self._whole, repeated, period):
            self.looping = True
            return self._release(_word_end(self._whole, len(self._whole) - repeated))
        if _same_lines(self._whole):
            self.looping = True
            return ""
        held = max(repeated, _TAIL if len(self._whole) > _CALM else 0)
        return self._release(len(self._whole) - held)

    def finish(self, piece: str = "") -> str:
        """Add the last text and return all that was still held back."""
        released = self.push(piece)
        return released if self.looping else released + self._release(len(self._whole))

    def _release(self, end: int) -> str:
        piece = self._whole[len(self.text) : max(end, len(self.text))]
        self.text += piece
        return piece


def _word_end(text: str, place: int) -> int:
    """Return where the word that ``place`` stands in ends; a round may begin within one."""
    within = re.compile(r"(?<=\w)\w{0,20}").match(text, place)
    return within.end() if within else place


def _repetition(text: str) -> tuple[int, int]:
    """Return (m, p) of the longest repetition at the end, or (0, 0)."""
    recent = text[-_WINDOW:]
    tail, best = recent[-_TAIL:], (0, 0)
    if len(recent) <= _TAIL:
        return best
    place = recent.rfind(tail, 0, len(recent) - 1)
    while place >= 0:
        period = len(recent) - _TAIL - place
        length = _TAIL
        while length + period < len(recent) and recent[-length - 1] == recent[-length - 1 - period]:
            length += 1
        best = max(best, (length, period), key=lambda found: (found[0], -found[1]))
        place = recent.rfind(tail, 0, place + _TAIL - 1)
    return best


def _is_loop(text: str, repeated: int, period: int) -> bool:
    if not period or not any(char.isalnum() for char in text[-period:]):
        return False
    least = _LEAST if period >= _TAIL else _LEAST_TINY
    return (repeated >= 2 * period and repeated + period >= least) or (period >= _LONG_PERIOD and repeated >= period)


def _same_lines(text: str) -> bool:
    """Whether the last three whole lines are the same apart from their numbers in a list."""
    if not text.endswith("\n"):
        return False
    lines = [_NUMBERING.sub("", line).strip() for line in text[-_WINDOW:].splitlines() if line.strip()][-3:]
    return len(lines) == 3 and len(set(lines)) == 1 and sum(char.isalnum() for char in lines[0]) >= 8
