"""The page stands alone, escapes everything, and opens in a browser without reaching out."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from support.evaluation_world import ScriptedAssistant, make_questions
from support.required import require_chromium

from doyen.core.answers import AnswerSentence, Citation
from doyen.core.records import Question
from doyen.eval.plots import Row, interval_plot
from doyen.eval.report import Report, comparison_table
from doyen.eval.view import verdict, view_report

EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>{{ 8191*8191 }}"


class Hostile(ScriptedAssistant):
    """Puts markup into everything that an answer can carry."""

    def ask(self, question: str, mode: str, **options: Any) -> Any:
        answer = super().ask(question, mode, **options)
        citation = Citation(1, "c", EVIL, 0, 1, None, EVIL)
        sentences = [AnswerSentence(0, 30, "number_differs"), AnswerSentence(31, len(EVIL), "supported", citation)]
        said = {"citations": [citation], "sentences": sentences, "other_versions": [replace(citation, superseded_by=EVIL)]}
        return replace(answer, answer=EVIL, adapter=EVIL, model=EVIL, **said)


class Tags(HTMLParser):
    """Collects tags, attributes and the balance of elements."""

    VOID = {"meta", "input", "line", "circle", "br"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        optional = {"p", "li", "dt", "dd"}
        while self.open and self.open[-1] != tag and self.open[-1] in optional:
            self.open.pop()
        assert self.open.pop() == tag


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


def test_markup_in_answers_questions_and_names_stays_text(run_it: Any, tmp_path: Path) -> None:
    questions = [
        Question(id=EVIL, question=EVIL, answers=[EVIL], source=EVIL, evidence=[EVIL], tags=[EVIL, "seen-document"]),
        *make_questions()[:2],
    ]
    run_it(Hostile(questions), questions, tmp_path, manifest_inputs={"index": EVIL}, modes=("rag", "hybrid"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    tags = parsed(page)
    assert "script" not in tags.seen
    assert "img" not in tags.seen
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert str(8191 * 8191) not in page
    assert page.count("&lt;script&gt;") > 5
    assert "Pumps &lt;Ltd&gt;" in page
    assert page.count('<span class="number_differs" title="The passages give another number, or none">') == 6
    assert page.count('<small class="tag">superseded</small> &lt;script&gt;') == page.count("(superseded by &lt;") == 6
    assert "Sentences supported" in page


def test_the_page_needs_nothing_else(finished: Report) -> None:
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    tags = parsed(page)
    assert not tags.open
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(tags.seen)
    links = [value for name, value in tags.attributes if name in {"href", "src", "action"}]
    assert links
    assert all(link and link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|https?://", page)


def test_what_the_page_shows(finished: Report) -> None:
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    for part in (
        "Token F1",
        "Seen documents",
        "Unseen documents",
        "hybrid − rag",
        "recall@5",
        "Over-refusal",
        "lower is better",
    ):
        assert part in page
    for question in make_questions():
        assert question.question in page
        for quote in question.evidence:
            assert quote in page
    assert page.count('class="block answer') == 6 * 4
    assert finished.data["manifest"]["fingerprint"] in page
    # Every plot says what it shows to those who cannot see it; every table has column headers with a scope.
    assert page.count("<svg") == page.count('role="img" aria-label=') == 4
    assert page.count("<thead>") == len(re.findall(r'<thead><tr><th scope="col"', page))


def test_the_verdict_speaks_of_the_best_mode(finished: Report, shown: Report) -> None:
    said = verdict(view_report(finished.data))
    assert said[0] == "finetune has the highest mean Token F1, 1.000."
    assert any("not surely above hybrid" in line for line in said)
    assert any(line.startswith("It is not surely above base: by +") for line in said), "four questions prove nothing"
    assert verdict(view_report(shown.data))[1].startswith("It is above rag: by +")
    assert verdict(view_report(shown.data))[1].endswith("n 64.")


def test_the_terminals_table_fits(finished: Report) -> None:
    table = comparison_table(finished)
    assert max(map(len, table.splitlines())) <= 90
    for part in ("Token F1", "F1, seen documents", "hybrid − rag", "ndcg@10", "6 questions"):
        assert part in table


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]), (0.0, 0.0, ["0.0", "0.2"]), (-0.15, 0.25, ["-0.2", "-0.1"])],
)
def test_axes_are_round_and_hold_everything(low: float, high: float, ticks: list[str]) -> None:
    plot = interval_plot([("", [Row("m", (low + high) / 2, low, high, "", "m1")])], "s", width=600, around_zero=True)
    assert plot is not None
    assert [label for _, label in plot.ticks][: len(ticks)] == ticks
    mark = plot.marks[0]
    assert plot.ticks[0][0] - 0.2 <= mark.left <= mark.x <= mark.right <= plot.ticks[-1][0] + 0.2
    assert plot.zero is not None


def test_nothing_to_draw_is_no_plot() -> None:
    assert interval_plot([("empty", [])], "s", width=600) is None


@pytest.mark.browser
def test_in_a_browser_it_reaches_nothing_and_filters(finished: Report) -> None:
    chromium = require_chromium()
    requests: list[str] = []
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: problems.append(message.text))
        page.goto((finished.folder / "report.html").as_uri())
        assert page.locator("details.q").count() == 6
        # A narrow screen scrolls inside its tables, not as a whole.
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_label("refused by some mode").check()
        assert page.locator("details.q:visible").count() == 2
        page.locator("details.q:visible").first.locator("summary").click()
        assert page.get_by_text("About 900 euros.").first.is_visible()
        browser.close()
    assert requests == [(finished.folder / "report.html").as_uri()]
    assert problems == []
