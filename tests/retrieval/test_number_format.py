"""The number format of an index: chosen once, written in its manifest, and used for all that is embedded later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.index_files import published_vectors

from doyen.core.models import devices
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.index import check_index, update_index
from doyen.retrieval.index_manifest import read_manifest
from doyen.retrieval.opening import open_index

pytestmark = pytest.mark.model

SETTING = "DOYEN_RETRIEVAL__EMBEDDER_DTYPE"


def dtype_of(workspace: Workspace) -> str:
    return read_manifest(workspace.index_folder).embedder.dtype


def add(workspace: Workspace, store: Store, folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    ingest_documents(workspace, store, [folder])


def test_what_auto_chose_first_is_kept(workspace, store, tmp_path, monkeypatch):
    """The machine finds bfloat16 faster when the documents are indexed and float32 when they are searched and added to."""
    monkeypatch.setattr(devices, "_cpu_gains_from_bfloat16", lambda: True)
    add(workspace, store, tmp_path / "docs", "pump.md", "The inlet filter of the pump is changed every 14 months.")
    first = published_vectors(workspace)
    assert dtype_of(workspace) == "bfloat16"

    monkeypatch.setattr(devices, "_cpu_gains_from_bfloat16", lambda: False)
    opened = open_index(workspace, store)
    assert str(opened.embedder.network.dtype) == "torch.bfloat16"
    opened.retire()
    add(workspace, store, tmp_path / "docs", "valve.md", "The valve opens at 3 bar.")
    assert dtype_of(workspace) == "bfloat16"
    for piece, vector in published_vectors(workspace).items():
        assert piece not in first or np.array_equal(first[piece], vector)
    assert open_retriever(workspace, store).retrieve("When is the filter changed?", 1)[0].source.endswith("pump.md")
    assert check_index(workspace, store) == []


def test_naming_the_other_format_embeds_everything_in_it(workspace, store, tmp_path, monkeypatch):
    monkeypatch.setenv(SETTING, "bfloat16")
    workspace = Workspace(workspace.root)
    add(workspace, store, tmp_path / "docs", "pump.md", "The inlet filter of the pump is changed every 14 months.")
    rounded = published_vectors(workspace)

    monkeypatch.setenv(SETTING, "float32")
    workspace = Workspace(workspace.root)
    assert ["in float32, which was chosen" in problem for problem in check_index(workspace, store)] == [True]
    assert open_retriever(workspace, store).retrieve("filter", 1)
    report = update_index(workspace, store)
    assert (report.embedded, report.published, dtype_of(workspace)) == (1, True, "float32")
    assert read_manifest(workspace.index_folder).kept is None
    exact = published_vectors(workspace)
    assert exact.keys() == rounded.keys()
    assert not any(np.array_equal(exact[piece], rounded[piece]) for piece in exact)
    assert check_index(workspace, store) == []
