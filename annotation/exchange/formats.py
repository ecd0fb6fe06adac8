"""The table of file formats. Each is a module that parses and writes its records, and one entry here.

Both directions stream: memory does not grow with the number of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.annotation.exchange import (
    conll,
    conllu,
    doccano_jsonl,
    huggingface,
    labelbox,
    sagemaker,
    spacy,
    spreadsheet,
)
from doyen.annotation.exchange import label_studio_json as ls_json
from doyen.annotation.exchange import label_studio_min as ls_min
from doyen.annotation.exchange.record_files import Losses, RecordFile, json_lines, json_objects, listed
from doyen.annotation.type_table import TASK_TYPES, types_of
from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Entities,
    Label,
    LabelError,
    LabelledText,
    PromptResponse,
    Tags,
)
from doyen.core.errors import InputError, NotFoundError, RecordError
from doyen.core.text import is_blank, is_encodable

NO_TEXTS: tuple[type[Label], ...] = (Classes, Entities, Coreference, Tags)
NO_MARKS: tuple[type[Label], ...] = (Classes, PromptResponse)
EVERY: tuple[type[Label], ...] = (*NO_TEXTS, PromptResponse)


@dataclass(frozen=True)
class Format:
    """A way to write labels into a file or folder, and to read them back.

    Attributes:
        name: its name in commands.
        labels: the classes of labels that it can carry; the task types follow from them (``kinds``).
        expected: what such a file holds, for the message about one without a label.
        records: yields the records of a file with their numbers, and rejects what is none.
        parse: ``parse(record, kind, losses)`` yields the labels in a record; raises LabelError where it cannot be read.
        save: ``save(labels, path, losses)`` writes valid labels, whole or not at all; None: the format is only read.
    """

    name: str
    labels: tuple[type[Label], ...]
    expected: str
    records: Callable[[RecordFile], Iterator[tuple[int, Any]]]
    parse: Callable[[Any, str, Losses], Iterable[LabelledText]]
    save: Callable[[Iterator[LabelledText], Path, Losses], None] | None = None

    def read(self, path: Path, kind: str, losses: Losses) -> Iterator[LabelledText]:
        """Yield the labels of a file in its order, before its end is known to be sound (``read_labels`` checks all first).

        Raises:
            InputError: there is no such file, or no label in it.
            RecordError: at the end, broken records: each named with its line (the first ten).
        """
        file = RecordFile(path)
        labels = 0
        for number, record in self.records(file):
            try:
                found = list(self.parse(record, kind, losses))
            except LabelError as error:
                file.reject(number, "; ".join(error.problems))
                continue
            for label in found:
                if problems := problems_of(label):
                    file.reject(number, "; ".join(problems))
                else:
                    labels += 1
                    yield label
        if file.broken:
            listing = listed(file.problems, file.broken)
            raise RecordError(f"{path}: {file.broken} broken record(s), nothing was imported:\n{listing}")
        if not labels:
            raise InputError(f"{path} holds no labels: expected {self.expected}")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The task types whose labels it can carry."""
        return types_of(*self.labels)

    @property
    def writes(self) -> bool:
        """Whether it can be written, or only read."""
        return self.save is not None

    def write(self, labels: Iterable[LabelledText], path: Path, losses: Losses) -> None:
        """Write labels of one task type, whole or not at all.

        Raises:
            InputError: the format is only read.
            LabelError: a label contradicts its text or itself, or is of a type that the format cannot carry.
        """
        if self.save is None:
            raise InputError(f"labels cannot be written as {self.name}: it is a format to import from")
        self.save(self._checked(labels), path, losses)

    def _checked(self, labels: Iterable[LabelledText]) -> Iterator[LabelledText]:
        first: type | None = None
        for item in labels:
            found = type(item.label)
            first = first or found
            problems = problems_of(item)
            if found not in self.labels:
                problems.append(f"labels of type {found.__name__} cannot be written in this format")
            elif found is not first:
                problems.append(f"it is of type {found.__name__} among labels of type {first.__name__}: write one type a file")
            if problems:
                raise LabelError([f"item {item.item_id!r}: {problem}" for problem in problems])
            yield item


FORMATS = {
    entry.name: entry
    for entry in (
        Format("label-studio", EVERY, ls_json.EXPECTED, json_objects, ls_json.read_task, ls_json.write),
        Format("label-studio-min", EVERY, ls_min.EXPECTED, json_objects, ls_min.read_row, ls_min.write),
        Format("doccano", EVERY, doccano_jsonl.EXPECTED, json_lines, doccano_jsonl.read_row, doccano_jsonl.write),
        Format("labelbox", EVERY, labelbox.EXPECTED, json_lines, labelbox.read_row, labelbox.write),
        Format("conll", (Entities,), conll.EXPECTED, conll.sentences, conll.read_sentence, conll.write),
        Format("conllu", (Tags,), conllu.EXPECTED, conllu.sentences, conllu.read_sentence, conllu.write),
        Format("spacy", NO_TEXTS, spacy.EXPECTED, json_lines, spacy.read_row, spacy.write),
        Format("huggingface", EVERY, huggingface.EXPECTED, huggingface.rows, huggingface.read_row, huggingface.write),
        Format("csv", NO_MARKS, spreadsheet.EXPECTED, spreadsheet.table_rows, spreadsheet.read_row, spreadsheet.write),
        Format("sagemaker", (Classes, Entities), sagemaker.EXPECTED, json_lines, sagemaker.read_row),
    )
}


def get_format(name: str, kind: str, *, to_write: bool = False) -> Format:
    """Return the format of that name, which can carry labels of that task type.

    Raises:
        NotFoundError: there is no such format or task type.
        InputError: the format cannot carry the type, or cannot be written.
    """
    if name not in FORMATS:
        raise NotFoundError(f"there is no format {name!r}: known ones are {', '.join(sorted(FORMATS))}")
    if kind not in TASK_TYPES:
        raise NotFoundError(f"there is no task type {kind!r}: known ones are {', '.join(TASK_TYPES)}")
    found = FORMATS[name]
    able = ", ".join(sorted(other.name for other in FORMATS.values() if kind in other.kinds and (other.writes or not to_write)))
    if kind not in found.kinds:
        raise InputError(f"{name} cannot carry labels of type {kind}: use {able}")
    if to_write and not found.writes:
        raise InputError(f"labels cannot be written as {name}, which is a format to import from: use {able}")
    return found


def read_labels(path: Path, name: str, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the labels of a file, after a first reading that makes sure that every record of it is sound.

    Raises:
        NotFoundError, InputError: as ``get_format``; or there is no such file, or no label in it.
        RecordError: broken records, each named with its line (the first ten); then no label is yielded.
    """
    found = get_format(name, kind)
    for _ in found.read(path, kind, Losses()):
        pass
    yield from found.read(path, kind, losses)


def problems_of(item: LabelledText) -> list[str]:
    """Return everything that is wrong with a label; empty when it is valid."""
    problems = ["it has no id"] if is_blank(item.item_id) else []
    if not is_encodable(item.text):
        problems.append("the text holds half of a surrogate pair: it was cut in UTF-16 units")
    return [*problems, *item.label.problems(item.text)]
