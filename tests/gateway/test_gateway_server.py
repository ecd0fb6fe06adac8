"""The gateway on a real port: the official client, and clients that hang up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import openai
import pytest
import uvicorn
from fastapi.testclient import TestClient
from support.fake_assistant import QUOTE, FakeAssistant

from doyen.core.errors import StateError
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.gateway.server import Listener, bind


@pytest.mark.parametrize("slow", ["open", "answer"])
def test_a_stop_does_not_wait_for_a_model_that_is_being_loaded(workspace: Workspace, slow: str) -> None:
    loading, loaded, closed = threading.Event(), threading.Event(), threading.Event()

    def load(what: str) -> None:
        if what == slow:
            loading.set()
            assert loaded.wait(30)

    class SlowToLoad(FakeAssistant):
        def __init__(self, *args, **options) -> None:
            load("open")
            super().__init__(*args, **options)

        def ask(self, *args, **options):
            load("answer")
            return super().ask(*args, **options)

        def close(self) -> None:
            closed.set()

    with TestClient(create_app(workspace, open_model=SlowToLoad)) as client:
        services = client.app.state.services
        assert loading.wait(10)
        threading.Timer(15, loaded.set).start()
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 5
    loaded.set()
    assert closed.wait(10)
    with pytest.raises(StateError, match="being stopped"):
        services.assistant()


@dataclass
class Running:
    url: str
    assistant: FakeAssistant
    limiter: object


@pytest.fixture
def running(workspace: Workspace) -> Iterator[Running]:
    app = create_app(workspace, open_model=FakeAssistant)
    listener = Listener("Gateway", app, bind("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener.socket]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    services = app.state.services
    yield Running(listener.url, services.assistant(), services.limiter)
    server.should_exit = True
    thread.join(10)
    listener.socket.close()
    assert not thread.is_alive()


@pytest.fixture
def official(running: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
        yield client


MESSAGES = [{"role": "user", "content": "How often?"}]


def test_official_client_reads_an_answer(official: openai.OpenAI) -> None:
    answer = official.chat.completions.create(model="rag", messages=MESSAGES, temperature=0)
    assert answer.choices[0].message.content == "Every 400 hours, and note it in the log."
    assert answer.usage.total_tokens == 10
    assert answer.citations[0]["quote"] == QUOTE


def test_official_client_reads_a_stream(official: openai.OpenAI) -> None:
    chunks = list(
        official.chat.completions.create(model="rag", messages=MESSAGES, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Every 400 hours, and note it in the log."
    assert chunks[-1].usage.completion_tokens == 3
    assert chunks[-2].citations[0]["quote"] == QUOTE


def test_official_client_lists_models(official: openai.OpenAI) -> None:
    assert [model.id for model in official.models.list()] == ["best", "base", "extract", "rag", "rag-short", "rag-reading"]
    assert official.models.retrieve("rag").id == "rag"


def test_official_client_raises_its_own_errors(official: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-4'"):
        official.chat.completions.create(model="gpt-4", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError, match="empty"):
        official.chat.completions.create(model="rag", messages=[{"role": "user", "content": ""}])
    broken = official.chat.completions.create(model="rag", messages=[{"role": "user", "content": "break"}], stream=True)
    with pytest.raises(openai.APIError, match="the shelf broke"):
        list(broken)


def test_words_come_one_by_one(official: openai.OpenAI) -> None:
    chunks = official.chat.completions.create(model="rag", messages=[{"role": "user", "content": "slow"}], stream=True)
    times = [time.monotonic() for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(times) > 5
    assert times[-1] - times[0] > 0.6


@pytest.mark.parametrize("stream", [True, False])
def test_hanging_up_stops_the_generation(running: Running, stream: bool) -> None:
    body = {"model": "rag", "messages": [{"role": "user", "content": "slow"}], "stream": stream}
    started = time.monotonic()
    with httpx.Client() as client:
        if stream:
            with client.stream("POST", f"{running.url}/v1/chat/completions", json=body) as response:
                next(response.iter_lines())
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post(f"{running.url}/v1/chat/completions", json=body, timeout=0.3)
    assert running.assistant.stopped.wait(5)
    assert time.monotonic() - started < 1.2
    while running.limiter.running:
        assert time.monotonic() - started < 5
        time.sleep(0.01)
