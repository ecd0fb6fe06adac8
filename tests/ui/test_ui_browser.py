"""The pages in a real browser, against a gateway on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from support.evaluation_world import evaluate_small_world, make_questions
from support.fake_assistant import QUOTE, FakeAssistant
from support.scans import written
from support.serving import served

from doyen.core.answers import Answer, Citation, Passage
from doyen.core.modes import Mode
from doyen.core.store.document_access import Assigned
from doyen.core.store.schema import AccessOrigin, AnswerRow, DocumentRow, DocumentVersionRow, FeedbackRow
from doyen.core.workspace import Workspace, create_workspace
from doyen.finetune.registry import Registry
from doyen.ingestion.ingest import ingest_bytes
from doyen.platform.documents import set_document_groups
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import add_key
from doyen.ui.pages import create_ui_app
from doyen.ui.stopping import Running

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
    page.wait_for_function("document.querySelector('#passages .doyen-note')?.innerText.includes('Not in the documents')")
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


def test_feedback_goes_to_the_answer_that_is_shown(visit: Callable[[], Any], site: Any) -> None:
    page = visit().page
    for number, question in enumerate(("The first question?", "The second question?"), start=1):
        ask(page, question)
        finished(page, number)
    page.click("#chat [data-index='0'] .doyen-text")
    page.wait_for_function("document.querySelector('#passages').innerText.includes('The first question?')")
    page.fill("#correction textarea", "For the first one.")
    page.click("#send")
    page.wait_for_selector("#thanks .doyen-green")
    page.click("#down")
    page.wait_for_function("document.querySelector('#thanks').innerText.includes('Noted as wrong')")
    page.click("#chat [data-index='1'] .doyen-text")
    page.wait_for_function("document.querySelector('#passages').innerText.includes('The second question?')")
    page.click("#up")
    page.wait_for_function("document.querySelector('#thanks').innerText.includes('Thank you')")
    said = feedback_by_question(site)
    assert said["The first question?"] == [(-1, "For the first one."), (-1, None)]
    assert said["The second question?"] == [(1, None)]


def test_a_correction_being_typed_stays_with_its_answer_while_another_comes(visit: Callable[[], Any], site: Any) -> None:
    page = visit().page
    ask(page, "An early question?")
    finished(page)
    site.assistant.gate.clear()
    ask(page, "A later question?")
    page.wait_for_selector("#chat .doyen-coming")
    page.click("#chat [data-index='0'] .doyen-text")
    page.wait_for_selector("#correction textarea", state="visible")
    page.fill("#correction textarea", "About the early one.")
    site.assistant.gate.set()
    finished(page, 2)
    page.wait_for_timeout(500)
    assert page.input_value("#correction textarea") == "About the early one."
    page.click("#send")
    page.wait_for_selector("#thanks .doyen-green")
    assert feedback_by_question(site)["An early question?"] == [(-1, "About the early one.")]


def test_an_answer_that_was_chosen_stays_shown_when_another_is_complete(visit: Callable[[], Any], site: Any) -> None:
    page = visit().page
    ask(page, "An early question?")
    finished(page)
    site.assistant.gate.clear()
    ask(page, "A later question?")
    page.wait_for_selector("#chat .doyen-coming")
    page.click("#chat [data-index='0'] .doyen-text")
    page.wait_for_selector("#correction textarea", state="visible")
    site.assistant.gate.set()
    finished(page, 2)
    page.wait_for_timeout(1000)
    assert "An early question?" in page.inner_text("#passages")
    ask(page, "A third question?")
    page.wait_for_function("document.querySelector('#passages').innerText.includes('A third question?')")


def test_a_draft_typed_while_an_answer_comes_stays(visit: Callable[[], Any], site: Any) -> None:
    page = visit().page
    site.assistant.gate.clear()
    ask(page, "How often?")
    page.wait_for_selector("#chat .doyen-coming")
    page.fill("#question textarea", "My next question")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.input_value("#question textarea") == "My next question", "an answer is coming: the question waits"
    site.assistant.gate.set()
    finished(page)
    page.wait_for_timeout(300)
    assert page.input_value("#question textarea") == "My next question"
    page.click("#ask")
    finished(page, 2)
    assert page.input_value("#question textarea") == ""
    assert site.assistant.asked[-1]["question"] == "My next question"


@pytest.mark.parametrize("wait", [0, 30, 200, 1500])
def test_after_a_stop_the_next_question_is_asked(visit: Callable[[], Any], site: Any, wait: int) -> None:
    """However soon after the stop, and also the same question again."""
    page = visit().page
    ask(page, "a slow one, to be stopped")
    page.wait_for_selector("#chat .doyen-coming")
    page.click("#stop")
    page.wait_for_timeout(wait)
    ask(page, "a slow one, to be stopped")
    page.wait_for_function("document.querySelectorAll('#chat .doyen-question').length === 2")
    finished(page, 2)
    assert "400 hours" in page.inner_text("#chat")
    assert page.input_value("#question textarea") == ""


def test_after_a_stop_that_takes_long_the_next_question_is_asked_once(
    visit: Callable[[], Any], site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that is busy an answer ends seconds after the stop, and people click again."""
    stop = Running.stop

    async def stop_late(running: Running, page: str) -> None:
        await asyncio.sleep(5)
        await stop(running, page)

    monkeypatch.setattr(Running, "stop", stop_late)
    page = visit().page
    site.assistant.gate.clear()
    ask(page, "The first question?")
    page.wait_for_selector("#chat .doyen-coming")
    page.click("#stop")
    ask(page, "The second question?")
    page.click("#ask")
    page.wait_for_function("document.querySelectorAll('#chat .doyen-question').length === 2")
    site.assistant.gate.set()
    finished(page, 2)
    page.wait_for_timeout(500)
    assert [item["question"] for item in site.assistant.asked[-2:]] == ["The first question?", "The second question?"]
    assert page.input_value("#question textarea") == ""


