"""Labelling without a server: the next task for a person, and their label stored as one from anywhere else is.

The order is that of Label Studio: the lowest score of the drafts comes first. A task is served until as many people as it
asks for have labelled it, and to nobody twice. Labels that are given here live here alone: they are neither pushed nor
touched by a pull.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doyen.annotation.labelstudio.regions import REASON, Result, label_part
from doyen.annotation.labelstudio.screens import color_of
from doyen.annotation.projects import sync_lock
from doyen.annotation.quality.decisions import record_decisions, why_undecided
from doyen.annotation.store import (
    IMPORTED,
    PRESENT,
    Session,
    TaskForPerson,
    add_version,
    current_labels_of,
    drafts_in,
    get_project,
    task_type_of,
    tasks_for_person,
    tasks_in,
)
from doyen.annotation.task_types import TaskType
from doyen.annotation.type_table import label_type
from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.tokenizer import tokenise
from doyen.annotation.types.typed_labels import Label, LabelError
from doyen.core.errors import InputError, NotFoundError
from doyen.core.manifest import now, short_id
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow, Purpose, TaskState
from doyen.core.workspace import Workspace

LONGEST_REASON = 5000
MALFORMED = "the label does not have the fields of a {type} label: {problem}"


@dataclass(frozen=True)
class Progress:
    """How far a project is for one person.

    Attributes:
        labelled: tasks with a label of anybody.
        own: tasks with a label of this person.
        waiting: tasks that this person may still be asked.
    """

    tasks: int
    labelled: int
    own: int
    waiting: int


@dataclass(frozen=True)
class LabellingTask:
    """A task as its labeller sees it.

    Attributes:
        tokens: (start, end) of the text's words and signs.
        label: the person's own label; None where there is none yet.
        reason: what the person wrote as the reason, in a review.
        draft: the proposed label as JSON, and which model or rules proposed it.
        answers: in a review, what the annotators said, without their names: the label as JSON and in words.
    """

    uid: str
    title: str
    text: str
    prompt: str
    history: list[dict[str, Any]]
    tokens: list[tuple[int, int]]
    label: dict[str, Any] | None = None
    reason: str = ""
    draft: dict[str, Any] | None = None
    drafted_by: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)


def next_task(store: Store, project: str, annotator: str, skipped: Collection[str] = ()) -> LabellingTask | None:
    """Return the task that a person labels next, or None where there is none for them.

    Args:
        skipped: uids of tasks that the person put off; they come when nothing else is left.

    Raises:
        NotFoundError: there is no such project.
    """
    row = get_project(store, project)
    with store.session() as session:
        waiting = _waiting(tasks_for_person(session, project, annotator), row, annotator)
        if not waiting:
            return None
        drafts, later = drafts_in(session, project), set(skipped)
        chosen = min(waiting, key=lambda task: (task.uid in later, _score(drafts[task.uid]), task.created_at, task.uid))
        return _shown(session, row, _task(session, project, chosen.uid), annotator)


def get_task(store: Store, project: str, uid: str, annotator: str) -> LabellingTask:
    """Return one task with the person's label, for a second look.

    Raises:
        NotFoundError: there is no such project or task.
    """
    row = get_project(store, project)
    with store.session() as session:
        return _shown(session, row, _task(session, project, uid), annotator)


def labelling_progress(store: Store, project: str, annotator: str) -> Progress:
    """Return how far a project is. Raises NotFoundError."""
    row = get_project(store, project)
    with store.session() as session:
        tasks = tasks_for_person(session, project, annotator)
    labelled = sum(task.state == TaskState.LABELLED for task in tasks)
    return Progress(len(tasks), labelled, sum(task.own > 0 for task in tasks), len(_waiting(tasks, row, annotator)))


def store_label(
    workspace: Workspace,
    store: Store,
    project: str,
    uid: str,
    label: Mapping[str, Any],
    *,
    annotator: str,
    reason: str = "",
) -> str:
    """Store a person's label of a task as a new version; in a review project it decides the reviewed task.

    Args:
        label: the typed label as JSON (``Label.to_json``).
        reason: why an expert decides so; needed in a review alone.

    Returns:
        "added", "updated" or "unchanged".

    Raises:
        NotFoundError: there is no such project or task.
        InputError: the label does not have the fields of its type, or the reason is missing.
        LabelError: the label contradicts the text or the description; the message names everything.
        Busy: another process is syncing this project.
    """
    row = get_project(store, project)
    task_type = task_type_of(row)
    reviews = row.purpose == Purpose.REVIEW
    with sync_lock(workspace, project):
        with store.session() as session:
            task = _task(session, project, uid)
            result = _result(task_type, label, task.data, reason if reviews else "")
            typed = task_type.understand(result, task.data)
            if typed.problems:
                raise LabelError(list(typed.problems))
            if reviews and (why := why_undecided(task, annotator, typed.reason)):
                raise InputError(why)
            change = add_version(session, uid, IMPORTED + short_id(uid, annotator), annotator, result, typed, now())
            task.state = TaskState.LABELLED
        if reviews:
            record_decisions(store, project, task_type)
    return str(change)


def describe_screen(description: TaskDescription) -> dict[str, Any]:
    """Return what a labelling screen needs of a description as JSON; every label has a colour."""
    labels = [
        {**label.model_dump(mode="json"), "color": color_of(label, number)} for number, label in enumerate(description.labels)
    ]
    return {**description.model_dump(mode="json"), "labels": labels}


def _result(task_type: TaskType, label: Mapping[str, Any], data: Mapping[str, Any], reason: str) -> Result:
    result = task_type.write(_read(task_type.name, label, data["text"]), data)
    if reason.strip():
        value = {"text": [reason.strip()[:LONGEST_REASON]]}
        identity = short_id(data["uid"], REASON)[:10]
        result = [*result, {"id": identity, "from_name": REASON, "to_name": "text", "type": "textarea", "value": value}]
    return result


def _read(kind: str, data: Mapping[str, Any], text: str) -> Label:
    """Return the label that a screen sent.

    Raises:
        InputError: it lacks fields, has others, or one holds something else than it should.
        LabelError: it contradicts the text.
    """
    try:
        label = label_type(kind).from_json(data)
        problems = list(label.problems(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(MALFORMED.format(type=kind, problem=error)) from error
    if problems:
        raise LabelError(problems)
    return label


def _task(session: Session, project: str, uid: str) -> AnnotationTaskRow:
    found = tasks_in(session, project, uids=[uid], states=PRESENT)
    if not found:
        raise NotFoundError(f"project {project!r} has no task {uid!r}: it may have been deleted; go on with the next one")
    return found[0]


def _waiting(tasks: Iterable[TaskForPerson], project: AnnotationProjectRow, annotator: str) -> list[TaskForPerson]:
    """Return the tasks that a person may be asked: not stale, not labelled by them, nor by as many others as it takes."""
    found = []
    for task in tasks:
        expert = (task.origin or {}).get("expert") if project.purpose == Purpose.REVIEW else None
        asked = expert is None or expert.casefold() == annotator.casefold()
        if asked and task.stale is None and not task.own and task.labels < max(task.overlap or 1, 1):
            found.append(task)
    return found


def _score(drafts: Sequence[Any]) -> float:
    return min((float(draft.get("score") or 0.0) for draft in drafts), default=math.inf)


def _shown(session: Session, project: AnnotationProjectRow, task: AnnotationTaskRow, annotator: str) -> LabellingTask:
    task_type, data = task_type_of(project), task.data
    own = next((row for row in reversed(current_labels_of(session, task.uid)) if row.annotator == annotator), None)
    mine = task_type.stored(own.typed) if own is not None else None
    reviews = project.purpose == Purpose.REVIEW
    drafts = task.predictions
    draft = None if reviews or not drafts else task_type.salvage(drafts[0]["result"], data)[0]
    return LabellingTask(
        uid=task.uid,
        title=str(data.get("title") or ""),
        text=data["text"],
        prompt=str(data.get("prompt") or ""),
        history=list(data.get("history") or []),
        tokens=tokenise(data["text"]),
        label=mine.label.to_json() if mine is not None and mine.label is not None else None,
        reason=mine.reason if mine is not None else "",
        draft=draft.to_json() if draft is not None else None,
        drafted_by=str(drafts[0]["model_version"]) if draft is not None else "",
        answers=[_answer(task_type, each, data) for each in drafts] if reviews else [],
    )


def _answer(task_type: TaskType, prediction: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    label, _ = task_type.salvage(label_part(prediction["result"]), data)
    described = label.describe(data["text"]) if label is not None else "not valid"
    return {"label": label.to_json() if label is not None else None, "described": described}
