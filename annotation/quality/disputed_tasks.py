"""The disputed tasks of a project side by side: what each annotator said, and what was decided about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from doyen.annotation.quality.disputes import Dispute
from doyen.annotation.store import current_decision, get_project, task_type_of, tasks_in
from doyen.core.store import Store


@dataclass(frozen=True)
class Decision:
    """What is held to be true about a task.

    Attributes:
        label: in words.
        method: expert, ground truth or consensus.
        by: the expert, or the aggregation's name.
    """

    label: str
    method: str
    by: str
    reason: str


@dataclass(frozen=True)
class DisputedTask:
    """A task on which annotators disagree, or whose label is doubted.

    Attributes:
        score: how much there is to settle; higher is worse.
        agreement: of its annotators, from 0 to 1; None where one person alone labelled it.
        answers: what was said, in words; annotators are not named, because an expert should judge answers, not people.
        decision: the one that stands; None where nobody decided.
    """

    item_id: str
    title: str
    text: str
    score: float
    agreement: float | None
    answers: list[str]
    decision: Decision | None


def disputed_tasks(store: Store, project: str, disputes: Sequence[Dispute]) -> list[DisputedTask]:
    """Return disputes as they are read, in their order.

    Raises:
        NotFoundError: there is no such project.
    """
    task_type = task_type_of(get_project(store, project))
    found = []
    with store.session() as session:
        tasks = {task.uid: task for task in tasks_in(session, project)}
        for dispute in disputes:
            task, decided = tasks[dispute.item_id], current_decision(session, dispute.item_id)
            decision = None
            if decided is not None:
                label = task_type.stored(decided.typed).label
                described = label.describe(task.data["text"]) if label is not None else ""
                decision = Decision(described, decided.method, decided.decided_by, decided.reason)
            found.append(
                DisputedTask(
                    dispute.item_id,
                    str(task.data.get("title") or ""),
                    task.data["text"],
                    round(dispute.score, 4),
                    None if math.isnan(dispute.agreement) else round(dispute.agreement, 4),
                    [label.label.describe(label.text) for label in dispute.labels],
                    decision,
                )
            )
    return found
