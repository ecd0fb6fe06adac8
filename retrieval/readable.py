"""Which chunks of the index a caller may read, as a mask over them; everything else is as if it were not indexed.

    documents   d1 {}   d2 {hr}   d3 {board}       caller {hr}:   chunks [1 1 1 | 1 1 | 0 0 0]

An exact duplicate is not indexed; the document that is indexed in its place has the same text. Who may read either may read
the text, and is shown a document of their own:

    d3 {board} is indexed, d4 {hr} is its duplicate      caller {hr}: d3 is searched, and shown as d4
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.core.access import Access
from doyen.core.answers import Passage
from doyen.core.batches import batched
from doyen.core.store import Store
from doyen.core.store.document_access import access_revision
from doyen.core.store.schema import ChunkRow, DocumentGroupRow, DocumentRow, DocumentSignatureRow, DocumentVersionRow
from doyen.core.workspace import Workspace
from doyen.ingestion.document import pages_within
from doyen.ingestion.document_store import chunk_id_of
from doyen.ingestion.duplicates import near_groups
from doyen.retrieval.document_facts import Facts, facts_of_duplicate
from doyen.retrieval.lexical_view import Flags
from doyen.retrieval.opening import OpenIndex
from doyen.retrieval.query_expansion import OtherForms, learn_forms
from doyen.retrieval.versions import Versions, find_versions

REMEMBERED = 32
"""Sets of groups whose masks are kept."""


@dataclass(frozen=True)
class Readable:
    """What a caller may read of an index.

    Attributes:
        chunks: (n_rows,) live chunks of readable documents.
        versions, other_forms: as these documents tell them.
        shown_as: indexed document → its duplicate that is shown in its place, where only that is readable.
    """

    chunks: Flags
    versions: Versions
    other_forms: OtherForms
    shown_as: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Listing:
    """The groups of all documents.

    Attributes:
        groups: document id → its groups.
        duplicates: indexed document → its duplicates, by source.
    """

    revision: int
    groups: dict[str, frozenset[str]]
    duplicates: dict[str, list[str]] = field(default_factory=dict)

    def readable(self, access: Access) -> set[str]:
        """Return the ids of the documents that a caller may read."""
        return {document_id for document_id, groups in self.groups.items() if access.reads(groups)}


class ReadableDocuments:
    """Looks up what callers may read; what was found is kept until a document, or its groups, change."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self._store = store
        self._threshold = workspace.settings.ingestion.near_duplicate_threshold
        self._lock = threading.Lock()
        self._listing: _Listing | None = None
        self._opened: OpenIndex | None = None
        self._known: OrderedDict[frozenset[str], Readable] = OrderedDict()

    def of(self, opened: OpenIndex, access: Access) -> Readable:
        """Return what a caller may read of an index."""
        if access.groups is None:
            return Readable(opened.lexical.live, opened.versions, opened.other_forms)
        with self._store.session() as session, self._lock:
            if self._listing is None or self._listing.revision != access_revision(session):
                self._listing = _list_documents(session)
                self._known.clear()
            if self._opened is not opened:
                self._opened = opened
                self._known.clear()
            found = self._known.pop(access.groups, None) or self._find(opened, self._listing, access)
            self._known[access.groups] = found
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return found

    def _find(self, opened: OpenIndex, listing: _Listing, access: Access) -> Readable:
        view = opened.lexical
        shown_as: dict[str, str] = {}
        flags = np.zeros(len(view.documents), np.bool_)
        for number, document_id in enumerate(view.documents.tolist()):
            groups = listing.groups.get(document_id)
            if groups is None:
                continue  # it was removed since the index was published
            if not access.reads(groups):
                twins = (twin for twin in listing.duplicates.get(document_id, ()) if access.reads(listing.groups[twin]))
                twin = next(twins, None)
                if twin is None:
                    continue
                shown_as[document_id] = twin
            flags[number] = True
        facts = self._facts(opened, view.documents[flags].tolist(), shown_as)
        versions = find_versions(self._store, facts, near_groups_among(self._store, listing.readable(access), self._threshold))
        return Readable(view.live & flags[view.chunk_document], versions, learn_forms(facts), shown_as)

    def _facts(self, opened: OpenIndex, documents: Sequence[str], shown_as: dict[str, str]) -> Facts:
        """Return what is known of documents, of a duplicate in place of what it is shown for."""
        found: Facts = {}
        with self._store.session() as session:
            for document_id in documents:
                if (known := opened.facts.get(document_id)) is None:
                    continue
                if (twin := shown_as.get(document_id)) is not None:
                    source = session.get_one(DocumentRow, twin).source
                    found[twin] = facts_of_duplicate(session, known, document_id, source)
                else:
                    found[document_id] = known
        return found


def show_readable(session: Session, passages: Sequence[Passage], shown_as: dict[str, str]) -> list[Passage]:
    """Return passages as those of the documents that are shown in place of theirs."""
    return [
        _as_duplicate(session, passage, shown_as[passage.document_id]) if passage.document_id in shown_as else passage
        for passage in passages
    ]


def _as_duplicate(session: Session, passage: Passage, document_id: str) -> Passage:
    row = session.get_one(DocumentRow, document_id)
    version = session.get_one(DocumentVersionRow, (document_id, row.version))
    page, breaks = pages_within(version.pages, passage.start, passage.end)
    # The indexed chunk's own id is made from the name of its document.
    chunk = session.get(ChunkRow, passage.chunk_id)
    chunk_id = chunk_id_of(row, chunk.start, chunk.end) if chunk is not None else ""
    shown = replace(passage, chunk_id=chunk_id, document_id=document_id, source=row.source, version=row.version)
    return replace(shown, page=page, page_breaks=breaks)


def _list_documents(session: Session) -> _Listing:
    # The revision is read first: a change that comes in between is then looked up again.
    revision = access_revision(session)
    groups: dict[str, set[str]] = {}
    duplicates: dict[str, list[str]] = {}
    for document_id, original in session.execute(
        select(DocumentRow.document_id, DocumentRow.duplicate_of).order_by(DocumentRow.source)
    ):
        groups[document_id] = set()
        if original is not None:
            duplicates.setdefault(original, []).append(document_id)
    for document_id, group in session.execute(select(DocumentGroupRow.document_id, DocumentGroupRow.group)):
        if document_id in groups:
            groups[document_id].add(group)
    return _Listing(revision, {name: frozenset(each) for name, each in groups.items()}, duplicates)


def near_groups_among(store: Store, documents: Collection[str], threshold: float) -> dict[str, str]:
    """Return the near-duplicate groups of documents whose group in the store holds others too.

    Two documents may be in one group only because both are alike to a third.

    Args:
        documents: ids of those that count.
        threshold: see `near_groups`.
    """
    with store.session() as session:
        groups = dict(session.execute(select(DocumentRow.document_id, DocumentRow.near_group)).tuples().all())
        mixed = {group for document_id, group in groups.items() if document_id not in documents}
        members = [document_id for document_id in documents if groups.get(document_id) in mixed]
        signatures: dict[str, bytes] = {}
        for batch in batched(members):
            row = DocumentSignatureRow
            query = select(row.document_id, row.minhash).where(row.document_id.in_(batch))
            signatures |= dict(session.execute(query).tuples().all())

        def text_of(document_id: str) -> str:
            document = session.get_one(DocumentRow, document_id)
            return session.get_one(DocumentVersionRow, (document_id, document.version)).text

        return near_groups(signatures, text_of, threshold)
