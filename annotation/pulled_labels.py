"""What a pull does to the store: labels added, updated and withdrawn, tasks gone, in one transaction a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from doyen.annotation.backend import RemoteAnnotation, RemoteTask
from doyen.annotation.labelstudio.people import UNNAMED
from doyen.annotation.labelstudio.regions import label_part
from doyen.annotation.projects import Connection
from doyen.annotation.quality.decisions import record_star, starred_tasks, why_undecided
from doyen.annotation.store import IMPORTED, KEPT, REVIEW, add_version, has_copied_tasks, labels_of, tasks_in
from doyen.annotation.types.typed_labels import describe_problems
from doyen.core.manifest import now
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow


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


def store_changes(there: Connection, batch: Sequence[RemoteTask], report: PullReport) -> None:
    """Store what a batch of changed tasks carries, in one transaction."""
    uids = [remote.uid for remote in batch if remote.uid]
    with there.store.session() as session:
        tasks = {task.uid: task for task in tasks_in(session, there.name, AnnotationTaskRow.uid.in_(uids))}
        labels, starred = labels_of(session, tasks), starred_tasks(session, there.name)
        for remote in batch:
            report.changed_tasks += 1
            task = tasks.get(remote.uid or "")
            if task is None:
                report.foreign_tasks += 1
                continue
            given = [annotation for annotation in remote.annotations if not annotation.skipped]
            _store_annotations(session, there, task, remote.external_id, given, labels[task.uid], report)
            task.skipped = len(remote.annotations) - len(given)
            report.skipped += task.skipped
            if there.row.purpose != REVIEW:
                stars = [annotation for annotation in given if annotation.starred]
                if not _decide_by_star(session, there, task, stars, labels[task.uid], report) and task.uid in starred:
                    record_star(session, task.uid, None, "", "")


def withdraw_deleted(there: Connection, count: int, report: PullReport) -> None:
    """Find what was deleted over there, by asking for all ids when the numbers of tasks do not agree.

    Args:
        count: tasks over there, ours or not. How many are not ours is remembered from the last time that ids were asked
            for: else a deletion would hide behind a task that somebody added by hand long ago.
    """
    pushed = AnnotationTaskRow.external_id.is_not(None), AnnotationTaskRow.state != "deleted"
    with there.store.session() as session:
        tasks = tasks_in(session, there.name, *pushed)
        project = session.get_one(AnnotationProjectRow, there.name)
        # A deletion can hide behind a task just added by hand, but such a task has been reported as a foreign one.
        as_many = len(tasks) + project.foreign_tasks == count
        if as_many and not report.foreign_tasks and not has_copied_tasks(session, there.name):
            return
        present = there.backend.known_uids(there.external_id)
        labels = labels_of(session, [task.uid for task in tasks])
        for task in tasks:
            # Two tasks over there may carry one uid, after an import by hand; one of them may go.
            left = present.get(task.uid, set())
            _withdraw((row for row in labels[task.uid] if row.external_id.partition(":")[0] not in left), report)
            if not left:
                report.deleted_tasks += 1
                task.state = "deleted"
                record_star(session, task.uid, None, "", "")
        project.foreign_tasks = count - sum(task.state != "deleted" for task in tasks)


def _store_annotations(
    session: Session,
    there: Connection,
    task: AnnotationTaskRow,
    external_id: str,
    given: Sequence[RemoteAnnotation],
    labels: list[AnnotationRow],
    report: PullReport,
) -> None:
    """Store the annotations that a task has now, and withdraw those that it has no longer."""
    task.external_id = external_id
    for remote in given:
        _store_annotation(session, there, task, remote, labels, report)
    present = {remote.external_id for remote in given}
    gone = (row for row in labels if row.external_id.startswith(f"{external_id}:") and row.external_id not in present)
    _withdraw(gone, report)
    task.state = "labelled" if any(row.current for row in labels) else "pushed"


def _store_annotation(
    session: Session,
    there: Connection,
    task: AnnotationTaskRow,
    remote: RemoteAnnotation,
    labels: list[AnnotationRow],
    report: PullReport,
) -> None:
    known = [row for row in labels if row.external_id == remote.external_id]
    # A star is a change by whoever gave it, but not one of the label: that was somebody else's before.
    author = remote.annotator if remote.starred and not known else remote.editor or remote.annotator
    outcome = add_version(session, task.uid, remote.external_id, author, remote.result, remote.updated_at or now(), labels)
    report.added += outcome == "added"
    report.updated += outcome == "updated"
    for row in known:
        if row.annotator.startswith(UNNAMED) and row.current:
            row.annotator = author
    if outcome != "unchanged":
        label, problems = there.task_type.salvage(label_part(remote.result), task.data)
        report.problems += describe_problems(task.uid, author, problems, kept=label is not None)
        if there.row.purpose == REVIEW and (why := why_undecided(task, author, remote.result)):
            report.problems += describe_problems(task.uid, author, [why], kept=False)


def _decide_by_star(
    session: Session,
    there: Connection,
    task: AnnotationTaskRow,
    starred: Sequence[RemoteAnnotation],
    labels: Sequence[AnnotationRow],
    report: PullReport,
) -> bool:
    """Let a starred label decide, as far as it is valid (Label Studio allows one star a task); return whether one does."""
    for remote in starred:
        row = next((row for row in labels if row.external_id == remote.external_id and row.current), None)
        if row is not None and there.task_type.salvage(row.result, task.data)[0] is not None:
            by, at = remote.editor or remote.annotator, remote.updated_at or now()
            report.decisions += record_star(session, task.uid, row, by, at)
            return True
    return False


def _withdraw(rows: Iterable[AnnotationRow], report: PullReport) -> None:
    """Mark labels that are gone over there as not current; imported labels never lived there."""
    for row in rows:
        if row.current and not row.external_id.startswith((IMPORTED, KEPT)):
            row.current = False
            report.removed += 1
