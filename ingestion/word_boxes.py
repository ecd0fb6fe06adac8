"""Where the words of a parsed text stand on the pages they were read from.

A reader hands over the printed words beside each text that it made of them. The text may differ: hyphens at line ends are
gone, a table row repeats its headings, a list item got another bullet. Text and words are therefore aligned, block by block:

    words   The | seal is cleaned with soft wa- | ter.       (each with its page and box)
    text    The | seal is cleaned with soft water.           → "water." has two boxes, one on each line
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from operator import sub
from typing import NamedTuple

import regex

PER_POINT = 10
"""Boxes are stored in tenths of a point."""
LEAST_COMMON = 0.5
"""Share of the height that two boxes of one line have in common."""
LARGEST_GAP = 1.2
"""Heights between two boxes of one line that are shown as one."""
_TOKEN = regex.compile(r"\S+")
_FRAME = regex.compile(r"^[\p{P}\p{S}]+(?=\w)|(?<=\w)[\p{P}\p{S}]+$")


class Word(NamedTuple):
    """A printed word.

    Attributes:
        page: page number from 1.
        left, bottom, right, top: its box in PDF points, from the lower left corner of the page's coordinates.
    """

    text: str
    page: int
    left: float
    bottom: float
    right: float
    top: float


class Piece(NamedTuple):
    """A text and the printed words that it was made of, in the order of the text."""

    text: str
    words: tuple[Word, ...] = ()


class WordBox(NamedTuple):
    """A word of a parsed text and its box: ``text[start:end]``; a word that a line end cuts has a box for each part."""

    start: int
    end: int
    page: int
    left: float
    bottom: float
    right: float
    top: float


class Box(NamedTuple):
    """An area of a page, in PDF points from the lower left corner of the page's coordinates."""

    left: float
    bottom: float
    right: float
    top: float


def place_words(text: str, words: Sequence[Word], offset: int = 0) -> Iterator[WordBox]:
    """Yield the boxes of a text's words; what was not printed (a heading sign, a new bullet) has none.

    Args:
        words: in the order of the text.
        offset: of the text in the document.
    """
    tokens = [(match.start() + offset, match.end() + offset, match.group()) for match in _TOKEN.finditer(text)]
    if len(tokens) == len(words) and all(token[2] == word.text for token, word in zip(tokens, words, strict=True)):
        yield from (WordBox(start, end, *word[1:]) for (start, end, _), word in zip(tokens, words, strict=True))
        return
    said, printed = [_bare(token[2]) for token in tokens], [_bare(word.text) for word in words]
    for kind, first, last, low, high in SequenceMatcher(None, said, printed, autojunk=False).get_opcodes():
        if kind == "equal":
            for (start, end, _), word in zip(tokens[first:last], words[low:high], strict=True):
                yield WordBox(start, end, *word[1:])
        elif kind == "replace":
            yield from _share_out(tokens[first:last], said[first:last], words[low:high], printed[low:high])


def _bare(word: str) -> str:
    """Return a word without the punctuation around it; a sign that stands alone stays."""
    return _FRAME.sub("", word)


def _share_out(
    tokens: Sequence[tuple[int, int, str]], said: Sequence[str], words: Sequence[Word], printed: Sequence[str]
) -> Iterator[WordBox]:
    """Yield the boxes of words that are cut differently: each takes those that stand where its letters stand.

    Letters are compared first, without signs: ``wa-`` and ``ter`` are ``water``. Where they differ, places are compared.
    """
    ours, theirs = ([sum(map(str.isalnum, word)) for word in side] for side in (said, printed))
    total, other = sum(ours), sum(theirs)
    if not total or not other:
        return
    edges = [0.0, *(other * place / total for place in accumulate(ours))]
    if total == other:
        edges = [round(edge) for edge in edges]
    ends = [0, *accumulate(theirs)]
    for (start, end, _), (low, high) in zip(tokens, pairwise(edges), strict=True):
        for word, (begin, stop) in zip(words, pairwise(ends), strict=True):
            if min(high, stop) - max(low, begin) > (0 if total == other else 0.5):
                yield WordBox(start, end, *word[1:])


def pack(boxes: Iterable[WordBox]) -> bytes:
    """Return boxes in a compact form, about five bytes a word; they must be sorted by ``start``."""
    rows = [
        (start, end - start, page, *(round(edge * PER_POINT) for edge in (left, bottom, right - left, top - bottom)))
        for start, end, page, left, bottom, right, top in boxes
    ]
    columns = (array("i", map(sub, column, (0, *column))) for column in zip(*rows, strict=True))
    return zlib.compress(b"".join(column.tobytes() for column in columns), 6) if rows else b""


def unpack(data: bytes | None) -> list[WordBox]:
    """Return the boxes that ``pack`` took."""
    if not data:
        return []
    values = array("i")
    values.frombytes(zlib.decompress(data))
    count = len(values) // len(WordBox._fields)
    rows = zip(*(accumulate(values[place * count : (place + 1) * count]) for place in range(len(WordBox._fields))), strict=True)
    return [
        WordBox(
            start,
            start + length,
            page,
            left / PER_POINT,
            bottom / PER_POINT,
            (left + width) / PER_POINT,
            (bottom + height) / PER_POINT,
        )
        for start, length, page, left, bottom, width, height in rows
    ]


def boxes_of_span(boxes: Sequence[WordBox], start: int, end: int) -> dict[int, list[Box]]:
    """Return the areas that ``text[start:end]`` covers, by page: one for each stretch of a line.

    Args:
        boxes: sorted by ``start``.
    """
    first = bisect_right(boxes, start, key=lambda box: box.end)
    found: dict[int, list[Box]] = {}
    for word in boxes[first:]:
        if word.start >= end:
            break
        areas, box = found.setdefault(word.page, []), Box(*word[3:])
        if areas and _goes_on(areas[-1], box):
            areas[-1] = Box(
                min(areas[-1].left, box.left),
                min(areas[-1].bottom, box.bottom),
                max(areas[-1].right, box.right),
                max(areas[-1].top, box.top),
            )
        else:
            areas.append(box)
    return found


def _goes_on(area: Box, box: Box) -> bool:
    """Whether a word stands on the line of the words before it, close behind."""
    height = min(area.top - area.bottom, box.top - box.bottom)
    common = min(area.top, box.top) - max(area.bottom, box.bottom)
    return common > LEAST_COMMON * height and -height <= box.left - area.right <= LARGEST_GAP * max(height, 1.0)
