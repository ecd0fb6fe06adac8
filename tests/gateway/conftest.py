"""A gateway over a fake assistant and a real store, in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fake_assistant import FakeAssistant

from doyen.core.workspace import FILE_NAME, Workspace
from doyen.platform.serving.gateway.api import create_app

LOCAL = "http://127.0.0.1"


@pytest.fixture
def open_gateway(workspace: Workspace) -> Iterator[Callable[..., TestClient]]:
    """Start a gateway with settings of the [serving] section; return a client of it."""
    started: list[TestClient] = []

    def start(host: str | None = None, base_url: str = LOCAL, **serving: object) -> TestClient:
        lines = [
            f"{name} = {str(value).lower() if not isinstance(value, str) else repr(value)}" for name, value in serving.items()
        ]
        path = workspace.root / FILE_NAME
        path.write_text('name = "test"\n[serving]\n' + "\n".join(lines), encoding="utf-8")
        app = create_app(Workspace(workspace.root), host=host, open_model=FakeAssistant)
        client = TestClient(app, base_url=base_url, raise_server_exceptions=False)
        started.append(client.__enter__())
        return client

    yield start
    for client in started:
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_gateway: Callable[..., TestClient]) -> TestClient:
    """A gateway with default settings."""
    return open_gateway()


@pytest.fixture
def assistant(client: TestClient) -> FakeAssistant:
    """The assistant behind ``client``."""
    return client.app.state.services.assistant()
