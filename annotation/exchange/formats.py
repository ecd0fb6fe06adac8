"""The table of file formats. Each is a module that parses and writes its records, and one entry here.

Both directions stream: memory does not grow with the number of labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
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
from doyen.annotation.exchange.columns import CLASS_KINDS
from doyen.annotation.exchange.record_files import Losses, RecordFile, encodable, json_lines, json_objects, listed
from doyen.annotation.types.descriptions import TYPE_NAMES, TypeName
from doyen.annotation.types.typed_labels import (
    LABEL_TYPES,
    MAX_RATING,
    Classes,
    LabelError,
    LabelledText,
    Marks,
    PromptResponse,
    Tags,
)
from doyen.core.errors import InputError, NotFoundError, RecordError
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank

NO_TEXTS = tuple(name for name in TYPE_NAMES if name != TypeName.PROMPT_RESPONSE)
NO_MARKS = (*CLASS_KINDS, TypeName.PROMPT_RESPONSE)


@dataclass(frozen=True)
class Format:
    """A way to write labels into a file or folder, and to read them back.

    Attributes:
        name: its name in commands.
        kinds: the task types that it can carry.
        expected: what such a file holds, for the message about one without a label.
        records: yields the records of a file with their numbers, and rejects what is none.
        parse: ``parse(record, kind, losses)`` yields the labels in a record; raises LabelError where it cannot be read.
        save: ``save(labels, path, losses)`` writes valid labels, whole or not at all; None: the format is only read.
    """

    name: str
    kinds: tuple[str, ...]
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
            if found not in {LABEL_TYPES[kind] for kind in self.kinds}:
                problems.append(f"labels of type {found.__name__} cannot be written in this format")
            elif found is not first:
                problems.append(f"it is of type {found.__name__} among labels of type {first.__name__}: write one type a file")
            if problems:
                raise LabelError([f"item {item.item_id!r}: {problem}" for problem in problems])
            yield item


FORMATS = {
    entry.name: entry
    for entry in (
        Format("label-studio", TYPE_NAMES, ls_json.EXPECTED, json_objects, ls_json.read_task, ls_json.write),
        Format("label-studio-min", TYPE_NAMES, ls_min.EXPECTED, json_objects, ls_min.read_row, ls_min.write),
        Format("doccano", TYPE_NAMES, doccano_jsonl.EXPECTED, json_lines, doccano_jsonl.read_row, doccano_jsonl.write),
        Format("labelbox", TYPE_NAMES, labelbox.EXPECTED, json_lines, labelbox.read_row, labelbox.write),
        Format("conll", (TypeName.ENTITIES,), conll.EXPECTED, conll.sentences, conll.read_sentence, conll.write),
        Format("conllu", (TypeName.POS,), conllu.EXPECTED, conllu.sentences, conllu.read_sentence, conllu.write),
        Format("spacy", NO_TEXTS, spacy.EXPECTED, json_lines, spacy.read_row, spacy.write),
        Format("huggingface", TYPE_NAMES, huggingface.EXPECTED, huggingface.rows, huggingface.read_row, huggingface.write),
        Format("csv", NO_MARKS, spreadsheet.EXPECTED, spreadsheet.table_rows, spreadsheet.read_row, spreadsheet.write),
        Format("sagemaker", (*CLASS_KINDS, TypeName.ENTITIES), sagemaker.EXPECTED, json_lines, sagemaker.read_row),
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
    if kind not in TYPE_NAMES:
        raise NotFoundError(f"there is no task type {kind!r}: known ones are {', '.join(TYPE_NAMES)}")
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
    if not encodable(item.text):
        problems.append("the text holds half of a surrogate pair: it was cut in UTF-16 units")
    match item.label:
        case PromptResponse():
            problems += _prompt_problems(item.label, item.text)
        case Classes():
            problems += ["a class has no name"] if any(map(is_blank, item.label.labels)) else []
            problems += [f"class {name!r} is given twice" for name in _repeated(item.label.labels)]
        case Marks():
            problems += _span_problems(item.label, len(item.text))
    return problems


def _span_problems(label: Marks, length: int) -> Iterator[str]:
    regions = label.regions
    for region in regions:
        where = f"{region.start} to {region.end}"
        if not 0 <= region.start < region.end <= length:
            yield f"{region.label!r} at {where} lies outside the text of {length} characters"
        if is_blank(region.label):
            yield f"the stretch {where} has no label"
    yield from (f"the id {name!r} stands for several stretches" for name in _repeated(region.id for region in regions))
    known = {region.id for region in regions}
    for relation in label.relations:
        for name in (relation.head, relation.tail):
            if name not in known:
                yield f"relation {relation.label!r} names the stretch {name!r}, which is not there"
    for before, after in pairwise(regions) if isinstance(label, Tags) else ():
        if after.start < before.end:
            yield f"the tokens at {before.start} and {after.start} overlap or stand in the wrong order"


def _prompt_problems(label: PromptResponse, passage: str) -> Iterator[str]:
    if is_blank(label.prompt):
        yield "the prompt is empty"
    if is_blank(label.response):
        yield "the response is empty"
    if label.answerable != (label.response.strip() != REFUSAL):
        yield f"answerable is {label.answerable}, which contradicts the response"
    for span in label.evidence:
        if not 0 <= span.start < span.end <= len(passage):
            yield f"evidence {span.start} to {span.end} lies outside the passage of {len(passage)} characters"
        elif passage[span.start : span.end] != span.text:
            yield f"evidence {span.start} to {span.end} does not read {span.text[:40]!r} in the passage"
    if label.rating is not None and label.rating not in range(1, MAX_RATING + 1):
        yield f"the rating must be 1 to {MAX_RATING}, found {label.rating!r}"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
