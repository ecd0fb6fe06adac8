"""Webhooks are hints: whoever calls, however often and in whatever order, only the moment of a pull changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from support.fake_assistant import QUOTE, TEXT

from doyen.annotation import create_project, get_project, project_status
from doyen.annotation.store import task_type_of
from doyen.core.errors import Busy, ServiceError
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.pulls import PullScheduler

SECRET = "a secret of the hook"
HOOK = "/v1/annotation/webhook?project=pumps"


@pytest.fixture
def hooked(open_gateway: Callable[..., TestClient], workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A gateway with an API key, a webhook secret and a project, whose pulls come at once."""
    monkeypatch.setenv("DOYEN_ANNOTATION__WEBHOOK_SECRET", SECRET)
    client = open_gateway(api_key="the key")
    services = client.app.state.services
    services.pulls._delay_s = 0.0
    create_project(services.workspace, services.store, "pumps")
    return client


def test_without_a_secret_nothing_listens(client: TestClient) -> None:
    assert client.post(HOOK, headers={"X-Doyen-Secret": ""}).status_code == 404


@pytest.mark.parametrize("given", [None, "", "a secret", SECRET + " ", "wörter"])
def test_forged_calls_are_refused_and_pull_nothing(hooked: TestClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Doyen-Secret": given.encode("latin-1")}
    assert hooked.post(HOOK, headers=headers, json={"action": "ANNOTATIONS_DELETED"}).status_code == 403
    assert not hooked.app.state.services.pulls._due
    assert project_status(hooked.app.state.services.store, "pumps").synced_at is None


def test_a_hint_is_answered_at_once_and_needs_no_api_key(hooked: TestClient) -> None:
    pulled = threading.Event()
    hooked.app.state.services.pulls._pull = lambda project: pulled.set()
    answer = hooked.post(HOOK, headers={"X-Doyen-Secret": SECRET}, content=b"not even JSON")
    assert (answer.status_code, answer.json()["project"]) == (202, "pumps")
    assert pulled.wait(5)
    assert hooked.get("/v1/models").status_code == 401, "other paths still ask for the key"


def test_hints_of_other_projects_and_bodies_too_large(hooked: TestClient) -> None:
    headers = {"X-Doyen-Secret": SECRET}
    assert hooked.post("/v1/annotation/webhook?project=nobody", headers=headers).status_code == 404
    assert hooked.post("/v1/annotation/webhook", headers=headers).status_code == 400
    assert hooked.post(HOOK, headers=headers, content=b"x" * 2_000_001).status_code == 413


class Pulls:
    """Counts pulls; each waits until it is let go."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.error: Exception | None = None

    def __call__(self, project: str) -> None:
        self.begun.release()
        assert self.go.acquire(timeout=5)
        self.done.append(project)
        if self.error is not None:
            error, self.error = self.error, None
            raise error


@pytest.fixture
def pulls() -> Iterator[tuple[Pulls, PullScheduler]]:
    count = Pulls()
    scheduler = PullScheduler(count, delay_s=0.0)
    yield count, scheduler
    scheduler.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_repeated_hints_become_one_running_and_one_waiting_pull(pulls: tuple[Pulls, PullScheduler]) -> None:
    count, scheduler = pulls
    assert scheduler.hint("a")
    assert count.begun.acquire(timeout=5)
    assert [scheduler.hint("a") for _ in range(100)] == [True] + [False] * 99
    count.go.release()
    count.go.release()
    wait_for(lambda: len(count.done) == 2)
    time.sleep(0.05)
    assert count.done == ["a", "a"]


def test_projects_wait_for_each_other_and_errors_end_nothing(pulls: tuple[Pulls, PullScheduler]) -> None:
    count, scheduler = pulls
    for error in (ServiceError("away"), Busy("by hand"), ValueError("a fault")):
        count.error = error
        scheduler.hint("a")
        assert count.begun.acquire(timeout=5)
        scheduler.hint("b")
        for _ in range(2 + isinstance(error, Busy)):
            count.go.release()
        wait_for(lambda: not scheduler._due and count.done[-1] in {"a", "b"} and "b" in count.done)
    wait_for(lambda: len(count.done) == 7)
    assert (count.done.count("a"), count.done.count("b")) == (4, 3), "a busy project is tried again"


def test_a_burst_waits_for_its_end_but_not_for_ever() -> None:
    done: list[float] = []
    scheduler = PullScheduler(lambda project: done.append(time.monotonic()), delay_s=0.2)
    started = time.monotonic()
    while time.monotonic() - started < 0.5:
        scheduler.hint("a")
        time.sleep(0.01)
    wait_for(lambda: not scheduler._due)
    scheduler.close()
    assert 2 <= len(done) <= 4
    assert done[0] - started >= 0.2


BACKEND = "/v1/annotation/ml/pumps"
AUTH = ("label studio", SECRET)


def test_the_ml_backend_asks_for_its_secret(hooked: TestClient, client: TestClient) -> None:
    assert hooked.get(f"{BACKEND}/health").status_code == 403
    assert hooked.get(f"{BACKEND}/health", auth=("any", "wrong")).status_code == 403
    assert hooked.get(f"{BACKEND}/health", headers={"Authorization": "Bearer the key"}).status_code == 403
    assert hooked.get(f"{BACKEND}/health", auth=AUTH).json()["status"] == "UP"
    assert hooked.get("/v1/annotation/ml/nobody/health", auth=AUTH).status_code == 404


def test_drafts_come_from_the_assistant_and_fit_the_task(hooked: TestClient) -> None:
    hooked.app.state.services.assistant()
    version = hooked.post(f"{BACKEND}/setup", auth=AUTH, json={"access_token": "theirs"}).json()["model_version"]
    assert version == "assistant fake"
    data = {"uid": "u1", "text": f"Chapter 4. {TEXT}", "prompt": "How often is the filter changed?"}
    tasks = [
        {"id": 1, "data": data},
        {"id": 2, "data": {"text": "of somebody else"}},
        {"id": 3, "data": {**data, "prompt": ""}},
    ]
    answer = hooked.post(f"{BACKEND}/predict", auth=AUTH, json={"tasks": tasks, "project": "1.2", "params": {}})
    first, foreign, asked = answer.json()["results"]
    assert first["model_version"] == version
    values = {region["from_name"]: region["value"] for region in first["result"]}
    assert values["prompt"]["text"] == ["How often is the filter changed?"]
    assert values["response"]["text"] == ["Every 400 hours, and note it in the log."]
    marked = values["evidence"]
    assert data["text"][marked["start"] : marked["end"]] == QUOTE
    assert 0.5 < first["score"] < 1, "the answer stands in the passages nearly word for word"
    elsewhere = {"id": 4, "data": {**data, "prompt": "Which colour has the lid of the compressor?"}}
    refused = {"id": 5, "data": {**data, "prompt": "Is it unknown?"}}
    answer = hooked.post(f"{BACKEND}/predict", auth=AUTH, json={"tasks": [elsewhere, refused]})
    astray, none = (draft["score"] for draft in answer.json()["results"])
    assert none == 0 < astray < first["score"], "a quote alone is no certainty: this one does not speak of the question"
    assert foreign == {"model_version": version, "score": 0.0, "result": []}
    assert next(region for region in asked["result"] if region["from_name"] == "prompt")["value"]["text"] != [""]
    assert hooked.post(f"{BACKEND}/predict", auth=AUTH, json={"tasks": [{}] * 501}).status_code == 400


def test_other_task_types_are_drafted_by_rule(hooked: TestClient) -> None:
    services = hooked.app.state.services
    services.assistant()
    create_project(services.workspace, services.store, "moods", "sentiment")
    url = "/v1/annotation/ml/moods"
    assert hooked.post(f"{url}/setup", auth=AUTH, json={}).json()["model_version"] == "rules-1"
    data = {"uid": "u1", "text": "The new pump is excellent and we love it."}
    (draft,) = hooked.post(f"{url}/predict", auth=AUTH, json={"tasks": [{"id": 1, "data": data}]}).json()["results"]
    assert task_type_of(get_project(services.store, "moods")).problems(draft["result"], data) == []
    assert draft["result"]


def test_tasks_that_are_left_when_time_is_up_wait_for_nobody(hooked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doyen.platform.serving.gateway.annotation_routes.DRAFT_LIMIT_S", 0.0)
    services = hooked.app.state.services

    def place() -> None:
        raise AssertionError("nothing is left to be drafted")

    monkeypatch.setattr(services.limiter, "place", place)
    tasks = [{"id": 1, "data": {"uid": "u1", "text": TEXT}}, {"id": 2, "data": {"uid": "u2", "text": TEXT}}]
    answer = hooked.post(f"{BACKEND}/predict", auth=AUTH, json={"tasks": tasks})
    assert [draft["result"] for draft in answer.json()["results"]] == [[], []]
