"""Where a project stands: tasks by state and age, labels by annotator, what is stale, known or decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from doyen.annotation.quality.decisions import why_undecided
from doyen.annotation.store import (
    OPEN,
    PRESENT,
    TaskGroup,
    count_versions,
    current_results,
    get_project,
    group_tasks,
    task_type_of,
)
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, Purpose

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
    purpose: str = Purpose.ANNOTATION


def project_status(store: Store, name: str) -> ProjectStatus:
    """Count what a project holds.

    Raises:
        NotFoundError: there is no such project.
    """
    project = get_project(store, name)
    labels = _count_labels(store, project)
    with store.session() as session:
        groups, versions = group_tasks(session, name), count_versions(session, name)
    present = [group for group in groups if group.state in PRESENT]
    return ProjectStatus(
        name,
        project.task_type,
        redact(project.backend),
        project.synced_at,
        tasks=_sums((group.state, group) for group in groups),
        versions=versions,
        ages=_ages(group for group in groups if group.state in OPEN),
        stale=_sums((group.stale, group) for group in groups if group.stale is not None),
        gold=sum(group.tasks for group in groups if group.gold),
        skipped=sum(group.tasks for group in present if group.skipped),
        overlap=sum(group.tasks for group in present if group.overlap > 1),
        purpose=project.purpose,
        **labels,
    )


def _sums(found: Iterable[tuple[str, TaskGroup]]) -> dict[str, int]:
    """Add up the tasks under each name."""
    counts: Counter[str] = Counter()
    for name, group in found:
        counts[name] += group.tasks
    return dict(sorted(counts.items()))


def _count_labels(store: Store, project: AnnotationProjectRow) -> dict[str, Any]:
    """Count current labels by annotator, decisions by method, and what of the labels does not count."""
    task_type = task_type_of(project)
    annotators: Counter[str] = Counter()
    decisions: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for task, rows, decision in current_results(store, project.name):
        annotators.update(row.annotator or "unknown" for row in rows)
        decisions.update([decision.method] if decision is not None else [])
        counts["labelled_twice"] += len({row.annotator for row in rows}) > 1
        for row in rows:
            typed = task_type.stored(row.typed)
            if typed.label is None or (project.purpose == Purpose.REVIEW and why_undecided(task, row.annotator, typed.reason)):
                counts["invalid"] += 1
            elif typed.problems:
                counts["incomplete"] += 1
                counts["parts_left_out"] += len(typed.problems)
    return {"annotators": dict(sorted(annotators.items())), "decisions": dict(sorted(decisions.items())), **counts}


def _ages(groups: Iterable[TaskGroup]) -> dict[str, int]:
    """Count tasks by how many days ago they were made, in the order of the buckets; empty buckets left out."""
    today = datetime.now(UTC)
    counts: Counter[str] = Counter()
    for group in groups:
        days = (today - datetime.fromisoformat(group.created_at)).total_seconds() / 86_400
        counts[next((name for limit, name in AGES if days < limit), OLDEST)] += group.tasks
    return {name: counts[name] for name in (*(name for _, name in AGES), OLDEST) if counts[name]}
