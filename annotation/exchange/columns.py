"""Fields of records: their usual names, our own ones beside a tool's, and their values as typed labels."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from doyen.annotation.exchange.record_files import Losses, Row
from doyen.annotation.type_table import label_type, types_of
from doyen.annotation.types.spans import Span
from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Label,
    LabelError,
    LabelledText,
    Marks,
    PromptResponse,
    Region,
    Relation,
    Tags,
    short,
)
from doyen.core.manifest import short_id
from doyen.core.records import REFUSAL, identifier

CLASS_KINDS = types_of(Classes)
TEXTS = ("text", "sentence", "content", "utterance", "review", "body")
CLASSES = ("label", "labels", "category", "class", "sentiment", "intent")
PROMPTS = ("prompt", "question", "instruction")
RESPONSES = ("response", "answer", "output", "completion")
PASSAGES = ("passage", "context", "text")

OWN = ("item_id", "annotator", "created_at", "meta")
"""Our fields, written beside a tool's own wherever it keeps unknown ones."""
JSON_COLUMNS = {"evidence": list, "quotes": list, "rating": int, "overrides": dict, "meta": dict}
"""Columns of our tables whose texts are JSON values of that type."""
COREFERENCE = "coreference"
"""Name of a coreference link in tools that want every relation named."""
UNLABELLED = "it has no label"


def own_fields(item: LabelledText) -> Row:
    """Return our fields of a label; all of them, because some tools read a missing one as NaN."""
    return {"item_id": item.item_id, "annotator": item.annotator, "created_at": item.created_at, "meta": dict(item.meta)}


def own_values(row: Row) -> Row:
    """Return a row of our own tables with the values of its JSON columns; another tool's row as it is."""
    if not _is_ours(row):
        return row
    return row | {
        name: json_cell(row[name], name, kind) for name, kind in JSON_COLUMNS.items() if isinstance(row.get(name), str)
    }


def labelled(row: Row, text: str, label: Label, used: Collection[str]) -> LabelledText:
    """Return the label of a record together with our fields; what nobody used goes into ``meta``.

    The id is our ``item_id``, else the record's ``id``, else one that follows from the text (and the prompt).
    """
    meta = {key: value for key, value in row.items() if key not in used and key not in OWN and key != "id"}
    kept = row.get("meta")
    if isinstance(kept, dict):
        meta |= kept
    elif kept is not None:
        meta["meta"] = kept
    key, annotator, created_at = given(row, ("item_id", "id")), row.get("annotator"), row.get("created_at")
    content = (text, label.prompt) if isinstance(label, PromptResponse) else (text,)
    return LabelledText(
        item_id=(str(identifier(row[key])) if key else "") or short_id(*content),
        text=text,
        label=label,
        annotator="" if annotator is None else str(identifier(annotator)),
        created_at=created_at if isinstance(created_at, str) else "",
        meta=meta,
    )


def read_text_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the classes of a text, or a question with its answer, from columns of usual names.

    Raises:
        LabelError: a column is missing, or its value is of another type.
    """
    if kind in CLASS_KINDS:
        text, column = column_of(row, TEXTS), column_of(row, CLASSES)
        if row[column] is None:
            losses.skip(UNLABELLED)
        else:
            yield labelled(row, string(row, text), Classes(tuple(names(row[column], column))), (text, column))
        return
    prompt, response, passage = column_of(row, PROMPTS), column_of(row, RESPONSES), given(row, PASSAGES)
    text = string(row, passage) if passage else ""
    more = row if _is_ours(row) else {}
    label = prompt_response(string(row, prompt), string(row, response), text, more)
    yield labelled(row, text, label, (prompt, response, passage or "", *(details(label) if more else ())))


def column_of(row: Row, known: tuple[str, ...]) -> str:
    """Return the first of the known columns that holds something, else one that is there at all. Raises LabelError."""
    name = given(row, known) or next((name for name in known if name in row), None)
    if name is None:
        raise LabelError([f"it has none of the columns {', '.join(known)}; its columns are {', '.join(row) or 'none'}"])
    return name


def given(row: Any, names: Collection[str]) -> str | None:
    """Return the first of the names under which a record has a value; null means absent."""
    return next((name for name in names if row.get(name) is not None), None) if isinstance(row, dict) else None


def string(row: Row, key: str) -> str:
    """Return a field that must be text. Raises LabelError."""
    value = row.get(key)
    if not isinstance(value, str):
        raise LabelError([f"{key!r} must be text, found {short(value)}"])
    return value


def names(value: Any, key: str) -> list[str]:
    """Return a field that holds one name or a list of names. Raises LabelError."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise LabelError([f"{key!r} must be a list of names, found {short(value)}"])
    return entries


