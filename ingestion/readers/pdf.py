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
from doyen.ingestion.readers.ocr import NotRecognised, Recogniser, needs_recognition
from doyen.ingestion.readers.pdf_columns import put_columns_in_order
from doyen.ingestion.readers.pdf_forms import fill_in
from doyen.ingestion.readers.pdf_lines import Line, Page, read_page
from doyen.ingestion.readers.pdf_margins import drop_margins
from doyen.ingestion.readers.pdf_tables import BULLET, Grid, Table, continue_table, find_table
from doyen.ingestion.readers.plain import LIST_ITEM
from doyen.ingestion.superscripts import resolve_marks

PARAGRAPH_GAP = 1.45
"""Line distances, in line pitches of the page, from which a new paragraph begins."""
CAPTION = re.compile(r"(?:table|tab\.|tabelle|tableau|tabla|tabella|tabel)\s*(?:[A-Z]?\d|[A-Z]\b|[IVX]+\b)", re.IGNORECASE)
LONGEST_CAPTION = 3
"""Lines."""
HEADING_SIZE = 1.12
HEADING_WORDS = 16
PDF = "application/pdf"
NOTHING = "check that it has content besides pictures and empty pages"
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
        recogniser = Recogniser(limits)
        pages = [clean_page(_page(document, index, recogniser)) for index in range(count)]
        title = _metadata_title(document)
    finally:
        document.close()
    if not any(page.lines for page in pages):
        problem = next((page.problem for page in pages if page.problem), "")
        raise UnreadableDocument(f"the PDF holds no text: {f'its pages are pictures, and {problem}' if problem else NOTHING}")
    return build_document(pages, title, PDF, limits)


def build_document(pages: list[Page], title: str, media_type: str, limits: Limits) -> ParsedDocument:
    """Turn the lines of pages into a document.

    Args:
        pages: clean, as ``clean_page`` gives them.
        title: for a document that does not begin with one.
    """
    once, pages = drop_margins(pages)
    pages = [replace(page, lines=put_columns_in_order(page.lines)) for page in pages]
    builder = DocumentBuilder(limits.max_characters)
    writer = _Writer(builder, pages)
    for number, page in enumerate(pages):
        builder.start_page()
        if number == 0:
            for text, words in once:
                builder.add("paragraph", text, words=words)
        writer.write(page)
    problems = {number: page.problem for number, page in enumerate(pages, start=1) if page.problem}
    confidences = [(number, page.confidence) for number, page in enumerate(pages, start=1) if page.confidence is not None]
    return replace(
        builder.build(writer.title or title, media_type),
        recognised=tuple(confidences),
        unrecognised=tuple(problems),
        ocr_problem="; ".join(dict.fromkeys(problems.values())),
    )


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


def _page(document: pdfium.PdfDocument, index: int, recogniser: Recogniser) -> Page:
    try:
        page = document[index]
    except pdfium.PdfiumError as error:
        raise UnreadableDocument(f"page {index + 1} of the PDF is damaged ({error}): save it again") from error
    try:
        found = read_page(page, index + 1)
        found = replace(found, lines=fill_in(found.lines, page, index + 1))
        return _recognised(found, page, index + 1, recogniser) if needs_recognition(page, found.lines) else found
    finally:
        page.close()


def _recognised(found: Page, page: pdfium.PdfPage, number: int, recogniser: Recogniser) -> Page:
    """Return a page with the text of its picture in the place of what little its text layer holds."""
    try:
        recogniser.check()
        recognised = recogniser.read_page(page, number)
    except NotRecognised as error:
        return replace(found, problem=str(error))
    page_in_picture = replace(recognised.page, confidence=recognised.confidence)
    return page_in_picture if page_in_picture.lines else replace(found, confidence=recognised.confidence)


def clean_page(page: Page) -> Page:
    """Repair the text of a page's lines; empty ones are dropped."""
    lines = [_clean_line(line) for line in page.lines]
    return replace(page, lines=[line for line in lines if line.segments])


def _clean_line(line: Line) -> Line:
    """Repair the text of a line; marks of soft hyphens at its end stay for ``join_lines``."""

    def clean(text: str) -> str:
        soft = text.endswith(("\u00ad", "\u0002"))
        text = single_spaced(resolve_marks(repair_text(text.translate(LIGATURES))))
        return text + "\u00ad" if soft else text

    cleaned = (replace(part, text=clean(part.text)) for part in line.segments)
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
        self.open_table: Grid | None = None
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
        index = self._continue_table(lines)
        while index < len(lines):
            used = self._write_table(lines, index)
            if not used:
                used = self._take_paragraph(lines, index, pitch, page)
                # A page and a column begin higher than what stands before them ended.
                begins = index == 0 or lines[index - 1].bottom < lines[index].bottom
                self._add(lines[index : index + used], continues=begins)
            index += used
        self.first_page = False

    def _continue_table(self, lines: list[Line]) -> int:
        """Add the rest of a table that began on the page before; return how many lines that takes."""
        grid, self.open_table = self.open_table, None
        table = continue_table(grid, lines) if grid is not None and lines else None
        return self._add_table(table, 0, lines) if table is not None else 0

    def _write_table(self, lines: list[Line], start: int) -> int:
        """Add the table that begins at ``start``, its caption with it; return how many lines it takes, 0 where none does."""
        first = self._table_start(lines, start)
        table = find_table(lines, first) if first is not None else None
        if first is None or table is None:
            return 0
        caption = lines[start:first]
        words = [word for line in caption for word in line.words]
        self.builder.new_group()
        self.builder.add("table_row", " ".join(line.text for line in caption), words=words)
        return len(caption) + self._add_table(table, first, lines)

    def _table_start(self, lines: list[Line], start: int) -> int | None:
        """Return where the headings of a table stand that begins at ``start``, with its caption or with them."""
        captioned = CAPTION.match(lines[start].text) and not self._level(lines[start])
        places = range(start, min(start + (LONGEST_CAPTION if captioned else 0) + 1, len(lines)))
        return next((place for place in places if find_table(lines, place) is not None), None)

    def _add_table(self, table: Table, start: int, lines: list[Line]) -> int:
        for text, words in table.rows:
            self.builder.add("table_row", text, words=words)
        self.open_table = table.grid if start + table.used == len(lines) else None
        return table.used

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
            first = self._table_start(lines, start + used)
            if first == start + used or (first is not None and ENDS_SENTENCE.search(last.text)):
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
                self.builder.add("table_row", line.text, words=line.words)
            self.builder.new_group()
            return
        text = "\n".join(line.text for line in lines) if broken else join_lines([line.text for line in lines], self.vocabulary)
        words = [word for line in lines for word in line.words]
        level = self._level(lines[0])
        if level and len(text.split()) <= HEADING_WORDS and len(lines) <= 3:
            text = single_spaced(text)
            self.builder.add("heading", text, level, words)
            if self.first_page and (not self.title or level < self.title_level):
                self.title, self.title_level = text, level
        elif BULLET.match(text):
            self.builder.add("list_item", "- " + BULLET.sub("", text), words=words)
        elif LIST_ITEM.match(text):
            self.builder.add("list_item", text, words=words)
        elif continues and self._goes_on(text):
            self.builder.extend(text, words)
        else:
            self.builder.add("paragraph", text, words=words)

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
