"""Two people label every task type on a real Label Studio server, and what they said comes back to the letter."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.task_labels import TASK_TYPES, random_label, random_text

from doyen.annotation import create_project, labelled_pairs, labelled_texts, pull, push
from doyen.annotation.tasks import text_tasks
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Label
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

pytestmark = pytest.mark.label_studio
NAME = "every type"
PEOPLE = ("ada@example.com", "ben@example.com")
TEXTS = 4


def test_tasks_about_which_the_rules_know_nothing(remote: Workspace, remote_store: Store, label_studio: Any) -> None:
    create_project(remote, remote_store, NAME, description=TASK_TYPES["classification"].description)
    assert text_tasks(remote_store, NAME, [PlainText("Hello", "1", "t")]) == 1
    assert push(remote, remote_store, NAME).sent == 1, "a server refuses to show a version under which it has no draft"
    assert text_tasks(remote_store, NAME, [PlainText("The PART is here", "2", "t")]) == 1
    assert push(remote, remote_store, NAME).sent == 1


@pytest.mark.parametrize("kind", ["prompt-response", "several classes", "related entities", "sentiment", "coreference", "pos"])
def test_what_two_people_say_comes_back(kind: str, remote: Workspace, remote_store: Store, label_studio: Any) -> None:
    rng, task_type = random.Random(kind), TASK_TYPES[kind]
    create_project(remote, remote_store, NAME, description=task_type.description)
    texts = {random_text(rng) for _ in range(TEXTS)}
    assert text_tasks(remote_store, NAME, [PlainText(text, str(n), "t") for n, text in enumerate(sorted(texts))]) == TEXTS
    assert push(remote, remote_store, NAME).sent == TEXTS
    with remote_store.session() as session:
        project = int(session.get_one(AnnotationProjectRow, NAME).external_id or 0)
        drafted = {row.uid: row.predictions for row in session.query(AnnotationTaskRow)}
    lead = label_studio.client("lead@example.com")
    there = list(lead.tasks.list(project=project, fields="all"))
    assert {task.data["text"] for task in there} == texts
    for task in there:
        # The drafts have arrived, region for region, unless the rules had none.
        shown = [[region["value"] for region in draft.result if "value" in region] for draft in task.predictions]
        assert shown == [
            [region["value"] for region in draft["result"] if "value" in region] for draft in drafted[task.data["uid"]]
        ]
    said: dict[tuple[str, str], Label] = {}
    for person in PEOPLE:
        client = label_studio.client(person)
        for task in there:
            label = random_label(rng, task_type, task.data["text"])
            client.annotations.create(id=task.id, result=task_type.write(label, task.data))
            said[task.data["uid"], person] = label
    report = pull(remote, remote_store, NAME)
    assert (report.added, report.problems) == (2 * TEXTS, [])
    found = {(entry.item_id, entry.annotator): entry for entry in labelled_texts(remote_store, NAME)}
    assert {key: entry.label for key, entry in found.items()} == said
    assert {entry.text for entry in found.values()} == texts
    assert len(labelled_pairs(remote_store, NAME)) == 2 * TEXTS
