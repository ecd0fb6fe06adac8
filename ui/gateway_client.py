"""The gateway, as the pages see it: a few calls over HTTP, and one kind of error whose text can be shown."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from doyen.core.answers import Answer, Extract

CONNECT_S = 5
READ_S = 600
"""Longest silence of the gateway; it has a limit of its own for answers."""

KEY_REFUSED, BUSY = 401, 503
PROJECTS = "/v1/annotation/projects"


class GatewayError(Exception):
    """The gateway refused, failed or cannot be reached; ``str(error)`` is a sentence for the user."""


class KeyRefused(GatewayError):
    """The gateway does not know the key, or wants one."""


class GatewayBusy(GatewayError):
    """Another writer is at work: try again after a while."""


@dataclass(frozen=True)
class PageImages:
    """Paths at the gateway of the pages that an answer's citations stand on, None where a document shows no pages."""

    paths: tuple[str | None, ...]


Piece = str | Extract | Answer | PageImages
"""Of what comes while an answer is awaited."""


class GatewayClient:
    """Calls of the gateway.

    Args:
        url: its base URL, without /v1.
        api_key: its key, empty where it has none.
    """

    def __init__(self, url: str, api_key: str = "", transport: httpx.MockTransport | None = None) -> None:
        self.url, self.api_key = url.rstrip("/"), api_key
        self._connection: dict[str, Any] = {
            "base_url": self.url,
            "headers": {"Authorization": f"Bearer {api_key}"} if api_key else {},
            "timeout": httpx.Timeout(READ_S, connect=CONNECT_S),
            "trust_env": False,
            "transport": transport,
        }
        self._http = httpx.Client(**self._connection)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    async def ask(self, messages: Sequence[dict[str, str]], model: str) -> AsyncGenerator[Piece, None]:
        """Yield an extract, if one is found, pieces of text as they come, the answer, and its pages, if it cites any.

        Closing the generator stops the generation.

        Raises:
            GatewayError: before or in the middle of the answer.
        """
        body = {"model": model, "messages": list(messages), "stream": True, "stream_options": {"include_usage": True}}
        try:
            async with (
                httpx.AsyncClient(**self._connection) as client,
                client.stream("POST", "/v1/chat/completions", json=body) as response,
            ):
                if response.is_error:
                    await response.aread()
                    raise _refused(response)
                async for piece in _read_events(response.aiter_lines(), messages[-1]["content"] if messages else ""):
                    yield piece
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def answers_without_key(self) -> bool:
        """Whether the gateway can be reached and takes requests of this client."""
        try:
            self.key_name()
        except GatewayError:
            return False
        return True

    def key(self) -> dict[str, Any]:
        """Return what the key may do: ``{"name", "groups", "admin", "adapters", "labels"}``."""
        return self._call("GET", "/v1/key")

    def key_name(self) -> str:
        """Return the name of the key."""
        return str(self.key()["name"])

    def best(self) -> dict[str, Any]:
        """Return what the mode "best" stands for now: ``{"mode", "adapter", "reason", …}``."""
        return self._call("GET", "/v1/models/best")

    def adapters(self) -> list[dict[str, Any]]:
        """Return all adapter versions: by name, newest first."""
        return list(self._call("GET", "/v1/adapters")["data"])

    def promote(self, name: str, version: int, report: str | None, reason: str = "") -> dict[str, Any]:
        """Promote an adapter version that a report speaks for, or any for a reason, and return it."""
        body = {"report": report, "force": bool(reason.strip()), "reason": reason, "by": "chat"}
        return self._call("POST", f"/v1/adapters/{name}/{version}/promote", json=body)

    def adapter_card(self, version: str) -> dict[str, Any]:
        """Return all that is known of a version, "name:version"."""
        name, _, number = version.rpartition(":")
        return self._call("GET", f"/v1/adapters/{_part(name)}/{_part(number)}")

    def stage(self, name: str, version: int) -> dict[str, Any]:
        """Put an adapter version into staging and return it."""
        return self._call("POST", f"/v1/adapters/{_part(name)}/{version}/stage")

    def roll_back(self, name: str) -> dict[str, Any]:
        """Promote the version before the current one and return it."""
        return self._call("POST", f"/v1/adapters/{name}/rollback")

    def evaluations(self) -> list[dict[str, Any]]:
        """Return summaries of all evaluations, newest first."""
        return list(self._call("GET", "/v1/evals")["data"])

    def report(self, eval_id: str) -> dict[str, Any]:
        """Return an evaluation as it is shown: see ``doyen.eval.view.ReportView``."""
        return self._call("GET", f"/v1/evals/{eval_id}/view")

    def report_page(self, eval_id: str) -> str:
        """Return an evaluation's report as an HTML page."""
        return self._send("GET", f"/v1/evals/{eval_id}/report.html").text

    def compare_evaluations(self, report: str, against: str) -> dict[str, Any]:
        """Return how the watched figures changed since an earlier run: ``{"id", "against", "data"}``."""
        return self._call("GET", f"/v1/evals/{_part(report)}/changes", params={"against": against})

    def question_sets(self) -> list[dict[str, Any]]:
        """Return the registered sets of questions, by name."""
        return list(self._call("GET", "/v1/questions")["data"])

    def register_questions(self, name: str, file: str) -> dict[str, Any]:
        """Register the questions of a file in the workspace's folder."""
        return self._call("POST", "/v1/questions", json={"name": name, "file": file})

    def jobs(self) -> list[dict[str, Any]]:
        """Return the newest jobs, newest first."""
        return list(self._call("GET", "/v1/jobs")["data"])

    def job(self, job: str) -> dict[str, Any]:
        """Return a job."""
        return self._call("GET", f"/v1/jobs/{job}")

    def start_job(self, work: dict[str, Any]) -> dict[str, Any]:
        """Queue a job: its ``kind`` and arguments."""
        return self._call("POST", "/v1/jobs", json=work)

    def cancel_job(self, job: str) -> dict[str, Any]:
        """Ask a job to stop and return it."""
        return self._call("POST", f"/v1/jobs/{job}/cancel")

    def resume_job(self, job: str) -> dict[str, Any]:
        """Let a job go on and return it."""
        return self._call("POST", f"/v1/jobs/{job}/resume")

    def job_log(self, job: str) -> list[str]:
        """Return the lines that a job has said."""
        return list(self._call("GET", f"/v1/jobs/{job}/log")["lines"])

    def losses(self, job: str) -> list[dict[str, Any]]:
        """Return the losses of a training so far: ``{"step", "loss"}`` each."""
        return list(self._call("GET", f"/v1/jobs/{job}/losses")["data"])

    def datasets(self) -> list[dict[str, Any]]:
        """Return all datasets, newest first."""
        return list(self._call("GET", "/v1/datasets")["data"])

    def dataset(self, dataset: str) -> dict[str, Any]:
        """Return a dataset with its card."""
        return self._call("GET", f"/v1/datasets/{_part(dataset)}")

    def annotation_projects(self) -> list[dict[str, Any]]:
        """Return all annotation projects with their progress, by name."""
        return list(self._call("GET", PROJECTS)["data"])

    def annotation_project(self, name: str) -> dict[str, Any]:
        """Return a project with what its annotators are asked to do."""
        return self._call("GET", f"{PROJECTS}/{_part(name)}")

    def agreement(self, project: str, period: str) -> dict[str, Any]:
        """Return how far annotators agree: ``{"report", "problems"}``."""
        return self._call("GET", f"{PROJECTS}/{_part(project)}/agreement", params={"period": period})

    def disputes(self, project: str) -> list[dict[str, Any]]:
        """Return the tasks that an expert should decide, worst first."""
        return list(self._call("GET", f"{PROJECTS}/{_part(project)}/disputes")["data"])

    def next_task(self, project: str, annotator: str, put_off: Sequence[str] = ()) -> dict[str, Any]:
        """Return the task that a person labels next: ``{"task", "annotator", "progress"}``."""
        asked = {"annotator": annotator, "skipped": list(put_off)}
        return self._call("GET", f"{PROJECTS}/{_part(project)}/next", params=asked)

    def labelling_task(self, project: str, task: str, annotator: str) -> dict[str, Any]:
        """Return one task with the person's label, as `next_task` does."""
        return self._call("GET", f"{PROJECTS}/{_part(project)}/tasks/{_part(task)}", params={"annotator": annotator})

    def give_label(self, project: str, task: str, label: Any, annotator: str, reason: str) -> dict[str, Any]:
        """Store a person's label of a task."""
        body = {"label": label, "annotator": annotator, "reason": reason}
        return self._call("POST", f"{PROJECTS}/{_part(project)}/tasks/{_part(task)}/label", json=body)

    def page_picture(self, document: str, page: int, version: str, highlight: str) -> bytes:
        """Return a page of a document as PNG, with a stretch of its text marked."""
        options = {"params": {"version": version, "highlight": highlight}}
        return self._send("GET", f"/v1/documents/{document}/pages/{page}.png", **options).content

    def documents(self, *, folder: str = "", contains: str = "", after: str = "", limit: int = 50) -> dict[str, Any]:
        """Return a page of documents by source: ``{"data", "total", "next"}``."""
        params = {"folder": folder, "contains": contains, "after": after, "limit": limit}
        return self._call("GET", "/v1/documents", params=params)

    def folders(self) -> list[dict[str, Any]]:
        """Return the folders of documents by path."""
        return list(self._call("GET", "/v1/folders")["data"])

    def document(self, document: str) -> dict[str, Any]:
        """Return a document."""
        return self._call("GET", f"/v1/documents/{_part(document)}")

    def chunks(self, document: str, *, after: int = -1, at: int | None = None, limit: int = 50) -> dict[str, Any]:
        """Return a page of a document's chunks: ``{"data", "total", "next"}``; ``at`` begins with that character's chunk."""
        params = {"after": after, "limit": limit, **({} if at is None else {"at": at})}
        return self._call("GET", f"/v1/documents/{_part(document)}/chunks", params=params)

    def versions(self, document: str) -> list[dict[str, Any]]:
        """Return the stored versions of a document, newest first."""
        return list(self._call("GET", f"/v1/documents/{_part(document)}/versions")["data"])

    def near_duplicates(self, document: str) -> list[dict[str, Any]]:
        """Return the documents with nearly the same text."""
        return list(self._call("GET", f"/v1/documents/{_part(document)}/near-duplicates")["data"])

    def delete_document(self, document: str, *, purge: bool) -> dict[str, Any]:
        """Delete a document; with ``purge`` erase all stored copies of its text."""
        return self._call("DELETE", f"/v1/documents/{_part(document)}", params={"purge": purge})

    def trace(self, wanted: str, kind: str, shown: int = 5) -> dict[str, Any]:
        """Return what something came from and what came of it: ``{"items", "came_from", "came_of"}``."""
        return self._call("GET", f"/v1/trace/{_part(wanted)}", params={"kind": kind, "shown": shown})

    async def upload(self, content: AsyncIterator[bytes], length: int, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a document as it comes in.

        Args:
            length: bytes of the content.
            fields: of the form, beside the file: ``source``, ``groups``.

        Raises:
            GatewayError: it was refused.
        """
        boundary = uuid4().hex
        head = b"".join(_form_field(boundary, name, value) for name, value in fields.items()) + _file_head(boundary)
        tail = f"\r\n--{boundary}--\r\n".encode()

        async def body() -> AsyncIterator[bytes]:
            yield head
            async for piece in content:
                yield piece
            yield tail

        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + length + len(tail)),
        }
        try:
            async with httpx.AsyncClient(**self._connection) as client:
                response = await client.post("/v1/documents", content=body(), headers=headers)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refused(response)
        uploaded: dict[str, Any] = response.json()
        return uploaded

    def settings(self) -> dict[str, Any]:
        """Return what is configured and where it comes from: ``{"file", "version", "data"}``."""
        return self._call("GET", "/v1/settings")

    def checks(self) -> list[dict[str, Any]]:
        """Return what the checks of the workspace find: ``{"name", "ok", "detail"}`` each."""
        return list(self._call("GET", "/v1/checks")["data"])

    def models(self) -> list[dict[str, Any]]:
        """Return the ways of answering that can be asked."""
        return list(self._call("GET", "/v1/models")["data"])

    def keys(self) -> dict[str, Any]:
        """Return all keys: ``{"data", "owner"}``."""
        return self._call("GET", "/v1/keys")

    def make_key(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Make a key (``{"name", "groups", "admin", "adapters", "labels"}``) and return it with the ``key``, this once."""
        return self._call("POST", "/v1/keys", json=wanted)

    def delete_key(self, name: str) -> None:
        """Remove a key."""
        self._call("DELETE", f"/v1/keys/{_part(name)}")

    def explain(self, answer_id: str) -> dict[str, Any]:
        """Return what led to an answer: ``{"query", "passages", "prompt", …}``."""
        return self._call("GET", f"/v1/answers/{_part(answer_id)}")

    def give_feedback(self, answer_id: str, rating: int = 0, correction: str = "", comment: str = "") -> dict[str, Any]:
        """Store feedback on an answer."""
        body = {"answer_id": answer_id, "rating": rating, "correction": correction or None, "comment": comment or None}
        return self._call("POST", "/v1/feedback", json=body)

    def missing(self) -> dict[str, str]:
        """Return what the gateway lacks before it can answer in every mode: name → sentence."""
        try:
            response = self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        try:
            return dict(response.json()["missing"])
        except (ValueError, KeyError, TypeError) as error:
            raise _refused(response) from error

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        value: dict[str, Any] = self._send(method, path, **options).json()
        return value

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refused(response)
        return response

    def _unreachable(self, error: httpx.HTTPError) -> GatewayError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return GatewayError(f"The gateway at {self.url} cannot be reached: start it with `doyen serve`.")
        return GatewayError(f"The connection to the gateway broke off ({type(error).__name__}): ask again.")


def _part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


def _form_field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _file_head(boundary: str) -> bytes:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


def _refused(response: httpx.Response) -> GatewayError:
    if response.status_code == KEY_REFUSED:
        return KeyRefused("The gateway asks for a key, or does not take this one any more: reload the page and sign in.")
    kind = GatewayBusy if response.status_code == BUSY and "retry-after" in response.headers else GatewayError
    try:
        return kind(_sentence(response.json()["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return GatewayError(f"The gateway answered with status {response.status_code}: look into its log.")


def _sentence(message: str) -> str:
    """Return an error's message as a sentence."""
    text = message.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "`")) else ".")


async def _read_events(lines: AsyncIterator[str], question: str) -> AsyncIterator[Piece]:
    """Read server-sent events: the extract, pieces of text, then the answer that the last chunks describe, and its pages."""
    fields: dict[str, Any] = {}
    async for line in lines:
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            raise GatewayError(_sentence(chunk["error"]["message"]))
        if "answer_id" in chunk or chunk.get("usage"):
            fields |= chunk
        if "extract" in chunk:
            yield Extract.from_json(chunk["extract"])
        for choice in chunk["choices"]:
            if choice["delta"].get("content"):
                yield choice["delta"]["content"]
    if "answer_id" not in fields:
        raise GatewayError("The gateway ended the answer too early: ask again.")
    yield Answer.from_json({**fields, "question": question})
    images = tuple(citation.get("page_image") for citation in fields.get("citations", []))
    if any(images):
        yield PageImages(images)
