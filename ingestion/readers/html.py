"""HTML through selectolax (Lexbor): content without boilerplate, as headings, paragraphs, lists, tables and code."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from doyen.ingestion.clean import repair_text, single_spaced
from doyen.ingestion.decoding import BYTE_ORDER_MARKS, decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.html_boilerplate import content_of, remove_never_text
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.tables import add_table

HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BLOCK_TAGS = """
address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer form header
hgroup hr html legend li main ol p pre search section summary table tbody td tfoot th thead tr ul
"""
BLOCKS = frozenset(_BLOCK_TAGS.split()) | frozenset(HEADINGS)
DECLARED = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_\-]+)", re.IGNORECASE)
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)\b[^>]*?(/?)>")
VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
IMPLIED_END = frozenset(("p", "li", "td", "th", "tr", "dt", "dd", "option", "tbody", "thead", "tfoot"))
DEEPEST = 256
"""HTML parsers take time that grows with the square of the depth; pages that people read are at most some dozens deep."""


def read_html(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a web page."""
    page = LexborHTMLParser(flatten_deep(repair_text(decode_html(data))))
    named = page.css_first("head > title")
    title = single_spaced(named.text()) if named is not None else ""
    remove_never_text(page)
    root = content_of(page)
    builder = DocumentBuilder()
    if root is not None:
        _Walker(builder).walk(root)
    heading = page.css_first("h1")
    return builder.build((single_spaced(heading.text()) if heading is not None else "") or title, "text/html")


def decode_html(data: bytes) -> str:
    """Return the text of a page; what the page declares counts where its bytes agree."""
    declared = DECLARED.search(data[:4096])
    if declared and not any(data.startswith(mark) for mark, _ in BYTE_ORDER_MARKS):
        encoding = declared.group(1).decode("ascii").lower()
        # Browsers read these three as Windows-1252 (WHATWG Encoding Standard).
        encoding = "cp1252" if encoding in ("iso-8859-1", "latin1", "us-ascii") else encoding
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            pass
    return decode_bytes(data)


def flatten_deep(html: str) -> str:
    """Return the page with tags nested deeper than ``DEEPEST`` replaced by spaces; their text stays."""
    if html.count("<") < DEEPEST:
        return html
    depth = 0

    def keep(match: re.Match[str]) -> str:
        nonlocal depth
        closing, tag, empty = match.group(1), match.group(2).lower(), match.group(3)
        if tag in VOID or tag in IMPLIED_END or empty:
            return match.group() if depth <= DEEPEST else " "
        if closing:
            depth = max(0, depth - 1)
            return match.group() if depth < DEEPEST else " "
        depth += 1
        return match.group() if depth <= DEEPEST else " "

    return TAG.sub(keep, html)


