"""The texts of a project's tasks, labelled or not: what techniques that choose texts or propose labels look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doyen.annotation.current_labels import LINEAGE
from doyen.annotation.store import OPEN, PRESENT, get_annotation_project, tasks_in
from doyen.core.store import Store


@dataclass(frozen=True)
class TaskText:
    """The text that a task shows.

    Attributes:
        item_id: the task's uid, as in ``LabelledText``.
        open: whether nobody has labelled it yet.
        meta: where the text comes from, as in ``LabelledText``.
    """

    item_id: str
    text: str
    open: bool
    meta: Mapping[str, Any] = field(default_factory=dict)


def task_texts(store: Store, project: str) -> list[TaskText]:
    """Return the texts of all tasks that were not deleted, gold items among them, oldest first.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project.
    """
    get_annotation_project(store, project)
    with store.session() as session:
        tasks = tasks_in(session, project, states=PRESENT)
    found = []
    for task in tasks:
        meta = {key: task.data[key] for key in LINEAGE if task.data.get(key) not in (None, "")} | (task.origin or {})
        found.append(TaskText(task.uid, task.data["text"], task.state in OPEN, meta))
    return found
