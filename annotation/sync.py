"""Pushing tasks to where people label, and pulling their labels back: incremental, repeatable, safe to interrupt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import select, update

from doyen.annotation.backend import Backend
from doyen.annotation.labelstudio.people import keep_people
from doyen.annotation.linking import require_remote
from doyen.annotation.overlap import apply_overlap, change_overlap, plan_overlap
from doyen.annotation.projects import (
    get_annotation_project,
    get_project,
    require_backend,
    sync_lock,
    task_type_of,
)
from doyen.annotation.puller import Puller, PullReport
from doyen.annotation.quality.decisions import record_decisions
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow
from doyen.core.workspace import Workspace

PUSH_BATCH, PULL_BATCH = 1000, 500
DRAFTS = "drafts"
"""What the versions of our drafts on a server begin with. Another version there (a model's server) is left in force."""
OVERLAP = timedelta(seconds=10)
"""A pull looks this far behind the last one: a server may commit a change a moment after the time that it notes."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    Attributes:
        already_there: tasks that an interrupted push had brought over before.
        scores: drafts that were sent again for tasks that are still open.
        stale: tasks that were not sent because their text is no longer the document's.
        overlap: of all tasks, those that several people label.
        people: how many label each of them.
        kept_model: the model that was chosen over there and stays in force, so that our drafts are not shown; else empty.
    """

    project: str
    location: str
    sent: int
    already_there: int
    scores: int = 0
    stale: int = 0
    overlap: int = 0
    people: int = 1
    kept_model: str = ""


def push(
    workspace: Workspace,
    store: Store,
    project: str,
    *,
    scores: bool = False,
    overlap: int | None = None,
    share: float | None = None,
    reporter: Reporter | None = None,
) -> PushReport:
    """Send the tasks that are not there yet, and have the people served by the certainty of the newest drafts.

    Tasks that are marked stale are not sent: nobody should label a text that has changed.

    Interrupted anywhere, here or over there, and repeated, it sends each task once: before sending, it asks which uids
    have arrived.

    Args:
        scores: send the drafts of open tasks again, for a model that drafts anew after each round.
        overlap: how many people label each gold item and each task of the share; default: as said before.
        share: share of the tasks that several people label, 0 to 1; default: as said before.

    Raises:
        NotFoundError: there is no such project.
        InputError: overlap or share cannot be, or is given for a review project.
        StateError: the project lives elsewhere than the settings say, or is gone over there.
        ServiceError: the server failed; what had arrived stays.
        Busy: another process is syncing this project.
    """
    get_project(store, project)
    with sync_lock(workspace, project):
        if overlap is not None or share is not None:
            change_overlap(store, get_annotation_project(store, project).name, overlap, share)
        row = get_project(store, project)
        backend, external_id = require_backend(workspace, row)
        require_remote(workspace, store, backend, row)
        count = backend.count_tasks(external_id)
        if not plan_overlap(store, project) and not count:
            # Added for one person each, so that only the others have to be changed one by one.
            backend.limit_people(external_id, 1)
        waiting = _tasks(store, project, "created")
        arrived = backend.known_uids(external_id) if (waiting or scores) and count else {}
        _mark_pushed(store, {task.uid: min(arrived[task.uid]) for task in waiting if task.uid in arrived})
        shown = backend.shown_version(external_id)
        version = shown if shown.startswith(DRAFTS) else DRAFTS
        if scores:
            version = f"{DRAFTS} {datetime.now(UTC).isoformat()}"
        absent = [task for task in waiting if task.uid not in arrived]
        missing = _gold_among([task for task in absent if task.stale is None])
        with (reporter or Silent()).bar("pushing tasks", len(missing)) as bar:
            for batch in _batches(missing, PUSH_BATCH):
                ids = backend.add_tasks(external_id, [_payload(task, version) for task in batch])
                _mark_pushed(store, dict(zip((task.uid for task in batch), ids, strict=True)))
                bar.advance(len(batch))
        shared = apply_overlap(store, backend, external_id, project)
        again = _push_scores(store, project, backend, external_id, version, arrived) if scores else 0
        # A server refuses a version under which it has no draft; a model that somebody chose there stays chosen.
        drafted = any(task.predictions for task in missing)
        ours = not shown or shown.startswith(DRAFTS)
        if ours and (again or drafted):
            backend.show_version(external_id, version)
        there, stale = len(waiting) - len(absent), len(absent) - len(missing)
        where, kept = redact(backend.location), "" if ours else shown
        return PushReport(project, where, len(missing), there, again, stale, shared, row.overlap, kept)


def pull(workspace: Workspace, store: Store, project: str, *, reporter: Reporter | None = None) -> PullReport:
    """Fetch what changed since the last complete pull, and keep every version of every label.

    The mark up to which changes were seen moves only when a pull has gone through, to a time noted before it began:
    an interrupted pull is repeated, and a change made during one is seen by the next. In a review project the experts'
    answers become decisions about the reviewed tasks.

    Raises:
        NotFoundError, StateError, ServiceError, Busy: as for ``push``.
        RecordError: a labels file is broken.
    """
    get_project(store, project)
    with sync_lock(workspace, project):
        return pull_unlocked(workspace, store, project, reporter=reporter)


def pull_unlocked(workspace: Workspace, store: Store, project: str, *, reporter: Reporter | None = None) -> PullReport:
    """Pull as ``pull`` does, for a caller that holds the project's lock."""
    row = get_project(store, project)
    backend, external_id = require_backend(workspace, row)
    task_type = task_type_of(row)
    puller = Puller(store, row, task_type, backend, external_id)
    require_remote(workspace, store, backend, row)
    count = backend.count_tasks(external_id)
    newest = backend.newest_change(external_id)
    with (reporter or Silent()).bar("pulling labels", None) as bar:
        for batch in _batches(backend.changed_tasks(external_id, _since(row.synced_at)), PULL_BATCH):
            puller.take(batch)
            bar.advance(len(batch))
    puller.reconcile(count)
    keep_people(workspace.annotation_folder, backend.people())
    if row.purpose == "review":
        puller.report.decisions = record_decisions(store, project, task_type)
    with store.session() as session:
        stored = session.get_one(AnnotationProjectRow, project)
        stored.synced_at = newest or stored.synced_at
    return puller.report


def _tasks(store: Store, project: str, state: str) -> list[AnnotationTaskRow]:
    """Return the project's tasks of one state, oldest first, detached."""
    query = select(AnnotationTaskRow).where(AnnotationTaskRow.project == project, AnnotationTaskRow.state == state)
    with store.session() as session:
        return list(session.scalars(query.order_by(AnnotationTaskRow.created_at, AnnotationTaskRow.uid)))


def _gold_among(tasks: Sequence[AnnotationTaskRow]) -> list[AnnotationTaskRow]:
    """Return the tasks in their order, gold items scattered among them: a block of them would give itself away."""
    others = [task for task in tasks if task.gold is None]
    places = {task.uid: int(short_id("place", task.uid), 16) % (len(others) + 1) for task in tasks if task.gold is not None}
    rank = {task.uid: (number + 0.5) for number, task in enumerate(others)} | {uid: float(at) for uid, at in places.items()}
    return sorted(tasks, key=lambda task: rank[task.uid])


def _payload(task: AnnotationTaskRow, version: str) -> dict[str, Any]:
    """Return a task as it is sent. All drafts go under one version, whoever made them: a server shows no other's."""
    drafts = [{**draft, "model_version": version} for draft in task.predictions]
    return {"data": task.data, "predictions": drafts, "overlap": task.overlap}


def _push_scores(
    store: Store, project: str, backend: Backend, external_id: str, version: str, there: Mapping[str, set[str]]
) -> int:
    """Send the drafts of open tasks again as a newer version, where the task is still there; return how many."""
    tasks = [task for task in _tasks(store, project, "pushed") if task.external_id in there.get(task.uid, ())]
    drafts = [(task.external_id or "", draft) for task in tasks for draft in _payload(task, version)["predictions"]]
    for batch in _batches(drafts, PUSH_BATCH):
        backend.add_predictions(external_id, batch)
    return len(drafts)


def _mark_pushed(store: Store, external_ids: Mapping[str, str]) -> None:
    rows = [{"uid": uid, "external_id": external_id, "state": "pushed"} for uid, external_id in external_ids.items()]
    if rows:
        with store.session() as session:
            session.execute(update(AnnotationTaskRow), rows)


def _since(synced_at: str | None) -> str | None:
    return (datetime.fromisoformat(synced_at) - OVERLAP).isoformat() if synced_at else None


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
