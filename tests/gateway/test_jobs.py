"""Jobs: queued over HTTP, run in processes of their own, followed, stopped, killed and gone on with."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.command_line import run_doyen

from doyen.core.errors import Busy, InputError, NotFoundError, StateError
from doyen.core.jobs import (
    MOST_ATTEMPTS,
    Progress,
    add_job,
    cancel_job,
    claim,
    end_job,
    get_job,
    list_jobs,
    record_progress,
    requeue_interrupted,
    resume_job,
    running_lock,
    startable,
)
from doyen.core.store.schema import JobState
from doyen.platform.jobs.work import _own_files, confined, parse_work

LIMIT_S = 90.0


def wait_for(look: Callable[[], Any]) -> Any:
    """Return what ``look`` gives once it is true."""
    end = time.monotonic() + LIMIT_S
    while not (found := look()):
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)
    return found


# The queue


def test_of_two_jobs_that_need_the_same_one_waits(workspace, store):
    first, second = (add_job(store, "ingest", {"paths": [name]}, "documents") for name in "ab")
    other = add_job(store, "pull", {"project": "p"}, "annotation p")
    assert {job.job_id for job in startable(store)} == {first.job_id, other.job_id}
    with running_lock(workspace, first.job_id):
        assert claim(store, first.job_id).state == JobState.RUNNING
        assert claim(store, first.job_id) is None
        assert claim(store, second.job_id) is None
        assert [job.job_id for job in startable(store)] == [other.job_id]
        end_job(store, first.job_id, JobState.DONE, result={"documents": 3})
    assert get_job(workspace, store, first.job_id).result == {"documents": 3}
    assert claim(store, second.job_id) is not None


def test_many_claims_at_once_give_a_job_to_one(workspace, store):
    job = add_job(store, "ingest", {}, "documents")
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(claim(store, job.job_id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each is not None for each in got) == 1


def test_a_job_without_its_process_is_interrupted_and_goes_on_a_few_times(workspace, store):
    job = add_job(store, "ingest", {}, "documents")
    for attempt in range(1, MOST_ATTEMPTS + 1):
        with running_lock(workspace, job.job_id):
            assert claim(store, job.job_id).attempts == attempt
            assert get_job(workspace, store, job.job_id).state == JobState.RUNNING
            with pytest.raises(Busy), running_lock(workspace, job.job_id):
                pass
        assert get_job(workspace, store, job.job_id).state == JobState.INTERRUPTED
        assert requeue_interrupted(workspace, store) == ([job.job_id] if attempt < MOST_ATTEMPTS else [])
    assert resume_job(workspace, store, job.job_id).state == JobState.QUEUED
    assert claim(store, job.job_id).attempts == 1


def test_what_waits_is_cancelled_at_once_and_what_runs_is_asked(workspace, store):
    waiting, running = (add_job(store, "ingest", {}, name) for name in "ab")
    assert cancel_job(workspace, store, waiting.job_id).state == JobState.CANCELLED
    with running_lock(workspace, running.job_id):
        claim(store, running.job_id)
        assert not record_progress(store, running.job_id, Progress("Embedding", 3, 12, "c.md", 6.0))
        job = cancel_job(workspace, store, running.job_id)
        assert (job.state, job.progress.title, job.progress.seconds_left) == (JobState.RUNNING, "Embedding", 18.0)
        assert record_progress(store, running.job_id, Progress())
        end_job(store, running.job_id, JobState.CANCELLED)
    with pytest.raises(StateError, match="is cancelled already"):
        cancel_job(workspace, store, running.job_id)
    with pytest.raises(NotFoundError, match="there is no job 'x'"):
        get_job(workspace, store, "x")
    assert resume_job(workspace, store, running.job_id).cancel_requested is False
    with pytest.raises(StateError, match="only one that was interrupted, cancelled or failed"):
        resume_job(workspace, store, running.job_id)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", ".doyen/doyen.db", "away/x.md", "nothing.md"])
def test_jobs_read_nothing_outside_the_workspaces_folder(workspace, tmp_path: Path, path: str):
    (tmp_path / "secret").mkdir()
    (workspace.root / "away").symlink_to(tmp_path)
    with pytest.raises(InputError, match=r"is outside the workspace's folder|does not exist below"):
        confined(workspace, path)


def test_stored_work_that_this_version_does_not_know_is_a_sentence():
    with pytest.raises(InputError, match="a job 'dance' with these arguments cannot be run"):
        parse_work("dance", {})
    assert parse_work("pull", {"project": "p"}).resource == "annotation p"


# Over HTTP, in real processes


@pytest.fixture
def documents(workspace) -> Path:
    folder = workspace.root / "documents"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.md").write_text(
            f"# Pump {number}\n\nThe pump {number} runs for {number + 5} hours.\n", encoding="utf-8"
        )
    return folder


def state_of(client: TestClient, job: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
    return found


def test_a_job_is_cancelled_killed_and_goes_on_to_its_end(client: TestClient, workspace, store, documents: Path):
    started = client.post("/v1/jobs", json={"kind": "ingest", "paths": ["documents"]})
    assert started.status_code == 202
    job = started.json()["id"]
    wait_for(lambda: state_of(client, job)["state"] == "running")
    assert client.post(f"/v1/jobs/{job}/cancel").status_code == 200
    wait_for(lambda: state_of(client, job)["state"] == "cancelled")
    assert client.post(f"/v1/jobs/{job}/resume").status_code == 202
    wait_for(lambda: state_of(client, job)["state"] == "running")
    process = client.app.state.services.jobs._processes[job]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert state_of(client, job)["state"] == "interrupted"
    assert "interrupted" in run_doyen("jobs", "list", "--workspace", workspace.root).out
    assert run_doyen("jobs", "resume", job, "--workspace", workspace.root).code == 0
    with client.stream("GET", f"/v1/jobs/{job}/events") as events:
        told = [json.loads(line.removeprefix("data: ")) for line in events.iter_lines() if line]
    assert told[-1]["state"] == "done", told[-1]
    assert told[-1]["result"]["n_documents"] == 40
    assert any(each["progress"]["title"] for each in told)
    lines = client.get(f"/v1/jobs/{job}/log").json()["lines"]
    assert "done" in lines[-1]
    shown = run_doyen("jobs", "show", job, "--workspace", workspace.root, "--json").json
    assert (shown["state"], shown["log"]) == ("done", lines)
    assert [each["id"] for each in client.get("/v1/jobs").json()["data"]] == [job]
    assert [each.job_id for each in list_jobs(workspace, store)] == [job]


def test_what_fails_says_why(client: TestClient):
    job = client.post("/v1/jobs", json={"kind": "pull", "project": "none"}).json()["id"]
    ended = wait_for(lambda: (found := state_of(client, job))["state"] == "failed" and found)
    assert "there is no annotation project 'none'" in ended["error"]


def test_a_training_replays_no_file_from_elsewhere(workspace):
    assert _own_files(workspace, {"rank": 8, "replay": "general"}) == {"rank": 8, "replay": "general"}
    (workspace.root / "general.jsonl").write_text("")
    assert _own_files(workspace, {"replay": "general.jsonl"}) == {"replay": str(workspace.root.resolve() / "general.jsonl")}
    with pytest.raises(InputError):
        _own_files(workspace, {"replay": "/etc/hostname"})


@pytest.mark.parametrize(
    "body",
    [{"kind": "dance"}, {"kind": "ingest"}, {"kind": "ingest", "paths": []}, {"kind": "train", "dataset": "d", "of": "cat"},
     {"kind": "pull", "project": "p", "force": True}, {"kind": "evaluate", "questions": "q", "report": "../x"}],
)  # fmt: skip
def test_wrong_requests_are_refused(client: TestClient, body: dict[str, Any]):
    assert client.post("/v1/jobs", json=body).status_code == 400
    assert client.get("/v1/jobs").json()["data"] == []


def test_only_administrators_see_and_start_jobs(open_gateway: Callable[..., TestClient], workspace):
    client = open_gateway(api_key="owner-key")
    key = run_doyen("keys", "add", "ana", "--workspace", workspace.root, "--json").json["key"]
    for given, code in (("wrong", 401), (key, 403), ("owner-key", 200)):
        headers = {"Authorization": f"Bearer {given}"}
        assert client.get("/v1/jobs", headers=headers).status_code == code
        asked = client.post("/v1/jobs", headers=headers, json={"kind": "pull", "project": "p"})
        assert asked.status_code == (202 if code == 200 else code)
