"""JSON: objects and lists as lines with their key path, lists of alike objects as tables, long texts as paragraphs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced, tidy_lines
from doyen.ingestion.decoding import decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.jsonl import BODY_FIELDS, TITLE_FIELDS, add_record, read_jsonl
from doyen.ingestion.readers.limits import CellCount, Limits
from doyen.ingestion.table_text import render_row

MEDIA_TYPE = "application/json"
DEEPEST = 100
LONG_WORDS = 40
"""Texts of more words are paragraphs below their key path."""
MOST_COLUMNS = 60
"""Objects with more values are not shown as one row of a table."""


def read_json(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a JSON file; numbers stay as they are written, null is left out.

    A file with one value a line, which is JSONL under another name, is read as such.

    Raises:
        UnreadableDocument: it is not valid JSON, or nested deeper than ``DEEPEST``.
    """
    text = decode_bytes(data)
    try:
        value = json.loads(text, parse_float=str, parse_int=str)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and "\n" in text.strip():
            return read_jsonl(data, name, limits)
        raise UnreadableDocument(f"it is not valid JSON ({error.msg} in line {error.lineno}): correct the file") from error
    except RecursionError as error:
        raise UnreadableDocument(_too_deep()) from error
    writer = _Writer(limits)
    writer.add(value, "", 0)
    title = next((value[key] for key in TITLE_FIELDS if isinstance(value.get(key), str)), "") if isinstance(value, dict) else ""
    return writer.builder.build(single_spaced(repair_text(title)) or PurePosixPath(name).stem, MEDIA_TYPE)


class _Writer:
    """Goes through the value once and adds blocks. Recursion is bounded by DEEPEST."""

    def __init__(self, limits: Limits) -> None:
        self.builder = DocumentBuilder(limits.max_characters)
        self.cells = CellCount(limits)

    def add(self, value: Any, path: str, depth: int) -> None:
        """Add a value; what it holds that is neither number nor text gets a heading with its key path."""
        if depth > DEEPEST:
            raise UnreadableDocument(_too_deep())
        if isinstance(value, dict):
            self._object(value, path, depth)
        elif isinstance(value, list):
            self._list(value, path, depth)
        else:
            self._leaf(value, path)

    def _object(self, value: dict[str, Any], path: str, depth: int) -> None:
        inner = {key: item for key, item in value.items() if isinstance(item, (dict, list)) and not _is_plain(item)}
        self.builder.new_group()
        for key, item in value.items():
            if key not in inner:
                self._leaf(item, _join(path, key))
        for key, item in inner.items():
            below = _join(path, key)
            if isinstance(item, list) or not _is_flat(item):
                self.builder.add("heading", single_spaced(below), min(6, depth + 1))
            self.builder.new_group()
            self.add(item, below, depth + 1)

    def _list(self, items: list[Any], path: str, depth: int) -> None:
        self.builder.new_group()
        if items and all(isinstance(item, dict) for item in items):
            if any(_is_prose(item) for item in items):
                for item in items:
                    add_record(self.builder, item)
                return
            rows = [_row(item, self.cells) for item in items]
            if all(row is not None for row in rows):
                for row in rows:
                    self.builder.add("table_row", render_row(list(row or {}), list((row or {}).values())))
                self.builder.new_group()
                return
        for number, item in enumerate(items):
            self.add(item, f"{path}[{number}]", depth + 1)

    def _leaf(self, value: Any, path: str) -> None:
        self.cells.add()
        text = _text(value)
        if len(text.split()) <= LONG_WORDS:
            shown = single_spaced(text)
            self.builder.add("list_item", f"{single_spaced(path)}: {shown}" if path and shown else shown)
            return
        paragraphs = tidy_lines(text).split("\n\n")
        self.builder.add("paragraph", f"{single_spaced(path)}: {paragraphs[0]}" if path else paragraphs[0])
        for paragraph in paragraphs[1:]:
            self.builder.add("paragraph", paragraph)


def _row(item: dict[str, Any], cells: CellCount) -> dict[str, str] | None:
    """Return an object as one row, its inner objects with key paths; None where it holds lists of objects or is too wide."""
    row: dict[str, str] = {}
    for path, value in _leaves(item, "", 0):
        if isinstance(value, list) and not _is_plain(value):
            return None
        row[single_spaced(path)] = single_spaced(_text(value))
        if len(row) > MOST_COLUMNS:
            return None
    cells.add(len(row))
    return row


def _leaves(item: dict[str, Any], path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise UnreadableDocument(_too_deep())
    for key, value in item.items():
        if isinstance(value, dict):
            yield from _leaves(value, _join(path, key), depth + 1)
        else:
            yield _join(path, key), value


def _is_prose(item: dict[str, Any]) -> bool:
    """Whether an object is a text with its title and data rather than a row of a table."""
    return any(isinstance(item.get(key), str) and len(item[key].split()) > LONG_WORDS for key in BODY_FIELDS)


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a text or a list of short ones, which stand on one line."""
    if isinstance(value, list):
        return not any(isinstance(item, (dict, list)) for item in value) and _few_words(value)
    return not isinstance(value, dict)


def _few_words(values: Sequence[Any]) -> bool:
    return sum(len(value.split()) if isinstance(value, str) else 1 for value in values) <= LONG_WORDS


def _is_flat(item: dict[str, Any]) -> bool:
    return all(_is_plain(value) for value in item.values())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else repair_text(str(value))


def _join(path: str, key: str) -> str:
    key = repair_text(key)
    return f"{path}.{key}" if path else key


def _too_deep() -> str:
    return f"it is nested more than {DEEPEST} deep: split it"
