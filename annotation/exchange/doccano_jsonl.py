"""Doccano's JSONL (1.8): classification, sequence labelling with relations, seq2seq and intent projects.

Offsets count code points and ``end`` is exclusive. Whatever else stands on a line is the example's metadata, which Doccano
keeps and exports again on the same level: our own fields travel there. Older versions call the text ``data`` (1.3 to 1.5) and
its labels ``labels``, ``annotations`` or, in files, whatever a project's settings said; ``entities`` and ``cats`` belong to
projects with relations or intents. An empty list of classes means that nobody labelled the text, unless the line is ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doyen.annotation.exchange import columns
from doyen.annotation.exchange.record_files import Losses, Row, json_line, write_json_lines
from doyen.annotation.type_table import label_type
from doyen.annotation.types.typed_labels import Classes, LabelError, LabelledText, PromptResponse, Region
from doyen.core.files import open_atomic

EXPECTED = 'one JSON object a line, as {"text": "…", "label": […]}'
COLUMNS = ("label", "labels", "entities", "cats", "annotations", "relations")
TEXT = ("text", "data")
TEXTUAL = ("cats", "label", "labels", "annotations")
MARKED = ("entities", "label", "labels", "annotations")
DETAILS = "details"
"""Holds what a prompt/response label of ours says besides prompt, response and passage."""


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write the labels as Doccano imports them; without any relation, in the plain form ``[start, end, label]``."""
    plain = True
    spool = path.with_name(f".{path.name}.relations")
    try:
        with open_atomic(spool) as stream:
            for item in labels:
                row = _row(item, losses)
                plain = plain and not row.get("relations")
                stream.write(json_line(row))
        if plain:
            with spool.open("rb") as lines:
                write_json_lines(path, (_without_relations(json.loads(line)) for line in lines))
        else:
            spool.replace(path)
    finally:
        spool.unlink(missing_ok=True)


def read_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the labels of one example; one without a label is left out. Raises LabelError."""
    losses.drop("comment", len(row.get("Comments") or []))
    if label_type(kind) is PromptResponse:
        yield from _read_answers(row, losses)
        return
    key = columns.column_of(row, TEXTUAL if kind in columns.CLASS_KINDS else MARKED)
    _drop_others(row, key, losses)
    if kind in columns.CLASS_KINDS:
        classes = _texts(row, key)
        if not classes and "item_id" not in row:
            losses.skip(columns.UNLABELLED)
            return
        label: Any = Classes(tuple(classes))
    else:
        spans = row[key] or []
        if not isinstance(spans, list):
            raise LabelError([f"{key!r} must be a list"])
        regions = [_region(number, span) for number, span in enumerate(spans)]
        relations = columns.relations_of(row.get("relations"), "from_id", "to_id", "type")
        label = columns.span_label(kind, regions, relations, losses)
    text = columns.column_of(row, TEXT)
    yield columns.labelled(row, columns.string(row, text), label, (text, "Comments", *COLUMNS))


def _row(item: LabelledText, losses: Losses) -> Row:
    match item.label:
        case PromptResponse():
            said = {"text": item.label.prompt, "label": [item.label.response]}
            return {**said, "passage": item.text, DETAILS: columns.details(item.label), **columns.own_fields(item)}
        case Classes():
            return {"text": item.text, "label": list(item.label.labels), **columns.own_fields(item)}
    regions, relations = columns.stretches(item.label, losses)
    entities = [{"id": int(r.id), "label": r.label, "start_offset": r.start, "end_offset": r.end} for r in regions]
    links = [
        {"id": number, "from_id": int(link.head), "to_id": int(link.tail), "type": link.label}
        for number, link in enumerate(relations)
    ]
    return {"text": item.text, "entities": entities, "relations": links, **columns.own_fields(item)}


def _without_relations(row: Row) -> Row:
    if "entities" not in row:
        return row
    spans = [[entity["start_offset"], entity["end_offset"], entity["label"]] for entity in row["entities"]]
    rest = {key: value for key, value in row.items() if key not in {"text", "entities", "relations"}}
    return {"text": row["text"], "label": spans, **rest}


def _read_answers(row: Row, losses: Losses) -> Iterator[LabelledText]:
    """Yield a label for each answer: several answers are several labels of one item."""
    answers = _texts(row, columns.column_of(row, TEXTUAL))
    if not answers:
        losses.skip(columns.UNLABELLED)
    passage = columns.string(row, "passage") if columns.given(row, ["passage"]) else ""
    text = columns.column_of(row, TEXT)
    ours = isinstance(row.get(DETAILS), dict)
    used = (text, "passage", "Comments", *COLUMNS, *([DETAILS] if ours else []))
    more = row[DETAILS] if ours else {}
    for answer in answers:
        label = columns.prompt_response(columns.string(row, text), answer, passage, more)
        yield columns.labelled(row, passage, label, used)


def _texts(row: Row, key: str) -> list[str]:
    value = row[key] or []
    if isinstance(value, list) and value and (isinstance(value[0], list) or columns.given(value[0], ["start_offset"])):
        raise LabelError([f"{key!r} holds marked stretches, not names: import the file with --type entities"])
    if isinstance(value, list):
        # Doccano 1.0 wrote an object for each label.
        value = [entry.get("text", entry.get("label")) if isinstance(entry, dict) else entry for entry in value]
    return columns.names(value, key)


def _region(number: int, span: Any) -> Region:
    if isinstance(span, dict):
        return columns.region_of(number, span, "start_offset", "end_offset")
    if isinstance(span, list) and len(span) == 3:
        return columns.region(number, *span)
    if isinstance(span, str):
        raise LabelError([f"{span!r} is a name and not a marked stretch: import the file with --type classification"])
    raise LabelError([f"a stretch must be [start, end, label] or an object, found {span!r}"])


def _drop_others(row: Row, key: str, losses: Losses) -> None:
    """Count the other labels of an intent project: it holds two kinds, and one is read at a time."""
    for other in ("cats", "entities"):
        if other != key and isinstance(row.get(other), list):
            losses.drop(f"{other} (import the file once more with the other --type)", len(row[other]))
    if key == "cats":
        losses.drop("relation", len(row.get("relations") or []))
