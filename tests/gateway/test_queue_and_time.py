"""A request's place in the queue and its time: given up when its client leaves, kept when the model hangs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from support.fake_assistant import FakeAssistant
from support.serving import served

from doyen.core.workspace import FILE_NAME, Workspace
from doyen.platform.serving.gateway.api import create_app

CHAT = {"model": "base", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
WORKER = "doyen.platform.serving.engines.llamacpp_worker"
SECRETS = {"DOYEN_SERVING__API_KEY": "s3cret-one", "AWS_SECRET_ACCESS_KEY": "s3cret-two", "NVIDIA_API_KEY": "s3cret-three"}


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def with_settings(workspace: Workspace, **serving: object) -> Workspace:
    lines = "\n".join(f"{name} = {value}" for name, value in serving.items())
    (workspace.root / FILE_NAME).write_text(f'name = "test"\n[serving]\n{lines}\n', encoding="utf-8")
    return Workspace(workspace.root)


@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_leave_give_their_places_up(workspace: Workspace, stream: bool) -> None:
    app = create_app(with_settings(workspace, max_concurrent=1, max_waiting=20), open_model=FakeAssistant)
    with served(app) as url:
        services = app.state.services
        assistant, limiter = services.assistant(), services.limiter
        assistant.gate.clear()
        where = httpx.URL(url)
        body = httpx.Request("POST", url, json={**CHAT, "stream": stream}).content
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        opened = []
        for count in range(1, 22):
            one = socket.create_connection((where.host, where.port))
            one.sendall(head.replace("Host: x", "Host: 127.0.0.1").encode() + b"\r\n\r\n" + body)
            opened.append(one)
            wait_until(lambda count=count: limiter.running + limiter.waiting == count)
        assert httpx.post(f"{url}/v1/chat/completions", json=CHAT).status_code == 429
        for one in opened[1:]:
            one.close()
        wait_until(lambda: limiter.waiting == 0)
        assert limiter.running == 1
        assistant.gate.set()
        assert httpx.post(f"{url}/v1/chat/completions", json=CHAT, timeout=20).status_code == 200
        assert len(assistant.asked) == 2
        opened[0].close()
        wait_until(lambda: limiter.running == 0)


def test_a_step_that_does_not_end_is_not_waited_for(workspace: Workspace) -> None:
    app = create_app(with_settings(workspace, request_timeout_s=0.5, max_concurrent=1), open_model=FakeAssistant)
    with served(app) as url:
        services = app.state.services
        services.assistant().gate.clear()
        started = time.monotonic()
        answer = httpx.post(f"{url}/v1/chat/completions", json=CHAT, timeout=20)
        assert answer.status_code == 504
        assert time.monotonic() - started < 10
        assert "request_timeout_s" in answer.json()["error"]["message"]
        # The step still computes: its place is not given to a second one that would compute beside it.
        assert services.limiter.running == 1
        services.assistant().gate.set()
        wait_until(lambda: services.limiter.running == 0)
        assert httpx.post(f"{url}/v1/chat/completions", json=CHAT).status_code in {200, 504}


@pytest.fixture
def real(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return create_app(with_settings(workspace, request_timeout_s=4))


def workers() -> list[int]:
    """Return the worker processes of this process."""
    import psutil

    return [child.pid for child in psutil.Process().children() if WORKER in child.cmdline()]


@pytest.mark.model
def test_a_worker_that_hangs_is_ended_in_time_and_knows_no_secret(real: FastAPI) -> None:
    others = set(workers())
    with served(real) as url:
        headers = {"Authorization": f"Bearer {SECRETS['DOYEN_SERVING__API_KEY']}"}

        def ask(**extra: object) -> httpx.Response:
            return httpx.post(f"{url}/v1/chat/completions", json={**CHAT, **extra}, headers=headers, timeout=60)

        wait_until(lambda: ask().status_code == 200, 120)
        (hung,) = set(workers()) - others
        environment = Path(f"/proc/{hung}/environ").read_text(encoding="utf-8")
        assert "PATH=" in environment
        assert "s3cret" not in environment
        os.kill(hung, signal.SIGSTOP)
        started = time.monotonic()
        answer = ask()
        assert answer.status_code == 504, answer.text
        assert time.monotonic() - started < 4 + 10
        wait_until(lambda: ask().status_code == 200, 120)
        assert hung not in workers()
        (hung,) = set(workers()) - others
        os.kill(hung, signal.SIGSTOP)
        with httpx.stream("POST", f"{url}/v1/chat/completions", json={**CHAT, "stream": True}, headers=headers) as broken:
            assert broken.status_code == 504
        wait_until(lambda: ask().status_code == 200, 120)
