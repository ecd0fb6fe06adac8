"""Vectors on a real Chroma server: each workspace has its own, lost and foreign ones are found, and a dead server is told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import chromadb
import numpy as np
import pytest
from support.chroma_server import ChromaServer
from support.turned_embedder import make_turned, register_embedder

from doyen import Doyen
from doyen.annotation.create import separate
from doyen.core.errors import ServiceError, StateError
from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace, create_workspace
from doyen.platform.documents import delete_documents, upload_document
from doyen.platform.serving.assistant import open_assistant
from doyen.platform.serving.gateway.health_routes import Metrics
from doyen.platform.serving.gateway.services import Services
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.index import check_index, update_index

pytestmark = pytest.mark.model

CRANE = b"The yellow crane on pier seven lifts eleven tonnes."
HOLIDAY = b"Employees have thirty days of holiday."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    running = ChromaServer(tmp_path_factory.mktemp("server"))
    yield running
    running.kill()


def make(root: Path, server: ChromaServer, *texts: bytes) -> None:
    """Make a workspace with these documents, indexed on the server."""
    workspace = create_workspace(root, "x")
    settings = root / "doyen.toml"
    settings.write_text(f'{settings.read_text()}\n[retrieval]\nchroma_url = "{server.url}"\n')
    store = open_store(workspace)
    for number, text in enumerate(texts):
        upload_document(Workspace(root), store, f"note{number}.txt", text)
    store.close()


@pytest.fixture
def opening(tmp_path: Path) -> Iterator:
    stores: list[Store] = []

    def opened(root: Path) -> tuple[Workspace, Store]:
        workspace = Workspace(root)
        stores.append(open_store(workspace))
        return workspace, stores[-1]

    yield opened
    for store in stores:
        store.close()


def cosines(workspace: Workspace, store: Store) -> list[float]:
    retriever = open_retriever(workspace, store)
    found = retriever.retrieve("hoisting machine in the harbour", 3)
    assert retriever.problem is None
    return [passage.signals["dense"] for passage in found if passage.signals.get("dense")]


def collection(server: ChromaServer, store: Store):
    host, port = server.url.removeprefix("http://").split(":")
    client = chromadb.HttpClient(host, int(port))
    return next(each for each in client.list_collections() if store.workspace_id() in each.name)


def test_workspaces_that_lay_at_the_same_path_keep_their_vectors(tmp_path: Path, server: ChromaServer, opening) -> None:
    make(tmp_path / "space", server, CRANE, CRANE + b" It is old.")
    (tmp_path / "space").rename(tmp_path / "first")
    make(tmp_path / "space", server, HOLIDAY)
    (tmp_path / "space").rename(tmp_path / "second")
    (tmp_path / "first").rename(tmp_path / "space")
    workspace, store = opening(tmp_path / "space")
    assert check_index(workspace, store) == []
    assert len(cosines(workspace, store)) == 2
    assert update_index(workspace, store, thorough=True).embedded == 0


def test_a_moved_workspace_is_not_embedded_again(tmp_path: Path, server: ChromaServer, opening) -> None:
    make(tmp_path / "space", server, CRANE)
    (tmp_path / "space").rename(tmp_path / "moved")
    workspace, store = opening(tmp_path / "moved")
    assert check_index(workspace, store) == []
    upload_document(workspace, store, "other.txt", HOLIDAY)
    assert update_index(workspace, store, thorough=True).embedded == 0
    assert collection(server, store).count() == 2


def test_a_moved_workspace_with_its_own_vectors_is_not_embedded_again(tmp_path: Path, opening) -> None:
    workspace, store = opening(create_workspace(tmp_path / "space", "x").root)
    upload_document(workspace, store, "note.txt", CRANE)
    store.close()
    (tmp_path / "space").rename(tmp_path / "moved")
    workspace, store = opening(tmp_path / "moved")
    assert check_index(workspace, store) == []
    assert update_index(workspace, store, thorough=True).embedded == 0


def test_a_copy_writes_only_vectors_of_its_own(tmp_path: Path, server: ChromaServer, opening) -> None:
    make(tmp_path / "space", server, CRANE, HOLIDAY)
    shutil.copytree(tmp_path / "space", tmp_path / "copy")
    copy, copied = opening(tmp_path / "copy")
    original, store = opening(tmp_path / "space")
    with pytest.raises(StateError, match="relink --as-copy"):
        upload_document(copy, copied, "other.txt", CRANE + b" It is old.")
    assert check_index(original, store) == []

    separate(copied)
    assert copied.workspace_id() != store.workspace_id()
    update_index(copy, copied, thorough=True)
    delete_documents(copy, copied, ["note1.txt"])
    assert check_index(copy, copied) == check_index(original, store) == []
    assert (collection(server, copied).count(), collection(server, store).count()) == (2, 2)
    assert len(cosines(original, store)) == 2


def test_lost_and_foreign_vectors_are_named_and_mended(tmp_path: Path, server: ChromaServer, opening) -> None:
    make(tmp_path / "space", server, *(CRANE + b" Number %d." % number for number in range(4)))
    workspace, store = opening(tmp_path / "space")
    there = collection(server, store)
    names = sorted(there.get(include=[])["ids"])
    there.delete(ids=names[:1])
    foreign = f"{names[1].rpartition(':')[0]}:7"
    vector = np.eye(1, 384, dtype=np.float32)
    there.upsert(ids=[foreign], embeddings=vector, metadatas=[{"chunk_id": "x", "document_id": "y"}])
    problem, other = check_index(workspace, store)
    assert "1 vector(s) that are of no chunk" in other
    assert problem.startswith("1 of the ")
    update_index(workspace, store, thorough=True)
    assert check_index(workspace, store) == []
    assert sorted(there.get(include=[])["ids"]) == names

    there.upsert(ids=["f00:0"], embeddings=vector, metadatas=[{"chunk_id": "x", "document_id": "y"}])
    assert check_index(workspace, store) == ["the Chroma server holds 1 vector(s) that are of no chunk"]
    assert update_index(workspace, store, thorough=True).embedded == 0
    assert check_index(workspace, store) == []
    assert sorted(there.get(include=[])["ids"]) == names


def test_a_server_that_dies_leaves_words_and_says_so(tmp_path: Path, opening) -> None:
    server = ChromaServer(tmp_path / "server")
    try:
        make(tmp_path / "space", server, CRANE)
        workspace, store = opening(tmp_path / "space")
        services = Services(workspace, store, Metrics(), open_assistant)
        assert services.index_problem() is None
        retriever = services.retriever()
    finally:
        server.kill()
    [passage] = retriever.retrieve("yellow crane", 1)
    assert "eleven tonnes" in passage.text
    assert "words alone" in retriever.problem
    assert "Chroma server" in services.index_problem()
    with pytest.raises(ServiceError, match="Chroma"):
        upload_document(workspace, store, "other.txt", HOLIDAY)


def test_another_embedder_has_a_collection_of_its_own_and_the_one_before_is_kept(opening, server, tmp_path) -> None:
    make(tmp_path / "space", server, CRANE, HOLIDAY)
    workspace, store = opening(tmp_path / "space")
    register_embedder(workspace, store, make_turned(tmp_path / "model"))
    retriever = open_retriever(workspace, store)
    with Doyen(workspace, store=store) as doyen:
        for change in (lambda: doyen.promote("turned:1", report=None, by="a test"), lambda: doyen.rollback("turned")):
            change()
            first = retriever.retrieve("How many days of holiday?", 1)[0]
            assert first.source == "note1.txt"
            assert first.signals["dense"] > 0.3, "queries and vectors are of two embedders"
            assert check_index(workspace, store) == []
