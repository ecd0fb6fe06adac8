"""Headings above columns of figures in PDF: over several lines and columns, told apart by drawn lines or by their places."""

import io

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits

BODY = getSampleStyleSheet()["BodyText"]
FIGURES = [["Pumps", "12,267", "11,866", "2,737", "(2,490)"], ["Valves", "6,827", "6,235", "1,720", "2,066"]]
YEARS = ["(Millions)", "2018", "2017", "2018", "2017"]
RIGHT = [("ALIGN", (1, 2), (-1, -1), "RIGHT"), ("ALIGN", (1, 0), (-1, 1), "CENTER")]
SPANS = [("SPAN", (1, 0), (2, 0)), ("SPAN", (3, 0), (4, 0))]
RULES = [("LINEBELOW", (1, 0), (2, 0), 0.6, "black"), ("LINEBELOW", (3, 0), (4, 0), 0.6, "black")]
WANTED = [
    "(Millions) | Sales 2018 | Sales 2017 | Income 2018 | Income 2017",
    "Pumps | Sales 2018: 12,267 | Sales 2017: 11,866 | Income 2018: 2,737 | Income 2017: (2,490)",
    "Valves | Sales 2018: 6,827 | Sales 2017: 6,235 | Income 2018: 1,720 | Income 2017: 2,066",
]


def read(*flowables: object) -> list[str]:
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4).build(list(flowables))
    return read_document(target.getvalue(), "a.pdf", Limits(10_000_000, 40_000_000, 100)).text.replace("\n\n", "\n").split("\n")


def table(rows: list[list[str]], style: list[tuple[object, ...]], width: float = 70) -> Table:
    return Table(rows, colWidths=[110, *[width] * (len(rows[0]) - 1)], style=style, rowHeights=13)


@pytest.mark.parametrize("rules", [RULES, []], ids=["ruled", "plain"])
def test_a_heading_spans_its_columns(rules):
    rows = [["", "Sales", "", "Income", ""], YEARS, *FIGURES]
    assert read(table(rows, [*RIGHT, *SPANS, *rules])) == WANTED


def test_a_line_below_tells_columns_that_places_do_not():
    rows = [
        ["", "", "", "Changes", "", ""],
        ["", "Sales", "Costs", "Price", "Volume", "Sum"],
        *[[*row, "7"] for row in FIGURES],
    ]
    style = [*RIGHT, ("SPAN", (3, 0), (4, 0)), ("LINEBELOW", (3, 0), (4, 0), 0.6, "black")]
    assert (
        read(table(rows, style))[0]
        == "Pumps | Sales: 12,267 | Costs: 11,866 | Changes Price: 2,737 | Changes Volume: (2,490) | Sum: 7"
    )


def test_a_line_below_all_headings_spans_nothing():
    rows = [["", "", "Safety and", "", ""], ["", "Industry", "Graphics", "Energy", "Total"], *FIGURES]
    rules = [("LINEBELOW", (0, 1), (-1, 1), 0.6, "black"), ("LINEABOVE", (0, 0), (-1, 0), 0.6, "black")]
    first = "Pumps | Industry: 12,267 | Safety and Graphics: 11,866 | Energy: 2,737 | Total: (2,490)"
    assert read(table(rows, [*RIGHT, *rules]))[0] == first


def test_a_second_table_below_has_headings_of_its_own():
    rows = [["", "Sales", "", "Income", ""], YEARS, *FIGURES]
    other = [["", "Assets", "", "Spending", ""], YEARS, *FIGURES]
    found = read(table(rows, [*RIGHT, *SPANS, *RULES]), table(other, [*RIGHT, *SPANS, *RULES]))
    assert found == [*WANTED, *[row.replace("Sales", "Assets").replace("Income", "Spending") for row in WANTED]]


def test_a_title_is_no_heading():
    rows = [["", "2018", "2017", "2016", "2015"], *FIGURES]
    found = read(
        Paragraph("<para align='center'>Statement of the income of the pump works in millions</para>", BODY), table(rows, RIGHT)
    )
    assert found[0].startswith("Statement")
    assert found[-2] == "Pumps | 2018: 12,267 | 2017: 11,866 | 2016: 2,737 | 2015: (2,490)"


def test_a_label_over_two_lines_has_one_row():
    rows = [YEARS, ["Purchases and sales of", *[""] * 4], ["valves for pumps, net", *FIGURES[0][1:]], *FIGURES]
    found = read(table(rows, RIGHT[:1]))
    assert found[1].startswith("Purchases and sales of valves for pumps, net | 2018: 12,267")
    assert len(found) == 4


def test_a_single_row_below_years_is_a_table():
    rows = [["(Millions)", "2018", "2017", "2016"], ["Interest", "$ 14", "$ 11", "$ 8"]]
    assert (
        read(Paragraph("What was paid is shown below.", BODY), table(rows, RIGHT))[-1]
        == "Interest | 2018: $ 14 | 2017: $ 11 | 2016: $ 8"
    )
