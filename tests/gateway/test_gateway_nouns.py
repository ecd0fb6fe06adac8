"""Feedback, adapters, evaluations, health, documentation, and the API's golden file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from support.evaluation_world import evaluate_small_world, many_questions, registered
from support.fake_assistant import FakeAssistant

from doyen.core.errors import InputError, NotFoundError
from doyen.core.store.schema import AdapterRow, FeedbackRow
from doyen.finetune.registry import Registry
from doyen.platform.serving.gateway.documents_routes import confined_source
from doyen.platform.serving.reading import find_reader

GOLDEN = Path(__file__).parent / "openapi.json"
CHAT = {"model": "rag", "messages": [{"role": "user", "content": "How often?"}]}


@pytest.fixture
def answer_id(client: TestClient) -> str:
    return client.post("/v1/chat/completions", json=CHAT).json()["answer_id"]


@pytest.fixture
def adapters(client: TestClient) -> None:
    with client.app.state.services.store.session() as session:
        for version in (1, 2):
            session.add(
                AdapterRow(
                    name="known",
                    version=version,
                    base_model="base",
                    base_sha256="0" * 64,
                    dataset_id="d",
                    stage="candidate",
                    manifest=registered(f"known:{version}").manifest,
                    created_at=f"2026-01-0{version}T00:00:00+00:00",
                )
            )


def test_feedback_lands_in_the_database(client: TestClient, answer_id: str) -> None:
    first = client.post("/v1/feedback", json={"answer_id": answer_id, "rating": 1})
    assert first.status_code == 201
    second = client.post(
        "/v1/feedback", json={"answer_id": answer_id, "rating": -1, "correction": " Every 500. ", "comment": ""}
    )
    assert second.json()["correction"] == "Every 500."
    with client.app.state.services.store.session() as session:
        rows = {row.feedback_id: row for row in session.scalars(select(FeedbackRow))}
    assert {row.rating for row in rows.values()} == {1, -1}
    assert rows[second.json()["feedback_id"]].correction == "Every 500."
    assert rows[second.json()["feedback_id"]].comment is None
    assert rows[first.json()["feedback_id"]].answer_id == answer_id


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"answer_id": "nobody"}, 404),
        ({"rating": 2}, 400),
        ({"rating": 0}, 400),
        ({"correction": "x" * 20_001}, 400),
        ({"answer": "x"}, 400),
    ],
)
def test_wrong_feedback_is_refused(client: TestClient, answer_id: str, change: dict[str, object], status: int) -> None:
    assert client.post("/v1/feedback", json={"answer_id": answer_id, "rating": 1, **change}).status_code == status


@pytest.mark.usefixtures("adapters")
def test_adapters_are_listed_promoted_and_rolled_back(client: TestClient) -> None:
    assert [item["id"] for item in client.get("/v1/adapters").json()["data"]] == ["known:2", "known:1"]
    for version in (1, 2):
        promoted = client.post(f"/v1/adapters/known/{version}/promote", json={"force": True, "reason": "a trial"}).json()
        assert (promoted["id"], promoted["stage"]) == (f"known:{version}", "production")
    assert client.post("/v1/adapters/known/rollback").json()["id"] == "known:1"
    assert client.post("/v1/adapters/known/2/stage").json()["stage"] == "staging"
    assert client.post("/v1/adapters/known/1/stage").status_code == 409
    assert client.post("/v1/adapters/known/9/stage").status_code == 404
    stages = {item["id"]: item["stage"] for item in client.get("/v1/adapters").json()["data"]}
    card = client.get("/v1/adapters/known/production").json()
    assert (card["adapter"], card["stage"], card["lineage"]) == ("known:1", "production", [])
    assert "a rollback of 'known' brings it back" not in card["in_use"] == ["in production"]
    assert client.get("/v1/adapters/known/9").status_code == 404
    assert stages == {"known:1": "production", "known:2": "staging"}


@pytest.mark.usefixtures("adapters")
def test_what_cannot_be_promoted(client: TestClient) -> None:
    assert client.post("/v1/adapters/known/9/promote", json={"force": True, "reason": "a trial"}).status_code == 404
    assert client.post("/v1/adapters/other/rollback").status_code == 404
    assert client.post("/v1/adapters/known/rollback").status_code == 409
    assert client.post("/v1/adapters/known/x/promote", json={"force": True, "reason": "a trial"}).status_code == 400


@pytest.mark.usefixtures("adapters")
def test_promotion_asks_for_a_report_that_meets_the_rules(client: TestClient) -> None:
    def promote(body: dict[str, object]) -> Any:
        return client.post("/v1/adapters/known/1/promote", json=body)

    assert promote({}).status_code == 400
    assert promote({"report": "nothing"}).status_code == 404
    services = client.app.state.services
    for name, copies, adapter in (("good", 16, "known:1"), ("few", 1, "known:1"), ("other", 1, "known:2")):
        questions = many_questions(copies)
        evaluate_small_world(questions, services.workspace.reports_folder / name, adapter)
    dataset = services.workspace.datasets_folder / Registry(services.workspace, services.store).get("known:1").dataset_id
    dataset.mkdir(parents=True)
    hashes = [question.asked_hash for question in many_questions(16)]
    (dataset / "manifest.json").write_text(json.dumps({"frozen_questions": hashes}))
    closed = promote({"report": "few"})
    assert closed.status_code == 409
    assert "at least 30" in closed.json()["error"]["message"]
    assert "it is about known:2" in promote({"report": "other"}).json()["error"]["message"]
    fingerprint = replace_fingerprint(client, "trained again")
    assert "trained on something else" in promote({"report": "good"}).json()["error"]["message"]
    replace_fingerprint(client, fingerprint)
    assert promote({"report": "good"}).json()["stage"] == "production"
    assert client.get("/v1/evals/few").json()["gate"]["open"] is False
    assert promote({"report": "few", "force": True}).status_code == 400
    assert promote({"report": "few", "force": True, "reason": "  "}).status_code == 400
    told = promote({"report": "few", "force": True, "reason": "a trial", "by": "mara"}).json()["manifest"]["promotions"]
    assert [(item["by"], item["report"], item["reason"]) for item in told] == [
        ("gateway", "good", None),
        ("mara", "few", "a trial"),
    ]
    assert all(item["at"] for item in told)


def replace_fingerprint(client: TestClient, fingerprint: str) -> str:
    """Let known:1 be another training's adapter; return what it was."""
    with client.app.state.services.store.session() as session:
        row = session.get_one(AdapterRow, ("known", 1))
        before = row.manifest["fingerprint"]
        row.manifest = {**row.manifest, "fingerprint": fingerprint}
    return before


