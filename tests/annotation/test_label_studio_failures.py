"""What goes wrong between a real Label Studio server and a sync, and what is left afterwards: nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from support.label_studio import LabelStudioServer

from doyen.annotation import (
    create_project,
    draft_tasks,
    labelled_pairs,
    project_status,
    prompt_tasks,
    pull,
    push,
    sync,
)
from doyen.annotation.labelstudio import client as backend_module
from doyen.annotation.labelstudio.regions import write_prompt_response
from doyen.annotation.types.typed_labels import PromptResponse
from doyen.core.errors import ServiceError, Unauthorized
from doyen.core.progress import Silent
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

pytestmark = pytest.mark.label_studio
NAME = "failures"


class Acting(Silent):
    """Does something each time a batch is through."""

    def __init__(self, act: Callable[[int], None]) -> None:
        self.act, self.done = act, 0

    def bar(self, title: str, total: float | None) -> Any:
        return self

    def __enter__(self) -> Acting:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def advance(self, amount: float = 1, note: str = "") -> None:
        self.done += 1
        self.act(self.done)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One task at a time, so that a sync can be caught in its middle."""
    for module, name in ((sync, "PUSH_BATCH"), (sync, "PULL_BATCH"), (backend_module, "PAGE"), (backend_module, "LIGHT_PAGE")):
        monkeypatch.setattr(module, name, 1)


@pytest.fixture
def labelled(remote: Workspace, remote_store: Store, label_studio: LabelStudioServer) -> Store:
    """Four pushed tasks, the first three labelled by two people."""
    create_project(remote, remote_store, NAME)
    prompt_tasks(remote_store, NAME, [(f"Question {number}?", "manual.md") for number in range(4)])
    push(remote, remote_store, NAME)
    for person in ("ada", "ben"):
        client = label_studio.client(f"{person}@example.com")
        for task in tasks_there(label_studio, remote_store)[:3]:
            client.annotations.create(id=task.id, result=answer(f"{person} on {task.data['prompt']}"))
    return remote_store


def answer(text: str) -> list[dict[str, Any]]:
    return write_prompt_response(PromptResponse("Q?", text, True), "u")


def project_id(store: Store) -> int:
    with store.session() as session:
        return int(session.get_one(AnnotationProjectRow, NAME).external_id or 0)


def tasks_there(server: LabelStudioServer, store: Store) -> list[Any]:
    client = server.client("lead@example.com")
    return sorted(client.tasks.list(project=project_id(store), fields="all"), key=lambda task: task.id)


@pytest.mark.usefixtures("small_pages")
def test_the_server_dies_during_a_pull_and_comes_back(
    remote: Workspace, labelled: Store, label_studio: LabelStudioServer
) -> None:
    def kill_after_two(done: int) -> None:
        if done == 2:
            label_studio.kill()

    try:
        with pytest.raises(ServiceError, match=r"cannot be reached while reading tasks.*run the same command again"):
            pull(remote, labelled, NAME, reporter=Acting(kill_after_two))
    finally:
        label_studio.start()
    half = len(labelled_pairs(labelled, NAME))
    assert 0 < half < 6
    assert project_status(labelled, NAME).synced_at is None, "nothing counts as seen"
    assert pull(remote, labelled, NAME).added == 6 - half
    assert len(labelled_pairs(labelled, NAME)) == 6
    assert project_status(labelled, NAME).annotators == {"ada@example.com": 3, "ben@example.com": 3}
    assert pull(remote, labelled, NAME).added == 0


@pytest.mark.usefixtures("small_pages")
def test_tasks_and_labels_change_while_a_pull_walks(
    remote: Workspace, labelled: Store, label_studio: LabelStudioServer
) -> None:
    first, second, *_ = tasks_there(label_studio, labelled)
    lead = label_studio.client("lead@example.com")

    def change(done: int) -> None:
        if done == 1:
            lead.tasks.delete(id=str(first.id))
            lead.annotations.delete(id=second.annotations[0]["id"])
            lead.annotations.create(id=second.id, result=answer("late"))

    pull(remote, labelled, NAME, reporter=Acting(change))
    pull(remote, labelled, NAME)
    assert project_status(labelled, NAME).tasks == {"deleted": 1, "labelled": 2, "pushed": 1}
    there = [row for task in tasks_there(label_studio, labelled) for row in task.annotations]
    responses = [pair.response for pair in labelled_pairs(labelled, NAME)]
    assert sorted(responses) == sorted(row["result"][1]["value"]["text"][0] for row in there)
    assert "late" in responses


