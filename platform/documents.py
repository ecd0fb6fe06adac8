"""Documents in and searchable: ingestion and indexing as one step, under the workspace's lock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import delete

from doyen.annotation.stale import mark_stale
from doyen.core.progress import Reporter
from doyen.core.settings import check_groups
from doyen.core.store import Store
from doyen.core.store.document_access import Assigned, assign_groups
from doyen.core.store.schema import AccessOrigin, DocumentAccessRow
from doyen.core.workspace import Workspace
from doyen.finetune.dataset_use import document_uses
from doyen.ingestion.access_rules import AccessRules
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.ingest_report import IngestReport
from doyen.ingestion.originals import drop_unused_originals
from doyen.ingestion.removal import RemovalReport, exact_copies, find_document, remove_document, select_documents
from doyen.platform.backup.snapshot import drop_snapshot
from doyen.platform.purge import finish_purge
from doyen.platform.purge import purge as purge_documents
from doyen.retrieval.index import check_rebuild, rebuild_index, update_index

DATABASE_COPIES = 2
"""Sizes of the database that compacting it takes beside it: a copy, and the log of writing that back."""


def ingest_documents(
    workspace: Workspace,
    store: Store,
    paths: Sequence[Path],
    *,
    urls: Sequence[str] = (),
    allow_removals: bool = False,
    restore: bool = False,
    reporter: Reporter | None = None,
) -> IngestReport:
    """Read files, folders and web pages and bring the index up to date; see `ingest` for the arguments.

    Documents that cannot be read are named in the report and do not stop the others. The index is updated also when
    nothing is new, so that a run that was stopped before is finished, and every part of it that is damaged is made again.

    Raises:
        Busy: another process is changing the workspace.
        InputError: a path does not exist.
        StorageError: the disk is full.
        ModelMissing: the embedder is not on this machine.
    """
    with workspace.lock("ingestion"):
        report = ingest(workspace, store, paths, urls=urls, allow_removals=allow_removals, restore=restore, reporter=reporter)
        report.stale = mark_stale(workspace, store)
        update_index(workspace, store, reporter=reporter, thorough=True)
    return report


def upload_document(
    workspace: Workspace, store: Store, source: str, data: bytes, *, groups: Collection[str] | None = None
) -> IngestReport:
    """Add or replace one document given as bytes, and index it.

    Args:
        groups: who may read it, as `set_document_groups` takes them; None goes by the rules, or leaves what was set before.

    Raises:
        Busy: another process is changing the workspace.
        InputError: the name is unusable, or belongs to a file of an ingested folder.
        UnreadableDocument: it cannot be parsed; nothing was changed.
    """
    assigned = None if groups is None else Assigned(check_groups(groups), AccessOrigin.API)
    with workspace.lock("the upload"):
        report = ingest_bytes(workspace, store, source, data, assigned=assigned)
        report.stale = mark_stale(workspace, store)
        update_index(workspace, store)
    return report


def set_document_groups(workspace: Workspace, store: Store, document: str, groups: Collection[str] | None) -> frozenset[str]:
    """Say which groups may read a document, from the next query on; return those that may now.

    Args:
        document: its source or id.
        groups: an empty collection opens it to everyone who may use the workspace; None goes by the rules again.

    Raises:
        InputError: a name cannot be that of a group.
        NotFoundError: there is no such document.
        UnreadableDocument: the file beside it, which is to say it again, cannot be understood.
    """
    given = None if groups is None else Assigned(check_groups(groups), AccessOrigin.API)
    with store.session() as session:
        row = find_document(session, document)
        assigned = given or AccessRules(workspace).groups_of(row.source, row.path)
        if given is None:
            session.execute(delete(DocumentAccessRow).where(DocumentAccessRow.document_id == row.document_id))
        assign_groups(session, row.document_id, assigned)
        return assigned.groups


def delete_documents(
    workspace: Workspace, store: Store, documents: Sequence[str], *, purge: bool = False, reporter: Reporter | None = None
) -> RemovalReport:
    """Remove documents from the store and the index; with ``purge`` erase all stored copies of their text as well.

    Args:
        documents: sources or document ids; to be purged, also of documents that were removed before.

    Raises:
        Busy: another process is changing the workspace.
        NotFoundError: one of them does not exist; nothing was changed.
        StorageError, ServiceError: no space is left, or the Chroma server does not answer; nothing was changed. A purge
            that fails later stays pending, and the next one finishes it.
    """
    with workspace.lock("the deletion"):
        current, erased = select_documents(store, documents, purge=purge)
        check_rebuild(workspace, store, DATABASE_COPIES * store.file_bytes() if purge else 0)
        report = RemovalReport(removed=[each.source for each in current])
        named = [*current, *erased]
        report.used_by = document_uses(workspace, store, {each.source for each in named}, {each.document_id for each in named})
        twins = exact_copies(store, erased) if purge else []
        for each in current:
            remove_document(store, each.document_id, purge=purge)
        drop_unused_originals(workspace, store)
        mark_stale(workspace, store)
        if purge:
            report.purged = purge_documents(workspace, store, erased)
            report.purged.kept += [f"{source}, which has the same text" for source in twins]
            if running := drop_snapshot(workspace):
                report.purged.kept.append(running)
        # An update would leave the words of removed documents in segments that stay.
        rebuild_index(workspace, store, reporter=reporter)
        if report.purged and not finish_purge(store):
            report.purged.kept.append(
                "old pages of the database, which another process is using: stop `doyen serve` and purge again"
            )
    return report
