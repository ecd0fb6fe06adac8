"""Documents that hold the same file twice, as workspaces did before paths were stored: merged into one."""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, ChunkRow, DocumentRow, DocumentVersionRow
from doyen.ingestion.document_store import delete_document


def merge_same_files(store: Store) -> list[tuple[str, str]]:
    """Merge documents of one path into the one whose root is outermost, with their versions and annotation tasks.

    Returns:
        (source that is gone, source that stays).
    """
    merged: list[tuple[str, str]] = []
    with store.session() as session:
        query = select(DocumentRow).where(DocumentRow.path != "").order_by(DocumentRow.path)
        for _, same in groupby(session.scalars(query).all(), key=lambda row: row.path):
            kept, *others = sorted(same, key=lambda row: (len(row.root), row.source))
            for other in others:
                _merge(session, other, kept)
                merged.append((other.source, kept.source))
    return merged


def _merge(session: Session, other: DocumentRow, kept: DocumentRow) -> None:
    places = {chunk_id: place for place, chunk_id in _chunks(session, other).items()}
    delete_document(session, other.document_id)
    session.flush()
    for version in session.scalars(select(DocumentVersionRow).where(DocumentVersionRow.document_id == other.document_id)).all():
        if session.get(DocumentVersionRow, (kept.document_id, version.version)) is None:
            version.document_id, version.source = kept.document_id, kept.source
    session.flush()
    chunks = _chunks(session, kept)
    for task in session.scalars(select(AnnotationTaskRow).where(AnnotationTaskRow.document_id == other.document_id)):
        task.document_id = kept.document_id
        task.chunk_id = chunks.get(places.get(task.chunk_id or "", ("", 0, 0)), task.chunk_id)
        origin = {"document_id": task.document_id, "chunk_id": task.chunk_id, "source": kept.source}
        task.data = {**task.data, **{name: value for name, value in origin.items() if name in task.data}}


def _chunks(session: Session, row: DocumentRow) -> dict[tuple[str, int, int], str]:
    """Return the chunk ids of a document by version, start and end."""
    query = select(ChunkRow).where(ChunkRow.document_id == row.document_id)
    return {(chunk.version, chunk.start, chunk.end): chunk.chunk_id for chunk in session.scalars(query)}
