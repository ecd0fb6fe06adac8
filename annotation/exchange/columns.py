"""Fields that several formats write alike: our own ones beside the tool's, marked stretches, and prompt/response details."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from doyen.annotation.exchange.label_format import Losses
from doyen.annotation.exchange.record_files import Row
from doyen.annotation.types.spans import Span
from doyen.annotation.types.typed_labels import (
    Coreference,
    Entities,
    Label,
    LabelError,
    LabelledText,
    PromptResponse,
    Region,
    Relation,
    Tags,
    regions_of,
)
from doyen.core.manifest import short_id
from doyen.core.records import REFUSAL, identifier

OWN = ("item_id", "annotator", "created_at", "meta")
"""Our fields, written beside a tool's own wherever it keeps unknown ones."""
DETAILS = "details"
"""Field of JSON formats that holds what a prompt/response label says besides prompt, response and passage."""
COREFERENCE = "coreference"
"""Name of a coreference link in tools that want every relation named."""


def own_fields(item: LabelledText) -> Row:
    """Return our fields of a label; all of them, because some tools read a missing one as NaN."""
    return {"item_id": item.item_id, "annotator": item.annotator, "created_at": item.created_at, "meta": dict(item.meta)}


def labelled(row: Row, text: str, label: Label, used: Collection[str]) -> LabelledText:
    """Return the label of a record together with our fields; what nobody used goes into ``meta``.

    The id is our ``item_id``, else the record's ``id``, else one that follows from the text.
    """
    meta = {key: value for key, value in row.items() if key not in used and key not in OWN and key != "id"}
    kept = row.get("meta")
    if isinstance(kept, dict):
        meta |= kept
    elif kept is not None:
        meta["meta"] = kept
    key = given(row, ("item_id", "id"))
    own_id = str(identifier(row[key])) if key else ""
    created_at = row.get("created_at")
    return LabelledText(
        item_id=own_id or content_id(text, label),
        text=text,
        label=label,
        annotator=_name(row.get("annotator")),
        created_at=created_at if isinstance(created_at, str) else "",
        meta=meta,
    )


def given(row: Any, names: Collection[str]) -> str | None:
    """Return the first of the names under which a record has a value; null means absent."""
    return next((name for name in names if row.get(name) is not None), None) if isinstance(row, dict) else None


def content_id(text: str, label: Label) -> str:
    """Return an id for an item whose file names none: the same text (and prompt) always gets the same."""
    return short_id(text, label.prompt) if isinstance(label, PromptResponse) else short_id(text)


def string(row: Row, key: str) -> str:
    """Return a field that must be text. Raises LabelError."""
    value = row.get(key)
    if not isinstance(value, str):
        raise LabelError([f"{key!r} must be text, found {_short(value)}"])
    return value


def names(value: Any, key: str) -> list[str]:
    """Return a field that holds one name or a list of names. Raises LabelError."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise LabelError([f"{key!r} must be a list of names, found {_short(value)}"])
    return entries


def objects(value: Any, key: str) -> list[Row]:
    """Return a field that holds a list of objects; missing means none. Raises LabelError."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise LabelError([f"{key!r} must be a list of objects, found {_short(value)}"])
    return value


def region(identity: Any, start: Any, end: Any, label: Any) -> Region:
    """Return a marked stretch whose fields have the right types; its place is checked later. Raises LabelError."""
    whole = all(isinstance(offset, int) and not isinstance(offset, bool) for offset in (start, end))
    if not whole or not isinstance(label, str):
        raise LabelError([f"a stretch needs whole-number offsets and a label, found {_short([start, end, label])}"])
    return Region(str(identity), start, end, label)


def span_label(kind: str, regions: Sequence[Region], relations: Sequence[Relation], losses: Losses) -> Label:
    """Return the label of a text's stretches and their relations, as the task type has it."""
    if kind == "pos":
        losses.drop("relation", len(relations))
        return Tags(tuple(sorted(regions, key=lambda token: token.start)))
    if kind == "coreference":
        links = (Relation(link.head, link.tail, "" if link.label == COREFERENCE else link.label) for link in relations)
        return Coreference(tuple(regions), tuple(links))
    return Entities(tuple(regions), tuple(relations))


def stretches(label: Label, losses: Losses) -> tuple[list[Region], list[Relation]]:
    """Return a label's stretches and relations as tools know them: ids are 0, 1, …, and coreference links have a name."""
    regions = list(regions_of(label))
    numbers = {region.id: str(number) for number, region in enumerate(regions)}
    numbered = [Region(numbers[region.id], region.start, region.end, region.label) for region in regions]
    relations: Sequence[Relation] = ()
    if isinstance(label, Entities):
        relations = label.relations
    elif isinstance(label, Coreference):
        losses.drop(f"link label {COREFERENCE!r}", sum(link.label == COREFERENCE for link in label.links))
        relations = [Relation(link.head, link.tail, link.label or COREFERENCE) for link in label.links]
    return numbered, [Relation(numbers[link.head], numbers[link.tail], link.label) for link in relations]


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
            raise LabelError([f"'evidence' must hold pairs of offsets, found {_short(place)}"])
        found = region("", place[0], place[1], "evidence")
        spans.append(Span(found.start, found.end, passage[found.start : found.end]))
    rating, overrides, comment = row.get("rating"), row.get("overrides"), row.get("comment") or ""
    if not isinstance(comment, str):
        raise LabelError([f"'comment' must be text, found {_short(comment)}"])
    if rating is not None and (not isinstance(rating, int) or isinstance(rating, bool)):
        raise LabelError([f"'rating' must be a whole number, found {_short(rating)}"])
    if overrides is not None and not isinstance(overrides, dict):
        raise LabelError([f"'overrides' must be an object, found {_short(overrides)}"])
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


def json_cell(cell: str, name: str, kind: type) -> Any:
    """Return the value of a cell that holds JSON of that type; None when it is empty. Raises LabelError."""
    if not cell:
        return None
    try:
        value = json.loads(cell)
    except json.JSONDecodeError as error:
        raise LabelError([f"{name!r} is not valid JSON: {_short(cell)}"]) from error
    if not isinstance(value, kind):
        raise LabelError([f"{name!r} must hold a JSON {kind.__name__}, found {_short(cell)}"])
    return value


def _name(value: Any) -> str:
    return "" if value is None else str(identifier(value))


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "…"
