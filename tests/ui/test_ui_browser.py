"""The pages in a real browser, against a gateway on a real port."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from support.fake_assistant import QUOTE

from doyen.platform.core.store.schema import AdapterRow, FeedbackRow

pytestmark = pytest.mark.browser


def ask(page: Any, question: str) -> None:
    page.fill("#question textarea", question)
    page.click("#ask")


def finished(page: Any, count: int = 1) -> None:
    """Wait for answers that are complete."""
    page.wait_for_function(f"document.querySelectorAll('#chat .doyen-reply:not(.doyen-coming)').length === {count}")


def test_question_to_feedback(visit: Callable[[], Any], site: Any) -> None:
    """Ask, see words come, read the marked quote, rate, correct; nothing is asked of any other server."""
    seen = visit()
    page = seen.page
    site.assistant.gate.clear()
    ask(page, "How often is the filter replaced?")
    page.wait_for_function("document.querySelector('#chat .doyen-coming')?.innerText.includes('Every 400 hours,')")
    assert "log" not in page.inner_text("#chat")
    site.assistant.gate.set()
    finished(page)
    assert page.inner_text("#chat .doyen-reply .doyen-text") == "Every 400 hours, and note it in the log."
    assert "manuals/px-90.pdf, page 1" in page.inner_text("#chat .doyen-sources")

    assert page.inner_text("#passages mark") == QUOTE
    assert page.inner_text("#passages .doyen-cited header").split() == ["1", "manuals/px-90.pdf,", "page", "1"]
    assert "<script>alert('x')</script>" in page.inner_text("#passages .doyen-cited p")
    assert page.query_selector("#passages script") is None

    page.click("#up")
    page.wait_for_selector("#thanks .doyen-green")
    page.fill("#correction textarea", "Every 500 hours.")
    page.click("#send")
    page.wait_for_function("document.querySelector('#thanks').innerText.includes('correction is stored')")
    assert page.input_value("#correction textarea") == ""
    with site.store.session() as session:
        rows = [(row.rating, row.correction) for row in session.scalars(select(FeedbackRow).order_by(FeedbackRow.rating))]
    assert rows == [(-1, "Every 500 hours."), (1, None)]

    assert {urlsplit(url).hostname for url in seen.requests if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert seen.errors == []


def test_refusals_errors_and_markup_are_shown_as_what_they_are(visit: Callable[[], Any], site: Any) -> None:
    seen = visit()
    page = seen.page
    ask(page, "hostile <img src=https://evil.example/q.png onerror=alert(1)> ${1+1} {{7*7}}")
    finished(page)
    assert "![x](https://evil.example/x.png) <img src=https://evil.example/y.png>" in page.inner_text("#chat")
    assert "onerror=alert(1)> ${1+1} {{7*7}}" in page.inner_text("#chat .doyen-question")
    assert page.query_selector("#chat img") is None
    ask(page, "something unknown")
    finished(page, 2)
    assert page.inner_text("#chat .doyen-abstained .doyen-chip") == "Not in the documents"
    assert "Not in the documents" in page.inner_text("#passages .doyen-note")
    ask(page, "break it")
    finished(page, 3)
    assert "The shelf broke: mend it." in page.inner_text("#chat .doyen-failed")
    assert not page.is_visible("#up")
    page.focus("#chat [data-index='0']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#passages mark")
    # What failed is no part of the conversation; what was refused is.
    ask(page, "And then?")
    finished(page, 4)
    assert len(site.assistant.asked[-1]["history"]) == 4
    page.click("#clear")
    page.wait_for_selector("#chat .doyen-empty")
    assert all(urlsplit(url).hostname == "127.0.0.1" for url in seen.requests if url.startswith("http"))


def test_stopping_ends_the_generation(visit: Callable[[], Any], site: Any) -> None:
    page = visit().page
    site.assistant.stopped.clear()
    ask(page, "a slow one, to be stopped")
    page.wait_for_function("document.querySelector('#chat .doyen-coming')?.innerText.includes('Every')")
    page.click("#stop")
    assert site.assistant.stopped.wait(5)
    finished(page)
    assert "You stopped this answer." in page.inner_text("#chat .doyen-failed")
    page.click("#stop")
    ask(page, "And another one?")
    finished(page, 2)
    assert "400 hours" in page.inner_text("#chat")


def test_adapters_and_reports(visit: Callable[[], Any], site: Any) -> None:
    with site.store.session() as session:
        for version in (1, 2):
            fields = {"base_model": "base", "base_sha256": "0", "dataset_id": "d", "status": "candidate", "manifest": {}}
            session.add(AdapterRow(name="known", version=version, created_at="2026-01-01T00:00:00+00:00", **fields))
    folder = site.workspace.reports_folder / "first"
    folder.mkdir(parents=True)
    metric = {"token_f1": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    report = {"manifest": {}, "questions": {"n": 3}, "modes": {"rag": {"metrics": metric}, "hybrid": {"metrics": metric}}}
    report |= {"comparisons": [], "tags": {}}
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "report.html").write_text("<h1>Whole report</h1><img src='https://evil.example/x.png'>")
    seen = visit()
    page = seen.page

    page.get_by_role("tab", name="Adapters").click()
    page.wait_for_selector("#adapters table")
    page.click("#promote")
    page.wait_for_selector("#adapters-said .doyen-red")
    assert "does not let known:2 be promoted" in page.inner_text("#adapters-said")
    page.check("#force input")
    page.click("#promote")
    page.wait_for_selector("#adapters .doyen-green")
    assert "known:2 now answers." in page.inner_text("#adapters-said")
    page.click("#rollback")
    page.wait_for_selector("#adapters-said .doyen-red")

    page.get_by_role("tab", name="Evaluation").click()
    page.wait_for_selector("#comparison table")
    assert "0.500" in page.inner_text("#comparison")
    page.click("#full-report button")
    page.frame_locator("#report-frame iframe").get_by_role("heading", name="Whole report").wait_for()

    page.get_by_role("tab", name="Chat").click()
    page.get_by_label("Documents + adapter").check()
    page.wait_for_selector("#adapter input:not([disabled])")
    page.click("#adapter input")
    page.get_by_role("option", name="known:1").click()
    ask(page, "With which adapter?")
    finished(page)
    assert site.assistant.asked[-1]["adapter"] == "known:1"
    assert "known:1" in page.inner_text("#chat .doyen-meta")
