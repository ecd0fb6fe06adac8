"""Which project over there is ours: each carries a marker of its workspace in its description.

A marker can be lost (someone edits the description) or be older than the workspace's id (such a marker named the
workspace's path). What decides then is whether the project holds tasks of ours, by their uids. A marker of another
workspace is never passed over: two workspaces with the same documents make tasks with the same uids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import select

from doyen.annotation.backend import Backend, RemoteProject
from doyen.core.errors import StateError
from doyen.core.manifest import short_id
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

_ANY_MARKER = re.compile(r"Doyen project .{3,50}? \[[0-9a-f]{16}\]")


def project_marker(store: Store, name: str) -> str:
    """Return the text by which a project of ours is found again on a server, for example after a crash."""
    return _marker(name, store.workspace_id())


def find_remote(
    workspace: Workspace, store: Store, backend: Backend, name: str, external_id: str | None
) -> RemoteProject | None:
    """Return the project over there that is ours, with our marker in its note; None where there is none.

    Args:
        external_id: its id over there, where it is known; an id can be given again after a deletion.

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


def require_remote(workspace: Workspace, store: Store, backend: Backend, row: AnnotationProjectRow) -> None:
    """Check that the project is still there and ours.

    Raises:
        StateError: it is gone, or that id belongs to somebody else's project by now.
    """
    found = find_remote(workspace, store, backend, row.name, row.external_id)
    if found is None or found.external_id != row.external_id:
        raise StateError(
            f"{backend.place(row.external_id or '')} is gone: make it again with "
            "`doyen annotate create` (a review project with `doyen annotate adjudicate` for the one that it reviews; "
            "labels that were pulled are kept), then push"
        )


def with_marker(note: str, marker: str) -> str:
    """Return a note with this marker in the place of another one, and all else that people wrote."""
    rest = _ANY_MARKER.sub("", note).strip()
    return f"{rest}\n\n{marker}" if rest else marker


def other_marker(note: str, marker: str) -> str | None:
    """Return the marker in a note that is not this one: of another project here, or of another workspace."""
    found = _ANY_MARKER.search(note)
    return found.group() if found and found.group() != marker else None


def our_tasks(store: Store, name: str) -> dict[str, str | None]:
    """Return uid → external id of the project's tasks."""
    query = select(AnnotationTaskRow.uid, AnnotationTaskRow.external_id).where(AnnotationTaskRow.project == name)
    with store.session() as session:
        return dict(session.execute(query).tuples().all())


def holding_ours(store: Store, backend: Backend, name: str, external_id: str | None) -> Iterator[RemoteProject]:
    """Yield the projects with that id or title that hold tasks of ours, whatever their notes say."""
    ours = our_tasks(store, name)
    for project in backend.projects(name, external_id):
        if ours.keys() & backend.known_uids(project.external_id).keys():
            yield project


def _is_ours(store: Store, backend: Backend, project: RemoteProject, name: str) -> bool:
    """Whether a project without our marker holds our tasks, or can be nobody else's because it holds none and got none."""
    ours, there = our_tasks(store, name), backend.known_uids(project.external_id)
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
