"""The index in segments: updates by what changed, other processes, damage, and vectors that do not answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from support.company import DOCUMENTS, write_documents
from support.index_files import published_vectors, published_words

from doyen.core.manifest import short_id
from doyen.core.store import Store, open_store
from doyen.core.store.schema import ChunkRow
from doyen.core.workspace import Workspace, create_workspace
from doyen.ingestion.removal import remove_document
from doyen.platform.documents import delete_documents, ingest_documents, upload_document
from doyen.retrieval import content, opening, vectors
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.content import Content, make_plan
from doyen.retrieval.index import check_index, rebuild_index, update_index
from doyen.retrieval.index_manifest import read_manifest
from doyen.retrieval.lexical import IndexedChunk, LexicalIndex, build_lexical
from doyen.retrieval.lexical_merge import merge_lexical
from doyen.retrieval.segments import Segment

pytestmark = pytest.mark.model

NOTE = "The yellow crane on pier seven lifts eleven tonnes."


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    workspace = create_workspace(root / "space", "segments")
    store = open_store(workspace)
    ingest_documents(workspace, store, [write_documents(root / "documents", DOCUMENTS)])
    store.close()
    return root


@pytest.fixture
def opened(template: Path, tmp_path: Path) -> tuple[Workspace, Store]:
    shutil.copytree(template / "space", tmp_path / "space")
    workspace = Workspace(tmp_path / "space")
    return workspace, open_store(workspace)


def fingerprint(workspace: Workspace) -> dict[str, tuple[int, int]]:
    files = [path for path in workspace.index_folder.rglob("*") if path.is_file() and path.name != "chroma.sqlite3"]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def in_another_process(workspace: Workspace, action: str) -> str:
    script = f"""
