"""Pushing tasks to where people label, and pulling their labels back: incremental, repeatable, safe to interrupt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.ingestion.annotation.contracts import Backend, RemoteAnnotation, RemoteTask, TaskType
from doyen.ingestion.annotation.projects import (
    IMPORTED,
    KEPT,
    get_project,
    project_marker,
    require_backend,
    sync_lock,
)
from doyen.ingestion.annotation.task_types import get_task_type
from doyen.platform.core.manifest import fingerprint, now, short_id
from doyen.platform.core.progress import Reporter, Silent
from doyen.platform.core.store import Store
from doyen.platform.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow
from doyen.platform.core.workspace import Workspace

PUSH_BATCH, PULL_BATCH = 400, 100
OVERLAP = timedelta(seconds=10)
"""A pull looks this far behind the last one: a server may commit a change a moment after the time that it notes."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    Attributes:
        already_there: tasks that an interrupted push had brought over before.
    """

    project: str
    location: str
    sent: int
    already_there: int


@dataclass
class PullReport:
    """What a pull did.

    Attributes:
        changed_tasks: tasks that the backend reported.
        added: labels that were new.
        updated: labels of which a newer version came; the older one is kept, no longer current.
        removed: labels that were deleted over there; kept, no longer current.
        skipped: tasks that someone declined.
        deleted_tasks: tasks of ours that are gone over there.
        foreign_tasks: tasks without our uid, left alone.
        problems: labels that came back but are not valid, each in a sentence; they stay out of datasets.
    """

    project: str
    location: str
    changed_tasks: int = 0
    added: int = 0
    updated: int = 0
    removed: int = 0
    skipped: int = 0
    deleted_tasks: int = 0
    foreign_tasks: int = 0
    problems: list[str] = field(default_factory=list)


def push(workspace: Workspace, store: Store, project: str, *, reporter: Reporter | None = None) -> PushReport:
    """Send the tasks that are not there yet.

    Interrupted anywhere, here or over there, and repeated, it sends each task once: before sending, it asks which uids
    have arrived.

    Raises:
        NotFoundError: there is no such project.
        StateError: the project lives elsewhere than the settings say, or is gone over there.
        ServiceError: the server failed; what had arrived stays.
        Busy: another process is syncing this project.
    """
    with sync_lock(workspace, project):
        row = get_project(store, project)
        backend, external_id = require_backend(workspace, row)
        backend.count_tasks(external_id, project_marker(workspace, project))
        with store.session() as session:
            waiting = list(
                session.scalars(
                    select(AnnotationTaskRow)
                    .where(AnnotationTaskRow.project == project, AnnotationTaskRow.state == "created")
                    .order_by(AnnotationTaskRow.created_at, AnnotationTaskRow.uid)
                )
            )
        arrived = backend.known_uids(external_id) if waiting else {}
        _mark_pushed(store, [task.uid for task in waiting if task.uid in arrived])
        missing = [task for task in waiting if task.uid not in arrived]
        with (reporter or Silent()).bar("pushing tasks", len(missing)) as bar:
            for batch in _batches(missing, PUSH_BATCH):
                backend.add_tasks(external_id, [{"data": task.data, "predictions": task.predictions} for task in batch])
                _mark_pushed(store, [task.uid for task in batch])
                bar.advance(len(batch))
        return PushReport(project, backend.location, len(missing), len(waiting) - len(missing))


def pull(workspace: Workspace, store: Store, project: str, *, reporter: Reporter | None = None) -> PullReport:
    """Fetch what changed since the last complete pull, and keep every version of every label.

    The mark up to which changes were seen moves only when a pull has gone through, to a time noted before it began:
    an interrupted pull is repeated, and a change made during one is seen by the next.

    Raises:
        NotFoundError, StateError, ServiceError, Busy: as for ``push``.
        RecordError: a labels file is broken.
    """
    with sync_lock(workspace, project):
        row = get_project(store, project)
        backend, external_id = require_backend(workspace, row)
        puller = _Puller(store, row, backend, external_id)
        count = backend.count_tasks(external_id, project_marker(workspace, project))
        newest = backend.newest_change(external_id)
        with (reporter or Silent()).bar("pulling labels", None) as bar:
            for batch in _batches(backend.changed_tasks(external_id, _since(row.synced_at)), PULL_BATCH):
                puller.take(batch)
                bar.advance(len(batch))
        puller.reconcile(count)
        with store.session() as session:
            stored = session.get_one(AnnotationProjectRow, project)
            stored.synced_at = newest or stored.synced_at
        return puller.report


class _Puller:
    """One pull's work on the store."""

    def __init__(self, store: Store, project: AnnotationProjectRow, backend: Backend, external_id: str) -> None:
        self._store, self._project, self._backend, self._external_id = store, project, backend, external_id
        self._task_type: TaskType = get_task_type(project.task_type)
        self.report = PullReport(project.name, backend.location)

    def take(self, batch: list[RemoteTask]) -> None:
        """Store what a batch of tasks carries, in one transaction."""
        with self._store.session() as session:
            for remote in batch:
                self.report.changed_tasks += 1
                task = session.get(AnnotationTaskRow, remote.uid) if remote.uid else None
                if task is None or task.project != self._project.name:
                    self.report.foreign_tasks += 1
                    continue
                self._take_task(session, task, remote)

    def reconcile(self, count: int) -> None:
        """Find tasks that were deleted over there, by asking for all ids when the numbers do not agree."""
        with self._store.session() as session:
            ours = list(
                session.scalars(
                    select(AnnotationTaskRow).where(
                        AnnotationTaskRow.project == self._project.name, AnnotationTaskRow.external_id.is_not(None)
                    )
                )
            )
        # A deletion can hide behind a task added by hand, but such a task has just been reported as a foreign one.
        live = sum(task.state != "deleted" for task in ours)
        if live == count and not self.report.foreign_tasks:
            return
        present = self._backend.known_uids(self._external_id)
        with self._store.session() as session:
            for task in ours:
                if task.uid not in present and task.state != "deleted":
                    self.report.deleted_tasks += 1
                    self._drop_labels(session, task.uid, keep=())
                    session.get_one(AnnotationTaskRow, task.uid).state = "deleted"

    def _take_task(self, session: Session, task: AnnotationTaskRow, remote: RemoteTask) -> None:
        task.external_id = remote.external_id
        present = set()
        for annotation in remote.annotations:
            if annotation.skipped:
                self.report.skipped += 1
                continue
            present.add(annotation.external_id)
            self._take_annotation(session, task, annotation)
        self._drop_labels(session, task.uid, keep=present, prefix=f"{remote.external_id}:")
        session.flush()
        labelled = session.scalars(
            select(AnnotationRow.annotation_id).where(AnnotationRow.task_uid == task.uid, AnnotationRow.current)
        ).first()
        task.state = "labelled" if labelled else "pushed"

    def _take_annotation(self, session: Session, task: AnnotationTaskRow, remote: RemoteAnnotation) -> None:
        outcome = store_version(
            session, task.uid, remote.external_id, remote.annotator, remote.result, remote.updated_at or now()
        )
        self.report.added += outcome == "added"
        self.report.updated += outcome == "updated"
        if outcome != "unchanged":
            for problem in self._task_type.problems(remote.result, task.data):
                self.report.problems.append(f"task {task.uid}, label of {remote.annotator}: {problem}")

    def _drop_labels(self, session: Session, uid: str, *, keep: Iterable[str], prefix: str = "") -> None:
        """Mark labels that are gone over there as not current; imported labels never lived there."""
        rows = session.scalars(select(AnnotationRow).where(AnnotationRow.task_uid == uid, AnnotationRow.current))
        for row in rows:
            elsewhere = row.external_id.startswith((IMPORTED, KEPT)) or not row.external_id.startswith(prefix)
            if not elsewhere and row.external_id not in keep:
                row.current = False
                self.report.removed += 1


