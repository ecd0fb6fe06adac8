"""Which of the stored labels count."""

from __future__ import annotations

import gc

import pytest
from sqlalchemy import select

from doyen.ingestion.annotation import create_project
from doyen.ingestion.annotation.decisions import CONSENSUS, EXPERT, decide
from doyen.ingestion.annotation.exchange import store_labels
from doyen.ingestion.annotation.labels import READ_BATCH, labelled_pairs, labelled_texts
from doyen.ingestion.annotation.projects import task_type_of
from doyen.ingestion.annotation.records import Classes, LabelledText
from doyen.platform.core.store import Store
from doyen.platform.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow, DecisionRow
from doyen.platform.core.workspace import Workspace

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
        decide(session, task.uid, result, method=method, by="x", reason="", inputs=inputs, at="2026-01-03")


def answers(store: Store) -> list[str]:
    texts = sorted(item.annotator for item in labelled_texts(store, NAME))
    assert texts == sorted(pair.annotator for pair in labelled_pairs(store, NAME))
    return texts


@pytest.mark.parametrize(("method", "after"), [(CONSENSUS, ["ada", "ben", "cid"]), (EXPERT, ["x"])])
def test_a_consensus_counts_while_its_labels_do(workspace: Workspace, moods: Store, method: str, after: list[str]) -> None:
    decided(moods, method)
    assert answers(moods) == ["x"]
    store_labels(workspace, moods, NAME, [said("cid", "positive")])
    assert answers(moods) == after


def test_decisions_are_not_all_held_in_memory(workspace: Workspace, moods: Store) -> None:
    count = 3 * READ_BATCH
    store_labels(workspace, moods, NAME, [said("ada", "negative", f"Pump {number}") for number in range(count)])
    with moods.session() as session:
        result = session.scalars(select(AnnotationRow.result)).first()
        uids = session.scalars(select(AnnotationTaskRow.uid)).all()
        for uid in uids:
            given = {"method": EXPERT, "decided_by": "x", "reason": "", "inputs": [], "current": True, "decided_at": ""}
            session.add(DecisionRow(decision_id=uid, task_uid=uid, result=result, **given))
    del session
    found = labelled_texts(moods, NAME)
    for _ in range(count):
        next(found)
    gc.collect()
    assert sum(isinstance(thing, DecisionRow) for thing in gc.get_objects()) <= 2 * READ_BATCH
    assert [item.annotator for item in found] == ["x"]
