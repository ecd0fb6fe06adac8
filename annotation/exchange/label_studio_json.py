"""Label Studio's export "JSON": tasks with their annotations, from any labelling configuration.

Files of our projects and of others are read: a region's type says what it is (``labels``, ``choices``, ``textarea``,
``relation``), since an export does not hold the labelling configuration. Written as our own screens would have labelled
them, so that a JSON file goes into a project with the ``labelling-config.xml`` of a project of that type.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from doyen.annotation.exchange import columns
from doyen.annotation.exchange.record_files import Losses, Row, write_json_list
from doyen.annotation.labelstudio.regions import CLASS, PROMPT_RESPONSE_FIELDS, Result, read_prompt_response
from doyen.annotation.type_table import entry_of, label_type
from doyen.annotation.types.descriptions import RULES
from doyen.annotation.types.spans import locate_span
from doyen.annotation.types.typed_labels import (
    Classes,
    Label,
    LabelError,
    LabelledText,
    PromptResponse,
    Region,
    Relation,
    short,
)
from doyen.core.records import REFUSAL, identifier
from doyen.core.text import is_blank

EXPECTED = 'a list of tasks with "data" and "annotations"'
SKIPPED = "the annotator skipped it"
MARKED = ("labels", "hypertextlabels")
KEPT_KEYS = ("title", "conversation", "prompt", "history")
"""What of our tasks' data follows from the rest, or is said by the label."""


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write one task for labels of one item that follow each other."""
    items = groupby(labels, key=lambda item: (item.item_id, item.text, dict(item.meta)))
    write_json_list(path, (_task(list(group)) for _, group in items))


def data_of(item: LabelledText) -> Row:
    """Return a task's data with everything that our screens show, empty where we do not have it."""
    prompt = item.label.prompt if isinstance(item.label, PromptResponse) else ""
    shown = {"title": "", "conversation": "", "prompt": prompt}
    return {"uid": item.item_id, "text": item.text, **shown, "meta": dict(item.meta)}


