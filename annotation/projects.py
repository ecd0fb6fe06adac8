"""A project and the place where people label it: names, the lock of a sync, the connection, and whose project it is.

Each project at a backend carries a marker of its workspace in its description. A marker can be lost (someone edits the
description) or be older than the workspace's id (such a marker named the workspace's path). What decides then is whether
the project holds tasks of ours, by their uids. A marker of another workspace is never passed over: two workspaces with the
same documents make tasks with the same uids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from doyen.annotation.backend import Backend, RemoteProject
from doyen.annotation.files.folder import FilesBackend
from doyen.annotation.labelstudio.client import LabelStudioBackend
from doyen.annotation.labelstudio.foreign_screens import read_screen
from doyen.annotation.store import external_ids, get_project, task_type_of
from doyen.annotation.task_types import TaskType
from doyen.core.errors import InputError, StateError
from doyen.core.locks import hold
from doyen.core.manifest import short_id
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, Purpose
from doyen.core.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,49}")
"""Label Studio's titles have 50 characters at most, and the name is a folder's too."""
_ANY_MARKER = re.compile(r"Doyen project .{3,50}? \[[0-9a-f]{16}\]")


@dataclass(frozen=True)
class Connection:
    """A project that is known here, connected to the place where people label it.

    Attributes:
        row: its row as it was when it was opened, detached.
        external_id: its id at the backend.
    """

    workspace: Workspace
    store: Store
    row: AnnotationProjectRow
    backend: Backend
    external_id: str

    @property
    def name(self) -> str:
        """The project's name."""
        return self.row.name

    @cached_property
    def task_type(self) -> TaskType:
        """The project's task type under its description."""
        return task_type_of(self.row)

    @property
    def server(self) -> LabelStudioBackend | None:
        """The backend, where that is a Label Studio server: it shows drafts by version, and calls webhooks."""
        return self.backend if isinstance(self.backend, LabelStudioBackend) else None

    @property
    def files(self) -> FilesBackend | None:
        """The backend, where labels are exchanged through files."""
        return self.backend if isinstance(self.backend, FilesBackend) else None


def check_name(name: str) -> None:
    """Raise InputError for what cannot be a project's name."""
    if not _NAME.fullmatch(name) or name != name.strip():
        raise InputError(
            f"{name!r} cannot be a project's name: use 1 to 50 letters, digits, blanks, dots, dashes or underscores"
        )


