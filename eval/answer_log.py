"""The answers of an evaluation as a JSONL file that survives being killed: what was answered is never asked again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.answers import Answer
from doyen.core.errors import storage_errors
from doyen.core.files import write_text_atomic
from doyen.core.locks import hold


@dataclass(frozen=True, kw_only=True)
class AnswerRecord(Answer):
    """An answer as one line of answers.jsonl.

    Attributes:
        key: fingerprint of all that shapes the answer: question, mode, model, index, adapter, prompts, settings.
        id: the question's id.
    """

    key: str
    id: str

    @classmethod
    def of(cls, key: str, question_id: str, answer: Answer) -> AnswerRecord:
        """Return the record of an assistant's answer."""
        return cls(key=key, id=question_id, **vars(answer))

    def to_line(self) -> str:
        """Return the record as one line of JSON, line end included."""
        return json.dumps(self.to_json(), ensure_ascii=False) + "\n"


class JsonLines:
    """An append-only file of JSON objects, each with a ``key``. The last line may have been torn by a crash."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the lines by key, later ones winning, and cut off what follows the last whole line."""
        if not self._path.exists():
            return {}
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._path, len(whole))
        found: dict[str, dict[str, Any]] = {}
        for line in whole.splitlines():
            try:
                item = json.loads(line)
            except ValueError:
                continue  # a block that the disk lost in a crash: the question is asked again
            if isinstance(item, dict) and "key" in item:
                found[item["key"]] = item
        return found

    @contextmanager
    def appending(self) -> Iterator[Appender]:
        """Open the file for more lines; each is handed to the operating system at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            yield Appender(stream)


class Appender:
    """Writes lines, flushing each."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        """Append a line, its end included.

        Raises:
            StorageError: the disk is full.
        """
        with storage_errors("writing an answer"):
            self._stream.write(line)
            self._stream.flush()


def read_answers(path: Path) -> dict[str, AnswerRecord]:
    """Return the answers of an earlier run by key; lines of another format are left out and asked again."""
    records: dict[str, AnswerRecord] = {}
    for key, item in JsonLines(path).read().items():
        try:
            records[key] = AnswerRecord.from_json(item)
        except ValueError:
            continue
    return records


def write_answers(path: Path, records: Iterable[AnswerRecord]) -> None:
    """Replace the file by exactly these answers."""
    with storage_errors("writing the answers"):
        write_text_atomic(path, "".join(record.to_line() for record in records))


@contextmanager
def evaluation_lock(folder: Path) -> Iterator[None]:
    """Hold an evaluation's folder; two processes that append to one file would mix their answers.

    Raises:
        Busy: another evaluation writes there.
    """
    refusal = f"{{holder}} is writing to {folder}: wait for it, or choose another --out"
    with hold(folder / ".lock", "an evaluation", refusal):
        yield
