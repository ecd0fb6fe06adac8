"""Reading and writing records: numbered lines and objects of a file, broken ones collected, whole files or none.

What of the records a conversion cannot carry is counted (``Losses``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from doyen.annotation.types.typed_labels import LabelError
from doyen.core.errors import InputError
from doyen.core.files import open_atomic
from doyen.core.text import is_encodable

Row = dict[str, Any]
SHOWN = 10
CHUNK = 1 << 16
_DECODER, _ENCODER = json.JSONDecoder(parse_constant=lambda _: None), json.JSONEncoder(ensure_ascii=False)
"""Made once: making them takes as long as a line."""


@dataclass
class Losses:
    """What a conversion could not carry, counted.

    Attributes:
        fields: dropped parts of records, by name.
        records: whole records that were left out, by reason.
    """

    fields: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)

    def drop(self, name: str, times: int = 1) -> None:
        """Count a part of a record that is not carried; ``times`` 0 counts nothing."""
        if times:
            self.fields[name] += times

    def skip(self, reason: str) -> None:
        """Count a record that is left out."""
        self.records[reason] += 1

    def sentences(self) -> list[str]:
        """Return one line for each kind of loss, records first; empty when everything was carried."""
        left_out = [f"{count} records left out: {reason}" for reason, count in sorted(self.records.items())]
        dropped = [f"{count} × {name} not carried" for name, count in sorted(self.fields.items())]
        return left_out + dropped

    def as_json(self) -> dict[str, Any]:
        """Return the counts as plain dictionaries."""
        return {"fields": dict(sorted(self.fields.items())), "records": dict(sorted(self.records.items()))}


@dataclass
class RecordFile:
    """One reading of one file: what is broken in it.

    Attributes:
        unit: what is counted: lines, or items or rows where a file has no lines.
        problems: the first ten, each with its line.
    """

    path: Path
    unit: str = "line"
    broken: int = 0
    problems: list[str] = field(default_factory=list)

    def reject(self, number: int, reason: str) -> None:
        """Note a broken record by the line on which it starts."""
        self.broken += 1
        if len(self.problems) < SHOWN:
            self.problems.append(f"{self.path.name}, {self.unit} {number}: {reason}")


def listed(problems: list[str], count: int) -> str:
    """Return the first problems as a list, and how many more there are."""
    more = f"\n  … and {count - SHOWN} more" if count > SHOWN else ""
    return "\n".join(f"  - {problem}" for problem in problems[:SHOWN]) + more


def open_input(path: Path) -> Any:
    """Open a file for reading bytes. Raises InputError where there is none."""
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the file in it")
    return path.open("rb")


def text_lines(file: RecordFile) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a UTF-8 file without the line ends; a byte order mark is passed over.

    Only LF and CR LF end a line, because JSON may hold the other separators. Undecodable lines are noted and left out.

    Raises:
        InputError: there is no such file.
    """
    with open_input(file.path) as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                file.reject(number, f"not UTF-8 (byte {error.start} of the line): save the file as UTF-8")
                continue
            yield number, line.removesuffix("\n").removesuffix("\r")


def json_lines(file: RecordFile) -> Iterator[tuple[int, Row]]:
    """Yield (number, object) of a file with a JSON object on each line. Raises InputError where there is no such file."""
    for number, line in text_lines(file):
        if line.strip():
            try:
                yield number, parse_object(line)
            except LabelError as error:
                file.reject(number, "; ".join(error.problems))


def json_objects(file: RecordFile) -> Iterator[tuple[int, Row]]:
    """Yield (number, object) of a file that is one JSON list or has an object on each line; memory holds one object.

    Raises:
        InputError: there is no such file.
    """
    with open_input(file.path) as stream:
        first = stream.read(CHUNK).decode("utf-8-sig", errors="replace").lstrip()[:1]
    if first != "[":
        yield from json_lines(file)
        return
    file.unit, number = "item", 0
    try:
        for number, value in enumerate(_elements(file.path), start=1):
            if isinstance(value, dict):
                yield number, value
            else:
                file.reject(number, f"expected a JSON object, found {type(value).__name__}")
    except (json.JSONDecodeError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        file.reject(number + 1, f"not valid JSON ({reason})")
    except UnicodeDecodeError as error:
        file.reject(number + 1, f"not UTF-8 ({error.reason}): save the file as UTF-8")


def parse_object(line: str) -> Row:
    """Return the JSON object on a line; NaN, which some tools write for a missing value, is read as null.

    Raises:
        LabelError: it is not JSON, or not an object.
    """
    try:
        value = _DECODER.decode(line)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise LabelError([f"not valid JSON ({reason})"]) from error
    if not isinstance(value, dict):
        raise LabelError([f"expected a JSON object, found {type(value).__name__}"])
    if "\\ud" in line.lower() and not is_encodable(json.dumps(value, ensure_ascii=False)):
        raise LabelError(["half of a surrogate pair (\\ud800 to \\udfff alone): the file was cut in UTF-16 units"])
    return value


def write_json_lines(path: Path, rows: Iterable[Row]) -> None:
    """Write an object on each line, the file whole or not at all."""
    with open_atomic(path) as stream:
        for row in rows:
            stream.write(json_line(row))


def write_json_list(path: Path, rows: Iterable[Row]) -> None:
    """Write a JSON list with an element on each line, whole or not at all."""
    with open_atomic(path) as stream:
        stream.write(b"[")
        for number, row in enumerate(rows):
            stream.write((b",\n" if number else b"\n") + json_line(row).rstrip(b"\n"))
        stream.write(b"\n]\n")


def json_line(row: Row) -> bytes:
    """Return an object as a line of JSON in UTF-8."""
    return (_ENCODER.encode(row) + "\n").encode("utf-8")


def _elements(path: Path) -> Iterator[Any]:
    """Yield the elements of a file that holds one JSON list. Raises JSONDecodeError and UnicodeDecodeError."""
    with TextIOWrapper(open_input(path), encoding="utf-8-sig", newline="") as stream:

        def next_sign(rest: str) -> str:
            """Return the rest from its first character that is no blank; empty at the end of the file."""
            while not (rest := rest.lstrip()) and (more := stream.read(CHUNK)):
                rest = more
            return rest

        rest, started = next_sign("")[1:], False
        while not (rest := next_sign(rest)).startswith("]"):
            if started and not rest.startswith(","):
                raise json.JSONDecodeError("expected a comma or the end of the list", rest[:80], 0)
            rest = next_sign(rest[1:]) if started else rest
            while True:
                try:
                    value, end = _DECODER.raw_decode(rest)
                    break
                except json.JSONDecodeError:
                    # The element may go on in the next part of the file; without one it is broken. Doubling keeps this linear.
                    if not (more := stream.read(max(CHUNK, len(rest)))):
                        raise
                    rest += more
            yield value
            rest, started = rest[end:], True
        if next_sign(rest[1:]):
            raise json.JSONDecodeError("something follows the list", rest[:80], 1)
