"""Which of the stored labels count."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from doyen.annotation import create_project
from doyen.annotation.current_labels import labelled_pairs, labelled_texts
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.labelstudio.orphans import OrphanedLabels
from doyen.annotation.quality.decisions import decide
from doyen.annotation.store import SQL_BATCH, add_version, task_type_of
from doyen.annotation.task_types import get_task_type
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.typed_labels import Classes, LabelledText, PromptResponse, TypedLabel
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow, DecisionRow
from doyen.core.store.schema import DecisionMethod as Method
from doyen.core.workspace import Workspace
from doyen.platform.cli.main import app

NAME = "moods"


def said(name: str, mood: str, text: str = "The pump is loud.") -> LabelledText:
    return LabelledText(text, text, Classes((mood,)), name, "2026-01-02")


@pytest.fixture
def moods(workspace: Workspace, store: Store) -> Store:
    """A sentiment project in which two people labelled one text."""
    create_project(workspace, store, NAME, "sentiment")
    store_labels(workspace, store, NAME, [said("ada", "negative"), said("ben", "neutral")])
    return store


def decided(store: Store, method: str) -> None:
    with store.session() as session:
        task_type = task_type_of(session.get_one(AnnotationProjectRow, NAME))
        task = session.scalars(select(AnnotationTaskRow)).one()
        inputs = sorted(session.scalars(select(AnnotationRow.annotation_id)), reverse=True)
        result = task_type.write(Classes(("neutral",)), task.data)
        typed = task_type.understand(result, task.data).to_json()
        decide(session, task.uid, result, typed, method=method, by="x", reason="", inputs=inputs, at="2026-01-03")


def answers(store: Store) -> list[str]:
    texts = sorted(item.annotator for item in labelled_texts(store, NAME))
    assert texts == sorted(pair.annotator or "" for pair in labelled_pairs(store, NAME))
    return texts


@pytest.mark.parametrize(("method", "after"), [(Method.CONSENSUS, ["ada", "ben", "cid"]), (Method.EXPERT, ["x"])])
def test_a_consensus_counts_while_its_labels_do(workspace: Workspace, moods: Store, method: str, after: list[str]) -> None:
    decided(moods, method)
    assert answers(moods) == ["x"]
    store_labels(workspace, moods, NAME, [said("cid", "positive")])
    assert answers(moods) == after


def test_decisions_are_not_all_held_in_memory(workspace: Workspace, moods: Store) -> None:
    count = 3 * SQL_BATCH
    store_labels(workspace, moods, NAME, [said("ada", "negative", f"Pump {number}") for number in range(count)])
    with moods.session() as session:
        label = session.scalars(select(AnnotationRow)).first()
        uids = session.scalars(select(AnnotationTaskRow.uid)).all()
        for uid in uids:
            given = {
                "method": Method.EXPERT,
                "decided_by": "x",
                "reason": "",
                "inputs": [],
                "current": True,
                "decided_at": "",
            }
            session.add(DecisionRow(decision_id=uid, task_uid=uid, result=label.result, typed=label.typed, **given))
    del session
    found = labelled_texts(moods, NAME)
    for _ in range(count):
        next(found)
    gc.collect()
    assert sum(isinstance(thing, DecisionRow) for thing in gc.get_objects()) <= 2 * SQL_BATCH
    assert [item.annotator for item in found] == ["x"]


def test_an_edited_export_replaces_the_label_that_it_came_from(workspace: Workspace, moods: Store) -> None:
    with moods.session() as session:
        task = session.scalars(select(AnnotationTaskRow)).one()
        result = session.scalars(select(AnnotationRow.result).where(AnnotationRow.annotator == "ada")).one()
        typed = get_task_type("sentiment").understand(result, task.data)
        for person in ("cid", ""):
            add_version(session, task.uid, f"on the server {person}", person, result, typed, "2026-01-02")
    exported = {item.annotator: item for item in labelled_texts(moods, NAME)}
    edited = [replace(exported[name], label=Classes(("positive",))) for name in ("cid", "")]
    store_labels(workspace, moods, NAME, edited)
    assert answers(moods) == ["", "", "ada", "ben", "cid"], "labels of nobody cannot be told apart"
    assert {item.annotator: item.label for item in labelled_texts(moods, NAME)}["cid"] == Classes(("positive",))


def test_answers_of_one_person_to_different_prompts_all_count(workspace: Workspace, store: Store) -> None:
    create_project(workspace, store, NAME)
    asked = [LabelledText("one", "Text.", PromptResponse(f"Question {n}?", "Text.", True), "ada") for n in range(3)]
    store_labels(workspace, store, NAME, asked)
    assert answers(store) == ["ada"] * 3


@pytest.mark.parametrize(
    "command",
    [
        ("annotate", "export", "{out}"),
        ("annotate", "export", "{out}", "--format", "plain"),
        ("annotate", "export", "{out}", "--format", "doccano"),
        ("annotate", "agreement"),
        ("dataset", "build", "--name", "moods"),
    ],
)
def test_labels_that_are_left_out_are_named(
    workspace: Workspace, moods: Store, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with moods.session() as session:
        row = session.scalars(select(AnnotationRow).where(AnnotationRow.annotator == "ben")).one()
        row.result, row.typed = [], TypedLabel(None, ("no class was chosen",)).to_json()
        problem = f"task {row.task_uid}, label of ben: no class was chosen"
    arguments = [part.format(out=tmp_path / "out") for part in command]
    called = [*arguments, "--project", NAME, "--workspace", str(workspace.root)]
    shown = CliRunner().invoke(app, called).stdout
    assert problem in shown
    assert json.loads(CliRunner().invoke(app, [*called, "--json"]).stdout)["problems"] == [problem]


def test_several_classes_are_not_narrowed_to_one(workspace: Workspace, store: Store) -> None:
    both = {"type": "classification", "labels": [{"name": "loud"}, {"name": "hot"}]}
    several = parse_description({**both, "multiple": True}, "here")
    create_project(workspace, store, NAME, description=several)
    labels = [LabelledText(str(n), f"Pump {n}", Classes(given)) for n, given in enumerate([("loud",), ("loud", "hot"), ()])]
    store_labels(workspace, store, NAME, labels)
    with pytest.raises(OrphanedLabels) as refused:
        create_project(workspace, store, NAME, description=parse_description(both, "here"))
    assert [(orphan.value, orphan.count) for orphan in refused.value.orphans] == [("loud + hot", 1), ("no choice", 1)]
    assert len(answers(store)) == 3
    create_project(workspace, store, NAME, description=several)
