"""Writing documents to the store: one document, its version, chunks and signature in one transaction, or nothing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, aliased

from doyen.core.batches import batched
from doyen.core.manifest import now, short_id
from doyen.core.store.document_access import Assigned, assign_groups, forget_groups, note_change
from doyen.core.store.schema import (
    ChunkRow,
    DocumentRow,
    DocumentSignatureRow,
    DocumentVersionRow,
)
from doyen.ingestion.chunk import Chunk
from doyen.ingestion.document import ParsedDocument


@dataclass(frozen=True)
class Prepared:
    """A parsed and chunked document, ready to be written.

    Attributes:
        root, path: see DocumentRow.
        version: SHA-256 of the file's bytes.
        fingerprint: of the settings and versions that shaped text and chunks.
        text_sha256, minhash: see DocumentSignatureRow.
        assigned: who may read it.
    """

    source: str
    root: str
    path: str
    version: str
    size: int
    modified_ns: int
    fingerprint: str
    document: ParsedDocument
    chunks: Sequence[Chunk]
    text_sha256: str
    minhash: bytes
    assigned: Assigned = field(default_factory=Assigned)

    @property
    def document_id(self) -> str:
        """The stable id of the source."""
        return short_id(self.source)


def write_document(session: Session, prepared: Prepared) -> str | None:
    """Write a document, new or changed; return the document id of its exact duplicate if there is one.

    Chunks that stay the same keep their rows.
    """
    document_id = prepared.document_id
    twin = _twin(session, prepared)
    signature = session.get(DocumentSignatureRow, document_id)
    if signature is not None and signature.text_sha256 != prepared.text_sha256:
        _pass_on_chunks(session, document_id)
    row = session.get(DocumentRow, document_id) or DocumentRow(document_id=document_id, source=prepared.source)
    row.root, row.path, row.version = prepared.root, prepared.path, prepared.version
    row.title, row.media_type = prepared.document.title, prepared.document.media_type
    row.size, row.modified_ns = prepared.size, prepared.modified_ns
    row.settings_fingerprint, row.duplicate_of = prepared.fingerprint, twin
    row.near_group, row.ingested_at = "", now()
    session.add(row)
    session.merge(DocumentSignatureRow(document_id=document_id, text_sha256=prepared.text_sha256, minhash=prepared.minhash))
    session.merge(
        DocumentVersionRow(
            document_id=document_id,
            version=prepared.version,
            source=prepared.source,
            text=prepared.document.text,
            pages=[list(page) for page in prepared.document.pages],
            boxes=prepared.document.boxes or None,
            recognised=[list(page) for page in prepared.document.recognised],
            created_at=now(),
            withdrawn=False,
        )
    )
    session.flush()
    assign_groups(session, document_id, prepared.assigned)
    note_change(session)
    chunks = [] if twin else [_chunk_row(row, number, chunk) for number, chunk in enumerate(prepared.chunks)]
    _replace_chunks(session, document_id, chunks)
    if twin:
        session.execute(update(DocumentRow).where(DocumentRow.duplicate_of == document_id).values(duplicate_of=twin))
    return twin


def delete_document(session: Session, document_id: str) -> None:
    """Delete a document; an exact duplicate takes its place in the index, its versions are kept and no longer given out."""
    _pass_on_chunks(session, document_id)
    _replace_chunks(session, document_id, [])
    session.execute(delete(DocumentSignatureRow).where(DocumentSignatureRow.document_id == document_id))
    session.execute(delete(DocumentRow).where(DocumentRow.document_id == document_id))
    session.execute(update(DocumentVersionRow).where(DocumentVersionRow.document_id == document_id).values(withdrawn=True))
    forget_groups(session, document_id)


def _twin(session: Session, prepared: Prepared) -> str | None:
    """Return the indexed document with the same text and title, if there is another one.

    Passages are found by the title of their document too: one with another title, read by others, would tell its words.
    """
    return session.scalar(
        select(DocumentRow.document_id)
        .join(DocumentSignatureRow, DocumentSignatureRow.document_id == DocumentRow.document_id)
        .where(
            DocumentSignatureRow.text_sha256 == prepared.text_sha256,
            DocumentRow.duplicate_of.is_(None),
            DocumentRow.document_id != prepared.document_id,
            DocumentRow.settings_fingerprint == prepared.fingerprint,
            DocumentRow.title == prepared.document.title,
        )
        .order_by(DocumentRow.source)
        .limit(1)
    )


def chunk_id_of(row: DocumentRow, start: int, end: int) -> str:
    """Return the id of a document's chunk; of an exact duplicate, which has none, the one that it would have."""
    return short_id(row.document_id, row.version, row.settings_fingerprint, str(start), str(end))


def _chunk_row(row: DocumentRow, number: int, chunk: Chunk) -> ChunkRow:
    return ChunkRow(
        chunk_id=chunk_id_of(row, chunk.start, chunk.end),
        document_id=row.document_id,
        version=row.version,
        ordinal=number,
        start=chunk.start,
        end=chunk.end,
        page=chunk.page,
        heading=chunk.heading,
        text=chunk.text,
    )


def _replace_chunks(session: Session, document_id: str, chunks: Sequence[ChunkRow]) -> None:
    old = set(session.scalars(select(ChunkRow.chunk_id).where(ChunkRow.document_id == document_id)))
    new = {chunk.chunk_id for chunk in chunks}
    for batch in batched(sorted(old - new)):
        session.execute(delete(ChunkRow).where(ChunkRow.chunk_id.in_(batch)))
    session.add_all(chunk for chunk in chunks if chunk.chunk_id not in old)
    session.flush()


def _pass_on_chunks(session: Session, document_id: str) -> None:
    """Before a document changes or goes, cut its first exact duplicate at the same places: their texts are the same."""
    heirs = list(
        session.scalars(select(DocumentRow).where(DocumentRow.duplicate_of == document_id).order_by(DocumentRow.source))
    )
    if not heirs:
        return
    heir = heirs[0]
    _index_itself(session, heir, document_id)
    session.execute(update(DocumentRow).where(DocumentRow.duplicate_of == document_id).values(duplicate_of=heir.document_id))
    session.flush()


def part_by_title(session: Session) -> None:
    """Have copies indexed by themselves whose title is another than that of the document that is indexed in their place."""
    original = aliased(DocumentRow)
    query = select(DocumentRow).join(original, original.document_id == DocumentRow.duplicate_of)
    for copy in session.scalars(query.where(original.title != DocumentRow.title)).all():
        _index_itself(session, copy, str(copy.duplicate_of))


def _index_itself(session: Session, copy: DocumentRow, original: str) -> None:
    """Cut an exact duplicate at the same places as the document that was indexed in its place."""
    version = session.get(DocumentVersionRow, (copy.document_id, copy.version))
    page_starts = [start for start, _ in version.pages] if version is not None else []
    chunks = [
        Chunk(row.start, row.end, bisect_right(page_starts, row.start) if page_starts else None, row.heading, row.text)
        for row in session.scalars(select(ChunkRow).where(ChunkRow.document_id == original).order_by(ChunkRow.ordinal))
    ]
    copy.duplicate_of = None
    _replace_chunks(session, copy.document_id, [_chunk_row(copy, number, chunk) for number, chunk in enumerate(chunks)])
