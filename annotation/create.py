"""Making a project, or bringing it up to date, here and where people label."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from doyen.annotation.backend import Backend, RemoteProject
from doyen.annotation.labelstudio.orphans import (
    OrphanedLabels,
    added_values,
    config_values,
    find_orphans,
    missing_values,
    stored_results,
)
from doyen.annotation.labelstudio.regions import Result
from doyen.annotation.linking import find_remote, our_tasks, project_marker
from doyen.annotation.overlap import apply_overlap, change_overlap, check_overlap, plan_overlap
from doyen.annotation.projects import (
    ADOPTED,
    IMPORTED,
    KEPT,
    REVIEW,
    check_name,
    get_project,
    open_backend,
    remake_command,
    sync_lock,
    task_type_of,
)
from doyen.annotation.status import ProjectStatus, project_status
from doyen.annotation.sync import pull_unlocked
from doyen.annotation.task_types import get_task_type
from doyen.annotation.types.descriptions import TaskDescription
from doyen.core.errors import InputError, StateError
from doyen.core.manifest import now, short_id
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

DEFAULT_TYPE = "prompt-response"


def create_project(
    workspace: Workspace,
    store: Store,
    name: str,
    task_type: str | None = None,
    description: TaskDescription | None = None,
    *,
    overlap: int | None = None,
    share: float | None = None,
) -> ProjectStatus:
    """Make the project here and at its backend, or bring an existing one up to date; safe to repeat.

    A project whose backend has changed (another server, files instead of a server, or deleted over there) is made
    anew in the new place: its tasks will be pushed again, and labels pulled so far are kept.

    Args:
        task_type: default: the description's, the existing project's, or prompt-response.
        description: labels and guideline; default: the project's own, else the type's default.
        overlap: how many people label each gold item and each task of the share; default: the project's own, else 2.
        share: share of the tasks that several people label, 0 to 1; default: the project's own, else one in five.

    Raises:
        InputError: the name cannot be used, the project exists with another task type or for review, or overlap or
            share cannot be.
        NotFoundError: there is no such task type.
        DescriptionError: the type has no default description and none was given.
        OrphanedLabels: labels here or over there use what the description drops, or somebody added it to the screen
            over there; nothing was changed.
        StateError: the project over there holds our tasks under the marker of another workspace.
        ServiceError: the server failed.
    """
    check_name(name)
    check_overlap(overlap, share)
    backend = open_backend(workspace)
    with sync_lock(workspace, name):
        with store.session() as session:
            row = session.get(AnnotationProjectRow, name)
        if row is not None and row.purpose == REVIEW:
            raise InputError(
                f"{name!r} reviews {row.parent!r} and takes over its description: run `{remake_command(row)}` again"
            )
        if row is not None and row.purpose == ADOPTED:
            raise InputError(
                f"{name!r} was not made here, and keeps its labelling screen: change it in Label Studio, then run "
                f"`{remake_command(row)}` again"
            )
        task_type = _choose_type(row, name, task_type, description)
        kind = task_type_of(row) if row is not None and description is None else get_task_type(task_type, description)
        stored = kind.description.model_dump(mode="json")
        fresh = AnnotationProjectRow(name=name, task_type=task_type, config=kind.config, description=stored)
        settle(workspace, store, backend, fresh)
        change_overlap(store, name, overlap, share)
        plan_overlap(store, name)
        apply_overlap(store, backend, get_project(store, name).external_id or "", name)
    return project_status(store, name)


def settle(workspace: Workspace, store: Store, backend: Backend, wanted: AnnotationProjectRow) -> None:
    """Make or update the project at its backend and then its row here. The caller holds the project's lock.

    Raises:
        OrphanedLabels, StateError: as for ``create_project``.
    """
    name = wanted.name
    with store.session() as session:
        row = session.get(AnnotationProjectRow, name)
    known_id = row.external_id if row is not None and row.backend == backend.location else None
    found = find_remote(workspace, store, backend, name, known_id)
    _check_orphans(workspace, store, backend, row, found, wanted)
    if found is None:
        external_id = backend.make_project(name, project_marker(store, name), wanted.config)
    else:
        external_id = found.external_id
        if not _same(found.config, wanted.config):
            backend.update_project(external_id, config=wanted.config)
    with store.session() as session:
        row = session.get(AnnotationProjectRow, name)
        if row is None:
            row = AnnotationProjectRow(name=name, task_type=wanted.task_type, backend="", config="", overlap=wanted.overlap)
            session.add(row)
        elif found is None or row.external_id not in {None, external_id}:
            detach(session, row)
        if row.config and row.config != wanted.config:
            _drop_unfit_drafts(session, name, wanted.config)
        row.backend, row.external_id = backend.location, external_id
        row.config, row.description = wanted.config, wanted.description
        row.purpose, row.parent = wanted.purpose or "annotation", wanted.parent


def _choose_type(
    row: AnnotationProjectRow | None, name: str, task_type: str | None, description: TaskDescription | None
) -> str:
    described = description.type if description is not None else None
    if task_type and described and task_type != described:
        raise InputError(f"the description is one of task type {described}, not {task_type}: leave --type out")
    wanted = task_type or described
    if row is not None and wanted not in {None, row.task_type}:
        raise InputError(f"project {name!r} exists with task type {row.task_type}: choose another name")
    return wanted or (row.task_type if row is not None else DEFAULT_TYPE)


def _check_orphans(
    workspace: Workspace,
    store: Store,
    backend: Backend,
    row: AnnotationProjectRow | None,
    found: RemoteProject | None,
    wanted: AnnotationProjectRow,
) -> None:
    """Refuse a configuration that drops what labels use, here or over there, or what somebody added over there.

    Raises:
        OrphanedLabels: with the list of them.
    """
    here = row.config if row is not None else ""
    there = found.config if found is not None else ""
    before = [config for config in (here, there) if config]
    if all(_same(config, wanted.config) for config in before):
        return
    if row is not None and row.backend == backend.location and row.external_id is not None:
        # If it is gone over there it will be made anew: what was pulled before still counts.
        with suppress(StateError):
            pull_unlocked(workspace, store, row.name)
    results = list(_foreign_results(store, backend, found, wanted.name)) if found is not None and there else []
    with store.session() as session:
        results += stored_results(session, wanted.name)
    orphans = find_orphans(results, wanted.config, before)
    if row is not None and there:
        known = {(orphan.field, orphan.value) for orphan in orphans}
        added = added_values(there, [here, wanted.config])
        orphans += [orphan for orphan in added if (orphan.field, orphan.value) not in known]
    if orphans:
        raise OrphanedLabels(wanted.name, orphans)


def _foreign_results(store: Store, backend: Backend, found: RemoteProject, name: str) -> Iterator[tuple[str, Result]]:
    """Yield (task, result) of labels over there that no pull fetches, because their tasks are not ours."""
    ours = our_tasks(store, name)
    for task in backend.changed_tasks(found.external_id, None):
        if task.uid not in ours:
            yield from ((f"{task.external_id} over there", label.result) for label in task.annotations if not label.skipped)


def _same(config: str, other: str) -> bool:
    """Whether two configurations differ in blanks alone."""
    return config.split() == other.split()


def _drop_unfit_drafts(session: Session, name: str, config: str) -> None:
    """Take drafts with labels that the configuration lacks out of tasks that still wait to be pushed."""
    known = config_values(config)
    waiting = AnnotationTaskRow.project == name, AnnotationTaskRow.state == "created"
    for task in session.scalars(select(AnnotationTaskRow).where(*waiting)):
        fit = [draft for draft in task.predictions if not any(missing_values(draft["result"], known))]
        if len(fit) < len(task.predictions):
            task.predictions = fit


def detach(session: Session, row: AnnotationProjectRow) -> None:
    """Forget the old place: its tasks wait to be pushed again, its labels stay current and no pull can touch them."""
    old = KEPT + short_id(row.backend, row.external_id or "", now())
    row.synced_at = None
    tasks = select(AnnotationTaskRow.uid).where(AnnotationTaskRow.project == row.name)
    for annotation in session.scalars(select(AnnotationRow).where(AnnotationRow.task_uid.in_(tasks))):
        if not annotation.external_id.startswith((IMPORTED, KEPT)):
            annotation.external_id = f"{old}:{annotation.external_id}"
    session.execute(
        update(AnnotationTaskRow)
        .where(
            AnnotationTaskRow.project == row.name,
            AnnotationTaskRow.external_id.is_not(None),
            AnnotationTaskRow.state != "deleted",
        )
        .values(state="created", external_id=None)
    )