def open_backend(workspace: Workspace) -> Backend:
    """Return where this workspace's settings keep annotation: a Label Studio server, or files.

    Raises:
        Unauthorized: a server is named without a key.
        MissingPart: label-studio-sdk is not installed.
    """
    settings = workspace.settings.annotation
    if settings.label_studio_url:
        return LabelStudioBackend(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
    return FilesBackend(workspace.annotation_folder)


def connect(workspace: Workspace, store: Store, name: str) -> Connection:
    """Connect to the project's place, after checking that the project is still there and ours.

    Raises:
        NotFoundError: there is no such project here.
        StateError: the settings now name another place than the project was made in, the project is gone there, or
            its id belongs to somebody else's project by now.
        ServiceError, Unauthorized: the server failed.
    """
    row, backend = get_project(store, name), open_backend(workspace)
    if backend.location != row.backend or row.external_id is None:
        raise StateError(
            f"project {name!r} was made on {row.backend or 'no server'}, but the settings name {backend.location}: "
            f"put annotation.label_studio_url back, or move the project with `{remake_command(row)}`"
        )
    found = find_remote(workspace, store, backend, name, row.external_id)
    if found is None or found.external_id != row.external_id:
        raise StateError(
            f"{backend.place(row.external_id)} is gone: make it again with "
            "`doyen annotate create` (a review project with `doyen annotate adjudicate` for the one that it reviews; "
            "labels that were pulled are kept), then push"
        )
    if row.purpose == Purpose.ADOPTED and isinstance(backend, LabelStudioBackend):
        backend.screen, _ = read_screen(row.task_type, row.config)
    return Connection(workspace, store, row, backend, row.external_id)


@contextmanager
def connected(workspace: Workspace, store: Store, name: str) -> Iterator[Connection]:
    """Connect to a project for a sync that no other may disturb. Raises as ``connect`` and ``sync_lock`` do."""
    get_project(store, name)
    with sync_lock(workspace, name):
        yield connect(workspace, store, name)


@contextmanager
def sync_lock(workspace: Workspace, name: str) -> Iterator[None]:
    """Keep two syncs of one project apart: both would send the same tasks.

    Raises:
        Busy: another process is syncing this project.
        InputError: that cannot be a project's name, so that there can be no lock of it.
    """
    check_name(name)
    refusal = f"{{holder}} is syncing project {name!r}: wait until it has finished"
    with hold(workspace.annotation_folder / f".{name}.lock", "annotate", refusal):
        yield


def remake_command(project: AnnotationProjectRow) -> str:
    """Return the command that makes the project anew, or brings it up to date, where people label."""
    if project.purpose == Purpose.REVIEW:
        return f"doyen annotate adjudicate --project {project.parent}"
    if project.purpose == Purpose.ADOPTED:
        return f"doyen annotate adopt --project {project.name} --id {project.external_id} --type {project.task_type}"
    return f"doyen annotate create --project {project.name}"


def project_marker(store: Store, name: str) -> str:
    """Return the text by which a project of ours is found again on a server, for example after a crash."""
    return _marker(name, store.workspace_id())


def find_remote(
    workspace: Workspace, store: Store, backend: Backend, name: str, external_id: str | None
) -> RemoteProject | None:
    """Return the project at the backend that is ours, with our marker in its note; None where there is none.

    Args:
        external_id: its id there, where it is known; an id can be given again after a deletion.

    Raises:
        StateError: it holds tasks of ours, but carries the marker of another workspace.
    """
    marker, older = project_marker(store, name), _marker(name, str(workspace.root))
    for project in backend.projects(name, external_id):
        known = project.external_id == external_id
        if marker in project.note:
            return project
        if older in project.note or project.private or (known and _is_ours(store, backend, project, name)):
            backend.update_project(project.external_id, note=with_marker(project.note, marker))
            return project
    return None


def find_holding(
    store: Store, backend: Backend, name: str, known_id: str | None, wanted_id: str | None
) -> RemoteProject | None:
    """Return the project at the backend that holds tasks of ours, whatever its note says; None where there is none.

    Args:
        known_id: its id as it was known; projects of that title are looked at, too.
        wanted_id: the only id that will do; None: any.
    """
    ours = external_ids(store, name)
    for project in backend.projects(name, wanted_id or known_id):
        if wanted_id in {None, project.external_id} and ours.keys() & backend.known_uids(project.external_id).keys():
            return project
    return None


def with_marker(note: str, marker: str) -> str:
    """Return a note with this marker in the place of another one, and all else that people wrote."""
    rest = _ANY_MARKER.sub("", note).strip()
    return f"{rest}\n\n{marker}" if rest else marker


def other_marker(note: str, marker: str) -> str | None:
    """Return the marker in a note that is not this one: of another project here, or of another workspace."""
    found = _ANY_MARKER.search(note)
    return found.group() if found and found.group() != marker else None


def _is_ours(store: Store, backend: Backend, project: RemoteProject, name: str) -> bool:
    """Whether a project without our marker holds our tasks, or can be nobody else's because it holds none and got none."""
    ours, there = external_ids(store, name), backend.known_uids(project.external_id)
    shared = bool(ours.keys() & there.keys())
    another = _ANY_MARKER.search(project.note)
    if another and shared:
        raise StateError(
            f"project {project.external_id} at {backend.location} holds tasks of {name!r}, but its description carries "
            f"{another.group()!r}, the marker of another workspace, or of this one before it was moved: if it is this "
            f"workspace's, run `doyen annotate relink --project {name!r}`"
        )
    return another is None and (shared or not (there or any(ours.values())))


def _marker(name: str, identity: str) -> str:
    return f"Doyen project {name} [{short_id(identity, name)}]"
