"""Labelbox's export NDJSON: radio and checklist answers, text answers, text entities and relationships.

The end of a text entity is *inclusive* here, and only here. One line holds one data row with all its labels: labels of one
item that follow each other are written into one line. Our metadata travels in ``metadata_fields``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from doyen.annotation.exchange import columns
from doyen.annotation.exchange.record_files import Losses, Row, json_line, write_json_lines
from doyen.annotation.type_table import label_type
from doyen.annotation.types.spans import locate_span
from doyen.annotation.types.typed_labels import Classes, Label, LabelError, LabelledText, PromptResponse, Region, Relation

EXPECTED = 'one data row a line, as {"data_row": …, "projects": …}'
ADDRESS = re.compile(r"(https?|gs|s3)://\S+")
EVIDENCE = "evidence"
QUESTION = "label"
INLINE = "inline"
"""Mark of our own exports: their row data is the text itself, even where it reads like an address."""


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write the labels, those of one item that follow each other as one data row."""
    items = groupby(labels, key=lambda item: (item.item_id, item.text, dict(item.meta)))
    write_json_lines(path, (_data_row(list(group), losses) for _, group in items))


def _data_row(group: list[LabelledText], losses: Losses) -> Row:
    item = group[0]
    labels = [
        {
            "label_kind": "Default",
            "label_details": {"created_by": item.annotator, "created_at": item.created_at},
            "annotations": _annotations(item, losses),
        }
        for item in group
    ]
    return {
        "data_row": {"id": item.item_id, "global_key": item.item_id, "row_data": item.text, "details": {INLINE: True}},
        "metadata_fields": [{"schema_name": key, "value": value} for key, value in item.meta.items()],
        "projects": {"doyen": {"name": "doyen", "labels": labels}},
    }


def _annotations(item: LabelledText, losses: Losses) -> Row:
    if isinstance(item.label, Classes):
        chosen = [{"name": name} for name in item.label.labels]
        only = {"radio_answer": chosen[0]} if len(chosen) == 1 else {"checklist_answers": chosen}
        return {"objects": [], "classifications": [{"name": QUESTION, **only}], "relationships": []}
    regions, relations = columns.stretches(item.label, losses)
    links = [
        {
            "name": link.label,
            "annotation_kind": "UnidirectionalRelationship",
            "unidirectional_relationship": {"source": link.head, "target": link.tail},
        }
        for link in relations
    ]
    answers = _answers(item.label) if isinstance(item.label, PromptResponse) else []
    return {"objects": [_object(r, item.text) for r in regions], "classifications": answers, "relationships": links}


def _object(mark: Region, text: str) -> Row:
    place = {"start": mark.start, "end": mark.end - 1, "token": text[mark.start : mark.end]}
    return {"feature_id": mark.id, "name": mark.label, "annotation_kind": "TextEntity", "location": place}


def _answers(label: PromptResponse) -> list[Row]:
    texts = [("prompt", label.prompt), ("response", label.response), *(("quote", quote) for quote in label.quotes)]
    texts += [("comment", label.comment)] if label.comment else []
    if label.overrides is not None:
        texts.append(("overrides", json_line(label.overrides).decode().strip()))
    answers: list[Row] = [{"name": name, "text_answer": {"content": content}} for name, content in texts]
    if label.rating is not None:
        answers.append({"name": "rating", "radio_answer": {"name": str(label.rating)}})
    return answers


