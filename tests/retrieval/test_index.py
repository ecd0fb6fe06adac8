"""The index follows the store: updates, deletions, damage, other processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from support.company import DOCUMENTS, write_documents
from support.index_files import published_vectors, published_words

from doyen.core.errors import Busy, IndexMissing, NotFoundError
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow
from doyen.core.workspace import Workspace
from doyen.platform.documents import delete_documents, ingest_documents, upload_document
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.index import update_index
from doyen.retrieval.index_manifest import manifest_path, read_manifest
from doyen.retrieval.units import split_pieces

pytestmark = pytest.mark.model

SOURCES = ["pump.md", "travel.md", "holiday.txt"]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return write_documents(tmp_path / "documents", {name: DOCUMENTS[name] for name in SOURCES})


@pytest.fixture
def indexed(workspace: Workspace, store: Store, documents: Path) -> tuple[Workspace, Store]:
    ingest_documents(workspace, store, [documents])
    return workspace, store


def found(workspace: Workspace, store: Store, query: str) -> list[str]:
    return [Path(p.source).name for p in open_retriever(workspace, store).retrieve(query, 5)]


def stored_pieces(workspace: Workspace) -> set[str]:
    """Return the ids of all pieces in Chroma."""
    return set(published_vectors(workspace))


def expected_pieces(store: Store) -> set[str]:
    with store.session() as session:
        rows = session.scalars(select(ChunkRow)).all()
    return {f"{row.chunk_id}:{number}" for row in rows for number in range(len(split_pieces(row.text)))}


def indexed_chunks(workspace: Workspace) -> set[str]:
    return set(published_words(workspace).chunk_ids.tolist())


def assert_consistent(workspace: Workspace, store: Store) -> None:
    """Both indexes hold the store's chunks and nothing else."""
    with store.session() as session:
        chunks = set(session.scalars(select(ChunkRow.chunk_id)))
    assert indexed_chunks(workspace) == chunks
    assert stored_pieces(workspace) == expected_pieces(store)


def test_second_update_does_nothing(indexed: tuple[Workspace, Store]) -> None:
    workspace, store = indexed
    assert_consistent(workspace, store)
    before = manifest_path(workspace.index_folder).stat().st_mtime_ns
    report = update_index(workspace, store)
    assert (report.embedded, report.removed, report.published) == (0, 0, False)
    assert report.chunks > 0
    assert manifest_path(workspace.index_folder).stat().st_mtime_ns == before


def test_changed_document_is_replaced_and_removed_one_is_gone(indexed: tuple[Workspace, Store], documents: Path) -> None:
    workspace, store = indexed
    (documents / "pump.md").write_text(DOCUMENTS["pump.md"].replace("AB-1234", "ZK-77"), encoding="utf-8")
    (documents / "travel.md").unlink()
    ingest_documents(workspace, store, [documents])
    assert_consistent(workspace, store)
    passages = open_retriever(workspace, store).retrieve("inlet filter ZK-77 meal allowance", 5)
    assert "ZK-77" in passages[0].text
    assert not any("AB-1234" in p.text or "31 euro" in p.text for p in passages)


def test_upload_and_delete(indexed: tuple[Workspace, Store]) -> None:
    workspace, store = indexed
    retriever = open_retriever(workspace, store)
    upload_document(workspace, store, "alarms.csv", DOCUMENTS["alarms.csv"].encode())
    assert "Motor too hot" in retriever.retrieve("E-18", 1)[0].text
    assert_consistent(workspace, store)
    assert delete_documents(workspace, store, ["alarms.csv"]).removed == ["alarms.csv"]
    assert "alarms.csv" not in [p.source for p in retriever.retrieve("E-18", 5)]
    assert_consistent(workspace, store)
    with pytest.raises(NotFoundError):
        delete_documents(workspace, store, ["alarms.csv"])


def test_chunks_that_left_the_store_are_not_returned_before_the_next_update(indexed: tuple[Workspace, Store]) -> None:
    workspace, store = indexed
    retriever = open_retriever(workspace, store)
    first = retriever.retrieve("meal allowance", 1)[0]
    assert "31 euro" in first.text
    with store.session() as session:
        for row in session.scalars(select(ChunkRow).where(ChunkRow.document_id == first.document_id)):
            session.delete(row)
    passages = retriever.retrieve("meal allowance", 5)
    assert passages
    assert first.document_id not in {p.document_id for p in passages}


