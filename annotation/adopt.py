"""Adopting a Label Studio project that was not made here: its tasks become ours, and its labels can be pulled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from doyen.annotation.backend import ADOPTED_UID, Backend, RemoteProject, RemoteTask
from doyen.annotation.exchange.label_import import ORIGIN
from doyen.annotation.labelstudio.foreign_screens import ForeignScreen, read_screen
from doyen.annotation.linking import other_marker, project_marker, with_marker
from doyen.annotation.projects import ADOPTED, check_name, open_backend, sync_lock
from doyen.annotation.puller import PullReport
from doyen.annotation.sync import pull_unlocked
from doyen.annotation.task_types import get_task_type
from doyen.annotation.tasks import new_task_row, task_data
from doyen.annotation.types.proposals import Excerpt
from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow
from doyen.core.text import is_blank
from doyen.core.workspace import Workspace

BATCH = 100


@dataclass
class AdoptionReport:
    """What an adoption did.

    Attributes:
        adopted: tasks that are ours from now on; known: those that were before.
        without_text: tasks whose data has no text, left alone.
        left_fields: fields of its screen that are not read.
        pulled: what the pull after it fetched.
    """

    project: str
    location: str
    adopted: int = 0
    known: int = 0
    without_text: int = 0
    left_fields: tuple[str, ...] = ()
    pulled: PullReport | None = None


def adopt_project(
    workspace: Workspace, store: Store, name: str, remote_id: int, task_type: str, *, reporter: Reporter | None = None
) -> AdoptionReport:
    """Take a project on the server over and pull its labels; repeating it takes in what was added since.

    Over there each task's data gets our id under a key of its own, and the project's description a marker. Its screen, its
    order, its drafts and its members stay as they are.

    Args:
        remote_id: its number on the server.
        task_type: what its labels are; the description follows from its labelling configuration.

    Raises:
        InputError: the settings name no server, the screen does not fit the type, or the name is another project's.
        NotFoundError: there is no such project on the server, or no such task type.
        StateError: it is a project of Doyen already, here under another name or in another workspace.
        ServiceError: the server failed; repeating it goes on.
        Busy: another process is syncing a project of this name.
    """
    check_name(name)
    backend = open_backend(workspace)
    with sync_lock(workspace, name):
        _check_row(store, backend, name, str(remote_id), task_type)
        remote = _find(backend, name, str(remote_id))
        marker = project_marker(store, name)
        if another := other_marker(remote.note, marker):
            raise StateError(f"project {remote_id} at {backend.location} is one of Doyen's already: it carries {another!r}")
        try:
            screen, description = read_screen(task_type, remote.config)
        except ValidationError as error:
            reasons = "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
            raise InputError(f"the project's labelling configuration cannot be described here: {reasons}") from error
        if marker not in remote.note:
            backend.update_project(remote.external_id, note=with_marker(remote.note, marker))
        stored = get_task_type(task_type, description).description.model_dump(mode="json")
        with store.session() as session:
            session.merge(
                AnnotationProjectRow(
                    name=name,
                    task_type=task_type,
                    backend=backend.location,
                    external_id=remote.external_id,
                    config=remote.config,
                    description=stored,
                    purpose=ADOPTED,
                    overlap=1,
                )
            )
        report = AdoptionReport(name, redact(backend.location), left_fields=screen.others)
        with (reporter or Silent()).bar("adopting tasks", None) as bar:
            for task in backend.changed_tasks(remote.external_id, None):
                _adopt_task(store, backend, name, screen, task, report)
                bar.advance(1)
        report.pulled = pull_unlocked(workspace, store, name, reporter=reporter)
    return report


def _check_row(store: Store, backend: Backend, name: str, remote_id: str, task_type: str) -> None:
    """Raise InputError where the name belongs to another project, or there is no server."""
    if backend.location == "files":
        raise InputError("a project can be adopted from a Label Studio server alone: set annotation.label_studio_url")
    with store.session() as session:
        row = session.get(AnnotationProjectRow, name)
        same = row is None or (row.purpose, row.external_id, row.task_type) == (ADOPTED, remote_id, task_type)
    if not same:
        raise InputError(f"there is a project {name!r} already, which is not that one as {task_type}: choose another name")


def _find(backend: Backend, name: str, remote_id: str) -> RemoteProject:
    for project in backend.projects(name, remote_id):
        if project.external_id == remote_id:
            return project
    raise NotFoundError(f"there is no project {remote_id} at {backend.location}: its number stands in its address there")


def _adopt_task(
    store: Store, backend: Backend, name: str, screen: ForeignScreen, task: RemoteTask, report: AdoptionReport
) -> None:
    """Give a task our id over there, and store it here. Stopped between the two, it is the same id the next time."""
    text = task.data.get(screen.text_key)
    if not isinstance(text, str) or is_blank(text):
        report.without_text += 1
        return
    with store.session() as session:
        row = session.get(AnnotationTaskRow, task.uid) if task.uid else None
        if row is not None and row.project == name:
            report.known += 1
            return
    uid = short_id("adopted", name, backend.location, task.external_id, text)
    if task.uid != uid:
        backend.set_data(task.external_id, {**task.data, ADOPTED_UID: uid})
    with store.session() as session:
        session.merge(_row(name, uid, screen, task, text))
    report.adopted += 1


def _row(name: str, uid: str, screen: ForeignScreen, task: RemoteTask, text: str) -> AnnotationTaskRow:
    prompt, shown = (text, "") if screen.answers_text else ("", text)
    excerpt = Excerpt(shown, source="", document_id="", version="", chunk_id="", start=0)
    row = new_task_row(name, uid, excerpt, task_data(uid, excerpt, prompt))
    rest: dict[str, Any] = {key: value for key, value in task.data.items() if key not in {screen.text_key, ADOPTED_UID}}
    row.external_id, row.state, row.origin = task.external_id, "pushed", {ORIGIN: {"item_id": task.external_id, "meta": rest}}
    return row
