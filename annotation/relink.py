"""Tying a project here to one over there again: after an older workspace was moved, or a server got another address."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import select, update

from doyen.annotation.create import detach
from doyen.annotation.linking import holding_ours, project_marker, with_marker
from doyen.annotation.projects import get_project, open_backend, sync_lock
from doyen.annotation.status import ProjectStatus, project_status
from doyen.core.errors import StateError
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, WorkspaceRow
from doyen.core.workspace import Workspace


def relink(workspace: Workspace, store: Store, name: str, external_id: str | None = None) -> ProjectStatus:
    """Take the project over there that holds our tasks for ours, whoever's marker it carries; it carries ours afterwards.

    Args:
        external_id: its id over there; default: the one that is known, else the first of that title.

    Raises:
        NotFoundError: there is no such project here.
        StateError: none over there holds a task of ours.
        ServiceError, Unauthorized, Busy: as for ``push``.
    """
    backend = open_backend(workspace)
    with sync_lock(workspace, name):
        row = get_project(store, name)
        wanted = external_id or row.external_id
        candidates = holding_ours(store, backend, name, wanted)
        found = next((each for each in candidates if external_id in {None, each.external_id}), None)
        if found is None:
            raise StateError(
                f"no project {external_id or repr(name)} at {backend.location} holds a task of {name!r}: "
                f"name the right one with --id, or make one with `doyen annotate create --project {name!r}`"
            )
        backend.update_project(found.external_id, note=with_marker(found.note, project_marker(store, name)))
        with store.session() as session:
            stored = session.get_one(AnnotationProjectRow, name)
            if stored.external_id != found.external_id:
                detach(session, stored)
            stored.backend, stored.external_id = backend.location, found.external_id
    return project_status(store, name)


def separate(store: Store) -> list[str]:
    """Make a copied workspace one of its own: its projects on servers stay the original's, and are made anew here.

    Returns:
        The names of the projects that ``create`` will make anew; their labels are kept.
    """
    with store.session() as session:
        session.execute(update(WorkspaceRow).values(workspace_id=uuid4().hex))
        rows = session.scalars(select(AnnotationProjectRow).where(AnnotationProjectRow.backend != "files"))
        names = []
        for row in rows.all():
            detach(session, row)
            row.external_id = None
            names.append(row.name)
        return names
