"""Settings with their origin, checks and keys over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient


def test_settings_are_listed_without_secrets(open_gateway: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOYEN_RETRIEVAL__TOP_K", "7")
    client = open_gateway(api_key="kT9-secret")
    assert client.get("/v1/settings").status_code == 401
    answer = client.get("/v1/settings", headers={"Authorization": "Bearer kT9-secret"})
    assert "kT9" not in answer.text
    shown = {item["name"]: item for item in answer.json()["data"]}
    assert (shown["serving.api_key"]["value"], shown["serving.api_key"]["origin"]) == ("***", "file")
    assert (shown["retrieval.top_k"]["value"], shown["retrieval.top_k"]["origin"]) == (7, "environment")


def test_checks_say_what_is_missing(client: TestClient) -> None:
    checks = {item["name"]: item for item in client.get("/v1/checks").json()["data"]}
    assert checks["database"]["ok"]
    assert not checks["index"]["ok"]
    assert "doyen ingest" in checks["index"]["detail"]


def test_keys_are_made_once_listed_and_removed(client: TestClient) -> None:
    def post(body: dict[str, object], key: str = "") -> tuple[int, dict[str, object]]:
        answer = client.post("/v1/keys", json=body, headers={"Authorization": f"Bearer {key}"} if key else {})
        return answer.status_code, answer.json()

    status, refused = post({"name": "bob", "groups": ["hr"]})
    assert (status, "make one with `admin` first" in str(refused)) == (400, True)
    status, made = post({"name": "ann", "admin": True})
    assert status == 201
    ann = {"Authorization": f"Bearer {made['key']}"}
    assert client.get("/v1/keys").status_code == 401
    status, bob = post({"name": "bob", "groups": ["hr"]}, str(made["key"]))
    assert post({"name": "bob"}, str(made["key"]))[0] == 400
    listed = client.get("/v1/keys", headers=ann)
    assert [(key["name"], key["groups"], key["admin"]) for key in listed.json()["data"]] == [
        ("ann", [], True),
        ("bob", ["hr"], False),
    ]
    assert str(bob["key"]) not in listed.text
    assert post({"name": "eve"}, str(bob["key"]))[0] == 403
    assert client.delete("/v1/keys/ann", headers=ann).status_code == 409
    assert client.delete("/v1/keys/bob", headers=ann).json()["deleted"]
    assert client.get("/v1/key", headers={"Authorization": f"Bearer {bob['key']}"}).status_code == 401
    assert client.delete("/v1/keys/bob", headers=ann).status_code == 404