def test_a_token_that_was_withdrawn_changes_nothing(
    remote: Workspace, remote_store: Store, label_studio: LabelStudioServer
) -> None:
    gone, lead = (label_studio.tokens[f"{name}@example.com"]["token"] for name in ("gone", "lead"))
    settings = remote.root / "doyen.toml"
    settings.write_text(settings.read_text().replace(lead, gone))
    theirs = Workspace(remote.root)
    create_project(theirs, remote_store, NAME)
    prompt_tasks(remote_store, NAME, [("Question?", "manual.md")])
    push(theirs, remote_store, NAME)
    access = httpx.post(f"{label_studio.url}/api/token/refresh/", json={"refresh": gone}, timeout=30).json()["access"]
    withdrawn = httpx.post(
        f"{label_studio.url}/api/token/blacklist/",
        json={"refresh": gone},
        headers={"Authorization": f"Bearer {access}"},
        timeout=30,
    )
    assert withdrawn.is_success
    for act in (pull, push):
        with pytest.raises(Unauthorized, match=r"refused the key.*DOYEN_ANNOTATION__LABEL_STUDIO_API_KEY"):
            act(theirs, remote_store, NAME)
    assert project_status(remote_store, NAME).tasks == {"pushed": 1}
    settings.write_text(settings.read_text().replace(gone, lead))
    assert pull(Workspace(remote.root), remote_store, NAME).changed_tasks == 1


def test_a_task_deleted_before_the_first_pull_is_noticed(
    remote: Workspace, remote_store: Store, label_studio: LabelStudioServer
) -> None:
    create_project(remote, remote_store, NAME)
    draft_tasks(remote_store, NAME)
    push(remote, remote_store, NAME)
    first, _ = tasks_there(label_studio, remote_store)
    label_studio.client("lead@example.com").tasks.delete(id=str(first.id))
    assert pull(remote, remote_store, NAME).deleted_tasks == 1
    assert project_status(remote_store, NAME).tasks == {"deleted": 1, "pushed": 1}


def test_of_two_tasks_with_one_uid_one_is_deleted(remote: Workspace, labelled: Store, label_studio: LabelStudioServer) -> None:
    first = tasks_there(label_studio, labelled)[0]
    lead, ada = label_studio.client("lead@example.com"), label_studio.client("ada@example.com")
    (again,) = lead.projects.import_tasks(
        id=project_id(labelled), request=[{"data": first.data}], return_task_ids=True
    ).task_ids
    ada.annotations.create(id=again, result=answer("on the copy"))
    assert pull(remote, labelled, NAME).added == 7
    lead.tasks.delete(id=str(again))
    report = pull(remote, labelled, NAME)
    assert (report.removed, report.deleted_tasks) == (1, 0)
    assert "on the copy" not in {pair.response for pair in labelled_pairs(labelled, NAME)}
    with labelled.session() as session:
        assert len(list(session.scalars(select(AnnotationRow)))) == 7, "the record is kept"


def test_the_least_certain_task_is_served_first_and_new_scores_change_the_order(
    remote: Workspace, remote_store: Store, label_studio: LabelStudioServer
) -> None:
    create_project(remote, remote_store, NAME)
    prompt_tasks(remote_store, NAME, [(f"Question {number}?", "manual.md") for number in range(3)])
    set_scores(remote_store, {"Question 0?": 0.8, "Question 1?": 0.2, "Question 2?": 0.5})
    push(remote, remote_store, NAME)
    assert served(label_studio, remote_store, "ada") == "Question 1?"
    set_scores(remote_store, {"Question 0?": 0.1, "Question 1?": 0.9, "Question 2?": 0.5})
    assert push(remote, remote_store, NAME, scores=True).scores == 3
    assert served(label_studio, remote_store, "ben") == "Question 0?"
    prompt_tasks(remote_store, NAME, [("Question 3?", "manual.md")])
    set_scores(remote_store, {"Question 3?": 0.05})
    assert push(remote, remote_store, NAME).sent == 1
    assert served(label_studio, remote_store, "expert") == "Question 3?", "new tasks join the version that is shown"


def set_scores(store: Store, scores: dict[str, float]) -> None:
    with store.session() as session:
        for row in session.scalars(select(AnnotationTaskRow)):
            if row.data["prompt"] in scores:
                row.predictions = [{**draft, "score": scores[row.data["prompt"]]} for draft in row.predictions]


def served(server: LabelStudioServer, store: Store, person: str) -> str:
    """Return the question of the task that the server gives to a person, who then holds it for a while."""
    token = server.tokens[f"{person}@example.com"]["legacy"]
    answer = httpx.get(
        f"{server.url}/api/projects/{project_id(store)}/next", headers={"Authorization": f"Token {token}"}, timeout=30
    )
    return str(answer.json()["data"]["prompt"])


def test_files_of_a_left_server_stay_out_of_reach(remote: Workspace, labelled: Store, tmp_path: Path) -> None:
    pull(remote, labelled, NAME)
    settings = remote.root / "doyen.toml"
    settings.write_text(settings.read_text().split("[annotation]")[0])
    local = Workspace(remote.root)
    create_project(local, labelled, NAME)
    assert push(local, labelled, NAME).sent == 4
    assert pull(local, labelled, NAME).removed == 0
    assert len(labelled_pairs(labelled, NAME)) == 6
