"""JSON Lines: the text fields of each object, one object after another."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced, tidy_lines
from doyen.ingestion.decoding import decode_bytes
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.limits import Limits

TITLE_FIELDS = ("title", "heading", "name", "question", "subject")
BODY_FIELDS = ("text", "content", "body", "abstract", "answer", "contents", "passage")
PROBLEMS_SHOWN = 5


def read_jsonl(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a JSONL file: a heading for each object with a title, then its text, then its other fields as a row.

    Raises:
        UnreadableDocument: a line is not valid JSON or no object; the lines are named by their numbers.
    """
    builder = DocumentBuilder(limits.max_characters)
    problems: list[str] = []
    for number, line in enumerate(decode_bytes(data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested too deep"
            problems.append(f"line {number} is not valid JSON ({reason})")
            continue
        if isinstance(record, str):
            record = {"text": record}
        if not isinstance(record, dict):
            problems.append(f"line {number} is no JSON object")
            continue
        add_record(builder, record)
    if problems:
        more = f" and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        raise UnreadableDocument("; ".join(problems[:PROBLEMS_SHOWN]) + more + ": correct the file, nothing of it was taken")
    return builder.build(PurePosixPath(name).stem, "application/jsonl")


def add_record(builder: DocumentBuilder, record: dict[str, Any]) -> None:
    """Add an object: its title as a heading, its text, its other fields as a row."""
    fields = {key: _text(value) for key, value in record.items()}
    title = next((key for key in TITLE_FIELDS if fields.get(key)), None)
    if title:
        builder.add("heading", single_spaced(fields.pop(title)), 1)
    bodies = [key for key in BODY_FIELDS if fields.get(key)]
    if not bodies and not title:
        bodies = [key for key, value in fields.items() if isinstance(record[key], str) and len(value.split()) >= 8]
    for key in bodies:
        for paragraph in tidy_lines(fields.pop(key)).split("\n\n"):
            builder.add("paragraph", paragraph)
    builder.new_group()
    builder.add("table_row", " | ".join(f"{key}: {single_spaced(value)}" for key, value in fields.items() if value.strip()))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return repair_text(value)
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        return ", ".join(_text(item) if isinstance(item, str) else str(item) for item in value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)
