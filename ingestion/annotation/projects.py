"""Annotation projects: made once, known by name, kept on a Label Studio server or in files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from doyen.ingestion.annotation.contracts import Backend
from doyen.ingestion.annotation.task_types import get_task_type
from doyen.platform.core.errors import Busy, InputError, NotFoundError, StateError
from doyen.platform.core.manifest import now, short_id
from doyen.platform.core.store import Store
from doyen.platform.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow
from doyen.platform.core.workspace import Workspace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{2,49}")
"""Label Studio's titles need 3 to 50 characters, and the name is a folder's too."""
IMPORTED = "import:"
"""Prefix of the external id of annotations that came from a pairs file."""
KEPT = "kept:"
"""Prefix of the external id of annotations from a server that the project has since left."""


@dataclass(frozen=True)
class ProjectStatus:
    """Where a project stands.

    Attributes:
        location: Label Studio's URL, or "files".
        tasks: number of tasks by state (created, pushed, labelled, deleted).
        annotators: number of current labels by annotator.
        versions: all stored annotation versions, replaced ones included.
    """

    name: str
    task_type: str
    location: str
    synced_at: str | None
    tasks: dict[str, int] = field(default_factory=dict)
    annotators: dict[str, int] = field(default_factory=dict)
    versions: int = 0


def open_backend(workspace: Workspace) -> Backend:
    """Return where this workspace's settings keep annotation: a Label Studio server, or files.

    Raises:
        Unauthorized: a server is named without a key.
        MissingPart: label-studio-sdk is not installed.
    """
    settings = workspace.settings.annotation
    if settings.label_studio_url:
        from doyen.ingestion.annotation.label_studio import LabelStudioBackend

        return LabelStudioBackend(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
    from doyen.ingestion.annotation.files import FilesBackend

    return FilesBackend(workspace.annotation_folder)


def create_project(workspace: Workspace, store: Store, name: str, task_type: str = "prompt-response") -> ProjectStatus:
    """Make the project here and at its backend, or bring an existing one up to date; safe to repeat.

    A project whose backend has changed (another server, files instead of a server, or deleted over there) is made
    anew in the new place: its tasks will be pushed again, and labels pulled so far are kept.

    Raises:
        InputError: the name cannot be used, or the project exists with another task type.
        NotFoundError: there is no such task type.
        ServiceError: the server failed.
    """
    if not NAME.fullmatch(name) or name != name.strip():
        raise InputError(
            f"{name!r} cannot be a project's name: use 3 to 50 letters, digits, blanks, dots, dashes or underscores"
        )
    config = get_task_type(task_type).config
    backend = open_backend(workspace)
    with sync_lock(workspace, name):
        with store.session() as session:
            row = session.get(AnnotationProjectRow, name)
            if row is not None and row.task_type != task_type:
                raise InputError(f"project {name!r} exists with task type {row.task_type}: choose another name")
            known_id = row.external_id if row is not None and row.backend == backend.location else None
        external_id, made = backend.ensure_project(name, project_marker(workspace, name), config, known_id)
        with store.session() as session:
            row = session.get(AnnotationProjectRow, name)
            if row is None:
                row = AnnotationProjectRow(name=name, task_type=task_type, backend="", config="", synced_at=None)
                session.add(row)
            elif made or (row.backend, row.external_id) != (backend.location, external_id):
                _detach(session, row)
            row.backend, row.external_id, row.config = backend.location, external_id, config
    return project_status(store, name)


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


def list_projects(store: Store) -> list[AnnotationProjectRow]:
    """Return all projects' rows by name, detached."""
    with store.session() as session:
        return list(session.scalars(select(AnnotationProjectRow).order_by(AnnotationProjectRow.name)))


def project_status(store: Store, name: str) -> ProjectStatus:
    """Count tasks by state and current labels by annotator.

    Raises:
        NotFoundError: there is no such project.
    """
    project = get_project(store, name)
    with store.session() as session:
        states = session.execute(
            select(AnnotationTaskRow.state, func.count()).where(AnnotationTaskRow.project == name).group_by("state")
        )
        labels = session.execute(
            select(AnnotationRow.annotator, AnnotationRow.current)
            .join(AnnotationTaskRow, AnnotationRow.task_uid == AnnotationTaskRow.uid)
            .where(AnnotationTaskRow.project == name)
        ).all()
        tasks = dict(sorted(states.tuples()))
    annotators = Counter(annotator or "unknown" for annotator, current in labels if current)
    return ProjectStatus(
        name, project.task_type, project.backend, project.synced_at, tasks, dict(sorted(annotators.items())), len(labels)
    )


def require_backend(workspace: Workspace, project: AnnotationProjectRow) -> tuple[Backend, str]:
    """Open the project's backend and return it with the project's id there.

    Raises:
        StateError: the settings now name another place than the project was made in.
    """
    backend = open_backend(workspace)
    if backend.location != project.backend or project.external_id is None:
        raise StateError(
            f"project {project.name!r} was made on {project.backend or 'no server'}, but the settings name {backend.location}: "
            f"put annotation.label_studio_url back, or move the project with `doyen annotate create --project {project.name}`"
        )
    return backend, project.external_id


@contextmanager
def sync_lock(workspace: Workspace, name: str) -> Iterator[None]:
    """Keep two syncs of one project apart: both would send the same tasks.

    Raises:
        Busy: another process is syncing this project.
    """
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


def project_marker(workspace: Workspace, name: str) -> str:
    """Return the text by which a project of ours is found again on a server, for example after a crash."""
    return f"Doyen project {name} [{short_id(str(workspace.root), name)}]"


def _detach(session: Session, row: AnnotationProjectRow) -> None:
    """Forget the old place: its tasks wait to be pushed again, its labels stay current and no pull can touch them."""
    old = KEPT + short_id(row.backend, row.external_id or "", now())
    row.synced_at = None
    tasks = select(AnnotationTaskRow.uid).where(AnnotationTaskRow.project == row.name)
    for annotation in session.scalars(select(AnnotationRow).where(AnnotationRow.task_uid.in_(tasks))):
        if not annotation.external_id.startswith((IMPORTED, KEPT)):
            annotation.external_id = f"{old}:{annotation.external_id}"
    session.execute(
        update(AnnotationTaskRow)
        .where(AnnotationTaskRow.project == row.name, AnnotationTaskRow.external_id.is_not(None))
        .values(state="created", external_id=None)
    )
