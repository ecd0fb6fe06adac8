"""Groups of documents in the database, and which documents a caller may read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, or_, select, true, update
from sqlalchemy.orm import Session

from doyen.core.access import Access
from doyen.core.batches import batched
from doyen.core.errors import NotFoundError
from doyen.core.store.schema import AccessOrigin, DocumentAccessRow, DocumentGroupRow, DocumentRow, WorkspaceRow


@dataclass(frozen=True)
class Assigned:
    """The groups that a document has, and where they come from."""

    groups: frozenset[str] = frozenset()
    origin: AccessOrigin = AccessOrigin.RULES


def readable(access: Access) -> ColumnElement[bool]:
    """Return the condition on `DocumentRow` for the documents that a caller may read."""
    if access.groups is None:
        return true()
    of_document = select(DocumentGroupRow.group).where(DocumentGroupRow.document_id == DocumentRow.document_id)
    return or_(~of_document.exists(), of_document.where(DocumentGroupRow.group.in_(sorted(access.groups))).exists())


def readable_document(session: Session, document_id: str, access: Access) -> DocumentRow:
    """Return a document by its id.

    Raises:
        NotFoundError: there is none, or the caller may not read it; the two look the same.
    """
    row = session.scalar(select(DocumentRow).where(DocumentRow.document_id == document_id, readable(access)))
    if row is None:
        raise NotFoundError(f"there is no document {document_id!r}: GET /v1/documents lists them")
    return row


def groups_of(session: Session, document_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the groups of documents; one without groups has an empty set."""
    found: dict[str, set[str]] = {document_id: set() for document_id in document_ids}
    row = DocumentGroupRow
    for batch in batched(list(found)):
        for document_id, group in session.execute(select(row.document_id, row.group).where(row.document_id.in_(batch))):
            found[document_id].add(group)
    return {document_id: frozenset(groups) for document_id, groups in found.items()}


def any_groups(session: Session) -> bool:
    """Whether there is a document that not everyone may read."""
    query = select(DocumentRow.document_id).join(DocumentGroupRow, DocumentGroupRow.document_id == DocumentRow.document_id)
    return session.scalar(query.limit(1)) is not None


def assign_groups(session: Session, document_id: str, assigned: Assigned) -> bool:
    """Give a document its groups; return whether they were others before. The next query goes by them.

    Groups that were set through the API stay when rules or a sidecar file say something else.
    """
    row = session.get(DocumentAccessRow, document_id)
    if row is not None and row.origin == AccessOrigin.API and assigned.origin != AccessOrigin.API:
        return False
    session.merge(DocumentAccessRow(document_id=document_id, origin=assigned.origin))
    before = groups_of(session, [document_id])[document_id]
    if before == assigned.groups:
        return False
    session.execute(delete(DocumentGroupRow).where(DocumentGroupRow.document_id == document_id))
    session.add_all(DocumentGroupRow(document_id=document_id, group=group) for group in sorted(assigned.groups))
    note_change(session)
    return True


def forget_groups(session: Session, document_id: str) -> None:
    """Forget the groups of a document that is removed. Those set through the API are kept, for the day it comes back."""
    row = session.get(DocumentAccessRow, document_id)
    if row is not None and row.origin != AccessOrigin.API:
        session.delete(row)
        session.execute(delete(DocumentGroupRow).where(DocumentGroupRow.document_id == document_id))
    note_change(session)


def note_change(session: Session) -> None:
    """Note that who may read what has changed, so that every open index looks it up again."""
    session.execute(update(WorkspaceRow).values(access_revision=WorkspaceRow.access_revision + 1))


def access_revision(session: Session) -> int:
    """Return the number that grows with every change of who may read what."""
    return session.scalar(select(WorkspaceRow.access_revision)) or 0
