"""Plain text: paragraphs, lists and headings are recognised by their layout; the words stay as they are."""

from __future__ import annotations

import re

from doyen.ingestion.clean import repair_text, tidy_lines
from doyen.ingestion.decoding import decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.limits import Limits

LIST_ITEM = re.compile(r"^\s*(?:[-*•‣◦▪·–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
UNDERLINE = re.compile(r"^\s*([=\-~*_#])\1{2,}\s*$")
NUMBERED = re.compile(r"^(\d+(?:\.\d+)*)\.?\s+\S")
LONGEST_HEADING = 90
BARE_TITLE_WORDS = 12


def read_plain(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a text file."""
    text = tidy_lines(repair_text(decode_bytes(data)))
    builder = DocumentBuilder(limits.max_characters)
    paragraphs = text.split("\n\n")
    for position, paragraph in enumerate(paragraphs):
        follows = position + 1 < len(paragraphs)
        _add_paragraph(builder, paragraph, first=position == 0, follows=follows)
    first_line = text.lstrip().split("\n", 1)[0]
    title = first_line if len(first_line) <= 2 * LONGEST_HEADING else ""
    return builder.build(title, "text/plain")


def _add_paragraph(builder: DocumentBuilder, paragraph: str, *, first: bool, follows: bool) -> None:
    """Add one paragraph, which may be a heading, a heading with text under it, or hold a list."""
    lines = paragraph.split("\n")
    if len(lines) >= 2 and UNDERLINE.match(lines[1]) and len(lines[0]) <= LONGEST_HEADING:
        builder.add("heading", lines[0], 1 if lines[1].lstrip()[0] in "=#" else 2)
        lines = lines[2:]
    elif len(lines) == 1 and follows and (level := heading_level(lines[0], first=first)):
        builder.add("heading", lines[0], level)
        return
    if any(LIST_ITEM.match(line) for line in lines) and len(lines) > 1:
        _add_list(builder, lines)
    else:
        builder.add("paragraph", "\n".join(line for line in lines if not UNDERLINE.match(line)))


def _add_list(builder: DocumentBuilder, lines: list[str]) -> None:
    """Add lines of which some begin list items; lines without a mark belong to the item above them."""
    builder.new_group()
    opening: list[str] = []
    items: list[list[str]] = []
    for line in lines:
        if LIST_ITEM.match(line):
            items.append([line])
        else:
            (items[-1] if items else opening).append(line)
    builder.add("paragraph", "\n".join(opening))
    for item in items:
        builder.add("list_item", "\n".join(item))
    builder.new_group()


def heading_level(line: str, *, first: bool) -> int:
    """Return the level that a line standing alone has as a heading, 0 if it reads like a sentence or a datum."""
    if len(line) > LONGEST_HEADING:
        return 0
    words = line.split()
    letters = sum(letter.isalpha() for letter in line)
    if not words or letters < 0.5 * len(line.replace(" ", "")) or "://" in line:
        return 0
    if line[-1] in ".,;!?。！？" or ": " in line or "=" in line or "|" in line:
        return 0
    if numbered := NUMBERED.match(line):
        return min(6, 2 + numbered.group(1).count("."))
    if line.upper() == line and letters > 2 and line.lower() != line:
        return 1
    # Scripts without case (first word neither upper nor lower) are judged by length alone.
    starts_low = words[0][:1].islower()
    return 0 if starts_low or len(words) > BARE_TITLE_WORDS else (1 if first else 2)
