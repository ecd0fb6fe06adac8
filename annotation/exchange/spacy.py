"""JSONL in the shape that spaCy's recipes and Prodigy use: text, spans, relations, cats, tokens.

Offsets count code points and ``end`` is exclusive. Relations name their ends as spans; a relation that names tokens alone is
read through the span that holds them. Part-of-speech tags stand in ``tokens`` as ``pos``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doyen.annotation.exchange import columns
from doyen.annotation.exchange.record_files import Losses, Row, write_json_lines
from doyen.annotation.type_table import label_type
from doyen.annotation.types.typed_labels import Classes, Label, LabelError, LabelledText, Region, Relation, Tags

EXPECTED = 'one JSON object a line, as {"text": "…", "spans": […]} or with "cats"'
CHOSEN = 0.5
"""Score from which a category counts as chosen."""
USED = ("text", "spans", "entities", "relations", "cats", "tokens", "accept", "label", "options", "answer")
PRODIGY = ("_annotator_id", "_session_id", "_timestamp", "_input_hash", "_task_hash", "_view_id", "_is_binary")


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write one record for each label."""
    write_json_lines(path, (_row(item, losses) for item in labels))


def _row(item: LabelledText, losses: Losses) -> Row:
    match item.label:
        case Classes():
            content: Row = {"cats": dict.fromkeys(item.label.labels, 1.0)}
        case Tags():
            content = {"tokens": [_token(number, token, item.text) for number, token in enumerate(item.label.regions)]}
        case _:
            regions, relations = columns.stretches(item.label, losses)
            spans = {r.id: {"id": r.id, "start": r.start, "end": r.end, "label": r.label} for r in regions}
            links = [{"head_span": spans[r.head], "child_span": spans[r.tail], "label": r.label} for r in relations]
            content = {"spans": list(spans.values()), "relations": links}
    return {"text": item.text, **content, "answer": "accept", **columns.own_fields(item)}


def _token(number: int, token: Region, text: str) -> Row:
    form = text[token.start : token.end]
    blank = text[token.end : token.end + 1] == " "
    return {"id": number, "text": form, "start": token.start, "end": token.end, "ws": blank, "pos": token.label}


def read_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the label of a record; one that was rejected or ignored is left out. Raises LabelError."""
    answer = row.get("answer") or "accept"
    if answer != "accept":
        losses.skip(f"it was answered with {answer!r}")
        return
    text = columns.string(row, "text")
    found = _read_classes(row, losses) if kind in columns.CLASS_KINDS else _read_spans(row, text, kind, losses)
    if found is not None:
        yield columns.labelled(_with_prodigy_fields(row), text, found, (*USED, *PRODIGY))


def _read_classes(row: Row, losses: Losses) -> Label | None:
    losses.drop("span", len(row.get("spans") or row.get("entities") or []))
    losses.drop("relation", len(row.get("relations") or []))
    cats = row.get("cats")
    if isinstance(cats, dict):
        if not all(isinstance(score, int | float) for score in cats.values()):
            raise LabelError(["'cats' must give each category a number"])
        chosen = [name for name, score in cats.items() if score >= CHOSEN]
    elif key := columns.given(row, ("accept", "label")):
        chosen = columns.names(row[key], key)
    else:
        raise LabelError(["it has neither 'cats' nor 'accept' nor 'label'"])
    if not chosen and "item_id" not in row:
        losses.skip("no category is chosen")
        return None
    return Classes(tuple(chosen))


def _read_spans(row: Row, text: str, kind: str, losses: Losses) -> Label:
    losses.drop("category", len(row.get("cats") or {}))
    marked, tokens = row.get("spans"), columns.objects(row.get("tokens"), "tokens")
    if label_type(kind) is Tags and any("pos" in token for token in tokens):
        losses.drop("span", len(marked or []))
        tagged = [token for token in tokens if token.get("pos")]
        regions = [columns.region(n, t.get("start"), t.get("end"), t["pos"]) for n, t in enumerate(tagged)]
        return columns.span_label(kind, regions, [], losses)
    if marked is None and row.get("entities") is not None:
        marked = [dict(zip(("start", "end", "label"), entity, strict=False)) for entity in row["entities"]]
    if marked is None and not (label_type(kind) is Tags and columns.given(row, ["tokens"])):
        raise LabelError(["it has no 'spans'"])
    spans = columns.objects(marked, "spans")
    regions = [columns.region_of(number, span) for number, span in enumerate(spans)]
    for span, found in zip(spans, regions, strict=True):
        if isinstance(span.get("text"), str) and span["text"] != text[found.start : found.end]:
            raise LabelError([f"{found.label!r} at {found.start} to {found.end} does not read {span['text'][:40]!r}"])
    relations = [
        Relation(_end_of(link, "head", spans, regions), _end_of(link, "child", spans, regions), str(link.get("label") or ""))
        for link in columns.objects(row.get("relations"), "relations")
    ]
    return columns.span_label(kind, regions, relations, losses)


def _end_of(link: Row, side: str, spans: list[Row], regions: list[Region]) -> str:
    """Return the id of the span at one end of a relation.

    Raises:
        LabelError: no span is there.
    """
    wanted, token = link.get(f"{side}_span"), link.get(side)
    for span, found in zip(spans, regions, strict=True):
        if _names(wanted, found) if isinstance(wanted, dict) else _holds(span, token):
            return found.id
    raise LabelError([f"the {side} of relation {link.get('label')!r} is no span: {wanted or token!r}"])


def _names(wanted: Row, found: Region) -> bool:
    """Whether a relation means this span, by its id or else by its place."""
    if wanted.get("id") is not None:
        return str(wanted["id"]) == found.id
    place = wanted.get("start"), wanted.get("end"), wanted.get("label", found.label)
    return place == (found.start, found.end, found.label)


def _holds(span: Row, token: Any) -> bool:
    first, last = span.get("token_start"), span.get("token_end")
    return isinstance(token, int) and isinstance(first, int) and isinstance(last, int) and first <= token <= last


def _with_prodigy_fields(row: Row) -> Row:
    """Return the record with Prodigy's names of annotator and time under ours."""
    named = columns.given(row, ("annotator", "_annotator_id", "_session_id"))
    seconds, created_at = row.get("_timestamp"), row.get("created_at")
    if created_at is None and isinstance(seconds, int | float):
        created_at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return {**row, "annotator": row[named] if named else None, "created_at": created_at}
