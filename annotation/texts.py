"""Plain texts to label: what people classify is often no document."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.annotation.exchange.record_files import listed, parse_object
from doyen.annotation.types.typed_labels import LabelError
from doyen.core.errors import InputError, RecordError
from doyen.core.records import identifier
from doyen.core.text import is_blank

TEXT, ID = "text", "id"
_WIDEST_FIELD = 16 * 1024 * 1024


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
    readers = {".jsonl": _json_lines, ".csv": _csv_rows}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} is neither .jsonl nor .csv: give texts one a line as JSON, or as a CSV table")
    found: list[PlainText] = []
    problems: list[str] = []
    try:
        for number, record in readers[path.suffix.lower()](path):
            try:
                row = parse_object(record) if isinstance(record, str) else record
                text, given = _text_in(row), row.get(ID)
            except LabelError as error:
                problems.append(f"line {number}: {error}")
            else:
                found.append(PlainText(text, str(number if given in (None, "") else identifier(given)), path.name))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path} is no CSV table ({error})") from error
    if problems:
        raise RecordError(f"{path}: {len(problems)} broken line(s), no task was made:\n{listed(problems, len(problems))}")
    if not found:
        raise InputError(f"{path} holds no texts: expected one a line, under {TEXT!r}")
    return found


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        yield from ((number, line) for number, line in enumerate(stream, start=1) if line.strip())


def _csv_rows(path: Path) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(_WIDEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        if TEXT not in (reader.fieldnames or []):
            columns = ", ".join(reader.fieldnames or []) or "none"
            raise InputError(f"{path} has no column {TEXT!r}, but {columns}: name the column with the texts {TEXT!r}")
        for row in reader:
            yield reader.line_num, row


def _text_in(row: dict[str, Any]) -> str:
    """Return the text of a record. Raises LabelError."""
    if TEXT not in row:
        raise LabelError([f"there is no {TEXT!r} among {', '.join(map(str, row)) or 'no keys'}"])
    text = row[TEXT]
    if not isinstance(text, str):
        raise LabelError([f"{TEXT!r} is no string"])
    if is_blank(text):
        raise LabelError([f"{TEXT!r} is empty"])
    return text
