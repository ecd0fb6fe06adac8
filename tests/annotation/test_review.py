"""Two people disagree, an expert decides, and the decision is what is trained on; the rest is settled by consensus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fake_assistant import FakeAssistant
from support.label_studio import LabelStudioServer
from support.serving import served

from doyen.annotation import (
    LabelDescription,
    OrphanedLabels,
    TaskDescription,
    create_project,
    draft_tasks,
    get_project,
    labelled_pairs,
    labelled_texts,
    project_status,
    pull,
    push,
)
from doyen.annotation.quality.gold import gold_labels, seed_gold
from doyen.annotation.quality.review import accept_consensus, find_disputes, send_to_review
from doyen.annotation.store import task_type_of
from doyen.annotation.types.typed_labels import Classes, LabelledText
from doyen.core.errors import InputError
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, DecisionRow
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.api import create_app

NAME = "topics"
REVIEW = "topics review"


def description(*labels: str) -> TaskDescription:
    return TaskDescription(type="classification", labels=tuple(LabelDescription(name=label) for label in labels))


def classes(store: Store, text: str, label: str) -> list[dict[str, Any]]:
    return task_type_of(get_project(store, NAME)).write(Classes((label,)), {"text": text, "uid": "u"})


def reason(text: str) -> dict[str, Any]:
    return {"id": "why", "from_name": "reason", "to_name": "text", "type": "textarea", "value": {"text": [text]}}


class Remote:
    """The project on the real server, and what people do there."""

    def __init__(self, server: LabelStudioServer, workspace: Workspace, store: Store) -> None:
        self.server, self.workspace, self.store = server, workspace, store

    def tasks(self, name: str) -> list[Any]:
        client = self.server.client("lead@example.com")
        project = int(get_project(self.store, name).external_id or 0)
        return sorted(client.tasks.list(project=project, fields="all"), key=lambda task: task.id)

    def answer(self, person: str, task: Any, result: list[dict[str, Any]]) -> Any:
        return self.server.client(f"{person}@example.com").annotations.create(id=task.id, result=result)


@pytest.fixture
def disputed_project(remote: Workspace, remote_store: Store, label_studio: LabelStudioServer) -> Remote:
    """Two tasks of which the first is labelled differently by two people and the second alike."""
    create_project(remote, remote_store, NAME, description=description("pump", "line", "other"))
    assert draft_tasks(remote_store, NAME) == 3
    push(remote, remote_store, NAME)
    there = Remote(label_studio, remote, remote_store)
    first, second, _ = there.tasks(NAME)
    for person, answers in (("ada", ("pump", "line")), ("ben", ("other", "line"))):
        for task, label in zip((first, second), answers, strict=True):
            there.answer(person, task, classes(remote_store, task.data["text"], label))
    pull(remote, remote_store, NAME)
    return there


@pytest.mark.label_studio
def test_what_an_expert_decides_becomes_the_label_and_keeps_who_when_and_why(disputed_project: Remote) -> None:
    store, workspace = disputed_project.store, disputed_project.workspace
    disputes = find_disputes(store, NAME)
    report = send_to_review(workspace, store, NAME, disputes, expert="expert@example.com")
    assert (report.review, report.sent, report.waiting) == (REVIEW, 1, 0)
    assert send_to_review(workspace, store, NAME, disputes, expert="expert@example.com").waiting == 1
    (task,) = disputed_project.tasks(REVIEW)
    assert task.data["answers"] == {"Answer 1": "pump", "Answer 2": "other"}
    assert len(task.predictions) == 2
    disputed_project.answer("lead", task, [*classes(store, task.data["text"], "line"), reason("not asked")])
    made = disputed_project.answer("expert", task, [*classes(store, task.data["text"], "pump"), reason("It is a pump.")])
    pulled = pull(workspace, store, REVIEW)
    assert pulled.decisions == 1
    (problem,) = pulled.problems
    assert "expert@example.com was asked" in problem
    assert pull(workspace, store, REVIEW).decisions == 0
    with store.session() as session:
        (decision,) = session.scalars(select(DecisionRow))
    assert (decision.method, decision.decided_by, decision.reason) == ("expert", "expert@example.com", "It is a pump.")
    assert len(decision.inputs) == 2
    assert accept_consensus(store, NAME, disputes) == 1
    labels = {(item.label, item.annotator) for item in labelled_texts(store, NAME)}
    assert (Classes(("pump",)), "expert@example.com") in labels
    assert {label for label, _ in labels} == {Classes(("pump",)), Classes(("line",))}
    assert len(labelled_pairs(store, NAME)) == 2
    assert len(list(labelled_texts(store, NAME, decided=False))) == 4, "the annotators' labels stay"
    assert accept_consensus(store, NAME, disputes) == 0
    better = [*classes(store, task.data["text"], "other"), reason("The title says so.")]
    disputed_project.server.client("expert@example.com").annotations.update(id=made.id, result=better)
    assert pull(workspace, store, REVIEW).decisions == 1
    assert project_status(store, NAME).decisions == {"consensus": 1, "expert": 1}
    with store.session() as session:
        assert sorted((row.reason, row.current) for row in session.scalars(select(DecisionRow)) if row.method == "expert") == [
            ("It is a pump.", False),
            ("The title says so.", True),
        ]
    disputed_project.server.client("expert@example.com").annotations.delete(id=made.id)
    pull(workspace, store, REVIEW)
    assert project_status(store, NAME).decisions == {"consensus": 1}
    with pytest.raises(InputError, match="is a review project"):
        send_to_review(workspace, store, REVIEW, [])


@pytest.mark.label_studio
def test_a_description_that_would_orphan_labels_is_refused_with_their_list(disputed_project: Remote) -> None:
    store, workspace = disputed_project.store, disputed_project.workspace
    third = disputed_project.tasks(NAME)[2]
    # This label was never pulled: it lies on the server alone.
    disputed_project.answer("ada", third, classes(store, third.data["text"], "other"))
    before = get_project(store, NAME)
    with pytest.raises(OrphanedLabels, match="drops what labels use") as refused:
        create_project(workspace, store, NAME, description=description("pump", "line", "another"))
    (orphan,) = refused.value.orphans
    assert (orphan.value, orphan.count, len(orphan.tasks)) == ("other", 2, 2)
    assert get_project(store, NAME).config == before.config
    assert "another" not in (
        disputed_project.server.client("lead@example.com").projects.get(id=int(before.external_id)).label_config
    )
    create_project(workspace, store, NAME, description=description("pump", "line", "other", "another"))
    create_project(workspace, store, NAME)
    assert task_type_of(get_project(store, NAME)).description.label_names == ("pump", "line", "other", "another")


@pytest.mark.label_studio
def test_label_studio_shows_fresh_drafts_of_the_gateway(
    remote: Workspace, remote_store: Store, label_studio: LabelStudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOYEN_ANNOTATION__WEBHOOK_SECRET", "of the backend")
    create_project(remote, remote_store, NAME, "sentiment")
    draft_tasks(remote_store, NAME)
    push(remote, remote_store, NAME)
    there = Remote(label_studio, remote, remote_store)
    project = int(get_project(remote_store, NAME).external_id or 0)
    lead = label_studio.client("lead@example.com")
    with served(create_app(Workspace(remote.root), open_model=FakeAssistant)) as gateway:
        backend = lead.ml.create(
            url=f"{gateway}/v1/annotation/ml/{NAME}",
            project=project,
            title="doyen",
            auth_method="BASIC_AUTH",
            basic_auth_user="doyen",
            basic_auth_pass="of the backend",
        )
        lead.projects.update(id=project, model_version="doyen", show_collab_predictions=True)
        task = there.tasks(NAME)[0]
        shown = lead.tasks.get(id=str(task.id))
        lead.actions.create(id="retrieve_tasks_predictions", project=project, selected_items={"all": True, "excluded": []})
        made = [row for task in there.tasks(NAME) for row in task.predictions if row.model_version == "rules-1"]
    again = push(remote, remote_store, NAME, scores=True)
    assert (again.scores > 0, again.kept_model) == (True, "doyen")
    assert lead.projects.get(id=project).model_version == "doyen", "our drafts do not take the project back"
    assert backend.id
    assert shown.id == task.id
    assert made, "the server asked the gateway and stored what it said"


@pytest.fixture
def local(workspace: Workspace, filled: Store) -> Store:
    """A project of files with three drafted tasks."""
    create_project(workspace, filled, NAME, description=description("pump", "line", "other"))
    draft_tasks(filled, NAME)
    return filled


def test_gold_items_look_like_the_others_and_stay_out_of_datasets(workspace: Workspace, local: Store) -> None:
    with local.session() as session:
        task = next(row for row in session.scalars(select(AnnotationTaskRow)) if row.data["source"] == "lines.md")
    items = [LabelledText("g1", task.data["text"], Classes(("line",))), LabelledText("g2", "A pump leaks.", Classes(("pump",)))]
    report = seed_gold(local, NAME, items)
    assert (report.made, report.hidden, report.unchanged) == (1, 1, 0)
    assert seed_gold(local, NAME, items).unchanged == 2
    assert project_status(local, NAME).gold == 2
    known = gold_labels(local, NAME)
    assert known[task.uid] == Classes(("line",))
    push(workspace, local, NAME)
    sent = (workspace.annotation_folder / NAME / "tasks.jsonl").read_text()
    assert "gold" not in sent
    assert sent.count("\n") == 4
    with local.session() as session:
        keys = {tuple(sorted(row.data)) for row in session.scalars(select(AnnotationTaskRow))}
    assert len(keys) == 1, "their data has the same fields"
    assert not any(item.item_id in known for item in labelled_texts(local, NAME))
    wrong = [LabelledText("g3", "Any.", Classes(("line",))), LabelledText("g4", "Text.", known[task.uid]), *items]
    assert seed_gold(local, NAME, wrong).made == 2
