"""Adopting a Label Studio project that was not made here: its tasks become ours, and its labels can be pulled."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from doyen.annotation.backend import RemoteProject, RemoteTask
from doyen.annotation.exchange.label_import import ORIGIN
from doyen.annotation.labelstudio.client import ADOPTED_UID, LabelStudioBackend
from doyen.annotation.labelstudio.foreign_screens import ForeignScreen, read_screen
from doyen.annotation.projects import check_name, connect, open_backend, other_marker, project_marker, sync_lock, with_marker
from doyen.annotation.pulled_labels import PullReport
from doyen.annotation.store import find_project, new_task_row
from doyen.annotation.sync import pull_changes
from doyen.annotation.task_types import get_task_type
from doyen.annotation.tasks import task_data
from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.drafter import Excerpt
from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow, Purpose, TaskState
from doyen.core.text import is_blank
from doyen.core.workspace import Workspace


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

    On the server, each task's data gets our id under a key of its own, and the project's description a marker. Its screen,
    order, drafts and members stay as they are.

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
    server = open_backend(workspace)
    if not isinstance(server, LabelStudioBackend):
        raise InputError("a project can be adopted from a Label Studio server alone: set annotation.label_studio_url")
    with sync_lock(workspace, name):
        _check_free(store, name, str(remote_id), task_type)
        remote = _find(server, name, str(remote_id))
        screen, description = _understand(task_type, remote)
        _mark(store, server, name, remote)
        _store_project(store, server, name, remote, description)
        report = AdoptionReport(name, redact(server.location), left_fields=screen.others)
        with (reporter or Silent()).bar("adopting tasks", None) as bar:
            for task in server.read_changes(remote.external_id, None)[1]:
                _adopt_task(store, server, name, screen, task, report)
                bar.advance(1)
        report.pulled = pull_changes(connect(workspace, store, name), reporter=reporter)
    return report


def _check_free(store: Store, name: str, remote_id: str, task_type: str) -> None:
    row = find_project(store, name)
    if row is not None and (row.purpose, row.external_id, row.task_type) != (Purpose.ADOPTED, remote_id, task_type):
        raise InputError(f"there is a project {name!r} already, which is not that one as {task_type}: choose another name")


def _find(server: LabelStudioBackend, name: str, remote_id: str) -> RemoteProject:
    for project in server.projects(name, remote_id):
        if project.external_id == remote_id:
            return project
    raise NotFoundError(f"there is no project {remote_id} at {server.location}: its number stands in its address there")


def _understand(task_type: str, remote: RemoteProject) -> tuple[ForeignScreen, TaskDescription]:
    """Return how the project's fields are called here, and the description that follows from them."""
    try:
        screen, description = read_screen(task_type, remote.config)
    except ValidationError as error:
        reasons = "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
        raise InputError(f"the project's labelling configuration cannot be described here: {reasons}") from error
    return screen, get_task_type(task_type, description).description


def _mark(store: Store, server: LabelStudioBackend, name: str, remote: RemoteProject) -> None:
    marker = project_marker(store, name)
    if another := other_marker(remote.note, marker):
        raise StateError(f"project {remote.external_id} at {server.location} is one of Doyen's already: it carries {another!r}")
    if marker not in remote.note:
        server.update_project(remote.external_id, note=with_marker(remote.note, marker))


def _store_project(
    store: Store, server: LabelStudioBackend, name: str, remote: RemoteProject, description: TaskDescription
) -> None:
    with store.session() as session:
        session.merge(
            AnnotationProjectRow(
                name=name,
                task_type=description.type,
                backend=server.location,
                external_id=remote.external_id,
                config=remote.config,
                description=description.model_dump(mode="json"),
                purpose=Purpose.ADOPTED,
                overlap=1,
            )
        )


def _adopt_task(
    store: Store, server: LabelStudioBackend, name: str, screen: ForeignScreen, task: RemoteTask, report: AdoptionReport
) -> None:
    """Write our id into the task on the server, and store it here. Stopped between the two, it is the same id the next time."""
    text = task.data.get(screen.text_key)
    if not isinstance(text, str) or is_blank(text):
        report.without_text += 1
        return
    with store.session() as session:
        row = session.get(AnnotationTaskRow, task.uid) if task.uid else None
        if row is not None and row.project == name:
            report.known += 1
            return
    uid = short_id("adopted", name, server.location, task.external_id, text)
    if task.uid != uid:
        server.set_data(task.external_id, {**task.data, ADOPTED_UID: uid})
    prompt, excerpt = (text, Excerpt("")) if screen.answers_text else ("", Excerpt(text))
    row = new_task_row(name, task_data(uid, excerpt, prompt))
    rest = {key: value for key, value in task.data.items() if key not in {screen.text_key, ADOPTED_UID}}
    row.external_id, row.state = task.external_id, TaskState.PUSHED
    row.origin = {ORIGIN: {"item_id": task.external_id, "meta": rest}}
    with store.session() as session:
        session.merge(row)
    report.adopted += 1
