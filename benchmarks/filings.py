"""Whether rows of an annual report's tables are found and their values read: ``python benchmarks/filings.py``.

20 questions in a user's words (``filings_questions.jsonl``) on tables of the one annual report among the filings, all of which
are ingested. The row that answers is found when a passage holds its label and all its figures in one line, in their order. The
value is right when the extract of the general reader, which refuses nothing here, states it and no other figure of its row.
``--half choosing`` asks the ten questions that choices are made on; figures to report are of the other ten, bars of all.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from doyen import Doyen
from doyen.core.answers import Answer, Passage
from doyen.core.progress import Terminal
from doyen.core.workspace import create_workspace

QUESTIONS = Path(__file__).with_name("filings_questions.jsonl")
FIRST = 5
"""Passages among which the row should be."""
LEAST_ROWS, LEAST_VALUES = 16, 12
"""Of 20."""


@dataclass(frozen=True)
class TableQuestion:
    """A question on a cell of a table.

    Attributes:
        half: ``choosing`` or ``reported``.
        page: of the PDF, from 1, where the first of the rows is printed.
        value: the cell, without unit and brackets.
        rows: each a label and its figures from left to right; any of them answers the question.
    """

    id: str
    half: str
    page: int
    question: str
    value: str
    rows: list[list[str]]


@dataclass(frozen=True)
class Outcome:
    """What became of a question: ranks of the row from 1 or None, and whether the value is right."""

    half: str
    retrieved: int | None
    shown: int | None
    right: bool


def main() -> int:
    """Ask the questions, print the figures, return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--workspace", type=Path, help="default: a temporary one")
    parser.add_argument("--half", choices=["choosing", "reported"], help="default: both")
    options = parser.parse_args()
    questions = [TableQuestion(**json.loads(line)) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.workspace or Path(temporary) / "space"
        if not (folder / "doyen.toml").is_file():
            create_workspace(folder, "filings")
            settings = '\n[serving]\nrisk = 1.0\nreader = "general"\n'
            (folder / "doyen.toml").write_text(f'name = "filings"\n{settings}', encoding="utf-8")
        with Doyen(folder, reporter=Terminal()) as doyen:
            doyen.ingest([options.data / "filings"])
            outcomes = [ask(doyen, each) for each in questions if options.half in (None, each.half)]
    return int(not report(outcomes))


def ask(doyen: Doyen, question: TableQuestion) -> Outcome:
    """Ask one question and print what came of it."""
    passages = doyen.retriever.retrieve(question.question, doyen.settings.serving.read_passages)
    answer = doyen.ask(question.question, "extract", record=False)
    found = Outcome(question.half, rank(question, passages), rank(question, answer.passages), is_right(question, answer))
    print(
        f"{question.id}  retrieved {found.retrieved or '-'}  shown {found.shown or '-'}  "
        f"{'right' if found.right else 'wrong'}  {question.value} / {answer.answer[:70]!r}",
        flush=True,
    )
    return found


def rank(question: TableQuestion, passages: Sequence[Passage]) -> int | None:
    """Return the rank from 1 of the first passage that holds an answering row."""
    patterns = [re.compile(".*?".join(map(_whole, row)), re.IGNORECASE) for row in question.rows]
    held = (place for place, each in enumerate(passages, 1) if any(pattern.search(each.text) for pattern in patterns))
    return next(held, None)


def is_right(question: TableQuestion, answer: Answer) -> bool:
    """Whether the answer states the value and no other figure of its row."""
    others = {figure for row in question.rows for figure in row[1:]} - {question.value}
    return states(answer.answer, question.value) and not any(states(answer.answer, other) for other in others)


def states(text: str, figure: str) -> bool:
    """Whether a text holds a figure that is not part of a longer one."""
    return re.search(_whole(figure), text) is not None


def _whole(part: str) -> str:
    return rf"(?<![\d.,]){re.escape(part)}(?!\d|[.,]\d)"


def report(outcomes: Sequence[Outcome]) -> bool:
    """Print the figures of each half and of both; return whether the bars, which are for all 20, are passed."""
    passed = True
    for half in (*dict.fromkeys(each.half for each in outcomes), "both"):
        asked = [each for each in outcomes if half in (each.half, "both")]
        whole = half == "both" and len(asked) == 20
        passed &= all(
            [
                bar(f"{half}: row in the first {FIRST}, as retrieved", sum(_is_first(each.retrieved) for each in asked), asked),
                bar(
                    f"{half}: row in the first {FIRST}, as shown",
                    sum(_is_first(each.shown) for each in asked),
                    asked,
                    LEAST_ROWS if whole else None,
                ),
                bar(f"{half}: value right", sum(each.right for each in asked), asked, LEAST_VALUES if whole else None),
            ]
        )
    return passed


def _is_first(found: int | None) -> bool:
    return found is not None and found <= FIRST


def bar(name: str, value: int, asked: Sequence[Outcome], least: int | None = None) -> bool:
    """Print a count beside its bar and return whether it passes."""
    verdict = "" if least is None else f"  (bar {least}: {'passed' if value >= least else 'MISSED'})"
    print(f"{name:<50} {value:3d} of {len(asked)}{verdict}", flush=True)
    return least is None or value >= least


if __name__ == "__main__":
    sys.exit(main())
