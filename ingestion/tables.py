"""Tables as text: one line a row, each cell beside its column's heading, so that every row is understood by itself.

A chunk is an exact stretch of the text and cannot repeat a heading row above it, so the row itself carries the headings:
``Part number: AB-123 | Description: Inlet filter | Interval: 26 weeks``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from doyen.ingestion.clean import single_spaced
from doyen.ingestion.document import DocumentBuilder

LONGEST_HEADING = 60
_NUMBER = re.compile(r"^[\s$€£¥(+\-–—]*\d[\d.,\s]*[%)]?$")
_YEAR = re.compile(r"^(19|20)\d\d$")


def add_table(builder: DocumentBuilder, rows: Sequence[Sequence[str]], has_header: bool | None = None) -> None:
    """Append a table to the document.

    Args:
        rows: cells, row by row; rows may have different lengths.
        has_header: whether the first row holds headings; None finds out.
    """
    cleaned = [[single_spaced(cell) for cell in row] for row in rows]
    cleaned = [row for row in cleaned if any(row)]
    if not cleaned:
        return
    header = has_header if has_header is not None else looks_like_header(cleaned)
    builder.new_group()
    headings = cleaned[0] if header and len(cleaned) > 1 else []
    for row in cleaned[1:] if headings else cleaned:
        builder.add("table_row", render_row(headings, row))
    builder.new_group()


def render_row(headings: Sequence[str], cells: Sequence[str]) -> str:
    """Return a row as ``heading: cell | heading: cell``; empty cells are left out, cells without a heading stand alone."""
    parts = []
    for position, cell in enumerate(cells):
        heading = headings[position].rstrip(" :") if position < len(headings) else ""
        if cell:
            parts.append(f"{heading}: {cell}" if heading and heading != cell else cell)
    return " | ".join(parts)


def is_number(cell: str) -> bool:
    """Whether a cell is an amount, a percentage or a count."""
    return bool(_NUMBER.match(cell))


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: filled, distinct, short, and of another kind than what stands below.

    Two columns without figures below are taken as names and values, not as a table with headings.
    """
    first, body = list(rows[0]), [row for row in rows[1:] if any(row)]
    filled = [cell for cell in first if cell]
    if not body or len(filled) < 2 or len(filled) < len(first) - 1 or len(set(filled)) < len(filled):
        return False
    if any(len(cell) > LONGEST_HEADING or (is_number(cell) and not _YEAR.match(cell)) for cell in filled):
        return False
    if len(first) >= 3:
        return True
    figures = sum(any(any(letter.isdigit() for letter in cell) for cell in row) for row in body)
    return not any(letter.isdigit() for cell in filled for letter in cell) and figures * 2 >= len(body)
