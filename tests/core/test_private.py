"""Nobody but the owner can read a workspace's state, whoever wrote it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from support.command_line import run_doyen

from doyen.core.files import make_private, new_folder, write_text_atomic
from doyen.core.store import open_store
from doyen.core.workspace import create_workspace


def open_to_others(folder: Path) -> list[str]:
    """Return what of a folder, itself included, others may read, write or enter."""
    found = [folder, *folder.rglob("*")]
    return [
        f"{path} {stat.filemode(path.lstat().st_mode)}"
        for path in found
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]


@pytest.mark.model
def test_a_real_run_leaves_nothing_open(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "space", "test")
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "pump.md").write_text("# Pump\n\nThe filter of the PX-90 is replaced every 412 hours.\n")
    before = os.umask(0o022)
    try:
        assert run_doyen("ingest", documents, "-w", workspace.root).code == 0
        assert run_doyen("ask", "How often?", "--mode", "rag", "-w", workspace.root).code == 0
    finally:
        os.umask(before)
    names = {path.name for path in workspace.state.rglob("*")}
    assert {"doyen.db", "chroma.sqlite3"} <= names
    assert open_to_others(workspace.state) == []
    assert stat.S_IMODE((workspace.root / "doyen.toml").stat().st_mode) == 0o600


def test_an_earlier_workspace_is_closed_when_it_is_opened(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "space", "test")
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    outside.chmod(0o644)
    deep = workspace.state / "index" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.bin").write_bytes(b"a")
    (deep / "link").symlink_to(outside)
    (deep / "gone").symlink_to(tmp_path / "nowhere")
    for path in (workspace.state, deep.parent, deep):
        path.chmod(0o755)
    (deep / "a.bin").chmod(0o666)
    open_store(workspace).close()
    assert open_to_others(workspace.state) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_what_is_written_afterwards_is_closed_too(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        state = tmp_path / "state"
        make_private(state)
        (state / "by-a-library").mkdir()
        (state / "by-a-library" / "data").write_bytes(b"a")
        write_text_atomic(state / "ours.txt", "a")
        with new_folder(state / "folder") as folder:
            (folder / "b").write_text("b")
        assert open_to_others(state) == []
    finally:
        os.umask(before)
