"""Tasks whose text is no longer the document's: they are marked, keep their labels, and say who has used these.

Of purged documents all tasks are erased, but for those that people have labelled: these stay and are named.

A task is *changed* when its document's current text no longer holds the excerpt that was shown, word for word. An
excerpt that only moved is as true as before, so it is not stale: its offsets belong to the version that the task names,
whose text is kept. A task is *deleted* when its document is gone; a renamed document is a new one. The mark goes away
when the text comes back.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from doyen.annotation.files.folder import FilesBackend
from doyen.annotation.projects import sync_lock
from doyen.annotation.store import judge_tasks, list_projects, tasks_in, uids_with_results
from doyen.annotation.task_sources import datasets_and_adapters
from doyen.core.lineage import DatasetUse, StaleReport
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow, Staleness, TaskState
from doyen.core.workspace import Workspace


def mark_stale(workspace: Workspace, store: Store) -> StaleReport:
    """Mark the tasks whose text is no longer the document's, and unmark those whose text is back.

    Returns:
        What became stale just now.
    """
    newly: dict[str, list[AnnotationTaskRow]] = defaultdict(list)
    with store.session() as session:
        for task, text in judge_tasks(session):
            why = Staleness.DELETED if text is None else None if _excerpt(task.data) in text else Staleness.CHANGED
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
    for part in ("train.jsonl", "validation.jsonl", "test.jsonl"):
        if (folder / part).is_file():
            with (folder / part).open(encoding="utf-8") as lines:
                yield from (json.loads(line).get("group") or "" for line in lines)


def purge_tasks(
    workspace: Workspace, store: Store, document_ids: Collection[str], answer_ids: Collection[str]
) -> tuple[int, list[str]]:
    """Delete the tasks about documents and answers, from the store and from the projects' files.

    Returns:
        How many tasks were deleted, and one sentence for each project that still holds text of the documents.
    """
    files = FilesBackend(workspace.annotation_folder)
    count = 0
    kept: list[str] = []
    projects = list_projects(store)
    with store.session() as session:
        for project in projects:
            ours = [task for task in tasks_in(session, project.name) if _copies(task, document_ids, answer_ids)]
            held = uids_with_results(session, project.name) & {task.uid for task in ours}
            in_files = bool(ours) and project.backend == files.location and project.external_id is not None
            if in_files:
                held |= files.labelled_uids(project.name) & {task.uid for task in ours}
            gone = [task for task in ours if task.uid not in held]
            if in_files and gone:
                with sync_lock(workspace, project.name):
                    files.remove_tasks(project.name, {task.uid for task in gone})
            for task in gone:
                session.delete(task)
            count += len(gone)
            kept += _sentences(project, gone, len(held), in_files)
    return count, kept


def _copies(task: AnnotationTaskRow, document_ids: Collection[str], answer_ids: Collection[str]) -> bool:
    """Whether a task shows text of the documents: as its excerpt, among its passages, or in an answer that rested on them."""
    shown = [task.document_id, *(passage.get("document_id") for passage in task.data.get("passages") or ())]
    return any(each in document_ids for each in shown) or (task.origin or {}).get("answer_id") in answer_ids


def _sentences(project: AnnotationProjectRow, gone: list[AnnotationTaskRow], held: int, in_files: bool) -> Iterator[str]:
    if held:
        yield f"{held} task(s) of project {project.name!r} with the labels that people made"
    sent = Counter(task.state for task in gone)[TaskState.PUSHED]
    if sent and not in_files:
        yield f"{sent} task(s) of project {project.name!r} at {project.backend}: delete them there"
