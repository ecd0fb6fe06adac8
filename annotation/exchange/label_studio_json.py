"""Label Studio's export "JSON": tasks with their annotations.

Files of our projects and of others are read: a region's type says what it is (``labels``, ``choices``, ``textarea``,
``relation``), since an export does not hold the labelling configuration. Written as our own screens would have labelled
them, so that a JSON file goes into a project with the ``labelling-config.xml`` of a project of that type.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from doyen.annotation.exchange.columns import UNLABELLED, given, labelled, objects
from doyen.annotation.exchange.label_studio_regions import KEPT_KEYS, question_key, read_regions, text_key
from doyen.annotation.exchange.losses import Losses
from doyen.annotation.exchange.record_files import Row, write_json_list
from doyen.annotation.labelstudio.regions import Result, write_label
from doyen.annotation.types.typed_labels import Classes, LabelError, LabelledText, PromptResponse
from doyen.core.records import identifier

EXPECTED = 'a list of tasks with "data" and "annotations"'
SKIPPED = "the annotator skipped it"


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
    asked = question_key(data) if kind == "prompt-response" and not ours else None
    label = read_regions(result, text, kind, losses, str(data[asked]) if asked else "")
    if label is None or (isinstance(label, Classes) and not label.labels and not (ours and kind == "classification")):
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
    yield labelled({**rest, **own}, text, label, ())


def _task(group: list[LabelledText]) -> Row:
    return {"data": data_of(group[0]), "annotations": [_annotation(item) for item in group]}


def _annotation(item: LabelledText) -> Row:
    """Return an annotation. Label Studio knows people by e-mail addresses, and refuses what is none."""
    by = {"completed_by": {"email": item.annotator}} if "@" in item.annotator else {"annotator": item.annotator}
    times = {"created_at": item.created_at, "updated_at": item.created_at} if item.created_at else {}
    return {"result": write_label(item.label, item.text, item.item_id), **by, **times, "was_cancelled": False}


def read_task(task: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the labels of all annotations; skipped ones, and predictions, are counted and left out. Raises LabelError."""
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
        else:
            result = objects(annotation.get("result"), "result")
            yield from read_label(data, result, {**annotation, "id": task.get("id")}, kind, losses)


def _person(annotation: Row) -> str:
    """Return who labelled: an e-mail address, a name, or "user 3" where the file holds a number alone."""
    name = given(annotation, ("completed_by", "annotator"))
    who = annotation[name] if name else ""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id") or ""
    return f"user {identifier(who)}" if isinstance(who, int) else str(who)
