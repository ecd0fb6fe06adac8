"""Reading and writing line by line: numbered lines, broken ones collected, whole files or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doyen.annotation.exchange.label_checks import encodable, problems_of
from doyen.annotation.types.typed_labels import LabelError, LabelledText
from doyen.core.errors import InputError, RecordError
from doyen.core.files import open_atomic

SHOWN = 10
_DECODER, _ENCODER = json.JSONDecoder(parse_constant=lambda _: None), json.JSONEncoder(ensure_ascii=False)
"""Made once: making them takes as long as a line."""

Row = dict[str, Any]


@dataclass
class Intake:
    """One reading of one file: how many labels it gave, and what is broken.

    Attributes:
        unit: what is counted: lines, or rows where a file has no lines.
        shown: the first ten problems, each with its line.
    """

    path: Path
    unit: str = "line"
    labels: int = 0
    broken: int = 0
    shown: list[str] = field(default_factory=list)

    def reject(self, line: int, reason: str) -> None:
        """Note a broken record by the line on which it starts."""
        self.broken += 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"{self.path.name}, {self.unit} {line}: {reason}")

    def take(self, line: int, read: Callable[..., Iterable[LabelledText]], *record: Any) -> Iterator[LabelledText]:
        """Yield the labels that ``read`` finds in a record, each checked; a broken one is noted and passed over."""
        try:
            labels = list(read(*record))
        except LabelError as error:
            self.reject(line, "; ".join(error.problems))
            return
        for label in labels:
            if problems := problems_of(label):
                self.reject(line, "; ".join(problems))
                continue
            self.labels += 1
            yield label

    def finish(self, expected: str) -> None:
        """Say at the end of the file what was wrong.

        Raises:
            RecordError: records are broken.
            InputError: there was no label at all; ``expected`` says what one looks like.
        """
        if self.broken:
            listed = "\n".join(f"  - {problem}" for problem in self.shown)
            more = f"\n  … and {self.broken - SHOWN} more" if self.broken > SHOWN else ""
            raise RecordError(f"{self.path}: {self.broken} broken record(s), nothing was imported:\n{listed}{more}")
        if not self.labels:
            raise InputError(f"{self.path} holds no labels: expected {expected}")


def text_lines(intake: Intake) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a UTF-8 file without the line ends; a byte order mark is passed over.

    Only LF and CR LF end a line, because JSON may hold the other separators. Undecodable lines are noted and left out.

    Raises:
        InputError: there is no such file.
    """
    with open_input(intake.path) as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                intake.reject(number, f"not UTF-8 (byte {error.start} of the line): save the file as UTF-8")
                continue
            yield number, line.removesuffix("\n").removesuffix("\r")


def open_input(path: Path) -> Any:
    """Open a file for reading bytes. Raises InputError where there is none."""
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the file in it")
    return path.open("rb")


def read_objects(
    path: Path, parse: Callable[[Row], Iterable[LabelledText]], expected: str = "one JSON object a line"
) -> Iterator[LabelledText]:
    """Yield the labels that ``parse`` finds in each object of a JSONL file.

    ``parse`` raises LabelError for an object that it cannot read.

    Raises:
        InputError, RecordError: as ``Format.read`` does.
    """

    def read(line: str) -> Iterable[LabelledText]:
        return parse(parse_object(line))

    intake = Intake(path)
    for number, line in text_lines(intake):
        if line.strip():
            yield from intake.take(number, read, line)
    intake.finish(expected)


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
    if "\\ud" in line.lower() and not encodable(json.dumps(value, ensure_ascii=False)):
        raise LabelError(["half of a surrogate pair (\\ud800 to \\udfff alone): the file was cut in UTF-16 units"])
    return value


def write_objects(path: Path, rows: Iterable[Row]) -> None:
    """Write a JSONL file, whole or not at all."""
    with open_atomic(path) as stream:
        for row in rows:
            stream.write(json_line(row))


def json_line(row: Row) -> bytes:
    """Return an object as a line of JSON in UTF-8."""
    return (_ENCODER.encode(row) + "\n").encode("utf-8")
