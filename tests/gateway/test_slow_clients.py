"""Clients that connect and are slow, silent or too many, against a real server with the limits of production."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from fastapi import FastAPI
from support.fake_assistant import FakeAssistant
from support.serving import served

from doyen.core.connections import ConnectionLimits
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.api import create_app
from doyen.ui.pages import create_ui_app

QUICK = ConnectionLimits(head_s=0.6, body_s=0.6, body_rate=10_000, write_s=0.6, per_address=20, total=30)
PATIENT = ConnectionLimits(head_s=600, body_s=600)
HALF = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = HALF + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


@pytest.fixture
def gateway(workspace: Workspace) -> FastAPI:
    return create_app(workspace, open_model=FakeAssistant)


@contextmanager
def sockets(url: str, count: int, first: bytes = HALF, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """Open connections and send the beginning of a request over each."""
    where = httpx.URL(url)
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = socket.create_connection((where.host, where.port), timeout=10, source_address=(source, 0))
            opened.append(stack.enter_context(one))
            one.sendall(first)
        yield opened


def closed(one: socket.socket, seconds: float = 5) -> bool:
    """Whether the server ends the connection in time, without an answer or after it."""
    one.settimeout(seconds)
    try:
        while one.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize(
    ("first", "source"), [(b"", "127.0.0.1"), (HALF, "127.0.0.1"), (BODY, "127.0.0.1"), (HALF, "127.0.0.2")]
)
def test_250_half_open_connections_keep_nobody_out(gateway: FastAPI, first: bytes, source: str) -> None:
    with served(gateway, PATIENT) as url, sockets(url, 250, first, source):
        for _ in range(3):
            assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200


def test_the_pages_have_the_same_limits() -> None:
    with served(create_ui_app("http://127.0.0.1:9"), PATIENT) as url, sockets(url, 250):
        assert httpx.get(f"{url}/robots.txt", timeout=60).status_code in {200, 404}


def test_a_head_that_does_not_end_is_cut_off(gateway: FastAPI) -> None:
    with served(gateway, QUICK) as url, sockets(url, 1) as (slow,):
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.1):
                try:
                    slow.sendall(b"X-A: b\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        assert closed(slow)
        stop.set()
        thread.join()


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /again", BODY])
def test_an_unfinished_request_is_cut_off(gateway: FastAPI, first: bytes) -> None:
    with served(gateway, QUICK) as url, sockets(url, 1, first) as (slow,):
        assert closed(slow)


def test_one_address_has_a_share(gateway: FastAPI) -> None:
    limits = ConnectionLimits(head_s=600, per_address=5, total=30)
    with served(gateway, limits) as url, sockets(url, 5, HALF, "127.0.0.3") as others, sockets(url, 8) as many:
        assert sum(closed(one, 1) for one in many) == 3
        assert not any(closed(one, 0.1) for one in others)


def test_requests_that_are_being_answered_are_never_cut_off_for_others(gateway: FastAPI) -> None:
    with served(gateway, ConnectionLimits(per_address=3, total=3)) as url:
        assistant = gateway.state.services.assistant()
        assistant.gate.clear()
        body = {"model": "base", "messages": [{"role": "user", "content": "hello"}], "stream": True}
        with ExitStack() as stack:
            client = stack.enter_context(httpx.Client())
            answers = [stack.enter_context(client.stream("POST", f"{url}/v1/chat/completions", json=body)) for _ in range(2)]
            with sockets(url, 40):
                assert httpx.get(f"{url}/healthz", timeout=5).status_code == 200
            assistant.gate.set()
            for answer in answers:
                assert "[DONE]" in answer.read().decode()


def test_a_client_that_does_not_read_is_cut_off(gateway: FastAPI) -> None:
    with served(gateway, QUICK) as url, sockets(url, 1, b"") as (slow,):
        slow.sendall(b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 16)
        end = time.monotonic() + 10
        with pytest.raises((ConnectionError, BrokenPipeError)):
            while time.monotonic() < end:
                slow.sendall(b"G")
                time.sleep(0.1)


def test_kept_connections_serve_again_and_long_answers_are_not_cut_off(gateway: FastAPI) -> None:
    body = {"model": "base", "messages": [{"role": "user", "content": "slow"}]}
    with served(gateway, QUICK) as url, httpx.Client() as client:
        for _ in range(3):
            assert client.post(f"{url}/v1/chat/completions", json=body).status_code == 200
            time.sleep(0.2)
