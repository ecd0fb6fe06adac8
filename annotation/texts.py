"""Plain texts to label: what people classify is often no document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.annotation.exchange.record_files import RecordFile, json_lines, listed
from doyen.annotation.exchange.spreadsheet import table_rows
from doyen.core.errors import InputError, RecordError
from doyen.core.records import identifier
from doyen.core.text import is_blank

TEXT, ID = "text", "id"


@dataclass(frozen=True)
class PlainText:
    """A text to label.

    Attributes:
        id: the file's own, or the line's number.
        file: name of the file that it came from.
    """

    text: str
    id: str
    file: str


def read_texts(path: Path) -> list[PlainText]:
    """Read texts from a JSONL file with the key ``text``, or a CSV file with the column ``text``; ``id`` may be there, too.

    Raises:
        InputError: the file cannot be read, is no .jsonl or .csv, or holds no text.
        RecordError: broken lines, each named with its number (the first ten); then nothing is read.
    """
    readers = {".jsonl": json_lines, ".csv": table_rows}
    kind = path.suffix.lower()
    if kind not in readers:
        raise InputError(f"{path} is neither .jsonl nor .csv: give texts one a line as JSON, or as a CSV table")
    if not path.is_file():
        raise InputError(f"{path} cannot be read (there is no such file): check the path")
    file = RecordFile(path)
    found: list[PlainText] = []
    for number, row in readers[kind](file):
        if kind == ".csv" and TEXT not in row:
            raise InputError(f"{path} has no column {TEXT!r}, but {', '.join(row)}: name the column with the texts {TEXT!r}")
        if problem := _problem(row):
            file.reject(number, problem)
        else:
            given = row.get(ID)
            found.append(PlainText(row[TEXT], str(number if given in (None, "") else identifier(given)), path.name))
    if file.broken:
        raise RecordError(f"{path}: {file.broken} broken line(s), no task was made:\n{listed(file.problems, file.broken)}")
    if not found:
        raise InputError(f"{path} holds no texts: expected one a line, under {TEXT!r}")
    return found


def _problem(row: dict[str, Any]) -> str:
    """Return why a record gives no text; empty where it gives one."""
    if TEXT not in row:
        return f"there is no {TEXT!r} among {', '.join(row) or 'no keys'}"
    if not isinstance(row[TEXT], str):
        return f"{TEXT!r} is no string"
    return f"{TEXT!r} is empty" if is_blank(row[TEXT]) else ""
