"""Nothing of a document that a caller may not read reaches them, through any endpoint or mode."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.access_world import ADMIN, Trials, World, gateway_of, make_world

from doyen.annotation import Excerpt
from doyen.core.access import Access
from doyen.platform.serving.gateway.drafts import AssistantDrafter

LOCAL = "http://127.0.0.1"
MODES = ("base", "rag", "rag-short", "best", "hybrid", "finetune", "nonsense")


def opened(folder: Path, seed: int, reader: str) -> Iterator[tuple[World, TestClient]]:
    world = make_world(folder, random.Random(seed), reader=reader)
    with TestClient(gateway_of(world), base_url=LOCAL, raise_server_exceptions=False) as client:
        client.app.state.services.assistant()
        yield world, client


@pytest.fixture(scope="module")
def without_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, TestClient]]:
    yield from opened(tmp_path_factory.mktemp("access"), 1, "none")


@pytest.fixture(scope="module")
def with_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, TestClient]]:
    yield from opened(tmp_path_factory.mktemp("reading"), 2, "general")


@pytest.mark.model
def test_random_requests_leak_nothing(without_reader: tuple[World, TestClient]) -> None:
    trials = Trials(*without_reader, random.Random(3), MODES)
    for _ in range(400):
        trials.run()
    asked = {name.split("?")[0] for name in trials.sent}
    assert {"POST /v1/search", "POST /v1/chat/completions", "GET /v1/documents/ID", "POST /v1/feedback"} <= asked


@pytest.mark.model
def test_random_requests_leak_nothing_through_what_is_read(with_reader: tuple[World, TestClient]) -> None:
    trials = Trials(*with_reader, random.Random(4), ("extract", "rag", "best"))
    for _ in range(60):
        trials.run()


@pytest.mark.model
def test_drafts_for_label_studio_rest_on_open_documents(without_reader: tuple[World, TestClient]) -> None:
    world, client = without_reader
    drafter = AssistantDrafter(client.app.state.services.assistant())
    hidden = world.secrets(Access(groups=frozenset()))
    for paper in world.papers:
        prompt = f"What is the {paper.canaries[1]} series?"
        draft = drafter.answer(prompt, Excerpt("An excerpt.", document_id=paper.document_id))
        assert not [word for word in hidden - {paper.canaries[1]} if word in repr(draft)]


@pytest.mark.model
def test_an_administrator_sees_every_document(without_reader: tuple[World, TestClient]) -> None:
    world, client = without_reader
    listed = client.get("/v1/documents?limit=200", headers={"Authorization": f"Bearer {ADMIN}"}).json()
    assert {item["source"]: frozenset(item["groups"]) for item in listed["data"]} == world.groups
    assert client.get("/v1/key", headers={"Authorization": f"Bearer {ADMIN}"}).json()["name"] == "owner"


@pytest.mark.model
def test_reports_are_not_named_where_the_best_mode_is(without_reader: tuple[World, TestClient]) -> None:
    """Reports are for those who read everything; their names and figures stand in the reason, too."""
    world, client = without_reader
    folder = world.workspace.reports_folder / "salaries-of-march"
    folder.mkdir(parents=True)
    means = {"rag": 0.4321, "hybrid": 0.9}
    modes = {mode: {"metrics": {"token_f1": {"mean": mean, "n": 400}}} for mode, mean in means.items()}
    report = {"manifest": {"created_at": "2026"}, "adapter": "legal:1", "modes": modes, "comparisons": []}
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    asked = {"model": "best", "messages": [{"role": "user", "content": "What is the torque of the pump?"}]}
    reasons = {}
    for key in (ADMIN, next(iter(world.callers))):
        signed = {"Authorization": f"Bearer {key}"}
        listed = client.get("/v1/models", headers=signed).json()["data"][0]
        answer = client.post("/v1/chat/completions", json=asked, headers=signed).json()
        assert listed["mode"] == answer["mode"] == "rag"
        reasons[key] = listed["reason"] + answer["mode_reason"]
    told, untold = reasons.values()
    assert "salaries-of-march" in told
    assert not [word for word in ("salaries", "0.432", "hybrid", "report") if word in untold], untold
