"""Source code and configuration files: the text stays as it is, its blocks are the lines of functions, classes and paragraphs.

A line that begins a function or a class is a heading, together with the comments and decorators right above it, so that
chunks are cut between functions and a method's chunk names its class.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import CONTROLS, INVISIBLE, LINE_ENDS
from doyen.ingestion.decoding import decode_bytes
from doyen.ingestion.document import CODE_MEDIA_TYPE, Block, BlockKind, ParsedDocument, too_long
from doyen.ingestion.readers.limits import Limits

BRACED = frozenset(("java", "c", "h", "cc", "cpp", "cxx", "hpp", "cs", "js", "mjs", "cjs", "jsx", "ts", "tsx", "php", "dart"))
"""Languages whose functions begin without a word of their own."""
LONGEST_SIGNATURE = 300
MOST_LINES_ABOVE = 40
_MODIFIERS = (
    "export|default|declare|public|private|protected|internal|static|final|abstract|async|pub|unsafe|extern|virtual|override|"
    "inline|partial|sealed|open|data|suspend|local|readonly|const"
)
DEFINITION = re.compile(
    rf"\s*(?:(?:{_MODIFIERS})(?:\([a-z]*\))?\s+){{0,6}}"
    r"(?:func\s*\(\w|(?:def|defp|defmodule|class|interface|struct|enum|trait|impl|fn|func|fun|function|module|namespace|object|record|sub|"
    r"procedure|message|service|resource|type(?=\s+\w+\s+(?:struct|interface)))\b\*?\s*[\w<\"])"
)
STATEMENT = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:\w+\s+){0,2}(?:TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|TYPE)\b", re.I)
CALLABLE = re.compile(r"\s*[\w:<>,~*&\[\]?.@]+(?:\s+[\w:<>,~*&\[\]?.]+){0,8}\s*\([^;{}]*\)[^;{}()=]*\{\s*$")
"""``public int start(Pump pump) throws Fault {``"""
FLOW = re.compile(
    r"\s*(?:\}\s*)?(?:if|else|for|foreach|while|switch|return|catch|do|try|using|lock|synchronized|new|throw|await)\b"
)
SECTION = re.compile(r"\s*\[{1,2}[\w.\-\" :]+\]{1,2}\s*$")
ABOVE = re.compile(r"\s*(?:#(?!!)|//|/\*|\*|--|;|@\w|\[\w[^\]]*\]\s*$|%)")
"""Comments, decorators and attributes, which belong to what follows them."""


def read_code(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read a source file: only line ends are made alike, and control and invisible characters removed.

    Raises:
        UnreadableDocument: it is a binary file, or longer than the limit.
    """
    text = CONTROLS.sub(" ", INVISIBLE.sub("", LINE_ENDS.sub("\n", decode_bytes(data))))
    if len(text) > limits.max_characters:
        raise UnreadableDocument(too_long(limits.max_characters))
    extension = PurePosixPath(name).suffix.lower().lstrip(".")
    return ParsedDocument(text, PurePosixPath(name).name, CODE_MEDIA_TYPE, (), tuple(_blocks(text, extension)))


def _blocks(text: str, extension: str) -> list[Block]:
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    blocks: list[Block] = []
    outer: list[int] = []
    group, number = 0, 0
    while number < len(lines):
        if not lines[number].strip():
            group, number = group + 1, number + 1
            continue
        last = _definition(lines, number, extension)
        kind: BlockKind = "code" if last is None else "heading"
        level = 0
        if last is not None:
            indent = _indent(lines[number])
            while outer and outer[-1] >= indent:
                outer.pop()
            outer.append(indent)
            level, group = len(outer), group + 1
        end = number if last is None else last
        start = starts[number] + _indent(lines[number])
        blocks.append(Block(kind, start, starts[end] + len(lines[end].rstrip()), level, group))
        group += last is not None
        number = end + 1
    return blocks


def _definition(lines: Sequence[str], number: int, extension: str) -> int | None:
    """Return the line of the definition that begins here, maybe after comments and decorators; None if there is none."""
    indent = _indent(lines[number])
    for place in range(number, min(len(lines), number + MOST_LINES_ABOVE)):
        line = lines[place]
        if not line.strip():
            return None
        if len(line) <= LONGEST_SIGNATURE and _defines(line, extension):
            return place if _indent(line) == indent or place == number else None
        if not ABOVE.match(line):
            return None
    return None


def _defines(line: str, extension: str) -> bool:
    if extension in ("yaml", "yml", "xml", "properties"):
        return False
    if extension in ("toml", "ini", "cfg", "conf"):
        return bool(SECTION.match(line))
    if extension == "sql":
        return bool(STATEMENT.match(line))
    if DEFINITION.match(line):
        return True
    return extension in BRACED and "(" in line and not FLOW.match(line) and bool(CALLABLE.match(line))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
