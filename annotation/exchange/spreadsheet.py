"""CSV (and TSV): classification, sentiment and prompt/response, one label a row.

Cells that a spreadsheet would run as a formula get an apostrophe in front (OWASP, "CSV Injection") and lose it when they
are read; a cell that starts with such an apostrophe gets another one, so that every text comes back as it was. Several
classes of one text stand as a JSON list in one cell.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, cast

from doyen.annotation.exchange import columns
from doyen.annotation.exchange.record_files import Losses, RecordFile, Row, open_input
from doyen.annotation.types.typed_labels import Classes, LabelledText, PromptResponse
from doyen.core.errors import RecordError
from doyen.core.files import open_atomic
from doyen.core.text import is_blank

EXPECTED = "a header with the columns text and label, or prompt and response, and one label a row"
DELIMITERS = ",;\t"
LONGEST_CELL = 10_000_000
_FORMULA = "[=+\\-@\t\r\n＝＋－＠]"
_DANGEROUS, _NEUTRALISED = re.compile(f"'*{_FORMULA}"), re.compile(f"'+{_FORMULA}")


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write one row for each label; every cell is quoted, so that no text can end its cell."""
    first = next(labels, None)
    with open_atomic(path) as stream:
        text = TextIOWrapper(stream, encoding="utf-8", newline="")
        if first is not None:
            writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(_row(first))
            rows = map(_row, chain([first], labels))
            writer.writerows([neutralise(_cell(value)) for value in row.values()] for row in rows)
        text.flush()
        text.detach()


def neutralise(cell: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula; ``restore`` is the inverse."""
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def restore(cell: str) -> str:
    """Return what a neutralised cell said."""
    return cell[1:] if _NEUTRALISED.match(cell) else cell


def _row(item: LabelledText) -> Row:
    if isinstance(item.label, PromptResponse):
        texts = {"passage": item.text, "prompt": item.label.prompt, "response": item.label.response}
        content: Row = {**texts, **columns.details(item.label)}
    else:
        classes = cast(Classes, item.label).labels
        plain = len(classes) == 1 and not classes[0].startswith("[")
        content = {"text": item.text, "label": classes[0] if plain else json.dumps(classes, ensure_ascii=False)}
    return {"item_id": item.item_id, **content, **columns.own_fields(item)}


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if value not in (None, [], {}) else ""


def table_rows(file: RecordFile) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line on which it starts, row) of a table; rows of another length than the header are noted as broken."""
    csv.field_size_limit(LONGEST_CELL)
    start = 1
    with TextIOWrapper(open_input(file.path), encoding="utf-8-sig", newline="") as stream:
        try:
            header = stream.readline()
            delimiter = max(DELIMITERS, key=header.count)
            columns = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
            reader, start = csv.reader(stream, delimiter=delimiter, strict=True), 2
            for cells in reader:
                if len(cells) == len(columns):
                    yield start, {name: restore(cell) for name, cell in zip(columns, cells, strict=True)}
                elif cells:
                    file.reject(start, f"{len(cells)} cells under {len(columns)} columns")
                start = reader.line_num + 2
        except csv.Error as error:
            file.reject(start, f"not a row of a table ({error})")
        except UnicodeDecodeError as error:
            raise RecordError(f"{file.path} is not UTF-8 (byte {error.start}): save it as 'CSV UTF-8'") from error


def read_row(row: dict[str, str], kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the label of a row; the usual names of columns are known, others go into ``meta``. Raises LabelError."""
    classes = kind in columns.CLASS_KINDS
    name = columns.column_of(row, columns.CLASSES if classes else columns.RESPONSES)
    if is_blank(row[name]):
        losses.skip(columns.UNLABELLED if classes else "it has no response")
        return
    values = columns.own_values(row)
    if classes and row[name].startswith("["):
        values = values | {name: columns.json_cell(row[name], name, list)}
    yield from columns.read_text_row(values, kind, losses)
