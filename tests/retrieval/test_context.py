"""What a passage stands under is found with it, and never becomes part of its text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.context import context_of, with_context
from doyen.retrieval.index_manifest import manifest_path, read_manifest

INTERVAL = "Replace the seal every twelve months and note the date on the card beside the motor."


@pytest.fixture
def two_devices(workspace: Workspace, store: Store, tmp_path: Path) -> tuple[Workspace, Store]:
    """Two documents that only their titles tell apart, for a search by meaning alone."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_text(f"# Trawler engine\n\n{INTERVAL}\n", encoding="utf-8")
    (folder / "b.md").write_text(f"# Espresso machine\n\n{INTERVAL} Use a blunt tool.\n", encoding="utf-8")
    settings = workspace.root / "doyen.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + '\n[retrieval]\nretriever = "dense"\n', encoding="utf-8")
    opened = Workspace(workspace.root)
    ingest_documents(opened, store, [folder])
    return opened, store


def test_context_is_title_and_headings_once() -> None:
    assert context_of("Pump", "Pump > Seals") == "Pump > Seals"
    assert context_of("Pump", "Seals > Yearly") == "Pump > Seals > Yearly"
    assert context_of("Pump", "") == "Pump"
    assert context_of("", "Seals") == "Seals"


def test_vectors_keep_their_length() -> None:
    rows = np.eye(3, 4, dtype=np.float32)
    moved = with_context(rows, np.roll(rows, 1, axis=1))
    assert np.allclose(np.linalg.norm(moved, axis=1), 1)
    assert (np.argmax(moved, axis=1) == [0, 1, 2]).all()


@pytest.mark.model
@pytest.mark.parametrize(("question", "source"), [("ship's diesel", "a.md"), ("brewing coffee", "b.md")])
def test_the_title_is_found_by_its_meaning(two_devices: tuple[Workspace, Store], question: str, source: str) -> None:
    passage = open_retriever(*two_devices).retrieve(question, 1)[0]
    assert passage.source == source
    assert INTERVAL in passage.text


@pytest.mark.model
def test_an_index_of_an_older_format_is_written_anew(two_devices: tuple[Workspace, Store], tmp_path: Path) -> None:
    workspace, store = two_devices
    path = manifest_path(workspace.index_folder)
    old = json.loads(path.read_text(encoding="utf-8"))
    old["settings"]["format"] = 2
    path.write_text(json.dumps(old), encoding="utf-8")
    ingest_documents(workspace, open_store(workspace), [tmp_path / "documents"])
    assert read_manifest(workspace.index_folder).chunks == 2
    assert len(open_retriever(workspace, store).retrieve("coffee", 5)) == 2
