"""Annotation projects over HTTP: progress, labelling without a server, agreement, disputes and their decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.task_labels import TASK_TYPES

from doyen.annotation import create_project, get_task_type, read_labels
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.tasks import text_tasks
from doyen.annotation.texts import PlainText
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.typed_labels import LabelledText
from doyen.core.store import Store
from doyen.core.store.document_access import Assigned
from doyen.core.store.schema import AccessOrigin
from doyen.core.workspace import Workspace
from doyen.ingestion.ingest import ingest_bytes
from doyen.platform.serving.keys import add_key

PROJECTS = "/v1/annotation/projects"
TOPICS = {"type": "classification", "labels": [{"name": "pump"}, {"name": "<b>line</b>"}]}


@pytest.fixture
def topics(client: TestClient, workspace: Workspace) -> TestClient:
    """A gateway over a project of four texts, each for two people."""
    store = client.app.state.services.store
    make(workspace, store, "topics", TOPICS, [f"Text {number} <script>x</script>" for number in range(4)], share=1.0)
    return client


def make(workspace: Workspace, store: Store, name: str, raw: dict[str, Any], texts: list[str], share: float = 0.0) -> None:
    description = parse_description(raw, name)
    create_project(workspace, store, name, description=description, share=share)
    text_tasks(store, name, [PlainText(text, text, "t") for text in texts])
    create_project(workspace, store, name)


def next_of(client: TestClient, project: str, annotator: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{PROJECTS}/{project}/next", params={"annotator": annotator, **options}).json()
    return found


def give(client: TestClient, project: str, uid: str, annotator: str, label: dict[str, Any], reason: str = "") -> Any:
    body = {"label": label, "annotator": annotator, "reason": reason}
    return client.post(f"{PROJECTS}/{project}/tasks/{uid}/label", json=body)


def test_two_people_label_all_texts_and_an_expert_decides(topics: TestClient) -> None:
    assert next_of(topics, "topics", "ada")["progress"] == {"tasks": 4, "labelled": 0, "own": 0, "waiting": 4}
    answers = {"ada": ["pump"] * 4, "ben": ["pump", "pump", "pump", "<b>line</b>"]}
    for person, classes in answers.items():
        for name in classes:
            uid = next_of(topics, "topics", person)["task"]["uid"]
            assert give(topics, "topics", uid, person, {"labels": [name]}).json()["change"] == "added"
        assert next_of(topics, "topics", person)["task"] is None
    assert next_of(topics, "topics", "eve")["task"] is None, "two people were asked, and two have answered"
    project = topics.get(PROJECTS).json()["data"][0]
    assert (project["labelled"], project["tasks"], project["status"]["labelled_twice"], project["url"]) == (4, 4, 4, None)
    report = topics.get(f"{PROJECTS}/topics/agreement").json()["report"]
    assert (report["shared"], report["primary"], len(report["pairs"])) == (4, "alpha", 1)

    (dispute,) = topics.get(f"{PROJECTS}/topics/disputes").json()["data"]
    assert sorted(dispute["answers"]) == ["<b>line</b>", "pump"]
    assert "ada" not in str(dispute), "an expert judges answers, not people"
    topics.app.state.services.doyen.annotate.adjudicate("topics")
    found = next_of(topics, "topics review", "eve")["task"]
    assert [answer["described"] for answer in found["answers"]] == dispute["answers"]
    refused = give(topics, "topics review", found["uid"], "eve", {"labels": ["pump"]})
    assert refused.status_code == 400
    assert "gives no reason" in refused.json()["error"]["message"]
    assert give(topics, "topics review", found["uid"], "eve", {"labels": ["pump"]}, "It says pump.").status_code == 201
    (decided,) = topics.get(f"{PROJECTS}/topics/disputes").json()["data"]
    assert decided["decision"] == {"label": "pump", "method": "expert", "by": "eve", "reason": "It says pump."}
    assert topics.get(f"{PROJECTS}/topics%20review").json()["reviews"] == "topics"


def test_a_second_label_is_a_new_version_and_what_is_put_off_comes_last(topics: TestClient) -> None:
    first = next_of(topics, "topics", "ada")["task"]["uid"]
    second = next_of(topics, "topics", "ada", skipped=[first])["task"]["uid"]
    assert second != first
    for name, change in (("pump", "added"), ("<b>line</b>", "updated"), ("<b>line</b>", "unchanged")):
        assert give(topics, "topics", second, "ada", {"labels": [name]}).json()["change"] == change
    again = topics.get(f"{PROJECTS}/topics/tasks/{second}", params={"annotator": "ada"}).json()
    assert again["task"]["label"] == {"labels": ["<b>line</b>"]}
    assert topics.get(PROJECTS).json()["data"][0]["status"]["versions"] == 2


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ({"labels": ["nothing"]}, "there is no class 'nothing'"),
        ({"labels": []}, "no class was chosen"),
        ({"labels": 3}, "does not have the fields"),
        ({"regions": []}, "does not have the fields"),
        ({"labels": ["pump", "pump"]}, "is given twice"),
    ],
)
def test_what_is_no_label_is_refused_with_a_sentence(topics: TestClient, label: dict[str, Any], said: str) -> None:
    uid = next_of(topics, "topics", "ada")["task"]["uid"]
    refused = give(topics, "topics", uid, "ada", label)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]
    assert give(topics, "topics", "nobody", "ada", {"labels": ["pump"]}).status_code == 404
    assert topics.get(PROJECTS).json()["data"][0]["labelled"] == 0


@pytest.mark.parametrize("kind", sorted({task_type.name for task_type in TASK_TYPES.values()}))
def test_labels_of_every_type_are_those_that_come_from_elsewhere(client: TestClient, workspace: Workspace, kind: str) -> None:
    """The draft of a task, given as a label over HTTP, is the same pair as the same label from a file."""
    labels = [{"name": "PART", "examples": ["pump"]}, {"name": "OTHER"}] if kind in {"classification", "entities"} else None
    raw = {"type": kind, **({"labels": labels} if labels else {})}
    text = "The sample pump 😀 must be replaced every 4,000 hours. It is good."
    store = client.app.state.services.store
    for name in ("here", "there"):
        make(workspace, store, name, raw, [text])
    task = next_of(client, "here", "ada")["task"]
    assert task["draft"] is not None, "the rules find something in this text"
    assert give(client, "here", task["uid"], "ada", task["draft"]).status_code == 201
    task_type = get_task_type(kind, parse_description(raw, kind))
    other = next_of(client, "there", "ada")["task"]
    drafted = task_type.stored({"label": task["draft"], "problems": [], "reason": ""}).label
    assert drafted is not None
    store_labels(workspace, store, "there", [LabelledText(other["uid"], text, drafted, "ada")])
    here, there = (read_labels(store, name).pairs[0] for name in ("here", "there"))
    assert here.model_copy(update={"id": "", "created_at": None, "group": None}) == there.model_copy(
        update={"id": "", "created_at": None, "group": None}
    )


def test_keys_say_who_labels_and_whether(open_gateway: Callable[..., TestClient], workspace: Workspace) -> None:
    client = open_gateway()
    store = client.app.state.services.store
    make(workspace, store, "topics", TOPICS, ["A text"])
    headers = {"Authorization": f"Bearer {add_key(workspace, 'ann', labels=True)}"}
    found = client.get(f"{PROJECTS}/topics/next", params={"annotator": "somebody else"}, headers=headers).json()
    assert found["annotator"] == "ann"
    body = {"label": {"labels": ["pump"]}, "annotator": "somebody else"}
    stored = client.post(f"{PROJECTS}/topics/tasks/{found['task']['uid']}/label", json=body, headers=headers)
    assert stored.json()["annotator"] == "ann"
    headers = {"Authorization": f"Bearer {add_key(Workspace(workspace.root), 'bob')}"}
    refused = client.get(PROJECTS, headers=headers)
    assert (refused.status_code, "labels = true" in refused.json()["error"]["message"]) == (403, True)
    # A document with groups is not told of by another answer, nor are its texts shown once it is removed.
    ingest_bytes(workspace, store, "secret.md", b"# Secret", assigned=Assigned(frozenset({"hr"}), AccessOrigin.API))
    assert client.get(PROJECTS, headers=headers).json() == refused.json()
