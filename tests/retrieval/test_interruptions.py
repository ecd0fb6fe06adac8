"""Killed while indexing, a full disk while indexing, and no network at any time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from support.company import DOCUMENTS, write_documents
from support.index_files import published_vectors, published_words
from support.required import require_disk

from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace, create_workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.chosen import open_retriever

pytestmark = pytest.mark.model

PRELUDE = """
import json, os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from doyen.core.store import open_store
from doyen.core.workspace import Workspace, create_workspace
from doyen.retrieval import index, writing
from doyen.platform.documents import ingest_documents
from doyen.retrieval.chosen import open_retriever
"""


def contents(workspace: Workspace) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return vectors by id, and the arrays of the lexical index."""
    lexical = published_words(workspace)
    arrays = {name: np.asarray(getattr(lexical, name)) for name in lexical.__dataclass_fields__}
    return published_vectors(workspace), arrays


@pytest.mark.parametrize(
    ("bar_title", "advances"),
    [("Embedding chunks", 1), pytest.param("Embedding chunks", 2, marks=pytest.mark.soak), ("Indexing words", 1)],
)
def test_killed_between_batches_and_run_again_equals_a_clean_run(tmp_path: Path, bar_title: str, advances: int) -> None:
    documents = write_documents(tmp_path / "documents", DOCUMENTS)
    workspace = create_workspace(tmp_path / "killed", "same")
    script = PRELUDE + textwrap.dedent(
        f"""
        writing.BATCH_CHUNKS = 2
        class Killer:
            def say(self, message): pass
            @contextmanager
            def bar(self, title, total):
                class Bar:
                    count = 0
                    def advance(self, amount=1, note=""):
                        self.count += 1
                        if title == {bar_title!r} and self.count == {advances}:
                            os.kill(os.getpid(), signal.SIGKILL)
                yield Bar()
        workspace = Workspace(Path({str(workspace.root)!r}))
        ingest_documents(workspace, open_store(workspace), [Path({str(documents)!r})], reporter=Killer())
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    clean = create_workspace(tmp_path / "clean", "same")
    for each in (workspace, clean):
        store = open_store(each)
        ingest_documents(each, store, [documents])
        assert open_retriever(each, store).retrieve("AB-1234", 1)[0].source.endswith("pump.md")
        store.close()
    vectors, arrays = contents(workspace)
    expected_vectors, expected_arrays = contents(clean)
    assert vectors.keys() == expected_vectors.keys()
    for name, vector in vectors.items():
        assert np.dot(vector, expected_vectors[name]) > 0.9999
    for name, array in arrays.items():
        assert np.array_equal(array, expected_arrays[name]), name


@pytest.mark.timeout(900)
def test_full_disk_leaves_the_old_index_answering(tmp_path: Path) -> None:
    require_disk()
    disk = tmp_path / "disk"
    disk.mkdir()
    few = write_documents(tmp_path / "few", {"pump.md": DOCUMENTS["pump.md"]})
    words = [f"w{number}" for number in range(2000)]
    many = {f"big{n}.txt": ". ".join(" ".join(words[at : at + 9]) for at in range(n, 1900, 9)) for n in range(2)}
    big = write_documents(tmp_path / "big", many)
    script = tmp_path / "script.py"
    script.write_text(
        PRELUDE
        + textwrap.dedent(
            f"""
            from doyen.core.errors import StorageError
            disk = Path({str(disk)!r})
            workspace = create_workspace(disk / "space", "disk")
            store = open_store(workspace)
            ingest_documents(workspace, store, [Path({str(few)!r})])
            before = (workspace.index_folder / "manifest.json").read_bytes()
            from doyen.ingestion.ingest import ingest
            ingest(workspace, store, [Path({str(big)!r})])
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as stream:
                try:
                    while True:
                        stream.write(bytes(4096))
                except OSError:
                    pass
            os.truncate(filler, filler.stat().st_size - {{reserve}})
            try:
                index.update_index(workspace, store)
                outcome = "no error"
            except StorageError as error:
                outcome = str(error)
            same = before == (workspace.index_folder / "manifest.json").read_bytes()
            answer = open_retriever(workspace, store).retrieve("inlet filter", 1)[0].text
            filler.unlink()
            report = index.update_index(workspace, store)
            after = open_retriever(workspace, store).retrieve("w1890 w1891", 1)[0].source
            print(json.dumps([outcome, same, answer, report.chunks, after]))
            """
        ).replace("{reserve}", "int(sys.argv[1])"),
        encoding="utf-8",
    )
    for reserve in (64_000, 300_000):
        command = f"mount -t tmpfs -o size=40m tmpfs {disk} && {sys.executable} {script} {reserve}"
        done = subprocess.run(["unshare", "-rm", "sh", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        outcome, same, answer, chunks, after = json.loads(done.stdout.splitlines()[-1])
        assert "disk is full" in outcome
        assert same
        assert "AB-1234" in answer
        assert chunks > 20
        assert after.startswith("big")


def test_indexing_and_searching_open_no_connection(tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "documents", DOCUMENTS)
    script = PRELUDE + textwrap.dedent(
        f"""
        import socket
        def refuse(*arguments, **keywords):
            raise SystemExit(f"tried to connect: {{arguments}}")
        socket.socket.connect = socket.socket.connect_ex = refuse
        socket.getaddrinfo = refuse
        workspace = create_workspace(Path({str(tmp_path / "space")!r}))
        store = open_store(workspace)
        ingest_documents(workspace, store, [Path({str(documents)!r})])
        assert open_retriever(workspace, store).retrieve("filter", 1)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_store_fixture_is_untouched_by_a_failed_upload(workspace: Workspace, store: Store) -> None:
    """An upload that cannot be read leaves no index and no rows behind."""
    from doyen.core.errors import UnreadableDocument
    from doyen.platform.documents import upload_document

    with pytest.raises(UnreadableDocument):
        upload_document(workspace, store, "broken.pdf", b"%PDF-1.7 nothing")
    assert not (workspace.index_folder / "manifest.json").exists()
