"""Folders, chunks, stored versions and near-duplicates of documents over HTTP, with the caller's rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.fake_assistant import FakeAssistant

from doyen.core.store.document_access import Assigned
from doyen.core.store.schema import AccessOrigin
from doyen.core.workspace import Workspace
from doyen.ingestion.ingest import ingest_bytes, settle_near_groups
from doyen.ingestion.removal import remove_document
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import add_key

HR = Assigned(frozenset({"hr"}), AccessOrigin.API)
PUMP = "# Pump\n\n" + " ".join(f"Part {number} of the pump is oiled after {number * 7} hours." for number in range(60))
TEXTS = {
    "manuals/pump.md": PUMP,
    "manuals/old/pump copy.md": f"{PUMP} And once more.",
    "manuals/100%_done.md": "# All done\n\nNothing is left.",
    "https://plant.example/news/fair.html": "<h1>Fair</h1><p>We meet in May.</p>",
}


@pytest.fixture
def ask(workspace: Workspace) -> Iterator[Callable[..., Any]]:
    """A gateway over these documents, of which the copy is for the group hr; ask it as Ann, who reads all, or as Bob."""
    keys = {"ann": add_key(workspace, "ann", admin=True), "bob": add_key(Workspace(workspace.root), "bob", ["sales"])}
    app = create_app(Workspace(workspace.root), open_model=FakeAssistant)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        store = app.state.services.store
        for source, text in TEXTS.items():
            ingest_bytes(workspace, store, source, text.encode(), assigned=HR if "copy" in source else None)
        settle_near_groups(store, workspace.settings.ingestion.near_duplicate_threshold)

        def get(path: str, name: str = "ann", **params: Any) -> Any:
            return client.get(f"/v1{path}", params=params, headers={"Authorization": f"Bearer {keys[name]}"}).json()

        get.ids = {item["source"]: item["id"] for item in get("/documents")["data"]}  # type: ignore[attr-defined]

        def again(source: str, text: str, assigned: Assigned | None = None) -> None:
            ingest_bytes(workspace, store, source, text.encode(), assigned=assigned)

        get.again = again  # type: ignore[attr-defined]
        get.remove = lambda source: remove_document(store, source)  # type: ignore[attr-defined]
        yield get


def test_folders_and_filters(ask: Callable[..., Any]) -> None:
    folders = [("https://plant.example", 1), ("https://plant.example/news", 1), ("manuals", 3), ("manuals/old", 1)]
    assert [(item["path"], item["documents"]) for item in ask("/folders")["data"]] == folders
    assert [item["path"] for item in ask("/folders", "bob")["data"]] == [path for path, _ in folders[:3]]

    def sources(**params: Any) -> list[str]:
        found = ask("/documents", **params)
        assert found["total"] == len(found["data"])
        return [item["source"] for item in found["data"]]

    assert sources(folder="manuals/old") == ["manuals/old/pump copy.md"]
    assert sources(folder="manual") == []
    assert sources(contains="PUMP copy") == ["manuals/old/pump copy.md"]
    assert sources(contains="%_") == ["manuals/100%_done.md"]


def test_chunks_are_stretches_of_the_text(ask: Callable[..., Any]) -> None:
    path = f"/documents/{ask.ids['manuals/pump.md']}"
    text, first = ask(f"{path}/text")["text"], ask(f"{path}/chunks", limit=2)
    rest = ask(f"{path}/chunks", after=first["next"])
    chunks = [*first["data"], *rest["data"]]
    assert len(chunks) == first["total"] > 2
    assert rest["next"] is None
    assert [chunk["text"] for chunk in chunks] == [text[chunk["start"] : chunk["end"]] for chunk in chunks]
    assert ask(f"{path}/chunks", at=chunks[1]["start"] + 5)["data"] == chunks[1:]
    assert ask("/documents/nothing/chunks")["error"]["code"] == "not_found"


def test_a_hidden_original_is_not_told_by_the_chunks_of_its_copy(ask: Callable[..., Any]) -> None:
    ask.again("board/plan.md", "# Plan\n\nThe plant is sold in May.", HR)
    ask.again("plan.md", "# Plan\n\nThe plant is sold in May.")
    (document,) = ask("/documents", "bob", contains="plan.md")["data"]
    chunks = ask(f"/documents/{document['id']}/chunks", "bob")
    assert (document["duplicate_of"], document["chunks"], chunks["total"], len(chunks["data"])) == (None, 1, 1, 1)
    original = ask(f"/documents/{ask('/documents', contains='board/plan')['data'][0]['id']}/chunks")
    assert (chunks["data"][0]["text"], ask(f"/documents/{document['id']}/chunks")["total"]) == (original["data"][0]["text"], 0)
    assert chunks["data"][0]["id"] != original["data"][0]["id"]


def test_stored_versions(ask: Callable[..., Any]) -> None:
    ask.again("manuals/pump.md", "# Pump\n\nIt was sold.")
    versions = ask(f"/documents/{ask.ids['manuals/pump.md']}/versions")["data"]
    assert [item["current"] for item in versions] == [True, False]
    assert versions[0]["characters"] < versions[1]["characters"]


def test_versions_from_before_a_removal_are_not_given_out(ask: Callable[..., Any]) -> None:
    path = f"/documents/{ask.ids['manuals/100%_done.md']}"
    (before,) = ask(f"{path}/versions")["data"]
    ask.remove("manuals/100%_done.md")
    ask.again("manuals/100%_done.md", "# All done\n\nNothing at all is left.")
    (now,) = ask(f"{path}/versions")["data"]
    assert now["version"] != before["version"]
    assert ask(f"{path}/text", version=before["version"])["error"]["code"] == "not_found"
    ask.again("manuals/100%_done.md", TEXTS["manuals/100%_done.md"])
    assert ask(f"{path}/text", version=before["version"])["text"].endswith("Nothing is left.")


def test_near_duplicates_are_told_to_those_who_may_read_them(ask: Callable[..., Any]) -> None:
    path = f"/documents/{ask.ids['manuals/pump.md']}/near-duplicates"
    assert [(item["source"], item["exact"]) for item in ask(path)["data"]] == [("manuals/old/pump copy.md", False)]
    assert ask(path, "bob")["data"] == []
    assert ask(f"/documents/{ask.ids['manuals/100%_done.md']}/near-duplicates")["data"] == []
    assert ask(f"/documents/{ask.ids['manuals/old/pump copy.md']}/near-duplicates", "bob")["error"]["code"] == "not_found"