class _Walker:
    """Goes through the tree once and adds blocks; text between block elements becomes paragraphs."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.inline: list[str] = []
        self.mark = ""
        self.list_depth = 0

    def walk(self, node: LexborNode) -> None:
        """Add everything below ``node``. Recursion is bounded by DEEPEST."""
        child = node.first_child
        while child is not None:
            self._visit(child)
            child = child.next
        if node.tag in BLOCKS:
            self._flush()

    def _visit(self, node: LexborNode) -> None:
        tag = node.tag
        if node.is_text_node:
            self.inline.append(re.sub(r"\s+", " ", node.text_content or ""))
        elif tag == "br":
            self.inline.append("\n")
        elif tag in HEADINGS:
            self._flush()
            self.builder.add("heading", _text(node), HEADINGS[tag])
        elif tag == "pre":
            self._flush()
            self.builder.add("code", node.text().strip("\n"))
        elif tag == "table":
            self._flush()
            self._table(node)
        elif tag in ("ul", "ol"):
            self._flush()
            self._list(node)
        elif tag == "dl":
            self._flush()
            self._definitions(node)
        elif tag in BLOCKS:
            self._flush()
            self.walk(node)
        elif tag is not None and not node.is_comment_node:
            self.walk(node)

    def _flush(self) -> None:
        text = "\n".join(line for line in (single_spaced(part) for part in "".join(self.inline).split("\n")) if line)
        self.inline = []
        if not text:
            return
        if self.list_depth:
            self.builder.add("list_item", self.mark + text)
            self.mark = ""
        else:
            self.builder.add("paragraph", text)

    def _list(self, node: LexborNode) -> None:
        if not self.list_depth:
            self.builder.new_group()
        self.list_depth += 1
        first = node.attributes.get("start") or "1"
        number = int(first) if first.isdigit() else 1
        child = node.first_child
        while child is not None:
            if child.tag == "li":
                self.mark = f"{number}. " if node.tag == "ol" else "- "
                number += 1
                self.walk(child)
            else:
                self._visit(child)
            child = child.next
        self._flush()
        self.list_depth -= 1
        if not self.list_depth:
            self.builder.new_group()

    def _definitions(self, node: LexborNode) -> None:
        self.builder.new_group()
        term = ""
        for part in node.css("dt, dd"):
            if part.tag == "dt":
                term = f"{term}, {_text(part)}" if term else _text(part)
            else:
                self.builder.add("list_item", f"{term}: {_text(part)}" if term else _text(part))
                term = ""
        self.builder.add("list_item", term)
        self.builder.new_group()

    def _table(self, table: LexborNode) -> None:
        rows, header = _rows(table)
        if caption := table.css_first("caption"):
            self.builder.add("paragraph", _text(caption))
        widest = max((len(row) for row in rows), default=0)
        if widest <= 1 or (table.css_first("table table, td h1, td h2, td p + p, td ul") is not None and not header):
            self.walk(table)  # a table for layout: its cells are blocks
        elif self.list_depth:
            depth, self.list_depth = self.list_depth, 0
            add_table(self.builder, rows, has_header=header or None)
            self.list_depth = depth
        else:
            add_table(self.builder, rows, has_header=header or None)


def _rows(table: LexborNode) -> tuple[list[list[str]], bool]:
    """Return the cells, spans filled in, and whether the first row is made of headings.

    Several heading rows become one: "2023" above "Q1" is "2023 Q1".
    """
    rows: list[list[str]] = []
    heading_rows = 0
    carried: dict[int, tuple[int, str]] = {}
    for row in table.css("tr"):
        cells = [cell for cell in row.css("td, th") if cell.parent is not None and cell.parent.mem_id == row.mem_id]
        filled: list[str] = []
        for cell in cells:
            _carry(carried, filled)
            text = _text(cell)
            width, height = _span(cell, "colspan"), _span(cell, "rowspan")
            for _ in range(width):
                if height > 1:
                    carried[len(filled)] = (height - 1, text)
                filled.append(text)
        _carry(carried, filled)
        if cells and len(rows) == heading_rows and all(cell.tag == "th" for cell in cells):
            heading_rows += 1
        rows.append(filled)
    if heading_rows > 1:
        columns = range(max(len(row) for row in rows[:heading_rows]))
        merged = [" ".join(dict.fromkeys(row[c] for row in rows[:heading_rows] if c < len(row) and row[c])) for c in columns]
        rows[:heading_rows] = [merged]
    return rows, heading_rows > 0


def _carry(carried: dict[int, tuple[int, str]], filled: list[str]) -> None:
    """Fill in cells that reach down from the rows above."""
    while len(filled) in carried:
        rest, text = carried.pop(len(filled))
        if rest > 1:
            carried[len(filled)] = (rest - 1, text)
        filled.append(text)


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or "1"
    return max(1, min(int(value), 100)) if value.isdigit() else 1


def _text(node: LexborNode) -> str:
    """Return the text of a node on one line; block elements and line breaks inside part words, inline ones do not."""
    parts: list[str] = []
    for part in node.traverse(include_text=True):
        if part.is_text_node:
            parts.append(part.text_content or "")
        elif part.tag == "br" or part.tag in BLOCKS:
            parts.append(" ")
    return single_spaced("".join(parts))
