"""Web pages into the store: single URLs, and all pages that a sitemap names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sqlalchemy import delete, select

from doyen.core.errors import InputError, UnreadableDocument
from doyen.core.files import sha256_bytes
from doyen.core.manifest import now
from doyen.core.progress import Reporter
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRemovalRow, DocumentRow, WebFetchRow
from doyen.ingestion.document_store import Prepared, delete_document
from doyen.ingestion.ingest_report import IngestReport
from doyen.ingestion.missing import FEW
from doyen.ingestion.readers import FORMATS, is_supported
from doyen.ingestion.web.fetch import Fetched, Fetcher, Validators
from doyen.ingestion.web.urls import normalised

if TYPE_CHECKING:
    from doyen.ingestion.ingest import Preparer

EXTENSIONS = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".ndjson",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "message/rfc822": ".eml",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tif",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
UNTOLD = ("", "application/octet-stream", "text/plain", "application/xml", "text/xml")
"""Types that servers give to files that they do not know: the name's extension says more."""
TEXTS = ("plain", "html", "markdown", "csv")
MARK = b"\xef\xbb\xbf"
SITEMAP_MARKS = (b"<urlset", b"<sitemapindex")
MOST_SITEMAPS = 50

Write = Callable[[Prepared, bool], None]


class WebPages:
    """One ingestion of URLs.

    Args:
        preparer: reads and cuts what was fetched.
        store: receives it.
        report: is told what became of each page.
        fetcher: fetches it.
        write: writes a prepared document, new or not.
        restore: take also pages of a sitemap whose documents were removed on purpose.
    """

    def __init__(
        self, preparer: Preparer, store: Store, report: IngestReport, fetcher: Fetcher, write: Write, *, restore: bool
    ) -> None:
        self._preparer, self._store, self._report = preparer, store, report
        self._fetcher, self._write, self._restore = fetcher, write, restore

    def ingest(self, urls: Sequence[str], *, most_pages: int, most_removed: float, reporter: Reporter) -> None:
        """Bring the documents of URLs up to date; a URL of a sitemap stands for the pages that it names.

        Args:
            urls: as the user gave them.
            most_pages: of all sitemaps together.
            most_removed: share of a sitemap's documents that may go because it names them no more.
            reporter: shows progress.
        """
        for url in urls:
            try:
                start = normalised(url)
                fetched = self._fetch(start)
            except InputError as error:
                self._report.failed.append((url, str(error)))
                continue
            if not fetched.changed or not _is_sitemap(fetched):
                self._forget_removal(start)
                self._take(start, start, fetched)
                continue
            pages, whole = self._pages(start, fetched.data, most_pages)
            with reporter.bar("Fetching pages", len(pages)) as bar:
                for page in pages:
                    self._page(page, start)
                    bar.advance(note=page)
            if whole:
                self._remove_unnamed(start, set(pages), most_removed)

    def _pages(self, start: str, data: bytes, most: int) -> tuple[list[str], bool]:
        """Return the pages of a sitemap and of those that it names, and whether these are all."""
        pages: dict[str, None] = {}
        waiting, seen, whole = [(start, data)], {start}, True
        while waiting:
            where, data = waiting.pop()
            try:
                found = self._preparer.reader.sitemap(data, self._preparer.limits)
            except UnreadableDocument as error:
                self._report.failed.append((where, str(error)))
                whole = False
                continue
            pages.update(dict.fromkeys(self._of_site(start, found["pages"])))
            for address in self._of_site(start, found["sitemaps"]):
                if address in seen or len(seen) >= MOST_SITEMAPS:
                    continue
                seen.add(address)
                try:
                    waiting.append((address, self._fetcher.get(address).data))
                except UnreadableDocument as error:
                    self._report.failed.append((address, str(error)))
                    whole = False
        if len(pages) > most:
            reason = f"it names {len(pages):,} pages, only the first {most:,} were read: raise ingestion.max_urls"
            self._report.skipped.append((start, reason))
            whole = False
        return list(pages)[:most], whole

    def _of_site(self, start: str, addresses: Sequence[str]) -> list[str]:
        """Return the addresses of the sitemap's own host; by the protocol it may name no others."""
        ours = []
        for address in addresses:
            try:
                url = normalised(address)
            except InputError as error:
                self._report.skipped.append((address[:200], str(error)))
                continue
            if urlsplit(url).hostname == urlsplit(start).hostname:
                ours.append(url)
            else:
                self._report.skipped.append((url, f"it is of another site than {start}: name it itself"))
        return ours

    def _page(self, url: str, root: str) -> None:
        if not self._restore and (since := self._removed(url)):
            self._report.skipped.append(
                (url, f"it was removed on {since[:10]}: name it itself, or use --restore, to bring it back")
            )
            return
        try:
            fetched = self._fetch(url)
        except UnreadableDocument as error:
            self._report.failed.append((url, str(error)))
            return
        self._take(url, root, fetched)

    def _fetch(self, url: str) -> Fetched:
        """Fetch a page, only if it has changed where the stored text is still right."""
        with self._store.session() as session:
            row = session.scalar(select(DocumentRow).where(DocumentRow.source == url))
            known = session.get(WebFetchRow, url)
            current = row is not None and self._preparer.is_current(row)
            validators = Validators(known.etag, known.last_modified) if known is not None and current else None
        return self._fetcher.get(url, validators)

    def _take(self, url: str, root: str, fetched: Fetched) -> None:
        with self._store.session() as session:
            row = session.scalar(select(DocumentRow).where(DocumentRow.source == url))
        same = row is not None and self._preparer.is_current(row)
        if not fetched.changed or (same and row is not None and row.version == sha256_bytes(fetched.data)):
            self._report.unchanged.append(url)
        else:
            try:
                name = reader_name(url, fetched)
                text = _marked(fetched, name)
                prepared = self._preparer.prepare(url, root, url, fetched.data, modified_ns=0, name=name, text=text)
            except UnreadableDocument as error:
                self._report.failed.append((url, str(error)))
                return
            self._write(prepared, row is None)
        if fetched.changed:
            etag, last_modified = fetched.validators.etag, fetched.validators.last_modified
            with self._store.session() as session:
                session.merge(WebFetchRow(url=url, etag=etag, last_modified=last_modified, fetched_at=now()))

    def _removed(self, url: str) -> str:
        with self._store.session() as session:
            row = session.get(DocumentRemovalRow, sha256_bytes(url.encode()))
            return row.removed_at if row is not None else ""

    def _forget_removal(self, url: str) -> None:
        """A page that is named itself is taken, also when it was removed before."""
        with self._store.session() as session:
            session.execute(delete(DocumentRemovalRow).where(DocumentRemovalRow.path_sha256 == sha256_bytes(url.encode())))

    def _remove_unnamed(self, root: str, named: set[str], most: float) -> None:
        """Remove the documents of a sitemap that it names no more, unless suspiciously many are."""
        with self._store.session() as session:
            rows = session.scalars(select(DocumentRow).where(DocumentRow.root == root)).all()
            gone = [row for row in rows if row.source not in named]
            if most < 1 and len(gone) > FEW and len(gone) > most * len(rows):
                self._report.missing += [row.source for row in gone]
                return
            for row in gone:
                delete_document(session, row.document_id)
                self._report.removed.append(row.source)


