"""Labels in Label Studio's JSON, where an annotation is a list of regions: read with every problem named, and written.

The names of fields are those of our own screens (``screens``). What is read is the sound part of an annotation; each part
that is not sound is named in a sentence of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias, TypeVar

from doyen.annotation.types.classification import choose
from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.spans import Span, locate_span
from doyen.annotation.types.typed_labels import (
    MAX_RATING,
    Classes,
    Coreference,
    Entities,
    Label,
    Marks,
    PromptResponse,
    Region,
    Relation,
    Tags,
    by_place,
    short,
)
from doyen.core.manifest import short_id
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank

Result: TypeAlias = list[dict[str, Any]]
"""The regions of one annotation or prediction."""
M = TypeVar("M", Entities, Coreference, Tags)
Reading: TypeAlias = tuple[Label | None, list[str]]
"""What is sound of an annotation (None: nothing that makes a label), and a sentence for each part that is not."""

READER = 1
"""Counts up when the same regions are read differently from now on: all stored labels are then read anew."""
TEXT, PASSAGE = "text", "passage"
"""Name of the labelled text on a screen; that of prompts and responses calls it a passage."""
CLASS, MARKS = "class", "label"
"""Names of the control for the classes of a text, and of the one with which stretches are marked."""
UNNAMED = ("",)
"""Stands for the names of relations that carry none, as those between mentions."""
TEXT_FIELDS = ("prompt", "response", "quotes", "comment")
PROMPT_RESPONSE_FIELDS = ("evidence", *TEXT_FIELDS, "answerable", "rating")
REASON = "reason"
"""The field of a review task in which the expert says why; no part of the label."""
UNANSWERABLE = "not answerable from this passage"


def label_part(result: Result) -> Result:
    """Return the regions that make the label: an expert's reason is none."""
    return [region for region in result if not (isinstance(region, dict) and region.get("from_name") == REASON)]


def reason_of(result: Result) -> str:
    """Return what the expert wrote as the reason; empty where that is nothing."""
    fields = [region for region in result if isinstance(region, dict) and region.get("from_name") == REASON]
    texts = [text for region in fields for text in (region.get("value") or {}).get("text") or []]
    return "\n".join(text for text in texts if isinstance(text, str)).strip()


# Classes of a whole text.


def write_classes(label: Classes, text: str, uid: str) -> Result:
    """Return the chosen classes as one field."""
    return [_region(uid, CLASS, TEXT, "choices", {"choices": list(label.labels)})] if label.labels else []


def read_classes(result: Result, text: str, description: TaskDescription) -> Reading:
    """Read an annotation as the classes of a text."""
    chosen: list[Any] = []
    problems: list[str] = []
    for region in result:
        value = region.get("value") if isinstance(region, dict) else None
        found = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(region, dict) or region.get("from_name") != CLASS:
            field = region.get("from_name") if isinstance(region, dict) else region
            problems.append(f"there is no field {short(field)} in this task type")
        elif not isinstance(found, list):
            problems.append(f"a choice holds no list of classes: {short(value)}")
        else:
            chosen += found
    unknown = [name for name in chosen if name not in description.label_names]
    known = ", ".join(description.label_names)
    problems += [f"there is no class {short(name)}: known ones are {known}" for name in unknown]
    label, mistakes = choose([name for name in chosen if name not in unknown], description)
    nothing = mistakes or (problems and not label.labels)
    return (None if nothing else label), problems + ([] if unknown else mistakes)


# Marked stretches and relations between them.


def write_marks(label: Marks, text: str, uid: str) -> Result:
    """Return regions and relations; ids stay as they are."""
    marks = [
        {"id": mark.id, "from_name": MARKS, "to_name": TEXT, "type": "labels"}
        | {"value": {"start": mark.start, "end": mark.end, "text": text[mark.start : mark.end], "labels": [mark.label]}}
        for mark in label.regions
    ]
    links = [
        {"from_id": link.head, "to_id": link.tail, "type": "relation", "direction": "right"}
        | {"labels": [link.label] if link.label else []}
        for link in label.relations
    ]
    return marks + links


def read_entities(result: Result, text: str, description: TaskDescription) -> Reading:
    """Read an annotation as entities, with relations of the described names."""
    return _read_marks(result, text, description.label_names, description.relations, Entities)


def read_coreference(result: Result, text: str, description: TaskDescription) -> Reading:
    """Read an annotation as mentions and the links between them."""
    return _read_marks(result, text, description.label_names, UNNAMED, Coreference)


def read_tags(result: Result, text: str, description: TaskDescription) -> Reading:
    """Read an annotation as tagged tokens; those that overlap the one before them are left out."""
    tags, problems = _read_marks(result, text, description.label_names, (), Tags)
    if tags is None:
        return None, problems
    tokens, overlapping = _apart(tags.regions, text)
    return Tags(tuple(tokens)), problems + overlapping


