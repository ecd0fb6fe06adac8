"""Against a real Label Studio server: all the way round, and everything that can go wrong on the way."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

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
from doyen.annotation.labelstudio.regions import write_prompt_response
from doyen.annotation.task_types import get_task_type
from doyen.annotation.types.typed_labels import PromptResponse
from doyen.core.errors import DoyenError, ServiceError, StateError, Unauthorized
from doyen.core.progress import Silent
from doyen.core.records import REFUSAL
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

pytestmark = pytest.mark.label_studio
NAME = "pumps"
PROMPTS = [(f"Question {number}?", "manual.md") for number in range(5)]


def project_id(store: Store) -> int:
    with store.session() as session:
        return int(session.get_one(AnnotationProjectRow, NAME).external_id or 0)


def remote_tasks(server: object, store: Store) -> list[object]:
    client = server.client("lead@example.com")
    return sorted(client.tasks.list(project=project_id(store), fields="all"), key=lambda task: task.id)


def set_key(workspace: Workspace, old: str, new: str) -> Workspace:
    path = workspace.root / "doyen.toml"
    path.write_text(path.read_text().replace(old, new))
    return Workspace(workspace.root)


@pytest.fixture
def pushed(remote: Workspace, remote_store: Store) -> Store:
    """A store whose project has its two drafted tasks on the server."""
    create_project(remote, remote_store, NAME)
    draft_tasks(remote_store, NAME)
    assert push(remote, remote_store, NAME).sent == 2
    return remote_store


def test_all_the_way_round(remote: Workspace, pushed: Store, label_studio: object) -> None:
    tasks = remote_tasks(label_studio, pushed)
    assert [len(task.predictions) for task in tasks] == [1, 1]
    task = next(task for task in tasks if task.data["source"] == "manual.md")
    accepted = [dict(region) for region in task.predictions[0].result]
    label_studio.client("ada@example.com").annotations.create(id=task.id, result=accepted)
    passage = task.data["text"]
    start = passage.index("😀")
    marked = {"start": start, "end": start + 10, "text": passage[start : start + 10], "labels": ["evidence"]}
    region = {"id": "ben1", "from_name": "evidence", "to_name": "passage", "type": "labels", "value": marked}
    own = [region, *write_prompt_response(PromptResponse("How warm?", "20 °C 😀\r\ncafe\u0301", True, rating=4), "u")]
    label_studio.client("ben@example.com").annotations.create(id=task.id, result=own)
    report = pull(remote, pushed, NAME)
    assert (report.added, report.problems, report.foreign_tasks) == (2, [], 0)
    pairs = {pair.annotator: pair for pair in labelled_pairs(pushed, NAME)}
    assert pairs["ada@example.com"].evidence == [pairs["ada@example.com"].response]
    assert pairs["ben@example.com"].response == "20 °C 😀\r\ncafe\u0301"
    assert pairs["ben@example.com"].evidence == ["😀 at 20 °C"]
    assert {pair.group for pair in pairs.values()} == {task.data["uid"]}
    status = project_status(pushed, NAME)
    assert status.tasks == {"labelled": 1, "pushed": 1}
    assert status.annotators == {"ada@example.com": 1, "ben@example.com": 1}


def test_pushing_twice_and_after_a_crash_makes_no_duplicates(remote: Workspace, pushed: Store, label_studio: object) -> None:
    assert push(remote, pushed, NAME).sent == 0
    with pushed.session() as session:
        # As after a crash between the server's commit and ours.
        for row in session.scalars(select(AnnotationTaskRow)):
            row.state = "created"
    prompt_tasks(pushed, NAME, PROMPTS[:1])
    report = push(remote, pushed, NAME)
    assert (report.sent, report.already_there) == (1, 2)
    assert len(remote_tasks(label_studio, pushed)) == 3


def test_the_server_dies_during_a_push(
    remote: Workspace, remote_store: Store, label_studio: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KillAfterTwo(Silent):
        done = 0

        def bar(self, title: str, total: float | None) -> object:
            return self

        def __enter__(self) -> object:
            return self

        def __exit__(self, *error: object) -> None:
            return None

        def advance(self, amount: float = 1, note: str = "") -> None:
            self.done += 1
            if self.done == 2:
                label_studio.kill()

    monkeypatch.setattr(sync, "PUSH_BATCH", 1)
    create_project(remote, remote_store, NAME)
    prompt_tasks(remote_store, NAME, PROMPTS)
    try:
        with pytest.raises(ServiceError, match=r"cannot be reached while importing tasks.*run the same command again"):
            push(remote, remote_store, NAME, reporter=KillAfterTwo())
        assert project_status(remote_store, NAME).tasks == {"created": 3, "pushed": 2}
        with pytest.raises(ServiceError, match="cannot be reached"):
            pull(remote, remote_store, NAME)
    finally:
        label_studio.start()
    assert push(remote, remote_store, NAME).sent == 3
    uids = [task.data["uid"] for task in remote_tasks(label_studio, remote_store)]
    assert len(uids) == len(set(uids)) == 5


def test_pull_is_incremental_and_keeps_versions(
    remote: Workspace, pushed: Store, label_studio: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "OVERLAP", sync.timedelta(0))
    first, second = remote_tasks(label_studio, pushed)
    ada = label_studio.client("ada@example.com")
    result = [dict(region) for region in first.predictions[0].result]
    annotation = ada.annotations.create(id=first.id, result=result)
    assert pull(remote, pushed, NAME).changed_tasks == 2
    assert pull(remote, pushed, NAME).changed_tasks == 1, "only the newest change itself is seen again"
    better = copy.deepcopy(result)
    better[-1]["value"]["text"] = ["A better answer."]
    ada.annotations.update(id=annotation.id, result=better)
    report = pull(remote, pushed, NAME)
    assert (report.changed_tasks, report.added, report.updated) == (1, 0, 1)
    assert [pair.response for pair in labelled_pairs(pushed, NAME)] == ["A better answer."]
    assert project_status(pushed, NAME).versions == 2
    ada.annotations.create(id=second.id, result=[], was_cancelled=True)
    ada.annotations.delete(id=annotation.id)
    report = pull(remote, pushed, NAME)
    assert (report.removed, report.skipped) == (1, 1)
    assert labelled_pairs(pushed, NAME) == []
    with pushed.session() as session:
        assert [row.current for row in session.scalars(select(AnnotationRow))] == [False, False]


def test_deleted_and_foreign_tasks(remote: Workspace, pushed: Store, label_studio: object) -> None:
    first, second = remote_tasks(label_studio, pushed)
    lead = label_studio.client("lead@example.com")
    lead.annotations.create(id=first.id, result=[dict(region) for region in first.predictions[0].result])
    pull(remote, pushed, NAME)
    # One deleted, one added by hand: the number of tasks stays the same.
    lead.tasks.delete(id=str(first.id))
    by_hand = dict.fromkeys(second.data, "")
    lead.projects.import_tasks(id=project_id(pushed), request=[{"data": {**by_hand, "uid": None, "text": "by hand"}}])
    report = pull(remote, pushed, NAME)
    assert (report.deleted_tasks, report.removed, report.foreign_tasks) == (1, 1, 1)
    assert project_status(pushed, NAME).tasks == {"deleted": 1, "pushed": 1}
    assert push(remote, pushed, NAME).sent == 0, "what someone deleted is not forced back on them"


def test_a_project_deleted_behind_our_back_keeps_its_labels(remote: Workspace, pushed: Store, label_studio: object) -> None:
    task = remote_tasks(label_studio, pushed)[0]
    lead = label_studio.client("lead@example.com")
    lead.annotations.create(id=task.id, result=[dict(region) for region in task.predictions[0].result])
    pull(remote, pushed, NAME)
    before = labelled_pairs(pushed, NAME)
    lead.projects.delete(id=project_id(pushed))
    for act in (push, pull):
        with pytest.raises(StateError, match="is gone: make it again with `doyen annotate create`"):
            act(remote, pushed, NAME)
    assert create_project(remote, pushed, NAME).tasks == {"created": 2}
    assert push(remote, pushed, NAME).sent == 2
    report = pull(remote, pushed, NAME)
    assert (report.changed_tasks, report.removed) == (2, 0)
    assert [pair.response for pair in labelled_pairs(pushed, NAME)] == [pair.response for pair in before]


def test_creating_again_finds_the_same_project(remote: Workspace, pushed: Store, label_studio: object) -> None:
    known = project_id(pushed)
    with pushed.session() as session:
        # As after a crash between making it there and noting its id here.
        session.get_one(AnnotationProjectRow, NAME).external_id = None
    create_project(remote, pushed, NAME)
    assert project_id(pushed) == known
    assert push(remote, pushed, NAME).already_there == 0


def test_another_workspaces_project_of_that_name_is_left_alone(
    remote: Workspace, pushed: Store, label_studio: object, store: Store, workspace: Workspace
) -> None:
    settings = (remote.root / "doyen.toml").read_text().split("[annotation]")[-1]
    with (workspace.root / "doyen.toml").open("a") as target:
        target.write("\n[annotation]" + settings)
    create_project(Workspace(workspace.root), store, NAME)
    assert project_id(store) != project_id(pushed)


def test_keys_and_addresses_that_do_not_work(remote: Workspace, pushed: Store, label_studio: object) -> None:
    person = label_studio.tokens["lead@example.com"]
    legacy = set_key(remote, person["token"], person["legacy"])
    assert pull(legacy, pushed, NAME).changed_tasks == 2, "legacy tokens work where they are allowed"
    for wrong, reason in (
        (person["token"][:-4] + "AAAA", "refused the key"),
        ("f" * 40, "refused the key"),
        ("", "no key is set"),
    ):
        broken = set_key(legacy, person["legacy"], wrong)
        with pytest.raises(Unauthorized, match=f"{reason}.*DOYEN_ANNOTATION__LABEL_STUDIO_API_KEY"):
            push(broken, pushed, NAME)
        legacy = set_key(broken, f'api_key = "{wrong}"', f'api_key = "{person["legacy"]}"')
    moved = set_key(remote, label_studio.url, "http://127.0.0.1:9")
    with pytest.raises(StateError, match=r"was made on .* but the settings name http://127\.0\.0\.1:9"):
        push(moved, pushed, NAME)
    with pytest.raises(ServiceError, match="cannot be reached while opening the project"):
        create_project(moved, pushed, NAME)
    with pytest.raises(DoyenError, match="label_studio_url: it must be a url like http://host:port"):
        create_project(set_key(moved, "http://127.0.0.1:9", "localhost"), pushed, NAME)


def test_the_server_validates_configuration_and_predictions(remote: Workspace, pushed: Store, label_studio: object) -> None:
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface(get_task_type("prompt-response").config)
    for task in remote_tasks(label_studio, pushed):
        prediction = {"model_version": "rules-1", "score": 0.5, "result": task.predictions[0].result}
        assert interface.validate_prediction(prediction, return_errors=True) == []
    assert label_studio.client("lead@example.com").projects.get(id=project_id(pushed)).sampling == "Uncertainty sampling"


def test_task_files_can_be_imported_into_label_studio_by_hand(
    workspace: Workspace, filled: Store, label_studio: object, tmp_path: Path
) -> None:
    create_project(workspace, filled, NAME)
    draft_tasks(filled, NAME)
    push(workspace, filled, NAME)
    home = workspace.annotation_folder / NAME
    lead = label_studio.client("lead@example.com")
    made = lead.projects.create(title="by hand", label_config=(home / "labelling-config.xml").read_text())
    token = label_studio.tokens["lead@example.com"]["legacy"]
    # Label Studio's import screen takes one JSON list; docs/annotation.md has the line that makes it.
    lines = (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "tasks.json").write_text(json.dumps([json.loads(line) for line in lines]))
    with (tmp_path / "tasks.json").open("rb") as upload:
        answer = httpx.post(
            f"{label_studio.url}/api/projects/{made.id}/import",
            headers={"Authorization": f"Token {token}"},
            files={"file": ("tasks.json", upload, "application/json")},
            timeout=60,
        )
    assert answer.json()["task_count"] == 2
    tasks = list(lead.tasks.list(project=made.id, fields="all"))
    refusal = write_prompt_response(PromptResponse("Q?", REFUSAL, False), "u")
    label_studio.client("ben@example.com").annotations.create(id=tasks[0].id, result=refusal)
    (home / "labels.json").write_text(json.dumps(lead.projects.exports.as_json(made.id)))
    assert pull(workspace, filled, NAME).added == 1
    assert [pair.answerable for pair in labelled_pairs(filled, NAME)] == [False]


def test_files_and_server_give_the_same_pairs(remote: Workspace, pushed: Store, label_studio: object, tmp_path: Path) -> None:
    tasks = remote_tasks(label_studio, pushed)
    for task in tasks:
        result = [dict(region) for region in task.predictions[0].result]
        label_studio.client("ada@example.com").annotations.create(id=task.id, result=result)
    pull(remote, pushed, NAME)
    exported = label_studio.client("lead@example.com").projects.exports.as_json(project_id(pushed))
    settings = (remote.root / "doyen.toml").read_text().split("[annotation]")[0]
    (remote.root / "doyen.toml").write_text(settings)
    local = Workspace(remote.root)
    create_project(local, pushed, NAME)
    before = labelled_pairs(pushed, NAME)
    (local.annotation_folder / NAME / "labels.json").write_text(json.dumps(exported))
    with pushed.session() as session:
        for row in session.scalars(select(AnnotationRow)):
            row.current = False
    assert pull(local, pushed, NAME).added == 2
    after = labelled_pairs(pushed, NAME)
    kept = {"prompt", "response", "source", "evidence", "group"}
    assert sorted(pair.model_dump_json(include=kept) for pair in after) == sorted(
        pair.model_dump_json(include=kept) for pair in before
    )


def test_a_short_name_gets_a_title_that_the_server_takes(remote: Workspace, remote_store: Store) -> None:
    create_project(remote, remote_store, "qa")
    draft_tasks(remote_store, "qa", limit=1)
    assert push(remote, remote_store, "qa").sent == 1
    create_project(remote, remote_store, "qa")
    assert push(remote, remote_store, "qa").sent == 0, "found again under its title"
