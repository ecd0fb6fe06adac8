"""Exporting datasets to folders that other tools read, and importing such folders and files.

```
FOLDER/train.jsonl, validation.jsonl, test.jsonl, README.md        (.json, .parquet by format)
FOLDER/data/train-00000-of-00001.parquet, …, README.md             huggingface: datasets.load_dataset(FOLDER)
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from doyen.annotation.exchange.huggingface import rows as table_rows
from doyen.annotation.exchange.record_files import RecordFile, json_objects, listed
from doyen.core.errors import InputError, RecordError
from doyen.core.files import new_folder, write_text_atomic
from doyen.core.records import Pair, without_nulls
from doyen.finetune.dataset.card import card_text
from doyen.finetune.dataset.dataset_formats import Row, get_format
from doyen.finetune.dataset.missing_values import complete_rows
from doyen.finetune.dataset.stored import CARD, PARTS, Dataset

README = "README.md"
MARK = "doyen-dataset"
"""In the card of what we exported, so that nothing else is overwritten."""
PART_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
              "dev": "validation", "test": "test"}  # fmt: skip
"""Names that other tools give the parts."""
TABLES = (".parquet", ".arrow")


@dataclass(frozen=True)
class Imported:
    """Rows of other tools' files.

    Attributes:
        parts: part of each pair by its id; empty where the files name none.
        missing: what was missing, and by which rule it was filled.
        dropped: columns that pairs have no place for, with how many rows had them.
    """

    pairs: list[Pair]
    parts: dict[str, str]
    missing: list[dict[str, Any]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)


def export_dataset(dataset: Dataset, folder: Path, format_name: str) -> dict[str, int]:
    """Write a dataset as a folder with its card; an earlier export there is replaced, any other folder is left alone.

    Returns:
        Rows by part.

    Raises:
        InputError: the format is not known, or the folder is something else already.
    """
    chosen = get_format(format_name)
    _require_free(folder)
    counts = {}
    with new_folder(folder) as target:
        for part in PARTS:
            if pairs := getattr(dataset, part):
                path = target / _file_of(part, format_name, chosen.suffix)
                path.parent.mkdir(exist_ok=True)
                chosen.write(path, [chosen.to_row(pair) for pair in pairs])
                counts[part] = len(pairs)
        write_text_atomic(target / README, _readme(dataset, format_name, counts))
    return counts


def import_rows(path: Path, format_name: str = "", *, missing_response: str = "fail") -> Imported:
    """Read a file, or a folder with a file for each part, in any of the formats; all rows or none.

    Args:
        format_name: empty tells it from the rows.
        missing_response: what to do about rows without a response (``dataset.missing_response``).

    Raises:
        InputError: there is nothing to read, or the format is not known.
        RecordError: broken rows, each named (the first ten).
    """
    pairs: list[Pair] = []
    parts: dict[str, str] = {}
    missing: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    problems: list[str] = []
    files = _files(path)
    for part, file in files:
        rows = list(_rows(file, problems))
        name = format_name or _told(rows)
        given, noted = complete_rows(map(get_format(name).from_row, rows), missing_response)
        missing.update({entry["field"]: entry["rows"] for entry in noted})
        for number, row in enumerate(given, start=1):
            pair = _pair(row, f"{file.name}, row {number}", problems, dropped)
            if pair is not None:
                pairs.append(pair)
                if part and len(files) > 1:
                    parts[pair.id] = part
    _require_whole(path, pairs, problems)
    noted = [{"field": name, "rows": count, "rule": missing_response} for name, count in missing.items()]
    return Imported(pairs, parts, noted, dict(sorted(dropped.items())))


def _file_of(part: str, format_name: str, suffix: str) -> Path:
    return Path("data", f"{part}-00000-of-00001{suffix}") if format_name == "huggingface" else Path(f"{part}{suffix}")


def _readme(dataset: Dataset, format_name: str, counts: dict[str, int]) -> str:
    """Return the card; for the Hub's tools with what they look for at its head."""
    path = dataset.folder / CARD
    card = path.read_text(encoding="utf-8") if path.is_file() else card_text(dataset.manifest)
    head = [f"<!-- {MARK} {dataset.dataset_id} {format_name} -->"]
    if format_name == "huggingface":
        files = [f"  - split: {part}\n    path: data/{part}-*" for part in counts]
        head = ["---", "configs:", "- config_name: default", "  data_files:", *files, "---", *head]
    return "\n".join([*head, "", card])


def _require_free(folder: Path) -> None:
    readme = folder / README
    ours = readme.is_file() and MARK in readme.read_text(encoding="utf-8", errors="replace")
    if folder.exists() and not ours and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} exists and is no earlier export: name a new folder")


def _files(path: Path) -> list[tuple[str, Path]]:
    """Return the files of rows with the part that each is named after, empty for one that is named after none."""
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    files = [file for file in found if file.suffix in {".jsonl", ".json", *TABLES} and _is_rows(file)]
    if not files:
        raise InputError(f"{path} holds no .jsonl, .json, .parquet or .arrow file: name an exported dataset or a file of rows")
    return sorted(((_part_of(path, file), file) for file in files), key=lambda item: ([*PARTS, ""].index(item[0]), item[1]))


def _is_rows(file: Path) -> bool:
    return file.name not in {"manifest.json", "masked.jsonl", "dataset_info.json", "state.json", "dataset_dict.json"}


def _part_of(root: Path, file: Path) -> str:
    name = file.parent.name if file.suffix == ".arrow" and file.parent != root else file.stem.split("-")[0]
    return PART_NAMES.get(name.lower(), "")


def _rows(file: Path, problems: list[str]) -> Iterator[Row]:
    record_file = RecordFile(file)
    source = table_rows(record_file) if file.suffix in TABLES else json_objects(record_file)
    for _, row in source:
        yield row
    problems += record_file.problems


def _told(rows: list[Row]) -> str:
    """Return the format that rows are in, by their columns."""
    return "alpaca" if rows and {"instruction", "output"} <= rows[0].keys() else "jsonl"


def _pair(row: Row, where: str, problems: list[str], dropped: Counter[str]) -> Pair | None:
    """Return the pair of a row; columns that pairs do not have are counted."""
    known = {*Pair.model_fields, "messages", "conversations", "conversation"}
    given = {name: value for name, value in without_nulls(row).items() if name in known}
    dropped.update(name for name in without_nulls(row) if name not in known)
    if "messages" not in given and "conversations" not in given and "conversation" not in given and "id" not in given:
        given["id"] = where
    try:
        return Pair.model_validate(given)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'row'}: {item['msg']}" for item in error.errors())
        problems.append(f"{where}: {said}")
        return None


def _require_whole(path: Path, pairs: list[Pair], problems: list[str]) -> None:
    twice = [name for name, count in Counter(pair.id for pair in pairs).items() if count > 1]
    problems += [f"id {name!r} is used more than once" for name in twice]
    if problems:
        raise RecordError(f"{path}: {len(problems)} broken rows, nothing was imported:\n{listed(problems, len(problems))}")
    if not pairs:
        raise InputError(f"{path} holds no rows")
