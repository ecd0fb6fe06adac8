"""Boxes of words: inside the boxes of any span of a parsed PDF, the PDF itself has the words of that span."""

import io
import random
import re
import unicodedata
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table

from doyen.core.store.schema import DocumentVersionRow
from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.ingest import ingest
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.word_boxes import Box, Word, WordBox, boxes_of_span, pack, place_words, unpack
from tests.support.required import require_data

CASES = Path(__file__).parent / "cases"
LIMITS = Limits(100_000_000, 400_000_000, 1000)
AROUND = 1.0
"""Points: the outlines of letters reach a little beyond their boxes."""


def read(data: bytes) -> ParsedDocument:
    return read_document(data, "a.pdf", LIMITS)


def letters(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).lower()


def words_in_their_boxes(data: bytes, spans: int = 300) -> tuple[int, list[str]]:
    """Return how many words of random spans stand in the PDF within the boxes of their spans, and those that do not."""
    document, drawn = read(data), pdfium.PdfDocument(data)
    boxes, words = unpack(document.boxes), list(re.finditer(r"\S+", document.text))
    pages = [page.get_textpage() for page in drawn]
    draw, found, missing = random.Random(17), 0, []
    for _ in range(spans):
        first = draw.randrange(len(words))
        span = words[first : first + draw.randrange(1, 15)]
        shown = ""
        for page, areas in boxes_of_span(boxes, span[0].start(), span[-1].end()).items():
            for left, bottom, right, top in areas:
                edges = (left - AROUND, bottom - AROUND, right + AROUND, top + AROUND)
                shown += letters(pages[page - 1].get_text_bounded(*edges).replace("\ufffe", ""))
        for word in span:
            bare = letters(word.group())
            if bare and bare in shown:
                found += 1
            elif bare:
                missing.append(word.group())
    return found, missing


def composed(*flowables: object) -> bytes:
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4).build(list(flowables))
    return target.getvalue()


STYLE = getSampleStyleSheet()
LONG = (
    "The seal of the pump is cleaned with soft water, dried with a lint-free cloth and put back in its place. A worn seal is "
    "re\u00adplaced at once; m<super>2</super> of contact, 10<super>6</super> cycles, the ﬁnal ﬂow. "
) * 9


@pytest.mark.parametrize(
    "data",
    [
        *[(CASES / name).read_bytes() for name in ("log_rows.pdf", "mixed_scan.pdf", "twocol_rowmajor.pdf")],
        composed(*[Paragraph(LONG, STYLE["BodyText"]) for _ in range(8)]),
        composed(Table([["Model", "Inlet", "Outlet"], *([f"KX-{n}", f"{n % 7} bar", f"{n % 5} bar"] for n in range(90))])),
    ],
    ids=["log", "scan", "columns", "paragraphs", "table"],
)
def test_the_words_of_a_span_stand_in_its_boxes(data):
    found, missing = words_in_their_boxes(data)
    assert found > 300
    assert missing == []


@pytest.mark.data
def test_the_words_of_the_filings_stand_in_their_boxes():
    for path in require_data("filings").glob("*.pdf"):
        found, missing = words_in_their_boxes(path.read_bytes())
        assert len(missing) <= 0.01 * found, (path.name, missing[:20])


def test_a_word_cut_by_a_line_end_has_a_box_on_each_line():
    words = [Word("soft", 1, 10, 90, 30, 100), Word("wa-", 1, 35, 90, 50, 100), Word("ter.", 2, 10, 700, 30, 710)]
    boxes = list(place_words("soft water.", words))
    assert [(box.start, box.end, box.page) for box in boxes] == [(0, 4, 1), (5, 11, 1), (5, 11, 2)]
    assert boxes_of_span(boxes, 0, 11) == {1: [Box(10, 90, 50, 100)], 2: [Box(10, 700, 30, 710)]}
    assert boxes_of_span(boxes, 0, 4) == {1: [Box(10, 90, 30, 100)]}
    assert boxes_of_span(boxes, 4, 5) == {}


def test_what_was_not_printed_there_has_no_box():
    words = [Word("•", 1, 5, 0, 8, 9), Word("Open", 1, 10, 0, 30, 9), Word("it", 1, 32, 0, 40, 9)]
    assert [(box.start, box.left) for box in place_words("- Open it", words, offset=7)] == [(9, 10), (14, 32)]


def test_a_heading_that_a_row_repeats_is_where_it_is_printed():
    rows = [["Part", "Torque", "Key"], ["Bolt A", "12 Nm", "T6"], ["Bolt B", "14 Nm", "T6"], ["Nut", "9 Nm", "T8"]]
    document = read(composed(Table(rows, colWidths=100)))
    row = document.text.index("Part: Nut | Torque: 9 Nm")
    areas = boxes_of_span(unpack(document.boxes), row, row + len("Part: Nut | Torque: 9 Nm"))[1]
    heights = sorted({round(box.bottom) for box in areas})
    assert len(heights) == 2  # the row of headings and the row itself
    assert heights[1] - heights[0] > 40


def test_a_paragraph_over_two_pages_has_boxes_on_both():
    text = Paragraph(LONG.replace(".", ","), STYLE["BodyText"])
    document = read(composed(*[text] * 11))
    boxes = unpack(document.boxes)
    start = document.pages[1][0]
    assert set(boxes_of_span(boxes, start - 30, start + 30)) == {1, 2}


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(1, 9), *[st.integers(-9000, 9000)] * 4), max_size=30)
)
def test_packed_boxes_come_back(rows):
    boxes, position = [], 0
    for gap, length, page, *edges in rows:
        position += gap
        boxes.append(WordBox(position, position + length, page, *(edge / 10 for edge in edges)))
        position += length
    back = unpack(pack(boxes))
    assert [box[:3] for box in back] == [box[:3] for box in boxes]
    assert all(abs(a - b) < 0.11 for box, other in zip(boxes, back, strict=True) for a, b in zip(box, other, strict=True))


@given(st.lists(st.text("abc-.é1 ", min_size=1, max_size=6).filter(str.strip), max_size=8), st.text("abc-.é1 \n", max_size=40))
def test_any_text_and_words_can_be_aligned(texts, text):
    words = [Word(word, 1, place, 0, place + 1, 9) for place, word in enumerate(texts)]
    boxes = list(place_words(text, words))
    assert [box.start for box in boxes] == sorted(box.start for box in boxes)
    assert all(text[box.start : box.end].strip() == text[box.start : box.end] != "" for box in boxes)


def test_the_store_keeps_the_boxes_of_a_pdf(workspace, store, tmp_path):
    data = composed(Paragraph("Open the valve.", STYLE["BodyText"]), PageBreak(), Paragraph("Close it.", STYLE["BodyText"]))
    (tmp_path / "a.pdf").write_bytes(data)
    (tmp_path / "b.txt").write_text("Open the valve.")
    ingest(workspace, store, [tmp_path / "a.pdf", tmp_path / "b.txt"])
    with store.session() as session:
        rows = {row.source: row for row in session.query(DocumentVersionRow)}
        assert [box.page for box in unpack(rows["a.pdf"].boxes)] == [1, 1, 1, 2, 2]
        assert rows["b.txt"].boxes is None


def test_rotated_and_empty_pages_have_boxes_or_none():
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    canvas.showPage()
    canvas.setPageRotation(90)
    canvas.drawString(100, 500, "Turn me")
    canvas.showPage()
    canvas.save()
    boxes = unpack(read(target.getvalue()).boxes)
    assert next((box.page, round(box.left)) for box in boxes) == (2, 100)
