"""The order of open tasks: what is open, and that the queue where people label follows the scores."""

from __future__ import annotations

import json

import pytest
from support.label_studio import LabelStudioServer

from doyen.annotation import (
    LabelDescription,
    TaskDescription,
    create_project,
    get_task_type,
    open_texts,
    push,
    set_order,
    text_tasks,
)
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.labelstudio.client import LabelStudioBackend
from doyen.annotation.quality.gold import seed_gold
from doyen.annotation.store import get_project
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes, LabelledText
from doyen.core.store import Store
from doyen.core.workspace import Workspace

NAME = "topics"
TEXTS = [f"Text number {number} is about a part." for number in range(8)]
DESCRIPTION = TaskDescription(type="classification", labels=(LabelDescription(name="pump"), LabelDescription(name="line")))


def filled(workspace: Workspace, store: Store) -> None:
    create_project(workspace, store, NAME, description=DESCRIPTION)
    text_tasks(store, NAME, [PlainText(text, "texts.csv", str(n)) for n, text in enumerate(TEXTS)])


def test_labelled_and_gold_texts_are_not_open(workspace: Workspace, store: Store) -> None:
    filled(workspace, store)
    assert sorted(each.text for each in open_texts(store, NAME)) == TEXTS
    ids = {each.text: each.item_id for each in open_texts(store, NAME)}
    seed_gold(store, NAME, [LabelledText("gold", TEXTS[0], Classes(("pump",)))])
    store_labels(workspace, store, NAME, [LabelledText(ids[TEXTS[1]], TEXTS[1], Classes(("line",)), annotator="ada")])
    assert sorted(each.text for each in open_texts(store, NAME)) == TEXTS[2:]


def test_the_files_follow_the_order(workspace: Workspace, store: Store) -> None:
    filled(workspace, store)
    push(workspace, store, NAME)
    by_text = {each.text: each.item_id for each in open_texts(store, NAME)}
    wanted = [TEXTS[5], TEXTS[2], TEXTS[7]]
    assert set_order(store, NAME, [by_text[text] for text in wanted]) == 3
    push(workspace, store, NAME, scores=True)
    lines = (workspace.annotation_folder / NAME / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    tasks = [json.loads(line) for line in lines]
    assert [task["data"]["text"] for task in tasks[:3]] == wanted
    assert sorted(task["data"]["text"] for task in tasks) == TEXTS


def test_a_draft_keeps_its_label_and_gets_the_score(workspace: Workspace, store: Store) -> None:
    create_project(workspace, store, NAME, description=DESCRIPTION)
    task_type = get_task_type("classification", DESCRIPTION)
    text_tasks(store, NAME, [PlainText("Text on a pump.", "texts.csv", "1"), PlainText("Something else.", "texts.csv", "2")])
    set_order(store, NAME, [each.item_id for each in open_texts(store, NAME)])
    push(workspace, store, NAME, scores=True)
    tasks = [json.loads(line) for line in (workspace.annotation_folder / NAME / "tasks.jsonl").read_text().splitlines()]
    assert [task["predictions"][0]["score"] for task in tasks] == [0.0, 0.5]
    drafted = next(task for task in tasks if "pump" in task["data"]["text"])
    label, _ = task_type.salvage(drafted["predictions"][0]["result"], drafted["data"])
    assert label is None or label == Classes(("pump",))


@pytest.mark.label_studio
def test_label_studio_serves_the_order(remote: Workspace, remote_store: Store, label_studio: LabelStudioServer) -> None:
    filled(remote, remote_store)
    push(remote, remote_store, NAME)
    wanted = [each.item_id for each in open_texts(remote_store, NAME)][::-1]
    set_order(remote_store, NAME, wanted)
    push(remote, remote_store, NAME, scores=True)
    client = label_studio.client("lead@example.com")
    project = get_project(remote_store, NAME)
    backend = LabelStudioBackend(label_studio.url, label_studio.tokens["lead@example.com"]["token"])
    shown = backend.shown_version(str(project.external_id))
    scores = {}
    for task in client.tasks.list(project=int(project.external_id or 0), fields="all"):
        scores[task.data["uid"]] = next(each.score for each in task.predictions if each.model_version == shown)
    assert sorted(scores, key=scores.__getitem__) == wanted
