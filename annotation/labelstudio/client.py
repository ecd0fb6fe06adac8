"""Label Studio over its SDK: the only module that knows ``label_studio_sdk``."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from doyen.annotation.backend import RemoteAnnotation, RemoteProject, RemoteTask
from doyen.annotation.labelstudio.foreign_screens import ADOPTED_UID, ForeignScreen
from doyen.annotation.labelstudio.people import read_annotation
from doyen.core.errors import ServiceError, SettingsError, Unauthorized
from doyen.core.extras import naming_extras

PAGE, LIGHT_PAGE = 200, 1000
"""Tasks asked for at once: with their annotations, and without, which costs the server a fifth."""
TIMEOUT_S = 120.0
_OVERLAP_FIELDS = "id,overlap,annotators,total_annotations"
_ONCE = {"max_retries": 0, "timeout_in_seconds": int(TIMEOUT_S)}
"""An import that is repeated by the client could be carried out twice."""


class LabelStudioBackend:
    """Implements ``Backend`` on a server; nothing is asked of it before the first method is called.

    Args:
        url: where the server is.
        api_key: a personal access token, or a legacy token where the organisation allows them; the SDK tells them apart.

    Raises:
        Unauthorized: the key is empty, not even a token, or expired.
        SettingsError: the URL is not one.
        MissingPart: label-studio-sdk is not installed.

    Attributes:
        location: the server's URL.
        screen: the screen of a project that was not made here: tasks and labels are translated from and into its names.
    """

    def __init__(self, url: str, api_key: str) -> None:
        self.location = url.rstrip("/")
        parts = urlsplit(self.location)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SettingsError("annotation.label_studio_url", [f"{url!r} is no address: write http://host:port"])
        if not api_key.strip():
            raise Unauthorized(
                f"no key is set for Label Studio at {self.location}: copy a personal access token from its account page "
                "and set DOYEN_ANNOTATION__LABEL_STUDIO_API_KEY"
            )
        with naming_extras():
            from label_studio_sdk import LabelStudio
        with self._errors("signing in"):
            self._client = LabelStudio(base_url=self.location, api_key=api_key.strip(), timeout=TIMEOUT_S)
        self._people: dict[int, str] = {}
        self.screen: ForeignScreen | None = None

    def projects(self, title: str, external_id: str | None) -> Iterator[RemoteProject]:
        """Yield the project with that id, where there is one, and then those with that title."""
        with self._errors("opening the project"):
            known = self._get_project(external_id) if external_id is not None else None
            named = [each for each in self._client.projects.list(title=_padded(title)) if str(each.id) != external_id]
        for each in [known, *named] if known is not None else named:
            yield RemoteProject(str(each.id), each.description or "", each.label_config or "")

    def place(self, project_id: str) -> str:
        """Return the project's number and the server."""
        return f"project {project_id} at {self.location}"

    def make_project(self, title: str, note: str, config: str) -> str:
        """Make a project in which the least certain tasks are served first."""
        with self._errors("making the project"):
            made = self._client.projects.create(
                title=_padded(title), description=note, label_config=config, sampling="Uncertainty sampling"
            )
        return str(made.id)

    def update_project(self, project_id: str, *, note: str | None = None, config: str | None = None) -> None:
        """Replace its description or its labelling configuration."""
        changes = {"description": note, "label_config": config}
        with self._errors("updating the project"):
            self._client.projects.update(
                id=int(project_id), **{key: value for key, value in changes.items() if value is not None}
            )

    def count_tasks(self, project_id: str) -> int:
        """Return how many tasks the project holds, ours or not."""
        with self._errors("opening the project"):
            return int(self._client.projects.get(id=int(project_id)).task_number or 0)

    def limit_people(self, project_id: str, people: int) -> None:
        """Set the project's number of annotations; the server applies a number other than before to tasks that are there."""
        with self._errors("setting how many people label a task"):
            if self._client.projects.get(id=int(project_id)).maximum_annotations != people:
                self._client.projects.update(id=int(project_id), maximum_annotations=people, overlap_cohort_percentage=100)

    def set_overlap(self, project_id: str, people: int, tasks: Mapping[str, int]) -> None:
        """Set it on each task that differs, and then on the project.

        The server's own share (``overlap_cohort_percentage``) would choose the tasks by chance, and anew after each import:
        it stays at 100, where the server leaves each task's own number alone.
        """
        for task in self._walk(project_id, [], LIGHT_PAGE, fields="task_only", include=_OVERLAP_FIELDS):
            wanted = tasks.get(str(task.id), task.overlap)
            if task.overlap != wanted:
                labels = min(task.total_annotations or 0, len(task.annotators or []))
                with self._errors("setting how many people label a task"):
                    self._client.tasks.update(id=str(task.id), overlap=wanted, is_labeled=labels >= wanted)
        self.limit_people(project_id, people)

    def people(self) -> dict[int, str]:
        """Return the e-mail address of each member."""
        if not self._people:
            with self._errors("reading the list of users"):
                self._people = {user.id: user.email for user in self._client.users.list()}
        return self._people

    def known_uids(self, project_id: str) -> dict[str, set[str]]:
        """Return uid → task ids of every task of ours that is there now."""
        known: dict[str, set[str]] = defaultdict(set)
        for task in self._walk(project_id, [], LIGHT_PAGE, fields="task_only", include="id,data"):
            uid = _uid(task.data)
            if uid is not None:
                known[uid].add(str(task.id))
        return dict(known)

    def set_data(self, external_id: str, data: Mapping[str, Any]) -> None:
        """Replace the data of a task; its annotations and predictions stay."""
        with self._errors("writing a task's data"):
            self._client.tasks.update(id=external_id, data=dict(data))

    def add_tasks(self, project_id: str, tasks: Sequence[dict[str, Any]]) -> list[str]:
        """Import a batch of tasks with their predictions."""
        request = [self.screen.outward(task) for task in tasks] if self.screen else list(tasks)
        with self._errors("importing tasks"):
            made = self._client.projects.import_tasks(
                id=int(project_id), request=request, return_task_ids=True, request_options=_ONCE
            )
        return [str(task_id) for task_id in made.task_ids or []]

    def add_predictions(self, project_id: str, predictions: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Import predictions for tasks that are there."""
        request = [
            {"task": int(task_id), **(self.screen.draft(prediction) if self.screen else prediction)}
            for task_id, prediction in predictions
        ]
        with self._errors("importing predictions"):
            self._client.projects.import_predictions(id=int(project_id), request=request, request_options=_ONCE)

    def shown_version(self, project_id: str) -> str:
        """Return the version of the predictions that people see."""
        with self._errors("looking up the drafts that are shown"):
            return str(self._client.projects.get(id=int(project_id)).model_version or "")

    def show_version(self, project_id: str, version: str) -> None:
        """Name the version that people see and the server's uncertainty sampling goes by; it looks at no other."""
        with self._errors("choosing the drafts to show"):
            self._client.projects.update(id=int(project_id), model_version=version)

    def ensure_webhook(self, project_id: str, url: str, headers: dict[str, str]) -> None:
        """Register the URL, or bring its headers up to date."""
        with self._errors("registering the webhook"):
            known = next((hook for hook in self._client.webhooks.list(project=project_id) if hook.url == url), None)
            wanted = {"url": url, "send_payload": False, "send_for_all_actions": True, "headers": headers, "is_active": True}
            if known is None:
                self._client.webhooks.create(project=int(project_id), **wanted)
            else:
                self._client.webhooks.update(id=known.id, **wanted)

    def read_changes(self, project_id: str, since: str | None) -> tuple[str | None, Iterator[RemoteTask]]:
        """Return the newest ``updated_at`` of any task, and the tasks that changed at or after ``since``."""
        with self._errors("looking for changes"):
            query = json.dumps({"ordering": ["-tasks:updated_at"]})
            page = self._client.tasks.list(project=int(project_id), query=query, page=1, page_size=1, fields="task_only")
            newest = next(iter(page), None)
        return (_iso(newest.updated_at) if newest is not None else None), self._changed_tasks(project_id, since)

    def _changed_tasks(self, project_id: str, since: str | None) -> Iterator[RemoteTask]:
        """Yield tasks with their annotations.

        Most tasks have no annotation: those come from a walk over ids alone, and only the others are read whole.
        """
        filters = [_filter("tasks:updated_at", "greater_or_equal", "Datetime", _filter_time(since))] if since else []
        labelled = skipped = False
        wanted = "id,data,total_annotations,cancelled_annotations"
        for task in self._walk(project_id, filters, LIGHT_PAGE, fields="task_only", include=wanted):
            if task.total_annotations:
                labelled = True
            elif task.cancelled_annotations:
                skipped = True
            else:
                yield RemoteTask(str(task.id), _uid(task.data), [], task.data or {})
        some, none = (_filter("tasks:total_annotations", operator, "Number", 0) for operator in ("greater", "equal"))
        if labelled:
            yield from self._whole_tasks(project_id, [*filters, some])
        if skipped:
            cancelled = _filter("tasks:cancelled_annotations", "greater", "Number", 0)
            yield from self._whole_tasks(project_id, [*filters, none, cancelled])

    def _whole_tasks(self, project_id: str, filters: list[dict[str, Any]]) -> Iterator[RemoteTask]:
        for task in self._walk(project_id, filters, PAGE, fields="all"):
            data = task.data or {}
            annotations = [self._annotation(task.id, raw, data) for raw in task.annotations or []]
            yield RemoteTask(str(task.id), _uid(data), annotations, data)

    def _annotation(self, task_id: int, raw: Any, data: Mapping[str, Any]) -> RemoteAnnotation:
        values = raw if isinstance(raw, dict) else raw.model_dump()
        read = read_annotation(values, f"{task_id}:{values['id']}", self.people(), _iso(values.get("updated_at")))
        return replace(read, result=self.screen.inward(read.result, data)) if self.screen else read

    def _walk(self, project_id: str, filters: list[dict[str, Any]], page_size: int, **wanted: Any) -> Iterator[Any]:
        """Yield tasks in the order of their ids, each page asked for by "id greater than the last one".

        Page numbers would skip a task whenever one before it is deleted, or moves, during the walk.
        """
        last = 0
        while True:
            items = [*filters, _filter("tasks:id", "greater", "Number", last)]
            query = json.dumps({"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]})
            with self._errors("reading tasks"):
                pager = self._client.tasks.list(project=int(project_id), query=query, page=1, page_size=page_size, **wanted)
                page = list(pager.items or [])
            yield from page
            if len(page) < page_size:
                return
            last = page[-1].id

    def _get_project(self, project_id: str) -> Any:
        from label_studio_sdk.core.api_error import ApiError

        try:
            return self._client.projects.get(id=int(project_id))
        except ApiError as error:
            if error.status_code == 404:
                return None
            raise

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        """Turn what the SDK raises into our errors: cause, value, remedy."""
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:
            if error.status_code in {401, 403}:
                raise Unauthorized(
                    f"Label Studio at {self.location} refused the key while {action} ({_detail(error.body)}): "
                    "set DOYEN_ANNOTATION__LABEL_STUDIO_API_KEY to a valid personal access token"
                ) from error
            raise ServiceError(
                f"Label Studio at {self.location} answered {error.status_code} while {action} ({_detail(error.body)}): "
                "see its log, and check that the URL and the project are right"
            ) from error
        except httpx.HTTPError as error:
            raise ServiceError(
                f"Label Studio at {self.location} cannot be reached while {action} ({type(error).__name__}: {error}): "
                "start it, or correct annotation.label_studio_url, and run the same command again"
            ) from error


def _padded(title: str) -> str:
    """Return a title as the server takes it: with three characters at least."""
    return title if len(title) >= 3 else f"{title} (project)"


def _filter(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {"filter": f"filter:{column}", "operator": operator, "type": kind, "value": value}


def _filter_time(moment: str) -> str:
    """Return the one time format that the server's filters take; others end in its error 500."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _uid(data: Any) -> str | None:
    uid = data.get(ADOPTED_UID, data.get("uid")) if isinstance(data, dict) else None
    return uid if isinstance(uid, str) else None


def _iso(moment: Any) -> str:
    """Return ISO 8601 with microseconds; the SDK gives text at one place and a datetime at another."""
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) and moment else moment
    return parsed.isoformat(timespec="microseconds") if isinstance(parsed, datetime) else ""


def _detail(body: Any) -> str:
    """Return what a server said, short enough for one sentence."""
    if isinstance(body, dict):
        body = body.get("validation_errors") or body.get("detail") or body
    text = re.sub(r"<[^>]*>|\s+", " ", str(body)).strip()
    return text[:300] or "no explanation"
