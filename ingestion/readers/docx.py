"""Word documents (DOCX): paragraphs, headings, lists, tables, text boxes and notes in their order, as Word shows them."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced, tidy_lines
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.docx_styles import Numbering, Styles, W, heading_level, is_on, value_of
from doyen.ingestion.readers.docx_text import MC, TextReader, chosen_alternative, mark_is_deleted
from doyen.ingestion.readers.limits import CellCount, Limits
from doyen.ingestion.readers.package import check_package
from doyen.ingestion.superscripts import raised, resolve_marks
from doyen.ingestion.table_text import MOST_COLUMNS, Cell, add_table

if TYPE_CHECKING:
    from docx.document import Document

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
PAGE_NUMBER = re.compile(r"(?:page|seite|p\.)? ?\d* ?(?:(?:of|von|/) ?\d*)?", re.IGNORECASE)
LONGEST_BOLD_HEADING = 80
BOLD_HEADING_LEVEL = 3


def read_docx(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a Word document.

    Raises:
        UnreadableDocument: it is damaged, or would unpack to more than the limit.
    """
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from lxml.etree import LxmlError

    check_package(data, "Word document", limits)
    try:
        document = docx.Document(io.BytesIO(data))
        writer = _Writer(document, limits)
        writer.write()
    except (PackageNotFoundError, KeyError, ValueError, LxmlError, zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableDocument(f"it is a damaged Word document ({error}): open it in Word and save it again") from error
    return writer.builder.build(single_spaced(writer.title or document.core_properties.title or ""), MEDIA_TYPE)


class _Writer:
    """Writes the blocks of a document. Recursion is bounded: lxml refuses XML that is nested more than 256 deep."""

    def __init__(self, document: Document, limits: Limits) -> None:
        self.document = document
        self.builder = DocumentBuilder(limits.max_characters)
        self.title = ""
        self._parts = {relation.reltype.rsplit("/", 1)[-1]: relation for relation in document.part.rels.values()}
        self.styles = Styles(self._root("styles"))
        self.numbering = Numbering.read(self._root("numbering"))
        self.text = TextReader(self.styles, document.element)
        self.cells = CellCount(limits)

    def write(self) -> None:
        """Add page headers and footers, the body, and the notes."""
        self._page_headers()
        self._blocks(self.document.element.body)
        self._notes()

    def _root(self, kind: str) -> Any:
        """Return the XML of a related part, None if there is none."""
        from lxml import etree

        relation = self._parts.get(kind)
        if relation is None or relation.is_external:
            return None
        return etree.fromstring(relation.target_part.blob, etree.XMLParser(resolve_entities=False, no_network=True))

    def _page_headers(self) -> None:
        """Add each page header and footer that is shown once: document numbers and dates often stand only there."""
        seen: set[str] = set()
        even = bool(is_on(self._root("settings"), "evenAndOddHeaders"))
        for section in self.document.element.body.iter(f"{W}sectPr"):
            shown = {"default", *(["even"] if even else []), *(["first"] if is_on(section, "titlePg") else [])}
            for reference in section:
                if reference.tag not in (f"{W}headerReference", f"{W}footerReference"):
                    continue
                part = self.document.part.related_parts.get(reference.get(f"{R}id"))
                if reference.get(f"{W}type", "default") not in shown or part is None:
                    continue
                text = single_spaced(" ".join(self._lines(getattr(part, "element", ()))))
                if text not in seen and not PAGE_NUMBER.fullmatch(text):
                    self.builder.add("paragraph", text)
                seen.add(text)

    def _notes(self) -> None:
        """Add the footnotes and endnotes that the text refers to, each behind its number."""
        for kind in ("footnote", "endnote"):
            root = self._root(f"{kind}s")
            notes = {} if root is None else {note.get(f"{W}id"): note for note in root.iter(f"{W}{kind}")}
            for (other, note_id), number in list(self.text.notes.items()):
                if other == kind and note_id in notes:
                    mark = resolve_marks(raised(number)) + " " if number else ""
                    self.builder.add("paragraph", mark + single_spaced(" ".join(self._lines(notes[note_id]))))

    def _blocks(self, container: Any) -> None:
        """Add all paragraphs and tables of a container."""
        before = ""
        for item in _items(container):
            if item.tag == f"{W}tbl":
                self._table(item)
                continue
            raw, boxes = self.text.read(item)
            if mark_is_deleted(item):
                before += raw
            else:
                self._paragraph(item, before + raw)
                before = ""
            for box in boxes:
                self._blocks(box)
        self.builder.add("paragraph", _finished(before))

    def _paragraph(self, paragraph: Any, raw: str) -> None:
        text = _finished(raw)
        style = self.styles.of_paragraph(paragraph)
        level = heading_level(paragraph, style)
        # Word counts a list item also where all of it is struck out.
        mark = self.numbering.mark(paragraph, style, heading=bool(level)) if raw.strip() else ""
        if not text:
            return
        if not level and (not mark or mark[0].isalnum()) and _is_bold_heading(paragraph, text):
            level = BOLD_HEADING_LEVEL
        if level:
            text = mark + single_spaced(text)
            self.builder.add("heading", text, level)
            self.title = self.title or text
        elif mark:
            self.builder.add("list_item", mark + text)
        else:
            self.builder.add("paragraph", text)

    def _table(self, table: Any) -> None:
        rows = [(row, list(_items(row, "tc"))) for row in _rows(table)]
        if all(len(cells) <= 1 for _, cells in rows):
            for _, cells in rows:  # a frame around text
                for cell in cells:
                    self._blocks(cell)
            return
        headings = 0
        while headings < len(rows) and is_on(rows[headings][0], "trPr/tblHeader"):
            headings += 1
        add_table(self.builder, self._grid(rows), has_header=True if headings else None, heading_rows=max(1, headings))

    def _grid(self, rows: list[tuple[Any, list[Any]]]) -> list[list[Cell]]:
        """Return the cells; one that is merged over several rows stands in each of them."""
        grid = []
        merged: dict[int, str] = {}
        for row, cells in rows:
            line: list[Cell] = []
            column = _number(value_of(row, "trPr/gridBefore"), 0)
            if column:
                line.append(Cell("", column))
            for cell in cells:
                self.cells.add()
                across = max(1, _number(value_of(cell, "tcPr/gridSpan"), 1))
                merge = value_of(cell, "tcPr/vMerge")
                text = merged.get(column, "") if merge in ("", "continue") else self._cell(cell)
                if merge is None:
                    merged.pop(column, None)
                else:
                    merged[column] = text
                self.cells.add_text(len(text))
                line.append(Cell(text, across))
                column += across
            grid.append(line)
        return grid

    def _cell(self, cell: Any) -> str:
        deleted = cell.find(f"{W}tcPr/{W}cellDel") is not None
        return "" if deleted else " ".join(self._lines(cell))

    def _lines(self, container: Any) -> list[str]:
        """Return the text of a cell, a page header or a note, by paragraphs and rows of tables."""
        lines, before = [], ""
        for item in _items(container):
            if item.tag == f"{W}tbl":
                lines.append(self._inner_table(item, container.tag == f"{W}tc"))
                continue
            raw, boxes = self.text.read(item)
            if mark_is_deleted(item):
                before += raw
            else:
                text = single_spaced(_finished(before + raw))
                style = self.styles.of_paragraph(item)
                mark = self.numbering.mark(item, style, heading=False) if (before + raw).strip() else ""
                lines.append(mark + text if text else "")
                before = ""
            for box in boxes:
                lines += self._lines(box)
        return [line for line in [*lines, single_spaced(_finished(before))] if line]

    def _inner_table(self, table: Any, in_cell: bool) -> str:
        rows = []
        for row in _rows(table):
            cells = []
            for cell in _items(row, "tc"):
                self.cells.add()
                cells.append(self._cell(cell))
            rows.append((" " if in_cell else " | ").join(filter(None, cells)))
        return "; ".join(filter(None, rows))


def _items(container: Any, *kinds: str) -> Iterator[Any]:
    """Paragraphs and tables (or the named kinds) of a container, those within content controls included."""
    wanted = [f"{W}{kind}" for kind in kinds or ("p", "tbl")]
    stack = [iter(container)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
        elif element.tag in wanted:
            yield element
        elif element.tag == f"{MC}AlternateContent":
            alternative = chosen_alternative(element)
            stack.append(iter(() if alternative is None else alternative))
        elif element.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}moveTo", f"{W}customXml", f"{W}smartTag"):
            stack.append(iter(element))


def _rows(table: Any) -> Iterator[Any]:
    """The rows of a table that are shown."""
    for row in _items(table, "tr"):
        properties = row.find(f"{W}trPr")
        if properties is None or not (is_on(properties, "hidden") or properties.find(f"{W}del") is not None):
            yield row


def _finished(raw: str) -> str:
    return tidy_lines(repair_text(resolve_marks(raw)))


def _number(value: str | None, default: int) -> int:
    """Return a count of columns; what no table can have is taken for its largest width."""
    if value is None or not (value.isascii() and value.isdigit()):
        return default
    return min(int(value[:9]), MOST_COLUMNS)


def _is_bold_heading(paragraph: Any, text: str) -> bool:
    """Whether a paragraph is a heading that was only set in bold."""
    if not text or len(text) > LONGEST_BOLD_HEADING or text.endswith((".", ":", ";", ",")) or "\n" in text:
        return False
    runs = [run for run in paragraph.findall(f"{W}r") if any((part.text or "").strip() for part in run.findall(f"{W}t"))]
    return bool(runs) and all(is_on(run, "rPr/b") for run in runs)
