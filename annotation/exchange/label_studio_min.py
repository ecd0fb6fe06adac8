"""Label Studio's export "JSON-MIN": one flat object an annotation.

JSON-MIN has no place for relations and ids; ours stand under ``relations``, by the numbers of the marks. What a server
exports as JSON-MIN has lost them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doyen.annotation.exchange.columns import objects
from doyen.annotation.exchange.label_studio_json import data_of, read_label
from doyen.annotation.exchange.record_files import Losses, Row, write_json_list
from doyen.annotation.labelstudio.regions import Result
from doyen.annotation.type_table import TASK_TYPES, entry_of, label_type
from doyen.annotation.types.typed_labels import LabelError, LabelledText, PromptResponse

EXPECTED = "a list of objects, one for each annotation"
AFTER = ("annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")
"""What stands after the fields that people filled in; before them stand the task's data and its ``id``."""
RELATIONS, OVERRIDES = "relations", "overrides"


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write one object for each label."""
    write_json_list(path, map(_row, labels))


def _row(item: LabelledText) -> Row:
    filled: Row = {}
    numbers: dict[str, int] = {}
    links: list[Row] = []
    overrides: Row = {}
    for region in entry_of(item.label).write(item.label, item.text, item.item_id):
        if region["type"] == "relation":
            links.append({"from": numbers[region["from_id"]], "to": numbers[region["to_id"]], "labels": region["labels"]})
            continue
        numbers[region["id"]] = len(numbers)
        filled.setdefault(region["from_name"], []).append(region["value"])
        overrides |= region.get("meta", {}).get("pair", {})
    content = {name: _content(values) for name, values in filled.items()}
    extra = ({RELATIONS: links} if links else {}) | ({OVERRIDES: overrides} if overrides else {})
    end = {"annotator": item.annotator, "created_at": item.created_at, "updated_at": item.created_at}
    return {**data_of(item), "id": item.item_id, **content, **extra, **end}


def _content(values: list[Row]) -> Any:
    """Return what a field holds: names and texts bare where they stand alone."""
    bare: list[list[str]] = [
        value["choices"] if "choices" in value else value["text"] for value in values if not value.keys() & {"labels", "rating"}
    ]
    if not bare:
        return values
    plain = [entries[0] if len(entries) == 1 else value for entries, value in zip(bare, values, strict=True)]
    return plain[0] if len(plain) == 1 else plain


def read_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the label of an object, turned back into data and regions. Raises LabelError."""
    ours = row.get("uid") is not None
    filled = _filled_fields(row, kind)
    result = [region for name in filled for region in _regions(name, row[name], kind)]
    if ours:
        result += _relations(row, [region for region in result if region["type"] == "labels"])
        if isinstance(row.get(OVERRIDES), dict):
            result = [{**r, "meta": {"pair": row[OVERRIDES]}} if r.get("from_name") == "prompt" else r for r in result]
    read = {*filled, *AFTER, "id", *((RELATIONS, OVERRIDES) if ours else ())}
    yield from read_label({key: value for key, value in row.items() if key not in read}, result, row, kind, losses)


def _filled_fields(row: Row, kind: str) -> list[str]:
    """Return the keys that people filled in: those of our screens, else those between ``id`` and ``annotator``."""
    if row.get("uid") is not None:
        return [key for key in TASK_TYPES[kind].fields if row.get(key) not in (None, "")]
    keys = list(row)
    start = keys.index("id") + 1 if "id" in row else len(keys)
    end = next((number for number, key in enumerate(keys) if key in AFTER and number >= start), start)
    shaped = [key for key in (*keys[:start], *keys[end:]) if _is_filled(row[key])]
    return [key for key in (*keys[start:end], *shaped) if row[key] is not None]


def _is_filled(value: Any) -> bool:
    """Whether a value has the shape of what a field holds, wherever it stands."""
    entries = value if isinstance(value, list) else [value]
    return bool(entries) and all(isinstance(e, dict) and e.keys() & {"labels", "choices", "rating"} for e in entries)


def _regions(name: str, value: Any, kind: str) -> Result:
    """Return the regions of one field."""
    key = "text" if label_type(kind) is PromptResponse and name != "answerable" else "choices"
    regions: Result = []
    for number, entry in enumerate(value if isinstance(value, list) else [value]):
        content = entry if isinstance(entry, dict) else {key: [entry]}
        found = next((known for known in ("labels", "choices", "rating") if known in content), "textarea")
        regions.append({"id": f"{name}-{number}", "from_name": name, "type": found, "value": content})
    return regions


def _relations(row: Row, marks: Result) -> Result:
    """Return the relations of our own files. Raises LabelError."""
    found: Result = []
    for link in objects(row.get(RELATIONS), RELATIONS):
        try:
            ends = {"from_id": marks[link["from"]]["id"], "to_id": marks[link["to"]]["id"]}
        except (KeyError, IndexError, TypeError) as error:
            raise LabelError([f"a relation names marks that are not there: {link}"]) from error
        found.append({**ends, "type": "relation", "labels": link.get("labels") or []})
    return found
