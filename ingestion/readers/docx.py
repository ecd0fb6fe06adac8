"""Word documents (DOCX) through python-docx: paragraphs, headings, lists and tables in their order."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from doyen.ingestion.clean import repair_text, single_spaced, tidy_lines
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.tables import add_table
from doyen.platform.core.errors import UnreadableDocument

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table
    from docx.text.paragraph import Paragraph

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HEADING_STYLE = re.compile(r"^(?:heading|überschrift|titre|título|titolo|nagłówek|rubrik|kop)\s*(\d)", re.IGNORECASE)
LIST_STYLE = re.compile(r"^list\b|^listen|aufzählung", re.IGNORECASE)
PAGE_NUMBER = re.compile(r"(?:page|seite|p\.)?\s*\d*\s*(?:(?:of|von|/)\s*\d*)?", re.IGNORECASE)
LONGEST_BOLD_HEADING = 80
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def read_docx(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a Word document.

    Raises:
        UnreadableDocument: it is damaged, or would unpack to more than the limit.
    """
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from lxml.etree import LxmlError

    _check_archive(data, limits)
    try:
        document = docx.Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError, LxmlError, zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableDocument(f"it is a damaged Word document ({error}): open it in Word and save it again") from error
    builder = DocumentBuilder()
    title = document.core_properties.title or ""
    _add_page_headers(builder, document)
    first_heading = _add_body(builder, document)
    _add_footnotes(builder, document)
    return builder.build(single_spaced(first_heading or title), MEDIA_TYPE)


