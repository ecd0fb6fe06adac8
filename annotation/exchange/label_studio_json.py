"""Label Studio's own exports: JSON (tasks with their annotations) and JSON-MIN (one flat object an annotation).

Files of our projects and of others are read: a region's type says what it is (``labels``, ``choices``, ``textarea``,
``relation``), since an export does not hold the labelling configuration. Written as our own screens would have labelled
them, so that a JSON file goes into a project with the ``labelling-config.xml`` of a project of that type.

JSON-MIN has no place for relations and ids; ours stand under ``relations``, by the numbers of the marks. What a server
exports as JSON-MIN has lost them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from doyen.annotation.exchange.columns import given, labelled, objects
from doyen.annotation.exchange.json_items import json_items
from doyen.annotation.exchange.label_checks import ANY_LABEL, checked
from doyen.annotation.exchange.label_format import KINDS, Losses
from doyen.annotation.exchange.label_studio_regions import (
    KEPT_KEYS,
    OUR_FIELDS,
    question_key,
    read_regions,
    text_key,
)
from doyen.annotation.exchange.record_files import Intake, Row, json_line
from doyen.annotation.labelstudio.regions import Result, write_label
from doyen.annotation.types.typed_labels import Classes, LabelError, LabelledText, PromptResponse
from doyen.core.files import open_atomic
from doyen.core.records import identifier

UNLABELLED = "it has no label"
SKIPPED = "the annotator skipped it"
AFTER = ("annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")
"""What JSON-MIN writes after the fields that people filled in; before them stand the task's data and its ``id``."""
RELATIONS, OVERRIDES = "relations", "overrides"


class LabelStudioFormat:
    """Implements ``Format`` for JSON exports; one task a line is read, too."""

    name = "label-studio"
    kinds = KINDS
    writes = True

    def read(self, path: Path, kind: str, losses: Losses) -> Iterator[LabelledText]:
        """Yield the labels of all annotations; skipped ones, and predictions, are counted and left out."""
        return _read(path, lambda task: _read_task(task, kind, losses), 'a list of tasks with "data" and "annotations"')

    def write(self, labels: Iterable[LabelledText], path: Path, losses: Losses) -> None:
        """Write one task for labels of one item that follow each other."""
        items = groupby(checked(labels, *ANY_LABEL), key=lambda item: (item.item_id, item.text, dict(item.meta)))
        _write(path, (_task(list(group)) for _, group in items))


class LabelStudioMinFormat:
    """Implements ``Format`` for JSON-MIN exports."""

    name = "label-studio-min"
    kinds = KINDS
    writes = True

    def read(self, path: Path, kind: str, losses: Losses) -> Iterator[LabelledText]:
        """Yield the label of each object."""
        return _read(path, lambda row: _read_row(row, kind, losses), "a list of objects, one for each annotation")

    def write(self, labels: Iterable[LabelledText], path: Path, losses: Losses) -> None:
        """Write one object for each label."""
        _write(path, map(_row, checked(labels, *ANY_LABEL)))


def _read(path: Path, parse: Callable[[Row], Iterable[LabelledText]], expected: str) -> Iterator[LabelledText]:
    intake = Intake(path)
    for number, row in json_items(intake):
        yield from intake.take(number, parse, row)
    intake.finish(expected)


def _write(path: Path, rows: Iterable[Row]) -> None:
    """Write a JSON list, whole or not at all, one element a line."""
    with open_atomic(path) as stream:
        stream.write(b"[")
        for number, row in enumerate(rows):
            stream.write((b",\n" if number else b"\n") + json_line(row).rstrip(b"\n"))
        stream.write(b"\n]\n")


def _data(item: LabelledText) -> Row:
    """Return a task's data with everything that our screens show, empty where we do not have it."""
    prompt = item.label.prompt if isinstance(item.label, PromptResponse) else ""
    shown = {"title": "", "conversation": "", "prompt": prompt}
    return {"uid": item.item_id, "text": item.text, **shown, "meta": dict(item.meta)}


def _task(group: list[LabelledText]) -> Row:
    return {"data": _data(group[0]), "annotations": [_annotation(item) for item in group]}


def _annotation(item: LabelledText) -> Row:
    """Return an annotation. Label Studio knows people by e-mail addresses, and refuses what is none."""
    by = {"completed_by": {"email": item.annotator}} if "@" in item.annotator else {"annotator": item.annotator}
    times = {"created_at": item.created_at, "updated_at": item.created_at} if item.created_at else {}
    return {"result": write_label(item.label, item.text, item.item_id), **by, **times, "was_cancelled": False}


def _row(item: LabelledText) -> Row:
    filled: Row = {}
    numbers: dict[str, int] = {}
    links: list[Row] = []
    overrides: Row = {}
    for region in write_label(item.label, item.text, item.item_id):
        if region["type"] == "relation":
            links.append({"from": numbers[region["from_id"]], "to": numbers[region["to_id"]], "labels": region["labels"]})
            continue
        numbers[region["id"]] = len(numbers)
        filled.setdefault(region["from_name"], []).append(region["value"])
        overrides |= region.get("meta", {}).get("pair", {})
    data = _data(item)
    content = {name: _pretty(values) for name, values in filled.items()}
    extra = ({RELATIONS: links} if links else {}) | ({OVERRIDES: overrides} if overrides else {})
    end = {"annotator": item.annotator, "created_at": item.created_at, "updated_at": item.created_at}
    return {**data, "id": item.item_id, **content, **extra, **end}


