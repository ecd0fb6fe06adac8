"""``/v1/documents``: upload, list, read and delete documents."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from doyen.core.access import Access
from doyen.core.errors import DoyenError, InputError, NotFoundError
from doyen.core.store.document_access import groups_of, readable, readable_document
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow
from doyen.ingestion.document import empty_pages
from doyen.ingestion.readers import is_archive
from doyen.platform.serving.gateway.http_errors import TooLarge, documented
from doyen.platform.serving.gateway.services import AccessOf, AdminOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.retrieval.versions import Mark

router = APIRouter(prefix="/v1", tags=["documents"], route_class=StrictRoute)
MAX_SOURCE_CHARS = 255
MOST_GROUPS = 1000


class RecognisedPage(BaseModel):
    """A page whose text was recognised in its picture (OCR).

    Attributes:
        page: number from 1.
        confidence: of the recognition, 0 to 1.
    """

    page: int
    confidence: float


class Document(BaseModel):
    """A document at its current version.

    Attributes:
        version: SHA-256 of the file's bytes.
        bytes: size of the file.
        duplicate_of: id of the exact duplicate that is searched in its place; such a document has no chunks.
        groups: who may read it, everyone where there is none; None for callers who may not change it.
        pages_without_text: numbers from 1 of its pages without text, such as pictures.
        recognised: its pages whose text was recognised in their pictures.
        revision: "Revision C, 2023-10-02" where the caller may read several versions of it, else an empty string.
        superseded_by: source of the newest of these versions, None where it is that itself.
    """

    object: Literal["document"] = "document"
    id: str
    source: str
    title: str
    version: str
    media_type: str
    bytes: int
    chunks: int
    duplicate_of: str | None
    pages_without_text: list[int]
    recognised: list[RecognisedPage]
    ingested_at: str
    groups: list[str] | None = None
    revision: str = ""
    superseded_by: str | None = None


class Groups(BaseModel):
    """Who may read a document.

    Attributes:
        groups: none opens it to everyone who may use the workspace; None goes by the workspace's rules again.
    """

    model_config = ConfigDict(extra="forbid")

    groups: list[str] | None = Field(max_length=MOST_GROUPS)


class DocumentList(BaseModel):
    """A page of documents, ordered by source.

    Attributes:
        total: documents that the caller may read.
        next: what ``after`` must be for the next page; None on the last one.
    """

    object: Literal["list"] = "list"
    data: list[Document]
    total: int
    next: str | None


class FailedMember(BaseModel):
    """A file of an archive that could not be read, and why."""

    source: str
    reason: str


class UploadedArchive(BaseModel):
    """What became of an archive: a document for each file in it.

    Attributes:
        source: name of the archive; those of the documents begin with it.
        failed: files that could not be read; an earlier version of them stays.
    """

    object: Literal["document.archive"] = "document.archive"
    source: str
    data: list[Document]
    failed: list[FailedMember]


class DocumentText(BaseModel):
    """A stretch of a document's parsed text.

    Attributes:
        start: first character of ``text`` in the whole parsed text, to which citations' offsets refer.
        end: one past its last character.
        length: characters of the whole parsed text.
        pages: [start, end] of each page in the whole text; empty where there are no pages.
    """

    object: Literal["document.text"] = "document.text"
    id: str
    source: str
    version: str
    start: int
    end: int
    length: int
    pages: list[tuple[int, int]]
    text: str


class Purged(BaseModel):
    """What was erased, and what was not.

    Attributes:
        versions: texts of document versions.
        answers: stored answers that were shown passages of the document.
        tasks: annotation tasks without labels.
        kept: each place that may still hold text of the document, such as labels that people made.
    """

    versions: int
    answers: int
    tasks: int
    kept: list[str]


class DocumentDeleted(BaseModel):
    """A document that is gone."""

    object: Literal["document.deleted"] = "document.deleted"
    id: str
    deleted: bool = True
    purged: Purged | None = None


@router.post("/documents", status_code=201, responses=documented(409, 422, 502, 503, 507))
def upload(
    services: ServicesOf,
    access: AdminOf,
    file: Annotated[UploadFile, File(description="The document.")],
    source: Annotated[str | None, Form(description="Name to store it under; default: the file's own.")] = None,
    groups: Annotated[
        str | None, Form(description="Who may read it, parted by commas; empty: everyone; default: as the rules say.")
    ] = None,
) -> Document | UploadedArchive:
    """Read a document and index it. One with the same name is replaced.

    Of an archive (ZIP, TAR, mbox) each file becomes a document, named below it; attachments of an e-mail do so beside it.
    """
    name = confined_source(source or file.filename or "")
    limit = services.settings.serving.max_upload_mb
    if file.size is None or file.size > limit * 1_000_000:
        raise TooLarge(f"{name} is larger than {limit} MB: split it, or raise serving.max_upload_mb")
    data = file.file.read()
    if not data:
        raise InputError(f"{name} is empty: send a file with content")
    named = None if groups is None else [group.strip() for group in groups.split(",") if group.strip()]
    report = services.doyen.upload(name, data, groups=named)
    with services.store.session() as session:
        if is_archive(name):
            query = select(DocumentRow).where(DocumentRow.source.in_([*report.added, *report.updated, *report.unchanged]))
            failed = [FailedMember(source=member, reason=reason) for member, reason in report.failed]
            members = _documents(services, session, list(session.scalars(query.order_by(DocumentRow.source))), access)
            return UploadedArchive(source=name, data=members, failed=failed)
        row = session.scalars(select(DocumentRow).where(DocumentRow.source == name)).one()
        return _documents(services, session, [row], access)[0]


@router.get("/documents")
def list_documents(
    services: ServicesOf,
    access: AccessOf,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str, Query(description="`next` of the page before.")] = "",
    folder: Annotated[str, Query(description="Those in it and below; /v1/folders lists them.", max_length=1000)] = "",
    contains: Annotated[str, Query(description="Words of the source or title.", max_length=200)] = "",
) -> DocumentList:
    """List the documents that the caller may read, by source."""
    with services.store.session() as session:
        allowed = and_(readable(access), *_wanted(folder, contains))
        statement = select(DocumentRow).where(allowed, DocumentRow.source > after).order_by(DocumentRow.source).limit(limit + 1)
        rows = list(session.scalars(statement))
        shown = rows[:limit]
        total = session.scalar(select(func.count()).select_from(DocumentRow).where(allowed)) or 0
        following = shown[-1].source if len(rows) > limit else None
        return DocumentList(data=_documents(services, session, shown, access), total=total, next=following)


@router.get("/documents/{document_id}", responses=documented(404))
def read_document(document_id: str, services: ServicesOf, access: AccessOf) -> Document:
    """Describe a document."""
    with services.store.session() as session:
        return _documents(services, session, [readable_document(session, document_id, access)], access)[0]


@router.put("/documents/{document_id}/groups", responses=documented(404, 422, 507))
def set_groups(document_id: str, body: Groups, services: ServicesOf, access: AdminOf) -> Document:
    """Say which groups may read a document. The next query goes by it."""
    with services.store.session() as session:
        readable_document(session, document_id, access)
    services.doyen.set_groups(document_id, body.groups)
    with services.store.session() as session:
        return _documents(services, session, [readable_document(session, document_id, access)], access)[0]


@router.get("/documents/{document_id}/text", responses=documented(404))
def read_text(
    document_id: str,
    services: ServicesOf,
    access: AccessOf,
    version: Annotated[str | None, Query(description="As in a citation; default: the current one.")] = None,
    start: Annotated[int, Query(ge=0)] = 0,
    end: Annotated[int | None, Query(ge=0)] = None,
) -> DocumentText:
    """Read a document's parsed text, or the stretch around a citation. Old versions stay readable until it is deleted."""
    with services.store.session() as session:
        current = readable_document(session, document_id, access)
        version = version or current.version
        row = session.get(DocumentVersionRow, (document_id, version))
        if row is None or row.withdrawn:
            raise NotFoundError(f"document {document_id!r} has no version {version!r}: leave version out for the current one")
        text = row.text[start:end]
        return DocumentText(
            id=document_id,
            source=row.source,
            version=version,
            start=min(start, len(row.text)),
            end=min(start, len(row.text)) + len(text),
            length=len(row.text),
            pages=[(page[0], page[1]) for page in row.pages],
            text=text,
        )


