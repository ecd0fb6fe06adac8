"""What tasks are made from, in the database: chunks of documents, and answers that people found wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from doyen.annotation.store import Session, decision_identity, label_identity
from doyen.annotation.types.drafter import Excerpt
from doyen.core.store.schema import (
    AdapterRow,
    AnnotationRow,
    AnnotationTaskRow,
    AnswerRow,
    ChunkRow,
    DatasetRow,
    DecisionRow,
    DocumentRow,
    DocumentVersionRow,
    FeedbackRow,
)

_CHUNKS = select(ChunkRow, DocumentRow.source).join(DocumentRow, ChunkRow.document_id == DocumentRow.document_id)


def excerpt_of(chunk: ChunkRow, source: str) -> Excerpt:
    """Return a chunk as an annotator sees it."""
    place = chunk.document_id, chunk.version, chunk.chunk_id, chunk.start, chunk.page, chunk.heading
    return Excerpt(chunk.text, source, *place)


def open_excerpts(session: Session, project: str, sources: Sequence[str]) -> list[Excerpt]:
    """Return chunks without a task in this project: every document's first, then every document's second, and so on.

    Args:
        sources: only of these documents; all when empty.
    """
    taken = set(session.scalars(select(AnnotationTaskRow.chunk_id).where(AnnotationTaskRow.project == project)))
    query = _CHUNKS.where(DocumentRow.source.in_(sources)) if sources else _CHUNKS
    turns: dict[str, int] = defaultdict(int)
    ordered: list[tuple[int, str, Excerpt]] = []
    for chunk, source in session.execute(query.order_by(DocumentRow.source, ChunkRow.ordinal)):
        if chunk.chunk_id not in taken:
            ordered.append((turns[source], source, excerpt_of(chunk, source)))
            turns[source] += 1
    return [excerpt for _, _, excerpt in sorted(ordered, key=lambda entry: entry[:2])]


def likeliest_excerpt(session: Session, prompt: str, source: str) -> Excerpt | None:
    """Return the chunk of the document that shares most words with the prompt; the first one among equals."""
    wanted = _words(prompt)
    chunks = session.scalars(_CHUNKS.where(DocumentRow.source == source).order_by(ChunkRow.ordinal))
    best = max(chunks, key=lambda chunk: len(wanted & _words(chunk.text)), default=None)
    return excerpt_of(best, source) if best is not None else None


def excerpt_with_text(session: Session, text: str) -> Excerpt | None:
    """Return the first chunk whose text this is."""
    found = session.execute(_CHUNKS.where(ChunkRow.text == text).order_by(ChunkRow.chunk_id)).first()
    return excerpt_of(*found) if found else None


def text_and_chunks(session: Session, source: str) -> tuple[str, list[ChunkRow]]:
    """Return a document's text and its chunks, in order; both empty where it is not there."""
    document = session.scalars(select(DocumentRow).where(DocumentRow.source == source)).first()
    if document is None:
        return "", []
    # An exact duplicate has no chunks of its own: its twin has the same text.
    owner = document.duplicate_of or document.document_id
    chunks = list(session.scalars(select(ChunkRow).where(ChunkRow.document_id == owner).order_by(ChunkRow.ordinal)))
    return session.get_one(DocumentVersionRow, (owner, chunks[0].version)).text if chunks else "", chunks


def known_documents(session: Session, document_ids: Collection[str]) -> set[str]:
    """Return which of the documents are there."""
    return set(session.scalars(select(DocumentRow.document_id).where(DocumentRow.document_id.in_(document_ids))))


def versions_of(session: Session, document_id: str) -> Iterator[DocumentVersionRow]:
    """Yield the versions of a document, newest first."""
    query = select(DocumentVersionRow).where(DocumentVersionRow.document_id == document_id)
    yield from session.scalars(query.order_by(DocumentVersionRow.created_at.desc()))


def answers_found_wrong(session: Session) -> Iterable[tuple[AnswerRow, list[FeedbackRow]]]:
    """Return each answer with a thumb down or a correction, and all that was said about it, oldest first."""
    query = (
        select(AnswerRow, FeedbackRow)
        .join(FeedbackRow, FeedbackRow.answer_id == AnswerRow.answer_id)
        .where((FeedbackRow.rating < 0) | FeedbackRow.correction.is_not(None))
        .order_by(AnswerRow.created_at, AnswerRow.answer_id, FeedbackRow.created_at, FeedbackRow.feedback_id)
    )
    found: dict[str, tuple[AnswerRow, list[FeedbackRow]]] = {}
    for answer, feedback in session.execute(query):
        found.setdefault(answer.answer_id, (answer, []))[1].append(feedback)
    return found.values()


def datasets_and_adapters(session: Session) -> dict[str, list[str]]:
    """Return the ids of all datasets, newest first, with the adapters trained on each as ``name:version``."""
    found: dict[str, list[str]] = {
        dataset: [] for dataset in session.scalars(select(DatasetRow.dataset_id).order_by(DatasetRow.created_at.desc()))
    }
    for row in session.scalars(select(AdapterRow).order_by(AdapterRow.name, AdapterRow.version)):
        if row.dataset_id in found:
            found[row.dataset_id].append(f"{row.name}:{row.version}")
    return found


@dataclass(frozen=True)
class TaskLinks:
    """What a task is tied to.

    Attributes:
        group: of the pairs that its labels become.
        documents: ids of those that it shows.
        origin: ``feedback_id``, ``answer_id`` or ``task`` (the reviewed one's uid), as far as there are any.
        stale: a `Staleness`, or None.
    """

    uid: str
    project: str
    source: str
    group: str
    documents: frozenset[str]
    origin: dict[str, Any]
    stale: str | None


def task_links(session: Session) -> list[TaskLinks]:
    """Return what all tasks are tied to, without their texts."""
    task = AnnotationTaskRow
    shown = task.data["source"].as_string(), task.data["group"].as_string(), task.data["passages"]
    query = select(task.uid, task.project, *shown, task.document_id, task.origin, task.stale)
    return [
        TaskLinks(
            uid=uid,
            project=project,
            source=source or "",
            group=group or uid,
            documents=frozenset({document, *(each.get("document_id") for each in passages or ())} - {None, ""}),
            origin=origin or {},
            stale=stale,
        )
        for uid, project, source, group, passages, document, origin, stale in session.execute(query)
    ]


@dataclass(frozen=True)
class LabelLinks:
    """What a label, or a decision, is tied to.

    Attributes:
        pair_id: of the pair that it becomes.
        inputs: ids of the labels that were compared for a decision.
    """

    label_id: str
    task_uid: str
    pair_id: str
    annotator: str
    current: bool
    inputs: tuple[str, ...] = ()


def label_links(session: Session) -> Iterator[LabelLinks]:
    """Yield what all labels and decisions are tied to, in all their versions, without what they say."""
    label, made = AnnotationRow, DecisionRow
    labels = select(label.annotation_id, label.task_uid, label.external_id, label.annotator, label.current)
    for label_id, uid, external_id, annotator, current in session.execute(labels):
        yield LabelLinks(label_id, uid, label_identity(uid, external_id), annotator, current)
    decisions = select(made.decision_id, made.task_uid, made.decided_by, made.current, made.inputs)
    for label_id, uid, decided_by, current, inputs in session.execute(decisions):
        yield LabelLinks(label_id, uid, decision_identity(uid), decided_by, current, tuple(inputs))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", text.lower()))