def objects(value: Any, key: str) -> list[Row]:
    """Return a field that holds a list of objects; missing means none. Raises LabelError."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise LabelError([f"{key!r} must be a list of objects, found {short(value)}"])
    return value


def json_cell(cell: str, name: str, kind: type) -> Any:
    """Return the value of a cell that holds JSON of that type; None when it is empty. Raises LabelError."""
    if not cell:
        return None
    try:
        value = json.loads(cell)
    except json.JSONDecodeError as error:
        raise LabelError([f"{name!r} is not valid JSON: {short(cell)}"]) from error
    if not isinstance(value, kind):
        raise LabelError([f"{name!r} must hold a JSON {kind.__name__}, found {short(cell)}"])
    return value


def region(identity: Any, start: Any, end: Any, label: Any) -> Region:
    """Return a marked stretch whose fields have the right types; its place is checked later. Raises LabelError."""
    if type(start) is not int or type(end) is not int or not isinstance(label, str):
        raise LabelError([f"a stretch needs whole-number offsets and a label, found {short([start, end, label])}"])
    return Region(str(identity), start, end, label)


def region_of(number: int, entry: Row, start: str = "start", end: str = "end") -> Region:
    """Return the marked stretch in an object with fields of these names; ``number`` is its id where it has none."""
    identity = number if entry.get("id") is None else entry["id"]
    return region(identity, entry.get(start), entry.get(end), entry.get("label"))


def regions_of(value: Any, key: str, start: str = "start", end: str = "end") -> list[Region]:
    """Return the marked stretches in a list of objects, as ``region_of`` does. Raises LabelError."""
    return [region_of(number, entry, start, end) for number, entry in enumerate(objects(value, key))]


def relations_of(value: Any, head: str, tail: str, label: str) -> list[Relation]:
    """Return the relations in a list of objects with fields of these names. Raises LabelError."""
    links = objects(value, "relations")
    return [Relation(str(link.get(head)), str(link.get(tail)), str(link.get(label) or "")) for link in links]


def span_label(kind: str, regions: Sequence[Region], relations: Sequence[Relation], losses: Losses) -> Label:
    """Return the label of a text's stretches and their relations, as the task type has it."""
    wanted: Any = label_type(kind)
    if wanted is Tags:
        losses.drop("relation", len(relations))
        return Tags(tuple(sorted(regions, key=lambda token: token.start)))
    if wanted is Coreference:
        relations = [replace(link, label="" if link.label == COREFERENCE else link.label) for link in relations]
    return wanted(tuple(regions), tuple(relations))


def stretches(label: Label, losses: Losses) -> tuple[list[Region], list[Relation]]:
    """Return a label's stretches and relations as tools know them: ids are 0, 1, …, and coreference links have a name."""
    regions = list(label.stretches())
    numbers = {region.id: str(number) for number, region in enumerate(regions)}
    relations = label.relations if isinstance(label, Marks) else ()
    unnamed = COREFERENCE if isinstance(label, Coreference) else ""
    if unnamed:
        losses.drop(f"link label {COREFERENCE!r}", sum(link.label == COREFERENCE for link in relations))
    return (
        [replace(region, id=numbers[region.id]) for region in regions],
        [Relation(numbers[link.head], numbers[link.tail], link.label or unnamed) for link in relations],
    )


def details(label: PromptResponse) -> Row:
    """Return what a prompt/response label says besides its texts, as JSON values."""
    return {
        "evidence": [[span.start, span.end] for span in label.evidence],
        "quotes": list(label.quotes),
        "rating": label.rating,
        "comment": label.comment,
        "overrides": label.overrides,
    }


def prompt_response(prompt: str, response: str, passage: str, row: Row) -> PromptResponse:
    """Return a prompt/response label with the details that a record holds, if any. Raises LabelError."""
    spans = []
    for place in row.get("evidence") or []:
        if not isinstance(place, list) or len(place) != 2:
            raise LabelError([f"'evidence' must hold pairs of offsets, found {short(place)}"])
        found = region("", place[0], place[1], "evidence")
        spans.append(Span(found.start, found.end, passage[found.start : found.end]))
    rating, overrides, comment = row.get("rating"), row.get("overrides"), row.get("comment") or ""
    for name, value, kind, expected in (
        ("comment", comment, str, "text"),
        ("rating", rating, int, "a whole number"),
        ("overrides", overrides, dict, "an object"),
    ):
        if value is not None and type(value) is not kind:
            raise LabelError([f"{name!r} must be {expected}, found {short(value)}"])
    return PromptResponse(
        prompt=prompt,
        response=response,
        answerable=response.strip() != REFUSAL,
        evidence=tuple(spans),
        quotes=tuple(names(row.get("quotes") or [], "quotes")),
        rating=rating,
        comment=comment,
        overrides=overrides,
    )


def _is_ours(row: Row) -> bool:
    return all(name in row for name in OWN)
