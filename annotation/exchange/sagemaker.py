"""SageMaker Ground Truth augmented manifests, read only: text classification with one or several classes, and text spans.

A label attribute is a key beside which ``<key>-metadata`` stands, whose ``type`` says what it is. Labels are names, or
numbers (also written as strings) that the metadata's ``class-name`` or ``class-map`` explains.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from doyen.annotation.exchange import columns
from doyen.annotation.exchange.record_files import Losses, Row
from doyen.annotation.type_table import label_type
from doyen.annotation.types.descriptions import RULES
from doyen.annotation.types.typed_labels import Classes, Entities, LabelError, LabelledText

EXPECTED = 'a "source", a label attribute and its "-metadata" on each line; texts behind "source-ref" are not read'
METADATA = "-metadata"
SINGLE, MULTI, SPANS = "text-classification", "text-classification-multilabel", "text-span"


def read_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the label of a text; one that lies elsewhere (``source-ref``) is left out. Raises LabelError."""
    if row.get("source") is None:
        if row.get("source-ref") is None:
            raise LabelError(["it has neither 'source' nor 'source-ref'"])
        losses.skip("source-ref: the text lies in another file, which is not fetched")
        return
    marked = label_type(kind) is Entities
    fitting = (SPANS,) if marked else (SINGLE, MULTI) if RULES[kind].multiple else (SINGLE,)
    jobs = {name: row[name + METADATA] for name in row if isinstance(row.get(name + METADATA), dict)}
    found = [name for name, job in jobs.items() if _type(job) in fitting and row[name] is not None]
    for name in found[1:]:
        losses.drop(f"label attribute {name!r} (the first one is read)")
    if not found:
        losses.skip(f"it has no label attribute of type {' or '.join(fitting)}")
        return
    name, job = found[0], jobs[found[0]]
    if job.get("failure-reason"):
        losses.skip("the labelling job failed for it")
        return
    text = columns.string(row, "source")
    if marked:
        label: Classes | Entities = _spans(row[name])
        confidence: Any = [entity.get("confidence") for entity in columns.objects(job.get("entities"), "entities")]
    else:
        label = Classes(tuple(_classes(row[name], job)))
        confidence = job.get("confidence", job.get("confidence-map"))
    kept = {"job-name": job.get("job-name"), "human-annotated": job.get("human-annotated"), "confidence": confidence}
    meta = {key: value for key, value in row.items() if not _belongs_to_job(key, row)}
    meta |= {key: value for key, value in kept.items() if value}
    yield columns.labelled({"id": row.get("id"), "created_at": job.get("creation-date"), "meta": meta}, text, label, ())


def _belongs_to_job(key: str, row: Row) -> bool:
    return key in {"source", "id"} or key + METADATA in row or (key.removesuffix(METADATA) in row and key.endswith(METADATA))


def _type(job: Row) -> str:
    return str(job.get("type")).removeprefix("groundtruth/")


def _classes(value: Any, job: Row) -> list[str]:
    """Return the names of one label or of a list of them. Raises LabelError."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = [value]
    if isinstance(value, list):
        return [_class_name(entry, job.get("class-map")) for entry in value]
    given = job.get("class-name")
    return [given if isinstance(given, str) and given else _class_name(value, job.get("class-map"))]


def _class_name(value: Any, class_map: Any) -> str:
    """Return the name of a label: what the map says about it, or itself where it is a name."""
    if isinstance(class_map, dict) and str(value) in class_map:
        return str(class_map[str(value)])
    if isinstance(value, str) and not value.lstrip("-").isdecimal():
        return value
    raise LabelError([f"label {value!r} is a number that neither class-name nor class-map explains"])


def _spans(value: Any) -> Entities:
    annotations = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(annotations, dict):
        raise LabelError(["a text-span attribute must hold 'annotations'"])
    return Entities(tuple(columns.regions_of(annotations.get("entities"), "entities", "startOffset", "endOffset")))