def test_a_reload_keeps_the_conversation(visit: Callable[[], Any], site: Any) -> None:
    page = visit().page
    ask(page, "hostile <b>one</b>")
    finished(page)
    ask(page, "Another question?")
    finished(page, 2)
    site.assistant.gate.clear()
    ask(page, "Not finished?")
    page.wait_for_function("document.querySelectorAll('#chat .doyen-question').length === 3")
    page.reload()
    site.assistant.gate.set()
    page.wait_for_function("document.querySelectorAll('#chat .doyen-question').length === 3")
    assert "reloaded before this answer was complete" in page.inner_text("#chat .doyen-failed")
    page.wait_for_function("document.querySelector('#passages').innerText.includes('Another question?')")
    ask(page, "And after the reload?")
    finished(page, 4)
    assert len(site.assistant.asked[-1]["history"]) == 4
    page.click("#up")
    page.wait_for_selector("#thanks .doyen-green")
    assert feedback_by_question(site)["And after the reload?"] == [(1, None)]
    page.click("#clear")
    page.wait_for_selector("#chat .doyen-empty")
    page.reload()
    page.wait_for_selector("#question textarea")
    page.wait_for_timeout(500)
    assert page.query_selector("#chat .doyen-question") is None


def test_damaged_saved_conversations_start_afresh(visit: Callable[[], Any], site: Any) -> None:
    page = visit().page
    for damaged in ("{", "[1]", '[{"question": 5}]', '[{"question": "x", "answer": {"text": 1}}]'):
        page.evaluate("value => sessionStorage.setItem('doyen-conversation', value)", damaged)
        page.reload()
        page.wait_for_selector("#question textarea")
        ask(page, "Does it work?")
        finished(page)
        assert "400 hours" in page.inner_text("#chat .doyen-reply .doyen-text")


def feedback_by_question(site: Any) -> dict[str, list[tuple[int, str | None]]]:
    """Return question → (rating, correction) in the order in which they were given."""
    said: dict[str, list[tuple[int, str | None]]] = {}
    with site.store.session() as session:
        rows = select(AnswerRow.question, FeedbackRow).join(AnswerRow, AnswerRow.answer_id == FeedbackRow.answer_id)
        for question, row in session.execute(rows.order_by(FeedbackRow.created_at)):
            said.setdefault(question, []).append((row.rating, row.correction))
    return said


