"""Labels are stored as typed labels beside what Label Studio sent, and those of older workspaces are read into that form."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from support.old_workspace.make import PARTS, PROJECTS, RESULTS, said

from doyen.annotation import create_project, pull, push, read_labels, text_tasks
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.exchange.label_import import import_pairs, store_labels
from doyen.annotation.quality.decisions import record_decisions
from doyen.annotation.store import get_project, task_type_of
from doyen.annotation.task_types import TaskType
from doyen.annotation.texts import PlainText
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.typed_labels import Classes, LabelledText
from doyen.core.records import Pair
from doyen.core.store import Store, open_store
from doyen.core.store.schema import AnnotationRow, DecisionRow
from doyen.core.workspace import Workspace

OLD = Path(__file__).parents[1] / "support" / "old_workspace"
EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
# A review's reason is no broken part of its label, as it was when labels were read at each use.
EXPECTED["topics review"] |= {"problems": [], "left out": []}


@pytest.fixture
def older(workspace: Workspace) -> Store:
    """The workspace's database as the code of schema 0009 had filled it."""
    workspace.state.mkdir(exist_ok=True)
    with sqlite3.connect(workspace.state / "doyen.db") as database:
        database.executescript((OLD / "labels-0009.sql").read_text(encoding="utf-8"))
    database.close()
    return open_store(workspace)


def test_an_older_workspace_says_what_it_said(older: Store) -> None:
    assert said(older) == EXPECTED
    assert said(older) == EXPECTED, "and again, now that everything is typed"
    older.close()


def test_what_came_is_kept_as_it_came(older: Store) -> None:
    for name in PROJECTS:
        get_project(older, name)
    with older.session() as session:
        rows = [row for row in session.scalars(select(AnnotationRow)) if ":" in row.external_id and "@" in row.annotator]
        kept = [row.result for row in rows]
        typed = {row.annotator: row.typed for row in rows if row.result == RESULTS["parts"][2]}
    assert all(result in kept for results in RESULTS.values() for result in results)
    problem = "there is no label 'VERB': known ones are PART, TIME"
    assert typed == {"p3@example.com": {"label": None, "problems": [problem], "reason": ""}}
    older.close()


def test_labels_are_read_once(older: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*PROJECTS, "topics review"]:
        get_project(older, name)

    def refuse(*_: object) -> None:
        raise AssertionError("regions were read again")

    monkeypatch.setattr(TaskType, "salvage", refuse)
    assert said(older) == EXPECTED
    older.close()


def test_what_an_older_workspace_imported_is_not_imported_again(workspace: Workspace, older: Store) -> None:
    item = LabelledText("i", "Taken from a file.", Classes(("TIME",)), "ann", "2026-03-01", {"page": 2})
    assert store_labels(workspace, older, "topics", [item]).unchanged == 1
    quoted = Pair(id="x", prompt="Who?", response="The line.", evidence=["heated line"], group="g1", annotator="ben")
    assert import_pairs(workspace, older, "qa", [quoted]).unchanged == 1
    with older.session() as session:
        decisions = sorted(session.scalars(select(DecisionRow.decision_id)))
    review = get_project(older, "topics review")
    assert record_decisions(older, review.name, task_type_of(review)) == 0
    with older.session() as session:
        assert sorted(session.scalars(select(DecisionRow.decision_id))) == decisions
    older.close()


def label(workspace: Workspace, store: Store, result: list[dict[str, object]]) -> None:
    text_tasks(store, "parts", [PlainText(PARTS, "1", "t")])
    push(workspace, store, "parts")
    home = workspace.annotation_folder / "parts"
    task = json.loads((home / "tasks.jsonl").read_text(encoding="utf-8"))
    task["annotations"] = [{"id": 1, "completed_by": "ada", "result": result, "updated_at": "2026-02-03T10:00:00Z"}]
    (home / "labels.json").write_text(json.dumps([task]), encoding="utf-8")
    pull(workspace, store, "parts")


def test_labels_are_read_anew_when_the_description_changes(workspace: Workspace, store: Store) -> None:
    raw = {"type": "entities", "labels": [{"name": "PART"}]}
    create_project(workspace, store, "parts", description=parse_description(raw, "here"))
    label(workspace, store, RESULTS["parts"][1][:4])
    assert [len(list(item.label.stretches())) for item in labelled_texts(store, "parts")] == [2]
    assert len(read_labels(store, "parts").problems) == 2
    more = {**raw, "labels": [{"name": name} for name in ("PART", "TIME", "VERB")]}
    create_project(workspace, store, "parts", description=parse_description(more, "here"))
    assert [len(list(item.label.stretches())) for item in labelled_texts(store, "parts")] == [4]
    assert read_labels(store, "parts").problems == []
