"""Requests that no careful client sends, and the nulls that some careful ones do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.fake_assistant import FakeAssistant
from support.serving import served

from doyen.core.workspace import FILE_NAME, Workspace
from doyen.platform.serving.gateway.api import create_app

JSON_ROUTES = [
    ("/v1/chat/completions", '{"model": "base", "messages": [{"role": "user", "content": %s}]}'),
    ("/v1/search", '{"query": %s}'),
    ("/v1/feedback", '{"answer_id": %s, "rating": 1}'),
    ("/v1/adapters/a/1/promote", '{"report": %s}'),
]
ODD = [
    r'"\ud800"', r'"a\udfffb"', r'"\u0000"', '"' + "x" * 1_900_000 + '"', "NaN", "-Infinity", "1e999", "9" * 5000, "[" * 90_000,
    "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, "'x'", "", "nul", '"\x00"', '"unfinished',
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), JSON_ROUTES)
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_json_is_the_clients_mistake(client: TestClient, path: str, body: str, odd: str) -> None:
    response = client.post(path, content=(body % odd).encode(), headers={"Content-Type": "application/json"})
    assert 400 <= response.status_code < 500, response.text[:300]
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(("path", "body"), JSON_ROUTES)
@pytest.mark.parametrize("data", [b'"\xff\xfe"', b'"\xc3"', b'"\xed\xa0\x80"'])
def test_other_encodings_are_the_clients_mistake(client: TestClient, path: str, body: str, data: bytes) -> None:
    content = body.encode().replace(b"%s", data)
    response = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert "UTF-8" in response.json()["error"]["message"]


PATHS = [
    "/v1/adapters/a/99999999999999999999999/promote",
    "/v1/adapters/%00/1/promote",
    "/v1/adapters/a/-1/promote",
    "/v1/adapters/%ff%fe/rollback",
    "/v1/documents/%00",
    "/v1/documents/%ED%A0%80/text?start=99999999999999999999999&end=0",
    "/v1/documents?limit=1e3",
    "/v1/documents?after=%ED%A0%80%00",
    "/v1/models/%0A%00",
    "/v1/evals/..%2f..%2f/report.html",
    "/v1/annotation/webhook?project=%00",
    "/v1/annotation/ml/%00/health",
]


@pytest.mark.parametrize("path", PATHS)
def test_odd_addresses_are_never_the_servers_mistake(client: TestClient, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD", "TRACE"):
        kwargs = {"json": {"force": True}} if method == "POST" else {}
        assert client.request(method, path, **kwargs).status_code < 500


@pytest.mark.parametrize("charset", ["idna", "undefined", "utf-16", "hex", "utf-7", "punycode", "\xe9"])
def test_odd_forms_are_the_clients_mistake(client: TestClient, charset: str) -> None:
    part = b"--b\r\nContent-Disposition: form-data; name="
    body = part + b'"source"\r\n\r\n\xff\xd8\r\n' + part + b'"file"; filename="\xff.md"\r\n\r\n\r\n--b--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}".encode("latin-1")}
    assert 400 <= client.post("/v1/documents", content=body, headers=headers).status_code < 500


@pytest.mark.parametrize("given", [b"Basic \xff", b"Basic !!!!", b"Basic Og==", b"Basic /////w==", b"Bearer x"])
def test_odd_credentials_of_label_studio_are_refused(workspace: Workspace, given: bytes) -> None:
    (workspace.root / FILE_NAME).write_text('[annotation]\nwebhook_secret = "x"\n')
    app = create_app(Workspace(workspace.root), open_model=FakeAssistant)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as hooked:
        status = hooked.get("/v1/annotation/ml/p/health", headers={"Authorization": given}).status_code
        assert status in {400, 401, 403}


RAW = [
    b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET http://[::1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /%zz%f HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"FOO\xff / HTTP/1.1\r\n\r\n",
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("odd")
    (root / FILE_NAME).write_text('name = "test"\n')
    with served(create_app(Workspace(root), open_model=FakeAssistant)) as url:
        yield url


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
def test_odd_bytes_get_a_4xx(running: str, raw: bytes) -> None:
    where = httpx.URL(running)
    with socket.create_connection((where.host, where.port), timeout=20) as one:
        one.sendall(raw)
        line = one.recv(65536).split(b"\r\n")[0]
    assert line.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), line


def test_methods_that_nobody_knows_make_no_new_metrics(client: TestClient) -> None:
    for number in range(5):
        client.request(f"FOO{number}", "/healthz")
    assert "FOO" not in client.get("/metrics").text


NULLS = {
    "n": None, "stream": None, "temperature": None, "stop": None, "stream_options": None, "max_tokens": None, "top_p": None,
    "max_completion_tokens": None, "tools": None, "tool_choice": None, "response_format": None, "logprobs": None, "user": None,
    "top_logprobs": None, "seed": None, "logit_bias": None, "functions": None, "audio": None, "modalities": None,
    "presence_penalty": None, "frequency_penalty": None, "metadata": None, "store": None, "parallel_tool_calls": None,
}  # fmt: skip


@pytest.mark.parametrize("name", [*NULLS, "all"])
def test_null_is_the_same_as_leaving_out(client: TestClient, name: str) -> None:
    given = NULLS if name == "all" else {name: None}
    messages = [{"role": "developer", "content": None, "name": None}, {"role": "user", "content": "Hello", "name": None}]
    response = client.post("/v1/chat/completions", json={"model": "base", "messages": messages, **given})
    assert response.status_code == 200, response.text
    assert not any("temperature" in warning for warning in response.json()["warnings"])


def test_every_optional_field_of_every_body_takes_null(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    for name in ("ChatRequest", "StreamOptions", "Message", "SearchRequest", "FeedbackRequest", "PromotionRequest"):
        optional = set(schemas[name]["properties"]) - set(schemas[name].get("required", []))
        for field in optional:
            assert {"type": "null"} in schemas[name]["properties"][field].get("anyOf", []), f"{name}.{field}"


def test_official_client_sends_what_it_can_send(running: str) -> None:
    text = [{"type": "text", "text": "How"}, {"type": "text", "text": "often?"}]
    with openai.OpenAI(base_url=f"{running}/v1", api_key="none", max_retries=0) as official:
        answer = official.chat.completions.create(
            model="rag",
            messages=[{"role": "developer", "content": "Be short."}, {"role": "user", "content": text}],
            max_completion_tokens=9,
            n=1,
            stop=["\n"],
            stream_options=None,
            response_format={"type": "text"},
            modalities=["text"],
            extra_body={"chat_template_kwargs": {"enable_thinking": False}, "max_tokens": None},
        )
        assert answer.choices[0].message.content


def test_official_client_is_told_when_to_try_again(workspace: Workspace) -> None:
    (workspace.root / FILE_NAME).write_text('name = "test"\n[serving]\nmax_concurrent = 1\nmax_waiting = 0\n')
    app: FastAPI = create_app(Workspace(workspace.root), open_model=FakeAssistant)
    with served(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as official:
        assistant = app.state.services.assistant()
        assistant.gate.clear()
        ask: Callable[..., openai.Stream] = official.chat.completions.create
        first = ask(model="base", messages=[{"role": "user", "content": "One?"}], stream=True)
        with pytest.raises(openai.RateLimitError) as refused:
            ask(model="base", messages=[{"role": "user", "content": "Two?"}])
        assert int(refused.value.response.headers["retry-after"]) > 0
        assistant.gate.set()
        assert json.dumps([chunk.model_dump() for chunk in first])
