"""Overlap: which tasks are labelled by several people, so that their agreement can be measured.

All gold items are, because they measure each person, and a share of the others. Which ones is decided by a hash of
their uid, so that neither the order of pushing nor chance has a say, and nothing that was chosen is given up while the
share stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from doyen.annotation.backend import Backend
from doyen.annotation.store import PRESENT, get_annotation_project, get_project, tasks_in, update_project
from doyen.core.errors import InputError
from doyen.core.manifest import short_id
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow, Purpose, TaskState


def check_overlap(people: int | None, share: float | None) -> None:
    """Raise InputError for numbers that make no overlap."""
    if people is not None and people < 1:
        raise InputError(f"{people} people cannot label a task: give --overlap 1 or more")
    if share is not None and not 0 <= share <= 1:
        raise InputError(f"{share} is no share of the tasks: give --overlap-share from 0 to 1")


def change_overlap(store: Store, project: str, people: int | None, share: float | None) -> None:
    """Keep how many people label a task, and which share of the tasks; None keeps what was said before.

    Raises:
        InputError: they cannot be, or the project is a review or was not made here.
    """
    check_overlap(people, share)
    values = {"overlap": people, "overlap_share": share}
    given = {name: value for name, value in values.items() if value is not None}
    if given and get_annotation_project(store, project).purpose == Purpose.ADOPTED:
        raise InputError(
            f"{project!r} was not made here, and keeps the number of people that its owner set: change it in Label Studio"
        )
    if given:
        update_project(store, project, **given)


def plan_overlap(store: Store, project: str) -> tuple[int, bool]:
    """Decide for each task of the project how many people are asked.

    Returns:
        The most that any task is for, and whether all tasks are for as many.
    """
    with store.session() as session:
        row = session.get_one(AnnotationProjectRow, project)
        tasks = tasks_in(session, project, states=PRESENT)
        shared = _shared(tasks, row.overlap_share)
        for task in tasks:
            task.overlap = row.overlap if task.gold is not None or task.uid in shared else 1
        return row.overlap, all(task.overlap == row.overlap for task in tasks)


def apply_overlap(store: Store, backend: Backend, external_id: str, project: str) -> int:
    """Bring what was planned to where people label; return how many tasks there several people label."""
    row = get_project(store, project)
    if row.purpose in {Purpose.REVIEW, Purpose.ADOPTED}:
        return 0
    with store.session() as session:
        tasks = tasks_in(session, project, states=PRESENT, sent=True)
    wanted = {str(task.external_id): task.overlap for task in tasks}
    backend.set_overlap(external_id, max(wanted.values(), default=row.overlap), wanted)
    return sum(people > 1 for people in wanted.values())


def _shared(tasks: Iterable[AnnotationTaskRow], share: float) -> set[str]:
    """Return the uids of the share, rounded up: those chosen before, then open tasks, then labelled ones."""
    others = sorted(
        (task for task in tasks if task.gold is None),
        key=lambda task: ((task.overlap or 1) < 2, task.state == TaskState.LABELLED, short_id("overlap", task.uid)),
    )
    return {task.uid for task in others[: math.ceil(round(share * len(others), 6))]}
