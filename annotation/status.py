"""Where a project stands: tasks by state and age, labels by annotator, what is stale, known or decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from doyen.annotation.quality.expert_answers import label_part, why_undecided
from doyen.annotation.store import REVIEW, get_project, task_type_of
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow, DecisionRow

READ_BATCH = 500
AGES = ((1, "under a day"), (7, "1 to 7 days"), (30, "7 to 30 days"))
OLDEST = "over 30 days"


@dataclass(frozen=True)
class ProjectStatus:
    """Where a project stands.

    Attributes:
        location: Label Studio's URL, or "files".
        tasks: number of tasks by state (created, pushed, labelled, deleted).
        annotators: number of current labels by annotator.
        versions: all stored annotation versions, replaced ones included.
        ages: number of open tasks (created or pushed) by the time since they were made.
        stale: number of tasks by what became of their text: changed or deleted.
        gold: tasks with a known answer.
        decisions: number of current decisions by method: expert, ground truth or consensus.
        incomplete: current labels that count without some parts, which are not valid.
        parts_left_out: how many such parts there are.
        invalid: current labels that count for nothing: nothing of them is valid, or (in a review project) they give no
            reason or are not the asked expert's.
        skipped: tasks that somebody declined, as the last pull found.
        overlap: tasks that several people are asked to label.
        labelled_twice: tasks with current labels of two people or more.
        purpose: annotation, review, or adopted.
    """

    name: str
    task_type: str
    location: str
    synced_at: str | None
    tasks: dict[str, int] = field(default_factory=dict)
    annotators: dict[str, int] = field(default_factory=dict)
    versions: int = 0
    ages: dict[str, int] = field(default_factory=dict)
    stale: dict[str, int] = field(default_factory=dict)
    gold: int = 0
    decisions: dict[str, int] = field(default_factory=dict)
    incomplete: int = 0
    parts_left_out: int = 0
    invalid: int = 0
    skipped: int = 0
    overlap: int = 0
    labelled_twice: int = 0
    purpose: str = "annotation"


def project_status(store: Store, name: str) -> ProjectStatus:
    """Count what a project holds.

    Raises:
        NotFoundError: there is no such project.
    """
    project = get_project(store, name)
    ours, there = AnnotationTaskRow.project == name, AnnotationTaskRow.state != "deleted"
    with store.session() as session:

        def count_by(column: Any, *conditions: Any, table: Any = None) -> dict[str, int]:
            query = select(column, func.count()).select_from(table or AnnotationTaskRow)
            if table is not None:
                query = query.join(AnnotationTaskRow, AnnotationTaskRow.uid == table.task_uid)
            return dict(sorted(session.execute(query.where(ours, *conditions).group_by(column)).tuples()))

        opened = session.scalars(
            select(AnnotationTaskRow.created_at).where(ours, AnnotationTaskRow.state.in_(("created", "pushed")))
        )
        annotators = count_by(AnnotationRow.annotator, AnnotationRow.current, table=AnnotationRow)
        return ProjectStatus(
            name,
            project.task_type,
            redact(project.backend),
            project.synced_at,
            tasks=count_by(AnnotationTaskRow.state),
            annotators={annotator or "unknown": count for annotator, count in annotators.items()},
            versions=sum(count_by(AnnotationRow.current, table=AnnotationRow).values()),
            ages=_ages(opened),
            stale=count_by(AnnotationTaskRow.stale, AnnotationTaskRow.stale.is_not(None)),
            gold=sum(count_by(AnnotationTaskRow.state, AnnotationTaskRow.gold.is_not(None)).values()),
            decisions=count_by(DecisionRow.method, DecisionRow.current, table=DecisionRow),
            **_soundness(session, project),
            skipped=sum(count_by(AnnotationTaskRow.state, AnnotationTaskRow.skipped > 0, there).values()),
            overlap=sum(count_by(AnnotationTaskRow.state, AnnotationTaskRow.overlap > 1, there).values()),
            labelled_twice=_labelled_twice(session, name),
            purpose=project.purpose,
        )


def _labelled_twice(session: Session, project: str) -> int:
    """Count the tasks with current labels of two people or more."""
    query = (
        select(AnnotationRow.task_uid)
        .join(AnnotationTaskRow, AnnotationTaskRow.uid == AnnotationRow.task_uid)
        .where(AnnotationTaskRow.project == project, AnnotationRow.current)
        .group_by(AnnotationRow.task_uid)
        .having(func.count(AnnotationRow.annotator.distinct()) > 1)
    )
    return len(session.scalars(query).all())


def _soundness(session: Session, project: AnnotationProjectRow) -> dict[str, int]:
    """Count what of the current labels does not count."""
    task_type = task_type_of(project)
    found: Counter[str] = Counter()
    query = (
        select(AnnotationTaskRow, AnnotationRow)
        .join(AnnotationRow, AnnotationRow.task_uid == AnnotationTaskRow.uid)
        .where(AnnotationTaskRow.project == project.name, AnnotationRow.current)
        .execution_options(yield_per=READ_BATCH)
    )
    for task, row in session.execute(query).tuples():
        label, problems = task_type.salvage(label_part(row.result), task.data)
        if label is None or (project.purpose == REVIEW and why_undecided(task, row.annotator, row.result)):
            found["invalid"] += 1
        elif problems:
            found["incomplete"] += 1
            found["parts_left_out"] += len(problems)
    return dict(found)


def _ages(moments: Iterable[str]) -> dict[str, int]:
    """Count moments by how many days ago they were, in the order of the buckets; empty buckets left out."""
    today = datetime.now(UTC)
    counts: Counter[str] = Counter()
    for moment in moments:
        days = (today - datetime.fromisoformat(moment)).total_seconds() / 86_400
        counts[next((name for limit, name in AGES if days < limit), OLDEST)] += 1
    return {name: counts[name] for name in (*(name for _, name in AGES), OLDEST) if counts[name]}
