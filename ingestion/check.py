"""Checks that the stored chunks are what they claim to be, for ``doyen doctor``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow

MOST_PROBLEMS = 50


def check_offsets(store: Store) -> list[str]:
    """Check every chunk of every document.

    ``text[start:end]`` must equal the chunk; the chunks of a document must be in order, not overlap and hold all text;
    every document must have the version it names, and only exact duplicates may be without chunks.

    Returns:
        One sentence for each problem, at most fifty; empty when all is well.
    """
    problems: list[str] = []
    with store.session() as session:
        for row in session.scalars(select(DocumentRow).order_by(DocumentRow.source)):
            problems += _check_document(session, row)
            if len(problems) >= MOST_PROBLEMS:
                return problems[:MOST_PROBLEMS]
        orphans = session.scalars(select(ChunkRow.chunk_id).where(ChunkRow.document_id.not_in(select(DocumentRow.document_id))))
        problems += [f"chunk {chunk_id} belongs to no document" for chunk_id in orphans]
    return problems[:MOST_PROBLEMS]


def _check_document(session: Session, row: DocumentRow) -> Iterator[str]:
    version = session.get(DocumentVersionRow, (row.document_id, row.version))
    chunks = session.scalars(select(ChunkRow).where(ChunkRow.document_id == row.document_id).order_by(ChunkRow.ordinal)).all()
    if version is None:
        yield f"{row.source}: its version {row.version[:12]} is missing; remove and ingest it again"
        return
    if row.duplicate_of is not None:
        if chunks:
            yield f"{row.source}: it is an exact duplicate but has {len(chunks)} chunks"
        if session.get(DocumentRow, row.duplicate_of) is None:
            yield f"{row.source}: the document it duplicates is missing"
        return
    yield from _check_chunks(row, version.text, chunks)


def _check_chunks(row: DocumentRow, text: str, chunks: Sequence[ChunkRow]) -> Iterator[str]:
    position = 0
    for number, chunk in enumerate(chunks):
        where = f"{row.source}: chunk {chunk.chunk_id}"
        if chunk.version != row.version:
            yield f"{where} belongs to version {chunk.version[:12]}, not to {row.version[:12]}"
        if chunk.ordinal != number:
            yield f"{where} has number {chunk.ordinal} where {number} is expected"
        if text[chunk.start : chunk.end] != chunk.text:
            yield f"{where} is not the text at {chunk.start}:{chunk.end}"
        if chunk.start < position:
            yield f"{where} overlaps the chunk before it"
        elif text[position : chunk.start].strip():
            yield f"{row.source}: the text at {position}:{chunk.start} is in no chunk"
        position = max(position, chunk.end)
    if text[position:].strip():
        yield f"{row.source}: the text from {position} on is in no chunk"
