"""Excel workbooks (XLSX): a section for each sheet, its tables row by row with their headings, values as Excel shows them.

Empty rows part the tables of a sheet. Formulas stand as the value that Excel stored; hidden sheets are left out and noted.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.csv_table import SAMPLE_ROWS, first_row, names_columns
from doyen.ingestion.readers.limits import CellCount, Limits
from doyen.ingestion.readers.package import check_package, told_if_damaged
from doyen.ingestion.readers.xlsx_formats import shown_value
from doyen.ingestion.table_text import MOST_COLUMNS, Cell, goes_on_below, join_headings, looks_like_header, render_cells

KIND = "Excel workbook"
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_048_576
"""Of a sheet, in Excel."""
READ_AHEAD = 1 << 20
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]{0,100}?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_UNCALCULATED = re.compile(
    rb"<(?:\w+:)?f(?:\s[^>]{0,100})?(?:/>|>[^<]*</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>|<v></v>|</(?:\w+:)?c>)"
)


def read_xlsx(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a workbook.

    Raises:
        UnreadableDocument: it is damaged, would unpack to more than the limit, or has too many cells.
    """
    import openpyxl

    check_package(data, KIND, limits)
    builder, cells = DocumentBuilder(limits.max_characters), CellCount(limits)
    with told_if_damaged(KIND), zipfile.ZipFile(io.BytesIO(data)) as archive:
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for sheet in workbook.worksheets:
            if sheet.sheet_state != "visible":
                builder.note(f"the sheet {sheet.title!r} is hidden and was left out: show it to have it read")
                continue
            merged, uncalculated = _look_through(archive, sheet._worksheet_path, cells)
            if uncalculated:
                builder.note(
                    f"{uncalculated:,} formulas of the sheet {sheet.title!r} have no stored value: open it in Excel and save it"
                )
            _add_sheet(builder, sheet, merged, cells)
        title = workbook.properties.title or ""
    return builder.build(single_spaced(repair_text(title)), MEDIA_TYPE)


def _look_through(archive: zipfile.ZipFile, part: str, cells: CellCount) -> tuple[list[MergedRange], int]:
    """Return the merged ranges of a sheet and how many formulas have no value; openpyxl does not tell while it streams."""
    merged: list[MergedRange] = []
    uncalculated, kept = 0, b""
    with archive.open(part) as stream:
        while chunk := stream.read(READ_AHEAD):
            text = kept + chunk
            whole = max(text.rfind(b"</row>"), text.rfind(b"/>")) if len(chunk) == READ_AHEAD else len(text)
            whole = whole if whole > 0 else len(text)
            text, kept = text[:whole], text[whole:][-READ_AHEAD:]
            uncalculated += sum(1 for _ in _UNCALCULATED.finditer(text))
            for match in _MERGED.finditer(text):
                cells.add()
                left, top, right, bottom = match.groups()
                merged.append(MergedRange(int(top), int(bottom), _column(left), _column(right)))
    return merged, uncalculated


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number - 1


class MergedRange:
    """A merged range: rows from 1 and columns from 0, both ends included, and the text of its first cell."""

    def __init__(self, top: int, bottom: int, left: int, right: int) -> None:
        self.top, self.bottom, self.left, self.right = top, bottom, left, right
        self.text = ""


def _add_sheet(builder: DocumentBuilder, sheet: Any, merged: list[MergedRange], cells: CellCount) -> None:
    builder.add("heading", single_spaced(repair_text(sheet.title)), 1)
    sheet.reset_dimensions()  # what a file claims may be wrong, and rows would be filled up to it
    table = _Table(builder)
    for row in _laid_out(_shown_rows(sheet, cells), merged, cells):
        if any(cell.text for cell in row):
            table.add(row)
        else:
            table.end()
    table.end()


