"""Markdown (CommonMark with tables) through markdown-it: structure is kept, marks of emphasis and links are dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import accumulate

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, reference
from markdown_it.token import Token

from doyen.ingestion.clean import repair_text, single_spaced, tidy_lines
from doyen.ingestion.decoding import decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.html import BLOCKS, add_fragment, shows_text
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.superscripts import END, GAP, LOWERED, RAISED, resolve_marks
from doyen.ingestion.table_text import add_table

FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
TAG_NAME = re.compile(r"</?([a-z][a-z0-9]*)", re.IGNORECASE)
MARKS = {"<sup>": RAISED, "</sup>": END, "<sub>": LOWERED, "</sub>": END}
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read_markdown(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a Markdown file."""
    text = repair_text(decode_bytes(data))
    builder = DocumentBuilder(limits.max_characters)
    title = ""
    if front := FRONT_MATTER.match(text):
        builder.add("paragraph", tidy_lines(front.group(1)))
        text = text[front.end() :]
        if named := re.search(r"^title:\s*(.+)$", front.group(1), re.MULTILINE):
            title = named.group(1).strip(" \"'")
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.block.ruler.at("reference", _reference)
    tokens = parser.parse(text)
    first_heading = _Writer(builder, limits).write(tokens)
    return builder.build(title or first_heading, "text/markdown")


def _reference(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """Read a link definition; one that begins with a caret is a footnote, whose text stays."""
    start = state.bMarks[line] + state.tShift[line]
    return not state.src.startswith("[^", start) and reference(state, line, last, silent)


class _Writer:
    """Walks the tokens once; they come flat, with opening and closing tokens around what is nested."""

    def __init__(self, builder: DocumentBuilder, limits: Limits) -> None:
        self.builder, self.limits = builder, limits
        self.lists: list[int | None] = []
        """Open lists: the next number, or None for bullets."""
        self.mark = ""
        """The mark of a list item whose first paragraph has not come yet."""
        self.html: list[str] = []
        """An HTML table that has not ended: empty lines part it into several tokens."""
        self.open_tables = 0

    def write(self, tokens: Sequence[Token]) -> str:
        """Add all blocks; return the text of the first heading."""
        title, kind, level, rows = "", "", 0, list[list[str]]()
        for token in tokens:
            if token.type == "heading_open":
                kind, level = "heading", int(token.tag[1])
            elif token.type == "heading_close":
                kind = ""
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                self._open_list(token)
            elif token.type in ("bullet_list_close", "ordered_list_close"):
                self.lists.pop()
                if not self.lists:
                    self.builder.new_group()
            elif token.type == "list_item_open":
                self._open_item()
            elif token.type == "table_open":
                kind, rows = "table", []
            elif token.type == "tr_open":
                rows.append([])
            elif token.type == "table_close":
                add_table(self.builder, rows, has_header=True)
                kind = ""
            elif token.type == "inline":
                text = _plain(token)
                if self.html:
                    self._add_html(escape(text))
                elif kind == "table":
                    rows[-1].append(text)
                elif kind == "heading":
                    title = title or text
                    self.builder.add("heading", text, level)
                else:
                    self._add_text(text)
            elif token.type in ("fence", "code_block"):
                self.builder.add("code", token.content.strip("\n"))
            elif token.type == "html_block":
                self._add_html(token.content)
        self._end_html()
        return title

    def _add_html(self, html: str) -> None:
        tags = html.lower()
        self.html.append(html)
        self.open_tables += tags.count("<table") - tags.count("</table")
        if self.open_tables <= 0:
            self._end_html()

    def _end_html(self) -> None:
        if self.html:
            add_fragment(self.builder, "\n".join(self.html), self.limits)
        self.html, self.open_tables = [], 0

    def _open_list(self, token: Token) -> None:
        if not self.lists:
            self.builder.new_group()
        self.lists.append(int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None)

    def _open_item(self) -> None:
        number = self.lists[-1]
        self.mark = "- " if number is None else f"{number}. "
        if number is not None:
            self.lists[-1] = number + 1

    def _add_text(self, text: str) -> None:
        if not self.lists:
            self.builder.add("paragraph", text)
        elif text.strip():
            self.builder.add("list_item", self.mark + text)
            self.mark = ""


def _plain(inline: Token) -> str:
    """Return the text of an inline token; HTML tags and struck-out text are dropped, code and descriptions of images stay."""
    parts: list[str] = []
    for token in _shown(inline.children or []):
        if token.type in ("text", "code_inline", "image", "text_special"):
            parts.append(token.content)
        elif token.type == "softbreak":
            parts.append(" ")
        elif token.type == "hardbreak" or (token.type == "html_inline" and BREAK.match(token.content)):
            parts.append("\n")
        elif token.type == "html_inline":
            # A tag such as </td> parts words; one such as </b> does not.
            named = TAG_NAME.match(token.content)
            apart = named is not None and named.group(1).lower() in BLOCKS
            parts.append(MARKS.get(token.content.lower(), " " if apart else ""))
    return "\n".join(single_spaced(line) for line in resolve_marks("".join(parts)).split("\n"))


def _shown(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens with a gap for what is struck out, or stands within an HTML element that shows nothing."""
    index = 0
    while index < len(tokens):
        end = _end_of_unseen(tokens, index)
        yield tokens[index] if end is None else Token("text", "", 0, content=GAP)
        index = (index if end is None else end) + 1


def _end_of_unseen(tokens: Sequence[Token], start: int) -> int | None:
    """Return where the element ends that begins here and is not shown; None if none does."""
    opening = tokens[start]
    if opening.type == "html_inline" and not opening.content.startswith("</"):
        tag = TAG_NAME.match(opening.content)
        if tag is None or shows_text(opening.content):
            return None
        names = [found and found.group(1).lower() for found in (TAG_NAME.match(token.content) for token in tokens)]
        steps = [
            (-1 if token.content.startswith("</") else 1) if token.type == "html_inline" and name == tag.group(1).lower() else 0
            for token, name in zip(tokens, names, strict=True)
        ]
    elif opening.type == "s_open":
        steps = [token.nesting if token.tag == "s" else 0 for token in tokens]
    else:
        return None
    depths = accumulate(steps[start:])
    return next((start + place for place, depth in enumerate(depths) if depth == 0), None)
