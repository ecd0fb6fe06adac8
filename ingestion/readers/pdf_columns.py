"""Columns of running text that a program printed line by line across the page: put back into reading order.

    The pump is guaranteed for      once. Spare parts must           The pump is guaranteed for
    two years. Repairs by others    come from the maker.       →     two years. Repairs by others
    end the guarantee at            Transport is paid.               end the guarantee at
                                                                     once. Spare parts must …

Tables look alike. Columns are taken only where each is filled with sentences that go on from line to line; the cells of a
table are short, or end with short lines, or hold figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise

from doyen.ingestion.readers.pdf_lines import Line, Segment, joined
from doyen.ingestion.table_text import is_number

LEAST_LINES = 4
LEAST_WORDS = 4.0
"""Words of a line in the mean, from which it is prose."""
LEAST_PRESENT = 0.7
"""Share of the lines in which a column has text."""
LEAST_FILLED = 0.6
"""Share of a column's lines that reach near its right edge."""
LEAST_GOING_ON = 0.25
"""Share of a column's lines that go on within a sentence: they begin with a small letter, none ends before them."""
MOST_FIGURES = 0.15
LARGEST_STEP = 2.5
"""Distance of two lines, in letter heights, at which a block of columns ends."""
_SENTENCE_END = re.compile(r"[.!?:;。！？][\"'”’)\]]*$")


def put_columns_in_order(lines: list[Line]) -> list[Line]:
    """Return the lines of a page with those of columns printed across put one column after the other."""
    ordered: list[Line] = []
    start = 0
    while start < len(lines):
        end = _block_end(lines, start)
        columns = _columns(lines[start:end]) if end - start >= LEAST_LINES else None
        if columns is None:
            ordered.append(lines[start])
            start += 1
        else:
            ordered += [line for column in columns for line in column]
            start = end
    return ordered


def _block_end(lines: Sequence[Line], start: int) -> int:
    """Return where the lines end that a common gap parts."""
    if len(lines[start].segments) < 2:
        return start
    gaps = _gaps(lines[start])
    end = start + 1
    while end < len(lines):
        line, step = lines[end], lines[end - 1].bottom - lines[end].bottom
        left = [gap for gap in gaps if not any(part.left < gap[1] and part.right > gap[0] for part in line.segments)]
        if not 0 < step <= LARGEST_STEP * line.size or not left:
            break
        gaps = left
        end += 1
    return end


def _gaps(line: Line) -> list[tuple[float, float]]:
    parts = line.segments
    return [((a.right + b.left) / 2 - 1, (a.right + b.left) / 2 + 1) for a, b in pairwise(parts)]


def _columns(lines: Sequence[Line]) -> list[list[Line]] | None:
    """Return the lines of each column if all of them are running text."""
    borders = [
        gap
        for gap in _gaps(lines[0])
        if all(not (p.left < gap[1] and p.right > gap[0]) for line in lines for p in line.segments)
    ]
    if any(is_number(part.text) or part.text in "$€£¥" for line in lines for part in line.segments):
        return None  # amounts under each other
    columns: list[list[Line]] = [[] for _ in range(len(borders) + 1)]
    for line in lines:
        parts: list[list[Segment]] = [[] for _ in columns]
        for part in line.segments:
            parts[sum(part.left >= gap[1] for gap in borders)].append(part)
        for column, found in zip(columns, parts, strict=True):
            if found:
                column.append(replace(line, segments=(reduce(joined, found),)))
    return columns if len(columns) > 1 and all(_is_prose(column, len(lines)) for column in columns) else None


def _is_prose(lines: Sequence[Line], whole: int) -> bool:
    if len(lines) < max(LEAST_LINES, LEAST_PRESENT * whole):
        return False
    words = sum(len(line.text.split()) for line in lines) / len(lines)
    letters = "".join(line.text for line in lines)
    figures = sum(letter.isdigit() for letter in letters)
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    filled = sum(line.right >= left + 0.75 * (right - left) for line in lines)
    going_on = sum(line.text[:1].islower() and not _SENTENCE_END.search(above.text) for above, line in pairwise(lines))
    return (
        words >= LEAST_WORDS
        and figures <= MOST_FIGURES * len(letters)
        and filled >= LEAST_FILLED * len(lines)
        and going_on >= LEAST_GOING_ON * len(lines)
    )
