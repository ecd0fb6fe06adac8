"""CSV and TSV: one line a row, with the column headings in it; ragged rows and odd delimiters are taken as they come."""

from __future__ import annotations

import csv
import io
from pathlib import PurePosixPath

from doyen.ingestion.clean import repair_text, single_spaced
from doyen.ingestion.decoding import decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.tables import is_number, render_row

DELIMITERS = ";\t|,"
"""Ties go to the first: a comma may also be a decimal sign."""
LARGEST_CELL = 10_000_000


def read_csv(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a CSV or TSV file.

    Cells beyond the headings stand without one; rows that are shorter leave the last columns out.
    """
    text = repair_text(decode_bytes(data))
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text))
    rows = [[single_spaced(cell) for cell in row] for row in reader]
    rows = [row for row in rows if any(row)]
    builder = DocumentBuilder()
    headings: list[str] = []
    while rows and len(rows) > 1 and len([cell for cell in rows[0] if cell]) == 1 < max(len(row) for row in rows[:20]):
        # A line with one cell above the table is its caption.
        builder.add("paragraph", " ".join(rows.pop(0)).strip())
    if len(rows) > 1 and not any(is_number(cell) for cell in rows[0]):
        headings, rows = rows[0], rows[1:]
    for row in rows:
        builder.add("table_row", render_row(headings, row))
    title = PurePosixPath(name).stem.replace("_", " ").replace("-", " ")
    return builder.build(title, "text/csv")


def find_delimiter(text: str) -> str:
    """Return the delimiter that gives the same, largest number of cells in most of the first lines.

    The standard library's Sniffer takes letters for delimiters in short files.
    """
    sample = "\n".join(text.split("\n")[:50])
    scores = {}
    for delimiter in DELIMITERS:
        widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        common = max(set(widths), key=widths.count, default=1)
        scores[delimiter] = (widths.count(common) / len(widths) if common > 1 else 0, common)
    best = max(DELIMITERS, key=lambda delimiter: scores[delimiter])
    return best if scores[best][0] else ","
