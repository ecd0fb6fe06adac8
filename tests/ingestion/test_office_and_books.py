"""PPTX, XLSX and EPUB: what their programs show, in reading order; hidden parts are left out and noted."""

import contextlib
import datetime
import io
import time
import zipfile

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.ingest import ingest
from doyen.ingestion.readers import FORMATS, read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.xlsx_formats import shown_value

LIMITS = Limits(10_000_000, 40_000_000, 100)
BOX = (Inches(1), Inches(1), Inches(4), Inches(1))


def saved(document) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def edited(data: bytes, change) -> bytes:
    """A ZIP package with its members changed by ``change(name, data)``; None leaves one out."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if (changed := change(entry.filename, old.read(entry))) is not None:
                new.writestr(entry.filename, changed)
    return target.getvalue()


def slides() -> bytes:
    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Pump P-7"
    body = first.placeholders[1].text_frame
    body.text = "Close the valve"
    below = body.add_paragraph()
    below.text, below.level = "by hand", 1
    first.notes_slide.notes_text_frame.text = "Say why."
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Parts"
    table = second.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(6), Inches(2)).table
    for row, texts in enumerate([("Part", "Torque", "Interval"), ("Filter", "2.7 Nm", "26 weeks"), ("Seal", "", "52 weeks")]):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    table.cell(1, 1).merge(table.cell(2, 1))
    group = second.shapes.add_group_shape()
    group.shapes.add_group_shape().shapes.add_textbox(*BOX).text_frame.text = "Grouped words"
    third = deck.slides.add_slide(deck.slide_layouts[6])
    third.shapes.add_textbox(*BOX).text_frame.text = "Not to be shown"
    third._element.set("show", "0")
    fourth = deck.slides.add_slide(deck.slide_layouts[5])
    fourth.shapes.title.text = "Flow"
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("P-7", (2.5, 3))
    data.add_series("P-8", (1, None))
    fourth.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *BOX, data)
    return saved(deck)


def test_slides_are_pages_with_bullets_tables_groups_charts_and_notes():
    document = read_document(slides(), "deck.pptx", LIMITS)
    pages = [document.text[start:end].strip() for start, end in document.pages]
    assert pages[0] == "Pump P-7\n\n- Close the valve\n– by hand\n\nNotes: Say why."
    assert pages[1] == (
        "Parts\n\nGrouped words\n\nPart: Filter | Torque: 2.7 Nm | Interval: 26 weeks\n"
        "Part: Seal | Torque: 2.7 Nm | Interval: 52 weeks"
    )
    assert pages[2] == ""
    assert pages[3] == "Flow\n\nQ1 | P-7: 2.5 | P-8: 1\nQ2 | P-7: 3"
    assert document.notes == ("slide 3 is hidden and was left out: show it to have it read",)
    assert [document.text[b.start : b.end] for b in document.blocks if b.kind == "heading"] == ["Pump P-7", "Parts", "Flow"]


def test_too_many_slides_are_told():
    with pytest.raises(UnreadableDocument, match=r"4 slides, more than ingestion\.max_pages = 3"):
        read_document(slides(), "deck.pptx", Limits(10_000_000, 40_000_000, 3))


def book() -> bytes:
    workbook = openpyxl.Workbook()
    parts = workbook.active
    parts.title = "Parts"
    for row in [["Price list 2024"], [], ["Part", "Price", "Valid from", "Share", "Kept"]]:
        parts.append(row)
    parts.append(["A-1", 1234.5, datetime.date(2024, 3, 5), 0.25, True])
    parts.append(["A-2", 3, datetime.datetime(2024, 4, 5, 7, 30), 0.5, None])
    parts["B4"].number_format, parts["D4"].number_format, parts["C5"].number_format = '#,##0.00 "EUR"', "0%", "d mmm yyyy h:mm"
    figures = workbook.create_sheet("Figures")
    for place, value in {
        "B2": "Year", "C2": "2023", "C3": "Q1", "D3": "Q2", "B4": "Sales", "C4": 5, "D4": 6, "B5": "Cost", "C5": 3, "D5": 4,
        "B7": "Group", "C7": "Name", "D7": "Value", "B8": "Pumps", "C8": "x", "D8": 1, "C9": "y", "D9": "=D8*2",
    }.items():  # fmt: skip
        figures[place] = value
    figures.merge_cells("C2:D2")
    figures.merge_cells("B8:B9")
    workbook.create_sheet("Secret")["A1"] = "hidden words"
    workbook["Secret"].sheet_state = "hidden"
    return saved(workbook)


def with_value(data: bytes) -> bytes:
    """The workbook with the value that Excel would have stored for its formula."""
    return edited(data, lambda _, part: part.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"))


def test_a_sheet_is_a_section_and_each_row_has_its_headings():
    document = read_document(with_value(book()), "prices.xlsx", LIMITS)
    assert document.text == (
        "Parts\n\nPrice list 2024\n\n"
        "Part: A-1 | Price: 1,234.50 EUR | Valid from: 2024-03-05 | Share: 25% | Kept: TRUE\n"
        "Part: A-2 | Price: 3 | Valid from: 5 Apr 2024 7:30 | Share: 0.5\n\n"
        "Figures\n\nYear: Sales | 2023 Q1: 5 | 2023 Q2: 6\nYear: Cost | 2023 Q1: 3 | 2023 Q2: 4\n\n"
        "Group: Pumps | Name: x | Value: 1\nGroup: Pumps | Name: y | Value: 2"
    )
    assert document.notes == ("the sheet 'Secret' is hidden and was left out: show it to have it read",)


def test_formulas_without_a_value_are_noted():
    (note, _) = read_document(book(), "prices.xlsx", LIMITS).notes
    assert note == "1 formulas of the sheet 'Figures' have no stored value: open it in Excel and save it"


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (1234.5, "#,##0.00", "1,234.50"), (0.123, "0.0%", "12.3%"), (-5, "#,##0;(#,##0)", "(5)"),
        (1234567, '#,##0,"k"', "1,235k"),
       
        (1.5, "[$€-407] #,##0.00", "€ 1.50"), (1e10, "0.00E+00", "1.00E+10"), (3.0, "General", "3"),
        (0.1 + 0.2, "General", "0.3"),
        (0, '0;-0;"-"', "-"), (5, "00000", "00005"), (2.5, "0.##", "2.5"), (0.5, "# ?/?", "0.5"), (-0.001, "0.00", "0.00"),
        (1234.567, '_-* #,##0.00\\ "€"_-;-* #,##0.00', "1,234.57 €"), (float("nan"), "0", "nan"), (7, "0;;;@", "7"),
        (datetime.datetime(2024, 3, 5, 14, 7, 9), "yyyy-mm-dd hh:mm:ss", "2024-03-05 14:07:09"),
        (datetime.datetime(2024, 3, 5), "[$-409]d\\-mmm\\-yyyy;@", "5-Mar-2024"),
        (datetime.time(14, 7), "h:mm AM/PM", "2:07 PM"),
        (datetime.datetime(2024, 3, 5), "General", "2024-03-05"),
        (datetime.timedelta(hours=30, minutes=5), "[h]:mm", "30:05:00"),
        ("text", "0", "text"), (None, "0", ""), (True, "0", "TRUE"),
    ],
)  # fmt: skip
def test_values_are_shown_as_their_number_format_says(value, number_format, shown):
    assert shown_value(value, number_format) == shown


@given(
    st.integers() | st.floats() | st.datetimes(min_value=datetime.datetime(1900, 1, 1)) | st.times() | st.timedeltas(),
    st.text(alphabet='0#?.,;%E+-"\\[]$€@_*/ yYmdhsAPM', max_size=20),
)
def test_no_number_format_breaks_a_value(value, number_format):
    assert len(shown_value(value, number_format)) < 1000


CHAPTERS = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
    "OPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/" version="3.0">'
    "<metadata><dc:title>The Pump Book</dc:title></metadata><manifest>"
    '<item id="a" href="text/one%20a.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="b" href="text/two.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    '<item id="p" href="cover.png" media-type="image/png"/></manifest>'
    '<spine><itemref idref="n"/><itemref idref="b"/><itemref idref="a"/><itemref idref="p"/></spine></package>',
    "OPS/nav.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol><li><a href="text/two.xhtml">Valves</a></li>'
    '<li><a href="text/one%20a.xhtml#x">Filters</a></li></ol></nav></body></html>',
    "OPS/text/one a.xhtml": "<html><head><title/><script src='x.js'/></head>"
    "<body><p>Filters last <b>26</b> weeks.</p></body></html>",
    "OPS/text/two.xhtml": "<html><body><h1>Of valves</h1><table><tr><th>Part</th><th>Torque</th><th>For</th></tr>"
    "<tr><td>V7</td><td>2.7 Nm</td><td>P-7</td></tr></table></body></html>",
}


def epub(**changes: str | None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in {**CHAPTERS, **changes}.items():
            if text is not None:
                archive.writestr(name, text)
    return target.getvalue()


def test_a_book_is_read_in_the_order_of_its_spine_with_titles_from_its_contents():
    document = read_document(epub(), "pumps.epub", LIMITS)
    assert document.text == "Of valves\n\nPart: V7 | Torque: 2.7 Nm | For: P-7\n\nFilters\n\nFilters last 26 weeks."
    assert document.title == "The Pump Book"


def test_a_book_with_an_old_table_of_contents():
    ncx = (
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>On filters</text></navLabel>'
        '<content src="text/one%20a.xhtml"/></navPoint></navMap></ncx>'
    )
    opf = CHAPTERS["OPS/book.opf"].replace(
        'href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"',
        'href="toc.ncx" media-type="application/x-dtbncx+xml"',
    )
    document = read_document(epub(**{"OPS/book.opf": opf, "OPS/toc.ncx": ncx, "OPS/nav.xhtml": None}), "pumps.epub", LIMITS)
    assert "On filters\n\nFilters last" in document.text


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
DRM = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#">'
    '<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></EncryptedData></encryption>'
)


def bomb(name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b" " * 60_000_000)
    return target.getvalue()


def without(data: bytes, name: str) -> bytes:
    return edited(data, lambda each, part: None if each == name else part)


BAD = {
    "locked.xlsx": (
        OLE + "EncryptedPackage".encode("utf-16-le"),
        "password-protected Office file: save it without the password",
    ),
    "locked.pptx": (
        OLE + "EncryptedPackage".encode("utf-16-le"),
        "password-protected Office file: save it without the password",
    ),
    "old.xlsx": (OLE, "an old or password-protected Office file"),
    "cut.xlsx": (book()[:-400], "damaged or cut-off Excel workbook"),
    "cut.pptx": (slides()[:-400], "damaged or cut-off PowerPoint presentation"),
    "cut.epub": (epub()[:-100], "damaged or cut-off EPUB book"),
    "text.xlsx": (b"Part,Price\nA-1,3\n", "named .xlsx but is none"),
    "text.epub": (b"words", "named .epub but is none"),
    "bomb.xlsx": (bomb("xl/workbook.xml"), "would unpack to 60 MB"),
    "bomb.pptx": (bomb("ppt/presentation.xml"), "would unpack to 60 MB"),
    "bomb.epub": (bomb("META-INF/container.xml"), "would unpack to 60 MB"),
    "hollow.xlsx": (without(book(), "xl/workbook.xml"), "named .xlsx but is none|damaged Excel workbook"),
    "hollow.pptx": (without(slides(), "ppt/slides/slide1.xml"), "damaged PowerPoint presentation"),
    "hollow.epub": (epub(**{"OPS/book.opf": None}), "damaged EPUB book"),
    "drm.epub": (epub(**{"META-INF/encryption.xml": DRM}), "copy protection"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_package_has_its_reason(name):
    data, reason = BAD[name]
    with pytest.raises(UnreadableDocument, match=reason):
        read_document(data, name, LIMITS)


def test_a_package_under_a_wrong_name_is_read_as_what_it_is():
    assert read_document(book(), "a.docx", LIMITS).media_type.endswith("sheet")
    assert read_document(slides(), "a.txt", LIMITS).media_type.endswith("presentation")


def test_ranges_and_rows_that_a_few_bytes_claim_cost_little():
    def wide(name: str, part: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return part
        ranges = b'<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
        part = part.replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>' + ranges)
        return part.replace(b'<dimension ref="A1:E5"', b'<dimension ref="A1:XFD1048576"')

    began = time.process_time()
    assert read_document(edited(book(), wide), "a.xlsx", LIMITS).text.count("Price list 2024") < 10
    assert time.process_time() - began < 20


EXTENSIONS = sorted(FORMATS)
STARTS = [b"", b"PK\x03\x04", b"%PDF-", OLE[:8], b"{"]


@settings(max_examples=150, deadline=None)
@given(
    st.binary(min_size=1, max_size=400),
    st.sampled_from(EXTENSIONS),
    st.sampled_from([b"", b"PK\x03\x04", b"%PDF-", OLE[:8], b"{"]),
)
def test_no_reader_raises_anything_but_its_own_error_on_random_bytes(data, extension, start):
    with contextlib.suppress(UnreadableDocument):
        read_document(start + data, f"a{extension}", LIMITS)


WHOLE = {"a.xlsx": book(), "a.pptx": slides(), "a.epub": epub()}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_no_damage_to_a_part_raises_anything_else(name, data):
    with zipfile.ZipFile(io.BytesIO(WHOLE[name])) as archive:
        parts = sorted(archive.namelist())
    hit, place = data.draw(st.sampled_from(parts)), data.draw(st.integers(0, 3000))
    noise, removed = data.draw(st.binary(max_size=6)), data.draw(st.integers(0, 40))

    def damage(each: str, part: bytes) -> bytes:
        at = place % (len(part) + 1)
        return part[:at] + noise + part[at + removed :] if each == hit else part

    with contextlib.suppress(UnreadableDocument):
        read_document(edited(WHOLE[name], damage), name, LIMITS)


def test_notes_are_reported_by_an_ingestion(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, data in {"prices.xlsx": with_value(book()), "deck.pptx": slides(), "pumps.epub": epub()}.items():
        (folder / name).write_bytes(data)
    report = ingest(workspace, store, [folder])
    assert (len(report.added), report.failed) == (3, [])
    assert [source for source, _ in report.notes] == ["deck.pptx", "prices.xlsx"]
    assert report.to_json()["notes"] == report.notes