from pathlib import Path
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.ingestion.removal import remove_document
from doyen.platform.documents import delete_documents, upload_document
from doyen.retrieval.chosen import open_retriever
workspace = Workspace(Path({str(workspace.root)!r}))
store = open_store(workspace)
{action}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_updates_write_what_changed_and_equal_a_rebuilt_index(
    opened: tuple[Workspace, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, store = opened
    monkeypatch.setattr(content, "SMALL_SEGMENT", 4)
    monkeypatch.setattr(content, "LATER_SHARE", 1_000)
    first = fingerprint(workspace)
    upload_document(workspace, store, "note.txt", NOTE.encode())
    second = fingerprint(workspace)
    assert {path: second.get(path) for path in first if "segment-" in path} == {
        path: stamp for path, stamp in first.items() if "segment-" in path
    }
    uploads = [f"note{number}.txt" for number in range(6)]
    for number, name in enumerate(uploads):
        upload_document(workspace, store, name, f"Gate {number} of hall {number + 3} opens at {number + 5} o'clock.".encode())
    upload_document(workspace, store, "note.txt", NOTE.replace("eleven", "twelve").encode())
    delete_documents(workspace, store, [uploads[2]])
    assert check_index(workspace, store) == []
    words, found = published_words(workspace), published_vectors(workspace)
    query = "which crane lifts twelve tonnes"
    before = [(p.chunk_id, p.start, p.end) for p in open_retriever(workspace, store).retrieve(query, 5)]
    rebuild_index(workspace, store)
    assert check_index(workspace, store) == []
    again, rebuilt = published_words(workspace), published_vectors(workspace)
    for name in words.__dataclass_fields__:
        assert np.array_equal(getattr(words, name), getattr(again, name)), name
    assert found.keys() == rebuilt.keys()
    assert all(np.dot(found[name], rebuilt[name]) > 0.9999 for name in found)
    assert [(p.chunk_id, p.start, p.end) for p in open_retriever(workspace, store).retrieve(query, 5)] == before


def test_small_changes_leave_the_large_segment_as_it_is(opened: tuple[Workspace, Store]) -> None:
    workspace, store = opened
    retriever = open_retriever(workspace, store)
    retriever.retrieve("crane", 1)
    [large] = read_manifest(workspace.index_folder).segments
    with retriever._current() as index:
        part = index.parts[0]
    upload_document(workspace, store, "note.txt", NOTE.encode())
    [pump] = [source for source in sources(store) if source.endswith("pump.md")]
    remove_document(store, short_id(pump))
    update_index(workspace, store)
    first, small = read_manifest(workspace.index_folder).segments
    assert (first.name, first.files) == (large.name, large.files)
    assert first.dropped
    assert {name for name in small.files if not name.startswith("lexical/")} == {"vectors.npy"}
    passage = retriever.retrieve("which crane lifts eleven tonnes", 1)[0]
    assert passage.text == NOTE
    assert passage.signals["dense_rank"] == 1
    assert not any(found.source.endswith("pump.md") for found in retriever.retrieve("pump filter AB-1234", 9))
    with retriever._current() as index:
        assert index.parts[0] is part, "the large segment was opened again"
    assert check_index(workspace, store) == []


def test_an_index_with_another_fingerprint_of_the_same_chunks_stays(opened: tuple[Workspace, Store]) -> None:
    workspace, store = opened
    manifest = read_manifest(workspace.index_folder)
    replace(manifest, content="made in another way").write(workspace.index_folder)
    report = update_index(workspace, store)
    assert (report.embedded, report.removed) == (0, 0)
    assert read_manifest(workspace.index_folder) == manifest
    assert check_index(workspace, store) == []


def test_fifty_changes_of_a_fiftieth_hold_little_more_than_what_is_live() -> None:
    """What is dropped stays on the disk until it is merged away: with 600 chunks too it must be few."""
    chunk, documents = iter(range(10_000)), [f"document{number:03}" for number in range(600)]

    def build(names: list[str]) -> tuple[LexicalIndex, dict[str, str]]:
        owners = {f"{next(chunk):05}": name for name in names}
        return build_lexical(IndexedChunk(each, name, 0, 9, "", "The pump.") for each, name in owners.items()), owners

    first, owners = build(documents)
    parts = [(Segment("first", 600, 0, (), {}), first)]
    most = 0
    for cycle in range(50):
        changed = documents[cycle::50]
        fresh, new = build(changed)
        owners = {each: name for each, name in owners.items() if name not in changed} | new
        plan = make_plan(Content(owners, str(cycle)), parts)
        assert plan is not None
        lexical = {segment.name: each for segment, each in parts}
        assert plan.documents == changed or not plan.keep
        merged = merge_lexical([*(lexical[each.name] for each in plan.replaced), fresh], [*plan.dropped, set()])
        written = Segment(str(cycle), merged.n_chunks, 0, (), {})
        parts = [*((each, lexical[each.name]) for each in plan.keep), (written, merged)]
        most = max(most, sum(each.n_chunks for _, each in parts))
    assert most <= 1.1 * len(documents)


def test_a_thousand_small_updates_leave_few_segments_and_rewrite_little() -> None:
    chunk = iter(range(10_000))

    def written(documents: list[str], parts: list[tuple[Segment, LexicalIndex]], dropped: list[set[str]]) -> LexicalIndex:
        fresh = build_lexical(IndexedChunk(f"{next(chunk):05}", name, 0, 9, "", "The pump.") for name in documents)
        return merge_lexical([*[part for _, part in parts], fresh], [*dropped, set()])

    first = written(["first"], [], [])
    segments = [(Segment("first", 100_000, 0, (), {}), first)]
    rewritten = most = 0
    owners = {"00000": "first"}
    for number in range(1_000):
        name = f"document{number % 300}"
        owners = {each: owner for each, owner in owners.items() if owner != name} | {f"{number + 1:05}": name}
        plan = make_plan(Content(owners, str(number)), segments)
        assert plan is not None
        held = {segment.name: part for segment, part in segments}
        index = written(plan.documents, [(each, held[each.name]) for each in plan.replaced], plan.dropped)
        rewritten += index.n_chunks
        segments = [(each, held[each.name]) for each in plan.keep] + [(Segment(f"s{number}", index.n_chunks, 0, (), {}), index)]
        most = max(most, len(segments))
        live = [set(part.chunk_ids.tolist()).difference(segment.dropped) for segment, part in segments]
        assert sorted(each for part in live for each in part) == sorted(owners)
    assert most <= 5
    assert rewritten <= 20 * 1_000


def test_rebuilding_leaves_no_word_of_a_deleted_document(opened: tuple[Workspace, Store]) -> None:
    workspace, store = opened
    upload_document(workspace, store, "secret.txt", b"The quokkabird nests in the xylotheque.")
    delete_documents(workspace, store, ["secret.txt"])
    rebuild_index(workspace, store)
    held = b"".join(path.read_bytes() for path in workspace.index_folder.rglob("*") if path.is_file())
    assert b"quokkabird" not in held
    assert b"xylothe" not in held


def test_a_running_reader_sees_vectors_of_another_process(opened: tuple[Workspace, Store]) -> None:
    workspace, store = opened
    retriever = open_retriever(workspace, store)
    retriever.retrieve("crane", 5)
    upload = f"upload_document(workspace, store, 'crane.txt', {NOTE.encode()!r})"
    [pump] = [source for source in sources(store) if source.endswith("pump.md")]
    in_another_process(workspace, f"{upload}\ndelete_documents(workspace, store, [{pump!r}])")
    with store.session() as session:
        live = {row.chunk_id: row for row in session.scalars(select(ChunkRow))}
    vector = next(row for name, row in published_vectors(workspace).items() if NOTE in live[name.rpartition(":")[0]].text)
    with retriever._current() as index:
        near = index.nearest(vector, index.lexical.live)
        owner = np.searchsorted(index.lexical.piece_offset, near.pieces, side="right") - 1
        hits = [index.lexical.chunk_id(row) for row in owner.tolist()]
    assert live[hits[0]].text == NOTE
    assert near.cosines[0] > 0.999
    assert set(hits) <= live.keys(), "a deleted chunk is among the hits"


def sources(store: Store) -> list[str]:
    from doyen.core.store.schema import DocumentRow

    with store.session() as session:
        return list(session.scalars(select(DocumentRow.source)))


def test_many_publications_leave_no_open_files_behind(opened: tuple[Workspace, Store]) -> None:
    workspace, store = opened
    retriever = open_retriever(workspace, store)

    def publish() -> int:
        manifest = workspace.index_folder / "manifest.json"
        manifest.write_bytes(manifest.read_bytes())
        assert retriever.retrieve("inlet filter", 1)
        return len(os.listdir("/proc/self/fd"))

    first = [publish() for _ in range(3)][-1]
    assert [publish() for _ in range(50)][-1] <= first + 2


@pytest.mark.soak
def test_content_that_changes_and_stays_as_large_does_not_grow(opened: tuple[Workspace, Store]) -> None:
    workspace, store = opened

    def cycle(number: int) -> int:
        upload_document(workspace, store, "note.txt", f"{NOTE} Version {number % 10}.".encode())
        return sum(path.stat().st_size for path in workspace.index_folder.rglob("*") if path.is_file())

    sizes = [cycle(number) for number in range(30)]
    assert sizes[-1] < 1.3 * sizes[2]


def test_vectors_that_do_not_answer_leave_words(opened: tuple[Workspace, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds Chroma's database for itself."""
    workspace, store = opened
    monkeypatch.setattr(vectors, "READ_SECONDS", 2.0)
    monkeypatch.setattr(opening, "RETRY_SECONDS", 0.0)
    retriever = open_retriever(workspace, store)
    [segment] = read_manifest(workspace.index_folder).segments
    database = workspace.index_folder / segment.name / "chroma" / "chroma.sqlite3"
    hold = (
        f"import sqlite3; held = sqlite3.connect({str(database)!r}, isolation_level=None); "
        "held.execute('BEGIN EXCLUSIVE'); print('held', flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    passages = retriever.retrieve("inlet filter", 1)
    assert "AB-1234" in passages[0].text
    assert retriever.problem is not None
    assert "words alone" in retriever.problem
    other.communicate("\n")
    assert retriever.retrieve("inlet filter", 1)[0].signals["dense"] > 0
    assert retriever.problem is None


def graph(workspace: Workspace, name: str) -> Path:
    return next(workspace.index_folder.glob(f"segment-*/chroma/*/{name}"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_vectors(workspace: Workspace) -> None:
    index = vectors.open_folder(next(workspace.index_folder.glob("segment-*/chroma")))
    names = sorted(index.names())
    index.delete(names[: len(names) // 3])
    index.close()


def array(workspace: Workspace, name: str) -> Path:
    return next(workspace.index_folder.glob(f"segment-*/lexical/{name}.npy"))


DAMAGE: dict[str, Callable[[Workspace], object]] = {
    "an emptied array": lambda w: array(w, "words").write_bytes(b""),
    "a halved array": lambda w: halve(array(w, "posting_count")),
    "flipped bytes": lambda w: flip(array(w, "posting_unit")),
    "zero-filled postings": lambda w: zero(array(w, "posting_count")),
    "missing vectors": drop_vectors,
    "an emptied graph": lambda w: graph(w, "data_level0.bin").write_bytes(b""),
    "a halved graph": lambda w: halve(graph(w, "data_level0.bin")),
    "flipped bytes of the graph": lambda w: flip(graph(w, "data_level0.bin")),
    "a zero-filled graph header": lambda w: zero(graph(w, "header.bin")),
    "a halved vector database": lambda w: halve(next(w.index_folder.glob("segment-*/chroma/chroma.sqlite3"))),
    "an emptied vector database": lambda w: next(w.index_folder.glob("segment-*/chroma/chroma.sqlite3")).write_bytes(b""),
    "a missing segment": lambda w: shutil.rmtree(next(w.index_folder.glob("segment-*"))),
    "an emptied manifest": lambda w: (w.index_folder / "manifest.json").write_bytes(b""),
    "a manifest that is no text": lambda w: (w.index_folder / "manifest.json").write_bytes(b"\xff\xfe\x00{"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_by_every_command_and_repaired(
    template: Path, opened: tuple[Workspace, Store], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from doyen.platform.cli.main import app

    workspace, store = opened
    DAMAGE[kind](workspace)
    place = ["--workspace", str(workspace.root)]
    runner = CliRunner()
    searched = runner.invoke(app, ["search", "inlet filter", *place])
    assert searched.exit_code != 0
    assert type(searched.exception).__name__ == "IndexMissing", searched.exception
    assert "doyen doctor --repair" in str(searched.exception)
    examined = runner.invoke(app, ["doctor", *place])
    assert examined.exit_code == 1
    assert "FAIL  index" in examined.output
    assert "Aborted" not in examined.output + searched.output
    remedy = ["doctor", "--repair", *place]
    if len(kind) % 2:
        remedy = ["ingest", str(template / "documents"), *place]
    repaired = runner.invoke(app, remedy)
    assert repaired.exit_code == 0, repaired.output
    assert check_index(workspace, store) == []
    assert "AB-1234" in open_retriever(workspace, store).retrieve("inlet filter", 1)[0].text


def test_killed_between_segments_goes_on(opened: tuple[Workspace, Store]) -> None:
    workspace, store = opened
    (workspace.index_folder / "segment-of-a-killed-run").mkdir()
    upload_document(workspace, store, "note.txt", NOTE.encode())
    assert not (workspace.index_folder / "segment-of-a-killed-run").exists()
    assert update_index(workspace, store).published is False


@pytest.mark.parametrize("kind", ["halved", "no database", "flipped bytes"])
def test_a_damaged_store_is_named_and_the_stated_remedy_works(
    template: Path, opened: tuple[Workspace, Store], kind: str
) -> None:
    from typer.testing import CliRunner

    from doyen.core.errors import DoyenError
    from doyen.platform.cli.main import app

    workspace, store = opened
    store.close()
    database = workspace.state / "doyen.db"
    if kind == "halved":
        halve(database)
    elif kind == "no database":
        database.write_bytes(b"not a database" * 1000)
    else:
        data = bytearray(database.read_bytes())
        data[8192:] = bytes(255 - byte for byte in data[8192:])
        database.write_bytes(data)
    runner, place = CliRunner(), ["--workspace", str(workspace.root)]
    for command in (["search", "inlet filter"], ["ingest", str(template / "documents")]):
        done = runner.invoke(app, [*command, *place])
        assert isinstance(done.exception, DoyenError), done.exception
        assert "move it away" in str(done.exception)
    examined = runner.invoke(app, ["doctor", *place])
    assert examined.exit_code == 1
    assert "move it away" in examined.output + str(examined.exception)
    for path in workspace.state.glob("doyen.db*"):
        path.rename(path.with_name(f"damaged-{path.name}"))
    assert runner.invoke(app, ["ingest", str(template / "documents"), *place]).exit_code == 0
    assert runner.invoke(app, ["search", "inlet filter", *place]).exit_code == 0
