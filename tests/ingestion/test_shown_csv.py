"""CSV: which first rows name the columns, and what stands above them."""

from pathlib import Path

import pytest

from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits

YEARS = Path(__file__).parent / "cases" / "years.csv"
LIMITS = Limits(10_000_000, 40_000_000, 100)


def lines(data: str | bytes) -> list[str]:
    return read_document(data.encode() if isinstance(data, str) else data, "a.csv", LIMITS).text.split("\n")


def test_years_name_columns():
    assert lines(YEARS.read_bytes()) == [
        "Region: North | 2022: 120 | 2023: 131 | 2024: 140",
        "Region: South | 2022: 90 | 2023: 95 | 2024: 99",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019,2020\n2021,2022\n", ["2019 | 2020", "2021 | 2022"]),
        ("3.1,20\n3.2,21\n", ["3.1 | 20", "3.2 | 21"]),
        ("A-1,red\nB-22,blue\n", ["A-1 | red", "B-22 | blue"]),
        ("Line,1,2,3\nA,5,2,7\n", ["Line: A | 1: 5 | 2: 2 | 3: 7"]),
        ("Temp,10,20,30\nA,1,2,3\n", ["Temp: A | 10: 1 | 20: 2 | 30: 3"]),
        ("A,10,20,30\nB,20,40,60\nC,5,10,15\n", ["A | 10 | 20 | 30", "B | 20 | 40 | 60", "C | 5 | 10 | 15"]),
        ("E01,70,75,80\nE02,60,61,66\n", ["E01 | 70 | 75 | 80", "E02 | 60 | 61 | 66"]),
        ("Date,2024-01,2024-02\nN,5,6\n", ["Date: N | 2024-01: 5 | 2024-02: 6"]),
        ("\ufeffsep=;\nPart;Size, mm\nA;5,5\n", ["Part: A | Size, mm: 5,5"]),
        (
            "Report;Lab\nOn;2024-01-02\n\nA;B;C\n1;2;3\n4;5;6\n",
            ["Report | Lab", "", "On | 2024-01-02", "", "A: 1 | B: 2 | C: 3", "A: 4 | B: 5 | C: 6"],
        ),
        ('A,B\n"x, y","line\nbreak"\n', ["A: x, y | B: line break"]),
    ],
)
def test_which_rows_are_headings(text, expected):
    assert lines(text) == expected
