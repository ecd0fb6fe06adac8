"""A running Doccano server (1.8), read over its HTTP API.

Checked against a real server 1.8.4 and against a stand-in that follows its API. What it offers, and what it does not:

- ``POST /v1/auth/login/`` gives a token. It also sets a cookie, which must not be sent back: it would turn on CSRF checks.
- ``GET /v1/projects/{id}/examples`` is paged (``limit``, ``offset``) and tells ``is_confirmed``, but no time of change.
- The labels of an example (``categories``, ``spans``, ``relations``, ``texts``) are not paged and carry ``updated_at`` and
  their user. In a project that is not collaborative they are those of the account that asks, and of nobody else.
- An example's own ``updated_at`` does not move when its labels change, and nothing lists changed labels: to find a changed
  label of a confirmed example, its labels must be asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from doyen.annotation.exchange.columns import CLASS_KINDS
from doyen.annotation.exchange.doccano_jsonl import COLUMNS
from doyen.annotation.exchange.record_files import Row
from doyen.annotation.type_table import label_type, types_of
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, PromptResponse, Tags
from doyen.core.errors import NotFoundError, ServiceError, Unauthorized

PAGE = 100
TRIES = 3
PAUSE_S = 0.5
REFUSED = (401, 403)
PARALLEL = 4
"""Labels are asked for example by example, some at a time."""
KINDS_OF_PROJECT = {
    "DocumentClassification": types_of(Classes),
    "SequenceLabeling": types_of(Entities, Coreference, Tags),
    "Seq2seq": types_of(PromptResponse),
    "IntentDetectionAndSlotFilling": types_of(Classes, Entities),
}
"""Doccano's project types, and the task types that they hold; images and sound are not read."""


@dataclass(frozen=True)
class DoccanoProject:
    """A project on the server.

    Attributes:
        kind: Doccano's project type, such as SequenceLabeling.
        collaborative: all annotators share one label of a text; otherwise each account sees its own alone.
        exclusive: a text has one class at most.
        relations: whether spans may be related.
    """

    id: int
    name: str
    kind: str
    collaborative: bool
    exclusive: bool
    relations: bool


@dataclass(frozen=True)
class DoccanoExample:
    """An example as the server reports it; labels are asked for only where somebody confirmed it.

    Attributes:
        row: the example as a line of an export would describe it, with annotator and time; None when not confirmed, and
            where ``skip`` said so.
        label_ids: ids of its answers, where each is a label of its own.
    """

    id: int
    confirmed: bool
    row: Row | None = None
    label_ids: tuple[int, ...] = ()


class DoccanoServer:
    """A signed-in connection. Every method raises ServiceError when the server fails, Unauthorized when it refuses us."""

    def __init__(self, url: str, *, token: str = "", username: str = "", password: str = "") -> None:
        self.url = url.rstrip("/")
        self._username, self._password, self._token = username, password, token
        self._http = httpx.Client(base_url=f"{self.url}/v1", timeout=60, headers={"Accept": "application/json"})
        if not token:
            self._sign_in()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def project(self, project_id: int) -> DoccanoProject:
        """Return one project. Raises NotFoundError."""
        try:
            row = self._json(f"/projects/{project_id}")
        except NotFoundError as error:
            known = ", ".join(f"{row['id']} ({row['name']})" for page in self._pages("/projects") for row in page) or "none"
            raise NotFoundError(f"{self.url} has no project {project_id} that this account may see: {known}") from error
        return DoccanoProject(
            id=int(row["id"]),
            name=str(row["name"]),
            kind=str(row["project_type"]),
            collaborative=bool(row.get("collaborative_annotation")),
            exclusive=bool(row.get("single_class_classification")),
            relations=bool(row.get("use_relation")),
        )

    def account(self) -> str:
        """Return the name of the account that asks."""
        return str(self._json("/me")["username"])

    def now(self) -> datetime:
        """Return the server's time, to the second."""
        stated = self._get("/me").headers.get("date")
        return parsedate_to_datetime(stated) if stated else datetime.now(UTC)

    def label_names(self, project: DoccanoProject, what: str) -> dict[int, str]:
        """Return id → name of a project's labels; ``what`` is category, span or relation."""
        return {int(row["id"]): str(row["text"]) for row in self._json(f"/projects/{project.id}/{what}-types")}

    def is_confirmed(self, project: DoccanoProject, example: int) -> bool:
        """Return whether an example is there and somebody has confirmed it."""
        try:
            return bool(self._json(f"/projects/{project.id}/examples/{example}")["is_confirmed"])
        except NotFoundError:
            return False

    def count_examples(self, project: DoccanoProject) -> int:
        """Return how many examples the project holds."""
        return int(self._json(f"/projects/{project.id}/examples", limit=1)["count"])

    def examples(self, project: DoccanoProject, kind: str, skip: set[int]) -> Iterator[DoccanoExample]:
        """Yield all examples, those that are confirmed with their labels; memory holds one page.

        Args:
            project: where they are.
            kind: the task type to read.
            skip: ids of examples whose labels are not asked for.
        """
        reader = _ExampleReader(self, project, kind)
        with ThreadPoolExecutor(PARALLEL) as pool:
            for page in self._pages(f"/projects/{project.id}/examples"):
                yield from pool.map(lambda example: reader.read(example, skip), page)

    def rows(self, path: str) -> list[Row]:
        """Return a list that the server gives whole, or as its first page."""
        body = self._json(path)
        return body["results"] if isinstance(body, dict) else body

    def _pages(self, path: str) -> Iterator[list[Row]]:
        """Yield pages of a list; older servers and settings give some lists whole."""
        offset = 0
        while True:
            body = self._json(path, limit=PAGE, offset=offset)
            page = body["results"] if isinstance(body, dict) else body
            yield page
            offset += len(page)
            if not page or isinstance(body, list) or not body.get("next"):
                return

    def _sign_in(self) -> None:
        try:
            answer = self._http.post("/auth/login/", json={"username": self._username, "password": self._password})
        except httpx.HTTPError as error:
            raise ServiceError(f"{self.url} cannot be reached ({error}): is Doccano running there?") from error
        if answer.status_code in {400, *REFUSED}:
            raise Unauthorized(f"{self.url} refused user {self._username!r}: check user and password")
        self._check(answer, "/auth/login/")
        self._token = str(answer.json()["key"])
        self._http.cookies.clear()

    def _json(self, path: str, **params: Any) -> Any:
        return self._get(path, **params).json()

    def _get(self, path: str, **params: Any) -> httpx.Response:
        """Ask, again after a pause where the server stumbles, and signed in anew where it has forgotten us."""
        attempt, renewed = 0, not self._password
        while True:
            attempt += 1
            try:
                answer = self._http.get(path, params=params, headers={"Authorization": f"Token {self._token}"})
            except httpx.HTTPError as error:
                if attempt >= TRIES:
                    raise ServiceError(f"{self.url}{path} does not answer ({error!r}): try again later") from error
            else:
                if answer.status_code in REFUSED and not renewed:
                    renewed = True
                    self._sign_in()
                    continue
                if answer.status_code < 500 or attempt >= TRIES:
                    self._check(answer, path)
                    return answer
            time.sleep(PAUSE_S * attempt)

    def _check(self, answer: httpx.Response, path: str) -> None:
        if answer.status_code in REFUSED:
            raise Unauthorized(f"{self.url}{path} is not open to this account ({answer.status_code}): check token and role")
        if answer.status_code == 404:
            raise NotFoundError(f"{self.url}{path} does not exist")
        if answer.is_error:
            raise ServiceError(f"{self.url}{path} failed with {answer.status_code}: {answer.text[:200]}")
        if "json" not in answer.headers.get("content-type", ""):
            raise ServiceError(f"{self.url}{path} did not answer in JSON: is this the address of a Doccano server?")


