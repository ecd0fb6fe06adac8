"""Cut a chunk's text into units (sentences, lines) and into pieces that the embedder's window holds.

Units are what passages are put together from: a passage starts and ends where a unit does. Pieces are what is embedded:
half a chunk each, so that none is silently cut at the embedder's window.
"""

from __future__ import annotations

import re

from doyen.core.sentences import sentence_ends

Span = tuple[int, int]

PIECE_WORDS = 70
"""Words that a piece aims at."""
MAX_UNIT_WORDS = 60
"""Longer sentences are cut, so that text without punctuation still gives passages of even size."""
MIN_UNIT_WORDS = 6
"""Shorter ones (headings, list numbers, abbreviations taken for sentence ends) go with what follows."""

_WORD = re.compile(r"\S+")
_TABLE_LINE = re.compile(r"\|.*\||\t\S")


def split_units(text: str) -> list[Span]:
    """Return the units of a text as ``(start, end)`` in reading order; they touch every word once and never overlap.

    A table is one unit: a row without its header row says little.
    """
    if _is_table(text):
        spans = [match.span() for match in _WORD.finditer(text)]
        return [(spans[0][0], spans[-1][1])] if spans else []
    return split_sentences(text)


def split_sentences(text: str) -> list[Span]:
    """Return sentences and lines as ``(start, end)``, short ones joined to the next, long ones cut."""
    units: list[tuple[int, int, int]] = []
    position = 0
    for cut in sentence_ends(text, abbreviations=False):
        words = [(position + m.start(), position + m.end()) for m in _WORD.finditer(text[position:cut])]
        parts = -(-len(words) // MAX_UNIT_WORDS)
        for number in range(parts):
            part = words[number * len(words) // parts : (number + 1) * len(words) // parts]
            units.append((part[0][0], part[-1][1], len(part)))
        position = cut
    joined: list[tuple[int, int, int]] = []
    for start, end, count in units:
        if joined and joined[-1][2] < MIN_UNIT_WORDS:
            start, count = joined[-1][0], count + joined.pop()[2]
        joined.append((start, end, count))
    return [(start, end) for start, end, _ in joined]


def split_pieces(text: str) -> list[Span]:
    """Return the stretches of a text that are embedded, each a run of whole sentences, of about even size."""
    sentences = split_sentences(text)
    counts = [count_words(text[start:end]) for start, end in sentences]
    total = sum(counts)
    wanted = max(1, round(total / PIECE_WORDS))
    pieces: list[Span] = []
    done = first = 0
    for number, count in enumerate(counts):
        done += count
        following = counts[number + 1] if number + 1 < len(counts) else None
        # Cut where the piece's wanted end is nearer here than after the next sentence.
        if following is None or done + following / 2 > total * (len(pieces) + 1) / wanted:
            pieces.append((sentences[first][0], sentences[number][1]))
            first = number + 1
    return pieces


def count_words(text: str) -> int:
    """Return the number of stretches between white space."""
    return len(text.split())


def _is_table(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) > 1 and 2 * sum(bool(_TABLE_LINE.search(line)) for line in lines) > len(lines)
