"""Pictures of document pages with a stretch of the text marked: rendered in a bounded process, the newest ones kept."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy.orm import Session

from doyen.core.errors import NotFoundError, StateError
from doyen.core.manifest import fingerprint
from doyen.core.store.schema import DocumentRow, DocumentVersionRow
from doyen.core.workspace import Workspace
from doyen.ingestion.ingest import limits_of
from doyen.ingestion.originals import PAGED, read_original
from doyen.ingestion.readers.process import ReaderProcess
from doyen.ingestion.word_boxes import Box, boxes_of_span, unpack

MOST_CACHED_BYTES = 32_000_000
_RANGE = re.compile(r"(\d{1,12})-(\d{1,12})")


class WrongPlace(NotFoundError):
    """A page or a stretch of text that the document does not have."""


@dataclass(frozen=True)
class PageImage:
    """A page to be shown: what names it among all, and the areas to mark on it.

    Attributes:
        tag: changes with the file, the page, the stretch, and how the text was read.
    """

    tag: str
    page: int
    areas: tuple[Box, ...]


def find_page(session: Session, row: DocumentRow, page: int, *, highlight: str | None, version: str | None) -> PageImage:
    """Return what to show of a document.

    Args:
        page: number from 1.
        highlight: "start-end", characters of the parsed text as in a citation; None marks nothing.
        version: the document version that they refer to; None is the current one.

    Raises:
        NotFoundError: the document has no pages that can be shown.
        WrongPlace: it has no such page or stretch, or the stretch stands on another page.
        StateError: the version is not the current one, or was read before places were kept.
    """
    if row.media_type not in PAGED:
        raise NotFoundError(
            f"{row.source} is no PDF or picture and shows no pages: GET /v1/documents/{row.document_id}/text gives its text"
        )
    if version not in (None, row.version):
        raise StateError(f"{row.source} has changed since that answer: ask again, or leave version out for the current one")
    read = session.get(DocumentVersionRow, (row.document_id, row.version))
    if read is None or not 1 <= page <= len(read.pages):
        raise WrongPlace(f"{row.source} has no page {page}: its pages are 1 to {len(read.pages) if read else 0}")
    areas = _areas(row, read, page, highlight) if highlight is not None else []
    return PageImage(fingerprint([row.version, row.settings_fingerprint, page, highlight])[:32], page, tuple(areas))


def _areas(row: DocumentRow, read: DocumentVersionRow, page: int, highlight: str) -> list[Box]:
    asked = _RANGE.fullmatch(highlight)
    start, end = (int(asked.group(1)), int(asked.group(2))) if asked else (0, 0)
    if not start < end <= len(read.text):
        raise WrongPlace(
            f"highlight {highlight[:40]!r} is no stretch of {row.source}: give start-end, characters of its text, which has "
            f"{len(read.text)}"
        )
    if read.boxes is None:
        raise StateError(f"{row.source} was read before places on pages were kept: run `doyen ingest` on it again")
    found = boxes_of_span(unpack(read.boxes), start, end)
    if found and page not in found:
        raise WrongPlace(f"{start}-{end} does not stand on page {page} of {row.source}: see page {min(found)}")
    return found.get(page, [])


class PageImages:
    """Renders pages in a process of its own, so that a long ingestion does not keep a reader of an answer waiting."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._limits = limits_of(workspace.settings.ingestion)
        self._process = ReaderProcess()
        self._lock = threading.Lock()
        self._cached: OrderedDict[str, bytes] = OrderedDict()

    def render(self, row: DocumentRow, shown: PageImage) -> bytes:
        """Return the page as PNG.

        Raises:
            StateError: the document's file is gone or has changed since it was read.
            UnreadableDocument: the page cannot be drawn within the limits.
        """
        data = read_original(self._workspace, row)
        with self._lock:
            if shown.tag in self._cached:
                self._cached.move_to_end(shown.tag)
                return self._cached[shown.tag]
        picture = self._process.render(data, shown.page, shown.areas, self._limits)
        with self._lock:
            self._cached[shown.tag] = picture
            while sum(map(len, self._cached.values())) > MOST_CACHED_BYTES:
                self._cached.popitem(last=False)
        return picture

    def close(self) -> None:
        """End the process."""
        self._process.close()