def test_index_missing(workspace: Workspace, store: Store) -> None:
    with pytest.raises(IndexMissing, match="doyen ingest"):
        open_retriever(workspace, store)


@pytest.mark.parametrize("part", ["manifest", "lexical", "chroma", "chroma database"])
def test_damage_is_named_and_mended_by_the_next_update(indexed: tuple[Workspace, Store], part: str) -> None:
    workspace, _ = indexed
    folder = workspace.index_folder
    if part == "manifest":
        (folder / "manifest.json").write_text("{")
    elif part == "lexical":
        next(folder.glob("segment-*/lexical/words.npy")).write_bytes(b"x")
    elif part == "chroma":
        shutil.rmtree(next(folder.glob("segment-*/chroma")))
    else:
        next(folder.glob("segment-*/chroma/chroma.sqlite3")).write_bytes(b"not a database" * 1000)
    # Another process, because this one still has Chroma's files open.
    script = f"""
from pathlib import Path
from doyen.core.errors import IndexMissing
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.index import update_index
workspace = Workspace(Path({str(workspace.root)!r}))
store = open_store(workspace)
try:
    open_retriever(workspace, store)
    raise SystemExit("damage was not noticed")
except IndexMissing as error:
    assert "doyen ingest" in str(error), error
update_index(workspace, store)
passage = open_retriever(workspace, store).retrieve("inlet filter", 1)[0]
assert "AB-1234" in passage.text, passage
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_another_embedder_needs_a_new_index(indexed: tuple[Workspace, Store], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    from doyen.core.models import resolve_embedder

    workspace, store = indexed
    old = read_manifest(workspace.index_folder)
    folder = Path(shutil.copytree(resolve_embedder("all-minilm-l6-v2")[0], tmp_path / "model"))
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] = weights["embeddings.word_embeddings.weight"] * 0.99
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (workspace.root / "doyen.toml").write_text(f"[retrieval]\nembedder = {json.dumps(str(folder))}\n", encoding="utf-8")
    changed = Workspace(workspace.root)
    with pytest.raises(IndexMissing, match="embedder"):
        open_retriever(changed, store)
    report = update_index(changed, store)
    assert report.embedded == report.chunks > 0
    new = read_manifest(changed.index_folder)
    assert {each.name for each in new.segments}.isdisjoint(each.name for each in old.segments)
    assert {each.name for each in changed.index_folder.iterdir()} == {"manifest.json", *(each.name for each in new.segments)}
    assert_consistent(changed, store)
    assert found(changed, store, "meal allowance")[0] == "travel.md"


def test_update_by_another_process_is_followed(indexed: tuple[Workspace, Store]) -> None:
    workspace, store = indexed
    retriever = open_retriever(workspace, store)
    assert "alarms.csv" not in [p.source for p in retriever.retrieve("Motor too hot", 5)]
    script = f"""
from pathlib import Path
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.platform.documents import delete_documents, upload_document
workspace = Workspace(Path({str(workspace.root)!r}))
store = open_store(workspace)
upload_document(workspace, store, "alarms.csv", {DOCUMENTS["alarms.csv"]!r}.encode())
delete_documents(workspace, store, ["travel.md"])
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    first = retriever.retrieve("Motor too hot", 1)[0]
    assert first.source == "alarms.csv"
    assert first.signals["dense_rank"] <= 3, "the vectors of the other process were not seen"
    assert "travel.md" not in [p.source for p in retriever.retrieve("meal allowance", 5)]


def test_two_writers_at_once_are_refused(indexed: tuple[Workspace, Store], documents: Path) -> None:
    workspace, store = indexed
    with workspace.lock("a test"), pytest.raises(Busy):
        ingest_documents(workspace, store, [documents])


def test_files_do_not_grow_with_every_update(indexed: tuple[Workspace, Store]) -> None:
    workspace, store = indexed

    def cycle() -> tuple[int, int]:
        shutil.rmtree(next(workspace.index_folder.glob("segment-*/lexical")))
        update_index(workspace, store)
        files = [path for path in workspace.index_folder.rglob("*") if path.is_file()]
        folders = [path for path in workspace.index_folder.rglob("*") if path.is_dir()]
        return sum(path.stat().st_size for path in files), len(folders)

    first, *_, last = [cycle() for _ in range(6)]
    assert last[1] == first[1]
    assert last[0] < 1.5 * first[0]
    assert_consistent(workspace, store)