def _check_archive(data: bytes, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise UnreadableDocument(f"it is a damaged or cut-off Word document ({error}): fetch or save it again") from error
    if size > limits.max_unpacked_bytes:
        raise UnreadableDocument(
            f"it would unpack to {size / 1e6:,.0f} MB, more than {limits.max_unpacked_bytes / 1e6:,.0f} MB: "
            "save it without its pictures or split it"
        )


def _add_page_headers(builder: DocumentBuilder, document: Document) -> None:
    """Add each page header and footer once: document numbers and dates often stand only there."""
    seen: set[str] = set()
    for section in document.sections:
        for part in (section.header, section.footer):
            if part.is_linked_to_previous:
                continue
            text = single_spaced(" ".join(repair_text(_paragraph_text(paragraph)) for paragraph in part.paragraphs))
            if text not in seen and not PAGE_NUMBER.fullmatch(text):
                builder.add("paragraph", text)
            seen.add(text)


def _add_footnotes(builder: DocumentBuilder, document: Document) -> None:
    """Add footnotes and endnotes after the text."""
    from lxml import etree

    for relation in document.part.rels.values():
        if relation.is_external or not relation.reltype.endswith(("/footnotes", "/endnotes")):
            continue
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        for note in etree.fromstring(relation.target_part.blob, parser).iter(f"{W}footnote", f"{W}endnote"):
            builder.add("paragraph", repair_text(_cell_text(note)))


def _add_body(builder: DocumentBuilder, document: Document) -> str:
    """Add all paragraphs and tables; return the first title or heading."""
    from docx.table import Table

    title = ""
    counters: dict[tuple[str, int], int] = {}
    for item in _content(document):
        if isinstance(item, Table):
            _add_docx_table(builder, item)
            continue
        text = tidy_lines(repair_text(_paragraph_text(item)))
        level = _heading_level(item, text)
        if level:
            builder.add("heading", single_spaced(text), level)
            title = title or text
        elif mark := _list_mark(item, counters):
            builder.add("list_item", mark + text if text else "")
        else:
            builder.add("paragraph", text)
    return title


def _content(document: Document) -> Iterator[Paragraph | Table]:
    """Paragraphs and tables in document order, those inside content controls included."""
    from docx.table import Table
    from docx.text.paragraph import Paragraph

    stack = [iter(document.element.body)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
        elif element.tag == f"{W}p":
            yield Paragraph(element, document._body)
        elif element.tag == f"{W}tbl":
            yield Table(element, document._body)
        elif element.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}customXml", f"{W}smartTag"):
            stack.append(iter(element))


def _paragraph_text(paragraph: Paragraph) -> str:
    """All text of a paragraph: runs, links, insertions; deleted text is left out by Word's own markup."""
    parts = []
    # Text boxes are stored twice, the second time for old programs.
    doubled = {node for fallback in paragraph._p.iter(FALLBACK) for node in fallback.iter()}
    for node in paragraph._p.iter(f"{W}t", f"{W}tab", f"{W}br", f"{W}cr", f"{W}noBreakHyphen"):
        if node in doubled or node.getparent().tag == f"{W}tabs":
            continue
        if node.tag == f"{W}t":
            parts.append(node.text or "")
        else:
            parts.append({f"{W}tab": "\t", f"{W}noBreakHyphen": "-"}.get(node.tag, "\n"))
    return "".join(parts)


def _heading_level(paragraph: Paragraph, text: str) -> int:
    style = (paragraph.style.name if paragraph.style else "") or ""
    if style.lower() in ("title", "titel", "titre"):
        return 1
    if match := HEADING_STYLE.match(style):
        return min(6, max(1, int(match.group(1))))
    outline = paragraph._p.find(f"{W}pPr/{W}outlineLvl")
    if outline is not None and (value := outline.get(f"{W}val", "9")).isdigit() and int(value) < 9:
        return min(6, int(value) + 1)
    runs = [run for run in paragraph.runs if run.text.strip()]
    bold = bool(runs) and all(run.bold for run in runs)
    if bold and len(text) <= LONGEST_BOLD_HEADING and not text.endswith((".", ":", ";", ",")) and "\n" not in text:
        return 3
    return 0


def _list_mark(paragraph: Paragraph, counters: dict[tuple[str, int], int]) -> str:
    """Return "- " or "3. " for list items, else an empty string. Numbers are counted as Word would print them."""
    style = (paragraph.style.name if paragraph.style else "") or ""
    properties = paragraph._p.find(f"{W}pPr/{W}numPr")
    if properties is None and paragraph.style is not None:
        properties = paragraph.style.element.find(f"{W}pPr/{W}numPr")
    if properties is None:
        return "- " if LIST_STYLE.match(style) and "continue" not in style.lower() else ""
    number, depth = (_value(properties, tag) for tag in ("numId", "ilvl"))
    if number == "0":
        return ""
    if not _is_numbered(paragraph, number, depth or "0", style):
        return "- "
    key = (number, int(depth or 0))
    counters[key] = counters.get(key, 0) + 1
    return f"{counters[key]}. "


def _is_numbered(paragraph: Paragraph, number: str, depth: str, style: str) -> bool:
    try:
        part: Any = paragraph.part
        numbering = part.numbering_part.element
    except (KeyError, NotImplementedError):
        return "number" in style.lower()
    for num in numbering.iter(f"{W}num"):
        if num.get(f"{W}numId") == number:
            abstract = num.find(f"{W}abstractNumId").get(f"{W}val")
            for definition in numbering.iter(f"{W}abstractNum"):
                if definition.get(f"{W}abstractNumId") == abstract:
                    for level in definition.iter(f"{W}lvl"):
                        if level.get(f"{W}ilvl") == depth:
                            return _value(level, "numFmt") not in ("bullet", "none", "")
    return False


def _value(element: Any, tag: str) -> str:
    child = element.find(f"{W}{tag}")
    return "" if child is None else child.get(f"{W}val", "")


def _add_docx_table(builder: DocumentBuilder, table: Table) -> None:
    rows, header = [], None
    for index, row in enumerate(table._tbl.iter(f"{W}tr")):
        if row.getparent() is not table._tbl:
            continue  # a table inside a cell: its text comes with the cell
        cells = []
        for cell in row.iter(f"{W}tc"):
            if cell.getparent() is row:
                cells.append(repair_text(_cell_text(cell)))
                span = cell.find(f"{W}tcPr/{W}gridSpan")
                cells += [""] * (int(span.get(f"{W}val", "1")) - 1 if span is not None else 0)
        rows.append(cells)
        if index == 0 and row.find(f"{W}trPr/{W}tblHeader") is not None:
            header = True
    add_table(builder, rows, has_header=header)


def _cell_text(cell: Any) -> str:
    paragraphs = ("".join(node.text or "" for node in paragraph.iter(f"{W}t")) for paragraph in cell.iter(f"{W}p"))
    return " ".join(text for text in paragraphs if text)
