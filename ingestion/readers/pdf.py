"""PDF through pypdfium2: lines, tables, headings, paragraphs; repeated page headers and page numbers are dropped."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import LIGATURES, join_lines, line_vocabulary, repair_text, single_spaced
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.pdf_columns import put_columns_in_order
from doyen.ingestion.readers.pdf_forms import fill_in
from doyen.ingestion.readers.pdf_lines import Line, Page, Segment, read_page
from doyen.ingestion.readers.pdf_margins import drop_margins
from doyen.ingestion.readers.pdf_tables import BULLET, find_table
from doyen.ingestion.readers.plain import LIST_ITEM
from doyen.ingestion.superscripts import resolve_marks

PARAGRAPH_GAP = 1.45
"""Line distances, in line pitches of the page, from which a new paragraph begins."""
HEADING_SIZE = 1.12
HEADING_WORDS = 16
ENDS_SENTENCE = re.compile(r"[.!?:;。！？][\"'”’)\]]*$")


def read_pdf(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a PDF.

    Raises:
        UnreadableDocument: it is damaged, encrypted, too long, or has no text (a scan).
    """
    document = _open(data)
    try:
        count = len(document)
        if count == 0:
            raise UnreadableDocument("the PDF has no pages: print or export it again")
        if count > limits.max_pages:
            raise UnreadableDocument(f"the PDF has {count} pages, more than ingestion.max_pages = {limits.max_pages}")
        if document.get_formtype() != raw.FORMTYPE_NONE:
            document.init_forms()
        pages = [_clean_page(_page(document, index)) for index in range(count)]
        title = _metadata_title(document)
    finally:
        document.close()
    if not any(page.lines for page in pages):
        raise UnreadableDocument("the PDF holds no text, it may be a scan: run text recognition (OCR) on it first")
    once, pages = drop_margins(pages)
    pages = [replace(page, lines=put_columns_in_order(page.lines)) for page in pages]
    builder = DocumentBuilder(limits.max_characters)
    writer = _Writer(builder, pages)
    for number, page in enumerate(pages):
        builder.start_page()
        if number == 0:
            for line in once:
                builder.add("paragraph", line)
        writer.write(page)
    return builder.build(writer.title or title, "application/pdf")


