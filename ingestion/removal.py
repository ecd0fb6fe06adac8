"""Removing documents on purpose, and remembering it: a removed file of a folder does not come back by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from doyen.core.errors import NotFoundError
from doyen.core.files import sha256_bytes, sha256_file
from doyen.core.lineage import DatasetUse
from doyen.core.manifest import now, short_id
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRemovalRow, DocumentRow, DocumentSignatureRow, DocumentVersionRow, PendingPurgeRow
from doyen.ingestion.document_store import delete_document
from doyen.ingestion.ingest_report import IngestReport
from doyen.ingestion.sources import FoundFile


@dataclass(frozen=True)
class Named:
    """A document by both of its names."""

    document_id: str
    source: str


@dataclass
class PurgeReport:
    """What was erased, and what was not.

    Attributes:
        versions: texts of document versions.
        answers: stored answers that were shown passages of the documents; those with feedback are emptied, others deleted.
        tasks: annotation tasks without labels.
        kept: one sentence for each place that may still hold text of the documents, with what to do about it.
    """

    versions: int = 0
    answers: int = 0
    tasks: int = 0
    kept: list[str] = field(default_factory=list)


@dataclass
class RemovalReport:
    """What a removal did.

    Attributes:
        removed: sources of the documents that were there.
        purged: what was erased beyond that, if it was asked for.
        used_by: the datasets with pairs that rest on the documents, and the adapters trained on them.
    """

    removed: list[str]
    purged: PurgeReport | None = None
    used_by: list[DatasetUse] = field(default_factory=list)


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

    To be purged, a document may have been removed before; purges that have not finished are gone on with.

    Raises:
        NotFoundError: a name stands for nothing that is stored.
    """
    current: dict[str, Named] = {}
    erased: dict[str, Named] = {}
    with store.session() as session:
        pending = _pending(session) if purge else set()
        for name in names:
            former = _former(session, name, pending) if purge else None
            if former is not None:
                erased[former.document_id] = former
                continue
            row = find_document(session, name)
            current[row.document_id] = erased[row.document_id] = Named(row.document_id, row.source)
        for document_id in sorted(pending - erased.keys()):
            if (former := _former(session, document_id, pending)) is not None:
                erased[document_id] = former
    return list(current.values()), list(erased.values())


def pending_purges(store: Store) -> list[str]:
    """Return the ids of documents whose purge has not finished."""
    with store.session() as session:
        return sorted(_pending(session))


def _pending(session: Session) -> set[str]:
    return set(session.scalars(select(PendingPurgeRow.document_id)))


def _former(session: Session, name: str, pending: Collection[str]) -> Named | None:
    """Return the document of that source or id if it was removed and its text is still to be erased."""
    earlier = select(DocumentVersionRow).where((DocumentVersionRow.source == name) | (DocumentVersionRow.document_id == name))
    version = session.scalar(earlier.limit(1))
    known = Named(version.document_id, version.source) if version is not None else None
    for document_id in (name, short_id(name)):
        if known is None and document_id in pending:
            known = Named(document_id, name)
    return known if known is not None and session.get(DocumentRow, known.document_id) is None else None


def exact_copies(store: Store, documents: Sequence[Named]) -> list[str]:
    """Return the sources of other documents whose text is exactly one of these documents'."""
    ids = [document.document_id for document in documents]
    signature = DocumentSignatureRow
    texts = select(signature.text_sha256).where(signature.document_id.in_(ids))
    query = select(DocumentRow.source).join(signature, signature.document_id == DocumentRow.document_id)
    with store.session() as session:
        return list(session.scalars(query.where(signature.text_sha256.in_(texts), DocumentRow.document_id.not_in(ids))))


def remove_document(store: Store, source_or_id: str, *, purge: bool = False) -> str:
    """Remove a document and its chunks, and note the chunks for removal from the index; return its source.

    Args:
        purge: note also that its text is to be erased.

    Raises:
        NotFoundError: there is no such document.
    """
    with store.session() as session:
        row = find_document(session, source_or_id)
        if row.path:
            path = sha256_bytes(row.path.encode())
            session.merge(DocumentRemovalRow(path_sha256=path, version=row.version, removed_at=now()))
        if purge:
            session.merge(PendingPurgeRow(document_id=row.document_id, asked_at=now()))
        source = row.source
        delete_document(session, row.document_id)
    return source


def leave_out_removed(
    store: Store, files: Mapping[str, FoundFile], report: IngestReport, *, restore: bool
) -> dict[str, FoundFile]:
    """Return the files that are to be read: not those whose documents were removed on purpose.

    A file is told by its path, and by its bytes: moved or copied, it stays away too, unless another document has them.

    Args:
        files: new files by source.
        report: is told what is left out.
        restore: take them all the same; a file that was named itself is always taken.
    """
    with store.session() as session:
        removed = list(session.scalars(select(DocumentRemovalRow)))
        present = set(session.scalars(select(DocumentRow.version))) if removed else set()
        taken = dict(files)
        for source, file in files.items() if removed else ():
            path, version = sha256_bytes(str(file.path).encode()), _version(file)
            alike = [] if version in present else [row for row in removed if row.version == version]
            row = next((each for each in removed if each.path_sha256 == path), alike[0] if alike else None)
            if row is None:
                continue
            if restore or file.named:
                for each in alike:
                    each.version = ""
                session.execute(delete(DocumentRemovalRow).where(DocumentRemovalRow.path_sha256 == path))
                continue
            del taken[source]
            reason = f"it was removed on {row.removed_at[:10]}: name the file itself, or use --restore, to bring it back"
            report.skipped.append((source, reason))
    return taken


def _version(file: FoundFile) -> str | None:
    """Return the hash of a file's bytes, by which it is told at another path; None where it cannot be read."""
    try:
        return sha256_file(file.content or file.path)
    except OSError:
        return None  # reading the document will say why