def test_adapters_and_reports(visit: Callable[[], Any], site: Any, tmp_path: Path) -> None:
    """Adapters as the registry keeps them, and a report as an evaluation writes it."""
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    registry = Registry(site.workspace, site.store)
    for fingerprint in ("weights of known:1", "weights of known:2"):
        manifest = {"inputs": {"base": "0"}, "fingerprint": fingerprint}
        registry.register("known", tmp_path, base_model="base", dataset_id="d", manifest=manifest)
    report = evaluate_small_world(make_questions(), site.workspace.reports_folder / "first", "known:2")
    seen = visit()
    page = seen.page

    page.get_by_role("tab", name="Adapters").click()
    page.wait_for_selector("#adapters table")
    page.click("#promote")
    page.wait_for_selector("#adapters-said .doyen-red")
    assert "does not let known:2 be promoted" in page.inner_text("#adapters-said")
    assert "\nmet: the report is about known:2\n" in page.inner_text("#adapters-said"), "each rule has a line of its own"
    page.fill("#reason textarea, #reason input", "the demo has too few questions")
    page.click("#promote")
    page.wait_for_selector("#adapters .doyen-green")
    assert "known:2 now answers." in page.inner_text("#adapters-said")
    page.click("#rollback")
    page.wait_for_selector("#adapters-said .doyen-red")

    page.get_by_role("tab", name="Evaluation").click()
    page.wait_for_selector("#comparison table")
    assert f"{report.metric('hybrid', 'token_f1')['mean']:.3f}" in page.inner_text("#comparison")
    assert "Over-refusal" in page.inner_text("#comparison")
    assert "– to –" not in page.inner_text("#comparison")
    page.click("#full-report button")
    page.frame_locator("#report-frame iframe").get_by_role("heading", name="Differences on the same questions").wait_for()

    page.get_by_role("tab", name="Chat").click()
    page.get_by_label("Documents + adapter").check()
    page.wait_for_selector("#adapter input:not([disabled])")
    page.click("#adapter input")
    page.get_by_role("option", name="known:1").click()
    ask(page, "With which adapter?")
    finished(page)
    assert site.assistant.asked[-1]["adapter"] == "known:1"
    assert "known:1" in page.inner_text("#chat .doyen-meta")


def test_a_job_is_started_followed_and_its_log_read(visit: Callable[[], Any], site: Any) -> None:
    (site.workspace.root / "documents").mkdir()
    text = "# <b>Pump</b>\n\nThe pump runs for 400 hours.\n"
    (site.workspace.root / "documents" / "pump.md").write_text(text, encoding="utf-8")
    page = visit().page
    page.get_by_role("tab", name="Jobs").click()
    page.wait_for_selector("#jobs .doyen-banner")
    page.fill("#job-paths textarea, #job-paths input", "nowhere")
    page.click("#start-job")
    page.wait_for_selector("#jobs .doyen-chip.doyen-red", timeout=60_000)
    assert "'nowhere' does not exist below the workspace's folder" in page.inner_text("#jobs")
    page.fill("#job-paths textarea, #job-paths input", "documents")
    page.click("#start-job")
    page.wait_for_selector("#jobs .doyen-chip.doyen-green", timeout=60_000)
    assert "n documents: 1" in page.inner_text("#jobs tbody tr:first-child")
    page.click("#job-log button")
    page.wait_for_selector("#job-log-lines pre")
    page.wait_for_function("document.querySelector('#job-log-lines pre').innerText.includes('done')")
    page.click("#cancel-job")
    page.wait_for_selector("#jobs-said .doyen-red")
    assert "is done already" in page.inner_text("#jobs-said")


def test_a_person_who_is_signed_in_asks_with_their_own_key(chromium: Any, tmp_path: Path) -> None:
    """The answer belongs to the key's name, and so does the thumb."""
    workspace = create_workspace(tmp_path / "space", "keyed")
    key = add_key(workspace, "ann", ["hr"])
    app = create_app(Workspace(workspace.root), open_model=FakeAssistant)
    with served(app) as gateway, served(create_ui_app(gateway, needs_key=True)) as url:
        services = app.state.services
        services.assistant()
        context = chromium.new_context()
        assert context.request.post(f"{url}/login", form={"username": "ann", "password": key}).ok
        page = context.new_page()
        page.goto(url)
        ask(page, "How often is the filter replaced?")
        finished(page)
        page.click("#up")
        page.wait_for_selector("#thanks .doyen-green")
        with services.store.session() as session:
            assert [row.caller for row in session.scalars(select(AnswerRow))] == ["ann"]
            assert [row.rating for row in session.scalars(select(FeedbackRow))] == [1]
        context.close()