def read_label(data: Row, result: Result, source: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the label that a result means, unless nothing of it is one of that type.

    Args:
        data: the task's data.
        result: the regions.
        source: the annotation, which names annotator and time, with the task's ``id``.
        kind: the task type.
        losses: counts what is not read.

    Raises:
        LabelError: the regions contradict the text, or it is unclear what was labelled.
    """
    ours = data.get("uid") is not None
    key = text_key(data, result, kind)
    text = str(data[key])
    asked = question_key(data) if label_type(kind) is PromptResponse and not ours else None
    label = read_regions(result, text, kind, losses, str(data[asked]) if asked else "")
    if label is None or (isinstance(label, Classes) and not label.labels and not (ours and RULES[kind].multiple)):
        losses.skip(f"it has nothing of type {kind}")
        return
    used = {key, "uid", *(KEPT_KEYS if ours else ())}
    if isinstance(label, PromptResponse) and not ours:
        used |= {asked} if asked and label.prompt == data[asked] else set()
        text = "" if label.prompt == text else text
    rest = {name: value for name, value in data.items() if name not in used and not (ours and value in (None, ""))}
    own = {
        "item_id": data["uid"] if ours else source.get("id"),
        "annotator": _person(source),
        "created_at": source.get("updated_at") or source.get("created_at"),
    }
    yield columns.labelled({**rest, **own}, text, label, ())


def _task(group: list[LabelledText]) -> Row:
    return {"data": data_of(group[0]), "annotations": [_annotation(item) for item in group]}


def _annotation(item: LabelledText) -> Row:
    """Return an annotation. Label Studio knows people by e-mail addresses, and refuses what is none."""
    by = {"completed_by": {"email": item.annotator}} if "@" in item.annotator else {"annotator": item.annotator}
    times = {"created_at": item.created_at, "updated_at": item.created_at} if item.created_at else {}
    return {"result": entry_of(item.label).write(item.label, item.text, item.item_id), **by, **times, "was_cancelled": False}


def read_task(task: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the labels of all annotations; skipped ones, and predictions, are counted and left out. Raises LabelError."""
    data = task.get("data")
    if not isinstance(data, dict):
        raise LabelError(["it has no 'data'"])
    losses.drop("prediction", len(columns.objects(task.get("predictions"), "predictions")))
    found = columns.given(task, ("annotations", "completions"))
    annotations = columns.objects(task[found], found) if found else []
    if not annotations:
        losses.skip(columns.UNLABELLED)
    for annotation in annotations:
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            losses.skip(SKIPPED)
        else:
            result = columns.objects(annotation.get("result"), "result")
            yield from read_label(data, result, {**annotation, "id": task.get("id")}, kind, losses)


def _person(annotation: Row) -> str:
    """Return who labelled: an e-mail address, a name, or "user 3" where the file holds a number alone."""
    name = columns.given(annotation, ("completed_by", "annotator"))
    who = annotation[name] if name else ""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id") or ""
    return f"user {identifier(who)}" if isinstance(who, int) else str(who)


def read_regions(result: Result, text: str, kind: str, losses: Losses, question: str = "") -> Label | None:
    """Return the label of that type which a result means; None where it says nothing of the kind.

    Args:
        result: the regions.
        text: what was labelled; for prompt/response the passage, or the question where there is no passage.
        kind: name of the type.
        losses: counts what is not read.
        question: what the task asks, for a result that holds an answer alone.

    Raises:
        LabelError: regions contradict the text.
    """
    if label_type(kind) is PromptResponse:
        return _read_prompt(result, text, losses, question or text)
    if kind in columns.CLASS_KINDS:
        return _read_classes(result, losses)
    return _read_marks(result, text, kind, losses)


def text_key(data: Row, result: Result, kind: str) -> str:
    """Return which of a task's data was labelled: ``text``, else what alone is text, or alone fits the marks.

    For prompt/response it is the passage; without one, the question.

    Raises:
        LabelError: there is none, or several could be.
    """
    texts = [name for name, value in data.items() if isinstance(value, str) and name != "uid"]
    usual = ("text", *columns.PASSAGES, *columns.PROMPTS) if label_type(kind) is PromptResponse else ("text",)
    preferred = [name for name in usual if name in texts]
    if preferred:
        return preferred[0]
    fitting = [name for name in texts if all(_fits(entry, data[name]) for entry in result)] if len(texts) > 1 else texts
    shown = {entry.get("to_name") for entry in result}
    chosen = fitting if len(fitting) == 1 else [name for name in fitting if name in shown]
    if len(chosen) != 1:
        known = ", ".join(map(repr, texts)) or "no text at all"
        raise LabelError([f"which of its data was labelled? It has {known}: name that one 'text'"])
    return chosen[0]


def question_key(data: Row) -> str | None:
    """Return which of a task's data is its question, if any is."""
    return next((name for name in columns.PROMPTS if isinstance(data.get(name), str) and not is_blank(data[name])), None)


def _fits(entry: Row, text: str) -> bool:
    value = entry.get("value")
    if not isinstance(value, dict) or not isinstance(value.get("start"), int) or not isinstance(value.get("end"), int):
        return True
    return locate_span(text, value["start"], value["end"], value.get("text")) is not None


def _value(entry: Row) -> Row:
    value = entry.get("value")
    if not isinstance(value, dict):
        raise LabelError([f"a region has no value: {short(entry)}"])
    return value


def _read_classes(result: Result, losses: Losses) -> Classes:
    """Return the chosen classes; where one field has our name, those of that field alone."""
    chosen = [entry for entry in result if entry.get("type") == "choices" and "start" not in _value(entry)]
    fields = {str(entry.get("from_name")) for entry in chosen}
    if CLASS in fields:
        chosen, fields = [entry for entry in chosen if entry.get("from_name") == CLASS], {CLASS}
    _drop(result, chosen, losses)
    losses.drop("question's name (answers to several questions become one list)", len(fields) if len(fields) > 1 else 0)
    found = [name for entry in chosen for name in columns.names(_value(entry).get("choices") or [], "choices")]
    return Classes(tuple(dict.fromkeys(found)))


def _read_marks(result: Result, text: str, kind: str, losses: Losses) -> Label:
    marked = [entry for entry in result if entry.get("type") in MARKED]
    links = [entry for entry in result if entry.get("type") == "relation"]
    _drop(result, [*marked, *links], losses)
    regions = [found for number, entry in enumerate(marked) for found in _marks(number, entry, text, losses)]
    known = {found.id for found in regions}
    relations = [found for link in links for found in _relations(link, known, kind, losses)]
    return columns.span_label(kind, regions, relations, losses)


def _marks(number: int, entry: Row, text: str, losses: Losses) -> Iterator[Region]:
    """Yield a mark; one with several labels is several marks."""
    value = _value(entry)
    labels = columns.names(value.get(str(entry["type"])) or value.get("labels") or [], "labels")
    losses.drop("mark without a label", int(not labels))
    identity = str(entry["id"]) if entry.get("id") is not None else str(number)
    for position, name in enumerate(labels):
        own = identity if position == 0 else f"{identity}-{position}"
        found = columns.region(own, value.get("start"), value.get("end"), name)
        shown = value.get("text")
        span = locate_span(text, found.start, found.end, shown if isinstance(shown, str) else None)
        if span is None:
            there = short(text[found.start : found.end])
            raise LabelError([f"{name!r} at {found.start} to {found.end} says {short(shown)}, but the text has {there} there"])
        yield Region(found.id, span.start, span.end, name)


def _relations(link: Row, known: set[str], kind: str, losses: Losses) -> Iterator[Relation]:
    """Yield a relation; one with several names, or in both directions, is several."""
    ends = str(link.get("from_id")), str(link.get("to_id"))
    labels = columns.names(link.get("labels") or [], "labels")
    if not set(ends) <= known:
        losses.drop("relation to what is no mark")
        return
    if RULES[kind].relations and not labels:
        losses.drop("relation without a name")
    for name in labels if RULES[kind].relations else [""]:
        if link.get("direction") != "left":
            yield Relation(*ends, name)
        if link.get("direction") in {"left", "bi"} and RULES[kind].relations:
            yield Relation(*ends[::-1], name)


def _read_prompt(result: Result, text: str, losses: Losses, question: str) -> PromptResponse | None:
    """Return question and answer: of our own screen, of two text fields with usual names, or one that answers the question."""
    own = [entry for entry in result if entry.get("from_name") in PROMPT_RESPONSE_FIELDS]
    if {"prompt", "response"} <= {entry.get("from_name") for entry in own} or _is_refused(own):
        _drop(result, own, losses)
        label, problems = read_prompt_response(own, text)
        if label is None or problems:
            raise LabelError(problems)
        return label
    written: dict[str, str] = {}
    areas = [entry for entry in result if entry.get("type") == "textarea"]
    for entry in areas:
        name = str(entry.get("from_name"))
        written[name] = "\n".join(filter(None, [written.get(name), *columns.names(_value(entry).get("text") or [], "text")]))
    _drop(result, areas, losses)
    prompt = next((written.pop(name) for name in columns.PROMPTS if name in written), None)
    response = next((written.pop(name) for name in columns.RESPONSES if name in written), None)
    if response is None and len(written) == 1:
        response = written.popitem()[1]
    if response is None:
        return None
    for name in written:
        losses.drop(f"field {name!r}")
    return PromptResponse(prompt or question, response, response.strip() != REFUSAL)


def _is_refused(own: Result) -> bool:
    found = {entry.get("from_name") for entry in own}
    return {"prompt", "answerable"} <= found


def _drop(result: Result, used: list[Any], losses: Losses) -> None:
    """Count the regions that are not read."""
    for entry in result:
        if not any(entry is one for one in used):
            losses.drop(f"field {entry.get('from_name') or entry.get('type')!r}")