def reader_name(url: str, fetched: Fetched) -> str:
    """Return a file name whose extension says how a page is read: by its content type, else by its address.

    Raises:
        UnreadableDocument: it is of no type that is read.
    """
    name = unquote(PurePosixPath(urlsplit(url).path).name) or "page"
    named = is_supported(name)
    if named and fetched.media_type in UNTOLD:
        return name
    extension = EXTENSIONS.get(fetched.media_type)
    if extension is None:
        raise UnreadableDocument(f"content of type {fetched.media_type or '(none)'} is not read: fetch it and convert it first")
    return name if named and FORMATS[PurePosixPath(name).suffix.lower()] == FORMATS[extension] else f"{name}{extension}"


def _marked(fetched: Fetched, name: str) -> bytes:
    """Return a text in UTF-8 with its mark where the server names the encoding, which counts more than what the page says."""
    data = fetched.data
    if not fetched.charset or FORMATS[PurePosixPath(name).suffix.lower()] not in TEXTS or data.startswith(MARK):
        return data
    try:
        return MARK + data.decode(fetched.charset).encode("utf-8")
    except (LookupError, UnicodeError):
        return data


def _is_sitemap(fetched: Fetched) -> bool:
    if fetched.data.startswith(b"\x1f\x8b"):
        return urlsplit(fetched.url).path.lower().endswith(".xml.gz")
    return any(mark in fetched.data[:2000] for mark in SITEMAP_MARKS) and fetched.data.lstrip(MARK + b" \t\r\n").startswith(
        b"<"
    )
