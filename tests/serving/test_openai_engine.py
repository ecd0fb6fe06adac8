"""The OpenAI-compatible engine against a real HTTP server in this process."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from doyen.core.errors import InputError, ServiceError, Unauthorized
from doyen.core.writing_models import Written
from doyen.platform.serving.engine_writer import EngineWriter
from doyen.platform.serving.engines import AdapterFiles, Generation, GenerationRequest, complete
from doyen.platform.serving.engines.openai import OpenAIEngine

KEY = "sk-very-secret"


class Server(ThreadingHTTPServer):
    """Answers chat requests from a script: the model's name chooses what goes wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict] = []
        self.keys: list[str | None] = []
        self.broken = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        if body["model"] == "narrow" and body.get("max_tokens", 0) > 100:
            self.send_response(400)
            self.end_headers()
            self.wfile.write(b"'max_tokens' is too large: 200. This model's maximum context length is 128 tokens.")
            return
        status = {"locked": 401, "absent": 404, "picky": 400, "ill": 503}.get(body["model"], 200)
        if body["model"] == "formless" and "response_format" in body:
            status = 400
        self.send_response(status)
        self.end_headers()
        if status != 200:
            self.wfile.write(b'{"error": {"message": "the words of the server"}}')
            return
        if body["model"] == "silent":
            time.sleep(2)
            return
        self.events(body)

    def events(self, body: dict) -> None:
        endless = {"endless": [f"{number} " for number in range(10_000)], "looping": ["Turn ", "the ", "key. "] * 3_000}
        pieces = endless.get(body["model"], ["Hel", "lo ", "Größe"])
        self.wfile.write(b": a comment\n\n")
        self.event({"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]})
        try:
            for piece in pieces:
                logprobs = {"content": [{"token": piece, "logprob": -0.5}]} if body.get("logprobs") else None
                self.event({"choices": [{"delta": {"content": piece}, "logprobs": logprobs, "finish_reason": None}]})
                if body["model"] in endless:
                    time.sleep(0.005)
        except (BrokenPipeError, ConnectionResetError):
            self.server.broken.set()
            return
        if body["model"] == "torn":
            return
        if body["model"] == "late-error":
            self.event({"error": {"message": "out of memory"}})
            return
        if body["model"] == "html":
            self.wfile.write(b"data: <html>\n\n")
            return
        self.event({"choices": [{"delta": {}, "finish_reason": "length" if body.get("max_tokens") == 3 else "stop"}]})
        self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, value: dict) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(model="good", adapter=None, **more):
    return GenerationRequest([{"role": "user", "content": "Hi"}], adapter, **more)


def engine(server: Server, model: str = "good", **more) -> OpenAIEngine:
    return OpenAIEngine(server.url + "/", model, KEY, **more)


def test_streams_text_usage_and_log_probabilities(server):
    *pieces, last = engine(server).stream(ask(max_tokens=5, temperature=0.3, seed=4, stop=["\n"], want_logprobs=True))
    assert pieces == ["Hel", "lo ", "Größe"]
    assert last == Generation("Hello Größe", "stop", 7, 3, [-0.5] * 3)
    body = server.bodies[0]
    assert {key: body[key] for key in ("model", "max_tokens", "temperature", "seed", "stop", "stream")} == {
        "model": "good",
        "max_tokens": 5,
        "temperature": 0.3,
        "seed": 4,
        "stop": ["\n"],
        "stream": True,
    }
    assert server.keys == [f"Bearer {KEY}"]


def test_a_schema_is_sent_and_left_out_where_the_server_refuses_it(server):
    schema, how = {"type": "object"}, {"max_tokens": 5, "temperature": 0.0, "seed": 1}
    assert EngineWriter(engine(server)).fill("Hi", schema, **how) == Written("Hello Größe", 7, 3)
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == schema
    writer = EngineWriter(engine(server, "formless"))
    assert [writer.fill("Hi", schema, **how).text for _ in range(2)] == ["Hello Größe"] * 2
    assert ["response_format" in body for body in server.bodies[1:]] == [True, False, False]
    with pytest.raises(InputError):
        EngineWriter(engine(server, "picky")).fill("Hi", schema, **how)


def test_without_a_key_none_is_sent(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    assert complete(OpenAIEngine(server.url, "good"), ask()).text == "Hello Größe"
    assert server.keys == [None]


def test_the_token_limit_is_told(server):
    assert complete(engine(server), ask(max_tokens=3)).finish_reason == "length"


def test_an_adapter_is_asked_for_by_its_name(server):
    complete(engine(server), ask(adapter=AdapterFiles("legal:7", Path("/nowhere"), "f" * 64)))
    assert server.bodies[0]["model"] == "legal:7"


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("locked", Unauthorized, "OPENAI_API_KEY"),
        ("absent", ServiceError, "words of the server"),
        ("picky", InputError, "words of the server"),
        ("ill", ServiceError, "503"),
        ("torn", ServiceError, "broke its answer off"),
        ("late-error", ServiceError, "out of memory"),
        ("html", ServiceError, "no JSON"),
    ],
)
def test_failures_are_told_without_the_key(server, caplog, model, error, words):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(error, match=words) as caught:
        complete(engine(server, model), ask())
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text


def test_a_silent_server_is_given_up(server):
    with pytest.raises(ServiceError, match="in time"):
        complete(engine(server, "silent", silence=0.2), ask())


def test_an_absent_server_is_told():
    with pytest.raises(ServiceError, match=r"cannot be reached.*openai_url"):
        complete(OpenAIEngine("http://127.0.0.1:9/v1", "m"), ask())


def test_closing_the_stream_closes_the_connection(server):
    stream = engine(server, "endless").stream(ask())
    next(stream)
    stream.close()
    assert server.broken.wait(5)


def test_a_limit_that_does_not_fit_beside_the_prompt_is_left_to_the_server(server):
    result = complete(engine(server, "narrow"), ask(max_tokens=200))
    assert result.text == "Hello Größe"
    assert ["max_tokens" in body for body in server.bodies] == [True, False]


def test_a_loop_is_broken_off_and_told(server):
    *pieces, last = engine(server, "looping").stream(ask(max_tokens=3000))
    assert "".join(pieces) == last.text
    assert last.text.count("Turn") <= 3
    assert last.finish_reason == "repetition"
    assert last.completion_tokens > 3
    assert server.broken.wait(10)
