"""``/v1/documents/{id}/…`` and ``/v1/folders``: a document's chunks, stored versions and near-duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from doyen.core.access import Access
from doyen.core.store.document_access import readable, readable_document
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentSignatureRow, DocumentVersionRow
from doyen.ingestion.document_store import chunk_id_of
from doyen.platform.serving.gateway.documents_routes import shown_originals
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.retrieval.readable import near_groups_among

router = APIRouter(prefix="/v1", tags=["documents"], route_class=StrictRoute)
MOST_FOLDERS = 1000


class Chunk(BaseModel):
    """A stretch of a document's text that is found as a whole.

    Attributes:
        ordinal: its place among the document's chunks, from 0.
        start: first character in the document's parsed text.
        end: one past its last character.
        heading: path of headings above it, or an empty string.
    """

    id: str
    ordinal: int
    start: int
    end: int
    page: int | None
    heading: str
    text: str


class ChunkList(BaseModel):
    """A page of a document's chunks in the order of its text.

    Attributes:
        total: chunks of the document; an exact duplicate, which is found by its original, has none.
        next: what ``after`` must be for the next page; None on the last one.
    """

    object: Literal["list"] = "list"
    data: list[Chunk]
    total: int
    next: int | None


class StoredVersion(BaseModel):
    """A version of a document whose text is kept.

    Attributes:
        version: SHA-256 of the file's bytes.
        created_at: when it was read.
        characters: length of its parsed text.
        current: whether it is the one that is searched.
    """

    version: str
    created_at: str
    characters: int
    current: bool


class VersionList(BaseModel):
    """Stored versions of a document, newest first."""

    object: Literal["list"] = "list"
    data: list[StoredVersion]


class LikeDocument(BaseModel):
    """A document with nearly the same text.

    Attributes:
        exact: whether it is the same text.
    """

    id: str
    source: str
    title: str
    exact: bool


class LikeDocumentList(BaseModel):
    """Documents with nearly the same text, by source."""

    object: Literal["list"] = "list"
    data: list[LikeDocument]


class Folder(BaseModel):
    """A folder of sources.

    Attributes:
        documents: how many the caller may read in it and below.
    """

    path: str
    documents: int


class FolderList(BaseModel):
    """Folders by path.

    Attributes:
        complete: whether these are all; of very many the largest are listed.
    """

    object: Literal["list"] = "list"
    data: list[Folder]
    complete: bool


@router.get("/folders")
def list_folders(services: ServicesOf, access: AccessOf) -> FolderList:
    """List the folders of the documents that the caller may read."""
    with services.store.session() as session:
        sources = session.scalars(select(DocumentRow.source).where(readable(access)))
        counts = Counter(folder for source in sources for folder in _folders_of(source))
    shown = sorted(counts.most_common(MOST_FOLDERS))
    folders = [Folder(path=path, documents=documents) for path, documents in shown]
    return FolderList(data=folders, complete=len(counts) <= MOST_FOLDERS)


@router.get("/documents/{document_id}/chunks", responses=documented(404))
def list_chunks(
    document_id: str,
    services: ServicesOf,
    access: AccessOf,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[int, Query(ge=-1, description="`next` of the page before.")] = -1,
    at: Annotated[int | None, Query(ge=0, description="Begin with the chunk that holds this character of the text.")] = None,
) -> ChunkList:
    """List the chunks of a document's current version."""
    with services.store.session() as session:
        document = readable_document(session, document_id, access)
        # Who may not read the original sees none: for them the document is found by itself.
        stands_alone = shown_originals(session, [document], access)[document_id] is None
        of_document = ChunkRow.document_id == (document.duplicate_of or document_id if stands_alone else document_id)
        if at is not None:
            before = select(func.max(ChunkRow.ordinal)).where(of_document, ChunkRow.start <= at)
            after = (session.scalar(before) or 0) - 1
        query = select(ChunkRow).where(of_document, ChunkRow.ordinal > after).order_by(ChunkRow.ordinal).limit(limit + 1)
        rows = list(session.scalars(query))
        total = session.scalar(select(func.count()).select_from(ChunkRow).where(of_document)) or 0
        chunks = [
            Chunk(
                id=chunk_id_of(document, row.start, row.end),
                ordinal=row.ordinal,
                start=row.start,
                end=row.end,
                page=row.page,
                heading=row.heading,
                text=row.text,
            )
            for row in rows[:limit]
        ]
        return ChunkList(data=chunks, total=total, next=chunks[-1].ordinal if len(rows) > limit else None)


@router.get("/documents/{document_id}/versions", responses=documented(404))
def list_versions(document_id: str, services: ServicesOf, access: AccessOf) -> VersionList:
    """List the versions of a document whose text can be read with ``/v1/documents/{id}/text?version=…``."""
    with services.store.session() as session:
        current = readable_document(session, document_id, access).version
        row = DocumentVersionRow
        columns = select(row.version, row.created_at, func.length(row.text)).where(
            row.document_id == document_id, ~row.withdrawn
        )
        found = session.execute(columns.order_by(row.created_at.desc())).tuples()
        stored = [
            StoredVersion(version=version, created_at=created_at, characters=characters, current=version == current)
            for version, created_at, characters in found
        ]
        return VersionList(data=sorted(stored, key=lambda each: not each.current))


@router.get("/documents/{document_id}/near-duplicates", responses=documented(404))
def list_near_duplicates(document_id: str, services: ServicesOf, access: AccessOf) -> LikeDocumentList:
    """List the documents with nearly the same text, of those that the caller may read."""
    with services.store.session() as session:
        document = readable_document(session, document_id, access)
        in_group = select(DocumentRow).where(DocumentRow.near_group == document.near_group, readable(access))
        rows = list(session.scalars(in_group.order_by(DocumentRow.source)))
        alike = _alike(services, document_id, rows, access)
        hashes = _text_hashes(session, [row.document_id for row in rows])
        return LikeDocumentList(
            data=[
                LikeDocument(
                    id=row.document_id,
                    source=row.source,
                    title=row.title,
                    exact=hashes.get(row.document_id) == hashes.get(document_id),
                )
                for row in rows
                if row.document_id in alike
            ]
        )


def _alike(services: Services, document_id: str, rows: list[DocumentRow], access: Access) -> set[str]:
    """Return which of a group's documents are like one of them; for some callers only by way of what they may read."""
    ids = {row.document_id for row in rows}
    if not access.unrestricted and len(ids) > 1:
        groups = near_groups_among(services.store, ids, services.settings.ingestion.near_duplicate_threshold)
        ids = {each for each in ids if groups.get(each) == groups.get(document_id)}
    return ids - {document_id}


def _text_hashes(session: Session, document_ids: list[str]) -> dict[str, str]:
    row = DocumentSignatureRow
    return dict(
        session.execute(select(row.document_id, row.text_sha256).where(row.document_id.in_(document_ids))).tuples().all()
    )


def _folders_of(source: str) -> Iterator[str]:
    """Yield the folders that a source lies in, the nearest first; those of a URL end at its host."""
    folder = source.rpartition("/")[0]
    while folder and not folder.endswith((":", "/")):
        yield folder
        folder = folder.rpartition("/")[0]