def store_version(
    session: Session, task_uid: str, external_id: str, annotator: str, result: list[dict[str, object]], created_at: str
) -> str:
    """Keep one version of one annotation and make it the current one.

    Returns:
        "added" (first version), "updated" (an older version was current, or none was) or "unchanged".
    """
    revision = fingerprint(result)[:16]
    versions = list(
        session.scalars(
            select(AnnotationRow).where(AnnotationRow.task_uid == task_uid, AnnotationRow.external_id == external_id)
        )
    )
    same = next((version for version in versions if version.revision == revision), None)
    if same is not None and same.current:
        return "unchanged"
    for version in versions:
        version.current = False
    if same is not None:
        same.current = True
        return "updated"
    session.add(
        AnnotationRow(
            annotation_id=short_id(task_uid, external_id, revision),
            task_uid=task_uid,
            external_id=external_id,
            revision=revision,
            annotator=annotator,
            result=result,
            current=True,
            created_at=created_at,
            pulled_at=now(),
        )
    )
    return "updated" if versions else "added"


def _mark_pushed(store: Store, uids: list[str]) -> None:
    with store.session() as session:
        for uid in uids:
            session.get_one(AnnotationTaskRow, uid).state = "pushed"


def _since(synced_at: str | None) -> str | None:
    return (datetime.fromisoformat(synced_at) - OVERLAP).isoformat() if synced_at else None


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
