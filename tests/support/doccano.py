"""A stand-in for a Doccano 1.8 server: the part of its HTTP API that pulls use, as the real one answered it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException, Request, Response

USER, PASSWORD, TOKEN = "admin", "secret-pass", "0123456789abcdef"
PAGE = 5
LABELS = ("categories", "spans", "relations", "texts")


def stand_in() -> FastAPI:
    """Return the application; ``app.state.failures`` answers fail first; ``meanwhile`` examples go while pages are read."""
    app = FastAPI()
    ids = count(1)
    projects: dict[int, dict[str, Any]] = {}
    types: dict[tuple[int, str], list[dict[str, Any]]] = {}
    examples: dict[int, dict[int, dict[str, Any]]] = {}
    labels: dict[tuple[int, str], dict[int, dict[str, Any]]] = {}
    states: dict[int, dict[str, Any]] = {}
    app.state.failures, app.state.token, app.state.meanwhile = 0, TOKEN, []

    def now() -> str:
        return datetime.now(UTC).isoformat().replace("+00:00", "Z")

    def page(rows: list[Any], limit: int, offset: int) -> dict[str, Any]:
        more = "next" if offset + limit < len(rows) else None
        return {"count": len(rows), "next": more, "previous": None, "results": rows[offset : offset + limit]}

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        if app.state.failures:
            app.state.failures -= 1
            return Response("<h1>Server Error (500)</h1>", status_code=500, media_type="text/html")
        open_path = request.url.path == "/v1/auth/login/"
        if not open_path and request.headers.get("authorization") != f"Token {app.state.token}":
            return Response('{"detail":"Invalid token."}', status_code=403, media_type="application/json")
        if not open_path and request.cookies.get("sessionid"):
            return Response('{"detail":"CSRF Failed: CSRF token missing."}', status_code=403, media_type="application/json")
        return await call_next(request)

    @app.post("/v1/auth/login/")
    async def login(request: Request, response: Response) -> dict[str, Any]:
        body = await request.json()
        if (body["username"], body["password"]) != (USER, PASSWORD):
            raise HTTPException(400, "Unable to log in with provided credentials.")
        response.set_cookie("sessionid", "abc")
        return {"key": app.state.token}

    @app.get("/v1/me")
    def me() -> dict[str, Any]:
        return {"id": 1, "username": USER}

    @app.get("/v1/projects")
    def list_projects(limit: int = PAGE, offset: int = 0) -> dict[str, Any]:
        return page(list(projects.values()), limit, offset)

    @app.post("/v1/projects", status_code=201)
    async def make_project(request: Request) -> dict[str, Any]:
        made = {"single_class_classification": False, **await request.json(), "id": next(ids)}
        projects[made["id"]] = made
        examples[made["id"]] = {}
        return made

    @app.get("/v1/projects/{project}")
    def one_project(project: int) -> dict[str, Any]:
        if project not in projects:
            raise HTTPException(404)
        return projects[project]

    @app.get("/v1/projects/{project}/members")
    def members(project: int) -> list[dict[str, Any]]:
        return [{"id": 1, "user": 1, "role": 1, "username": USER, "rolename": "project_admin"}]

    @app.get("/v1/projects/{project}/examples")
    def list_examples(project: int, limit: int = PAGE, offset: int = 0) -> dict[str, Any]:
        if offset and app.state.meanwhile:
            drop_example(project, app.state.meanwhile.pop())
        rows = [{**row, "is_confirmed": row["id"] in states} for row in examples[project].values()]
        return page(rows, limit, offset)

    @app.post("/v1/projects/{project}/examples", status_code=201)
    async def make_example(project: int, request: Request) -> dict[str, Any]:
        made = {**await request.json(), "id": next(ids), "comment_count": 0}
        examples[project][made["id"]] = made
        return made

    @app.get("/v1/projects/{project}/examples/{example}")
    def one_example(project: int, example: int) -> dict[str, Any]:
        if example not in examples[project]:
            raise HTTPException(404)
        return {**examples[project][example], "is_confirmed": example in states}

    @app.delete("/v1/projects/{project}/examples/{example}", status_code=204)
    def drop_example(project: int, example: int) -> None:
        del examples[project][example]

    @app.get("/v1/projects/{project}/examples/{example}/states")
    def list_states(project: int, example: int) -> dict[str, Any]:
        return page([states[example]] if example in states else [], PAGE, 0)

    @app.post("/v1/projects/{project}/examples/{example}/states", status_code=201)
    def toggle_state(project: int, example: int) -> dict[str, Any]:
        if example in states:
            return states.pop(example)
        states[example] = {"id": next(ids), "example": example, "confirmed_by": 1, "confirmed_at": now()}
        return states[example]

    @app.get("/v1/projects/{project}/examples/{example}/{what}")
    def list_labels(project: int, example: int, what: str) -> list[dict[str, Any]]:
        if what not in LABELS or example not in examples[project]:
            raise HTTPException(404)
        return list(labels.get((example, what), {}).values())

    @app.post("/v1/projects/{project}/examples/{example}/{what}", status_code=201)
    async def make_label(project: int, example: int, what: str, request: Request) -> dict[str, Any]:
        fixed = {"id": next(ids), "user": 1, "example": example, "created_at": now(), "updated_at": now()}
        made = {**await request.json(), **fixed}
        labels.setdefault((example, what), {})[made["id"]] = made
        return made

    @app.patch("/v1/projects/{project}/examples/{example}/{what}/{label}")
    async def change_label(project: int, example: int, what: str, label: int, request: Request) -> dict[str, Any]:
        labels[example, what][label] |= {**await request.json(), "updated_at": now()}
        return labels[example, what][label]

    @app.delete("/v1/projects/{project}/examples/{example}/{what}/{label}", status_code=204)
    def drop_label(project: int, example: int, what: str, label: int) -> None:
        del labels[example, what][label]
        related = labels.get((example, "relations"), {})
        for link in [link for link in related.values() if label in {link["from_id"], link["to_id"]}]:
            del related[link["id"]]

    @app.get("/v1/projects/{project}/{what}")
    def list_types(project: int, what: str) -> list[dict[str, Any]]:
        return types.get((project, what), [])

    @app.post("/v1/projects/{project}/{what}", status_code=201)
    async def make_type(project: int, what: str, request: Request) -> dict[str, Any]:
        made = {**await request.json(), "id": next(ids)}
        types.setdefault((project, what), []).append(made)
        return made

    return app


class Annotators:
    """People at work on a Doccano server, real or stand-in."""

    def __init__(self, url: str, user: str = USER, password: str = PASSWORD) -> None:
        self.url, self.user, self.password = url, user, password
        self._http = httpx.Client(base_url=f"{url}/v1", timeout=60)
        key = self.post("/auth/login/", username=user, password=password)["key"]
        self._http.cookies.clear()
        self._http.headers["Authorization"] = f"Token {key}"

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        return self._http.post(path, json=body).raise_for_status().json()

    def patch(self, path: str, **body: Any) -> dict[str, Any]:
        return self._http.patch(path, json=body).raise_for_status().json()

    def delete(self, path: str) -> None:
        self._http.delete(path).raise_for_status()

    def project(self, kind: str, resource: str, **more: Any) -> str:
        """Make a project; return its path."""
        base = {"name": "Besuche", "description": "d", "guideline": "", "collaborative_annotation": True}
        made = self.post("/projects", **base, project_type=kind, resourcetype=resource, **more)
        return f"/projects/{made['id']}"

    def example(self, project: str, text: str, **meta: Any) -> str:
        """Make an example; return its path."""
        return f"{project}/examples/{self.post(f'{project}/examples', text=text, meta=meta)['id']}"
