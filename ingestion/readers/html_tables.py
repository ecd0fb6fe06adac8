"""The cells of an HTML table, with those that span rows in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from selectolax.lexbor import LexborNode

from doyen.ingestion.readers.limits import CellCount
from doyen.ingestion.table_text import MOST_COLUMNS, Cell, RowSpans

ROW_PARTS = ("thead", "tbody", "tfoot")
MOST_ROWS = 65_534
"""Largest row span (HTML standard); a span of 0 goes to the end."""


def read_table(table: LexborNode, text_of: Callable[[LexborNode], str], count: CellCount) -> tuple[list[list[Cell]], int]:
    """Return the rows of a table, those of tables inside its cells left out, and how many of the first are headings.

    Raises:
        UnreadableDocument: there are more cells than the limit.
    """
    rows: list[list[Cell]] = []
    heading_rows = 0
    spans = RowSpans()
    for row in rows_of(table):
        cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
        laid = spans.lay([(Cell(text_of(cell), _span(cell, "colspan", MOST_COLUMNS)), _rows_down(cell)) for cell in cells])
        count.add(len(laid))
        count.add_text(sum(len(cell.text) for cell in laid))
        in_head = row.parent is not None and row.parent.tag == "thead"
        if cells and len(rows) == heading_rows and (in_head or all(cell.tag == "th" for cell in cells)):
            heading_rows += 1
        rows.append(laid)
    return rows, heading_rows


def rows_of(table: LexborNode) -> Iterator[LexborNode]:
    """The rows as a browser shows them: a foot stands last wherever it is written."""
    feet = []
    for part in table.iter():
        if part.tag == "tfoot":
            feet.append(part)
        elif part.tag == "tr":
            yield part
        elif part.tag in ROW_PARTS:
            yield from (row for row in part.iter() if row.tag == "tr")
    for foot in feet:
        yield from (row for row in foot.iter() if row.tag == "tr")


def _rows_down(cell: LexborNode) -> int:
    return _span(cell, "rowspan", MOST_ROWS) if (cell.attributes.get("rowspan") or "1").strip() != "0" else MOST_ROWS


def _span(cell: LexborNode, name: str, most: int) -> int:
    value = (cell.attributes.get(name) or "1").strip()
    return max(1, min(int(value[:9]), most)) if value.isascii() and value.isdigit() else 1
