"""What a pull does to the store: labels added, updated and withdrawn, tasks gone, in one transaction a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from doyen.annotation.backend import RemoteAnnotation, RemoteTask
from doyen.annotation.labelstudio.people import UNNAMED
from doyen.annotation.projects import Connection
from doyen.annotation.quality.decisions import record_star, why_undecided
from doyen.annotation.store import (
    IMPORTED,
    KEPT,
    PRESENT,
    Change,
    Session,
    add_version,
    current_decisions,
    has_copied_tasks,
    labels_of,
    tasks_in,
)
from doyen.annotation.types.typed_labels import describe_problems
from doyen.core.manifest import now
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow, DecisionMethod, Purpose, TaskState


@dataclass
class PullReport:
    """What a pull did.

    Attributes:
        changed_tasks: tasks that the backend reported.
        added: labels that were new.
        updated: labels of which a newer version came; the older one is kept, no longer current.
        removed: labels that were deleted at the backend; kept, no longer current.
        skipped: tasks that someone declined.
        deleted_tasks: tasks of ours that are gone there.
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


def store_changes(connection: Connection, batch: Sequence[RemoteTask], report: PullReport) -> None:
    """Store what a batch of changed tasks carries, in one transaction."""
    uids = [remote.uid for remote in batch if remote.uid]
    with connection.store.session() as session:
        tasks = {task.uid: task for task in tasks_in(session, connection.name, uids=uids)}
        labels = labels_of(session, tasks)
        starred = {decision.task_uid for decision in current_decisions(session, connection.name, DecisionMethod.GROUND_TRUTH)}
        update = _LabelUpdate(session, connection, report)
        for remote in batch:
            report.changed_tasks += 1
            task = tasks.get(remote.uid or "")
            if task is None:
                report.foreign_tasks += 1
            else:
                update.store_task(task, remote, labels[task.uid], was_starred=task.uid in starred)


def withdraw_deleted(connection: Connection, count: int, report: PullReport) -> None:
    """Find what was deleted at the backend, by asking for all ids when the numbers of tasks do not agree.

    Args:
        count: tasks there, ours or not. How many are not ours is remembered from the last time that ids were asked
            for: else a deletion would hide behind a task that somebody added by hand long ago.
    """
    with connection.store.session() as session:
        tasks = tasks_in(session, connection.name, states=PRESENT, sent=True)
        project = session.get_one(AnnotationProjectRow, connection.name)
        # A deletion can hide behind a task just added by hand, but such a task has been reported as a foreign one.
        as_many = len(tasks) + project.foreign_tasks == count
        if as_many and not report.foreign_tasks and not has_copied_tasks(session, connection.name):
            return
        present = connection.backend.known_uids(connection.external_id)
        labels = labels_of(session, [task.uid for task in tasks])
        for task in tasks:
            # Two tasks there may carry one uid, after an import by hand; one of them may go.
            left = present.get(task.uid, set())
            _withdraw((row for row in labels[task.uid] if row.external_id.partition(":")[0] not in left), report)
            if not left:
                report.deleted_tasks += 1
                task.state = TaskState.DELETED
                record_star(session, task.uid, None, "", "")
        project.foreign_tasks = count - sum(task.state != TaskState.DELETED for task in tasks)


@dataclass(frozen=True)
class _LabelUpdate:
    """The changes of one transaction."""

    session: Session
    connection: Connection
    report: PullReport

    def store_task(
        self, task: AnnotationTaskRow, remote: RemoteTask, labels: list[AnnotationRow], *, was_starred: bool
    ) -> None:
        """Store the annotations that a task has now, and withdraw those that it has no longer."""
        given = [annotation for annotation in remote.annotations if not annotation.skipped]
        task.external_id, task.skipped = remote.external_id, len(remote.annotations) - len(given)
        self.report.skipped += task.skipped
        for annotation in given:
            self._store_annotation(task, annotation, labels)
        present = {annotation.external_id for annotation in given}
        own = [row for row in labels if row.external_id.startswith(f"{remote.external_id}:")]
        _withdraw((row for row in own if row.external_id not in present), self.report)
        task.state = TaskState.LABELLED if any(row.current for row in labels) else TaskState.PUSHED
        if self.connection.row.purpose != Purpose.REVIEW:
            decided = self._decide_by_star(task, [annotation for annotation in given if annotation.starred], labels)
            if was_starred and not decided:
                record_star(self.session, task.uid, None, "", "")

    def _store_annotation(self, task: AnnotationTaskRow, remote: RemoteAnnotation, labels: list[AnnotationRow]) -> None:
        known = [row for row in labels if row.external_id == remote.external_id]
        # A star is a change by whoever gave it, but not one of the label: that was somebody else's before.
        author = remote.annotator if remote.starred and not known else remote.editor or remote.annotator
        typed = self.connection.task_type.understand(remote.result, task.data)
        version = remote.external_id, author, remote.result, typed, remote.updated_at or now()
        change = add_version(self.session, task.uid, *version, labels)
        self.report.added += change is Change.ADDED
        self.report.updated += change is Change.UPDATED
        for row in known:
            if row.annotator.startswith(UNNAMED) and row.current:
                row.annotator = author
        if change is not Change.UNCHANGED:
            self.report.problems += describe_problems(task.uid, author, typed.problems, kept=typed.label is not None)
            if self.connection.row.purpose == Purpose.REVIEW and (why := why_undecided(task, author, typed.reason)):
                self.report.problems += describe_problems(task.uid, author, [why], kept=False)

    def _decide_by_star(
        self, task: AnnotationTaskRow, starred: Sequence[RemoteAnnotation], labels: Sequence[AnnotationRow]
    ) -> bool:
        """Let a starred label decide, as far as it is valid (Label Studio allows one star a task); return whether one does."""
        for remote in starred:
            row = next((row for row in labels if row.external_id == remote.external_id and row.current), None)
            if row is not None and self.connection.task_type.stored(row.typed).label is not None:
                by, at = remote.editor or remote.annotator, remote.updated_at or now()
                self.report.decisions += record_star(self.session, task.uid, row, by, at)
                return True
        return False


def _withdraw(rows: Iterable[AnnotationRow], report: PullReport) -> None:
    """Mark labels that are gone at the backend as not current; imported labels never lived there."""
    for row in rows:
        if row.current and not row.external_id.startswith((IMPORTED, KEPT)):
            row.current = False
            report.removed += 1
