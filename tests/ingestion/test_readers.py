"""Readers: what is content stays, what is not goes, table rows keep their headings."""

import io
import json

import docx
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.csv_table import find_delimiter
from doyen.ingestion.readers.limits import Limits

LIMITS = Limits(10_000_000, 40_000_000, 100)


def read(data: str | bytes, name: str) -> ParsedDocument:
    return read_document(data.encode() if isinstance(data, str) else data, name, LIMITS)


def kinds(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_markdown_keeps_structure_and_drops_marks():
    text = """---
title: Pump manual
owner: Service
---
# Pump *P-7*

Tighten to **2.7 Nm**, see [the list](http://x.example/list) and `menu > tools`.

1. Close
2. Open
   - slowly

| Part | Interval |
|------|----------|
| Filter | 26 weeks |

```
reset --all
```
"""
    document = read(text, "pump.md")
    assert document.title == "Pump manual"
    assert kinds(document) == [
        ("paragraph", "title: Pump manual\nowner: Service"),
        ("heading", "Pump P-7"),
        ("paragraph", "Tighten to 2.7 Nm, see the list and menu > tools."),
        ("list_item", "1. Close"),
        ("list_item", "2. Open"),
        ("list_item", "- slowly"),
        ("table_row", "Part: Filter | Interval: 26 weeks"),
        ("code", "reset --all"),
    ]
    assert document.blocks[3].group == document.blocks[5].group != document.blocks[6].group


def test_html_boilerplate_goes_and_content_stays():
    page = """<html><head><title>Notice 7 | Portal</title><script>var a="tracking";</script></head><body>
    <div class="cookie-banner">We use cookies</div><nav><a href="/">Home</a></nav>
    <header><h1>Notice 7</h1></header>
    <div id="content"><p>The <b>battery</b> must be<br>replaced.</p>
    <aside class="warning-outside">Not this</aside>
    <table><tr><th>Model</th><th colspan="2">Limit</th></tr><tr><td rowspan="2">P-20</td><td>12 %</td><td>24 %</td></tr>
    <tr><td>9 ppm</td><td>18 ppm</td></tr></table>
    <dl><dt>Zinc</dt><dd>58 hours</dd></dl><p hidden>secret</p></div>
    <footer>Imprint</footer></body></html>"""
    document = read(page, "n.html")
    assert document.title == "Notice 7"
    assert kinds(document) == [
        ("heading", "Notice 7"),
        ("paragraph", "The battery must be\nreplaced."),
        ("table_row", "Model: P-20 | Limit: 12 % | Limit: 24 %"),
        ("table_row", "Model: P-20 | Limit: 9 ppm | Limit: 18 ppm"),
        ("list_item", "Zinc: 58 hours"),
    ]


def test_html_whose_content_is_marked_oddly_is_not_lost():
    page = "<body><div class='sidebar'>" + "<p>All the content of this page is in here.</p>" * 20 + "</div><p>End</p></body>"
    assert read(page, "odd.html").text.count("All the content") == 20


def test_html_in_a_declared_code_page():
    page = "<html><head><meta charset='windows-1251'></head><body><p>Проверка насоса каждые шесть недель</p></body></html>"
    assert "Проверка насоса" in read(page.encode("cp1251"), "ru.html").text


def test_a_main_element_is_trusted_with_its_notes():
    page = "<body><div>Menu Menu</div><main><h1>T</h1><aside>Warning: hot!</aside><p>Text of the page.</p></main></body>"
    assert read(page, "m.html").text == "T\n\nWarning: hot!\n\nText of the page."


def make_docx() -> bytes:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "SP-7 revision D"
    document.add_heading("Sensor exchange", 0)
    document.add_heading("Steps", 1)
    document.add_paragraph("Open the lid", style="List Number")
    document.add_paragraph("Wait 75 minutes", style="List Number")
    document.add_paragraph("Plain – text.")
    table = document.add_table(rows=3, cols=3)
    for row, cells in zip(
        table.rows, [("Visit", "Interval", "Hours"), ("A", "13 weeks", "2"), ("B", "26 weeks", "5")], strict=True
    ):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def test_docx_structure():
    document = read(make_docx(), "s.docx")
    assert document.title == "Sensor exchange"
    assert kinds(document) == [
        ("paragraph", "SP-7 revision D"),
        ("heading", "Sensor exchange"),
        ("heading", "Steps"),
        ("list_item", "1. Open the lid"),
        ("list_item", "2. Wait 75 minutes"),
        ("paragraph", "Plain – text."),
        ("table_row", "Visit: A | Interval: 13 weeks | Hours: 2"),
        ("table_row", "Visit: B | Interval: 26 weeks | Hours: 5"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_csv_rows_carry_their_headings(encoding):
    text = 'Teil;Preis €;Bemerkung\r\nQP-1;98,50;"größer; schwerer"\r\nQP-2;;\r\nQP-3;1;2;extra\r\n'
    document = read(text.encode(encoding), "parts/teile-liste.csv")
    assert document.text.split("\n") == [
        "Teil: QP-1 | Preis €: 98,50 | Bemerkung: größer; schwerer",
        "Teil: QP-2",
        "Teil: QP-3 | Preis €: 1 | Bemerkung: 2 | extra",
    ]
    assert document.title == "teile liste"


def test_delimiters():
    assert find_delimiter("a,b;c\n1,5;2\n") == ";"
    assert find_delimiter("a\tb\n1\t2\n") == "\t"
    assert find_delimiter("only one column\nof text\n") == ","


def test_jsonl_takes_the_text_fields():
    lines = [
        {"title": "Travel", "text": "Book by rail.\n\nKeep receipts.", "owner": "HR", "tags": ["a", "b"]},
        {"note": "x " * 9},
    ]
    document = read("\n".join(json.dumps(line) for line in lines), "faq.jsonl")
    assert kinds(document) == [
        ("heading", "Travel"),
        ("paragraph", "Book by rail."),
        ("paragraph", "Keep receipts."),
        ("table_row", "owner: HR | tags: a, b"),
        ("paragraph", ("x " * 9).strip()),
    ]


def make_pdf() -> bytes:
    styles = getSampleStyleSheet()
    rows = [
        ["Code", "Meaning", "First action"],
        ["E-04", "Light low", "Clean the bench"],
        ["E-09", "Clock low", "Replace the cell"],
    ]
    amounts = [["(Millions)", "2023", "2022"], ["Revenues", "$ 5,897.8", "$ 5,665.6"], ["Net income", "1,802.3", "(104.4)"]]
    prose = "The values are marked invalid and the analyser is locked until a person acknowledges the code with the key. "
    story = [Paragraph("Error codes", styles["Heading1"]), Paragraph(prose * 4, styles["BodyText"])]
    story += [
        Paragraph("List", styles["Heading2"]),
        Table(rows, colWidths=150),
        Spacer(1, 20),
        Paragraph(prose * 2, styles["BodyText"]),
    ]
    story += [
        PageBreak(),
        Paragraph("Results", styles["Heading2"]),
        Paragraph(prose * 3, styles["BodyText"]),
        Table(amounts, colWidths=120),
    ]
    target = io.BytesIO()

    def furniture(canvas: Canvas, _document: SimpleDocTemplate) -> None:
        canvas.drawString(60, 815, "SD-41 edition 7 of May")
        canvas.drawString(60, 20, f"Page {canvas.getPageNumber()} of 2")

    SimpleDocTemplate(target, pagesize=A4).build(story, onFirstPage=furniture, onLaterPages=furniture)
    return target.getvalue()


def test_pdf_structure_tables_and_page_furniture():
    document = read(make_pdf(), "codes.pdf")
    found = kinds(document)
    assert found[0] == ("paragraph", "SD-41 edition 7 of May")
    assert document.text.count("SD-41") == 1
    assert "Page 1" not in document.text
    assert document.title == "Error codes"
    assert [text for kind, text in found if kind == "heading"] == ["Error codes", "List", "Results"]
    rows = [text for kind, text in found if kind == "table_row"]
    assert rows == [
        "Code: E-04 | Meaning: Light low | First action: Clean the bench",
        "Code: E-09 | Meaning: Clock low | First action: Replace the cell",
        "(Millions) | 2023 | 2022",
        "Revenues | 2023: $ 5,897.8 | 2022: $ 5,665.6",
        "Net income | 2023: 1,802.3 | 2022: (104.4)",
    ]
    assert len(document.pages) == 2
    start, end = document.pages[1]
    assert document.text[start:end].startswith("Results")


def test_content_decides_over_the_extension():
    assert read(make_pdf(), "codes.txt").media_type == "application/pdf"
    assert read("<!DOCTYPE html><html><body><p>Hello there</p></body></html>", "page.txt").text == "Hello there"


def test_plain_text_headings_and_lists():
    text = "SAFETY NOTE\n\nTools\n=====\nUse these:\n- key\n- lamp\n\n2.1 Torque\n\nTighten to 5 Nm.\nThen stop."
    assert kinds(read(text, "n.txt")) == [
        ("heading", "SAFETY NOTE"),
        ("heading", "Tools"),
        ("paragraph", "Use these:"),
        ("list_item", "- key"),
        ("list_item", "- lamp"),
        ("heading", "2.1 Torque"),
        ("paragraph", "Tighten to 5 Nm.\nThen stop."),
    ]
