"""Labelled pairs from a file as annotations: each is placed on the passage that its annotator must have seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice

from doyen.annotation.projects import sync_lock
from doyen.annotation.store import IMPORTED, Session, add_version, get_annotation_project, new_task_row, task_type_of
from doyen.annotation.task_sources import excerpt_of, text_and_chunks
from doyen.annotation.task_types import TaskType
from doyen.annotation.tasks import task_data
from doyen.annotation.types.answer_lines import places as places_of
from doyen.annotation.types.drafter import Excerpt
from doyen.annotation.types.prompt_response import label_of_pair
from doyen.annotation.types.spans import find_quotes
from doyen.core.errors import InputError
from doyen.core.manifest import canonical_json, short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, ChunkRow, TaskState
from doyen.core.workspace import Workspace

IMPORT_BATCH = 200


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        unplaced_quotes: evidence quotes that the shown passage does not hold; they are kept as further quotes.
        without_document: pairs whose source is not among the ingested documents.
    """

    project: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    unplaced_quotes: int = 0
    without_document: int = 0

    def count(self, outcome: str) -> None:
        """Count a label as "added", "updated" or "unchanged"."""
        setattr(self, outcome, getattr(self, outcome) + 1)


def import_pairs(
    workspace: Workspace, store: Store, project: str, pairs: Sequence[Pair], *, reporter: Reporter | None = None
) -> ImportReport:
    """Take labels from a pairs file as annotations, with their annotators; repeating it changes nothing.

    Pairs of one group become labels of one task. A pair's evidence is located in the chunk of its document that holds
    most of it. A pair that was imported before and now reads differently becomes a new version. The labels live here
    alone: they are neither pushed nor touched by a pull.

    Raises:
        NotFoundError: there is no such project.
        InputError: its tasks are not prompts and responses, or it is a review project.
        Busy: another process is syncing this project.
    """
    task_type = task_type_of(get_annotation_project(store, project))
    if task_type.name != "prompt-response":
        raise InputError(f"project {project!r} holds {task_type.name} tasks: pairs are labels of prompt-response tasks alone")
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[_task_uid(project, pair)].append(pair)
    report = ImportReport(project)
    waiting = iter(groups.items())
    with sync_lock(workspace, project), (reporter or Silent()).bar("importing labels", len(pairs)) as bar:
        while batch := list(islice(waiting, IMPORT_BATCH)):
            with store.session() as session:
                documents = cache(partial(text_and_chunks, session))
                for uid, members in batch:
                    task = _task_of_group(session, documents, project, uid, members)
                    for pair in members:
                        _store_pair(session, task_type, task, pair, report)
            bar.advance(sum(len(members) for _, members in batch))
    return report


Documents = Callable[[str], tuple[str, list[ChunkRow]]]
"""From a document's source to its text and its chunks, in order; both empty where it is not there."""


def _task_of_group(session: Session, documents: Documents, project: str, uid: str, members: list[Pair]) -> AnnotationTaskRow:
    """Return the task of a group, which is made where it is missing, and anew where it named no document."""
    row = session.get(AnnotationTaskRow, uid)
    if row is None or row.chunk_id is None:
        lead = next((pair for pair in members if pair.source), members[0])
        excerpt = _excerpt(documents, lead.source or "", [quote for pair in members for quote in pair.evidence])
        data = task_data(uid, excerpt, lead.prompt, group=lead.group, history=lead.history)
        fresh = new_task_row(project, data)
        fresh.created_at = row.created_at if row is not None else fresh.created_at
        row = session.merge(fresh)
    row.state = TaskState.LABELLED
    return row


def _store_pair(session: Session, task_type: TaskType, task: AnnotationTaskRow, pair: Pair, report: ImportReport) -> None:
    result = task_type.write(label_of_pair(pair, task.data), task.data)
    report.without_document += bool(pair.source) and task.chunk_id is None
    report.unplaced_quotes += len(find_quotes(task.data["text"], list(pair.evidence))[1])
    session.flush()
    report.count(add_version(session, task.uid, IMPORTED + pair.id, pair.annotator or "", result, pair.created_at or ""))


def _excerpt(documents: Documents, source: str, quotes: list[str]) -> Excerpt:
    """Return the chunk that holds most of the quotes, or the neighbouring chunks over which the first one runs."""
    text, chunks = documents(source) if source else ("", [])
    shown = _chunks_around(text, chunks, quotes)
    if not shown:
        return Excerpt("", source=source)
    return replace(excerpt_of(shown[0], source), text=text[shown[0].start : shown[-1].end])


def _chunks_around(text: str, chunks: list[ChunkRow], quotes: Iterable[str]) -> list[ChunkRow]:
    """Return one chunk, or a run of neighbours where no single chunk holds any quote; the first chunk as a last resort."""
    places = [(start, start + len(quote)) for quote in dict.fromkeys(quotes) for start in places_of(text, quote, after=0)]
    held = [sum(chunk.start <= start and end <= chunk.end for start, end in places) for chunk in chunks]
    if any(held):
        return [chunks[held.index(max(held))]]
    for start, end in places:
        if run := [chunk for chunk in chunks if chunk.start < end and start < chunk.end]:
            return run
    return chunks[:1]


def _task_uid(project: str, pair: Pair) -> str:
    """Return the uid of the task that a pair labels: pairs of one group share it, as do equal prompts without a group."""
    if pair.group:
        return short_id(project, "group", pair.group)
    history = canonical_json([turn.model_dump() for turn in pair.history])
    return short_id(project, "pair", pair.source or "", history, pair.prompt)
