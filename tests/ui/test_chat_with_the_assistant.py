"""The chat in a real browser before the real assistant: what people do while an answer comes, and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from support.serving import served

from doyen.core.store import open_store
from doyen.core.store.schema import AnswerRow, FeedbackRow
from doyen.core.workspace import FILE_NAME, create_workspace
from doyen.platform.app import Doyen
from doyen.platform.serving.gateway.api import create_app
from doyen.ui.pages import create_ui_app

pytestmark = [pytest.mark.browser, pytest.mark.model]

DOCUMENTS = Path(__file__).parents[1] / "cli" / "mini" / "documents"
KITE = "How many litres does the Kite tank hold?"
MERLIN = "What does the Merlin mixer weigh?"
LONG = "Tell a long story about a mill, a river and a miller who could not sleep."


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Gateway and pages over the mini domain's documents and the packaged model."""
    workspace = create_workspace(tmp_path_factory.mktemp("chat") / "space", "test")
    (workspace.root / FILE_NAME).write_text('name = "test"\n[serving]\nmax_tokens = 60\n')
    with Doyen(workspace.root) as doyen:
        doyen.ingest([DOCUMENTS])
    with ExitStack() as stack:
        gateway = stack.enter_context(served(create_app(workspace)))
        url = stack.enter_context(served(create_ui_app(gateway, title="Mini")))
        store = open_store(workspace)
        stack.callback(store.close)
        yield SimpleNamespace(url=url, store=store)


@pytest.fixture
def page(visit: Callable[[], Any]) -> Any:
    page = visit().page
    page.set_default_timeout(90_000)
    return page


def ask(page: Any, question: str) -> None:
    page.fill("#question textarea", question)
    page.click("#ask")


def coming(page: Any) -> None:
    """Wait until the first words of an answer show."""
    page.wait_for_function("(document.querySelector('#chat .doyen-coming .doyen-text')?.innerText.length ?? 0) > 3")


def finished(page: Any, count: int = 1) -> None:
    page.wait_for_function(f"document.querySelectorAll('#chat .doyen-reply:not(.doyen-coming)').length === {count}")


def passages_of(page: Any, question: str) -> None:
    """Wait until the passages beside the chat are those of a question."""
    page.wait_for_function("asked => document.querySelector('#passages').innerText.includes(asked)", arg=question)


def answers(site: SimpleNamespace) -> list[AnswerRow]:
    with site.store.session() as session:
        return list(session.scalars(select(AnswerRow).order_by(AnswerRow.created_at)))


def feedback(site: SimpleNamespace, question: str) -> list[tuple[int, str | None]]:
    rows = select(FeedbackRow).join(AnswerRow, AnswerRow.answer_id == FeedbackRow.answer_id)
    with site.store.session() as session:
        found = session.scalars(rows.where(AnswerRow.question == question).order_by(FeedbackRow.created_at))
        return [(row.rating, row.correction) for row in found]


def test_rating_and_correction_go_to_the_answer_that_is_shown(page: Any, site: SimpleNamespace) -> None:
    ask(page, KITE)
    finished(page)
    ask(page, MERLIN)
    finished(page, 2)
    page.click("#chat [data-index='0'] .doyen-text")
    passages_of(page, KITE)
    assert "kite.html" in page.inner_text("#passages")
    page.fill("#correction textarea", "380 litres, filled to the mark.")
    page.click("#send")
    page.wait_for_selector("#thanks .doyen-green")
    page.click("#chat [data-index='1'] .doyen-text")
    passages_of(page, MERLIN)
    page.click("#up")
    page.wait_for_function("document.querySelector('#thanks').innerText.includes('Thank you')")
    assert feedback(site, KITE) == [(-1, "380 litres, filled to the mark.")]
    assert feedback(site, MERLIN) == [(1, None)]


def test_stopped_and_asked_again_the_question_is_answered(page: Any, site: SimpleNamespace) -> None:
    page.get_by_label("Base model").check()
    before = len(answers(site))
    ask(page, LONG)
    coming(page)
    page.click("#stop")
    ask(page, LONG)
    page.wait_for_function("document.querySelectorAll('#chat .doyen-question').length === 2")
    finished(page, 2)
    assert "You stopped this answer." in page.inner_text("#chat .doyen-failed")
    assert page.inner_text("#chat [data-index='1'] .doyen-text").strip()
    assert page.input_value("#question textarea") == ""
    assert [row.question for row in answers(site)[before:]] == [LONG], "what was stopped is no answer"


def test_a_draft_typed_while_an_answer_comes_stays(page: Any, site: SimpleNamespace) -> None:
    page.get_by_label("Base model").check()
    ask(page, LONG)
    coming(page)
    page.fill("#question textarea", MERLIN)
    finished(page)
    page.wait_for_timeout(300)
    assert page.input_value("#question textarea") == MERLIN
    page.click("#ask")
    finished(page, 2)
    last = answers(site)[-1]
    assert last.question == MERLIN
    assert [turn["content"] for turn in last.history][:1] == [LONG]


def test_a_reload_keeps_the_conversation(page: Any, site: SimpleNamespace) -> None:
    ask(page, KITE)
    finished(page)
    said = page.inner_text("#chat [data-index='0'] .doyen-text")
    page.reload()
    page.wait_for_function("document.querySelectorAll('#chat .doyen-question').length === 1")
    assert page.inner_text("#chat [data-index='0'] .doyen-text") == said
    passages_of(page, KITE)
    ask(page, MERLIN)
    finished(page, 2)
    assert [turn["content"] for turn in answers(site)[-1].history][:1] == [KITE]
