"""Removing documents on purpose, and remembering it: a removed file of a folder does not come back by itself."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from doyen.ingestion.report import IngestReport
from doyen.ingestion.rows import delete_document
from doyen.ingestion.sources import FoundFile
from doyen.platform.core.errors import NotFoundError
from doyen.platform.core.files import sha256_bytes, sha256_file
from doyen.platform.core.manifest import now
from doyen.platform.core.store import Store
from doyen.platform.core.store.schema import DocumentRemovalRow, DocumentRow


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
