"""What a reader makes of a file: the parsed text and its structure, as character ranges in that text."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.word_boxes import Word, WordBox, pack, place_words

LONGEST_TITLE = 300
"""Characters; each chunk is indexed with the title."""
CODE_MEDIA_TYPE = "text/x-source"
"""Of source code, whose text is kept as it is."""
BlockKind = Literal["heading", "paragraph", "list_item", "table_row", "code"]


@dataclass(frozen=True)
class Block:
    """A structural unit of a document: ``text[start:end]`` without white space at either end.

    Attributes:
        level: depth of a heading, from 1; 0 for every other kind.
        group: number of the list or table that the block belongs to; blocks outside have a number of their own.
    """

    kind: BlockKind
    start: int
    end: int
    level: int
    group: int


@dataclass(frozen=True)
class ParsedDocument:
    """The final text of a document. All offsets anywhere in the product refer to ``text``.

    Attributes:
        pages: (start, end) of each page in ``text``; empty where the format has no pages.
        blocks: in order, without overlap; together they cover every character that is not white space.
        notes: sentences about what was left out of it, such as hidden sheets.
        boxes: where its words stand on the pages, as ``word_boxes.pack`` gives it; empty where there are no pages.
        recognised: (page number from 1, confidence from 0 to 1) of pages whose text was recognised in their picture (OCR).
        unrecognised: numbers from 1 of pages whose text is in pictures and was not recognised.
        ocr_problem: why not, with the remedy; empty where there are none.
    """

    text: str
    title: str
    media_type: str
    pages: tuple[tuple[int, int], ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    boxes: bytes = b""
    recognised: tuple[tuple[int, float], ...] = ()
    unrecognised: tuple[int, ...] = ()
    ocr_problem: str = ""

    @property
    def pages_without_text(self) -> tuple[int, ...]:
        """Numbers from 1 of the pages on which no text was found: pictures, scans, empty pages."""
        return empty_pages(self.pages)

    def to_json(self) -> dict[str, Any]:
        """Return the document as JSON takes it."""
        blocks = [(block.kind, block.start, block.end, block.level, block.group) for block in self.blocks]
        return {
            "text": self.text,
            "title": self.title,
            "media_type": self.media_type,
            "pages": self.pages,
            "blocks": blocks,
            "notes": self.notes,
            "boxes": base64.b64encode(self.boxes).decode("ascii"),
            "recognised": self.recognised,
            "unrecognised": self.unrecognised,
            "ocr_problem": self.ocr_problem,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ParsedDocument:
        """Return the document that ``to_json`` gave."""
        pages = tuple((start, end) for start, end in data["pages"])
        blocks = tuple(Block(*block) for block in data["blocks"])
        recognised = tuple((page, confidence) for page, confidence in data["recognised"])
        return cls(
            data["text"],
            data["title"],
            data["media_type"],
            pages,
            blocks,
            tuple(data["notes"]),
            base64.b64decode(data["boxes"]),
            recognised,
            tuple(data["unrecognised"]),
            data["ocr_problem"],
        )


@dataclass
class Unpacked:
    """What an archive or an e-mail holds.

    Attributes:
        members: (name, file name in the folder).
        failed: (name, reason) of members that cannot be read.
        skipped: (name, reason) of members that are no documents.
    """

    members: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def page_of(pages: Sequence[Sequence[int]], place: int) -> int:
    """Return the number from 1 of the page that a character of the text is on.

    Args:
        pages: [start, end] of each page, at least one; those without text start where the next one does.
    """
    return bisect_right(pages, place, key=lambda page: page[0])


def pages_within(pages: Sequence[Sequence[int]], start: int, end: int) -> tuple[int | None, tuple[int, ...]]:
    """Return the number of the page that a stretch of the text begins on, and the characters in it at which further ones begin.

    Args:
        pages: as `page_of` takes them; where there are none, the stretch is on none.
    """
    if not pages:
        return None, ()
    number = page_of(pages, start)
    return number, tuple(first for first, _ in pages[number:] if first < end)


def empty_pages(pages: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the numbers from 1 of the pages that hold no text, by their (start, end)."""
    return tuple(number for number, (start, end) in enumerate(pages, start=1) if start == end)


def too_long(most: int) -> str:
    """Return the sentence about a text of more characters."""
    return (
        f"its text has more than {most:,} characters, too many for a file of its size: split it, or parts of it that repeat "
        "(merged cells and column headings stand in each row)"
    )


class DocumentBuilder:
    """Collects blocks in reading order and joins them to one text, so that offsets are right by construction.

    Blocks are parted by an empty line, blocks of one list or table by a line end.

    Args:
        most_characters: longest text; a longer one is an UnreadableDocument.
    """

    def __init__(self, most_characters: int | None = None) -> None:
        self._most = most_characters
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._boxes: list[WordBox] = []
        self._pages: list[int | None] = []
        self._group = 0
        self._notes: list[str] = []

    def note(self, sentence: str) -> None:
        """Say what of the file is not in the text."""
        self._notes.append(sentence)

    def new_group(self) -> None:
        """Begin another list or table: the next item or row is parted from the last one."""
        self._group += 1

    def start_page(self) -> None:
        """Count what is added from now on to the next page."""
        self._pages.append(None)

    def add(self, kind: BlockKind, text: str, level: int = 0, words: Sequence[Word] = ()) -> None:
        """Append a block; text that is only white space is left out.

        Args:
            words: the printed words that the text was made of, in its order.
        """
        text = text.strip()
        if not text:
            return
        grouped = kind in ("list_item", "table_row")
        last = self._blocks[-1] if self._blocks else None
        continues = grouped and last is not None and last.kind == kind and last.group == self._group
        if not continues:
            self._group += 1
        if last is not None:
            self._append("\n" if continues else "\n\n")
        self._mark_pages()
        start = self._length
        self._append(text)
        self._boxes += place_words(text, words, start)
        self._blocks.append(Block(kind, start, self._length, level, self._group))
        if not grouped:
            self._group += 1

    def extend(self, text: str, words: Sequence[Word] = ()) -> None:
        """Append to the last block, as for a paragraph that goes on after a page break."""
        text = text.strip()
        if not text or not self._blocks:
            self.add("paragraph", text, words=words)
            return
        self._append(" ")
        self._mark_pages()
        self._boxes += place_words(text, words, self._length)
        self._append(text)
        last = self._blocks[-1]
        self._blocks[-1] = Block(last.kind, last.start, self._length, last.level, last.group)

    @property
    def last_text(self) -> str:
        """The text of the last block; empty before the first."""
        return self._parts[-1] if self._parts else ""

    @property
    def last_kind(self) -> BlockKind | None:
        """The kind of the last block."""
        return self._blocks[-1].kind if self._blocks else None

    def build(self, title: str, media_type: str) -> ParsedDocument:
        """Return the document."""
        starts = [self._length if start is None else start for start in self._pages]
        pages = tuple(zip(starts, [*starts[1:], self._length], strict=True)) if starts else ()
        title, text = title.strip()[:LONGEST_TITLE], "".join(self._parts)
        blocks, notes = tuple(self._blocks), tuple(self._notes)
        return ParsedDocument(text, title, media_type, pages, blocks, notes, pack(self._boxes))

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if self._most is not None and self._length > self._most:
            raise UnreadableDocument(too_long(self._most))

    def _mark_pages(self) -> None:
        for number in range(len(self._pages) - 1, -1, -1):
            if self._pages[number] is not None:
                break
            self._pages[number] = self._length