def _shown_rows(sheet: Any, cells: CellCount) -> Iterator[list[str]]:
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if number > MOST_ROWS:
            raise UnreadableDocument(f"the sheet {sheet.title!r} has more than {MOST_ROWS:,} rows: split it")
        cells.add(len(row))
        texts = []
        for cell in row:
            value = cell.value
            if value is None:
                texts.append("")
            elif isinstance(value, str):
                texts.append(single_spaced(repair_text(value)))
            else:
                texts.append(single_spaced(shown_value(value, cell.number_format)))
        yield texts


def _laid_out(rows: Iterable[list[str]], merged: list[MergedRange], cells: CellCount) -> Iterator[list[Cell]]:
    """Yield rows in which a merged cell stands once over its columns and again in each of its rows."""
    waiting = sorted(merged, key=lambda each: each.top, reverse=True)
    active: list[MergedRange] = []
    for number, texts in enumerate(rows, start=1):
        active = [each for each in active if each.bottom >= number]
        while waiting and waiting[-1].top <= number:
            each = waiting.pop()
            if each.left < len(texts):
                each.text = texts[each.left]
                active.append(each)
        if not active:
            yield [Cell(text) for text in texts]
            continue
        if not any(texts):
            continue  # only a tall cell goes on here
        cells.add(len(active))
        yield _merged_row(texts, active, number, cells)


def _merged_row(texts: Sequence[str], active: Sequence[MergedRange], number: int, cells: CellCount) -> list[Cell]:
    starts = {each.left: each for each in active}
    row: list[Cell] = []
    column, width = 0, max(len(texts), 1 + max(starts))
    while column < width:
        each = starts.get(column)
        if each is None:
            row.append(Cell(texts[column] if column < len(texts) else ""))
            column += 1
            continue
        if number > each.top:
            cells.add_text(len(each.text))
        across = max(1, each.right - each.left + 1)
        row.append(Cell(each.text, across))
        column += across
    return row


class _Table:
    """The rows between two empty ones. Its headings are sought in the first rows, the others are written as they come."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._sample: list[list[Cell]] = []
        self._headings: list[str] | None = None

    def add(self, row: list[Cell]) -> None:
        """Add a row that is not empty."""
        if self._headings is not None:
            self._write(row)
            return
        self._sample.append(row)
        if len(self._sample) == SAMPLE_ROWS:
            self._begin()

    def end(self) -> None:
        """End the table, if one has begun."""
        if self._sample:
            self._begin()
        self._headings = None
        self._builder.new_group()

    def _begin(self) -> None:
        rows, self._sample = self._sample, []
        texts = _without_margin([_expanded(row) for row in rows])
        first = first_row([_filled(row) for row in rows])
        for row in rows[:first]:
            self._builder.add("paragraph", " | ".join(filter(None, (cell.text for cell in row))))
        rows, texts = rows[first:], texts[first:]
        self._builder.new_group()
        named = 0
        if len(rows) > 1 and (names_columns(texts) if len(texts[0]) > 2 else looks_like_header(texts)):
            named = 2 if len(rows) > 2 and goes_on_below(rows) else 1
        self._headings = join_headings(rows[:named])
        for row in rows[named:]:
            self._write(row)

    def _write(self, row: list[Cell]) -> None:
        self._builder.add("table_row", render_cells(self._headings or [], row))


def _expanded(row: Sequence[Cell]) -> list[str]:
    """Return the texts of a row by column; below the first column of a merged cell stands nothing."""
    return [text for cell in row for text in (cell.text, *[""] * (min(cell.across, MOST_COLUMNS) - 1))]


def _filled(row: Sequence[Cell]) -> list[str]:
    """Return the texts of a row, a merged cell in each of its columns unless it is the only one: then it is a title."""
    filled = [cell for cell in row if cell.text]
    return [cell.text for cell in filled for _ in range(1 if len(filled) == 1 else min(cell.across, MOST_COLUMNS))]


def _without_margin(rows: list[list[str]]) -> list[list[str]]:
    """Return rows without the columns on the left that are empty in all of them."""
    margin = min((next((place for place, text in enumerate(row) if text), len(row)) for row in rows), default=0)
    return [row[margin:] for row in rows]
