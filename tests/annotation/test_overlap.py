"""Two people are given the same tasks by the server itself, so that there is an agreement to measure."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from support.label_studio import LabelStudioServer

from doyen.annotation import (
    LabelDescription,
    TaskDescription,
    create_project,
    get_project,
    labelled_texts,
    project_status,
    pull,
    push,
    text_tasks,
)
from doyen.annotation.quality.agreement import agreement_report
from doyen.annotation.quality.gold import gold_labels, seed_gold
from doyen.annotation.store import task_type_of, update_project
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes, LabelledText
from doyen.core.errors import InputError
from doyen.core.store import Store, open_store
from doyen.core.store.schema import AnnotationTaskRow, Purpose
from doyen.core.workspace import Workspace, create_workspace

NAME = "topics"
TOPICS = TaskDescription(type="classification", labels=(LabelDescription(name="pump"), LabelDescription(name="line")))


def texts(count: int, start: int = 0) -> list[PlainText]:
    return [PlainText(f"Sentence {number} about a pump.", str(number), "texts.jsonl") for number in range(start, start + count)]


def overlaps(store: Store) -> dict[str, int]:
    with store.session() as session:
        return {row.uid: row.overlap for row in session.scalars(select(AnnotationTaskRow))}


def label_all(server: LabelStudioServer, store: Store, person: str) -> list[str]:
    """Label whatever the server gives to a person, until it has nothing more; return the uids."""
    project = get_project(store, NAME)
    headers = {"Authorization": f"Token {server.tokens[f'{person}@example.com']['legacy']}"}
    done = []
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        while (given := client.get(f"/api/projects/{project.external_id}/next")).status_code == 200:
            task = given.json()
            label = Classes(("pump" if person == "ada" or len(done) % 2 else "line",))
            result = task_type_of(project).write(label, task["data"])
            client.post(f"/api/tasks/{task['id']}/annotations", json={"result": result}).raise_for_status()
            done.append(task["data"]["uid"])
    return done


@pytest.mark.label_studio
def test_the_server_gives_one_task_in_five_and_all_gold_to_a_second_person(
    remote: Workspace, remote_store: Store, label_studio: LabelStudioServer
) -> None:
    create_project(remote, remote_store, NAME, description=TOPICS)
    text_tasks(remote_store, NAME, texts(6))
    seed_gold(remote_store, NAME, [LabelledText("g", "Sentence 0 about a pump.", Classes(("pump",)))])
    report = push(remote, remote_store, NAME)
    assert (report.sent, report.overlap, report.people) == (6, 2, 2)
    ada, ben = (label_all(label_studio, remote_store, person) for person in ("ada", "ben"))
    assert len(ada) == 6
    twice = {uid for uid, people in overlaps(remote_store).items() if people == 2}
    assert set(ben) == twice
    assert set(gold_labels(remote_store, NAME)) < twice, "gold items measure each of them"
    pull(remote, remote_store, NAME)
    by_item: dict[str, set[str]] = defaultdict(set)
    for label in labelled_texts(remote_store, NAME, decided=False, gold=True):
        by_item[label.item_id].add(label.annotator)
    assert {uid for uid, people in by_item.items() if len(people) == 2} == twice
    status = project_status(remote_store, NAME)
    assert (status.overlap, status.labelled_twice) == (2, 2)
    labels = labelled_texts(remote_store, NAME, decided=False, gold=True)
    assert agreement_report(labels, "classification").shared == 2

    there = label_studio.client("lead@example.com").projects.get(id=int(get_project(remote_store, NAME).external_id or 0))
    assert (there.maximum_annotations, there.overlap_cohort_percentage) == (2, 100)
    create_project(remote, remote_store, NAME)
    text_tasks(remote_store, NAME, texts(5, start=6))
    assert push(remote, remote_store, NAME).overlap == 3, "two of ten, and the gold item"
    assert twice < {uid for uid, people in overlaps(remote_store).items() if people == 2}, "what was chosen stays chosen"
    assert len(label_all(label_studio, remote_store, "ben")) == 5, "new tasks are given to whoever comes first"
    assert len(label_all(label_studio, remote_store, "ada")) == 1

    create_project(remote, remote_store, NAME, overlap=2, share=1.0)
    assert len(label_all(label_studio, remote_store, "ben")) == 4, "labelled tasks are opened for a second person again"


def test_files_say_how_many_people_label_a_task(workspace: Workspace, store: Store) -> None:
    create_project(workspace, store, NAME, description=TOPICS, overlap=3, share=0.5)
    text_tasks(store, NAME, texts(4))
    push(workspace, store, NAME)
    path = workspace.annotation_folder / NAME / "tasks.jsonl"

    def written() -> dict[str, int]:
        return {task["data"]["uid"]: task["overlap"] for task in map(json.loads, path.read_text().splitlines())}

    first = written()
    assert sorted(first.values()) == [1, 1, 3, 3]
    text_tasks(store, NAME, texts(4, start=4))
    create_project(workspace, store, NAME)
    assert push(workspace, store, NAME).overlap == 4
    assert first.items() <= written().items(), "tasks that were given out keep their number"
    assert sorted(written().values()) == [1] * 4 + [3] * 4
    push(workspace, store, NAME, overlap=2, share=0.25)
    assert sorted(written().values()) == [1] * 6 + [2] * 2
    assert set(overlaps(store).items()) == set(written().items())
    for wrong in ({"overlap": 0}, {"share": 1.5}):
        with pytest.raises(InputError, match="--overlap"):
            create_project(workspace, store, NAME, **wrong)


def test_an_adopted_project_keeps_its_number_of_people_and_says_so(workspace: Workspace, store: Store) -> None:
    create_project(workspace, store, NAME, description=TOPICS)
    text_tasks(store, NAME, texts(4))
    update_project(store, NAME, purpose=Purpose.ADOPTED, overlap=1)
    with pytest.raises(InputError, match="keeps the number of people"):
        push(workspace, store, NAME, overlap=2, share=1.0)
    assert push(workspace, store, NAME).overlap == 0
    assert project_status(store, NAME).overlap == 0


def test_which_tasks_overlap_does_not_depend_on_their_order(tmp_path: Path) -> None:
    chosen = []
    for folder, given in (("one", texts(20)), ("two", texts(20)[::-1])):
        workspace = create_workspace(tmp_path / folder)
        store = open_store(workspace)
        create_project(workspace, store, NAME, description=TOPICS)
        text_tasks(store, NAME, given)
        push(workspace, store, NAME)
        chosen.append({uid for uid, people in overlaps(store).items() if people == 2})
        store.close()
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 4