def _read_marks(
    result: Result, text: str, labels: Sequence[str], relations: Sequence[str], kind: type[M]
) -> tuple[M | None, list[str]]:
    """Read the marks, which relations may precede, and then the relations.

    Args:
        labels: known names of labels.
        relations: known names of relations; ``UNNAMED``: they have none; empty: there are no relations.
    """
    links: Result = []
    marks: dict[str, Region] = {}
    problems: list[str] = []
    for part in result:
        if isinstance(part, dict) and part.get("type") == "relation":
            links.append(part)
            continue
        found = _read_mark(part, text, labels)
        if isinstance(found, list):
            problems += found
        elif found.id in marks:
            problems.append(f"two regions have the id {found.id!r}")
        else:
            marks[found.id] = found
    related: list[Relation] = []
    for link in links:
        wrong, sound = _read_relation(link, marks, relations)
        problems += wrong
        related += sound
    regions = sorted(marks.values(), key=by_place)
    if problems and not regions:
        # That nothing is sound does not mean that there is nothing to mark.
        return None, problems
    return kind(tuple(regions), tuple(related)), problems


def _read_mark(part: Any, text: str, labels: Collection[str]) -> Region | list[str]:
    """Return the stretch that a region marks, or everything that is wrong with it."""
    if not isinstance(part, dict):
        return [f"a region is no JSON object: {short(part)}"]
    value, identity = part.get("value"), part.get("id")
    if part.get("from_name") != MARKS:
        return [f"there is no field {part.get('from_name')!r} in this task type"]
    if not isinstance(value, dict):
        return [f"a region has no value: {short(part)}"]
    if not isinstance(identity, str) or not identity:
        return [f"a region has no id: {short(part)}"]
    names, problems = value.get("labels"), []
    if not isinstance(names, list) or len(names) != 1:
        problems.append(f"a region must have one label, found {short(names)}")
    elif names[0] not in labels:
        problems.append(f"there is no label {short(names[0])}: known ones are {', '.join(labels)}")
    span = _located(value, text, "region", "text")
    if isinstance(span, str):
        problems.append(span)
    if problems or isinstance(span, str):
        return problems
    return Region(identity, span.start, span.end, str(value["labels"][0]))


def _read_relation(link: dict[str, Any], marks: Collection[str], names: Sequence[str]) -> tuple[list[str], list[Relation]]:
    """Return what is wrong with a link, and the relations that it means; one that points both ways is two."""
    head, tail, given = link.get("from_id"), link.get("to_id"), link.get("labels") or []
    known = ", ".join(names)
    if not names:
        return [f"this task has no relations, but one leads from {head!r} to {tail!r}"], []
    if missing := [end for end in (head, tail) if end not in marks]:
        return [f"a relation leads to a region {short(end)}, which does not exist" for end in missing], []
    if head == tail:
        return [f"a relation leads from the region {head!r} to itself"], []
    if not isinstance(given, list) or (known and not given):
        return [f"the relation from {head!r} to {tail!r} has no name: choose among {known}"], []
    unknown = [name for name in given if name not in names] if known else []
    relations = []
    for name in [name for name in given if name not in unknown] if known else UNNAMED:
        if link.get("direction") != "left":
            relations.append(Relation(str(head), str(tail), name))
        if link.get("direction") in {"left", "bi"}:
            relations.append(Relation(str(tail), str(head), name))
    return [f"there is no relation {short(name)}: known ones are {known}" for name in unknown], relations


def _apart(tokens: Sequence[Region], text: str) -> tuple[list[Region], list[str]]:
    """Return the tokens without those that overlap the one before them, and a sentence for each of these."""
    kept: list[Region] = []
    problems: list[str] = []
    for token in tokens:
        if kept and token.start < kept[-1].end:
            words = (short(text[other.start : other.end]) for other in (kept[-1], token))
            problems.append(f"the tokens {' and '.join(words)} overlap at {token.start}")
        else:
            kept.append(token)
    return kept, problems


# Questions, answers and the words that prove them.


def write_prompt_response(label: PromptResponse, uid: str) -> Result:
    """Return the fields of the label; empty ones have no region."""
    prompt: dict[str, Any] = {"meta": {"pair": label.overrides}} if label.overrides else {}
    fields: list[tuple[str, str, dict[str, Any]]] = [
        ("evidence", "labels", {"start": span.start, "end": span.end, "text": span.text, "labels": ["evidence"]})
        for span in label.evidence
    ]
    fields.append(("prompt", "textarea", {"text": [label.prompt]}))
    if label.response:
        fields.append(("response", "textarea", {"text": [label.response]}))
    if not label.answerable:
        fields.append(("answerable", "choices", {"choices": [UNANSWERABLE]}))
    if label.quotes:
        fields.append(("quotes", "textarea", {"text": list(label.quotes)}))
    if label.rating is not None:
        fields.append(("rating", "rating", {"rating": label.rating}))
    if label.comment:
        fields.append(("comment", "textarea", {"text": [label.comment]}))
    return [
        _region(uid, field, PASSAGE, kind, value, number) | (prompt if field == "prompt" else {})
        for number, (field, kind, value) in enumerate(fields)
    ]


