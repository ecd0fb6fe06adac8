"""Tables in PDF pages, found from the alignment of lines below a heading row; no ruling lines are needed.

A table is taken only where a row of headings stands above at least two lines whose segments fall under them. Everything
else stays what it was, lines of text: a wrong table does more harm than an unfound one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from doyen.ingestion.readers.pdf_lines import Line, Segment
from doyen.ingestion.tables import LONGEST_HEADING, is_number, render_row

YEAR = re.compile(r"^(?:FY|Q[1-4])?\s?(?:19|20)\d\d[A-Za-z*]?$")
CURRENCY = re.compile(r"^[$€£¥]$")
CLOSING = re.compile(r"^[)%]+$")
BULLET = re.compile(r"^[•‣◦▪·●■–\uf0b7]\s*")
PROSE_WORDS = 14
"""A single segment longer than this is a sentence, not the label of a row."""


@dataclass
class Grid:
    """The columns of a table and its rows so far; ``rows`` hold one text for each column."""

    headings: list[str]
    columns: list[tuple[float, float]]
    rows: list[list[str]] = field(default_factory=list)
    used: int = 0


def find_table(lines: Sequence[Line], start: int) -> tuple[list[str], int] | None:
    """Return the rendered rows of a table whose headings are ``lines[start]``, and the number of lines it takes."""
    if not _is_heading_row(lines[start]):
        return None
    grid = _open_grid(lines, start)
    if grid is None:
        return None
    _take_rows(grid, lines, start)
    full = [row for row in grid.rows if sum(bool(cell) for cell in row) >= 2]
    if len(full) < 2 or 2 * len(full) < len(grid.rows):
        return None
    if len(grid.columns) == 2 and not _holds_amounts(grid):
        return None  # two columns of words may as well be a letterhead or two columns of text
    return _render(grid), grid.used


def joined_segments(line: Line) -> list[Segment]:
    """Return the segments of a line with currency signs put before, and closing brackets behind, their amounts."""
    joined: list[Segment] = []
    for segment in line.segments:
        last = joined[-1] if joined else None
        if last is not None and (CURRENCY.match(last.text) or CLOSING.match(segment.text)):
            joined[-1] = Segment(
                f"{last.text} {segment.text}", last.left if is_number(last.text) else segment.left, segment.right
            )
        else:
            joined.append(segment)
    return joined


def _is_heading_row(line: Line) -> bool:
    texts = [segment.text for segment in line.segments]
    if len(texts) < 2 or len(set(texts)) == 1 or any(len(text) > LONGEST_HEADING for text in texts):
        return False
    if len(texts[0]) == 1 and not texts[0].isalnum():
        return False  # a bullet before a list item
    return all(YEAR.match(text) or not (is_number(text) or CURRENCY.match(text)) for text in texts)


def _open_grid(lines: Sequence[Line], start: int) -> Grid | None:
    """Return a grid for the headings at ``start``; a second line of headings (years below periods) is joined to them."""
    top = list(lines[start].segments)
    headings, segments, used = [segment.text for segment in top], top, 1
    below = lines[start + 1] if start + 1 < len(lines) else None
    if below is not None and _is_heading_row(below) and all(YEAR.match(part.text) for part in below.segments[1:]):
        segments, used = list(below.segments), 2
        headings = [f"{_above(part, top)} {part.text}".strip() for part in segments]
    columns = [(segment.left, segment.right) for segment in segments]
    first = lines[start + used] if start + used < len(lines) else None
    if first is None:
        return None
    cells = joined_segments(first)
    if len(cells) < 2:
        following = lines[start + used + 1] if start + used + 1 < len(lines) else None
        cells = joined_segments(following) if following is not None else []
    if cells and cells[0].right < columns[0][0] and len(cells) > 1:
        headings, columns = ["", *headings], [(cells[0].left, cells[0].right), *columns]
    return Grid(headings, columns, used=used) if len(cells) >= 2 else None


def _above(part: Segment, top: Sequence[Segment]) -> str:
    """The heading of the upper line that stands over a lower one: overlapping, or the nearest."""
    middle = (part.left + part.right) / 2
    nearest = min(top, key=lambda upper: max(upper.left - middle, middle - upper.right, 0.0))
    return nearest.text if max(nearest.left - middle, middle - nearest.right, 0.0) < 60 else ""


def _take_rows(grid: Grid, lines: Sequence[Line], start: int) -> None:
    """Add lines to the grid until one does not belong to the table."""
    header = lines[start + grid.used - 1]
    pitch, pending = 0.0, 0
    index = start + grid.used
    row_bottom, size = header.bottom, lines[index].size
    while index < len(lines):
        line, previous = lines[index], lines[index - 1]
        step = previous.bottom - line.bottom
        # Some programs write cell after cell: the next cell of a row begins above the last line of the one before.
        beside = grid.rows and line.bottom <= row_bottom + 0.5 * line.size
        if (step <= 0 and not beside) or step > 3.5 * max(line.size, previous.size) or line.size > 1.25 * size:
            break
        cells = joined_segments(line)
        if BULLET.match(line.text) or (len(cells) == 1 and not _is_label_or_continuation(grid, cells[0])):
            break
        places = [_column(grid, cell) for cell in cells]
        if any(place is None for place in places):
            break
        row = [""] * len(grid.columns)
        for cell, place in zip(cells, places, strict=True):
            row[place or 0] = f"{row[place or 0]} {cell.text}".strip()
        same_row = bool(grid.rows) and abs(line.bottom - row_bottom) < 0.5 * line.size
        if same_row or _continues(grid, row, step, pitch):
            grid.rows[-1] = [f"{old} {new}".strip() for old, new in zip(grid.rows[-1], row, strict=True)]
        else:
            pitch = pitch or step
            row_bottom = line.bottom
            grid.rows.append(row)
            pending = pending + 1 if len(cells) == 1 else 0
        index += 1
    # Labels at the end have no amounts below them: they are headings of what follows.
    if pending:
        del grid.rows[-pending:]
        index -= pending
    grid.used = index - start


def _is_label_or_continuation(grid: Grid, cell: Segment) -> bool:
    if len(cell.text.split()) > PROSE_WORDS:
        return False
    if cell.left > grid.columns[0][1]:
        return True
    # A line with nothing but a label parts a table of amounts; in a table of words it is a heading after the table.
    return cell.right < grid.columns[1][0] and (not grid.rows or _holds_amounts(grid))


def _holds_amounts(grid: Grid) -> bool:
    cells = [cell for row in grid.rows for cell in row[1:] if cell]
    return bool(cells) and sum(is_number(cell) for cell in cells) >= 0.5 * len(cells)


def _continues(grid: Grid, row: list[str], step: float, pitch: float) -> bool:
    """Whether a line carries on the cells of the row above."""
    if not grid.rows:
        return False
    amounts = any(is_number(cell) for cell in row[1:])
    if not row[0] and not amounts:
        return not _holds_amounts(grid) or step < 1.2 * pitch
    return not amounts and pitch > 0 and step < 0.8 * pitch


def _column(grid: Grid, cell: Segment) -> int | None:
    """Return the column whose left edge, right edge or middle is nearest, if it is near enough."""

    def distance(column: tuple[float, float]) -> float:
        middle = abs((cell.left + cell.right) - (column[0] + column[1])) / 2
        return min(abs(cell.left - column[0]), abs(cell.right - column[1]), middle)

    distances = [distance(column) for column in grid.columns]
    best = min(range(len(distances)), key=distances.__getitem__)
    lefts = [column[0] for column in grid.columns]
    spacing = min(abs(lefts[i] - lefts[best]) for i in range(len(lefts)) if i != best)
    if best == 0 and cell.left <= grid.columns[0][1]:
        return 0
    if best == len(lefts) - 1 and cell.left >= lefts[-1]:
        return best
    return best if distances[best] <= 0.6 * spacing else None


def _render(grid: Grid) -> list[str]:
    """Render the rows. In tables of amounts the first column is a label: its heading goes into a row of its own."""
    amounts = [is_number(cell) for row in grid.rows for cell in row[1:] if cell]
    rows = []
    headings = list(grid.headings)
    if sum(amounts) > 0.5 * len(amounts):
        if headings[0]:
            rows.append(" | ".join(heading for heading in headings if heading))
        headings[0] = ""
    return rows + [render_row(headings, row) for row in grid.rows]