@router.delete("/documents/{document_id}", responses=documented(404, 409, 502, 503, 507))
def delete(
    document_id: str,
    services: ServicesOf,
    access: AdminOf,
    purge: Annotated[
        bool, Query(description="Erase all stored copies of its text too, also of a document that was deleted before.")
    ] = False,
) -> DocumentDeleted:
    """Delete a document from the store and every index; its text can no longer be read.

    A file of an ingested folder stays on disk, and the next ingestion of the folder leaves it out.
    """
    if not purge:
        with services.store.session() as session:
            readable_document(session, document_id, access)
    report = services.doyen.remove([document_id], purge=purge)
    return DocumentDeleted(id=document_id, purged=Purged(**asdict(report.purged)) if report.purged else None)


def confined_source(name: str) -> str:
    """Return an upload's name as a relative path with forward slashes.

    Raises:
        InputError: it is empty, too long, absolute, climbs upwards or has characters that no path should have.
    """
    path = unicodedata.normalize("NFC", name)
    parts = path.split("/")
    strange = any(unicodedata.category(character) in {"Cc", "Cs"} or character in '\\:*?"<>|' for character in path)
    if strange or len(path) > MAX_SOURCE_CHARS or any(part.strip() in {"", ".", ".."} for part in parts):
        raise InputError(
            f"{name[:100]!r} cannot name a document: use a relative path of at most {MAX_SOURCE_CHARS} characters, "
            "such as policies/travel.pdf"
        )
    return str(PurePosixPath(*parts))


