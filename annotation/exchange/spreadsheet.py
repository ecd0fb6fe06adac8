"""CSV (and TSV): classification, sentiment and prompt/response, one label a row.

Cells that a spreadsheet would run as a formula get an apostrophe in front (OWASP, "CSV Injection") and lose it when they
are read; a cell that starts with such an apostrophe gets another one, so that every text comes back as it was. Several
classes of one text stand as a JSON list in one cell.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, cast

from doyen.annotation.exchange.columns import OWN, details, json_cell, labelled, own_fields, prompt_response
from doyen.annotation.exchange.label_checks import checked
from doyen.annotation.exchange.label_format import CLASS_KINDS, Losses
from doyen.annotation.exchange.record_files import Intake, Row, open_input
from doyen.annotation.types.typed_labels import Classes, LabelError, LabelledText, PromptResponse
from doyen.core.errors import RecordError
from doyen.core.files import open_atomic
from doyen.core.text import is_blank

TEXTS = ("text", "sentence", "content", "utterance", "review", "body")
CLASSES = ("label", "labels", "category", "class", "sentiment", "intent")
PROMPTS = ("prompt", "question", "instruction")
RESPONSES = ("response", "answer", "output", "completion")
PASSAGES = ("passage", "context", "text")
JSON_CELLS = {"evidence": list, "quotes": list, "rating": int, "overrides": dict, "meta": dict}
DELIMITERS = ",;\t"
LONGEST_CELL = 10_000_000
_FORMULA = "[=+\\-@\t\r\n＝＋－＠]"
_DANGEROUS, _NEUTRALISED = re.compile(f"'*{_FORMULA}"), re.compile(f"'+{_FORMULA}")


class CsvFormat:
    """Implements ``Format``."""

    name = "csv"
    kinds = (*CLASS_KINDS, "prompt-response")
    writes = True

    def read(self, path: Path, kind: str, losses: Losses) -> Iterator[LabelledText]:
        """Yield the labels of a table with a header; the usual names of columns are known, others go into ``meta``."""
        intake = Intake(path)
        parse = _read_class if kind in CLASS_KINDS else _read_prompt
        csv.field_size_limit(LONGEST_CELL)
        with TextIOWrapper(open_input(path), encoding="utf-8-sig", newline="") as stream:
            try:
                for number, row in _rows(stream, intake):
                    yield from intake.take(number, parse, row, losses)
            except UnicodeDecodeError as error:
                raise RecordError(f"{path} is not UTF-8 (byte {error.start}): save it as 'CSV UTF-8'") from error
        intake.finish("a header with the columns text and label, or prompt and response, and one label a row")

    def write(self, labels: Iterable[LabelledText], path: Path, losses: Losses) -> None:
        """Write one row for each label; every cell is quoted, so that no text can end its cell."""
        items = checked(labels, Classes, PromptResponse)
        first = next(items, None)
        with open_atomic(path) as stream:
            text = TextIOWrapper(stream, encoding="utf-8", newline="")
            if first is not None:
                writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
                writer.writerow(_row(first))
                rows = map(_row, chain([first], items))
                writer.writerows([neutralise(cell) for cell in row.values()] for row in rows)
            text.flush()
            text.detach()


def neutralise(cell: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula; ``restore`` is the inverse."""
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def restore(cell: str) -> str:
    """Return what a neutralised cell said."""
    return cell[1:] if _NEUTRALISED.match(cell) else cell


def _row(item: LabelledText) -> dict[str, str]:
    if isinstance(item.label, PromptResponse):
        texts = {"passage": item.text, "prompt": item.label.prompt, "response": item.label.response}
        content: Row = {**texts, **details(item.label)}
    else:
        content = {"text": item.text, "label": _class_cell(cast(Classes, item.label).labels)}
    row = {"item_id": item.item_id, **content, **own_fields(item)}
    return {key: _cell(value) for key, value in row.items()}


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if value not in (None, [], {}) else ""


def _class_cell(labels: tuple[str, ...]) -> str:
    plain = len(labels) == 1 and not labels[0].startswith("[")
    return labels[0] if plain else json.dumps(labels, ensure_ascii=False)


def _rows(stream: TextIOWrapper, intake: Intake) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line on which it starts, row) of a table; rows of another length than the header are noted as broken."""
    header = stream.readline()
    delimiter = max(DELIMITERS, key=header.count)
    columns = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    start = 2
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            intake.reject(start, f"not a row of a table ({error})")
            return
        if cells is None:
            return
        if len(cells) == len(columns):
            yield start, {name: restore(cell) for name, cell in zip(columns, cells, strict=True)}
        elif cells:
            intake.reject(start, f"{len(cells)} cells under {len(columns)} columns")
        start = reader.line_num + 2


def _read_class(row: dict[str, str], losses: Losses) -> Iterator[LabelledText]:
    text, label = _column(row, TEXTS), _column(row, CLASSES)
    cell = row[label]
    if is_blank(cell):
        losses.skip("it has no label")
        return
    classes = json_cell(cell, label, list) if cell.startswith("[") else [cell]
    if not all(isinstance(name, str) for name in classes):
        raise LabelError([f"{label!r} must be a name or a JSON list of names, found {cell[:40]!r}"])
    yield labelled(_parsed(row), row[text], Classes(tuple(classes)), (text, label))


def _read_prompt(row: dict[str, str], losses: Losses) -> Iterator[LabelledText]:
    prompt, response = _column(row, PROMPTS), _column(row, RESPONSES)
    passage = next((name for name in PASSAGES if name in row), None)
    if is_blank(row[response]):
        losses.skip("it has no response")
        return
    parsed = _parsed(row)
    text = row[passage] if passage else ""
    label = prompt_response(row[prompt], row[response], text, parsed if _is_ours(row) else {})
    more = tuple(details(label)) if _is_ours(row) else ()
    yield labelled(parsed, text, label, (prompt, response, passage or "", *more))


def _parsed(row: dict[str, str]) -> Row:
    """Return a row of our own tables with its JSON cells as values; another tool's cells are texts."""
    if not _is_ours(row):
        return dict(row)
    values = {name: json_cell(row[name], name, kind) for name, kind in JSON_CELLS.items() if name in row}
    return {**row, **values}


def _is_ours(row: dict[str, str]) -> bool:
    return all(name in row for name in OWN)


def _column(row: dict[str, str], known: tuple[str, ...]) -> str:
    """Return the first of the known columns that the table has. Raises LabelError."""
    name = next((name for name in known if name in row), None)
    if name is None:
        raise LabelError([f"there is none of the columns {', '.join(known)}; the header has {', '.join(row) or 'nothing'}"])
    return name
