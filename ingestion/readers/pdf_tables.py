"""Tables in PDF pages, found from the alignment of lines below a heading row; no ruling lines are needed.

A table is taken only where a row of headings stands above at least two lines whose segments fall under them. Everything
else stays what it was, lines of text: a wrong table does more harm than an unfound one. A table that reaches the end of its
page may go on at the top of the next one, below its headings again or without them; its rows keep them in both cases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from doyen.ingestion.readers.pdf_grid import CURRENCY, EMPTY, YEAR, Grid, appended, joined_segments
from doyen.ingestion.readers.pdf_headings import is_figure, open_figures
from doyen.ingestion.readers.pdf_lines import Line, Segment, joined
from doyen.ingestion.table_text import LONGEST_HEADING, is_number, render_row
from doyen.ingestion.word_boxes import Piece

BULLET = re.compile(r"^[•‣◦▪·●■–\uf0b7]\s*")
VALUE = re.compile(r"^[<>≤≥±~≈+\-–(]*\s*\d\S*(?:\s\S{1,8}){0,2}$")
"""A figure with or without a sign and a unit."""
CLOSE = 1.35
"""Letter heights from line to line within a cell, at most, where several cells go on."""
LOOK_AHEAD = 4
INDENT = 20.0
"""Points between the left edge of a heading and that of the labels beside it; also the deepest indentation of a label."""
PROSE_WORDS = 14
"""A single segment longer than this is a sentence, not the label of a row."""
ALIGNED = 3.0
"""Points by which a cell on the next page may miss the edges of its column, where no headings stand above it."""


class Table(NamedTuple):
    """A table that was found: its rows as text, the number of lines that it takes, and its grid, for the next page."""

    rows: list[Piece]
    used: int
    grid: Grid


def find_table(lines: Sequence[Line], start: int) -> Table | None:
    """Return the table whose headings begin with ``lines[start]``."""
    grid = _opened(lines, start)
    if grid is None:
        return None
    _take_rows(grid, lines, start)
    if not _is_full(grid, grid.least):
        return None
    if grid.crowded > 0.2 * len(grid.rows):
        return None  # labels and amounts fell into one column: the headings are not those of the columns
    if len(grid.columns) == 2 and not _holds_amounts(grid):
        return None  # two columns of words may as well be a letterhead or two columns of text
    return Table(_render(grid), grid.used, grid)


def _opened(lines: Sequence[Line], start: int) -> Grid | None:
    """Return the grid below the headings that begin at ``start``: columns of figures, or of words."""
    if (figures := open_figures(lines, start)) is not None:
        return figures
    return _open_grid(lines, start) if _is_heading_row(lines[start]) and not _is_within_table(lines, start) else None


def continue_table(grid: Grid, lines: Sequence[Line]) -> Table | None:
    """Return the rest of a table that goes on at the top of a page.

    Args:
        grid: the table, which reached the end of the page before.
        lines: of the page, without running headers.
    """
    headings = [heading.text for heading in grid.headings if heading.text]
    again = open_figures(lines, 0) or (_open_grid(lines, 0) if _is_heading_row(lines[0]) else None)
    if again is None or [heading.text for heading in again.headings if heading.text] != headings:
        if not _is_next_row(grid, lines[0]):
            return None
        again = Grid(grid.headings, grid.columns, amounts=grid.amounts)
    again.pitch = grid.pitch
    _take_rows(again, lines, 0)
    return Table(_render(again, with_label=False), again.used, again) if _is_full(again, least=1) else None


def _is_full(grid: Grid, least: int) -> bool:
    """Whether enough rows, and half of them, have two cells."""
    full = [row for row in grid.rows if sum(bool(cell.text) for cell in row) >= 2]
    return len(full) >= least and 2 * len(full) >= len(grid.rows)


def _is_next_row(grid: Grid, line: Line) -> bool:
    """Whether a line is set like the rows so far, cell by cell, and is not the row of headings of another table."""
    cells = joined_segments(line)
    if (
        len(cells) < 2
        or line.bold != grid.bold
        or (_holds_amounts(grid) and not any(is_number(cell.text) for cell in cells[1:]))
    ):
        return False
    places = [_place(cell, grid.columns) for cell in cells]
    return len(set(places)) == len(places) and all(
        place is not None and any(_is_aligned(cell, row[place]) for row in grid.rows)
        for cell, place in zip(cells, places, strict=True)
    )


def _is_aligned(cell: Segment, other: Segment) -> bool:
    middles = cell.left + cell.right - other.left - other.right
    return bool(other.text) and min(abs(cell.left - other.left), abs(cell.right - other.right), abs(middles) / 2) <= ALIGNED


def _is_heading_row(line: Line) -> bool:
    texts = [segment.text for segment in line.segments]
    if len(texts) < 2 or len(set(texts)) == 1 or any(len(text) > LONGEST_HEADING for text in texts):
        return False
    if len(texts[0]) == 1 and not texts[0].isalnum():
        return False  # a bullet before a list item
    return all(YEAR.match(text) or not (is_number(text) or CURRENCY.match(text)) for text in texts)


def _is_within_table(lines: Sequence[Line], start: int) -> bool:
    """Whether the line above is a row as well: then this one is no heading but a row of a table that was not recognised."""
    if start == 0 or all(YEAR.match(segment.text) for segment in lines[start].segments[1:]):
        return False
    above, line = lines[start - 1], lines[start]
    return len(above.segments) > 1 and 0 < above.bottom - line.bottom < 2 * line.size and above.bold == line.bold


def _open_grid(lines: Sequence[Line], start: int) -> Grid | None:
    """Return a grid for the headings at ``start``; a second line of headings (years below periods) is joined to them."""
    top = list(lines[start].segments)
    headings, segments, used = list(top), top, 1
    below = lines[start + 1] if start + 1 < len(lines) else None
    if below is not None and _is_heading_row(below) and all(YEAR.match(part.text) for part in below.segments[1:]):
        segments, used = list(below.segments), 2
        headings = [appended(_above(part, top), part) for part in segments]
    columns = [(segment.left, segment.right) for segment in segments]
    used += _wrapped_headings(lines, start + used, headings, columns)
    rows = (joined_segments(line) for line in lines[start + used : start + used + LOOK_AHEAD])
    # Below periods often stand further heading lines ("(Unaudited)"): the first line with an amount shows the columns.
    cells = next((cells for cells in rows if len(cells) >= 2 and any(is_number(cell.text) for cell in cells)), None)
    amounts = cells is not None
    cells = cells or (joined_segments(lines[start + used]) if start + used < len(lines) else [])
    if len(cells) < 2:
        return None
    if cells[0].left < columns[0][0] - INDENT and not is_number(cells[0].text):
        headings, columns = [EMPTY, *headings], [(cells[0].left, min(cells[0].right, columns[0][0])), *columns]
    return Grid(headings, columns, used=used, amounts=amounts)


def _wrapped_headings(lines: Sequence[Line], index: int, headings: list[Segment], columns: list[tuple[float, float]]) -> int:
    """Append the further lines of headings that are broken over lines; return how many lines that takes."""
    taken = 0
    while index + taken < len(lines):
        line, previous = lines[index + taken], lines[index + taken - 1]
        places = [_place(part, columns) for part in line.segments]
        tight = 0 < previous.bottom - line.bottom < 1.25 * line.size
        words = not any(is_number(part.text) for part in line.segments)
        if not (tight and words) or None in places or 0 in places:
            break
        for part, place in zip(line.segments, places, strict=True):
            headings[place or 0] = joined(headings[place or 0], part)
        taken += 1
    return taken


def _above(part: Segment, top: Sequence[Segment]) -> Segment:
    """The heading of the upper line that stands over a lower one: overlapping, or the nearest."""
    middle = (part.left + part.right) / 2
    nearest = min(top, key=lambda upper: max(upper.left - middle, middle - upper.right, 0.0))
    return nearest if max(nearest.left - middle, middle - nearest.right, 0.0) < 60 else EMPTY


def _take_rows(grid: Grid, lines: Sequence[Line], start: int) -> None:
    """Add lines to the grid until one does not belong to the table."""
    pending = 0
    index = start + grid.used
    size = lines[index].size if index < len(lines) else 0.0
    while index < len(lines):
        line = lines[index]
        previous = lines[index - 1] if index > start else None
        step = previous.bottom - line.bottom if previous else line.size
        if step <= 0 or step > 3.5 * max(line.size, previous.size if previous else 0.0) or line.size > 1.25 * size:
            break
        cells = joined_segments(line)
        tight = step < 0.8 * grid.pitch
        if BULLET.match(line.text) or (len(cells) == 1 and not _fits_alone(grid, cells[0], tight=tight)):
            break
        places = [_place(cell, grid.columns) for cell in cells]
        if any(place is None for place in places) or (grid.rows and _begins_figures(grid, lines, index)):
            break
        row = [EMPTY] * len(grid.columns)
        for cell, place in zip(cells, places, strict=True):
            row[place or 0] = appended(row[place or 0], cell)
        grid.crowded += sum(place == 0 and is_number(cell.text) for cell, place in zip(cells[1:], places[1:], strict=True))
        if _ends_label(grid, row, step) or _continues(grid, row, step, line.size):
            grid.rows[-1] = [appended(old, new) for old, new in zip(grid.rows[-1], row, strict=True)]
            pending = pending if len(cells) == 1 else 0
        else:
            grid.pitch = grid.pitch or step
            grid.rows.append(row)
            grid.bold = line.bold
            pending = pending + 1 if len(cells) == 1 else 0
        index += 1
    # Labels at the end have no amounts below them: they are headings of what follows.
    if pending:
        del grid.rows[-pending:]
        index -= pending
    grid.used = index - start


def _begins_figures(grid: Grid, lines: Sequence[Line], index: int) -> bool:
    """Whether the headings of another table of figures begin at a line."""
    parts = lines[index].segments
    if not grid.amounts or parts[-1].left <= grid.columns[0][1] or any(is_figure(part.text) for part in parts):
        return False
    return open_figures(lines, index) is not None


def _fits_alone(grid: Grid, cell: Segment, *, tight: bool) -> bool:
    """Whether a line with a single segment belongs to the table: a label, or the rest of a cell of the row above."""
    if len(cell.text.split()) > PROSE_WORDS:
        return False
    if tight and grid.rows:
        return True
    if cell.left > grid.columns[0][1]:
        return is_number(cell.text) or not grid.amounts
    # A line with nothing but a label parts a table of amounts; in a table of words it is a heading after the table.
    near_left = abs(cell.left - grid.columns[0][0]) <= 2 * INDENT
    return near_left and cell.right < grid.columns[1][0] and (not grid.rows or grid.amounts)


def _holds_amounts(grid: Grid) -> bool:
    cells = [cell.text for row in grid.rows for cell in row[1:] if cell.text]
    return bool(cells) and sum(is_number(cell) for cell in cells) >= 0.5 * len(cells)


def _ends_label(grid: Grid, row: list[Segment], step: float) -> bool:
    """Whether a row of figures ends the label of the line above, which has none: it goes on in small letters or is empty."""
    above = grid.rows[-1] if grid.amounts and grid.rows else []
    if not above or not above[0].text or any(cell.text for cell in above[1:]) or not any(cell.text for cell in row[1:]):
        return False
    if not row[0].text:
        return step < 1.2 * grid.pitch
    return above[0].text.endswith("-") or (row[0].text[0].islower() and not above[0].text.endswith(":"))


def _continues(grid: Grid, row: list[Segment], step: float, size: float) -> bool:
    """Whether a line carries on the cells of the row above.

    A row with a value where the row above has a value or nothing is a row of its own, also without a label: joined, the
    values of two rows would be one's. Words go on where the lines stand close.
    """
    if not grid.rows:
        return False
    pairs = [(old.text, new.text) for old, new in zip(grid.rows[-1][1:], row[1:], strict=True) if new.text]
    values = any(is_number(new) or (VALUE.match(new) and (not old or VALUE.match(old))) for old, new in pairs)
    if values or row[0].text:
        return not values and step < 0.8 * grid.pitch
    if sum(bool(old) for old, _ in pairs) >= 2 and step >= CLOSE * size:
        return False
    return not _holds_amounts(grid) or step < 1.2 * grid.pitch


def _place(cell: Segment, columns: Sequence[tuple[float, float]]) -> int | None:
    """Return the column whose left edge, right edge or middle is nearest, if it is near enough."""

    def distance(column: tuple[float, float]) -> float:
        middle = abs((cell.left + cell.right) - (column[0] + column[1])) / 2
        return min(abs(cell.left - column[0]), abs(cell.right - column[1]), middle)

    distances = [distance(column) for column in columns]
    best = min(range(len(distances)), key=distances.__getitem__)
    lefts = [column[0] for column in columns]
    spacing = min(abs(lefts[i] - lefts[best]) for i in range(len(lefts)) if i != best)
    if best == 0 and cell.left <= columns[0][1]:
        return 0
    if best == len(lefts) - 1 and cell.left >= lefts[-1]:
        return best
    return best if distances[best] <= 0.6 * spacing else None


def _render(grid: Grid, *, with_label: bool = True) -> list[Piece]:
    """Render the rows. In tables of amounts the first column is a label: its heading goes into a row of its own.

    Args:
        with_label: whether to write that row.
    """
    amounts = [is_number(cell.text) for row in grid.rows for cell in row[1:] if cell.text]
    rows = []
    headings = list(grid.headings)
    if sum(amounts) > 0.5 * len(amounts):
        if headings[0].text and with_label:
            filled = [heading for heading in headings if heading.text]
            words = tuple(word for heading in filled for word in heading.words)
            rows.append(Piece(" | ".join(heading.text for heading in filled), words))
        headings[0] = EMPTY
    return rows + [_render_cells(headings, row) for row in grid.rows]


def _render_cells(headings: Sequence[Segment], row: Sequence[Segment]) -> Piece:
    text = render_row([heading.text for heading in headings], [cell.text for cell in row])
    shown = [(heading, cell) for heading, cell in zip(headings, row, strict=True) if cell.text]
    return Piece(text, tuple(word for pair in shown for part in pair for word in part.words))
