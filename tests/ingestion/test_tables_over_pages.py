"""PDF tables that go on over pages: every row has the headings of the first page; a caption stays with its table."""

import io

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table

from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits

STYLE = getSampleStyleSheet()
WORDS = [
    ["Part", "Colour", "Contents"],
    *([f"KX-{n}", ("red", "blue")[n % 2], ("oil", "water")[n % 3 == 0]] for n in range(100)),
]
AMOUNTS = [["Part", "2022", "2023"], *([f"Pump {n}", f"{n * 7}", f"{n * 9 + 1}"] for n in range(100))]
BOLD = [("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold")]


def read(*flowables: object) -> ParsedDocument:
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4).build(list(flowables))
    return read_document(target.getvalue(), "a.pdf", Limits(10_000_000, 40_000_000, 100))


def body(text: str) -> Paragraph:
    return Paragraph(text, STYLE["BodyText"])


@pytest.mark.parametrize("repeated", [0, 1], ids=["missing", "repeated"])
@pytest.mark.parametrize("style", [[], BOLD], ids=["plain", "bold"])
def test_rows_on_later_pages_keep_the_headings(repeated, style):
    document = read(Table(WORDS, colWidths=100, repeatRows=repeated, style=style))
    assert len(document.pages) == 3
    assert document.text.split("\n") == [f"Part: {a} | Colour: {b} | Contents: {c}" for a, b, c in WORDS[1:]]
    assert len({block.group for block in document.blocks}) == 1


@pytest.mark.parametrize("repeated", [0, 1], ids=["missing", "repeated"])
def test_amounts_on_later_pages_keep_the_headings(repeated):
    text = read(Table(AMOUNTS, colWidths=100, repeatRows=repeated)).text
    rows = [f"{a} | 2022: {b} | 2023: {c}" for a, b, c in AMOUNTS[1:]]
    assert text.split("\n") == ["Part | 2022 | 2023", *rows]


def test_a_single_row_on_the_next_page_keeps_its_headings():
    for rows in range(36, 46):
        document = read(Table(WORDS[: rows + 1], colWidths=100, repeatRows=1))
        assert document.text.split("\n")[-1] == "Part: {} | Colour: {} | Contents: {}".format(*WORDS[rows])


@pytest.mark.parametrize(
    "next_page",
    [
        [body("The seal is cleaned with soft water and dried with a lint free cloth before it is put back in its place.")],
        [Table([["Valve", "Medium", "Place"], ["V1", "steam", "roof"], ["V2", "air", "hall"]], colWidths=100, style=BOLD)],
        [Table([["Valve", "Medium"], ["V1", "7"], ["V2", "8"], ["V3", "9"]], colWidths=160)],
    ],
    ids=["prose", "table", "amounts"],
)
def test_what_begins_on_the_next_page_is_no_part_of_the_table(next_page):
    style = BOLD if isinstance(next_page[0], Table) else []
    text = read(Table(WORDS[:20], colWidths=100, style=style), PageBreak(), *next_page).text
    below = text[text.index(WORDS[19][0]) :].split("\n", 1)[1]
    assert "Part" not in below
    assert "Colour" not in below


def test_a_caption_stays_with_its_table():
    document = read(
        body("The pumps of the hall are listed below."),
        body("Table 3: Filling of the pumps by colour and contents, as delivered"),
        Table(WORDS[:6], colWidths=100),
    )
    rows = [document.text[block.start : block.end] for block in document.blocks if block.kind == "table_row"]
    assert rows[:2] == [
        "Table 3: Filling of the pumps by colour and contents, as delivered",
        "Part: KX-0 | Colour: red | Contents: water",
    ]
    assert len({block.group for block in document.blocks if block.kind == "table_row"}) == 1
