"""Tables as text: one line a row, each cell beside its column's heading, so that every row is understood by itself.

A chunk is an exact stretch of the text and cannot repeat a heading row above it, so the row itself carries the headings:
``Part number: AB-123 | Description: Inlet filter | Interval: 26 weeks``. A cell that spans columns stands once, beside the
headings of all of them; a cell that spans rows stands in each of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from doyen.ingestion.clean import single_spaced
from doyen.ingestion.document import DocumentBuilder

LONGEST_HEADING = 60
MOST_COLUMNS = 1000
"""Cells further to the right are read without heading; the HTML standard stops at this width too."""
_NUMBER = re.compile(r"^[\s$€£¥(+\-–—]*\d[\d.,\s]*(?:%?\)?|\)\s?%)$")
_YEAR = re.compile(r"^(19|20)\d\d$")


@dataclass(frozen=True)
class Cell:
    """A cell; ``across`` is the number of columns that it spans."""

    text: str
    across: int = 1


class RowSpans:
    """Fills in the cells that reach down from the rows above, row by row."""

    def __init__(self) -> None:
        self._reaching: dict[int, tuple[int, Cell]] = {}

    def lay(self, cells: Sequence[tuple[Cell, int]]) -> list[Cell]:
        """Return a row of the table.

        Args:
            cells: the row's own cells, each with the number of rows that it spans.
        """
        row: list[Cell] = []
        column = 0
        for cell, down in cells:
            column = self._fill(row, column)
            if down > 1 and column < MOST_COLUMNS:
                self._reaching[column] = (down - 1, cell)
            row.append(cell)
            column += cell.across
        self._fill(row, column)
        return row

    def _fill(self, row: list[Cell], column: int) -> int:
        while column in self._reaching:
            rest, cell = self._reaching.pop(column)
            if rest > 1:
                self._reaching[column] = (rest - 1, cell)
            row.append(cell)
            column += cell.across
        return column


def add_table(
    builder: DocumentBuilder, rows: Sequence[Sequence[Cell | str]], has_header: bool | None = None, heading_rows: int = 1
) -> None:
    """Append a table to the document.

    Args:
        builder: receives a row for each row that has text.
        rows: cells, row by row; rows may have different lengths.
        has_header: whether the first rows hold headings; None finds out.
        heading_rows: how many; they become one: "2023" above "Q1" is "2023 Q1".
    """
    cleaned = [[_clean(cell) for cell in row] for row in rows]
    cleaned = [row for row in cleaned if any(cell.text for cell in row)]
    builder.new_group()
    if has_header is None:
        # A single cell above the columns is the table's caption.
        while len(cleaned) > 2 and len(cleaned[0]) == 1 and cleaned[0][0].across > 1:
            builder.add("table_row", cleaned.pop(0)[0].text)
    if not cleaned:
        return
    header = has_header if has_header is not None else looks_like_header([[cell.text for cell in row] for row in cleaned])
    if has_header is None and header and len(cleaned) > 2 and goes_on_below(cleaned):
        heading_rows = 2
    heading_rows = min(heading_rows, len(cleaned) - 1) if header else 0
    headings = join_headings(cleaned[:heading_rows])
    for row in cleaned[heading_rows:]:
        builder.add("table_row", render_cells(headings, row))
    builder.new_group()


def render_row(headings: Sequence[str], cells: Sequence[str]) -> str:
    """Return a row as ``heading: cell | heading: cell``; empty cells are left out, cells without a heading stand alone."""
    return render_cells(headings, [Cell(cell) for cell in cells])


def render_cells(headings: Sequence[str], cells: Sequence[Cell]) -> str:
    """Return a row as ``render_row`` does; a cell that spans columns stands beside the headings of all of them."""
    parts, column = [], 0
    for cell in cells:
        over = dict.fromkeys(heading.rstrip(" :") for heading in headings[column : column + cell.across])
        column += cell.across
        if cell.text:
            whole = len(cells) == 1 and cell.across > 1
            heading = "" if whole else ", ".join(filter(None, over))
            named = heading and (heading != cell.text or is_number(cell.text))
            parts.append(f"{heading}: {cell.text}" if named else cell.text)
    return " | ".join(parts)


def is_number(cell: str) -> bool:
    """Whether a cell is an amount, a percentage or a count."""
    return bool(_NUMBER.match(cell))


def is_year(cell: str) -> bool:
    """Whether a cell is a year of the last or this century: as a heading it names a column."""
    return bool(_YEAR.match(cell))


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: filled, distinct, short, and of another kind than what stands below.

    Two columns without figures below are taken as names and values, not as a table with headings.
    """
    first, body = list(rows[0]), [row for row in rows[1:] if any(row)]
    filled = [cell for cell in first if cell]
    if not body or len(filled) < 2 or len(filled) < len(first) - 1 or len(set(filled)) < len(filled):
        return False
    if any(len(cell) > LONGEST_HEADING or (is_number(cell) and not is_year(cell)) for cell in filled):
        return False
    if len(first) >= 3:
        return True
    figures = sum(any(any(letter.isdigit() for letter in cell) for cell in row) for row in body)
    return not any(letter.isdigit() for cell in filled for letter in cell) and figures * 2 >= len(body)


def _clean(cell: Cell | str) -> Cell:
    if isinstance(cell, str):
        return Cell(single_spaced(cell))
    return Cell(single_spaced(cell.text), max(1, min(cell.across, MOST_COLUMNS)))


def goes_on_below(rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether the second row parts the headings of the first: below one that spans columns stand words, not amounts."""
    if all(cell.across == 1 for cell in rows[0]):
        return False
    return not any(is_number(cell.text) and not is_year(cell.text) for cell in rows[1])


def join_headings(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return the heading of each column; several rows of headings become one."""
    columns: list[dict[str, None]] = []
    for row in rows:
        column = 0
        for cell in row:
            for place in range(column, min(column + cell.across, MOST_COLUMNS)):
                while len(columns) <= place:
                    columns.append({})
                if cell.text:
                    columns[place][cell.text] = None
            column += cell.across
    return [" ".join(texts) for texts in columns]
