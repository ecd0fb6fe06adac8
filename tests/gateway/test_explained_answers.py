"""Why an answer is what it is, told to those who may still read what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from doyen.core.prompts import build_messages
from doyen.core.records import Turn
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.platform.app import Doyen
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import add_key

pytestmark = pytest.mark.model

DOCUMENTS = Path(__file__).parents[1] / "cli" / "mini" / "documents"
KITE = "How many litres does the Kite tank hold?"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The real assistant over the mini domain; Ann administers it, Bob and Eve ask."""
    workspace = create_workspace(tmp_path_factory.mktemp("explained") / "space", "test")
    (workspace.root / FILE_NAME).write_text('name = "test"\n[serving]\nmax_tokens = 12\n')
    with Doyen(workspace.root) as doyen:
        doyen.ingest([DOCUMENTS])
    keys = {"ann": add_key(Workspace(workspace.root), "ann", admin=True)}
    for name in ("bob", "eve"):
        keys[name] = add_key(Workspace(workspace.root), name, ["shop"])
    with TestClient(create_app(Workspace(workspace.root)), base_url="http://127.0.0.1") as client:
        headers = {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
        yield SimpleNamespace(client=client, headers=headers)


def ask(world: SimpleNamespace, name: str, model: str, *messages: str) -> dict[str, object]:
    roles = ("user", "assistant", "user")
    body = {"model": model, "messages": [{"role": role, "content": text} for role, text in zip(roles, messages, strict=False)]}
    answer: dict[str, object] = world.client.post("/v1/chat/completions", json=body, headers=world.headers[name]).json()
    return answer


def test_query_scores_and_prompt_of_an_answer(world: SimpleNamespace) -> None:
    asked = ask(world, "bob", "rag-short", KITE, "380 litres.", "And what does it weigh?")
    explained = world.client.get(f"/v1/answers/{asked['answer_id']}", headers=world.headers["bob"]).json()
    assert explained["query"] == asked["query"] != "And what does it weigh?"
    passages = [item["passage"] for item in explained["passages"]]
    assert [(each["chunk_id"], each["score"]) for each in passages] == [
        (each["chunk_id"], each["score"]) for each in asked["passages"]
    ]
    assert all({"dense", "lexical"} <= set(item["signals"]) for item in explained["passages"])
    history = [Turn(role="user", content=KITE), Turn(role="assistant", content="380 litres.")]
    shown = [SimpleNamespace(**each) for each in passages]
    assert explained["prompt"] == build_messages("And what does it weigh?", shown, history, short=True)


def test_no_model_is_asked_for_extracts_and_small_talk(world: SimpleNamespace) -> None:
    for model, question in (("extract", KITE), ("rag", "Hello!")):
        asked = ask(world, "bob", model, question)
        explained = world.client.get(f"/v1/answers/{asked['answer_id']}", headers=world.headers["bob"]).json()
        assert explained["prompt"] == []
        assert bool(explained["query"]) == (model == "extract")


def test_answers_are_explained_to_those_alone_who_may_read_them(world: SimpleNamespace) -> None:
    asked = ask(world, "bob", "extract", KITE)
    path = f"/v1/answers/{asked['answer_id']}"

    def statuses() -> list[int]:
        return [world.client.get(path, headers=world.headers[name]).status_code for name in ("ann", "bob", "eve")]

    assert statuses() == [200, 200, 404]
    document = asked["passages"][0]["document_id"]  # type: ignore[index]
    groups = f"/v1/documents/{document}/groups"
    assert world.client.put(groups, json={"groups": ["board"]}, headers=world.headers["ann"]).status_code == 200
    assert statuses() == [200, 404, 404]
    world.client.put(groups, json={"groups": None}, headers=world.headers["ann"])
    assert statuses() == [200, 200, 404]
    # Removed, the document takes its texts with it, also when one of its name comes in again.
    source = asked["passages"][0]["source"]  # type: ignore[index]
    world.client.delete(f"/v1/documents/{document}", headers=world.headers["ann"])
    world.client.post("/v1/documents", files={"file": (source, b"Another text.")}, headers=world.headers["ann"])
    assert statuses() == [200, 404, 404]
