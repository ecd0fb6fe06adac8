"""HTML through selectolax (Lexbor): content without boilerplate, as headings, paragraphs, lists, tables and code."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from doyen.ingestion.clean import INVISIBLE, repair_text, single_spaced
from doyen.ingestion.decoding import BYTE_ORDER_MARKS, decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.html_boilerplate import content_of
from doyen.ingestion.readers.html_shown import show
from doyen.ingestion.readers.html_tables import read_table, rows_of
from doyen.ingestion.readers.limits import CellCount, Limits
from doyen.ingestion.superscripts import resolve_marks
from doyen.ingestion.table_text import add_table

HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BLOCK_TAGS = """
address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer form header
hgroup hr html legend li main ol p pre search section summary table tbody td tfoot th thead tr ul
"""
BLOCKS = frozenset(_BLOCK_TAGS.split()) | frozenset(HEADINGS)
BOXED = re.compile(r"(?:^|;)\s*display\s*:\s*(?:block|flow-root|list-item|(?:inline-)?(?:flex|grid)|table(?!\s*-column))", re.I)
DECLARED = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_\-]+)", re.IGNORECASE)
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)([^<>]*+)>")
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
    show(page)
    root = content_of(page)
    builder = DocumentBuilder(limits.max_characters)
    if root is not None:
        Walker(builder, limits).walk(root)
    heading = page.css_first("h1")
    return builder.build((_finished(heading.text()) if heading is not None else "") or title, "text/html")


def add_fragment(builder: DocumentBuilder, html: str, limits: Limits) -> None:
    """Add a stretch of HTML, such as a table within Markdown; nothing of it is taken for boilerplate."""
    page = LexborHTMLParser(flatten_deep(html))
    show(page)
    if page.body is not None:
        Walker(builder, limits).walk(page.body)


def shows_text(tag: str) -> bool:
    """Whether a browser shows the text that stands behind an opening tag as final text."""
    page = LexborHTMLParser(f"{tag}some more words")
    show(page)
    return page.body is not None and bool(_text(page.body))


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
        closing, tag, empty = match.group(1), match.group(2).lower(), match.group(3).endswith("/")
        if tag in VOID or tag in IMPLIED_END or empty:
            return match.group() if depth <= DEEPEST else " "
        if closing:
            depth = max(0, depth - 1)
            return match.group() if depth < DEEPEST else " "
        depth += 1
        return match.group() if depth <= DEEPEST else " "

    return TAG.sub(keep, html)


class Walker:
    """Goes through the tree once and adds blocks; text between block elements becomes paragraphs."""

    def __init__(self, builder: DocumentBuilder, limits: Limits) -> None:
        self.builder = builder
        self.cells = CellCount(limits)
        self.inline: list[str] = []
        self.mark = ""
        self.list_depth = 0

    def walk(self, node: LexborNode) -> None:
        """Add everything below ``node``. Recursion is bounded by DEEPEST."""
        for child in node.iter(include_text=True):
            self._visit(child)
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
            self.builder.add("code", resolve_marks(node.text()).strip("\n"))
        elif tag == "table":
            self._flush()
            self._table(node)
        elif tag in ("ul", "ol"):
            self._flush()
            self._list(node)
        elif tag == "dl":
            self._flush()
            self._definitions(node)
        elif _is_block(node):
            self._flush()
            self.walk(node)
            self._flush()
        elif tag is not None and not node.is_comment_node:
            self.walk(node)

    def _flush(self) -> None:
        lines = (single_spaced(line) for line in _shown("".join(self.inline)).split("\n"))
        text = "\n".join(filter(None, lines))
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
        for child in node.iter(include_text=True):
            if child.tag == "li":
                self.mark = f"{number}. " if node.tag == "ol" else "- "
                number += 1
                self.walk(child)
            else:
                self._visit(child)
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
        rows, heading_rows = read_table(table, _text, self.cells)
        for child in table.iter():
            if child.tag == "caption":
                self.builder.add("paragraph", _text(child))
        widest = max((sum(cell.across for cell in row) for row in rows), default=0)
        inner = any(found.mem_id != table.mem_id for found in table.css("table, td h1, td h2, td p + p, td ul"))
        if widest <= 1 or (inner and not heading_rows):
            self.walk(table)  # a table for layout: its cells are blocks
        else:
            add_table(self.builder, rows, has_header=True if heading_rows else None, heading_rows=max(1, heading_rows))


def _is_block(node: LexborNode) -> bool:
    """Whether an element stands on lines of its own, or in a box of its own, by its name or its own style."""
    return node.tag in BLOCKS or bool(BOXED.search(node.attributes.get("style") or ""))


def _shown(text: str) -> str:
    """Return text with its marks written out, without the invisible characters that entities stand for."""
    return INVISIBLE.sub("", resolve_marks(text))


def _finished(text: str) -> str:
    return single_spaced(_shown(text))


def _text(node: LexborNode) -> str:
    """Return the text of a node on one line; a table inside is written as ``cell cell; cell cell``."""
    parts: list[str] = []
    _collect(node, parts)
    return _finished("".join(parts))


def _collect(node: LexborNode, parts: list[str]) -> None:
    """Collect text. Block elements and line breaks part words, inline elements do not. Recursion is bounded by DEEPEST."""
    for child in node.iter(include_text=True):
        if child.is_text_node:
            parts.append(child.text_content or "")
        elif child.tag == "table":
            parts.append(" " + "; ".join(filter(None, (_text(row) for row in rows_of(child)))) + " ")
        elif not child.is_comment_node:
            space = " " if child.tag == "br" or _is_block(child) else ""
            parts.append(space)
            _collect(child, parts)
            parts.append(space)
