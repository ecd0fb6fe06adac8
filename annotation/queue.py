"""The order in which people are served the tasks that nobody has labelled: what is open, and scores that say what comes first.

A score stands in a task's draft, where Label Studio looks for it, too: the lowest comes first. A task without a draft gets an
empty one, which shows nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from doyen.annotation.store import OPEN, get_annotation_project, task_type_of, tasks_in
from doyen.annotation.types.typed_labels import prompt_of
from doyen.core.batches import batched
from doyen.core.manifest import short_id
from doyen.core.store import Store

ORDERED = "order"
"""Version of the empty drafts, which hold an order alone."""


@dataclass(frozen=True)
class OpenText:
    """A text that waits for its first label.

    Attributes:
        item_id: as ``LabelledText.item_id``.
        prompt: the question that its draft or its task asks; empty for other types than prompt/response.
    """

    item_id: str
    text: str
    prompt: str = ""


def open_texts(store: Store, project: str) -> list[OpenText]:
    """Return the texts that nobody has labelled, oldest first; gold items and stale texts are left out.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    with store.session() as session:
        tasks = [task for task in tasks_in(session, project, states=OPEN) if task.gold is None and task.stale is None]
    found = []
    for task in tasks:
        text = OpenText(task.uid, task.data["text"], str(task.data.get("prompt") or ""))
        if not text.prompt and task.predictions:
            drafted, _ = task_type.salvage(task.predictions[0]["result"], task.data)
            text = replace(text, prompt=prompt_of(drafted))
        found.append(text)
    return found


def set_order(store: Store, project: str, order: Collection[str]) -> int:
    """Have the open tasks served in this order, and those that it does not name after them as before.

    Open gold items get places all over the order, so that their place does not give them away. ``push(…, scores=True)``
    brings the order to where people label.

    Args:
        order: item ids, first things first.

    Returns:
        How many open tasks have a place in the order.

    Raises:
        NotFoundError, InputError: as for ``open_texts``.
    """
    get_annotation_project(store, project)
    scores = {uid: round(place / len(order), 6) for place, uid in enumerate(order)}
    placed = 0
    with store.session() as session:
        open_tasks = {task.uid: task.gold is not None for task in tasks_in(session, project, states=OPEN)}
        for uids in batched(list(open_tasks)):
            for task in tasks_in(session, project, uids=uids):
                score = _scattered(task.uid) if open_tasks[task.uid] else scores.get(task.uid, 1.0)
                task.predictions = _with_score(task.predictions, score)
                placed += task.uid in scores
    return placed


def _with_score(drafts: list[Any], score: float) -> list[dict[str, Any]]:
    return [{**draft, "score": score} for draft in drafts] or [{"model_version": ORDERED, "score": score, "result": []}]


def _scattered(uid: str) -> float:
    """Return a place between 0 and 1 that is always the same for a task."""
    return int(short_id("place", uid), 16) / 16**16