def test_an_open_page_says_to_sign_in_once_the_gateway_has_a_key(chromium: Any, tmp_path: Path) -> None:
    """And who then signs in sees nothing of what was answered in the tab before."""
    workspace = create_workspace(tmp_path / "space", "keyed")
    app = create_app(Workspace(workspace.root), open_model=FakeAssistant)
    with served(app) as gateway, served(create_ui_app(gateway)) as url:
        app.state.services.assistant()
        context = chromium.new_context()
        page = context.new_page()
        page.goto(url)
        ask(page, "How often is the filter replaced?")
        finished(page)
        key = add_key(Workspace(workspace.root), "ann", ["hr"])
        ask(page, "And the seal?")
        page.get_by_text("reload the page and sign in").first.wait_for()
        page.reload()
        page.get_by_label("username").fill("ann")
        page.get_by_label("password").fill(key)
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector("#question textarea")
        ask(page, "How often is the filter replaced?")
        finished(page, count=1)
        page.reload()
        page.wait_for_selector("#chat .doyen-meta")
        context.close()


@pytest.fixture
def cited_pdf(tmp_path: Path) -> Iterator[Any]:
    """A gateway whose assistant cites a PDF of the group hr, with keys of Ann, who is of that group, and of Bob."""
    workspace = create_workspace(tmp_path / "space", "keyed")
    keys = {"ann": add_key(workspace, "ann", ["hr"]), "bob": add_key(workspace, "bob", [])}
    app = create_app(Workspace(workspace.root), open_model=FakeAssistant)
    with served(app) as gateway, served(create_ui_app(gateway, needs_key=True)) as url:
        services = app.state.services
        source = "manuals/px-90.pdf"
        ingest_bytes(workspace, services.store, source, written([], PAGE), assigned=HR)
        with services.store.session() as session:
            row = session.scalars(select(DocumentRow)).one()
            text = session.get_one(DocumentVersionRow, (row.document_id, row.version)).text
        start = text.index("every 26 weeks")
        passage = Passage("c", row.document_id, row.version, source, 0, len(text), 1, "", 1.0, text)
        citation = Citation(1, "c", source, start, start + 14, 2, "every 26 weeks")
        answer = Answer("How often?", "Every 26 weeks.", Mode.RAG, citations=[citation], passages=[passage])
        services.assistant().stream = lambda *_, **__: iter([answer])
        yield SimpleNamespace(url=url, keys=keys, services=services, workspace=workspace, document=row.document_id)


HR = Assigned(frozenset({"hr"}), AccessOrigin.API)
PAGE = [(60.0, 400.0, "The seal of the pump is replaced every 26 weeks.")]
IS_DRAWN = (
    "(() => { const page = document.querySelector('.doyen-page img'); return page.complete && page.naturalWidth > 500; })()"
)


def test_a_cited_page_is_shown_with_the_key_of_who_asks_and_kept_by_no_browser(chromium: Any, cited_pdf: Any) -> None:
    contexts = {name: chromium.new_context(viewport={"width": 390, "height": 844}) for name in ("ann", "bob", "nobody")}
    for name, key in cited_pdf.keys.items():
        assert contexts[name].request.post(f"{cited_pdf.url}/login", form={"username": name, "password": key}).ok
    page, fetched = contexts["ann"].new_page(), []
    page.on("response", lambda response: fetched.append(response) if "page-pictures" in response.url else None)
    page.goto(cited_pdf.url)
    ask(page, "How often?")
    finished(page)
    page.wait_for_selector("#passages mark")
    assert fetched == []
    page.get_by_text("Show page 2 as printed").click()
    page.wait_for_function(IS_DRAWN)
    assert page.get_by_alt_text("Page 2 of manuals/px-90.pdf, with the quoted words marked").is_visible()
    (picture,) = fetched
    assert picture.headers["cache-control"] == "no-store"
    assert contexts["ann"].request.get(picture.url).body() == picture.body()
    assert (contexts["bob"].request.get(picture.url).status, contexts["nobody"].request.get(picture.url).status) == (404, 401)

    set_document_groups(cited_pdf.workspace, cited_pdf.services.store, cited_pdf.document, ["board"])
    page.reload()
    page.get_by_text("Show page 2 as printed").click()
    page.get_by_text("This page cannot be shown").wait_for()
    assert not page.get_by_alt_text("Page 2 of").is_visible()
    for context in contexts.values():
        context.close()
