"""Cells of tables in passages, each as a statement of its own that a reader of sentences understands.

    Industrial | Net Sales 2018: 12,267 | Net Sales 2017: 11,866

    Business segments | Industrial | Net Sales 2018: 12,267
    Business segments | Industrial | Net Sales 2017: 11,866

A reader that learnt from running text takes a figure of another row or column out of such a row; asked about one figure at a
time it seldom does.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from doyen.core.answer_kinds import contradicts
from doyen.core.answers import Passage
from doyen.retrieval.tokens import tokens

if TYPE_CHECKING:
    from doyen.retrieval.reading.reader import Reader, Reading

WORD_WEIGHT = 2.0
"""Logits that sharing all words with the question is worth."""
MOST_CELLS = 16
"""Cells that are read, those first that share the rarest words with the question."""
SEPARATOR = " | "
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_LINE = re.compile(r"[^\n]+")
_SECTION_ENDS = (":", "—")
_SECTION_END = " :—"
MOST_WORDS = 5
"""Of a figure with its unit."""
SPAN_SHARE = 1 / 3
"""Weight of a span's logit beside that of its text answering, where cells are compared with one another and with sentences."""


@dataclass(frozen=True)
class Cell:
    """A figure in a table.

    Attributes:
        place: of its passage among those that are read.
        row: start and end of its row in the passage's text.
        start, end: of the figure.
        about: label of the row, with that of its section where the passage has it, and headings of the column.
        statement: what it says, with the headings that the passage stands under.
    """

    place: int
    row: tuple[int, int]
    start: int
    end: int
    about: str
    statement: str


def likely_cells(question: str, passages: Sequence[Passage], most: int = MOST_CELLS) -> list[Cell]:
    """Return the cells that may answer a question, likeliest first.

    Left out are values of another kind than is asked for, and those of other years than the question names.
    """
    cells = [cell for place, passage in enumerate(passages) for cell in find_cells(place, passage)]
    years = set(_YEAR.findall(question))
    fitting = [
        cell
        for cell in cells
        if not (years and (own := set(_YEAR.findall(cell.about))) and not own & years)
        and not contradicts(question, passages[cell.place].text[cell.start : cell.end])
    ]
    return _sharing_words(question, fitting)[:most]


def read_cells(reader: Reader, question: str, passages: Sequence[Passage]) -> list[tuple[Cell, float]]:
    """Return the cells that may answer with how strongly each does (`strength`), strongest first."""
    cells = likely_cells(question, passages)
    readings = reader.read(question, [cell.statement for cell in cells]) if cells else []
    strengths = [strength(question, reading, cell.about) for cell, reading in zip(cells, readings, strict=True)]
    return sorted(zip(cells, strengths, strict=True), key=lambda pair: -pair[1])


def strength(question: str, reading: Reading, about: str) -> float:
    """Return how strongly a text answers by itself, in logits, wherever the retriever placed it.

    Args:
        reading: of the text.
        about: the words next to its best span: labels and headings of a cell, the sentence around a span.
    """
    asked = set(tokens(question))
    shared = len(asked & set(tokens(about))) / len(asked) if asked else 0.0
    return reading.answers + SPAN_SHARE * (reading.spans[0].score if reading.spans else 0.0) + WORD_WEIGHT * shared


def touches_table(text: str, start: int, end: int) -> bool:
    """Whether a stretch of a text is in a row of figures below headings, or runs into one."""
    return any(figure.row[0] < end and start < figure.row[1] for figure in _figures(text))


def find_cells(place: int, passage: Passage) -> list[Cell]:
    """Return the figures of a passage's tables whose columns have headings; ``place`` is that of the passage."""
    return [
        Cell(place, each.row, each.start, each.end, each.about, _statement(passage, each)) for each in _figures(passage.text)
    ]


class _Figure(NamedTuple):
    row: tuple[int, int]
    start: int
    end: int
    about: str


def _statement(passage: Passage, figure: _Figure) -> str:
    value = passage.text[figure.start : figure.end]
    return SEPARATOR.join(filter(None, [passage.heading, f"{figure.about}: {value}"]))


def _figures(text: str) -> Iterator[_Figure]:
    section, end = "", 0
    for line in _LINE.finditer(text):
        section = "" if line.start() > end + 1 else section  # a blank line parts tables
        end = line.end()
        parts = line.group().split(SEPARATOR)
        if len(parts) == 1:
            section = line.group().rstrip(_SECTION_END) if line.group().endswith(_SECTION_ENDS) else ""
            continue
        start = line.start() + len(parts[0]) + len(SEPARATOR)
        for part in parts[1:]:
            heading, colon, value = part.rpartition(": ")
            if colon and len(value.split()) <= MOST_WORDS and any(letter.isdigit() for letter in value):
                about = SEPARATOR.join(filter(None, [section, parts[0], heading]))
                yield _Figure(line.span(), start + len(part) - len(value), start + len(part), about)
            start += len(part) + len(SEPARATOR)


def _sharing_words(question: str, cells: Sequence[Cell]) -> list[Cell]:
    """Return cells in the order of the words that they share with the question, rare ones counting more."""
    asked = set(tokens(question))
    shared = [asked & set(tokens(cell.statement)) for cell in cells]
    counts = Counter(word for words in shared for word in words)
    weights = [sum(math.log(1 + len(cells) / counts[word]) for word in words) for words in shared]
    return [cells[number] for number in sorted(range(len(cells)), key=lambda number: -weights[number])]
