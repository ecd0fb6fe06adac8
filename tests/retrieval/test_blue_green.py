"""Another embedder is promoted while the index serves: built beside, swapped whole, and the one before kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.access_world import open_echo
from support.company import DOCUMENTS, write_documents
from support.index_files import published_vectors
from support.turned_embedder import make_turned, register_embedder

from doyen import Doyen
from doyen.core.errors import IncompatibleError, InputError, StateError
from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace, create_workspace
from doyen.finetune.registry import Registry
from doyen.platform.documents import delete_documents, ingest_documents, upload_document
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.reading import reader_opener
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.hybrid import HybridRetriever
from doyen.retrieval.index import check_index, update_index
from doyen.retrieval.index_manifest import read_manifest

pytestmark = pytest.mark.model

QUESTION, SOURCE = "Which inlet filter fits?", "pump.md"
PRELUDE = """
import os, signal
from pathlib import Path
from doyen import Doyen
from doyen.finetune.registry import Registry
from doyen.retrieval import index, index_manifest, writing
def kill(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
def then_kill(call):
    return lambda *arguments, **options: (call(*arguments, **options), kill())
"""


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_turned(tmp_path_factory.mktemp("turned") / "model")


@pytest.fixture
def world(tmp_path: Path, turned: Path):
    """An indexed workspace with a candidate."""
    workspace = create_workspace(tmp_path / "space", "company")
    store = open_store(workspace)
    ingest_documents(workspace, store, [write_documents(tmp_path / "documents", DOCUMENTS)])
    register_embedder(workspace, store, turned)
    yield workspace, store
    store.close()


def promote(world: tuple[Workspace, Store], reference: str = "turned:1") -> None:
    with Doyen(world[0], store=world[1]) as doyen:
        doyen.promote(reference, report=None, by="a test")


def roll_back(world: tuple[Workspace, Store]) -> str:
    with Doyen(world[0], store=world[1]) as doyen:
        return doyen.rollback("turned").stage


def serves(retriever: HybridRetriever) -> bool:
    """Whether questions are answered by words and by meaning, with vectors of the same embedder on both sides."""
    first = retriever.retrieve(QUESTION, 1)[0]
    return first.source == SOURCE and first.signals["dense"] > 0.3 and retriever.problem is None


def embedder_of(workspace: Workspace) -> str | None:
    return read_manifest(workspace.index_folder).embedder.tuned


def test_an_open_index_follows_a_promotion_and_the_way_back(world):
    workspace, store = world
    retriever, before = open_retriever(workspace, store), published_vectors(workspace)
    old = read_manifest(workspace.index_folder)
    assert serves(retriever)
    promote(world)
    assert embedder_of(workspace) == "turned:1"
    assert serves(retriever)
    assert check_index(workspace, store) == []
    assert all(before[name] @ vector < -0.99 for name, vector in published_vectors(workspace).items())
    assert not update_index(workspace, store).published, "the promoted embedder stays"
    assert Registry(workspace, store).get("turned").stage == "production"

    assert roll_back(world) == "retired"
    again = read_manifest(workspace.index_folder)
    assert (again.segments, again.embedder) == (old.segments, old.embedder), "the files before are used as they are"
    assert serves(retriever)
    assert check_index(workspace, store) == []
    with pytest.raises(StateError, match="no earlier"):
        roll_back(world)


def test_going_back_embeds_only_what_has_changed_since(world):
    workspace, store = world
    retriever = open_retriever(workspace, store)
    old = read_manifest(workspace.index_folder)
    promote(world)
    upload_document(workspace, store, "crane.txt", b"The yellow crane on pier seven lifts eleven tonnes.")
    assert retriever.retrieve("What does the crane lift?", 1)[0].source == "crane.txt"
    roll_back(world)
    new = read_manifest(workspace.index_folder)
    assert new.segments[: len(old.segments)] == old.segments
    assert [each.chunks for each in new.segments[len(old.segments) :]] == [1]
    assert retriever.retrieve("What does the crane lift?", 1)[0].signals["dense"] > 0.3
    assert check_index(workspace, store) == []


def test_the_newest_promotion_of_any_name_counts_and_the_one_before_comes_back(world, turned):
    workspace, store = world
    register_embedder(workspace, store, turned, "other")
    promote(world), promote(world, "other:1")
    assert [each.stage for each in Registry(workspace, store).list()] == ["production", "retired"]
    assert embedder_of(workspace) == "other:1"
    with Doyen(workspace, store=store) as doyen:
        assert doyen.rollback("other").ref == "turned:1"
    assert embedder_of(workspace) == "turned:1"
    assert serves(open_retriever(workspace, store))


def test_removed_texts_do_not_stay_in_the_kept_index(world):
    workspace, store = world
    promote(world)
    delete_documents(workspace, store, ["travel.md"], purge=True)
    manifest = read_manifest(workspace.index_folder)
    assert manifest.kept is None
    assert {each.name for each in workspace.index_folder.iterdir()} == {"manifest.json", *manifest.files}
    roll_back(world)
    assert serves(open_retriever(workspace, store))


def test_the_probability_of_a_reader_counts_only_with_the_embedder_that_it_was_fitted_with(world):
    workspace, store = world
    retriever = open_retriever(workspace, store)
    opener = reader_opener(Registry(workspace, store), workspace.settings, workspace.index_folder)

    def probability() -> float | None:
        return opener().find(QUESTION, retriever.retrieve(QUESTION, 3)).probability

    assert probability() is not None
    promote(world)
    assert probability() is None
    roll_back(world)
    assert probability() is not None


def test_a_running_gateway_takes_the_new_index_and_goes_back(world):
    workspace, _ = world
    with TestClient(create_app(workspace, open_model=open_echo), base_url="http://127.0.0.1:8321") as client:

        def found() -> tuple[str, float]:
            (first,) = client.post("/v1/search", json={"query": QUESTION, "k": 1}).json()["passages"]
            return first["source"], first["score"]

        before = (SOURCE, pytest.approx(found()[1], abs=0.01))
        promoted = client.post("/v1/adapters/turned/1/promote", json={}).json()
        assert (promoted["kind"], promoted["stage"]) == ("embedder", "production")
        assert embedder_of(workspace) == "turned:1"
        assert found() == before
        assert client.post("/v1/adapters/turned/rollback").json()["stage"] == "retired"
        assert embedder_of(workspace) is None
        assert found() == before


def test_what_is_not_promoted(world, turned):
    workspace, store = world
    register_embedder(workspace, store, turned, "worse", better=False)
    with Doyen(workspace, store=store) as doyen:
        with pytest.raises(StateError, match="finds no more"):
            doyen.promote("worse:1", report=None, by="a test")
        with pytest.raises(InputError, match="leave the report out"):
            doyen.promote("turned:1", report=Path("report"), by="a test")
    (workspace.root / "doyen.toml").write_text(f'[retrieval]\nembedder = "{turned}"\n', encoding="utf-8")
    with Doyen(workspace.root) as doyen, pytest.raises(IncompatibleError, match="another model"):
        doyen.promote("turned:1", report=None, by="a test")


def test_no_query_fails_while_indexes_are_swapped(world):
    workspace, store = world
    retriever = open_retriever(workspace, store)
    done, bad, asked = threading.Event(), [], []

    def ask() -> None:
        while not done.is_set():
            try:
                asked.append(1)
                if not serves(retriever):
                    bad.append("a wrong passage, or vectors of two embedders")
            except Exception as error:  # noqa: BLE001
                bad.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        promote(world)
        roll_back(world)
    done.set()
    for thread in threads:
        thread.join()
    assert not bad, bad[:3]
    assert len(asked) > 20


@pytest.mark.parametrize(
    ("moment", "swapped", "built"),
    [
        pytest.param(
            "index.SegmentWriter._embed = then_kill(index.SegmentWriter._embed)", False, False, marks=pytest.mark.soak
        ),
        ("index.SegmentWriter._write_words = kill", False, False),
        pytest.param("Registry.promote = kill", False, True, marks=pytest.mark.soak),
        ("Registry.promote = then_kill(Registry.promote)", False, True),
        ("index._clean = kill", True, True),
    ],
)
def test_a_kill_at_any_moment_leaves_a_whole_index_serving(world, moment, swapped, built):
    workspace, store = world
    retriever = open_retriever(workspace, store)
    script = PRELUDE + textwrap.dedent(
        f"""
        {moment}
        with Doyen({str(workspace.root)!r}) as doyen:
            doyen.promote("turned:1", report=None, by="a test")
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert embedder_of(workspace) == ("turned:1" if swapped else None)
    assert len(list(workspace.index_folder.glob("segment-*/lexical"))) == (2 if built else 1)
    assert serves(retriever)
    assert serves(open_retriever(workspace, store))

    promote(world)
    assert embedder_of(workspace) == "turned:1"
    assert serves(retriever)
    assert check_index(workspace, store) == []
    roll_back(world)
    assert serves(retriever)


def test_an_ingestion_finishes_a_promotion_that_was_killed_before_the_swap(world):
    workspace, store = world
    Registry(workspace, store).promote("turned:1")
    assert "not yet made with embedder turned:1" in check_index(workspace, store)[0]
    report = update_index(workspace, store)
    assert report.embedded == report.chunks
    assert embedder_of(workspace) == "turned:1"
    assert serves(open_retriever(workspace, store))
