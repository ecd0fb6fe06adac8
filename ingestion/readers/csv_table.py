"""CSV and TSV: one line a row, with the column headings in it; ragged rows and odd delimiters are taken as they come."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced
from doyen.ingestion.decoding import decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.limits import CellCount, Limits
from doyen.ingestion.table_text import is_number, is_year, render_row

DELIMITERS = ";\t|,"
"""Ties go to the first: a comma may also be a decimal sign."""
LARGEST_CELL = 10_000_000
SAMPLE_ROWS = 50
LEAST_WORD = 3
"""Letters of a word; what is shorter is a code."""
NAMED_DELIMITER = re.compile(r"sep=([;,\t|])\r?\n", re.IGNORECASE)
"""What Excel writes, and reads, as the first line."""
_LETTERS = re.compile(r"[^\W\d_]+")
_FIGURES = re.compile(r"\d+")


def read_csv(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a CSV or TSV file.

    Cells beyond the headings stand without one; rows that are shorter leave the last columns out.

    Raises:
        UnreadableDocument: a cell or the whole is larger than the limit.
    """
    text = repair_text(decode_bytes(data))
    named = NAMED_DELIMITER.match(text)
    rows = _rows(text[named.end() :], named.group(1), limits) if named else _rows(text, find_delimiter(text), limits)
    builder = DocumentBuilder(limits.max_characters)
    first = first_row(rows)
    for row in rows[:first]:
        builder.add("paragraph", " | ".join(filter(None, row)))
    rows = rows[first:]
    headings = rows.pop(0) if names_columns(rows) else []
    for row in rows:
        builder.add("table_row", render_row(headings, row))
    title = PurePosixPath(name).stem.replace("_", " ").replace("-", " ")
    return builder.build(title, "text/csv")


def _rows(text: str, delimiter: str, limits: Limits) -> list[list[str]]:
    csv.field_size_limit(LARGEST_CELL)
    count = CellCount(limits)
    rows = []
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            count.add(len(cells))
            row = [single_spaced(cell) for cell in cells]
            if any(row):
                rows.append(row)
    except csv.Error as error:
        raise UnreadableDocument(f"it is no CSV file ({error}): check its quotation marks") from error
    return rows


def find_delimiter(text: str) -> str:
    """Return the delimiter that gives the same, largest number of cells in most of the first lines.

    The standard library's Sniffer takes letters for delimiters in short files.
    """
    sample = "\n".join(text.split("\n", SAMPLE_ROWS)[:SAMPLE_ROWS])
    scores = {}
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        except csv.Error:
            continue
        common = max(set(widths), key=widths.count, default=1)
        scores[delimiter] = (widths.count(common) / len(widths) if common > 1 else 0, common)
    best = max(scores, key=lambda delimiter: scores[delimiter], default=",")
    return best if best in scores and scores[best][0] else ","


def first_row(rows: Sequence[Sequence[str]]) -> int:
    """Return where the table begins: programs write a title, a date and the like above it, in one or two cells."""
    widths = Counter(sum(map(bool, row)) for row in rows[:SAMPLE_ROWS])
    common, times = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    if times < 2 and common > 2:
        common = max(widths)
    narrow = 2 if common > 2 else 1
    first = 0
    while common > narrow and first < len(rows) - 1 and sum(map(bool, rows[first])) <= narrow:
        first += 1
    return first


def names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of the rows holds headings and not the first data.

    Years and a count such as 1, 2, 3 or 10, 20, 30 name columns where other values stand below them.
    """
    if len(rows) < 2:
        return False
    first, body = rows[0], rows[1:SAMPLE_ROWS]
    step = _step([cell for cell in first if is_number(cell)])
    counted = not is_number(first[0]) and (step == 1 or (step > 1 and _names_labels(first[0], [row[0] for row in body])))
    for column, cell in enumerate(first):
        below = [row[column] for row in body if column < len(row) and row[column]]
        if is_number(cell) and not is_year(cell) and not counted:
            return False
        if not any(letter.isdigit() for letter in cell) or not below:
            continue
        alike = sum(is_year(other) for other in below) if is_year(cell) else _count_alike(cell, below)
        if 2 * alike > len(below) and not (counted and not is_year(cell)):
            return False
    return True


def _step(cells: Sequence[str]) -> int:
    """Return by how much whole numbers go up from cell to cell, as months or temperatures in a heading; 0 if unequally."""
    if len(cells) < 3 or not all(cell.isascii() and cell.isdigit() and len(cell) < 9 for cell in cells):
        return 0
    steps = {int(after) - int(before) for before, after in pairwise(cells)}
    return max(0, *steps) if len(steps) == 1 else 0


def _names_labels(cell: str, labels: Sequence[str]) -> bool:
    """Whether a cell is no label like those below it but a word for them, or empty: ``Temp`` above ``A`` and ``KX-20``."""
    codes = sum(len(label) < LEAST_WORD or any(letter.isdigit() for letter in label) for label in labels)
    word = len(cell) >= LEAST_WORD and not any(letter.isdigit() for letter in cell)
    return not cell or (word and 2 * codes > len(labels))


def _count_alike(cell: str, others: Sequence[str]) -> int:
    shape = _shape(cell)
    return sum(_shape(other) == shape for other in others)


def _shape(cell: str) -> str:
    """Return a cell with its figures and words made equal: KX-20 and PY-7 are alike."""
    return _FIGURES.sub("9", _LETTERS.sub("a", cell))
