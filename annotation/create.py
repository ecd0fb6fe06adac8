"""Making a project, or bringing it up to date, here and where people label; tying one to its place again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, urlsplit

from doyen.annotation.backend import Backend, RemoteProject
from doyen.annotation.labelstudio.orphans import (
    OrphanedLabels,
    added_values,
    config_values,
    find_orphans,
    missing_values,
)
from doyen.annotation.labelstudio.regions import Result
from doyen.annotation.overlap import apply_overlap, change_overlap, check_overlap, plan_overlap
from doyen.annotation.projects import (
    check_name,
    connect,
    find_holding,
    find_remote,
    open_backend,
    project_marker,
    remake_command,
    sync_lock,
    with_marker,
)
from doyen.annotation.status import ProjectStatus, project_status
from doyen.annotation.store import (
    external_ids,
    find_project,
    get_project,
    leave_backend,
    list_projects,
    renew_workspace_id,
    stored_results,
    task_type_of,
    tasks_in,
)
from doyen.annotation.sync import pull_changes
from doyen.annotation.task_types import get_task_type
from doyen.annotation.types.descriptions import TaskDescription, TypeName
from doyen.core.errors import InputError, SettingsError, StateError
from doyen.core.settings import FILE_NAME
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, Purpose, TaskState
from doyen.core.workspace import Workspace

DEFAULT_TYPE = TypeName.PROMPT_RESPONSE
HOOK_HEADER, HOOK_PATH = "X-Doyen-Secret", "/v1/annotation/webhook"
"""Where the gateway listens for Label Studio, and the header in which that sends the secret."""


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

    A project whose backend has changed (another server, files instead of a server, or deleted on the server) is made
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
        OrphanedLabels: labels here or at the backend use what the description drops, or somebody added it to the
            screen there; nothing was changed.
        StateError: the project at the backend holds our tasks under the marker of another workspace.
        ServiceError: the server failed.
    """
    check_name(name)
    check_overlap(overlap, share)
    backend = open_backend(workspace)
    with sync_lock(workspace, name):
        row = find_project(store, name)
        _check_changeable(row)
        task_type = _choose_type(row, name, task_type, description)
        kind = task_type_of(row) if row is not None and description is None else get_task_type(task_type, description)
        stored = kind.description.model_dump(mode="json")
        wanted = AnnotationProjectRow(name=name, task_type=task_type, config=kind.config, description=stored)
        external_id = ensure_project(workspace, store, backend, wanted)
        change_overlap(store, name, overlap, share)
        plan_overlap(store, name)
        apply_overlap(store, backend, external_id, name)
    return project_status(store, name)


def ensure_project(workspace: Workspace, store: Store, backend: Backend, wanted: AnnotationProjectRow) -> str:
    """Make or update the project at its backend and then its row here. The caller holds the project's lock.

    Returns:
        Its id at the backend.

    Raises:
        OrphanedLabels, StateError: as for ``create_project``.
    """
    name, row = wanted.name, find_project(store, wanted.name)
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
            leave_backend(session, row)
        if row.config and row.config != wanted.config:
            # Drafts with labels that the configuration lacks, of tasks that still wait to be pushed.
            known = config_values(wanted.config)
            for task in tasks_in(session, name, states=[TaskState.CREATED]):
                task.predictions = [each for each in task.predictions if not any(missing_values(each["result"], known))]
        row.backend, row.external_id = backend.location, external_id
        row.config, row.description = wanted.config, wanted.description
        row.purpose, row.parent = wanted.purpose or Purpose.ANNOTATION, wanted.parent
    return external_id


