"""Offsets and marked texts as Label Studio sends them.

What its editor (1.23) stores for a span marked by hand, found by marking texts in a browser:

- ``start`` and ``end`` count code points, as Python does; an emoji is one, CR LF is two. Versions before 1.6 and some
  other tools count UTF-16 units, so an emoji moved everything after it.
- ``text`` is what the browser shows: each line break becomes a backslash and an ``n``, and a run of blanks or line
  breaks may come back shorter. It proves that the offsets are right, but the quote is always cut from our own text.
- What comes in through the API is kept as it was sent, right or wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BREAKS = re.compile(r"\\n|\s+")


@dataclass(frozen=True)
class Span:
    """A marked stretch: ``passage[start:end] == text``."""

    start: int
    end: int
    text: str


def locate_span(passage: str, start: int, end: int, shown: str | None) -> Span | None:
    """Return the span that a region means, or None when its offsets and its text contradict each other.

    Args:
        passage: the text that was shown.
        start: first position, in code points (or UTF-16 units, when only that reading fits ``shown``).
        end: one past the last position.
        shown: the region's text as the editor stored it; None trusts the offsets.
    """
    for first, last in ((start, end), _from_utf16(passage, start, end)):
        if not 0 <= first < last <= len(passage):
            continue
        text = passage[first:last]
        if shown is None or comparable(text) == comparable(shown):
            return Span(first, last, text)
    return None


def comparable(text: str) -> str:
    """Return the text without line breaks, real or written out, and without blanks: a browser may change those."""
    return _BREAKS.sub("", text)


def find_quotes(passage: str, quotes: list[str]) -> tuple[list[Span], list[str]]:
    """Locate exact quotes; a quote that is asked for twice takes the next place.

    Returns:
        The spans in the order of the quotes, and the quotes that the passage does not hold.
    """
    spans: list[Span] = []
    missing: list[str] = []
    after: dict[str, int] = {}
    for quote in quotes:
        start = passage.find(quote, after.get(quote, 0))
        if start < 0:
            missing.append(quote)
            continue
        spans.append(Span(start, start + len(quote), quote))
        after[quote] = start + 1
    return spans, missing


def _from_utf16(passage: str, start: int, end: int) -> tuple[int, int]:
    """Read the offsets as UTF-16 units; (-1, -1) where one falls into the middle of a character."""
    units = passage.encode("utf-16-le", "surrogatepass")
    if not 0 <= start < end <= len(units) // 2:
        return -1, -1
    try:
        return len(units[: 2 * start].decode("utf-16-le")), len(units[: 2 * end].decode("utf-16-le"))
    except UnicodeDecodeError:
        return -1, -1