def read_prompt_response(result: Result, passage: str) -> tuple[PromptResponse | None, list[str]]:
    """Read an annotation of a passage as a question and its answer."""
    reader = _PromptResponseReader(passage)
    for region in result:
        reader.read(region)
    return reader.label(), reader.problems


class _PromptResponseReader:
    """Reads the fields of one annotation, and collects what is wrong with them."""

    def __init__(self, passage: str) -> None:
        self.passage = passage
        self.texts: dict[str, list[str]] = {field: [] for field in TEXT_FIELDS}
        self.evidence: list[Span] = []
        self.answerable = True
        self.rating: int | None = None
        self.overrides: dict[str, Any] | None = None
        self.unplaced = 0
        self.problems: list[str] = []

    def read(self, region: Any) -> None:
        """Read one field."""
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict):
            self.problems.append(f"a region has no value: {str(region)[:80]}")
            return
        field, meta = region.get("from_name"), region.get("meta")
        if field == "evidence":
            self._read_evidence(value)
        elif field in TEXT_FIELDS:
            self._read_text(field, value.get("text"))
            if field == "prompt" and isinstance(meta, dict) and isinstance(meta.get("pair"), dict):
                self.overrides = meta["pair"]
        elif field == "answerable":
            self.answerable = UNANSWERABLE not in value.get("choices", [])
        elif field == "rating":
            self._read_rating(value.get("rating"))
        else:
            self.problems.append(f"there is no field {field!r} in this task type")

    def label(self) -> PromptResponse | None:
        """Return the label; None where question or answer is missing, or nothing is left of the proof that was marked."""
        prompt, response, comment = ("\n".join(self.texts[field]) for field in ("prompt", "response", "comment"))
        if is_blank(prompt):
            self.problems.append("the question is empty")
        if not self.answerable and response.strip() != REFUSAL:
            # The tick wins over a draft answer that the annotator left standing.
            response = REFUSAL
        if is_blank(response):
            self.problems.append(f"the answer is empty, and {UNANSWERABLE!r} is not ticked")
        if is_blank(prompt) or is_blank(response) or (self.unplaced and not self.evidence):
            return None
        answerable, quotes = response.strip() != REFUSAL, tuple(filter(None, self.texts["quotes"]))
        return PromptResponse(prompt, response, answerable, tuple(self.evidence), quotes, self.rating, comment, self.overrides)

    def _read_evidence(self, value: dict[str, Any]) -> None:
        span = _located(value, self.passage, "evidence", "passage")
        if isinstance(span, Span):
            self.evidence.append(span)
        else:
            self.unplaced += 1
            self.problems.append(span)

    def _read_text(self, field: str, text: Any) -> None:
        entries = [text] if isinstance(text, str) else text
        if isinstance(entries, list) and all(isinstance(entry, str) for entry in entries):
            self.texts[field] += entries
        else:
            self.problems.append(f"field {field!r} holds no text: {short(text)}")

    def _read_rating(self, rating: Any) -> None:
        if type(rating) is int and 1 <= rating <= MAX_RATING:
            self.rating = rating
        else:
            self.problems.append(f"the rating must be 1 to {MAX_RATING}, found {rating!r}")


def _region(uid: str, field: str, shown: str, kind: str, value: dict[str, Any], number: int | None = None) -> dict[str, Any]:
    identity = short_id(uid, field, *([] if number is None else [str(number)]))[:10]
    return {"id": identity, "from_name": field, "to_name": shown, "type": kind, "value": value}


def _located(value: dict[str, Any], text: str, what: str, where: str) -> Span | str:
    """Return the span that a region marks, or what is wrong with it."""
    start, end, shown = value.get("start"), value.get("end"), value.get("text")
    if type(start) is not int or type(end) is not int:
        return f"{'a region' if what == 'region' else what} has no whole-number offsets: {start!r} to {end!r}"
    span = locate_span(text, start, end, shown if isinstance(shown, str) else None)
    if span is not None:
        return span
    if not 0 <= start < end <= len(text):
        return f"{what} {start} to {end} lies outside the {where} of {len(text)} characters"
    return f"{what} {start} to {end} says {short(shown)} but the {where} has {short(text[start:end])} there"