@pytest.mark.usefixtures("adapters", "assistant")
def test_models_name_modes_and_adapters(client: TestClient) -> None:
    models = client.get("/v1/models").json()["data"]
    assert (models[0]["mode"], models[0]["adapter"]) == ("rag", None)
    assert "no report" in models[0]["reason"]
    assert [item["id"] for item in models] == [
        "best",
        "base",
        "extract",
        "rag",
        "rag-short",
        "rag-reading",
        "finetune",
        "finetune@known:2",
        "finetune@known:1",
        "hybrid",
        "hybrid@known:2",
        "hybrid@known:1",
    ]
    assert client.get("/v1/models/hybrid@known:1").json()["adapter"] == "known:1"
    assert client.get("/v1/models/gpt-4").status_code == 404


def test_extract_is_no_model_where_nothing_is_read(open_gateway) -> None:
    models = open_gateway(reader="none").get("/v1/models").json()["data"]
    assert "extract" not in [item["id"] for item in models]
    assert models[0]["mode"] == "rag"


@pytest.mark.parametrize("wanted", ["none", "nobody"])
def test_without_a_general_reading_adapter_the_other_models_are_listed(open_gateway, wanted: str) -> None:
    listed = [item["id"] for item in open_gateway(reader_adapter=wanted).get("/v1/models").json()["data"]]
    assert "rag-reading" not in listed
    assert {"rag", "rag-short", "extract"} <= set(listed)


