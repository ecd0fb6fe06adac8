"""Lines of a PDF page with their position and type, through pypdfium2: text from PDFium, geometry only where it is needed.

Geometry is asked for at the ends of lines and around spaces, not for every character: that keeps a page at about ten
milliseconds, where a full layout analysis takes some hundreds.
"""

from __future__ import annotations

import ctypes
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from doyen.ingestion.readers.pdf_strokes import Stroke, joined_lines, level_lines, struck_letters
from doyen.ingestion.superscripts import GAP, lowered, raised
from doyen.ingestion.word_boxes import Word

COLUMN_GAP = 0.9
"""Widths of the letter m between two words from which they belong to different columns."""
OVERLAP, TOUCHING, WORD_GAP = 0.2, 0.1, 0.4
"""Letter heights by which parts of a line may overlap, and up to which they are parts of one word, or of one cell."""
SMALLER = 0.85
"""Height of raised and lowered letters, in letters of the line, at most."""
HIGHER, RAISED_BY, LOWERED_BY = 0.9, 0.2, 0.05
"""How far the top and the bottom of raised letters, and the bottom of lowered ones, stand from the bottom of the line."""

HYPHEN = "\ufffe"
LINE_END = re.compile(rf"\n|{HYPHEN}|\Z")
RULE_BELOW, RULE_ABOVE = 0.5, 0.25
"""Letter heights below and above the bottom of a line within which a drawn line belongs to it."""
LOOK_BACK = 6
"""Lines that the cells of one row may have been broken into."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a line without a wide gap.

    Attributes:
        left, right: in points from the left edge of the page.
        words: the printed words that it was read from, in order.
    """

    text: str
    left: float
    right: float
    words: tuple[Word, ...] = ()


def joined(first: Segment, second: Segment, blank: str = " ") -> Segment:
    """Return two stretches as one that reaches from the left edge of the first to the right edge of the second."""
    return Segment(f"{first.text}{blank}{second.text}", first.left, second.right, first.words + second.words)


@dataclass(frozen=True)
class Line:
    """A printed line.

    Attributes:
        bottom, top: in points from the lower edge of the page.
        size: font size of its first letter, in points.
        rules: left and right end of each line drawn right below it; pieces that touch are here by themselves and as one.
    """

    segments: tuple[Segment, ...]
    bottom: float
    top: float
    size: float
    bold: bool
    rules: tuple[tuple[float, float], ...] = ()

    @cached_property
    def text(self) -> str:
        """Its text, single-spaced between segments."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        """Its printed words."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def left(self) -> float:
        """Left edge of the first segment."""
        return self.segments[0].left

    @property
    def right(self) -> float:
        """Right edge of the last segment."""
        return self.segments[-1].right


@dataclass(frozen=True)
class Page:
    """A page's lines in reading order, and its size in points.

    Attributes:
        confidence: of text recognition, 0 to 1; None where the page has a text layer.
        problem: why its text, which is in pictures, was not recognised.
    """

    lines: list[Line]
    width: float
    height: float
    confidence: float | None = None
    problem: str = ""


def read_page(page: pdfium.PdfPage, number: int) -> Page:
    """Return the lines of a page; ``number`` is its number from 1."""
    textpage = page.get_textpage()
    try:
        text = _text(textpage)
        strokes = level_lines(page)
        if struck := struck_letters(textpage, strokes):
            text = "".join(GAP if index in struck else letter for index, letter in enumerate(text))
        lines, position = [], 0
        for end in LINE_END.finditer(text):
            # PDFium writes one character for a hyphen at a line end and the line end together.
            part = text[position : end.start()] + ("-" if end.group() == HYPHEN else "")
            if part.strip():
                lines.append(_line(textpage, part, position, number))
            position = end.end()
        found = [line for line in lines if line is not None]
        return Page(_with_rules(rejoin_rows(found), strokes), page.get_width(), page.get_height())
    finally:
        textpage.close()


def _with_rules(lines: list[Line], strokes: list[Stroke]) -> list[Line]:
    """Return the lines with what is drawn right below each: ruling lines tell which columns a heading spans."""
    drawn = sorted({*strokes, *joined_lines(strokes)})
    heights = [stroke.height for stroke in drawn]
    ruled = []
    for line in lines:
        first = bisect_left(heights, line.bottom - RULE_BELOW * line.size)
        last = bisect_right(heights, line.bottom + RULE_ABOVE * line.size)
        ruled.append(replace(line, rules=tuple((each.left, each.right) for each in drawn[first:last])))
    return ruled


def rejoin_rows(lines: list[Line]) -> list[Line]:
    """Put the parts of one printed line together where the program wrote cell after cell, or a raised letter between.

    A part that stands to the right of the beginning of one of the last lines, at the same height and in a free place,
    belongs to it, also after lower lines were written.
    """
    joined: list[Line] = []
    for line in lines:
        not_below = bool(joined) and line.bottom > joined[-1].bottom - 0.3 * line.size
        for back in range(1, min(LOOK_BACK, len(joined)) + 1) if not_below else ():
            whole = _with_part(joined[-back], line)
            if whole is not None:
                joined[-back] = whole
                break
        else:
            joined.append(line)
    return joined


