"""PDF: nothing lost at page tops and bottoms, columns in reading order, forms as filled in, raised figures as raised."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits

CASES = Path(__file__).parent / "cases"
LIMITS = Limits(10_000_000, 40_000_000, 100)
PROSE = "The seal is cleaned with soft water and dried with a lint free cloth before it is put back in its place"


def read(data: bytes) -> ParsedDocument:
    return read_document(data, "a.pdf", LIMITS)


def drawn(*pages: Callable[[Canvas], None]) -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    for page in pages:
        page(canvas)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def written(canvas: Canvas, lines: list[tuple[float, float, str]]) -> None:
    for left, bottom, text in lines:
        canvas.drawString(left, bottom, text)


def test_every_row_of_a_log_is_read():
    text = read((CASES / "log_rows.pdf").read_bytes()).text
    assert [f"R-{number:03}" for number in range(1, 216) if f"R-{number:03}" not in text] == []


def test_pages_without_text_are_known():
    document = read((CASES / "mixed_scan.pdf").read_bytes())
    assert document.pages_without_text == (2, 3)
    assert read(drawn(lambda canvas: canvas.drawString(50, 700, PROSE))).pages_without_text == ()


def test_a_filled_form_has_its_values_beside_their_labels():
    lines = read((CASES / "form_filled.pdf").read_bytes()).text.split("\n")
    assert lines[-3:] == ["Serial number: KX-20-00817", "Inspector: R. Lindqvist", "Result: Passed at 6.2 bar"]


def test_boxes_and_choices_of_a_form():
    def page(canvas: Canvas) -> None:
        form = canvas.acroForm
        written(canvas, [(80, 700, "Tight"), (80, 660, "Dry"), (60, 600, "Grade"), (60, 560, "Code")])
        form.checkbox(x=60, y=697, size=12, checked=True)
        form.checkbox(x=60, y=657, size=12, checked=False)
        form.choice(x=120, y=595, width=80, height=18, options=["low", "high"], value="high")
        form.textfield(x=120, y=555, width=80, height=18, value="secret", fieldFlags="password")

    assert read(drawn(page)).text.split() == ["☒", "Tight", "☐", "Dry", "Grade", "high", "Code"]


def test_columns_printed_line_by_line_are_read_one_after_the_other():
    text = read((CASES / "twocol_rowmajor.pdf").read_bytes()).text
    left, right = "are not part of the guarantee at all.", "Repairs by others end the guarantee at once."
    assert 0 < text.index(left) < text.index(right)
    assert "from the day of delivery. The claim must be sent" in text


def test_cells_of_a_table_of_words_stay_beside_each_other():
    rows = [
        ("The pump does not start", "Check the fuse of the motor"),
        ("The pump is loud", "Fill the pump with water"),
        ("Water drips from the shaft", "Replace the seal of the shaft"),
        ("The pressure falls slowly", "Clean the filter at the inlet"),
        ("The motor becomes hot", "Let the motor cool down"),
    ]
    lines = [(x, 700.0 - 14 * n, text) for n, row in enumerate(rows) for x, text in zip((60.0, 300.0), row, strict=True)]
    text = read(drawn(lambda canvas: written(canvas, lines))).text
    places = [text.index(cell) for row in rows for cell in row]
    assert places == sorted(places)


def test_running_lines_and_page_numbers_go_and_counting_labels_stay():
    def page(number: int) -> Callable[[Canvas], None]:
        lines = [
            (60.0, 815.0, f"SD-41 Maintenance of pumps | {number + 4}"),
            (60.0, 790.0, f"Run {number}"),
            (60.0, 600.0, f"{PROSE}, part {chr(64 + number)}."),
            (60.0, 60.0, f"{number * 17}"),
            (60.0, 45.0, f"{17 * number} / 4"),
            (280.0, 20.0, f"- {number} -"),
        ]
        return lambda canvas: written(canvas, lines)

    text = read(drawn(*map(page, (1, 2, 3)))).text
    assert text.count("SD-41 Maintenance of pumps") == 1
    assert [word for word in ("Run 1", "Run 3", "34", "51", "34 / 4") if word not in text] == []
    assert "- 2 -" not in text
    assert "| 6" not in text


@pytest.mark.parametrize(
    ("bottom", "text"),
    [
        (35.0, "Extinguisher inspected, tag number {}"),
        (800.0, "Inspection record of the line {}"),
        (35.0, "Max pressure line in bar is {}"),
        (35.0, "The pump of this hall has the number: {}"),
        (686.0, "{}"),
        (676.0, "{}"),
    ],
)
@pytest.mark.parametrize("first", [1, 4, 100, 2041])
def test_figures_that_count_up_stay_where_they_are_no_page_numbers(bottom, text, first):
    def page(number: int) -> Callable[[Canvas], None]:
        rows = [(60.0, 700.0, f"Room {'ABCD'[number]}. {PROSE}"), (60.0, bottom, text.format(first + number))]
        return lambda canvas: written(canvas, rows)

    found = read(drawn(*map(page, range(4)))).text
    assert [n for n in range(4) if text.format(first + n) not in found.split("place")[n + 1]] == []


def test_a_figure_that_ends_a_page_full_of_text_stays():
    def page(number: int) -> Callable[[Canvas], None]:
        rows = [(60.0, 770.0 - 14 * n, f"{PROSE} {n * 7 + number * n}.") for n in range(52)]
        return lambda canvas: written(canvas, [*rows, (60.0, 42.0, f"{100 + number}"), (300.0, 20.0, f"{number + 1}")])

    words = read(drawn(*map(page, range(4)))).text.split()
    assert [words.count(f"{100 + number}.") + words.count(f"{100 + number}") >= 1 for number in range(4)] == [True] * 4


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("Manual of the pump, page {}", "Manual of the pump,"),
        ("Manual of the pump Rev 3 Page {} of 12", "Manual of the pump Rev 3"),
        ("Seite {} | Handbuch der Pumpe", "Handbuch der Pumpe"),
        ("{} | Manual of the pump", "Manual of the pump"),
        ("Page {}", ""),
        ("{} of 12", ""),
        ("- {} -", ""),
        ("{}", ""),
    ],
)
def test_page_numbers_go(line, kept):
    def page(number: int) -> Callable[[Canvas], None]:
        rows = [(60.0, 700.0, f"Room {'ABCD'[number]}. {PROSE}."), (60.0, 30.0, line.format(number + 5))]
        return lambda canvas: written(canvas, rows)

    found = read(drawn(*map(page, range(4)))).text
    assert found.split("\n\n") == [*filter(None, [kept]), *(f"Room {room}. {PROSE}." for room in "ABCD")]


def test_a_centred_page_number_below_a_short_text_goes():
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            written(canvas, [(60, 700, f"{PROSE} {number * 9}."), (60, 680 - 30 * number, f"Reading {number * 11}.")])
            canvas.drawCentredString(A4[0] / 2, 640 - 30 * number, f"{number + 1}")

        return draw

    words = read(drawn(*map(page, range(4)))).text.split()
    assert [word for word in words if word.isdecimal()] == []
    assert words.count("33.") == 1


def test_a_page_number_far_right_of_the_header_goes():
    def page(number: int) -> Callable[[Canvas], None]:
        rows = [(60.0, 800.0, "Manual of the pump"), (500.0, 800.0, f"{number + 1}"), (60.0, 700.0, f"{PROSE} {number * 9}.")]
        return lambda canvas: written(canvas, rows)

    found = read(drawn(*map(page, range(4)))).text
    assert found.split("\n\n") == ["Manual of the pump", *(f"{PROSE} {number * 9}." for number in range(4))]


def test_the_same_headings_on_each_page_stay_with_their_rows():
    def page(number: int) -> Callable[[Canvas], None]:
        rows = [("Run", "Pressure", "Flow"), *((f"R-{number}{n}", f"{n}.{number}", f"{n}1.0") for n in range(1, 5))]
        return lambda canvas: written(
            canvas,
            [(60.0 + 120 * column, 815.0 - 14 * n, cell) for n, row in enumerate(rows) for column, cell in enumerate(row)],
        )

    text = read(drawn(*map(page, (1, 2, 3)))).text
    assert "R-31 | Pressure: 1.3 | Flow: 11.0" in text
    assert text.count("R-") == 12


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("Level 10<super>6</super> units and more", "Level 10^6 units and more"),
        ("Dose 25<super>1</super> mg, 10<super>-12</super> m", "Dose 25^1 mg, 10^-12 m"),
        ("Area 4 m<super>2</super> of CO<sub>2</sub>", "Area 4 m² of CO2"),
        ("Plain 106 and 251", "Plain 106 and 251"),
        ("Flow m<super>3</super> of H<sub>2</sub>O is 5", "Flow m³ of H2O is 5"),
        ("The H<sub>2</sub>O level and CO<sub>2</sub> level", "The H2O level and CO2 level"),
        (
            "10<super>6</super> cells per m<super>2</super>; H<sub>2</sub>O; note<super>3</super> and 25<super>1</super> more",
            "10^6 cells per m²; H2O; note^3 and 25^1 more",
        ),
    ],
)
def test_raised_figures(markup, expected):
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4).build([Paragraph(markup, getSampleStyleSheet()["BodyText"])])
    assert read(target.getvalue()).text == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("Torque <strike>50</strike>60 Nm at most", "Torque 60 Nm at most"),
        ("Torque <strike>50 Nm of the old valve</strike> <u>60 Nm</u>", "Torque 60 Nm"),
        ("Limit 5<strike>0</strike>6 <u>of CO<sub>2</sub></u> m<super>2</super>", "Limit 5 6 of CO2 m²"),
        (f"<u>{PROSE}</u> <strike>{PROSE}</strike>", PROSE),
    ],
)
def test_struck_out_text_is_not_read(markup, expected):
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4).build([Paragraph(markup, getSampleStyleSheet()["BodyText"])])
    assert read(target.getvalue()).text == expected


def test_rules_of_a_table_and_lines_of_a_drawing_strike_nothing_out():
    def page(canvas: Canvas) -> None:
        written(canvas, [(60, 700, "Inlet"), (160, 700, "5 bar"), (60, 686, "Outlet"), (160, 686, "6 bar")])
        written(canvas, [(60, 600, "CO")])
        canvas.setFont("Helvetica", 8)
        written(canvas, [(76, 596, "2")])
        canvas.line(60, 598.5, 76, 598.5)
        canvas.line(76, 598.5, 81, 598.5)
        for height in (711, 697.5, 683.5, 703.5, 689.5):  # the last two cross the cells from edge to edge
            canvas.line(50, height, 300, height)

    assert read(drawn(page)).text.split() == ["Inlet", "5", "bar", "Outlet", "6", "bar", "CO2"]


GROUPED = [["Model", "Inlet", "Outlet"], ["KX-20", "3 bar", "5 bar"], ["", "4 bar", "6 bar"], ["PY-7", "3 bar", "2 bar"]]


def table_text(rows: list[list[str]], grid: bool = False) -> str:
    target, style = io.BytesIO(), [("GRID", (0, 0), (-1, -1), 1, "black")] if grid else []
    SimpleDocTemplate(target, pagesize=A4).build([Table(rows, colWidths=100, style=style)])
    return read(target.getvalue()).text


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (GROUPED[1:], ["KX-20, 3 bar, 5 bar", ", 4 bar, 6 bar", "PY-7, 3 bar, 2 bar"]),
        (
            [["KX-20", "", "5 bar"], ["", "4 bar", ""], ["PY-7", "3 bar", "2 bar"]],
            ["KX-20, , 5 bar", ", 4 bar, ", "PY-7, 3 bar, 2 bar"],
        ),
        (
            [["KX-20", "red", "oil"], ["", "blue", "water"], ["PY-7", "red", "oil"]],
            ["KX-20, red, oil", ", blue, water", "PY-7, red, oil"],
        ),
        (
            [["KX-20", "3 bar", "5 bar"], ["", "none", "max 6 bar"], ["PY-7", "2-3 bar", "5"]],
            ["KX-20, 3 bar, 5 bar", ", none, max 6 bar", "PY-7, 2-3 bar, 5"],
        ),
    ],
)
def test_rows_without_a_label_are_rows_of_their_own(rows, expected, grid):
    headings = GROUPED[0]
    cells = [[f"{name}: {cell}" for name, cell in zip(headings, row.split(", "), strict=True) if cell] for row in expected]
    assert table_text([headings, *rows], grid).split("\n") == [" | ".join(row) for row in cells]


@pytest.mark.parametrize("first", [14.0, 26.0])
def test_rows_far_below_their_headings_are_rows_of_their_own(first):
    heights = [700.0, *(700 - first - 14 * n for n in range(3))]
    lines = [(60.0 + 120 * n, height, cell) for height, row in zip(heights, GROUPED, strict=True) for n, cell in enumerate(row)]
    assert read(drawn(lambda canvas: written(canvas, [line for line in lines if line[2]]))).text.split("\n") == [
        "Model: KX-20 | Inlet: 3 bar | Outlet: 5 bar",
        "Inlet: 4 bar | Outlet: 6 bar",
        "Model: PY-7 | Inlet: 3 bar | Outlet: 2 bar",
    ]


def test_parts_of_a_line_stand_from_left_to_right():
    parts = [(60, 700, "Inlet"), (260, 700, "5 bar"), (160, 700, "cold water"), (60, 686, "Outlet"), (260, 686, "6 bar")]
    assert read(drawn(lambda canvas: written(canvas, parts))).text.split("\n") == ["Inlet cold water 5 bar", "Outlet 6 bar"]