def _pretty(values: list[Row]) -> Any:
    """Return what a field holds as JSON-MIN has it: names and texts bare where they stand alone."""
    bare: list[list[str]] = [
        value["choices"] if "choices" in value else value["text"] for value in values if not value.keys() & {"labels", "rating"}
    ]
    if not bare:
        return values
    plain = [entries[0] if len(entries) == 1 else value for entries, value in zip(bare, values, strict=True)]
    return plain[0] if len(plain) == 1 else plain


def _read_task(task: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    data = task.get("data")
    if not isinstance(data, dict):
        raise LabelError(["it has no 'data'"])
    losses.drop("prediction", len(objects(task.get("predictions"), "predictions")))
    found = given(task, ("annotations", "completions"))
    annotations = objects(task[found], found) if found else []
    if not annotations:
        losses.skip(UNLABELLED)
    for annotation in annotations:
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            losses.skip(SKIPPED)
            continue
        own = {
            "item_id": data.get("uid") if data.get("uid") is not None else task.get("id"),
            "annotator": _person(annotation),
            "created_at": annotation.get("updated_at") or annotation.get("created_at"),
        }
        yield from _label(data, objects(annotation.get("result"), "result"), own, kind, losses)


def _label(data: Row, result: Result, own: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the label that a result means, unless nothing of it is one of that type."""
    ours = data.get("uid") is not None
    key = text_key(data, result, kind)
    asked = question_key(data) if kind == "prompt-response" and not ours else None
    label = read_regions(result, str(data[key]), kind, losses, str(data[asked]) if asked else "")
    if label is None or (isinstance(label, Classes) and not label.labels and not (ours and kind == "classification")):
        losses.skip(f"it has nothing of type {kind}")
        return
    text = str(data[key])
    if isinstance(label, PromptResponse) and not ours and label.prompt == text:
        text = ""
    told = {asked} if isinstance(label, PromptResponse) and asked and label.prompt == data[asked] else set()
    used = {key, *told, "uid", *(KEPT_KEYS if ours else ())}
    rest = {name: value for name, value in data.items() if name not in used and not (ours and value in (None, ""))}
    yield labelled({**rest, **own}, text, label, ())


def _read_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Turn an object of JSON-MIN back into data and regions, and read those."""
    ours = row.get("uid") is not None
    filled = _filled_fields(row, kind)
    result: Result = []
    for name in filled:
        result += _regions(name, row[name], kind)
    marks = [region for region in result if region["type"] == "labels"]
    links = objects(row.get(RELATIONS), RELATIONS) if ours else []
    for link in links:
        try:
            ends = {"from_id": marks[link["from"]]["id"], "to_id": marks[link["to"]]["id"]}
        except (KeyError, IndexError, TypeError) as error:
            raise LabelError([f"a relation names marks that are not there: {link}"]) from error
        result.append({**ends, "type": "relation", "labels": link.get("labels") or []})
    if ours and isinstance(row.get(OVERRIDES), dict):
        result = [{**r, "meta": {"pair": row[OVERRIDES]}} if r.get("from_name") == "prompt" else r for r in result]
    left = {RELATIONS, OVERRIDES} if ours else set()
    own = {
        "item_id": row["uid"] if ours else row.get("id"),
        "annotator": _person(row),
        "created_at": row.get("updated_at") or row.get("created_at"),
    }
    data = {key: value for key, value in row.items() if key not in {*filled, *AFTER, *left, "id"}}
    yield from _label(data, result, own, kind, losses)


def _filled_fields(row: Row, kind: str) -> list[str]:
    """Return the keys that people filled in: those of our screens, else those between ``id`` and ``annotator``."""
    if row.get("uid") is not None:
        return [key for key in OUR_FIELDS[kind] if row.get(key) not in (None, "")]
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
    """Return the regions of one field of JSON-MIN."""
    bare = "textarea" if kind == "prompt-response" and name != "answerable" else "choices"
    key = {"textarea": "text", "choices": "choices"}[bare]
    regions: Result = []
    for number, entry in enumerate(value if isinstance(value, list) else [value]):
        content = entry if isinstance(entry, dict) else {key: [entry]}
        kinds = [found for found in ("labels", "choices", "rating") if found in content] or ["textarea"]
        regions.append({"id": f"{name}-{number}", "from_name": name, "type": kinds[0], "value": content})
    return regions


def _person(annotation: Row) -> str:
    """Return who labelled: an e-mail address, a name, or "user 3" where the file holds a number alone."""
    name = given(annotation, ("completed_by", "annotator"))
    who = annotation[name] if name else ""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id") or ""
    return f"user {identifier(who)}" if isinstance(who, int) else str(who)
