"""Whether a text holds a quote: one rule for training, evaluation and citations.

quote   "runs for 4,000 hours – then"
held    "It runs for 4,000 hours, then …"      case, punctuation, dashes and white space do not count
held    "… 4,000 hours. Then stop."            a chunk's edge has cut the rest: 3 of 5 words, a share of 0.6
not     "It runs for 5,000 hours, then …"      a number of the quote is missing: a share of 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from doyen.core.text import normalise, words

MOST = 0.75
"""Share of a quote's words, in one run, from which a text counts as holding the quote: a chunk's edge may cut the rest."""


@dataclass(frozen=True)
class Evidence:
    """An exact quote of a document; people's marks may cut its first and last word."""

    quote: str

    def share_held(self, text: str) -> float:
        """Return which share of the quote's words stands in the text as one unbroken run (0 to 1).

        It is 0 where the text lacks a number of the quote. A quote without any word (only marks) is held when the text
        contains it character by character.
        """
        wanted, there = words(self.quote, whole="numbers"), words(text, whole="numbers")
        if not wanted:
            return float(bool(self.quote.strip()) and self.quote.strip() in text)
        if _edged(wanted) in f" {' '.join(there)} ":
            return 1.0
        if not {word for word in wanted if _is_number(word)} <= set(there):
            return 0.0
        match = SequenceMatcher(None, wanted, there, autojunk=False).find_longest_match()
        return match.size / len(wanted)

    def held_by(self, text: str) -> bool:
        """Whether the text holds the quote, or at least three quarters of it in one run."""
        return self.share_held(text) >= MOST

    def verbatim_in(self, text: str) -> bool:
        """Whether the text holds the quote as it is, but for case, white space and compatible characters.

        A label's quote must stand so in its document. Training finds gold passages by it too and not by words, which would
        be the better rule ("3 hours" stands in "13 hours"): the adapters with published figures were trained on these.
        """
        return normalise(self.quote) in normalise(text)


def _edged(wanted: Sequence[str]) -> str:
    """Return the words as they stand in a text; the first and last one of several may be parts, unless they are numbers."""
    before = "" if len(wanted) > 1 and not _is_number(wanted[0]) else " "
    after = "" if len(wanted) > 1 and not _is_number(wanted[-1]) else " "
    return f"{before}{' '.join(wanted)}{after}"


def _is_number(word: str) -> bool:
    return any(char.isdigit() for char in word)