def test_a_reader_is_listed_and_promoted_but_no_model_answers_with_it(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "reader").mkdir()
    (tmp_path / "reader" / "reader.safetensors").write_bytes(b"")
    manifest = {"inputs": {"base": "b" * 64}, "created_at": "2026-01-01T00:00:00+00:00", "kind": "reader"}
    registry = client.app.state.services.doyen.adapters
    registry.register("qa-reader", tmp_path / "reader", base_model="general reader", dataset_id="d", manifest=manifest)
    kinds = {item["id"]: item["kind"] for item in client.get("/v1/adapters").json()["data"]}
    assert kinds["qa-reader:1"] == "reader"
    assert set(kinds.values()) <= {"generator", "reader"}
    assert not [item["id"] for item in client.get("/v1/models").json()["data"] if "qa-reader" in item["id"]]
    promotion = {"force": True, "reason": "a trial"}
    assert client.post("/v1/adapters/qa-reader/1/promote", json=promotion).json()["stage"] == "production"


def test_evaluations(client: TestClient) -> None:
    folder = client.app.state.services.workspace.reports_folder
    report = {
        "manifest": {"created_at": "2026-01-01T00:00:00+00:00"},
        "questions": {"n": 3},
        "modes": {"rag": {"metrics": {"token_f1": {"mean": 0.5, "low": 0.4, "high": 0.6}}}},
    }
    for name, text in (
        ("older", json.dumps(report)),
        ("broken", "{"),
        ("null", json.dumps({**report, "modes": {"rag": {"metrics": None}}})),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "report.json").write_text(text)
    (folder / "older" / "report.html").write_text("<h1>Report</h1>")
    (folder.parent / "report.json").write_text("{}")
    assert client.get("/v1/evals").json()["data"] == [
        {
            "object": "eval",
            "id": "older",
            "created_at": "2026-01-01T00:00:00+00:00",
            "questions": 3,
            "questions_sha256": None,
            "modes": ["rag"],
            "means": {"rag": {"token_f1": 0.5}},
        }
    ]
    assert client.get("/v1/evals/older").json() == report
    page = client.get("/v1/evals/older/report.html")
    assert page.text == "<h1>Report</h1>"
    assert "sandbox" in page.headers["content-security-policy"]
    assert client.get("/v1/evals/broken").status_code == 507
    for name in ("newer", "..%2f..", "older%2f..", ".doyen", "older%00"):
        assert client.get(f"/v1/evals/{name}").status_code == 404


@pytest.mark.parametrize("name", ["a.pdf", "policies/travel 2.pdf", "Überblick.md", "a/b/c.txt"])
def test_good_names_of_documents(name: str) -> None:
    assert confined_source(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "C:\\x",
        "a\\..\\b",
        "a\0b",
        "a\nb",
        "x" * 256,
        "a/./b",
        "a/",
        " ",
    ],
)
def test_bad_names_of_documents(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a document"):
        confined_source(name)


def test_metrics_count_what_happened(client: TestClient, answer_id: str) -> None:
    client.post("/v1/feedback", json={"answer_id": answer_id, "rating": -1})
    client.get("/v1/documents/nothing")
    text = client.get("/metrics").text
    assert 'doyen_answers_total{mode="rag",outcome="answered"} 1.0' in text
    assert 'doyen_tokens_total{kind="completion"} 3.0' in text
    assert 'doyen_feedback_total{rating="-1"} 1.0' in text
    assert 'doyen_requests_total{method="GET",route="/v1/documents/{document_id}",status="404"} 1.0' in text


def test_missing_index_is_said_and_the_server_runs(client: TestClient) -> None:
    client.app.state.services.assistant()
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert list(ready.json()["missing"]) == ["index"]
    assert "doyen ingest" in ready.json()["missing"]["index"]
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_server_whose_reader_is_missing_is_not_ready(
    open_gateway: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeAssistant, "open_reader", lambda self: find_reader(self.registry, "gone"))
    client = open_gateway()
    with pytest.raises(NotFoundError, match="gone"):
        client.app.state.services.assistant()
    assert "gone" in client.get("/readyz").json()["missing"]["model"]


def test_documentation_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    links = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text)
    assert len(links) >= 3
    for link in links:
        assert link.startswith("/")
        assert client.get(link).status_code == 200


def test_api_is_the_golden_one(client: TestClient) -> None:
    """Run with DOYEN_UPDATE_GOLDEN=1 after a change on purpose."""
    current = {**client.get("/openapi.json").json(), "info": {}}
    if os.environ.get("DOYEN_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(current, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    assert current == json.loads(GOLDEN.read_text(encoding="utf-8"))
