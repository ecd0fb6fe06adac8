"""What a pull does to the store: labels added, updated and withdrawn, tasks gone, in one transaction a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from doyen.annotation.backend import Backend, RemoteAnnotation, RemoteTask
from doyen.annotation.labelstudio.people import UNNAMED
from doyen.annotation.projects import IMPORTED, KEPT, REVIEW
from doyen.annotation.quality.decisions import record_star, starred_tasks
from doyen.annotation.quality.expert_answers import label_part, why_undecided
from doyen.annotation.task_types import TaskType
from doyen.annotation.types.typed_labels import describe_problems
from doyen.annotation.versions import store_version
from doyen.core.manifest import now
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow

SQL_BATCH = 500
"""Ids in one statement: databases limit the number of parameters."""


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
        decisions: what experts decided, where this is a review project; else what a star (ground truth) decided.
        problems: parts of labels that are not valid, labels of which nothing is, and experts' answers that decide nothing,
            each in a sentence; they stay out of datasets, while the rest of a label counts.
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
    decisions: int = 0
    problems: list[str] = field(default_factory=list)


class Puller:
    """One pull's work on the store."""

    def __init__(
        self, store: Store, project: AnnotationProjectRow, task_type: TaskType, backend: Backend, external_id: str
    ) -> None:
        self._store, self._project, self._backend, self._external_id = store, project, backend, external_id
        self._task_type = task_type
        self._decided_by_star: set[str] = set()
        self.report = PullReport(project.name, redact(backend.location))

    def take(self, batch: list[RemoteTask]) -> None:
        """Store what a batch of tasks carries, in one transaction."""
        uids = [remote.uid for remote in batch if remote.uid]
        with self._store.session() as session:
            found = session.scalars(
                select(AnnotationTaskRow).where(
                    AnnotationTaskRow.uid.in_(uids), AnnotationTaskRow.project == self._project.name
                )
            )
            tasks = {task.uid: task for task in found}
            labels = _labels_of(session, tasks)
            self._decided_by_star = starred_tasks(session, self._project.name)
            for remote in batch:
                self.report.changed_tasks += 1
                task = tasks.get(remote.uid or "")
                if task is None:
                    self.report.foreign_tasks += 1
                    continue
                self._take_task(session, task, remote, labels[task.uid])

    def reconcile(self, count: int) -> None:
        """Find what was deleted over there, by asking for all ids when the numbers of tasks do not agree.

        Args:
            count: tasks over there, ours or not. How many are not ours is remembered from the last time that ids were asked
                for: else a deletion would hide behind a task that somebody added by hand long ago.
        """
        ours = AnnotationTaskRow.project == self._project.name, AnnotationTaskRow.external_id.is_not(None)
        with self._store.session() as session:
            tasks = list(session.scalars(select(AnnotationTaskRow).where(*ours, AnnotationTaskRow.state != "deleted")))
            project = session.get_one(AnnotationProjectRow, self._project.name)
            # A deletion can hide behind a task just added by hand, but such a task has been reported as a foreign one.
            if len(tasks) + project.foreign_tasks == count and not self.report.foreign_tasks and not self._copies(session):
                return
            present = self._backend.known_uids(self._external_id)
            labels = _labels_of(session, [task.uid for task in tasks])
            for task in tasks:
                if task.uid not in present:
                    self.report.deleted_tasks += 1
                    task.state = "deleted"
                    self._drop(labels[task.uid])
                    record_star(session, task.uid, None, "", "")
                else:
                    # Two tasks over there may carry one uid, after an import by hand; one of them may go.
                    gone = [row for row in labels[task.uid] if row.external_id.partition(":")[0] not in present[task.uid]]
                    self._drop(gone)
            project.foreign_tasks = count - sum(task.state != "deleted" for task in tasks)

    def _copies(self, session: Session) -> bool:
        """Whether labels lie on a second task of the same uid, which an import by hand makes and which may be deleted."""
        own = AnnotationRow.external_id.startswith(AnnotationTaskRow.external_id + ":")
        elsewhere = or_(*(AnnotationRow.external_id.startswith(prefix) for prefix in (IMPORTED, KEPT)))
        query = (
            select(AnnotationRow.annotation_id)
            .join(AnnotationTaskRow, AnnotationTaskRow.uid == AnnotationRow.task_uid)
            .where(AnnotationTaskRow.project == self._project.name, AnnotationRow.current, ~own, ~elsewhere)
        )
        return session.scalars(query.limit(1)).first() is not None

    def _take_task(self, session: Session, task: AnnotationTaskRow, remote: RemoteTask, labels: list[AnnotationRow]) -> None:
        task.external_id = remote.external_id
        present = set()
        task.skipped = sum(annotation.skipped for annotation in remote.annotations)
        self.report.skipped += task.skipped
        given = [annotation for annotation in remote.annotations if not annotation.skipped]
        for annotation in given:
            present.add(annotation.external_id)
            self._take_annotation(session, task, annotation, labels)
        self._drop(
            row for row in labels if row.external_id.startswith(f"{remote.external_id}:") and row.external_id not in present
        )
        task.state = "labelled" if any(row.current for row in labels) else "pushed"
        if self._project.purpose != REVIEW:
            self._take_star(session, task, [annotation for annotation in given if annotation.starred], labels)

    def _take_annotation(
        self, session: Session, task: AnnotationTaskRow, remote: RemoteAnnotation, labels: list[AnnotationRow]
    ) -> None:
        known = [row for row in labels if row.external_id == remote.external_id]
        # A star is a change by whoever gave it, but not one of the label: that was somebody else's before.
        author = remote.annotator if remote.starred and not known else remote.editor or remote.annotator
        outcome = store_version(
            session, task.uid, remote.external_id, author, remote.result, remote.updated_at or now(), labels
        )
        self.report.added += outcome == "added"
        self.report.updated += outcome == "updated"
        for row in known:
            if row.annotator.startswith(UNNAMED) and row.current:
                row.annotator = author
        if outcome != "unchanged":
            label, problems = self._task_type.salvage(label_part(remote.result), task.data)
            self.report.problems += describe_problems(task.uid, author, problems, kept=label is not None)
            if self._project.purpose == REVIEW and (why := why_undecided(task, author, remote.result)):
                self.report.problems += describe_problems(task.uid, author, [why], kept=False)

    def _take_star(
        self, session: Session, task: AnnotationTaskRow, starred: list[RemoteAnnotation], labels: list[AnnotationRow]
    ) -> None:
        """Let a starred label decide, as far as it is valid; Label Studio allows one star a task."""
        for remote in starred:
            row = next((row for row in labels if row.external_id == remote.external_id and row.current), None)
            if row is not None and self._task_type.salvage(row.result, task.data)[0] is not None:
                by, at = remote.editor or remote.annotator, remote.updated_at or now()
                self.report.decisions += record_star(session, task.uid, row, by, at)
                return
        if task.uid in self._decided_by_star:
            record_star(session, task.uid, None, "", "")

    def _drop(self, rows: Iterable[AnnotationRow]) -> None:
        """Mark labels that are gone over there as not current; imported labels never lived there."""
        for row in rows:
            if row.current and not row.external_id.startswith((IMPORTED, KEPT)):
                row.current = False
                self.report.removed += 1


def _labels_of(session: Session, uids: Collection[str]) -> dict[str, list[AnnotationRow]]:
    """Return the tasks' annotations in all their versions, by uid."""
    labels: dict[str, list[AnnotationRow]] = defaultdict(list)
    wanted = list(uids)
    for start in range(0, len(wanted), SQL_BATCH):
        query = select(AnnotationRow).where(AnnotationRow.task_uid.in_(wanted[start : start + SQL_BATCH]))
        for row in session.scalars(query):
            labels[row.task_uid].append(row)
    return labels