def _with_part(line: Line, part: Line) -> Line | None:
    """Return a line with a further part of it, from left to right; None if the part is not one of that line."""
    if abs(line.bottom - part.bottom) >= 0.3 * part.size or part.left <= line.left:
        return None
    segments: list[Segment] = []
    new = set(map(id, part.segments))
    last_is_new = False
    for segment in sorted((*line.segments, *part.segments), key=lambda segment: segment.left):
        last, is_new = segments[-1] if segments else segment, id(segment) in new
        gap = (segment.left - last.right) / part.size
        if segments and gap < -OVERLAP:
            return None
        if segments and gap < WORD_GAP and is_new != last_is_new:
            blank = "" if gap < TOUCHING and not (last.text[-1].isdigit() and segment.text[0].isdigit()) else " "
            segments[-1] = joined(last, segment, blank)
        else:
            segments.append(segment)
        last_is_new = is_new
    return replace(line, segments=tuple(segments))


def _text(textpage: pdfium.PdfTextPage) -> str:
    """Return one character for each of PDFium's, so that positions in the text are PDFium's character numbers."""
    count = textpage.count_chars()
    text = textpage.get_text_range() if count else ""
    if len(text) != count:
        codes = (raw.FPDFText_GetUnicode(textpage, index) for index in range(count))
        text = "".join(chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd" for code in codes)
    return text.replace("\r\n", " \n").replace("\r", "\n")


def _line(textpage: pdfium.PdfTextPage, part: str, offset: int, page: int) -> Line | None:
    first = offset + len(part) - len(part.lstrip())
    size = raw.FPDFText_GetFontSize(textpage, first)
    segments, bottom, top = _segments(textpage, part, offset, _em(textpage, first, size), page)
    if not segments:
        return None
    return Line(tuple(segments), bottom, top, round(top - bottom, 1), _is_bold(textpage, first))


def _em(textpage: pdfium.PdfTextPage, index: int, size: float) -> float:
    """Return the letter height on the page; the font size alone leaves the text matrix out."""
    rect = raw.FS_RECTF()
    if raw.FPDFText_GetLooseCharBox(textpage, index, rect) and rect.top - rect.bottom > 0.5:
        return float(rect.top - rect.bottom)
    return max(size, 1.0)


def _segments(textpage: pdfium.PdfTextPage, part: str, offset: int, em: float, page: int) -> tuple[list[Segment], float, float]:
    """Cut a line at its wide gaps; also return its bottom and top."""
    rect = raw.FS_RECTF()
    segments: list[Segment] = []
    words: list[str] = []
    printed: list[Word] = []
    left = right = bottom = top = 0.0
    position = 0
    raiser = _Raiser(textpage, em)
    for word in part.split(" "):
        start, position = offset + position, position + len(word) + 1
        if not word or not raw.FPDFText_GetLooseCharBox(textpage, start, rect):
            continue
        word_left, word_bottom, word_top = float(rect.left), float(rect.bottom), float(rect.top)
        if not segments and not words:
            left, bottom, top = word_left, word_bottom, word_top
            raiser.bottom = bottom
        elif word_left - right > COLUMN_GAP * em or word_left < left - em or _begins_amount(word, words):
            segments.append(Segment(" ".join(words), left, right, tuple(printed)))
            words, printed, left = [], [], word_left
        mark = raiser.mark_of(rect)
        raw.FPDFText_GetLooseCharBox(textpage, start + len(word) - 1, rect)
        if mark and words:
            words[-1] += mark(word)  # a raised figure parted from its base
        else:
            words.append(raiser.marked(word, start, rect))
        right = float(rect.right)
        edges = (min(word_bottom, float(rect.bottom)), max(right, word_left), max(word_top, float(rect.top)))
        printed.append(Word(word, page, min(word_left, float(rect.left)), *edges))
    if words:
        segments.append(Segment(" ".join(words), left, right, tuple(printed)))
    return segments, bottom, top


class _Raiser:
    """Finds raised and lowered letters of a line: smaller ones, above or below where its first letter stands."""

    def __init__(self, textpage: pdfium.PdfTextPage, em: float) -> None:
        self.textpage, self.em, self.bottom = textpage, em, 0.0

    def mark_of(self, rect: raw.FS_RECTF) -> Callable[[str], str] | None:
        """Return what marks a letter with this box; None for one that stands on the line."""
        height = rect.top - rect.bottom
        if not 0 < height < SMALLER * self.em:
            return None
        if rect.top > self.bottom + self.em * HIGHER and rect.bottom > self.bottom + RAISED_BY * self.em:
            return raised
        return lowered if rect.bottom < self.bottom - LOWERED_BY * self.em else None

    def marked(self, word: str, start: int, last: raw.FS_RECTF) -> str:
        """Return a word with raised or lowered letters at its end marked; ``last`` is the box of its last letter."""
        mark = self.mark_of(last)
        if mark is None or len(word) < 2:
            return word
        rect, length = raw.FS_RECTF(), len(word) - 1
        while length > 0 and raw.FPDFText_GetLooseCharBox(self.textpage, start + length - 1, rect):
            if self.mark_of(rect) is not mark:
                break
            length -= 1
        return word[:length] + mark(word[length:])


def _begins_amount(word: str, before: list[str]) -> bool:
    """A currency sign behind a figure begins the next column, however narrow the gap."""
    return word[0] in "$€£¥" and bool(before) and before[-1][-1] in "0123456789%)"


def _is_bold(textpage: pdfium.PdfTextPage, index: int) -> bool:
    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    length = raw.FPDFText_GetFontInfo(textpage, index, buffer, 128, flags)
    name = buffer.raw[: max(0, min(length, 128) - 1)].lower()
    return b"bold" in name or b"black" in name or b"heavy" in name or raw.FPDFText_GetFontWeight(textpage, index) >= 600
