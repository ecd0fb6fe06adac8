"""Cells of tables in passages: which there are, which may answer, and that the reader takes the one of row and column."""

import pytest

from doyen.core.answers import Passage
from doyen.retrieval.reading.findings import PassageReader
from doyen.retrieval.reading.reader import open_reader
from doyen.retrieval.reading.table_cells import find_cells, likely_cells, touches_table

TABLE = """The works made more pumps than in the year before.

(Millions) | Sales 2018 | Sales 2017 | Spending 2018 | Spending 2017
Pumps | Sales 2018: 12,267 | Sales 2017: 11,866 | Spending 2018: $ 454 | Spending 2017: $ 381
Valves | Sales 2018: 6,827 | Sales 2017: 6,235 | Spending 2018: 210 | Spending 2017: —
Sold to others:
Seals | Sales 2018: 915 | Sales 2017: 874"""


def passage(text: str = TABLE, heading: str = "Report > Divisions") -> Passage:
    return Passage("c", "d", 1, "report.pdf", 0, len(text), 3, heading, 1.0, text, {"dense": 0.7})


def test_a_cell_is_its_figure_with_row_and_column():
    cells = find_cells(0, passage())
    assert [TABLE[cell.start : cell.end] for cell in cells][:3] == ["12,267", "11,866", "$ 454"]
    assert len(cells) == 9
    assert cells[0].statement == "Report > Divisions | Pumps | Sales 2018: 12,267"
    assert TABLE[slice(*cells[0].row)].startswith("Pumps | Sales 2018: 12,267")
    assert cells[-1].about == "Sold to others | Seals | Sales 2017"


@pytest.mark.parametrize("question", ["flow of P-100?", "weight of the P-300?"])
def test_a_span_over_the_heading_and_the_first_label_gives_way_to_a_cell(question):
    rows = "Pump: P-100 | Flow: 30 l/min | Weight: 14 kg\nPump: P-200 | Flow: 55 l/min | Weight: 21 kg"
    text = f"Pump data\n\n{rows}\nPump: P-300 | Flow: 80 l/min | Weight: 38 kg\n\nThe P-200 replaces the P-150."
    expected = {"flow of P-100?": "30 l/min", "weight of the P-300?": "38 kg"}
    assert PassageReader(open_reader()).find(question, [passage(text, "Pump data")]).spans[0].text == expected[question]


def test_text_that_is_no_table_has_no_cells():
    for text in ("The pump | the valve", "Note: 12 bar at the inlet", "a | b\nc | d", ""):
        assert find_cells(0, passage(text)) == []
    figure, prose = TABLE.index("11,866"), TABLE.index("more pumps")
    assert touches_table(TABLE, figure, figure + 6)
    assert touches_table(TABLE, prose, figure)
    assert not touches_table(TABLE, prose, prose + 10)


def test_cells_of_other_years_and_kinds_are_left_out():
    texts = [TABLE[cell.start : cell.end] for cell in likely_cells("What were the sales of valves in 2017?", [passage()])]
    assert texts[0] == "6,235"
    assert set(texts) == {"6,235", "11,866", "$ 381", "874"}
    assert likely_cells("How hot may the valve become, in °C?", [passage("Valve | Limit: 12 bar")]) == []
    assert len(likely_cells("sales", [passage()], most=2)) == 2


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("What were the sales of valves in 2017?", "6,235"),
        ("How much was spent on pumps in 2018?", "$ 454"),
        ("sales of seals in 2018", "915"),
    ],
)
def test_the_reader_takes_the_cell_that_was_asked_for(question, value):
    other = passage("The valve of the pump is cleaned with soft water twice a year and dried in the sun.", "Care")
    found = PassageReader(open_reader()).find(question, [other, passage()])
    assert found.spans[0].text == value
    assert found.passages[0].text == TABLE
    assert value in TABLE[slice(*found.spans[0].sentence)].split("\n")[0]


def test_a_sentence_that_answers_stays_first():
    prose = passage("In 2018 the sales of valves were 6.8 billion, as much as never before.", "Report")
    table = passage("Costs of heating | Sum 2018: 12 | Sum 2017: 13", "Report")
    assert PassageReader(open_reader()).find("How high were the sales of valves?", [prose, table]).spans[0].passage is prose
