"""Removing documents on purpose, and remembering it: a removed file of a folder does not come back by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from doyen.core.errors import NotFoundError
from doyen.core.files import sha256_bytes, sha256_file
from doyen.core.manifest import now
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRemovalRow, DocumentRow, DocumentSignatureRow, DocumentVersionRow
from doyen.ingestion.report import IngestReport
from doyen.ingestion.rows import delete_document
from doyen.ingestion.sources import FoundFile

if TYPE_CHECKING:
    from doyen.ingestion.purge import PurgeReport


@dataclass(frozen=True)
class Named:
    """A document by both of its names."""

    document_id: str
    source: str


@dataclass
class RemovalReport:
    """What a removal did.

    Attributes:
        removed: sources of the documents that were there.
        purged: what was erased beyond that, if it was asked for.
    """

    removed: list[str]
    purged: PurgeReport | None = None


def find_document(session: Session, source_or_id: str) -> DocumentRow:
    """Return a document by its source or id.

    Raises:
        NotFoundError: there is no such document.
    """
    row = session.scalar(
        select(DocumentRow).where((DocumentRow.source == source_or_id) | (DocumentRow.document_id == source_or_id))
    )
    if row is None:
        raise NotFoundError(
            f"there is no document {source_or_id!r}: name its source as `doyen ingest` and `doyen search` show it"
        )
    return row


def select_documents(store: Store, names: Sequence[str], *, purge: bool) -> tuple[list[Named], list[Named]]:
    """Return the documents that are to be removed, and those that are to be purged.

    To be purged, a document may have been removed before.

    Raises:
        NotFoundError: a name stands for nothing that is stored.
    """
    current: dict[str, Named] = {}
    erased: dict[str, Named] = {}
    with store.session() as session:
        for name in names:
            earlier = select(DocumentVersionRow).where(
                (DocumentVersionRow.source == name) | (DocumentVersionRow.document_id == name)
            )
            version = session.scalar(earlier.limit(1)) if purge else None
            if version is not None and session.get(DocumentRow, version.document_id) is None:
                erased[version.document_id] = Named(version.document_id, version.source)
                continue
            row = find_document(session, name)
            current[row.document_id] = erased[row.document_id] = Named(row.document_id, row.source)
    return list(current.values()), list(erased.values())


def exact_copies(store: Store, documents: Sequence[Named]) -> list[str]:
    """Return the sources of other documents whose text is exactly one of these documents'."""
    ids = [document.document_id for document in documents]
    signature = DocumentSignatureRow
    texts = select(signature.text_sha256).where(signature.document_id.in_(ids))
    query = select(DocumentRow.source).join(signature, signature.document_id == DocumentRow.document_id)
    with store.session() as session:
        return list(session.scalars(query.where(signature.text_sha256.in_(texts), DocumentRow.document_id.not_in(ids))))


def remove_document(store: Store, source_or_id: str) -> str:
    """Remove a document and its chunks, and note the chunks for removal from the index; return its source.

    Raises:
        NotFoundError: there is no such document.
    """
    with store.session() as session:
        row = find_document(session, source_or_id)
        if row.path:
            hashes = (sha256_bytes(row.path.encode()), sha256_bytes(row.source.encode()))
            session.merge(
                DocumentRemovalRow(path_sha256=hashes[0], source_sha256=hashes[1], version=row.version, removed_at=now())
            )
        source = row.source
        delete_document(session, row.document_id)
    return source


def leave_out_removed(
    store: Store, files: Mapping[str, FoundFile], report: IngestReport, *, restore: bool
) -> dict[str, FoundFile]:
    """Return the files that are to be read: not those whose documents were removed on purpose.

    Args:
        files: new files by source.
        report: is told what is left out.
        restore: take them all the same; a file that was named itself is always taken.
    """
    with store.session() as session:
        removed = {row.path_sha256: row for row in session.scalars(select(DocumentRemovalRow))}
        taken = dict(files)
        for source, file in files.items() if removed else ():
            row = _removal(removed, source, file)
            if row is None:
                continue
            if restore or file.named:
                session.execute(delete(DocumentRemovalRow).where(DocumentRemovalRow.path_sha256 == row.path_sha256))
                continue
            del taken[source]
            reason = f"it was removed on {row.removed_at[:10]}: name the file itself, or use --restore, to bring it back"
            report.skipped.append((source, reason))
    return taken


def _removal(removed: Mapping[str, DocumentRemovalRow], source: str, file: FoundFile) -> DocumentRemovalRow | None:
    row = removed.get(sha256_bytes(str(file.path).encode()))
    if row is not None:
        return row
    named = sha256_bytes(source.encode())
    alike = [each for each in removed.values() if each.source_sha256 == named]
    try:
        return next((each for each in alike if each.version == sha256_file(file.path)), None)
    except OSError:
        return None  # reading the document will say why
