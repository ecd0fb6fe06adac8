"""What stands on the server counts: its screen, its descriptions, who changed a label there, and what got a star."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from support.label_studio import LabelStudioServer
from typer.testing import CliRunner

from doyen.annotation import (
    LabelDescription,
    OrphanedLabels,
    TaskDescription,
    create_project,
    get_project,
    labelled_texts,
    project_status,
    pull,
    push,
    text_tasks,
)
from doyen.annotation.create import relink
from doyen.annotation.quality.review import find_disputes, send_to_review
from doyen.annotation.store import task_type_of
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes
from doyen.core.errors import StateError
from doyen.core.manifest import short_id
from doyen.core.store import Store, open_store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, DecisionRow
from doyen.core.workspace import Workspace
from doyen.platform.cli.main import app

NAME = "topics"


def topics(*names: str) -> TaskDescription:
    return TaskDescription(type="classification", labels=tuple(LabelDescription(name=name) for name in names))


class There:
    """The project on the server, and what people do there."""

    def __init__(self, server: LabelStudioServer, store: Store, name: str = NAME) -> None:
        self.server, self.store = server, store
        self.lead = server.client("lead@example.com")
        self.id = int(get_project(store, name).external_id or 0)

    def tasks(self) -> list[Any]:
        return sorted(self.lead.tasks.list(project=self.id, fields="all"), key=lambda task: task.id)

    def label(self, person: str, task: Any, *classes: str) -> int:
        result = result_of(self.store, task.data, *classes)
        return self.server.client(f"{person}@example.com").annotations.create(id=task.id, result=result).id

    def change(self, person: str, annotation: int, **changes: Any) -> None:
        self.server.client(f"{person}@example.com").annotations.update(id=annotation, **changes)

    def config(self) -> str:
        return self.lead.projects.get(id=self.id).label_config

    def add_class(self, name: str) -> None:
        config = self.config().replace("</Choices>", f'<Choice value="{name}"/></Choices>')
        self.lead.projects.update(id=self.id, label_config=config)

    def describe(self, text: str) -> None:
        self.lead.projects.update(id=self.id, description=text)

    def count(self) -> int:
        return sum(project.title.startswith(NAME) for project in self.lead.projects.list())


def result_of(store: Store, data: dict[str, Any], *classes: str) -> list[dict[str, Any]]:
    return task_type_of(get_project(store, NAME)).write(Classes(classes), data)


def labels(store: Store) -> dict[str, tuple[str, ...]]:
    return {label.annotator: label.label.labels for label in labelled_texts(store, NAME, decided=False)}


@pytest.fixture
def there(remote: Workspace, remote_store: Store, label_studio: LabelStudioServer) -> There:
    """A pushed project of three texts."""
    for project in label_studio.client("lead@example.com").projects.list():
        if project.title.startswith(NAME):
            label_studio.client("lead@example.com").projects.delete(id=project.id)
    create_project(remote, remote_store, NAME, description=topics("pump", "line"))
    text_tasks(remote_store, NAME, [PlainText(f"Text {number}.", str(number), "texts.jsonl") for number in range(3)])
    push(remote, remote_store, NAME)
    return There(label_studio, remote_store)


@pytest.mark.label_studio
def test_a_class_that_was_added_on_the_server_is_not_dropped(remote: Workspace, remote_store: Store, there: There) -> None:
    there.add_class("valve")
    with pytest.raises(OrphanedLabels, match="'valve' of 'class': added where people label, not used yet"):
        create_project(remote, remote_store, NAME)
    there.label("ada", there.tasks()[0], "valve")
    (by_hand,) = there.lead.projects.import_tasks(
        id=there.id, request=[{"data": {**there.tasks()[0].data, "uid": "by hand"}}], return_task_ids=True
    ).task_ids
    there.label("ada", next(task for task in there.tasks() if task.id == by_hand), "valve")
    for description in (None, topics("pump", "line", "hose")):
        with pytest.raises(OrphanedLabels, match="drops what labels use") as refused:
            create_project(remote, remote_store, NAME, description=description)
        assert [(orphan.value, orphan.count) for orphan in refused.value.orphans] == [("valve", 2)]
    assert "valve" in there.config()
    create_project(remote, remote_store, NAME, description=topics("pump", "line", "valve"))
    pull(remote, remote_store, NAME)
    assert labels(remote_store) == {"ada@example.com": ("valve",)}


@pytest.mark.label_studio
def test_a_class_that_was_added_to_a_review_project_is_not_dropped(
    remote: Workspace, remote_store: Store, there: There, label_studio: LabelStudioServer
) -> None:
    task = there.tasks()[0]
    there.label("ada", task, "pump")
    there.label("ben", task, "line")
    pull(remote, remote_store, NAME)
    disputes = find_disputes(remote_store, NAME)
    send_to_review(remote, remote_store, NAME, disputes)
    review = There(label_studio, remote_store, "topics review")
    review.add_class("both")
    review.label("expert", review.tasks()[0], "both")
    with pytest.raises(OrphanedLabels, match="'both'"):
        send_to_review(remote, remote_store, NAME, disputes)
    assert "both" in review.config()


@pytest.mark.label_studio
def test_a_moved_workspace_and_an_edited_description_go_on(
    remote: Workspace, remote_store: Store, there: There, tmp_path: Path
) -> None:
    there.label("ada", there.tasks()[0], "pump")
    remote_store.close()
    shutil.move(remote.root, tmp_path / "moved")
    moved = Workspace(tmp_path / "moved")
    store = open_store(moved)
    assert pull(moved, store, NAME).added == 1
    create_project(moved, store, NAME)
    assert push(moved, store, NAME).sent == 0
    there.describe("Please read the guideline first.")
    create_project(moved, store, NAME)
    assert (there.count(), project_status(store, NAME).tasks) == (1, {"labelled": 1, "pushed": 2})
    assert "Please read the guideline first." in there.lead.projects.get(id=there.id).description
    there.describe("Rewritten once more.")
    assert pull(moved, store, NAME).removed == 0
    store.close()


@pytest.mark.label_studio
def test_the_marker_of_an_older_version_is_understood_and_relinked_after_a_move(
    remote: Workspace, remote_store: Store, there: There
) -> None:
    def older(path: str) -> str:
        return f"Doyen project {NAME} [{short_id(path, NAME)}]"

    there.describe(older(str(remote.root)))
    create_project(remote, remote_store, NAME)
    assert older(str(remote.root)) not in there.lead.projects.get(id=there.id).description, "brought up to date"
    there.describe("Ours. " + older("/where/it/was"))
    for act in (pull, push, create_project):
        with pytest.raises(StateError, match="doyen annotate relink --project 'topics'"):
            act(remote, remote_store, NAME)
    relink(remote, remote_store, NAME)
    assert (pull(remote, remote_store, NAME).deleted_tasks, there.count()) == (0, 1)
    assert there.lead.projects.get(id=there.id).description.startswith("Ours.")
    with remote_store.session() as session:
        # As after an older version made a second project.
        session.execute(update(AnnotationProjectRow).values(external_id=str(there.id + 1000)))
    assert relink(remote, remote_store, NAME, str(there.id)).tasks == {"created": 3}
    assert push(remote, remote_store, NAME).already_there == 3
    copied = CliRunner().invoke(app, ["annotate", "relink", "--as-copy", "--workspace", str(remote.root), "--json"])
    assert json.loads(copied.stdout) == {"separated": [NAME]}
    create_project(remote, remote_store, NAME)
    assert there.count() == 2


@pytest.mark.label_studio
def test_who_corrects_a_label_answers_for_it(remote: Workspace, remote_store: Store, there: There) -> None:
    first, second, _ = there.tasks()
    corrected = there.label("ada", first, "pump")
    pull(remote, remote_store, NAME)
    there.change("lead", corrected, result=result_of(remote_store, first.data, "line"))
    at_once = there.label("ben", second, "pump")
    there.change("lead", at_once, result=result_of(remote_store, second.data, "line"))
    pull(remote, remote_store, NAME)
    assert project_status(remote_store, NAME).annotators == {"lead@example.com": 2}
    with remote_store.session() as session:
        kept = {(row.annotator, row.current) for row in session.scalars(select(AnnotationRow))}
    assert ("ada@example.com", False) in kept, "what she said before stays hers"
    there.change("ada", corrected, result=result_of(remote_store, first.data, "pump"))
    pull(remote, remote_store, NAME)
    assert project_status(remote_store, NAME).annotators == {"ada@example.com": 1, "lead@example.com": 1}


@pytest.mark.label_studio
def test_the_star_decides_until_it_is_taken_away(remote: Workspace, remote_store: Store, there: There) -> None:
    first, second, third = there.tasks()
    starred = there.label("ada", first, "pump")
    there.label("ben", first, "line")
    there.change("lead", starred, ground_truth=True)
    there.server.client("ben@example.com").annotations.create(id=second.id, result=[], was_cancelled=True)
    there.label("ada", third)
    assert pull(remote, remote_store, NAME).decisions == 1
    assert pull(remote, remote_store, NAME).decisions == 0
    assert [(found.label, found.annotator) for found in labelled_texts(remote_store, NAME)] == [
        (Classes(("pump",)), "lead@example.com")
    ]
    assert labels(remote_store) == {"ada@example.com": ("pump",), "ben@example.com": ("line",)}, "a star changes no label"
    status = project_status(remote_store, NAME)
    assert (status.decisions, status.skipped, status.invalid) == ({"ground truth": 1}, 1, 1)
    listed = CliRunner().invoke(app, ["annotate", "list", "--workspace", str(remote.root)])
    assert f"{NAME} (classification, {there.server.url}): 2 of 3 tasks labelled, 1 by two or more, 1 skipped" in listed.stdout
    there.change("lead", starred, ground_truth=False)
    pull(remote, remote_store, NAME)
    assert project_status(remote_store, NAME).decisions == {}
    with remote_store.session() as session:
        assert [row.method for row in session.scalars(select(DecisionRow))] == ["ground truth"], "the record is kept"


@pytest.fixture
def reviewed(workspace: Workspace, store: Store) -> Path:
    """A review project of files in which one task waits; its folder."""
    create_project(workspace, store, NAME, description=topics("pump", "line"))
    text_tasks(store, NAME, [PlainText("A text.", "1", "texts.jsonl")])
    push(workspace, store, NAME)
    home = workspace.annotation_folder / NAME
    task = json.loads((home / "tasks.jsonl").read_text())
    given = [
        {"id": number, "completed_by": person, "result": result_of(store, task["data"], label)}
        for number, (person, label) in enumerate({"ada": "pump", "ben": "line"}.items())
    ]
    (home / "labels.jsonl").write_text(json.dumps({**task, "annotations": given}) + "\n")
    pull(workspace, store, NAME)
    send_to_review(workspace, store, NAME, find_disputes(store, NAME), expert="expert@example.com")
    return workspace.annotation_folder / "topics review"


def decide(store: Store, home: Path, completed_by: Any, reason: str | None, **more: Any) -> None:
    task = json.loads((home / "tasks.jsonl").read_text())
    result = result_of(store, task["data"], "pump")
    if reason is not None:
        value = {"text": [reason]}
        result.append({"id": "why", "from_name": "reason", "to_name": "text", "type": "textarea", "value": value})
    annotation = {"id": 9, "completed_by": completed_by, "result": result, **more}
    (home / "labels.json").write_text(json.dumps([{**task, "annotations": [annotation]}]))


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_decision_without_a_reason_counts_for_nothing_and_is_reported(
    workspace: Workspace, store: Store, reviewed: Path, reason: str | None
) -> None:
    decide(store, reviewed, "expert@example.com", reason)
    report = pull(workspace, store, "topics review")
    assert report.decisions == 0
    (problem,) = report.problems
    assert "gives no reason" in problem
    assert (project_status(store, "topics review").invalid, project_status(store, NAME).decisions) == (1, {})
    decide(store, reviewed, "expert@example.com", "It says so.")
    assert pull(workspace, store, "topics review").decisions == 1


@pytest.mark.parametrize("known_from", ["people.json", "users", "created_username", "another record"])
def test_an_exports_user_number_and_the_address_are_one_person(
    workspace: Workspace, store: Store, reviewed: Path, known_from: str
) -> None:
    decide(store, reviewed, 6, "It says so.")
    assert pull(workspace, store, "topics review").decisions == 0, "nobody knows who 6 is"
    people = workspace.annotation_folder / "people.json"
    if known_from == "people.json":
        people.write_text('{"6": "expert@example.com"}')
    elif known_from == "users":
        people.write_text('[{"id": 6, "email": "expert@example.com", "username": "e"}]')
    elif known_from == "created_username":
        decide(store, reviewed, 6, "It says so.", created_username="Eva Expert expert@example.com, 6")
    else:
        task = json.loads((reviewed / "tasks.jsonl").read_text())
        other = {"id": 3, "completed_by": {"id": 6, "email": "expert@example.com"}, "result": [], "was_cancelled": True}
        (reviewed / "labels-2.jsonl").write_text(json.dumps({**task, "annotations": [other]}) + "\n")
    assert pull(workspace, store, "topics review").decisions == 1
    assert project_status(store, "topics review").annotators == {"expert@example.com": 1}


@pytest.mark.label_studio
def test_a_pull_from_a_server_keeps_who_is_who_for_later_exports(remote: Workspace, remote_store: Store, there: There) -> None:
    pull(remote, remote_store, NAME)
    known = json.loads((remote.annotation_folder / "people.json").read_text())
    assert set(known.values()) >= {"ada@example.com", "expert@example.com", "lead@example.com"}
