"""Rendering, the HTTP client and the sign-in, without a browser."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from html import escape, unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_assistant import FakeAssistant
from support.serving import served

from doyen.core.answers import Answer, AnswerSentence, Citation, Extract, Passage
from doyen.core.workspace import FILE_NAME, Workspace
from doyen.eval.view import view_report
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import add_key, remove_key
from doyen.ui.annotation_tables import disputes_html
from doyen.ui.charts import Line, line_chart
from doyen.ui.chat_tab import choices, model_name
from doyen.ui.conversation import Exchange, messages_for
from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.job_reports import job_card, job_report
from doyen.ui.labelling_screen import screen_html
from doyen.ui.markup import Coming, conversation_html, highlight, passages_panel
from doyen.ui.pages import create_ui_app
from doyen.ui.plain_markdown import markdown_html
from doyen.ui.report_tables import comparison_table, gate_table, report_frame
from doyen.ui.sign_in import Gateway
from doyen.ui.stopping import Running, Stopped, until

NASTY = "<script>alert('x')</script>\"&'`{{7*7}}"
ANSWER = Answer("Which?", "Yes.", "rag", answer_id="a1")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70)), max_size=5))
def test_highlight_keeps_the_text_and_marks_the_spans(text: str, spans: list[tuple[int, int]]) -> None:
    html = highlight(text, spans)
    assert unescape(re.sub(r"</?mark>", "", html)) == text
    marked = {position for start, end in spans for position in range(max(start, 0), min(end, len(text)))}
    position, inside, seen = 0, False, set()
    for part in re.split(r"(</?mark>)", html):
        if part in {"<mark>", "</mark>"}:
            inside = part == "<mark>"
            continue
        for _ in unescape(part):
            if inside:
                seen.add(position)
            position += 1
    assert seen == marked


def shown(report: dict[str, Any]) -> dict[str, Any]:
    """A report as the gateway hands it out for showing."""
    return asdict(view_report(report))


def test_everything_from_outside_is_escaped() -> None:
    place = ("c", NASTY, 0, len(NASTY), 3)
    answer = replace(
        ANSWER,
        answer=NASTY,
        adapter=NASTY,
        sentences=[AnswerSentence(0, 12, "supported", Citation(1, *place, NASTY)), AnswerSentence(12, 99, "not_found")],
        citations=[Citation(1, *place, NASTY), Citation(1, "c", NASTY, 5, 2, 3, NASTY)],
        passages=[Passage("c", "d", "v", *place[1:], NASTY, 0.0, NASTY)],
    )
    report = {
        "modes": {NASTY: {"metrics": {NASTY: {"mean": 1.0, "low": None, "high": None}}}},
        "comparisons": [{"a": NASTY, "b": NASTY, "metric": NASTY, "delta": 1.0, "low": 0.5, "high": 1.5, "p": None}],
        "retrieval": {NASTY: 1.0},
    }
    exchanges = [Exchange(NASTY, answer), Exchange(NASTY, problem=NASTY), Exchange(NASTY)]
    for html in (
        conversation_html(exchanges, Coming(NASTY)),
        passages_panel(Exchange(NASTY, answer)),
        comparison_table(shown(report)),
        report_frame(NASTY),
    ):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_charts_cards_and_jobs_escape_what_comes_from_outside() -> None:
    line = Line(NASTY, [(0.0, 1.0), (1.0, math.nan), (2.0, 3.0)], [(0.5, 1.5), (math.nan, math.nan), (2.0, 4.0)])
    progress = {"title": NASTY, "done": 1.0, "total": 2.0, "note": NASTY, "seconds_left": 3.0}
    job = {"id": NASTY, "kind": NASTY, "state": "running", "error": "", "progress": progress, "result": {NASTY: NASTY}}
    report = {"dataset": NASTY, "leaks": [NASTY], "compared": {NASTY: NASTY}}
    described = {"title": NASTY, "guideline": NASTY, "labels": [], "relations": [NASTY], "examples": [NASTY]}
    found = {"task": {"text": NASTY}, "progress": {}}
    dispute = {"title": NASTY, "text": NASTY, "agreement": None, "answers": [NASTY], "decision": None}
    for html in (
        line_chart([line, replace(line, name="b")], title=NASTY, names=[NASTY] * 3),
        job_card(job),
        job_card({**job, "state": "done"}),
        job_report({"kind": "check-dataset", "result": report}),
        markdown_html(f"# {NASTY}\n\n- {NASTY}\n\n| {NASTY} |\n| --- |\n| {NASTY} |\n\n{NASTY}\n"),
        disputes_html([dispute]),
        screen_html({"name": "p", "type": "pos", "description": described | {"multiple": False}, "refusal": ""}, found),
    ):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
    assert "nan" not in line_chart([line], title="t")
    assert line_chart([Line("empty", [])], title="t") == ""


def test_the_best_mode_of_each_metric_stands_out() -> None:
    def metric(mean: float | None) -> dict[str, float | None]:
        return {"mean": mean, "low": mean, "high": mean}

    report = {
        "modes": {
            "rag": {"metrics": {"token_f1": metric(0.3), "over_refusal": metric(0.1)}},
            "hybrid": {"metrics": {"token_f1": metric(0.4), "over_refusal": metric(0.2), "citation_recall": metric(None)}},
        },
        "tags": {
            "seen-document": {
                "modes": {name: {"metrics": {"token_f1": metric(mean)}} for name, mean in (("rag", 0.5), ("hybrid", 0.6))}
            },
            "unseen-document": {"modes": {name: {"metrics": {"token_f1": metric(0.0)}} for name in ("rag", "hybrid")}},
        },
        "metrics": {"token_f1": {"better": "higher"}, "over_refusal": {"better": "lower"}},
        "comparisons": [
            {"a": "hybrid", "b": "rag", "metric": "token_f1", "delta": 0.1, "low": 0.05, "high": 0.2, "p": 0.01},
            {"a": "hybrid", "b": "rag", "metric": "over_refusal", "delta": 0.1, "low": 0.05, "high": 0.2, "p": 0.01},
        ],
    }
    html = comparison_table(shown(report))
    best = re.findall(r"doyen-best'><b>([\d.]+)", html)
    assert best == ["0.400", "0.100", "0.600"]
    assert "Token F1, seen-document" in html
    assert [row[0] for row in re.findall(r"<tr class='doyen-(\w)", html)] == ["q", "u", "d"]


def test_the_gate_is_shown_rule_by_rule() -> None:
    report = json.loads((Path(__file__).parents[1] / "eval" / "golden_report.json").read_text(encoding="utf-8"))
    html = gate_table(shown(report))
    assert html.count("not met") == sum(not rule["met"] for rule in report["gate"]["rules"]) > 0
    for rule in report["gate"]["rules"]:
        assert escape(rule["why"]) in html
    assert gate_table(shown({"modes": {}})) == ""


def test_a_quote_outside_its_passage_is_shown_apart() -> None:
    passage = Passage("c", "d", "v", "a.md", 10, 15, None, "", 0.0, "hello")
    citation = Citation(1, "c", "a.md", 0, 5, None, "other")
    html = passages_panel(Exchange("Which?", replace(ANSWER, passages=[passage], citations=[citation])))
    assert "<blockquote>other</blockquote>" in html
    assert "<mark>" not in html


def test_each_sentence_of_an_answer_tells_its_mark() -> None:
    text = "Every 400 hours [2]. Bananas are yellow. It weighs 3 kg. It is red."
    cuts = [0, 20, 40, 56, len(text)]
    source = Citation(2, "c", "a & b.md", 0, 5, 7, "400 h")
    sentences = [
        AnswerSentence(cuts[0], cuts[1], "supported", source),
        AnswerSentence(cuts[1] + 1, cuts[2], "not_found"),
        AnswerSentence(cuts[2] + 1, cuts[3], "number_differs"),
        AnswerSentence(cuts[3] + 1, cuts[4], "unsure", source),
    ]
    html = conversation_html([Exchange("Which?", replace(ANSWER, answer=text, sentences=sentences))])
    shown = re.findall(r"<span class='doyen-sentence doyen-(\w+)' title='([^']*)'>([^<]*)<sup [^>]*>([^<]*)</sup></span>", html)
    assert shown == [
        ("supported", "A passage says this: 2 a &amp; b.md, page 7", "Every 400 hours [2].", "2"),
        ("not_found", "No passage says this", "Bananas are yellow.", "?"),
        ("number_differs", "The passages give another number, or none", "It weighs 3 kg.", "≠"),
        ("unsure", "A passage says this, but it may not be what was asked", "It is red.", "~"),
    ]
    assert len(re.findall(r"<sup role='img' aria-label='[^']+'>", html)) == 4
    assert "May not be what was asked: check it" in html
    assert "doyen-sentence" not in conversation_html([Exchange("Which?", ANSWER)])


EXTRACT = Extract("400 h", Citation(1, "c", "a & b.md", 20, 47, 7, "1,400 h or 400 h: <b> 14 Nm", span=(31, 36)))


def test_an_extract_is_shown_until_the_answer_begins() -> None:
    html = conversation_html([Exchange("How often?")], Coming(extract=EXTRACT))
    assert "Found in a &amp; b.md, page 7:" in html
    unsure = Coming(extract=replace(EXTRACT, mark="unsure"))
    assert "Perhaps in a &amp; b.md" in conversation_html([Exchange("How often?")], unsure)
    assert "1,400 h or <mark>400 h</mark>: &lt;b&gt; 14 Nm" in html
    assert "Reading…" not in html
    assert "mark" not in conversation_html([Exchange("How often?")], Coming("Every", EXTRACT))


def test_an_answer_that_is_an_extract_stands_in_its_sentence_whatever_the_mode() -> None:
    answer = replace(ANSWER, answer=EXTRACT.text, citations=[EXTRACT.citation])
    marked = "<blockquote>1,400 h or <mark>400 h</mark>: &lt;b&gt; 14 Nm</blockquote>"
    assert marked in conversation_html([Exchange("How often?", answer)])
    unmarked = replace(answer, citations=[replace(EXTRACT.citation, span=None)])
    assert "blockquote" not in conversation_html([Exchange("How often?", unmarked)])
    japanese = Citation(1, "c", "ja.md", 5, 19, None, "最高温度は85度です。", span=(10, 13))
    assert "最高温度は<mark>85度</mark>です。" in conversation_html([Exchange("?", replace(answer, citations=[japanese]))])


def test_the_client_gives_an_extract_the_text_and_the_answer() -> None:
    def event(**fields: Any) -> str:
        return f"data: {json.dumps(fields)}\n\n"

    text = [{"delta": {"content": "Every 400 h."}}]
    last = {"choices": [], "answer_id": "x", "answer": "Every 400 h.", "mode": "rag"}
    body = event(choices=[{"delta": {}}], extract=EXTRACT.to_json()) + event(choices=text) + event(**last) + "data: [DONE]\n\n"
    client = client_that_gets(httpx.Response(200, text=body, headers={"content-type": "text/event-stream"}))
    extract, piece, answer = asyncio.run(collect(client.ask([{"role": "user", "content": "How often?"}], "rag")))
    assert (extract, piece, answer.answer) == (EXTRACT, "Every 400 h.", "Every 400 h.")


def test_a_reader_cannot_be_chosen_as_the_adapter() -> None:
    data = [{"id": f"{kind}:1", "kind": kind, "stage": "production"} for kind in ("generator", "reader")]
    found = choices(client_that_gets(httpx.Response(200, json={"data": data})))["choices"]
    assert [value for _, value in found] == ["", "generator:1"]


def test_names_and_history() -> None:
    assert model_name("hybrid", "a:1") == "hybrid@a:1"
    assert model_name("rag", "a:1") == "rag"
    assert model_name("hybrid", "") == "hybrid"
    done = [Exchange("one", ANSWER), Exchange("two", problem="broke")]
    assert [message["content"] for message in messages_for("three", done)] == ["one", "Yes.", "three"]


def client_that_gets(response: httpx.Response | Exception) -> GatewayClient:
    def answer(_: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    return GatewayClient("http://gateway", "key", transport=httpx.MockTransport(answer))


async def collect(pieces: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in pieces]


def test_what_never_comes_can_be_stopped_and_is_closed() -> None:
    closed = []

    async def never() -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.sleep(60)
            yield "two"
        finally:
            closed.append(True)

    async def run() -> list[str]:
        stop, seen = asyncio.Event(), []
        with pytest.raises(Stopped):
            async for piece in until(stop, never()):
                seen.append(piece)
                stop.set()
        return seen

    assert asyncio.run(asyncio.wait_for(run(), 5)) == ["one"]
    assert closed == [True]


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (
            httpx.Response(404, json={"error": {"message": "there is no model 'x': choose one"}}),
            "There is no model 'x': choose one.",
        ),
        (httpx.Response(500, text="<html>"), "status 500"),
        (httpx.ConnectError("refused"), "cannot be reached: start it with `doyen serve`"),
        (httpx.ReadError("reset"), "broke off"),
        (httpx.Response(200, text='data: {"choices": []}\n\n'), "ended the answer too early"),
        (httpx.Response(200, text='data: {"error": {"message": "no"}}\n\n'), "No."),
    ],
)
def test_every_failure_becomes_a_sentence(response: httpx.Response | Exception, sentence: str) -> None:
    with pytest.raises(GatewayError, match=re.escape(sentence)):
        asyncio.run(collect(client_that_gets(response).ask([], "rag")))


def test_a_failing_readiness_check_is_a_sentence() -> None:
    with pytest.raises(GatewayError, match="status 500"):
        client_that_gets(httpx.Response(500, text="<html>")).missing()
    assert client_that_gets(httpx.Response(503, json={"missing": {"index": "none"}})).missing() == {"index": "none"}


def test_people_sign_in_with_the_name_of_their_key_and_the_key(workspace: Workspace) -> None:
    (workspace.root / FILE_NAME).write_text('name = "test"\n[serving]\napi_key = "kT9"\n')
    key = add_key(Workspace(workspace.root), "ann", ["hr"])
    gateway = create_app(Workspace(workspace.root), open_model=FakeAssistant)
    with served(gateway) as url:
        for name, right, others in (("ann", key, ("kT9", "wrong", "")), ("owner", "kT9", (key, "wrong", ""))):
            with TestClient(create_ui_app(url, needs_key=True), base_url="http://127.0.0.1") as client:
                assert client.get("/config").status_code == 401
                for other in others:
                    assert client.post("/login", data={"username": name, "password": other}).status_code in {400, 422}
                assert client.get("/config").status_code == 401
                assert client.post("/login", data={"username": name, "password": right}).status_code == 200
                page = client.get("/config")
                assert page.status_code == 200
                assert right not in page.text
        assert not GatewayClient(url).answers_without_key()


def test_each_person_asks_with_their_own_key(workspace: Workspace) -> None:
    """Whoever is not signed in here asks without a key, which the gateway refuses."""
    keys = {name: add_key(Workspace(workspace.root), name, [name]) for name in ("ann", "ben")}
    with served(create_app(Workspace(workspace.root), open_model=FakeAssistant)) as url:
        gateway = Gateway(url, needs_key=True)
        assert gateway.sign_in("ann", keys["ann"])
        assert gateway.sign_in("ben", keys["ben"])
        assert not gateway.sign_in("ann", keys["ben"])
        asked = gateway.with_client(lambda client, *values: (client.key_name(), *values))
        assert asked(SimpleNamespace(username="ann"), 1, 2) == ("ann", 1, 2)
        assert asked(SimpleNamespace(username="ben")) == ("ben",)
        with pytest.raises(GatewayError, match="asks for a key"):
            asked(SimpleNamespace(username="eve"))


def test_the_pages_ask_for_a_key_as_soon_as_the_gateway_does(workspace: Workspace) -> None:
    """Without a restart, when the first key is made; and who had opened the page before is told to reload it."""
    with (
        served(create_app(Workspace(workspace.root), open_model=FakeAssistant)) as url,
        TestClient(create_ui_app(url), base_url="http://127.0.0.1") as client,
    ):
        assert client.get("/").status_code == client.get("/config").status_code == 200
        key = add_key(Workspace(workspace.root), "ann", ["hr"])
        with pytest.raises(GatewayError, match="reload the page and sign in"):
            GatewayClient(url).adapters()
        assert '"auth_required":true' in client.get("/").text.replace(" ", "")
        assert client.get("/config").status_code == 401
        assert client.post("/login", data={"username": "ann", "password": key}).status_code == 200
        assert client.get("/config").status_code == 200


def test_a_removed_key_signs_nobody_in_and_its_sessions_end(workspace: Workspace) -> None:
    """Also where its name has another key by now: the old session must not ask with that one."""
    old = add_key(Workspace(workspace.root), "ann", ["hr"])
    with served(create_app(Workspace(workspace.root), open_model=FakeAssistant)) as url:
        app = create_ui_app(url, needs_key=True)
        with TestClient(app, base_url="http://127.0.0.1") as first, TestClient(app, base_url="http://127.0.0.1") as other:
            assert first.post("/login", data={"username": "ann", "password": old}).status_code == 200
            remove_key(Workspace(workspace.root), "ann")
            new = add_key(Workspace(workspace.root), "ann", ["board"])
            assert other.post("/login", data={"username": "ann", "password": new}).status_code == 200
            assert first.get("/config").status_code == 401
            assert other.get("/config").status_code == 200
            remove_key(Workspace(workspace.root), "ann")
            assert '"auth_required":true' in other.get("/").text.replace(" ", "")
            assert other.get("/config").status_code == 401


def test_pages_answer_only_to_this_machine_and_load_nothing_from_elsewhere() -> None:
    with TestClient(create_ui_app("http://127.0.0.1:9"), base_url="http://127.0.0.1") as client:
        page = client.get("/")
        assert "connect-src 'self'" in page.headers["content-security-policy"]
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
        hostile = client.post("/gradio_api/queue/join", json={}, headers={"Origin": "https://evil.example"})
        assert hostile.status_code == 403


def test_pages_take_no_files_and_no_endless_bodies() -> None:
    with TestClient(create_ui_app("http://127.0.0.1:9"), base_url="http://127.0.0.1") as client:
        for path in ("/gradio_api/upload", "/gradio_api/upload/", "/gradio_api/upload?upload_id=a", "/upload"):
            assert client.post(path, files={"files": ("a.txt", b"a")}).status_code == 403
        assert client.post("/gradio_api/queue/join", content=b" " * 5_000_000).status_code == 413
        pieces = (b" " * 100_000 for _ in range(50))
        assert client.post("/gradio_api/queue/join", content=pieces).status_code == 413
        assert client.get("/", headers={"Host": "[::1"}).status_code == 403


def test_questions_that_wait_for_one_answer_come_one_after_the_other() -> None:
    coming: list[str] = []
    log: list[tuple[str, bool, int]] = []

    async def ask(running: Running, name: str, page: str = "p") -> None:
        async with running.answering(page) as stop:
            coming.append(name)
            await (asyncio.wait_for(stop.wait(), 2) if name == "first" else asyncio.sleep(0))
            log.append((name, stop.is_set(), len(coming)))
            coming.remove(name)

    async def scene() -> None:
        running = Running()
        answers = [asyncio.create_task(ask(running, name)) for name in ("first", "second", "third")]
        other = asyncio.create_task(ask(running, "on another page", "q"))
        await asyncio.wait_for(other, 1)
        await running.stop("p")
        await asyncio.gather(*answers)
        await running.stop("p")

    asyncio.run(scene())
    stopped = [(name, stop) for name, stop, _ in log]
    assert stopped == [("on another page", False), ("first", True), ("second", False), ("third", False)]
    assert [count for name, _, count in log if name != "on another page"] == [1, 1, 1]
