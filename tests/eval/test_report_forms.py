"""Where answers fail, told apart by hand; the report as Markdown, and as a PDF that Chromium prints."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from support.evaluation_world import ScriptedAssistant, make_questions, passages
from support.required import require_chromium

from doyen.core.answers import Answer
from doyen.core.errors import MissingPart, NotFoundError
from doyen.core.records import REFUSAL, Question
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.failures import OUTCOMES, Outcome, outcome
from doyen.eval.pdf_report import print_report
from doyen.eval.report import Report, comparison_table

FIRST = make_questions()[0]


@pytest.mark.parametrize(
    ("answer", "shown", "wanted"),
    [
        ("4,000 hours", [], "right"),
        ("2.5 Nm", [0], "wrong_found"),
        ("2.5 Nm", [1], "wrong_not_found"),
        (REFUSAL, [1, 0], "refused_found"),
        (REFUSAL, [1], "refused_not_found"),
    ],
)
def test_an_outcome_by_hand(answer: str, shown: list[int], wanted: Outcome) -> None:
    given = Answer(FIRST.question, answer, "rag", abstained=answer == REFUSAL, passages=[passages()[place] for place in shown])
    assert outcome(FIRST, AnswerRecord.of("k", FIRST.id, given)) == wanted


def test_half_of_the_evidence_is_not_found() -> None:
    both = FIRST.model_copy(update={"evidence": ["runs for 4,000 hours", "to 2.5 Nm"]})
    given = Answer(both.question, "never", "rag", passages=passages()[:1])
    assert outcome(both, AnswerRecord.of("k", both.id, given)) == "wrong_not_found"


def test_only_modes_that_read_passages_are_counted_and_all_questions_with_evidence_are(finished: Report) -> None:
    failures = finished.data["failures"]
    assert set(failures) == {"rag", "hybrid"}
    assert all(sum(counts.values()) == 4 and set(counts) == set(OUTCOMES) for counts in failures.values())
    lines = comparison_table(finished).splitlines()
    told = lines[lines.index("Answerable questions with evidence, and what became of them") + 1 :]
    assert next(line for line in told if line.startswith("hybrid")).split() == ["hybrid", "4", "0", "0", "0", "0"]
    assert "Where answers fail" in (finished.folder / "report.html").read_text(encoding="utf-8")


def test_markdown_says_what_the_page_says_first(shown: Report) -> None:
    text = (shown.folder / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# small: evaluation report\n\n96 questions, 2 modes, ")
    assert " | Token F1 | +" in text
    assert "## Where answers fail" in text
    assert "## The gate is " in text
    columns = {
        line.replace("\\|", "").count("|") for line in text.split("## Differences", 1)[0].splitlines() if line[:1] == "|"
    }
    assert len(columns) == 1, "a table's rows have as many cells as its head"


def test_markup_in_names_stays_text(run_it: Callable[..., Report], tmp_path: Path) -> None:
    evil = "<b>|x|</b> [a](http://example.org) *bold*\n# Head"
    questions = [Question(id="1", question="How?", answers=["4 h"], source="a", evidence=["4 h"])]
    report = run_it(ScriptedAssistant(questions), questions, tmp_path, adapter=evil)
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    assert "\\<b\\>\\|x\\|\\</b\\> \\[a\\](http://example.org) \\*bold\\* \\# Head" in text


@pytest.mark.browser
def test_the_pdf_holds_the_figures_and_every_answer(finished: Report, tmp_path: Path) -> None:
    require_chromium()
    shutil.copy(finished.folder / "report.html", tmp_path)
    printed = print_report(tmp_path)
    document = pypdfium2.PdfDocument(printed)
    text = " ".join("".join(page.get_textpage().get_text_bounded() for page in document).split())
    assert "Where answers fail" in text
    assert all(question.question in text for question in make_questions())
    assert "About 900 euros." in text, "closed parts are printed open"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.pdf"]


def test_without_a_report_or_a_browser_the_remedy_is_said(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(NotFoundError, match="eval run --out"):
        print_report(tmp_path)
    (tmp_path / "report.html").write_text("<p>x</p>", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match="install it, or open"):
        print_report(tmp_path)
