"""Labelled pairs from a file as annotations: each is placed on the passage that its annotator must have seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.annotation.projects import sync_lock
from doyen.annotation.store import IMPORTED, add_version, get_annotation_project, new_task_row, task_type_of
from doyen.annotation.task_types import TaskType
from doyen.annotation.tasks import task_data
from doyen.annotation.types.drafter import Excerpt
from doyen.annotation.types.prompt_response import label_of_pair
from doyen.annotation.types.spans import find_quotes
from doyen.core.errors import InputError
from doyen.core.manifest import canonical_json, short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, ChunkRow, DocumentRow, DocumentVersionRow, TaskState
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
    waiting = list(groups.items())
    with sync_lock(workspace, project), (reporter or Silent()).bar("importing labels", len(pairs)) as bar:
        for start in range(0, len(waiting), IMPORT_BATCH):
            batch = waiting[start : start + IMPORT_BATCH]
            with store.session() as session:
                documents = _Documents(session)
                for uid, members in batch:
                    _import_group(session, documents, task_type, project, uid, members, report)
            bar.advance(sum(len(members) for _, members in batch))
    return report


def _import_group(
    session: Session,
    documents: _Documents,
    task_type: TaskType,
    project: str,
    uid: str,
    members: list[Pair],
    report: ImportReport,
) -> None:
    row = session.get(AnnotationTaskRow, uid)
    if row is None or row.chunk_id is None:
        lead = next((pair for pair in members if pair.source), members[0])
        excerpt = documents.excerpt(lead.source, [quote for pair in members for quote in pair.evidence])
        data = task_data(uid, excerpt, lead.prompt, group=lead.group, history=lead.history)
        fresh = new_task_row(project, data)
        fresh.created_at = row.created_at if row is not None else fresh.created_at
        row = session.merge(fresh)
    row.state = TaskState.LABELLED
    for pair in members:
        result = task_type.write(label_of_pair(pair, row.data), row.data)
        report.without_document += bool(pair.source) and row.chunk_id is None
        report.unplaced_quotes += len(find_quotes(row.data["text"], list(pair.evidence))[1])
        session.flush()
        outcome = add_version(session, uid, IMPORTED + pair.id, pair.annotator or "", result, pair.created_at or "")
        setattr(report, outcome, getattr(report, outcome) + 1)


class _Documents:
    """Finds the stretch of a document that an annotator of given quotes must have seen."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, tuple[str, list[ChunkRow]]] = {}

    def excerpt(self, source: str | None, quotes: list[str]) -> Excerpt:
        """Return the chunk that holds most of the quotes, or the neighbouring chunks over which the first one runs."""
        text, chunks = self._load(source) if source else ("", [])
        shown = _chunks_around(text, chunks, quotes)
        if not shown:
            return Excerpt("", source=source or "")
        first = shown[0]
        return Excerpt(
            text=text[first.start : shown[-1].end],
            source=source or "",
            document_id=first.document_id,
            version=first.version,
            chunk_id=first.chunk_id,
            start=first.start,
            page=first.page,
            heading=first.heading,
        )

    def _load(self, source: str) -> tuple[str, list[ChunkRow]]:
        if source not in self._known:
            document = self._session.scalars(select(DocumentRow).where(DocumentRow.source == source)).first()
            if document is None:
                return "", []
            # An exact duplicate has no chunks of its own: its twin has the same text.
            owner = document.duplicate_of or document.document_id
            chunks = list(
                self._session.scalars(select(ChunkRow).where(ChunkRow.document_id == owner).order_by(ChunkRow.ordinal))
            )
            text = ""
            if chunks:
                text = self._session.get_one(DocumentVersionRow, (owner, chunks[0].version)).text
            self._known[source] = (text, chunks)
        return self._known[source]


def _chunks_around(text: str, chunks: list[ChunkRow], quotes: Iterable[str]) -> list[ChunkRow]:
    """Return one chunk, or a run of neighbours where no single chunk holds any quote; the first chunk as a last resort."""
    places = list(_places(text, quotes))
    held = [sum(chunk.start <= start and end <= chunk.end for start, end in places) for chunk in chunks]
    if any(held):
        return [chunks[held.index(max(held))]]
    for start, end in places:
        if run := [chunk for chunk in chunks if chunk.start < end and start < chunk.end]:
            return run
    return chunks[:1]


def _places(text: str, quotes: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield every place of every quote."""
    for quote in dict.fromkeys(quotes):
        start = text.find(quote)
        while start >= 0:
            yield start, start + len(quote)
            start = text.find(quote, start + 1)


def _task_uid(project: str, pair: Pair) -> str:
    """Return the uid of the task that a pair labels: pairs of one group share it, as do equal prompts without a group."""
    if pair.group:
        return short_id(project, "group", pair.group)
    history = canonical_json([turn.model_dump() for turn in pair.history])
    return short_id(project, "pair", pair.source or "", history, pair.prompt)
