"""What tasks are made from, in the database: chunks of documents, and answers that people found wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import select

from doyen.annotation.store import Session
from doyen.annotation.types.drafter import Excerpt
from doyen.core.store.schema import (
    AdapterRow,
    AnnotationTaskRow,
    AnswerRow,
    ChunkRow,
    DatasetRow,
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


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", text.lower()))
