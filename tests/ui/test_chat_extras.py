"""What the chat offers beside answers: a second mode, why, copies, asking again, files, reasons."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from doyen.core.answers import Answer, Citation
from doyen.core.modes import Mode
from doyen.core.store.schema import AnswerRow, FeedbackRow
from doyen.ui.conversation import Exchange, answer_at, restore, save, to_markdown

ANSWER = Answer("Which?", "Yes.", Mode.RAG, answer_id="1", citations=[Citation(1, "c", "a_b.md", 0, 3, 7, "Yes\n# it <is>")])
PAIR = Exchange("Which [one]?", ANSWER, beside=Exchange("Which [one]?", replace(ANSWER, answer="![x](https://evil.example)")))


def test_places_beside_the_conversation() -> None:
    done = [PAIR, Exchange("What?", problem="broke")]
    assert [answer_at(done, place) for place in (0, -1, 1, -2, 2, -3, None)] == [
        PAIR.answer,
        PAIR.beside and PAIR.beside.answer,
        *[None] * 5,
    ]
    assert restore(save(done)) == done
    reloaded = restore(save([Exchange("Which?", ANSWER, beside=Exchange("Which?"))]))[0]
    assert reloaded.answer == ANSWER
    assert reloaded.beside is not None
    assert "reloaded" in reloaded.beside.problem


def test_markdown_shows_marks_and_fetches_nothing() -> None:
    text = to_markdown([PAIR])
    assert "## Which \\[one\\]?" in text
    assert "- [1] a\\_b.md, page 7: “Yes \\# it \\<is\\>”" in text
    assert "\\!\\[x\\](https://evil.example)" in text


def ask(page: Any, question: str, answers: int) -> None:
    page.fill("#question textarea", question)
    page.click("#ask")
    page.wait_for_function(f"document.querySelectorAll('#chat .doyen-reply:not(.doyen-coming)').length === {answers}")


@pytest.mark.browser
def test_two_modes_answer_side_by_side_and_stay_over_a_reload(visit: Callable[..., Any], site: Any) -> None:
    page = visit().page
    page.get_by_label("Base model", exact=True).check()
    page.get_by_text("reads no document and cites nothing").wait_for()
    page.click("#beside input")
    page.get_by_role("option", name="Documents", exact=True).click()
    ask(page, "A hostile <i>question</i>?", 2)
    assert [item["question"] for item in site.assistant.asked[-2:]] == ["A hostile <i>question</i>?"] * 2
    metas = [item.inner_text() for item in page.query_selector_all("#chat .doyen-beside .doyen-meta")]
    assert ["Base model" in metas[0], metas[1].startswith("Documents")] == [True, True]
    page.click("#chat [data-index='-1'] .doyen-text")
    page.wait_for_selector("#passages mark")
    page.click("#up")
    page.wait_for_selector("#thanks .doyen-green")
    with site.store.session() as session:
        rated = select(AnswerRow.mode).join(FeedbackRow, FeedbackRow.answer_id == AnswerRow.answer_id)
        assert list(session.scalars(rated)) == ["rag"]
    page.reload()
    page.wait_for_selector("#chat .doyen-beside .doyen-meta")
    page.get_by_text("reads no document and cites nothing").wait_for()
    assert page.get_by_label("Base model", exact=True).is_checked()
    ask(page, "And then?", 4)
    assert [turn.role for turn in site.assistant.asked[-1]["history"]] == ["user", "assistant"]


@pytest.mark.browser
def test_an_answer_is_explained_copied_asked_again_edited_and_saved(visit: Callable[..., Any], site: Any) -> None:
    page = visit().page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "How often is the filter replaced?", 1)
    page.wait_for_selector("#passages mark")
    page.click("#explain button")
    page.wait_for_selector("#why dl")
    assert "How often is the filter replaced?" in page.inner_text("#why dl")
    page.click("#why summary")
    assert "<script>alert('x')</script> filter" in page.inner_text("#why details")
    assert page.query_selector("#why script") is None
    page.click("[data-act=copy]")
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "Every 400 hours, and note it in the log.\n[1] manuals/px-90.pdf, page 1"

    ask(page, "And the seal?", 2)
    page.click("[data-act=edit][data-of='0']")
    assert page.input_value("#question textarea") == "How often is the filter replaced?"
    page.fill("#question textarea", "How often is the oil replaced?")
    page.click("#ask")
    page.wait_for_function("document.querySelectorAll('#chat .doyen-question').length === 1")
    page.wait_for_selector("#chat .doyen-meta")
    assert site.assistant.asked[-1] | {"max_tokens": None} == {
        "question": "How often is the oil replaced?",
        "history": [],
        "adapter": None,
        "max_tokens": None,
    }
    asked = len(site.assistant.asked)
    page.click("[data-act=again]")
    page.wait_for_selector("#chat .doyen-coming")
    page.wait_for_selector("#chat .doyen-meta")
    assert len(site.assistant.asked) == asked + 1
    assert len(page.query_selector_all("#chat .doyen-question")) == 1

    with page.expect_download() as markdown:
        page.click("#save-markdown")
    assert "## How often is the oil replaced?" in Path(markdown.value.path()).read_text(encoding="utf-8")
    with page.expect_download() as saved:
        page.click("#save-json")
    assert json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))[0]["answer"]["mode"] == "rag"

    page.click("#down")
    page.get_by_label("Incomplete").check()
    page.get_by_text("the reason is noted").wait_for()
    with site.store.session() as session:
        assert "Incomplete" in set(session.scalars(select(FeedbackRow.comment)))
