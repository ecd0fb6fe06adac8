"""The columns and rows of a table on a PDF page, and the cells of a printed line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from doyen.ingestion.readers.pdf_lines import Line, Segment, joined
from doyen.ingestion.table_text import is_number

YEAR = re.compile(r"^(?:FY|Q[1-4])?\s?(?:19|20)\d\d[A-Za-z*]?$")
CURRENCY = re.compile(r"^[$€£¥]$")
CLOSING = re.compile(r"^[)%]+$")
EMPTY = Segment("", 0.0, 0.0)
"""A cell or heading without text."""


@dataclass
class Grid:
    """The columns of a table and its rows so far; ``rows`` hold one cell for each column, perhaps EMPTY."""

    headings: list[Segment]
    columns: list[tuple[float, float]]
    rows: list[list[Segment]] = field(default_factory=list)
    used: int = 0
    amounts: bool = False
    """Whether the first full row holds an amount."""
    crowded: int = 0
    """Rows in which an amount fell into the column of labels."""
    pitch: float = 0.0
    """Points from the first row to the second; 0 where that is not known."""
    bold: bool = False
    """Whether its last row is bold."""
    least: int = 2
    """Rows from which it is taken for a table."""


def joined_segments(line: Line) -> list[Segment]:
    """Return the segments of a line with currency signs put before, and closing brackets behind, their amounts."""
    cells: list[Segment] = []
    for segment in line.segments:
        last = cells[-1] if cells else None
        if last is not None and (CURRENCY.match(last.text) or CLOSING.match(segment.text)):
            cells[-1] = replace(joined(last, segment), left=last.left if is_number(last.text) else segment.left)
        else:
            cells.append(segment)
    return cells


def appended(cell: Segment, more: Segment) -> Segment:
    """Return a cell with more text; each of the two may be EMPTY."""
    return joined(cell, more) if cell.text and more.text else cell if cell.text else more
