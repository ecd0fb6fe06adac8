"""Reads the small Markdown subset in which the example's sources are written."""

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

Kind = Literal["heading", "paragraph", "bullets", "numbers", "table"]

_RULE_ROW = re.compile(r"^\|[\s|:-]+\|$")


@dataclass(frozen=True)
class Block:
    """One block of a document.

    Attributes:
        kind: What the block is.
        text: The text of a heading or a paragraph, else "".
        level: 1 to 6 for a heading, else 0.
        items: The points of a list, without their markers.
        rows: The cells of a table, its heading row first.
    """

    kind: Kind
    text: str = ""
    level: int = 0
    items: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def _kind(line: str) -> Kind | None:
    if not line:
        return None
    if line.startswith("#"):
        return "heading"
    if line.startswith("|"):
        return "table"
    if line.startswith("- "):
        return "bullets"
    if re.match(r"\d+\. ", line):
        return "numbers"
    return "paragraph"


def _table(lines: list[str]) -> Block:
    rows = [line.strip("|").split("|") for line in lines if not _RULE_ROW.match(line)]
    return Block("table", rows=[[cell.strip() for cell in row] for row in rows])


def _blocks_of(kind: Kind, lines: list[str]) -> list[Block]:
    if kind == "heading":
        return [Block(kind, text=line.lstrip("# "), level=len(line) - len(line.lstrip("#"))) for line in lines]
    if kind == "table":
        return [_table(lines)]
    if kind == "paragraph":
        return [Block(kind, text=" ".join(lines))]
    return [Block(kind, items=[line.split(" ", 1)[1] for line in lines])]


def parse(markdown: str) -> list[Block]:
    """Returns the blocks of a source; a blank line or a change of kind ends a block."""
    lines = [line.rstrip() for line in markdown.splitlines()]
    blocks: list[Block] = []
    for kind, group in groupby(lines, key=_kind):
        if kind is not None:
            blocks += _blocks_of(kind, list(group))
    return blocks