def read_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the labels of a data row in all projects; one whose text lies elsewhere is left out. Raises LabelError."""
    data_row, projects = row.get("data_row"), row.get("projects")
    if not isinstance(data_row, dict):
        raise LabelError(["it has no 'data_row'"])
    text = columns.string(data_row, "row_data")
    details = data_row.get("details")
    ours = isinstance(details, dict) and bool(details.get(INLINE))
    if ADDRESS.fullmatch(text) and not ours:
        losses.skip("row_data is an address and the text lies elsewhere: export the rows with their text")
        return
    if not isinstance(projects, dict):
        raise LabelError(["it has no 'projects'"])
    fields = columns.objects(row.get("metadata_fields"), "metadata_fields")
    item_id = data_row.get("global_key") or data_row.get("external_id") or data_row.get("id")
    own = {"item_id": item_id, "meta": {str(f.get("schema_name", f.get("name"))): f.get("value") for f in fields}}
    of_projects = (project.get("labels") if isinstance(project, dict) else None for project in projects.values())
    labels = [label for found in of_projects for label in columns.objects(found, "labels")]
    if not labels:
        losses.skip("the data row has no label")
    for raw in labels:
        if (raw.get("performance_details") or {}).get("skipped"):
            losses.skip("the annotator skipped it")
            continue
        found = _read_label(raw.get("annotations"), text, kind, losses)
        if found is None and ours and kind in columns.CLASS_KINDS:
            found = text, Classes(())
        if found is None:
            losses.skip(f"the label has nothing of type {kind}")
            continue
        who = raw.get("label_details") or {}
        yield columns.labelled(own | {"annotator": who.get("created_by"), "created_at": who.get("created_at")}, *found, ())


def _read_label(annotations: Any, text: str, kind: str, losses: Losses) -> tuple[str, Label] | None:
    """Return the text that the label is about, and the label; None where it says nothing of that type."""
    if not isinstance(annotations, dict):
        raise LabelError(["a label has no 'annotations'"])
    marked = columns.objects(annotations.get("objects"), "objects")
    answers = columns.objects(annotations.get("classifications"), "classifications")
    links = columns.objects(annotations.get("relationships"), "relationships")
    if kind in columns.CLASS_KINDS:
        losses.drop("text entity", len(marked))
        classes = _read_classes(answers, losses)
        return (text, Classes(tuple(classes))) if classes else None
    regions = [found for number, raw in enumerate(marked) if (found := _read_region(number, raw, text, losses)) is not None]
    if label_type(kind) is PromptResponse:
        return _read_answers(answers, regions, text, losses)
    losses.drop("classification", len(answers))
    return text, columns.span_label(kind, regions, list(map(_read_relation, links)), losses)


def _read_classes(answers: list[Row], losses: Losses) -> list[str]:
    """Return the chosen names of all questions, in their order."""
    chosen: list[str] = []
    asked: set[str] = set()
    for answer in answers:
        options = columns.objects(answer.get("checklist_answers"), "checklist_answers")
        options = options or ([answer["radio_answer"]] if isinstance(answer.get("radio_answer"), dict) else [])
        losses.drop("free-text answer", int("text_answer" in answer))
        for option in options:
            losses.drop("nested classification", len(option.get("classifications") or []))
            chosen.append(columns.string(option, "name"))
            asked.add(str(answer.get("name")))
    losses.drop("question's name (answers to several questions become one list)", len(asked) if len(asked) > 1 else 0)
    return chosen


def _read_region(number: int, raw: Row, text: str, losses: Losses) -> Region | None:
    """Return a text entity with an exclusive end; offsets in UTF-16 units are told by its token."""
    place = raw.get("location")
    if not isinstance(place, dict) or "start" not in place:
        losses.drop(f"object of kind {raw.get('annotation_kind')}")
        return None
    losses.drop("nested classification", len(raw.get("classifications") or []))
    identity = number if raw.get("feature_id") is None else raw["feature_id"]
    found = columns.region(identity, place["start"], place.get("end"), raw.get("name"))
    start, end, token = found.start, found.end + 1, place.get("token")
    if isinstance(token, str) and 0 <= start < end and text[start:end] != token:
        span = locate_span(text, start, end, token)
        if span is None or (span.text[0], span.text[-1]) != (token[:1], token[-1:]):
            where, there = f"{found.label!r} at {start} to {end - 1}", text[start:end]
            raise LabelError([f"{where} says {token[:40]!r}, but the text has {there[:40]!r} there"])
        start, end = span.start, span.end
    return Region(found.id, start, end, found.label)


def _read_relation(raw: Row) -> Relation:
    ends = raw.get("unidirectional_relationship") or raw.get("bidirectional_relationship")
    if not isinstance(ends, dict):
        raise LabelError(["a relationship has no source and target"])
    return Relation(str(ends.get("source")), str(ends.get("target")), str(raw.get("name") or ""))


def _read_answers(answers: list[Row], marked: list[Region], text: str, losses: Losses) -> tuple[str, Label] | None:
    """Read text answers; where nobody asked for the prompt, the data row is the prompt and there is no passage."""
    texts: dict[str, list[str]] = {}
    rating = None
    for answer in answers:
        name = str(answer.get("name"))
        if isinstance(answer.get("text_answer"), dict):
            texts.setdefault(name, []).append(columns.string(answer["text_answer"], "content"))
        elif name == "rating" and isinstance(answer.get("radio_answer"), dict):
            rating = columns.json_cell(columns.string(answer["radio_answer"], "name"), "rating", int)
        else:
            losses.drop(f"answer to {name!r}")
    prompt = next((texts.pop(name)[0] for name in columns.PROMPTS if name in texts), None)
    response = next((texts.pop(name)[0] for name in columns.RESPONSES if name in texts), None)
    if response is None and texts:
        response = texts.pop(next(iter(texts)))[0]
    if response is None:
        return None
    evidence = [[r.start, r.end] for r in marked if r.label == EVIDENCE]
    losses.drop("text entity", len(marked) - len(evidence))
    if prompt is None:
        losses.drop("evidence", len(evidence))
        prompt, text, evidence = text, "", []
    more = {
        "evidence": evidence,
        "quotes": texts.pop("quote", []),
        "rating": rating,
        "comment": "\n".join(texts.pop("comment", [])),
        "overrides": columns.json_cell("".join(texts.pop("overrides", [])), "overrides", dict),
    }
    for name, found in texts.items():
        losses.drop(f"answer to {name!r}", len(found))
    return text, columns.prompt_response(prompt, response, text, more)
