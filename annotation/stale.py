"""Tasks whose text is no longer the document's: they are marked, keep their labels, and say who has used these.

A task is *changed* when its document's current text no longer holds the excerpt that was shown, word for word. An
excerpt that only moved is as true as before, so it is not stale: its offsets belong to the version that the task names,
whose text is kept. A task is *deleted* when its document is gone; a renamed document is a new one. The mark goes away
when the text comes back.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from doyen.annotation.store import judge_tasks, tasks_in
from doyen.annotation.task_sources import datasets_and_adapters
from doyen.core.lineage import DatasetUse, StaleReport
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow
from doyen.core.workspace import Workspace

CHANGED, DELETED = "changed", "deleted"


def mark_stale(workspace: Workspace, store: Store) -> StaleReport:
    """Mark the tasks whose text is no longer the document's, and unmark those whose text is back.

    Returns:
        What became stale just now.
    """
    newly: dict[str, list[AnnotationTaskRow]] = defaultdict(list)
    with store.session() as session:
        for task, text in judge_tasks(session):
            why = DELETED if text is None else None if _excerpt(task.data) in text else CHANGED
            if why is not None and task.stale != why:
                newly[why].append(task)
            task.stale = why
    return _report(workspace, store, newly)


def stale_tasks(workspace: Workspace, store: Store, project: str) -> StaleReport:
    """Return what of a project is stale, and which datasets and adapters hold its labels."""
    found: dict[str, list[AnnotationTaskRow]] = defaultdict(list)
    with store.session() as session:
        for task in tasks_in(session, project, stale=True):
            found[task.stale or ""].append(task)
    return _report(workspace, store, found)


def dataset_uses(workspace: Workspace, store: Store, tasks: Iterable[AnnotationTaskRow]) -> list[DatasetUse]:
    """Return the datasets that hold labels of the tasks, newest first: pairs carry their task's group."""
    groups = {str(task.data.get("group") or task.uid) for task in tasks}
    if not groups:
        return []
    with store.session() as session:
        adapters = datasets_and_adapters(session)
    counts = {name: sum(group in groups for group in _groups(workspace.datasets_folder / name)) for name in adapters}
    return [DatasetUse(name, count, tuple(adapters[name])) for name, count in counts.items() if count]


def _excerpt(data: dict[str, Any]) -> str:
    """Return what was shown of the task's document: of several passages, the first."""
    text = str(data["text"])
    return text[: data["passages"][0]["length"]] if data.get("passages") else text


def _report(workspace: Workspace, store: Store, tasks: dict[str, list[AnnotationTaskRow]]) -> StaleReport:
    counts = {why: len(found) for why, found in sorted(tasks.items())}
    return StaleReport(counts, dataset_uses(workspace, store, (task for found in tasks.values() for task in found)))


def _groups(folder: Path) -> Iterator[str]:
    """Yield the group of every pair of a dataset; none where its files are gone."""
    for part in ("train.jsonl", "validation.jsonl"):
        if (folder / part).is_file():
            with (folder / part).open(encoding="utf-8") as lines:
                yield from (json.loads(line).get("group") or "" for line in lines)