def _documents(services: Services, session: Session, rows: list[DocumentRow], access: Access) -> list[Document]:
    marks = _marks(services, rows, access)
    originals = shown_originals(session, rows, access)
    indexed = {row.duplicate_of or row.document_id for row in rows}
    chunks = select(ChunkRow.document_id, func.count()).where(ChunkRow.document_id.in_(indexed)).group_by(ChunkRow.document_id)
    counts = dict(session.execute(chunks).tuples().all())
    current = [(row.document_id, row.version) for row in rows]
    columns = select(DocumentVersionRow.document_id, DocumentVersionRow.pages, DocumentVersionRow.recognised)
    versions = columns.where(tuple_(DocumentVersionRow.document_id, DocumentVersionRow.version).in_(current))
    found = session.execute(versions).tuples().all()
    pages = {document_id: version_pages for document_id, version_pages, _ in found}
    recognised = {document_id: version_pages for document_id, _, version_pages in found}
    groups = groups_of(session, [row.document_id for row in rows]) if access.admin else {}
    return [
        Document(
            id=row.document_id,
            source=row.source,
            title=row.title,
            version=row.version,
            media_type=row.media_type,
            bytes=row.size,
            chunks=0 if originals[row.document_id] else counts.get(row.duplicate_of or row.document_id, 0),
            duplicate_of=originals[row.document_id],
            pages_without_text=list(empty_pages(pages.get(row.document_id, []))),
            recognised=[
                RecognisedPage(page=page, confidence=confidence) for page, confidence in recognised.get(row.document_id, [])
            ],
            ingested_at=row.ingested_at,
            groups=sorted(groups[row.document_id]) if access.admin else None,
            **asdict(marks.get(row.document_id, Mark())),
        )
        for row in rows
    ]


def _wanted(folder: str, contains: str) -> list[ColumnElement[bool]]:
    """Return the conditions for documents of a folder, whose source or title contains each of the words."""
    inside = [DocumentRow.source.startswith(f"{folder.rstrip('/')}/", autoescape=True)] if folder else []
    texts = DocumentRow.source, DocumentRow.title
    return inside + [or_(*(text.icontains(word, autoescape=True) for text in texts)) for word in contains.split()]


def _marks(services: Services, rows: list[DocumentRow], access: Access) -> dict[str, Mark]:
    """Return which versions of their documents these are, as the index knows; none while it cannot be opened."""
    try:
        return services.retriever().versions_of([row.document_id for row in rows], access) if rows else {}
    except DoyenError:
        # What is listed are the documents in the store, which are there without an index too; /readyz says what is wrong.
        return {}


def shown_originals(session: Session, rows: list[DocumentRow], access: Access) -> dict[str, str | None]:
    """Return for each document the one that is found in its place: of those with its text, the first that is readable."""
    found = {row.document_id: row.duplicate_of for row in rows}
    hidden = {original for original in found.values() if original} if not access.unrestricted else set()
    known = select(DocumentRow.document_id).where(DocumentRow.document_id.in_(hidden), readable(access))
    hidden -= set(session.scalars(known)) if hidden else set()
    twins = select(DocumentRow).where(DocumentRow.duplicate_of.in_(hidden), readable(access)).order_by(DocumentRow.source)
    first: dict[str | None, str] = {}
    for twin in session.scalars(twins) if hidden else ():
        first.setdefault(twin.duplicate_of, twin.document_id)
    shown = {document_id: first.get(original, original) for document_id, original in found.items()}
    return {document_id: None if original == document_id else original for document_id, original in shown.items()}
