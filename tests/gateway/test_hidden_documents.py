"""Each way to a document that a caller may not read, one by one: all answer as if it had never been there."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from doyen.core.workspace import Workspace
from doyen.platform.serving.keys import add_key
from tests.support.scans import written

PAGE = [(60.0, 700.0, "The bonus of the chief clerk is 4,711 euro a year.")]
NO_ID = "0123456789abcdef"


class Callers:
    """A gateway with the keys of an administrator, of one who reads the group "hr", and of one who reads "it"."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        workspace = client.app.state.services.workspace  # type: ignore[attr-defined]
        keys = {"boss": {"admin": True}, "ann": {"groups": ["hr"]}, "ben": {"groups": ["it"]}}
        self.keys = {
            name: add_key(Workspace(workspace.root), name, **options)  # type: ignore[arg-type]
            for name, options in keys.items()
        }

    def __call__(self, name: str, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[name]}", **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **options)

    def upload(self, name: str, data: bytes, groups: str = "hr", who: str = "boss") -> str:
        """Upload a document and return its id."""
        sent = self(who, "POST", "/v1/documents", files={"file": (name, data)}, data={"groups": groups})
        assert sent.status_code == 201, sent.text
        return str(sent.json()["id"])


@pytest.fixture
def callers(client: TestClient) -> Callers:
    return Callers(client)


def test_the_page_of_a_restricted_pdf_is_shown_to_its_groups_alone(callers: Callers) -> None:
    document = callers.upload("bonus.pdf", written(PAGE))
    pages = f"/v1/documents/{document}/pages"
    shown = callers("ann", "GET", f"{pages}/1.png")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    described = callers("ann", "GET", f"/v1/documents/{document}").json()
    for place in ("1.png", "1.png?highlight=0-9", "1.png?highlight=9-0", "7.png", f"1.png?version={described['version']}"):
        for seen in ({}, {"If-None-Match": shown.headers["etag"]}):
            refused = callers("ben", "GET", f"{pages}/{place}", headers=seen)
            nothing = callers("ben", "GET", f"/v1/documents/{NO_ID}/pages/{place}", headers=seen)
            assert refused.status_code == nothing.status_code == 404
            assert refused.text.replace(document, NO_ID) == nothing.text
            assert "etag" not in refused.headers
    assert callers.client.get(f"{pages}/1.png").status_code == 401


def test_who_may_see_a_page_changes_with_the_groups_at_once(callers: Callers) -> None:
    document = callers.upload("bonus.pdf", written(PAGE))
    page = f"/v1/documents/{document}/pages/1.png"
    for groups, statuses in ((["it"], (404, 200)), (["hr", "it"], (200, 200)), ([], (200, 200)), (["hr"], (200, 404))):
        callers("boss", "PUT", f"/v1/documents/{document}/groups", json={"groups": groups})
        assert tuple(callers(name, "GET", page).status_code for name in ("ann", "ben")) == statuses


def test_the_groups_come_from_the_key_and_from_nothing_else_in_the_request(callers: Callers) -> None:
    document = callers.upload("bonus.pdf", written(PAGE))
    told = {"X-Groups": "hr", "Groups": "hr", "X-User": "ann", "X-Forwarded-User": "ann", "Cookie": "groups=hr; name=ann"}
    for path in ("", "/text", "/pages/1.png"):
        assert callers("ben", "GET", f"/v1/documents/{document}{path}?groups=hr&admin=1", headers=told).status_code == 404
    listed = callers("ben", "GET", "/v1/documents?groups=hr", headers=told).json()
    assert (listed["data"], listed["total"]) == ([], 0)
    for body in ({"groups": ["hr"]}, {"access": {"groups": None}}):
        assert callers("ben", "POST", "/v1/search", json={"query": "bonus", **body}, headers=told).status_code == 400
    found = callers("ben", "POST", "/v1/search", json={"query": "bonus of the chief clerk"}, headers=told).json()
    assert found["passages"] == []


STEPS = "The pump is locked with a red key before work starts. The key is kept by the shift leader until the work ends."


def test_the_list_marks_superseded_versions_as_far_as_the_caller_may_read(callers: Callers) -> None:
    """A newer version that may not be read is not known, and neither is that there is any."""
    for revision, date, groups in (("B", "2021-03-14", ""), ("C", "2023-10-02", "hr"), ("D", "2024-05-06", "it")):
        text = f"# Lockout of the pump, revision {revision}\n\nRevision {revision}, {date}.\n\n{STEPS}\n"
        callers.upload(f"lockout_rev_{revision}.md", text.encode(), groups)

    def marks(name: str) -> dict[str, tuple[str, str | None]]:
        listed = callers(name, "GET", "/v1/documents").json()["data"]
        return {each["source"][-4:-3]: (each["revision"], each["superseded_by"]) for each in listed}

    names = {revision: f"lockout_rev_{revision}.md" for revision in "BCD"}
    dated = {"B": "Revision B, 2021-03-14", "C": "Revision C, 2023-10-02", "D": "Revision D, 2024-05-06"}
    assert marks("ann") == {"B": (dated["B"], names["C"]), "C": (dated["C"], None)}
    assert marks("ben") == {"B": (dated["B"], names["D"]), "D": (dated["D"], None)}
    assert marks("boss") == {"B": (dated["B"], names["D"]), "C": (dated["C"], names["D"]), "D": (dated["D"], None)}
    described = {each["source"]: each for each in callers("ann", "GET", "/v1/documents").json()["data"]}
    one = callers("ann", "GET", f"/v1/documents/{described[names['B']]['id']}").json()
    assert one["superseded_by"] == names["C"]
