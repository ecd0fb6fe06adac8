"""Erasing annotation tasks that are copies of removed documents; tasks that people have labelled stay and are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from doyen.annotation.files.folder import FilesBackend
from doyen.annotation.projects import sync_lock
from doyen.annotation.store import list_projects, tasks_in, uids_with_results
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow, TaskState
from doyen.core.workspace import Workspace

FILES = "files"


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
            in_files = bool(ours) and project.backend == FILES and project.external_id is not None
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
