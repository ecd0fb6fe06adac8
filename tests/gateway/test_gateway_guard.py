"""Who may call, how much they may send, and what every response carries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from doyen.core.errors import DoyenError, SettingsError, StateError
from doyen.core.network import is_loopback, reason_to_refuse
from doyen.platform.serving.gateway import http_errors
from doyen.platform.serving.gateway.server import bind, check_exposure

KEY = "kT9-secret"
CHAT = {"model": "base", "messages": [{"role": "user", "content": "hello"}]}


def test_key_is_needed_for_every_path_under_v1(open_gateway: Callable[..., TestClient]) -> None:
    client = open_gateway(api_key=KEY)
    for path in ("/v1/models", "/v1/adapters", "/v1/evals", "/v1/documents", "/v1/nothing"):
        assert client.get(path).status_code == 401
    for wrong in ("", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer ключ".encode()):
        response = client.post("/v1/chat/completions", json=CHAT, headers={"Authorization": wrong})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"]["type"] == "authentication_error"
    assert client.post("/v1/chat/completions", json=CHAT, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_foreign_host_names_are_refused_on_loopback(client: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8321", "0.0.0.0"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 403
    for host in ("localhost", "localhost:8321", "127.0.0.1:1", "[::1]:8321", "LOCALHOST"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["[::1", "[", "::1]", "[::1]x:99999", "127.0.0.1:port", "\xe9", "[v1.x]", "a" * 9000])
def test_a_host_that_cannot_be_one_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host.encode("latin-1")}).status_code in {200, 403}
    assert (
        client.post("/v1/search", json={"query": "x"}, headers={"Origin": f"http://{host}".encode("latin-1")}).status_code
        == 403
    )


@pytest.mark.parametrize("length", ["9" * 5000, "²", "-1", "1_0", ""])
def test_a_length_that_is_no_number_is_refused(client: TestClient, length: str) -> None:
    headers = {"Content-Length": length.encode("latin-1"), "Content-Type": "application/json"}
    assert client.post("/v1/search", content=iter([b"{}"]), headers=headers).status_code == 413


def test_any_host_name_is_right_when_bound_to_the_network(open_gateway: Callable[..., TestClient]) -> None:
    client = open_gateway(host="0.0.0.0", api_key=KEY)
    assert client.get("/healthz", headers={"Host": "assistant.example"}).status_code == 200


def test_pages_of_other_origins_may_not_change_anything(client: TestClient) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
        response = client.post("/v1/chat/completions", json=CHAT, headers={"Origin": origin})
        assert response.status_code == 403
    assert client.post("/v1/chat/completions", json=CHAT, headers={"Origin": "http://127.0.0.1"}).status_code == 200


def test_no_origin_is_allowed_to_read(client: TestClient) -> None:
    response = client.get("/v1/models", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers


def test_loopback_names() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "Localhost."))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.4", "example.com", "", "localhost.example"))
    assert reason_to_refuse("GET", {"host": "x"}, local_only=False) is None


def test_large_bodies_are_refused(client: TestClient) -> None:
    response = client.post("/v1/chat/completions", content=b" " * 2_000_001, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_large_bodies_of_unknown_length_are_refused_while_they_come(client: TestClient) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 100_000
            yield b" " * 100_000

    response = client.post("/v1/chat/completions", content=body(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_exposure_needs_a_key() -> None:
    check_exposure("127.0.0.1", has_key=False)
    check_exposure("0.0.0.0", has_key=True)
    with pytest.raises(SettingsError, match="DOYEN_SERVING__API_KEY"):
        check_exposure("0.0.0.0", has_key=False)


def test_a_taken_port_is_a_sentence() -> None:
    with bind("127.0.0.1", 0) as taken:
        with pytest.raises(StateError, match="--port"):
            bind("127.0.0.1", taken.getsockname()[1])


def test_security_headers_and_request_ids(client: TestClient) -> None:
    response = client.get("/v1/models", headers={"X-Request-Id": "trace-7"})
    assert response.headers["x-request-id"] == "trace-7"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["cache-control"] == "no-store"
    hostile = client.get("/healthz", headers={"X-Request-Id": 'a"b{}'}).headers["x-request-id"]
    assert len(hostile) == 32


def test_logs_name_the_request_and_hold_no_secret(
    open_gateway: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = open_gateway(api_key=KEY)
    body = {"model": "base", "messages": [{"role": "user", "content": "my private question"}]}
    client.post("/v1/chat/completions?token=hidden", json=body, headers={"Authorization": f"Bearer {KEY}"})
    line = next(record for record in caplog.records if record.name == "doyen.gateway.access")
    assert line.fields["path"] == "/v1/chat/completions"
    assert line.fields["status"] == 200
    assert line.fields["request_id"]
    everything = "\n".join(record.getMessage() + str(getattr(record, "fields", "")) for record in caplog.records)
    everything = "\n".join(part for part in everything.splitlines() if not part.startswith("HTTP Request:"))
    assert KEY not in everything
    assert "private" not in everything
    assert "hidden" not in everything


def test_every_error_class_has_a_meaning() -> None:
    def family(kind: type[DoyenError]) -> Iterator[type[DoyenError]]:
        for child in kind.__subclasses__():
            yield child
            yield from family(child)

    for kind in family(DoyenError):
        if kind.__module__ == "doyen.core.errors":
            assert http_errors.error_code_of(kind.__new__(kind)).code != "internal", kind
    assert http_errors.error_body(ValueError("secret detail"))["error"]["message"] == http_errors.INTERNAL


def test_unforeseen_errors_do_not_leak(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr(client.app.state.services.assistant(), "stream", explode)
    response = client.post("/v1/chat/completions", json=CHAT)
    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert response.headers["x-request-id"]


def test_unknown_paths_and_methods_have_the_same_form(client: TestClient) -> None:
    assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert client.put("/v1/models").json()["error"]["code"] == "method_not_allowed"
    assert client.post("/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
