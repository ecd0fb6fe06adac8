"""Feedback becomes labels: an answer that somebody found wrong becomes a task, filled in with all that is known about it.

Once labelled, the task is a training pair; ``origin`` of its row leads back to the feedback and to the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from doyen.annotation.store import Session, get_annotation_project, new_task_row, task_type_of
from doyen.annotation.task_sources import answers_found_wrong, versions_of
from doyen.annotation.task_types import TaskType
from doyen.annotation.tasks import task_data
from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.drafter import Excerpt
from doyen.annotation.types.typed_labels import PromptResponse
from doyen.core.answers import Passage
from doyen.core.errors import InputError
from doyen.core.manifest import short_id
from doyen.core.records import REFUSAL, Question, Turn
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, AnswerRow, ChunkRow, FeedbackRow
from doyen.core.text import question_hash

VERSION = "feedback"
"""Name of predictions that come from what people said in the chat."""
BREAK = "\n\n"
"""Between the passages of one answer."""


@dataclass
class FeedbackReport:
    """What became of the feedback.

    Attributes:
        answers: answers with a thumb down or a correction.
        made: tasks that are new.
        known: answers that have a task in this project already.
        frozen: answers to frozen evaluation questions, which training must not see.
        problems: a sentence for each answer that no task can be made of; the others are not held up by it.
    """

    project: str
    answers: int = 0
    made: int = 0
    known: int = 0
    frozen: int = 0
    problems: list[str] = field(default_factory=list)


def feedback_tasks(store: Store, project: str, frozen: Sequence[Question] = ()) -> FeedbackReport:
    """Make one task for each answer with a thumb down or a correction; repeating it adds nothing.

    The task shows the passages that the model saw, the conversation, the answer and what was said about it; the newest
    correction is filled in, or else the answer. It is served first.

    Args:
        frozen: evaluation questions; answers to them make no tasks.

    Raises:
        NotFoundError: there is no such project.
        InputError: its tasks are not prompts and responses, or it is a review project.
    """
    row = get_annotation_project(store, project)
    if row.task_type != TypeName.PROMPT_RESPONSE:
        raise InputError(f"project {project!r} holds {row.task_type} tasks: name one of type prompt-response")
    task_type = task_type_of(row)
    hashes = {question_hash(question.question) for question in frozen}
    report = FeedbackReport(project)
    with store.session() as session:
        for answer, said in answers_found_wrong(session):
            report.answers += 1
            uid = short_id(project, "feedback", answer.answer_id)
            if session.get(AnnotationTaskRow, uid) is not None:
                report.known += 1
            elif question_hash(answer.question) in hashes:
                report.frozen += 1
            else:
                try:
                    task = _task(session, task_type, project, uid, answer, said)
                except (LookupError, TypeError, ValueError) as error:
                    report.problems.append(f"answer {answer.answer_id} is stored in a form that cannot be read ({error!r})")
                    continue
                session.add(task)
                report.made += 1
    return report


def _task(
    session: Session, task_type: TaskType, project: str, uid: str, answer: AnswerRow, said: list[FeedbackRow]
) -> AnnotationTaskRow:
    excerpt, places = _passages([_complete(session, Passage.from_json(passage)) for passage in answer.passages])
    history = [Turn.model_validate(turn) for turn in answer.history]
    data = task_data(uid, excerpt, answer.question, history=history)
    data |= {"conversation": _conversation(history, answer, said), "passages": places}
    telling = next((entry for entry in reversed(said) if entry.correction), said[-1])
    response = telling.correction or ("" if answer.abstained else answer.answer)
    label = PromptResponse(answer.question, response, answerable=response.strip() != REFUSAL)
    row = new_task_row(project, data)
    row.predictions = [task_type.prediction(label, 0.0, data, VERSION)]
    row.origin = {"feedback_id": telling.feedback_id, "answer_id": answer.answer_id}
    return row


def _complete(session: Session, passage: Passage) -> Passage:
    """Return a stored passage with the version that it was cut from and its heading, which answers once left out.

    The version is the document's newest one that holds the passage at its place, or empty where none does any more.
    """
    if passage.version:
        return passage
    versions = versions_of(session, passage.document_id)
    held = (row.version for row in versions if row.text[passage.start : passage.end] == passage.text)
    chunk = session.get(ChunkRow, passage.chunk_id)
    return replace(passage, heading=passage.heading or (chunk.heading if chunk else ""), version=next(held, ""))


def _passages(passages: list[Passage]) -> tuple[Excerpt, list[dict[str, Any]]]:
    """Return all passages as one text, named after the first, and where in it each one lies."""
    if not passages:
        return Excerpt(""), []
    names = ("source", "document_id", "version", "chunk_id", "start", "page")
    places, at = [], 0
    for passage in passages:
        places.append({name: getattr(passage, name) for name in names} | {"at": at, "length": len(passage.text)})
        at += len(passage.text) + len(BREAK)
    first = {name: getattr(passages[0], name) for name in (*names, "heading")}
    return Excerpt(BREAK.join(passage.text for passage in passages), **first), places


def _conversation(history: Sequence[Turn], answer: AnswerRow, said: list[FeedbackRow]) -> str:
    """Return what was asked, answered and said about it, for the expert to read."""
    lines = [f"[{turn.role}] {turn.content}" for turn in history]
    lines += [f"[user] {answer.question}", f"[assistant, {answer.mode}] {answer.answer}"]
    for entry in said:
        parts = (
            "thumb down" if entry.rating < 0 else "",
            entry.correction and f"correction: {entry.correction}",
            entry.comment,
        )
        lines.append("[feedback] " + " · ".join(part for part in parts if part))
    return "  ".join(lines)
