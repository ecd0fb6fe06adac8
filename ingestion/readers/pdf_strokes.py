"""Level lines drawn on a PDF page, and the text that they strike out: the PDF itself knows only letters and drawn lines."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import c_float, c_int, c_uint
from itertools import islice
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as raw

THICKEST, LEAST_LENGTH = 3.0, 2.0
"""Points that a line is high at most, and long at least."""
BAND = (0.3, 0.68)
"""Where the line crosses letters, from the bottom to the top of their boxes: underlines run lower, overlines higher."""
OVERHANG = 0.35
"""Letter heights by which the line may begin or end beside the letters: a ruling line runs on."""
TOUCHING = 0.5
"""Points between lines that are one."""
LIGHTEST, LEAST_OPACITY = 160, 128
"""Share of each basic colour (of 255) that a line which is seen has at most, in one of them; how opaque it is at least."""
MOST_LINES = 2000
"""A page with more lines is a drawing."""
MOST_LETTERS = 1000


class Stroke(NamedTuple):
    """A level line, in points from the lower left corner of the page."""

    height: float
    left: float
    right: float


def level_lines(page: pdfium.PdfPage) -> list[Stroke]:
    """Return the thin level lines drawn on a page, none of a drawing; those within form XObjects are not considered."""
    pieces = list(islice(_level_lines(page), MOST_LINES + 1))
    return pieces if len(pieces) <= MOST_LINES else []


def struck_letters(textpage: pdfium.PdfTextPage, pieces: list[Stroke]) -> set[int]:
    """Return the numbers of the characters that these lines strike out."""
    struck: set[int] = set()
    for height, left, right in joined_lines(pieces):
        struck.update(_crossed(textpage, left, right, height))
    return struck


def _level_lines(page: pdfium.PdfPage) -> Iterator[Stroke]:
    box = [c_float() for _ in range(4)]
    for index in range(raw.FPDFPage_CountObjects(page)):
        item = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_PATH and raw.FPDFPageObj_GetBounds(item, *box):
            left, bottom, right, top = (edge.value for edge in box)
            level = top - bottom <= THICKEST and right - left >= max(LEAST_LENGTH, top - bottom)
            if level and _is_seen(item):
                yield Stroke(round((bottom + top) / 2, 1), left, right)


def _is_seen(path: raw.FPDF_PAGEOBJECT) -> bool:
    """Whether a path is painted, and in a colour that stands out: stripes of a background lie behind letters, too."""
    fill, stroke = c_int(), c_int()
    raw.FPDFPath_GetDrawMode(path, fill, stroke)
    paints = [raw.FPDFPageObj_GetFillColor] * bool(fill.value) + [raw.FPDFPageObj_GetStrokeColor] * bool(stroke.value)
    red, green, blue, opacity = (c_uint() for _ in range(4))
    return any(
        paint(path, red, green, blue, opacity)
        and opacity.value >= LEAST_OPACITY
        and min(red.value, green.value, blue.value) <= LIGHTEST
        for paint in paints
    )


def joined_lines(pieces: list[Stroke]) -> list[Stroke]:
    """Return the lines with those joined that touch: browsers underline CO₂ in two pieces, one right across the 2."""
    lines: list[Stroke] = []
    for piece in sorted(pieces):
        last = lines[-1] if lines else piece
        if lines and piece.height - last.height <= TOUCHING and last.left <= piece.left <= last.right + TOUCHING:
            lines[-1] = last._replace(right=max(piece.right, last.right))
        else:
            lines.append(piece)
    return lines


def _crossed(textpage: pdfium.PdfTextPage, left: float, right: float, height: float) -> list[int]:
    """Return the characters that a line crosses in their middle from end to end; none if it is a line of another kind."""
    inset = min(1.0, (right - left) / 4)
    first = raw.FPDFText_GetCharIndexAtPos(textpage, left + inset, height, inset, 0.0)
    last = raw.FPDFText_GetCharIndexAtPos(textpage, right - inset, height, inset, 0.0)
    rect, crossed, ends = raw.FS_RECTF(), list[int](), list[float]()
    em = 0.0
    for index in range(first, last + 1) if 0 <= first <= last < first + MOST_LETTERS else ():
        known = raw.FPDFText_GetLooseCharBox(textpage, index, rect) and raw.FPDFText_IsGenerated(textpage, index) != 1
        if not known or not left < (rect.left + rect.right) / 2 < right:
            continue
        em = rect.top - rect.bottom
        if not BAND[0] * em <= height - rect.bottom <= BAND[1] * em:
            return []
        crossed.append(index)
        ends += [rect.left, rect.right]
    ruled = not crossed or ends[0] - left > OVERHANG * em or right - ends[-1] > OVERHANG * em
    return [] if ruled else crossed
