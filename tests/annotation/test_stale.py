"""Documents that change or go mark their tasks stale; the labels stay, and who used them is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from doyen.annotation import create_project, draft_tasks, import_pairs, labelled_pairs, project_status
from doyen.annotation.stale import mark_stale, stale_tasks
from doyen.core.manifest import now
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import AdapterRow, AnnotationTaskRow, DatasetRow
from doyen.core.workspace import Workspace
from doyen.platform.documents import ingest_documents

NAME = "pumps"
FIRST = "The seal of the pump must be replaced every 4,000 hours.\n"
SECOND = "The lamp must be replaced every 900 hours.\n"


@pytest.fixture
def folder(tmp_path: Path, workspace: Workspace, store: Store) -> Path:
    """Two ingested documents with a drafted task each."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "pump.txt").write_text(FIRST)
    (folder / "lamp.txt").write_text(SECOND)
    ingest_documents(workspace, store, [folder])
    create_project(workspace, store, NAME)
    assert draft_tasks(store, NAME) == 2
    return folder


def marks(store: Store) -> dict[str, str | None]:
    with store.session() as session:
        return {row.data["source"]: row.stale for row in session.scalars(select(AnnotationTaskRow))}


def test_an_excerpt_that_moved_is_not_stale_and_one_that_reads_differently_is(
    workspace: Workspace, store: Store, folder: Path
) -> None:
    (folder / "pump.txt").write_text("A new foreword of the makers.\n\n" + FIRST)
    assert ingest_documents(workspace, store, [folder]).stale.counts == {}
    (folder / "pump.txt").write_text(FIRST.replace("4,000", "5,000"))
    assert ingest_documents(workspace, store, [folder]).stale.counts == {"changed": 1}
    assert marks(store) == {"pump.txt": "changed", "lamp.txt": None}
    assert ingest_documents(workspace, store, [folder]).stale.counts == {}, "it is said once"
    assert project_status(store, NAME).stale == {"changed": 1}
    (folder / "pump.txt").write_text(FIRST)
    ingest_documents(workspace, store, [folder])
    assert marks(store) == {"pump.txt": None, "lamp.txt": None}, "the text is back"


def test_a_document_that_goes_keeps_its_labels_and_names_who_used_them(
    workspace: Workspace, store: Store, folder: Path
) -> None:
    pair = Pair(id="p1", prompt="How often?", response="Every 900 hours.", source="lamp.txt", annotator="ada", group="g1")
    import_pairs(workspace, store, NAME, [pair])
    home = workspace.datasets_folder / "first-abc"
    home.mkdir(parents=True)
    for part in ("train", "test"):
        (home / f"{part}.jsonl").write_text(json.dumps(pair.model_dump()) + "\n")
    with store.session() as session:
        session.add(DatasetRow(dataset_id="first-abc", name="first", manifest={}, created_at=now()))
        session.add(DatasetRow(dataset_id="lost-abc", name="lost", manifest={}, created_at=now()))
        adapter = {"base_model": "b", "base_sha256": "", "stage": "candidate", "manifest": {}, "created_at": now()}
        session.add(AdapterRow(name="tuned", version=3, dataset_id="first-abc", **adapter))
    (folder / "lamp.txt").unlink()
    report = ingest_documents(workspace, store, [folder]).stale
    assert report.counts == {"deleted": 2}
    assert [str(use) for use in report.used_by] == ["2 in dataset first-abc, which trained tuned:3"]
    assert labelled_pairs(store, NAME) == [pair]
    assert stale_tasks(workspace, store, NAME).describe()[1].endswith("which trained tuned:3")
    assert mark_stale(workspace, store).counts == {}
