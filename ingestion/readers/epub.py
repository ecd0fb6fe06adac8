"""EPUB books: the chapters in the order of the spine, each as a web page, with the book's own contents for missing headings."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.html import add_fragment, decode_html
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.package import check_package, parse_xml, told_if_damaged

KIND = "EPUB book"
MEDIA_TYPE = "application/epub+zip"
PAGES = ("application/xhtml+xml", "text/html")
FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Ways of encryption that only fonts have."""
_SELF_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)([a-zA-Z][\w:]*)((?:\s[^<>]*)?)/>"
)
_HEADED = re.compile(r"<h[1-3][\s>]", re.IGNORECASE)


def read_epub(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a book.

    Raises:
        UnreadableDocument: it is damaged, copy-protected, or would unpack to more than the limit.
    """
    check_package(data, KIND, limits)
    builder = DocumentBuilder(limits.max_characters)
    with told_if_damaged(KIND), zipfile.ZipFile(io.BytesIO(data)) as archive:
        _refuse_protected(archive)
        book = _Book(archive)
        for path in book.spine():
            _add_chapter(builder, _page(archive, path), book.titles.get(path, ""), limits)
        return builder.build(book.title, MEDIA_TYPE)


class _Book:
    """The package document of a book.

    Attributes:
        title: of the book.
        titles: path of a page in the archive → its entry in the table of contents.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        container = parse_xml(archive.read("META-INF/container.xml"))
        path = next((each.get("full-path") for each in container.iterfind(".//{*}rootfile")), None)
        if not path:
            raise UnreadableDocument(f"it is a damaged {KIND} (it names no package document): fetch it again")
        self._folder = PurePosixPath(path).parent
        self._root = parse_xml(archive.read(path))
        self._items = {item.get("id"): item for item in self._root.iterfind(".//{*}manifest/{*}item")}
        title = self._root.find(".//{http://purl.org/dc/elements/1.1/}title")
        self.title = single_spaced(repair_text("".join(title.itertext()))) if title is not None else ""
        self._names = set(archive.namelist())
        self.titles = self._contents(archive)

    def spine(self) -> list[str]:
        """Return the paths of the pages in reading order, without the table of contents."""
        paths = []
        for reference in self._root.iterfind(".//{*}spine/{*}itemref"):
            item = self._items.get(reference.get("idref"))
            if item is None or item.get("media-type") not in PAGES or "nav" in (item.get("properties") or "").split():
                continue
            paths.append(self._path(item.get("href") or "", self._folder))
        return [path for path in dict.fromkeys(paths) if path in self._names]

    def _path(self, href: str, folder: PurePosixPath) -> str:
        """Return the path that a link within the book leads to."""
        parts: list[str] = []
        for part in (folder / unquote(href.split("#", 1)[0])).parts:
            if part == "..":
                parts = parts[:-1]
            elif part != "/":
                parts.append(part)
        return "/".join(parts)

    def _contents(self, archive: zipfile.ZipFile) -> dict[str, str]:
        """Return the titles that the table of contents gives to pages; of several to one page, the first."""
        titles: dict[str, str] = {}
        for item in self._items.values():
            path = self._path(item.get("href") or "", self._folder)
            nav = "nav" in (item.get("properties") or "").split()
            if path not in self._names or not (nav or item.get("media-type") == "application/x-dtbncx+xml"):
                continue
            for href, text in _entries(parse_xml(archive.read(path)), nav=nav):
                titles.setdefault(self._path(href, PurePosixPath(path).parent), single_spaced(repair_text(text)))
        return titles


def _entries(root: Any, *, nav: bool) -> list[tuple[str, str]]:
    if nav:
        return [(link.get("href") or "", "".join(link.itertext())) for link in root.iterfind(".//{*}nav//{*}a")]
    entries = []
    for point in root.iterfind(".//{*}navPoint"):
        content, label = point.find("{*}content"), point.find("{*}navLabel")
        if content is not None and label is not None:
            entries.append((content.get("src") or "", "".join(label.itertext())))
    return entries


def _page(archive: zipfile.ZipFile, path: str) -> str:
    """Return a page as HTML parsers understand it, who take ``<title/>`` for a beginning."""
    return _SELF_CLOSED.sub(r"<\1\2></\1>", repair_text(decode_html(archive.read(path))))


def _add_chapter(builder: DocumentBuilder, page: str, title: str, limits: Limits) -> None:
    if title and not _HEADED.search(page):
        builder.add("heading", title, 1)
    add_fragment(builder, page, limits)


def _refuse_protected(archive: zipfile.ZipFile) -> None:
    """Raise if content is encrypted, as copy protection does."""
    if "META-INF/encryption.xml" not in archive.namelist():
        return
    for method in parse_xml(archive.read("META-INF/encryption.xml")).iterfind(".//{*}EncryptionMethod"):
        if method.get("Algorithm") not in FONTS:
            raise UnreadableDocument("it is an EPUB book with copy protection (DRM): get it without")