class _ExampleReader:
    """Reads the labels of a project's examples; threads share it, and only the names change after it was made."""

    def __init__(self, server: DoccanoServer, project: DoccanoProject, kind: str) -> None:
        self._server, self._project, self._kind = server, project, kind
        self._people = self._members()
        self._names: dict[str, dict[int, str]] = {}

    def read(self, example: Row, skip: set[int]) -> DoccanoExample:
        """Return an example with its labels."""
        identity = int(example["id"])
        if not example["is_confirmed"] or identity in skip:
            return DoccanoExample(identity, bool(example["is_confirmed"]))
        path = f"/projects/{self._project.id}/examples/{identity}"
        try:
            content, labels = self._content(path)
            who, when = self._origin(path, labels)
        except NotFoundError:
            # Somebody deleted it since the page was made.
            return DoccanoExample(identity, confirmed=False)
        kept = {key: value for key, value in (example.get("meta") or {}).items() if key not in (*COLUMNS, "Comments")}
        comments = {"Comments": [None] * int(example.get("comment_count") or 0)}
        row = {**kept, **comments, "id": identity, "text": example["text"], **content, "annotator": who, "created_at": when}
        answers = tuple(int(label["id"]) for label in labels) if label_type(self._kind) is PromptResponse else ()
        return DoccanoExample(identity, confirmed=True, row=row, label_ids=answers)

    def _content(self, path: str) -> tuple[Row, list[Row]]:
        """Return the example's labels as columns of an export, and as the server gave them."""
        if label_type(self._kind) is PromptResponse:
            labels = self._labels(f"{path}/texts")
            return {"label": [label["text"] for label in labels]}, labels
        if self._kind in CLASS_KINDS:
            labels = self._labels(f"{path}/categories")
            return {"label": [self._name("category", label["label"]) for label in labels]}, labels
        labels = self._labels(f"{path}/spans")
        spans = [{**label, "label": self._name("span", label["label"])} for label in labels]
        links = self._labels(f"{path}/relations") if self._project.relations else []
        relations = [{**link, "type": self._name("relation", link["type"])} for link in links]
        return {"entities": spans, "relations": relations}, labels + links

    def _labels(self, path: str) -> list[Row]:
        found = self._server.rows(path)
        return sorted(found, key=lambda label: (label.get("start_offset", 0), label.get("end_offset", 0), label["id"]))

    def _name(self, what: str, identity: int) -> str:
        """Return the name of a label; the names are asked for again where an unknown one turns up."""
        if identity not in self._names.get(what, {}):
            self._names[what] = self._server.label_names(self._project, what)
        return self._names[what].get(identity, f"label {identity}")

    def _origin(self, path: str, labels: list[Row]) -> tuple[str, str]:
        """Return who labelled the example and when; where there is no label, who confirmed it."""
        if labels:
            return "+".join(sorted({self._person(label["user"]) for label in labels})), max(x["updated_at"] for x in labels)
        states = self._server.rows(f"{path}/states")
        return (self._person(states[0]["confirmed_by"]), states[0]["confirmed_at"]) if states else ("", "")

    def _person(self, user: int) -> str:
        return self._people.get(user, f"user {user}")

    def _members(self) -> dict[int, str]:
        """Return user id → name of the project's members; empty where the account may not see them."""
        try:
            return {
                int(row["user"]): str(row["username"]) for row in self._server.rows(f"/projects/{self._project.id}/members")
            }
        except Unauthorized:
            return {}