def register_webhook(workspace: Workspace, store: Store, project: str, gateway: str) -> str:
    """Have Label Studio call the gateway when labels or tasks of the project change; safe to repeat.

    Args:
        gateway: the gateway's base URL, as Label Studio reaches it.

    Returns:
        The URL that will be called.

    Raises:
        SettingsError: annotation.webhook_secret is empty.
        InputError: the URL is none, or labels are exchanged through files.
        NotFoundError, StateError, ServiceError: as for ``push``.
    """
    secret = workspace.settings.annotation.webhook_secret.get_secret_value()
    if not secret:
        problem = "annotation.webhook_secret is empty: set DOYEN_ANNOTATION__WEBHOOK_SECRET, also for `doyen serve`"
        raise SettingsError(FILE_NAME, [problem])
    parts = urlsplit(gateway)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"{gateway!r} is no address: give the gateway's, such as http://127.0.0.1:8321")
    connection = connect(workspace, store, project)
    if connection.server is None:
        raise InputError(
            "a webhook needs a Label Studio server, but annotation.label_studio_url is not set: "
            "set it, or leave --webhook out and run `doyen annotate pull` yourself"
        )
    url = f"{gateway.rstrip('/')}{HOOK_PATH}?project={quote(project)}"
    connection.server.ensure_webhook(connection.external_id, url, {HOOK_HEADER: secret})
    return url


def relink(workspace: Workspace, store: Store, name: str, external_id: str | None = None) -> ProjectStatus:
    """Connect to the project on the server that holds our tasks, whichever marker it carries, and mark it as ours.

    Args:
        external_id: its id on the server; default: the known one, else the first project of that title.

    Raises:
        NotFoundError: there is no such project here.
        StateError: no project there holds a task of ours.
        ServiceError, Unauthorized, Busy: as for ``push``.
    """
    backend = open_backend(workspace)
    with sync_lock(workspace, name):
        found = find_holding(store, backend, name, get_project(store, name).external_id, external_id)
        if found is None:
            raise StateError(
                f"no project {external_id or repr(name)} at {backend.location} holds a task of {name!r}: "
                f"name the right one with --id, or make one with `doyen annotate create --project {name!r}`"
            )
        backend.update_project(found.external_id, note=with_marker(found.note, project_marker(store, name)))
        with store.session() as session:
            row = session.get_one(AnnotationProjectRow, name)
            if row.external_id != found.external_id:
                leave_backend(session, row)
            row.backend, row.external_id = backend.location, found.external_id
    return project_status(store, name)


def separate(store: Store) -> list[str]:
    """Make a copied workspace one of its own: its projects on servers stay the original's, and are made anew here.

    Returns:
        The names of the projects that ``create`` will make anew; their labels are kept.
    """
    names = [row.name for row in list_projects(store) if row.backend != "files"]
    with store.session() as session:
        renew_workspace_id(session)
        for name in names:
            row = session.get_one(AnnotationProjectRow, name)
            leave_backend(session, row)
            row.external_id = None
    return names


def _check_changeable(row: AnnotationProjectRow | None) -> None:
    """Raise InputError for a project whose description is not its own."""
    if row is not None and row.purpose == Purpose.REVIEW:
        raise InputError(
            f"{row.name!r} reviews {row.parent!r} and takes over its description: run `{remake_command(row)}` again"
        )
    if row is not None and row.purpose == Purpose.ADOPTED:
        raise InputError(
            f"{row.name!r} was not made here, and keeps its labelling screen: change it in Label Studio, then run "
            f"`{remake_command(row)}` again"
        )


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
    """Refuse a configuration that drops what labels use, here or at the backend, or what somebody added there.

    Raises:
        OrphanedLabels: with the list of them.
    """
    here = row.config if row is not None else ""
    there = found.config if found is not None else ""
    before = [config for config in (here, there) if config]
    if all(_same(config, wanted.config) for config in before):
        return
    if row is not None and row.backend == backend.location and row.external_id is not None:
        # If it is gone it will be made anew: what was pulled before still counts.
        with suppress(StateError):
            pull_changes(connect(workspace, store, row.name))
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
    """Yield (task, result) of labels at the backend that no pull fetches, because their tasks are not ours."""
    ours = external_ids(store, name)
    for task in backend.read_changes(found.external_id, None)[1]:
        if task.uid not in ours:
            yield from ((f"{task.external_id} over there", label.result) for label in task.annotations if not label.skipped)


def _same(config: str, other: str) -> bool:
    """Whether two configurations differ in blanks alone."""
    return config.split() == other.split()