def _open(data: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        reason = str(error)
        if "assword" in reason:
            raise UnreadableDocument("the PDF is encrypted: save a copy without password") from error
        if b"/Count 0" in data[:100_000] and b"/Pages" in data[:100_000]:
            raise UnreadableDocument("the PDF has no pages: print or export it again") from error
        raise UnreadableDocument(f"it is a damaged PDF ({reason}): fetch or save it again") from error


def _page(document: pdfium.PdfDocument, index: int) -> Page:
    try:
        page = document[index]
    except pdfium.PdfiumError as error:
        raise UnreadableDocument(f"page {index + 1} of the PDF is damaged ({error}): save it again") from error
    try:
        found = read_page(page)
        return replace(found, lines=fill_in(found.lines, page))
    finally:
        page.close()


def _clean_page(page: Page) -> Page:
    lines = [_clean_line(line) for line in page.lines]
    return replace(page, lines=[line for line in lines if line.segments])


def _clean_line(line: Line) -> Line:
    """Repair the text of a line; marks of soft hyphens at its end stay for ``join_lines``."""

    def clean(text: str) -> str:
        soft = text.endswith(("\u00ad", "\u0002"))
        text = single_spaced(resolve_marks(repair_text(text.translate(LIGATURES))))
        return text + "\u00ad" if soft else text

    cleaned = (Segment(clean(part.text), part.left, part.right) for part in line.segments)
    return replace(line, segments=tuple(part for part in cleaned if part.text))


def _metadata_title(document: pdfium.PdfDocument) -> str:
    title = single_spaced(repair_text(document.get_metadata_value("Title") or ""))
    # Programs put file names and "untitled" there.
    return "" if re.search(r"\.\w{2,4}$|^untitled$|^microsoft word|^\(anonymous\)$", title, re.IGNORECASE) else title


class _Writer:
    """Turns lines into blocks. Sizes that count as headings are found from the whole document."""

    def __init__(self, builder: DocumentBuilder, pages: list[Page]) -> None:
        self.builder = builder
        self.title, self.title_level, self.first_page = "", 9, True
        self.width = 0.0
        lines = [line for page in pages for line in page.lines]
        self.vocabulary = line_vocabulary(line.text for line in lines)
        self.body = _body_size(lines)
        self.levels = _heading_levels(lines, self.body)
        self.bold_level = min(5, max(self.levels.values(), default=0) + 1)
        bold = sum(len(line.text) for line in lines if line.bold)
        self.bold_is_special = bold < 0.3 * sum(len(line.text) for line in lines)

    def write(self, page: Page) -> None:
        """Add a page."""
        lines, self.width = page.lines, page.width
        pitch = _pitch(lines)
        index = 0
        while index < len(lines):
            table = find_table(lines, index)
            if table is not None:
                rows, used = table
                self.builder.new_group()
                for row in rows:
                    self.builder.add("table_row", row)
                self.builder.new_group()
            else:
                used = self._take_paragraph(lines, index, pitch, page)
                # A page and a column begin higher than what stands before them ended.
                begins = index == 0 or lines[index - 1].bottom < lines[index].bottom
                self._add(lines[index : index + used], continues=begins)
            index += used
        self.first_page = False

    def _take_paragraph(self, lines: list[Line], start: int, pitch: float, page: Page) -> int:
        """Return how many lines from ``start`` form one paragraph."""
        used = 1
        while start + used < len(lines):
            last, line = lines[start + used - 1], lines[start + used]
            step = last.bottom - line.bottom
            if not 0 < step <= PARAGRAPH_GAP * max(pitch, 0.9 * line.size) or abs(line.size - last.size) > 1.5:
                break
            if BULLET.match(line.text) or LIST_ITEM.match(line.text) or self._level(line) != self._level(last):
                break
            short = last.right < line.right - 0.25 * page.width
            if short and ENDS_SENTENCE.search(last.text):
                break
            if find_table(lines, start + used) is not None:
                break
            used += 1
        return used

    def _add(self, lines: list[Line], *, continues: bool) -> None:
        # Lines that end far from the right edge are rows of a form or an address: their line ends mean something.
        right = max(line.right for line in lines)
        broken = len(lines) > 2 and sum(line.right < 0.7 * right for line in lines[:-1]) > 0.5 * (len(lines) - 1)
        columned = sum(len(line.segments) > 1 and not BULLET.match(line.text) for line in lines)
        if columned > 0.5 * len(lines) and len(lines) > 1:
            self.builder.new_group()
            for line in lines:
                self.builder.add("table_row", line.text)
            self.builder.new_group()
            return
        text = "\n".join(line.text for line in lines) if broken else join_lines([line.text for line in lines], self.vocabulary)
        level = self._level(lines[0])
        if level and len(text.split()) <= HEADING_WORDS and len(lines) <= 3:
            text = single_spaced(text)
            self.builder.add("heading", text, level)
            if self.first_page and (not self.title or level < self.title_level):
                self.title, self.title_level = text, level
        elif BULLET.match(text):
            self.builder.add("list_item", "- " + BULLET.sub("", text))
        elif LIST_ITEM.match(text):
            self.builder.add("list_item", text)
        elif continues and self._goes_on(text):
            self.builder.extend(text)
        else:
            self.builder.add("paragraph", text)

    def _goes_on(self, text: str) -> bool:
        """Whether the first paragraph of a page carries on the last one of the page before."""
        last = self.builder.last_text
        return self.builder.last_kind in ("paragraph", "list_item") and text[:1].islower() and not ENDS_SENTENCE.search(last)

    def _level(self, line: Line) -> int:
        text = line.text
        if len(text.split()) > HEADING_WORDS or not any(letter.isalpha() for letter in text) or len(line.segments) > 2:
            return 0
        if line.left > 0.5 * self.width:
            return 0
        if line.size in self.levels:
            return self.levels[line.size]
        if line.bold and self.bold_is_special and not text.endswith((".", ",", ";")):
            return self.bold_level
        return 0


def _body_size(lines: list[Line]) -> float:
    """Return the size of most of the running text; tables and labels are often set smaller."""
    weights: Counter[float] = Counter()
    for line in lines:
        prose = len(line.segments) == 1 and len(line.text.split()) >= 8
        weights[line.size] += len(line.text) * (4 if prose else 1)
    return weights.most_common(1)[0][0] if weights else 10.0


def _heading_levels(lines: list[Line], body: float) -> dict[float, int]:
    """Return the levels of sizes above the body's; a size in which sentences are set is no heading's."""
    words: dict[float, list[int]] = {}
    for line in lines:
        if line.size > HEADING_SIZE * body:
            words.setdefault(line.size, []).append(len(line.text.split()))
    sizes = sorted((size for size, counts in words.items() if sum(counts) / len(counts) <= 10), reverse=True)
    levels: dict[float, int] = {}
    level, last = 0, float("inf")
    for size in sizes:
        # Sizes within a twentieth are one level: boxes differ a little with the font.
        if size < 0.95 * last:
            level, last = level + 1, size
        levels[size] = min(4, level)
    return levels


def _pitch(lines: list[Line]) -> float:
    """Return the most frequent distance between lines of a page, in points."""
    steps = Counter(round(above.bottom - below.bottom) for above, below in pairwise(lines))
    usual = [(count, step) for step, count in steps.items() if 4 < step < 40]
    return float(max(usual)[1]) if usual else 12.0
