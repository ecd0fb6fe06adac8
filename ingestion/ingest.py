"""Documents into the store: parse, clean, cut into chunks, find duplicates; only what has changed since the last time.

Each document is one transaction: a run that is killed leaves whole documents, and the next run goes on. The caller holds
the workspace's writer lock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sqlalchemy import func, select, update

from doyen.core.errors import DoyenError, InputError, UnreadableDocument
from doyen.core.files import sha256_bytes
from doyen.core.manifest import fingerprint, short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import IngestionSettings
from doyen.core.store import Store
from doyen.core.store.document_access import Assigned, assign_groups
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentSignatureRow, DocumentVersionRow
from doyen.core.workspace import Workspace
from doyen.ingestion import chunk as chunking
from doyen.ingestion.access_rules import AccessRules, apply_rules
from doyen.ingestion.chunk import chunk_document
from doyen.ingestion.containers import member_files, member_source, opened
from doyen.ingestion.document_store import Prepared, delete_document, part_by_title, write_document
from doyen.ingestion.duplicates import near_groups, signature, text_hash
from doyen.ingestion.ingest_report import IngestReport
from doyen.ingestion.merging import merge_same_files
from doyen.ingestion.missing import find_missing, too_many
from doyen.ingestion.naming import choose_sources
from doyen.ingestion.originals import PAGED, drop_unused_originals, keep_original
from doyen.ingestion.readers import is_archive, is_container, is_sidecar, too_large
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.process import shared_reader
from doyen.ingestion.readers.tesseract import installed_version
from doyen.ingestion.removal import leave_out_removed
from doyen.ingestion.sources import Findings, FoundFile, find_files, is_read
from doyen.ingestion.upload_access import groups_of_new
from doyen.ingestion.word_pieces import PieceCounter, open_counter

READERS_VERSION = 5
"""Raise it when the same file would be parsed differently: documents are then read again."""
UPLOADS = ""
"""The root of documents that came as bytes and not from a folder."""
LONGEST_SOURCE = 500
UNKNOWN_READERS = (
    "it is new, and the documents beside it were given different groups: upload it by itself under this name, with `groups`"
)

log = logging.getLogger(__name__)


def ingest(
    workspace: Workspace,
    store: Store,
    paths: Sequence[Path],
    *,
    urls: Sequence[str] = (),
    allow_removals: bool = False,
    restore: bool = False,
    reporter: Reporter | None = None,
) -> IngestReport:
    """Bring the store up to date with files, folders and web pages.

    In a folder, unchanged documents are skipped, changed ones replaced, missing ones removed. A document that cannot be
    read is reported and does not stop the others; an earlier version of it stays. One file is one document whatever path
    it came by.

    Args:
        workspace: gives the settings.
        store: receives documents, versions and chunks; ``update_index`` then brings the index up to date.
        paths: folders (all supported files below them) and single files.
        urls: web pages, and sitemaps, which stand for the pages that they name.
        allow_removals: remove missing documents also when they are more than ``ingestion.max_removed_share`` of a folder.
        restore: read also the files whose documents were removed on purpose.
        reporter: shows progress.

    Raises:
        InputError: a path does not exist; nothing was changed.
        ModelMissing: the embedder, whose window limits the chunks, is not on this machine.
        StorageError: the disk is full; documents written before are whole.
    """
    reporter = reporter or Silent()
    preparer = Preparer(workspace, store)
    findings = find_files(paths)
    report = IngestReport(
        skipped=findings.skipped,
        failed=[(path, f"it cannot be read ({why}): fix its permissions") for path, why in findings.unreadable],
        merged=merge_same_files(store),
    )
    known = _known_documents(store)
    named = choose_sources(findings.files, known)
    new = {source: file for source, file in named.items() if source not in known}
    left_out = new.keys() - leave_out_removed(store, new, report, restore=restore).keys()
    with reporter.bar("Reading documents", len(named)) as bar:
        for source, file in named.items():
            if source not in left_out:
                _ingest_file(preparer, known.get(source), source, file, report)
            bar.advance(note=source)
    present = set(named)
    if findings.containers:
        held = _held_members(findings, _known_documents(store), report)
        with reporter.bar("Opening archives and e-mails", len(findings.containers)) as bar:
            for container in findings.containers:
                if (members := held.get(container.path)) is not None:
                    report.unchanged += members
                    present |= set(members)
                else:
                    present |= _ingest_members(preparer, container, findings, report, restore=restore)
                bar.advance(note=container.relative)
    most = 1.0 if allow_removals else workspace.settings.ingestion.max_removed_share
    _remove_missing(store, findings, present, most, report)
    if urls:
        _ingest_urls(workspace, preparer, urls, most, report, reporter, restore=restore)
    _regroup(workspace, store, report)
    return _finish(workspace, store, report)


def _ingest_urls(
    workspace: Workspace,
    preparer: Preparer,
    urls: Sequence[str],
    most_removed: float,
    report: IngestReport,
    reporter: Reporter,
    *,
    restore: bool,
) -> None:
    from doyen.ingestion.web.fetch import Fetcher
    from doyen.ingestion.web.web_pages import WebPages

    settings = workspace.settings.ingestion

    def write(prepared: Prepared, is_new: bool) -> None:
        _write(preparer.store, prepared, report, is_new=is_new)

    fetcher = Fetcher(preparer.limits, allow_private=settings.allow_private_urls, delay_s=settings.url_delay_s)
    with fetcher:
        pages = WebPages(preparer, preparer.store, report, fetcher, write, restore=restore)
        pages.ingest(urls, most_pages=settings.max_urls, most_removed=most_removed, reporter=reporter)


def ingest_bytes(
    workspace: Workspace, store: Store, source: str, data: bytes, *, assigned: Assigned | None = None
) -> IngestReport:
    """Add or replace one document that was uploaded, or what an archive or e-mail holds.

    Args:
        workspace: gives the settings.
        store: receives the document.
        source: its name, also a path with forward slashes; the extension says the format.
        data: its bytes.
        assigned: who may read it; None goes by the rules, or leaves what the API has set before. What an archive or e-mail
            holds besides what an earlier one of its name held then gets the groups of that (`upload_access`).

    Raises:
        InputError: the name is unusable, or belongs to a file of an ingested folder.
        UnreadableDocument: it cannot be parsed, or nothing that an archive holds; nothing was changed.
    """
    _check_source(source)
    preparer = Preparer(workspace, store)
    report = IngestReport()
    if not is_archive(source):
        try:
            _upload(preparer, source, data, report, assigned)
        except UnreadableDocument as error:
            raise UnreadableDocument(f"{source}: {error}") from error
    if is_container(source):
        _upload_members(preparer, source, data, report, assigned)
    drop_unused_originals(workspace, store)
    return _finish(workspace, store, report)


def _upload(preparer: Preparer, source: str, data: bytes, report: IngestReport, assigned: Assigned | None) -> None:
    """Add or replace one uploaded document."""
    store = preparer.store
    with store.session() as session:
        row = session.get(DocumentRow, short_id(source))
    if row is not None and row.root != UPLOADS:
        raise InputError(f"{source!r} comes from the folder {row.root}: upload it under another name or change the file there")
    version = sha256_bytes(data)
    if row is not None and row.version == version and preparer.is_current(row):
        if row.media_type in PAGED:
            keep_original(preparer.workspace, version, data)
        report.unchanged.append(source)
        if assigned is not None:
            with store.session() as session:
                assign_groups(session, row.document_id, assigned)
        return
    prepared = preparer.prepare(source, UPLOADS, "", data, modified_ns=0)
    prepared = replace(prepared, assigned=assigned or prepared.assigned)
    if prepared.document.media_type in PAGED:
        keep_original(preparer.workspace, version, data)
    _write(store, prepared, report, is_new=row is None)


def _upload_members(preparer: Preparer, source: str, data: bytes, report: IngestReport, assigned: Assigned | None) -> None:
    """Add or replace what an uploaded archive or e-mail holds; what an earlier one of its name held besides is removed.

    Raises:
        UnreadableDocument: an archive cannot be opened, or nothing of it can be read.
    """
    kept = {source}
    with opened(preparer.reader, data, source, preparer.limits) as (found, folder):
        for name, reason in found.failed:
            kept.add(member_source(source, name))
            report.failed.append((member_source(source, name), reason))
        report.skipped += [(member_source(source, name), reason) for name, reason in found.skipped]
        files = {member_source(source, name): folder / number for name, number in found.members}
        kept.update(files)
        groups = dict.fromkeys(files, assigned) if assigned else _groups_of_new(preparer.store, source, list(files), report)
        for member, file in files.items():
            try:
                if member not in groups or groups[member] is not None:
                    _upload(preparer, member, file.read_bytes(), report, groups.get(member))
            except InputError as error:
                report.failed.append((member, str(error)))
    if is_archive(source) and not (report.added or report.updated or report.unchanged):
        reasons = [f"{name}: {reason}" for name, reason in [*report.failed, *report.skipped]] or ["it is empty"]
        raise UnreadableDocument(f"{source}: none of its files can be read ({'; '.join(reasons[:3])}): correct it")
    if not any(name == source for name, _ in report.failed):
        _remove_uploaded(preparer.store, source, kept, report)
    if assigned is not None:
        with preparer.store.session() as session:
            assign_groups(session, short_id(source), assigned)  # for what a later upload of its name holds besides


def _groups_of_new(store: Store, source: str, members: Sequence[str], report: IngestReport) -> dict[str, Assigned | None]:
    with store.session() as session:
        groups = groups_of_new(session, source, members)
    report.failed += [(member, UNKNOWN_READERS) for member, assigned in groups.items() if assigned is None]
    return groups


def _remove_uploaded(store: Store, source: str, kept: set[str], report: IngestReport) -> None:
    with store.session() as session:
        below = DocumentRow.source.startswith(f"{source}/", autoescape=True)
        for row in session.scalars(select(DocumentRow).where(below, DocumentRow.root == UPLOADS)).all():
            if row.source not in kept:
                report.removed.append(row.source)
                delete_document(session, row.document_id)


def limits_of(settings: IngestionSettings) -> Limits:
    """Return what the settings allow a reader to spend on one file."""
    megabyte = 1_000_000
    return Limits(
        settings.max_file_mb * megabyte,
        4 * settings.max_file_mb * megabyte,
        settings.max_pages,
        max_seconds=settings.max_read_s,
        max_memory_bytes=settings.max_read_memory_mb * megabyte,
        ocr_languages="" if settings.ocr == "off" else settings.ocr_languages,
        max_ocr_seconds=settings.max_ocr_s,
    )


class Preparer:
    """Turns bytes into prepared documents with the workspace's settings.

    Attributes:
        fingerprint: changes when the same bytes would give other text or chunks.
        ocr_fingerprint: the same for documents with pictured pages, which depend on text recognition as well.
    """

    def __init__(self, workspace: Workspace, store: Store) -> None:
        settings = workspace.settings.ingestion
        self.workspace, self.store = workspace, store
        self.chunk_words = settings.chunk_words
        self.access = AccessRules(workspace)
        self.counter: PieceCounter = open_counter(workspace.settings.retrieval.embedder)
        self.limits = limits_of(settings)
        self.reader = shared_reader()
        self.fingerprint = fingerprint(
            {
                "readers": READERS_VERSION,
                "chunking": chunking.VERSION,
                "chunk_words": settings.chunk_words,
                "pieces": self.counter.limit,
                "embedder": workspace.settings.retrieval.embedder,
            }
        )[:16]
        recognition = [self.limits.ocr_languages, installed_version() if self.limits.ocr_languages else ""]
        self.ocr_fingerprint = f"{self.fingerprint}-{fingerprint(recognition)[:8]}"

    def is_current(self, row: DocumentRow) -> bool:
        """Whether a document was read with the settings and programs of now."""
        return row.settings_fingerprint in (self.fingerprint, self.ocr_fingerprint)

    def prepare(
        self, source: str, root: str, path: str, data: bytes, *, modified_ns: int, name: str = "", text: bytes = b""
    ) -> Prepared:
        """Parse and chunk a document.

        Args:
            source, root, path, modified_ns: see DocumentRow.
            data: its bytes, whose hash is the version.
            name: a file name for the reader, where the source is none.
            text: bytes for the reader, where it is not the data.

        Raises:
            UnreadableDocument: it cannot be parsed, or the file beside it that says who may read it cannot.
        """
        assigned = self.access.groups_of(source, path)
        document = self.reader.read(text or data, name or source, self.limits)
        chunks = chunk_document(document, chunk_words=self.chunk_words, counter=self.counter)
        if not document.title:
            document = replace(document, title=PurePosixPath(source).stem)
        return Prepared(
            source=source,
            root=root,
            path=path,
            version=sha256_bytes(data),
            size=len(data),
            modified_ns=modified_ns,
            fingerprint=self.ocr_fingerprint if document.recognised or document.unrecognised else self.fingerprint,
            document=document,
            chunks=chunks,
            text_sha256=text_hash(document.text),
            minhash=signature(document.text),
            assigned=assigned,
        )


def settle_near_groups(store: Store, threshold: float) -> None:
    """Put near-duplicates into common groups; nothing is done when no document is new, changed or without its twin."""
    with store.session() as session:
        current = dict(session.execute(select(DocumentRow.document_id, DocumentRow.near_group)).tuples().all())
        if all(group in current for group in current.values()):
            return
        query = select(DocumentSignatureRow.document_id, DocumentSignatureRow.minhash)
        signatures = dict(session.execute(query).tuples().all())

        def text_of(document_id: str) -> str:
            row = session.get_one(DocumentRow, document_id)
            version = session.get(DocumentVersionRow, (document_id, row.version))
            return version.text if version is not None else ""

        settled = {document_id: group for document_id, group in current.items() if group in current}
        groups = near_groups(signatures, text_of, threshold, settled)
        for document_id, group in groups.items():
            if current[document_id] != group:
                session.execute(update(DocumentRow).where(DocumentRow.document_id == document_id).values(near_group=group))


def _known_documents(store: Store) -> dict[str, DocumentRow]:
    with store.session() as session:
        return {row.source: row for row in session.scalars(select(DocumentRow))}


def _ingest_file(preparer: Preparer, row: DocumentRow | None, source: str, file: FoundFile, report: IngestReport) -> None:
    """Bring one document up to date, or report why it cannot be."""
    same_file = row is not None and row.path == str(file.path)
    same_settings = row is not None and preparer.is_current(row) and same_file
    if row is not None and same_settings and (row.size, row.modified_ns) == (file.size, file.modified_ns):
        report.unchanged.append(source)
        return
    try:
        if file.size > preparer.limits.max_bytes:
            raise UnreadableDocument(too_large(file.size, preparer.limits))
        data = file.read_bytes()
        if row is not None and same_settings and row.version == sha256_bytes(data):
            _touch(preparer.store, row, file)
            report.unchanged.append(source)
            return
        root = row.root if row is not None and same_file else file.root
        prepared = preparer.prepare(source, root, str(file.path), data, modified_ns=file.modified_ns)
    except UnreadableDocument as error:
        report.failed.append((source, str(error)))
    except OSError as error:
        report.failed.append((source, f"it cannot be read ({error.strerror or error}): fix its permissions or remove it"))
    except DoyenError:
        raise
    except Exception as error:
        # A parser's own fault on one file must not stop the others; the log has the details.
        log.warning("reading %s failed", source, exc_info=error)
        report.failed.append(
            (source, f"the reader failed on it ({type(error).__name__}: {error}): convert it to another format")
        )
    else:
        _write(preparer.store, prepared, report, is_new=row is None)


def _held_members(findings: Findings, known: Mapping[str, DocumentRow], report: IngestReport) -> dict[Path, list[str]]:
    """Return the e-mails that have not changed, each with the sources of its attachments: they need not be opened again."""
    unchanged = set(report.unchanged)
    here = {container.path for container in findings.containers}
    held: dict[Path, list[str]] = {
        Path(row.path): [] for source, row in known.items() if source in unchanged and Path(row.path) in here
    }
    for source, row in known.items():
        for folder in Path(row.path).parents:
            if folder in held:
                held[folder].append(source)
    return held


def _ingest_members(
    preparer: Preparer, container: FoundFile, findings: Findings, report: IngestReport, *, restore: bool
) -> set[str]:
    """Bring the documents in an archive or e-mail up to date; return the sources of those that are there."""
    store = preparer.store
    try:
        if container.size > preparer.limits.max_bytes:
            raise UnreadableDocument(too_large(container.size, preparer.limits))
        with opened(preparer.reader, container.read_bytes(), container.relative, preparer.limits) as (found, folder):
            findings.opened.append(container.path)
            findings.unopened += [container.path / name for name, _ in found.failed]
            report.failed += [(member_source(container.relative, name), reason) for name, reason in found.failed]
            report.skipped += [(member_source(container.relative, name), reason) for name, reason in found.skipped]
            known = _known_documents(store) if found.members else {}
            named = choose_sources(member_files(container, found, folder), known)
            new = {source: file for source, file in named.items() if source not in known}
            left_out = new.keys() - leave_out_removed(store, new, report, restore=restore).keys()
            for source, file in named.items():
                if source not in left_out:
                    _ingest_file(preparer, known.get(source), source, file, report)
            return set(named)
    except (UnreadableDocument, OSError) as error:
        findings.unopened.append(container.path)
        if is_archive(container.path.name):  # an e-mail has said so when it was read
            reason = f"it cannot be read ({error.strerror or error})" if isinstance(error, OSError) else str(error)
            report.failed.append((container.relative, reason))
    return set()


def _write(store: Store, prepared: Prepared, report: IngestReport, *, is_new: bool) -> None:
    with store.session() as session:
        twin = write_document(session, prepared)
        if twin:
            original = session.get(DocumentRow, twin)
            report.duplicates.append((prepared.source, original.source if original is not None else twin))
    (report.added if is_new else report.updated).append(prepared.source)
    if empty := prepared.document.pages_without_text:
        report.without_text.append((prepared.source, list(empty)))
    report.notes += [(prepared.source, note) for note in prepared.document.notes]
    if pages := prepared.document.unrecognised:
        report.unrecognised.append((prepared.source, list(pages), prepared.document.ocr_problem))
    if recognised := prepared.document.recognised:
        report.recognised.append((prepared.source, list(recognised)))


def _touch(store: Store, row: DocumentRow, file: FoundFile) -> None:
    """Remember the time of a file that was written again with the same content, so that it is not hashed every time."""
    with store.session() as session:
        session.execute(
            update(DocumentRow).where(DocumentRow.document_id == row.document_id).values(modified_ns=file.modified_ns)
        )


def _remove_missing(store: Store, findings: Findings, present: set[str], most: float, report: IngestReport) -> None:
    """Remove documents of the searched folders whose files are gone, unless suspiciously many are."""
    known = _known_documents(store)
    missing = find_missing(findings, known, present)
    report.missing = [row.source for row in too_many(missing, findings, known, most)]
    for row in missing:
        if row.source not in report.missing:
            with store.session() as session:
                delete_document(session, row.document_id)
            report.removed.append(row.source)


def _regroup(workspace: Workspace, store: Store, report: IngestReport) -> None:
    """Bring the groups of all documents up to date with the settings and the files beside them."""
    applied, failed = apply_rules(workspace, store), {source for source, _ in report.failed}
    report.regrouped, report.unused_folders = applied.changed, applied.unused
    report.failed += [(source, reason) for source, reason in applied.failed if source not in failed]


def _finish(workspace: Workspace, store: Store, report: IngestReport) -> IngestReport:
    """Settle what depends on several documents."""
    with store.session() as session:
        part_by_title(session)
    settle_near_groups(store, workspace.settings.ingestion.near_duplicate_threshold)
    return _count(store, report)


def _count(store: Store, report: IngestReport) -> IngestReport:
    with store.session() as session:
        report.n_documents = session.scalar(select(func.count()).select_from(DocumentRow)) or 0
        report.n_chunks = session.scalar(select(func.count()).select_from(ChunkRow)) or 0
    return report


def _check_source(source: str) -> None:
    parts = PurePosixPath(source).parts
    if not parts or len(source) > LONGEST_SOURCE or source.startswith("/") or ".." in parts or not source.isprintable():
        raise InputError(f"{source[:80]!r} is not a usable document name: give a relative path such as 'policies/travel.pdf'")
    if is_sidecar(source):
        raise InputError(f"{source!r} says who may read another document and is none: give that one's upload its groups")
    if not is_read(source):
        raise InputError(f"files of type {PurePosixPath(source).suffix or '(none)'} are not read: convert {source!r} first")
