"""Annotation projects: made once, known by name, kept on a Label Studio server or in files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout
from sqlalchemy import select

from doyen.annotation.backend import Backend
from doyen.annotation.task_types import TaskType, stored_task_type
from doyen.core.errors import Busy, InputError, NotFoundError, StateError
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow
from doyen.core.workspace import Workspace

IMPORTED = "import:"
"""Prefix of the external id of annotations that came from a pairs file."""
KEPT = "kept:"
"""Prefix of the external id of annotations from a server that the project has since left."""
ADOPTED = "adopted"
"""Purpose of a project that was not made here: its screen, and what else its owner set, stay as they are."""
REVIEW = "review"
"""Purpose of a project in which experts decide about another one's tasks."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,49}")
"""Label Studio's titles have 50 characters at most, and the name is a folder's too."""


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
        from doyen.annotation.labelstudio.client import LabelStudioBackend

        return LabelStudioBackend(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
    from doyen.annotation.files.folder import FilesBackend

    return FilesBackend(workspace.annotation_folder)


def get_project(store: Store, name: str) -> AnnotationProjectRow:
    """Return the project's row, detached.

    Raises:
        NotFoundError: there is no such project.
    """
    with store.session() as session:
        row = session.get(AnnotationProjectRow, name)
        if row is None:
            known = sorted(session.scalars(select(AnnotationProjectRow.name)))
            listed = f"known ones are {', '.join(known)}" if known else "there are none yet"
            raise NotFoundError(
                f"there is no annotation project {name!r} ({listed}): make it with `doyen annotate create --project {name}`"
            )
        session.expunge(row)
        return row


def get_annotation_project(store: Store, name: str) -> AnnotationProjectRow:
    """Return the row of a project in which people annotate, detached.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project, which gets its tasks from the one that it reviews alone.
    """
    row = get_project(store, name)
    if row.purpose == REVIEW:
        raise InputError(
            f"{name!r} is a review project, which takes nothing else: name the one that it reviews, {row.parent!r}"
        )
    return row


def remake_command(project: AnnotationProjectRow) -> str:
    """Return the command that makes the project anew, or brings it up to date, where people label."""
    if project.purpose == REVIEW:
        return f"doyen annotate adjudicate --project {project.parent}"
    if project.purpose == ADOPTED:
        return f"doyen annotate adopt --project {project.name} --id {project.external_id} --type {project.task_type}"
    return f"doyen annotate create --project {project.name}"


def list_projects(store: Store) -> list[AnnotationProjectRow]:
    """Return all projects' rows by name, detached."""
    with store.session() as session:
        return list(session.scalars(select(AnnotationProjectRow).order_by(AnnotationProjectRow.name)))


def task_type_of(project: AnnotationProjectRow) -> TaskType:
    """Return the project's task type with the description that the project was made from."""
    return stored_task_type(project.task_type, project.description)


def require_backend(workspace: Workspace, project: AnnotationProjectRow) -> tuple[Backend, str]:
    """Open the project's backend and return it with the project's id there.

    Raises:
        StateError: the settings now name another place than the project was made in.
    """
    backend = open_backend(workspace)
    if backend.location != project.backend or project.external_id is None:
        raise StateError(
            f"project {project.name!r} was made on {project.backend or 'no server'}, but the settings name {backend.location}: "
            f"put annotation.label_studio_url back, or move the project with `{remake_command(project)}`"
        )
    if project.purpose == ADOPTED:
        from doyen.annotation.labelstudio.foreign_screens import AdoptedBackend, read_screen

        screen, _ = read_screen(project.task_type, project.config)
        backend = cast(Backend, AdoptedBackend(backend, screen))
    return backend, project.external_id


@contextmanager
def sync_lock(workspace: Workspace, name: str) -> Iterator[None]:
    """Keep two syncs of one project apart: both would send the same tasks.

    Raises:
        Busy: another process is syncing this project.
        InputError: that cannot be a project's name, so that there can be no lock of it.
    """
    check_name(name)
    folder: Path = workspace.annotation_folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Busy(f"another doyen command is syncing project {name!r}: wait until it has finished") from error
    try:
        yield
    finally:
        lock.release()
