"""Decisions: what an expert, a star in Label Studio, or the consensus of the annotators holds to be true about a task."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.annotation.labelstudio.regions import Result, label_part, reason_of
from doyen.annotation.task_types import TaskType
from doyen.core.manifest import fingerprint, now, short_id
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationRow, AnnotationTaskRow, DecisionRow

EXPERT, CONSENSUS, STARRED = "expert", "consensus", "ground truth"


def record_decisions(store: Store, review: str, task_type: TaskType) -> int:
    """Turn the experts' current answers of a review project into decisions about the reviewed tasks.

    The newest answer to a task counts; one that is no valid label, gives no reason, or is not the asked expert's, counts
    for nothing. A decision that was changed or withdrawn is kept, no longer current.

    Returns:
        How many decisions are new.
    """
    with store.session() as session:
        query = (
            select(AnnotationTaskRow, AnnotationRow)
            .outerjoin(AnnotationRow, (AnnotationRow.task_uid == AnnotationTaskRow.uid) & AnnotationRow.current)
            .where(AnnotationTaskRow.project == review)
            .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
        )
        answers: dict[str, list[tuple[AnnotationTaskRow, AnnotationRow]]] = defaultdict(list)
        for task, answer in session.execute(query):
            uid = (task.origin or {}).get("task")
            if uid is None:
                continue
            reviewed = answers[uid]
            if answer is not None and _counts(task, answer, task_type):
                reviewed.append((task, answer))
        return sum(_decide(session, uid, given) for uid, given in sorted(answers.items()))


def why_undecided(task: AnnotationTaskRow, annotator: str, result: Result) -> str | None:
    """Return why an expert's answer in a review project decides nothing, valid or not; None where it may decide."""
    expert = (task.origin or {}).get("expert")
    if expert is not None and expert.casefold() != annotator.casefold():
        return f"it decides nothing, because {expert} was asked: change that with `adjudicate --expert`"
    if not reason_of(result):
        return "it decides nothing, because it gives no reason: write one over there, then pull again"
    return None


def decide(
    session: Session, task_uid: str, result: Result, *, method: str, by: str, reason: str, inputs: list[str], at: str
) -> bool:
    """Record a decision and make it the task's current one; return whether it is new. The older ones are kept."""
    identity = short_id(task_uid, method, by, reason, at, fingerprint(result), *inputs)
    known = decisions_on(session, task_uid)
    for row in known:
        row.current = row.decision_id == identity
    if any(row.current for row in known):
        return False
    session.add(
        DecisionRow(
            decision_id=identity,
            task_uid=task_uid,
            result=result,
            method=method,
            decided_by=by,
            reason=reason,
            inputs=inputs,
            current=True,
            decided_at=at,
        )
    )
    return True


def decisions_on(session: Session, task_uid: str) -> list[DecisionRow]:
    """Return all decisions about a task; one of them at most is current."""
    return list(session.scalars(select(DecisionRow).where(DecisionRow.task_uid == task_uid)))


def current_decision(session: Session, task_uid: str) -> DecisionRow | None:
    """Return the decision about a task that stands, if any."""
    return next((row for row in decisions_on(session, task_uid) if row.current), None)


def _counts(task: AnnotationTaskRow, answer: AnnotationRow, task_type: TaskType) -> bool:
    """Whether an answer decides: something of it is sound, and it is by the expert who was asked, with a reason."""
    label, _ = task_type.salvage(label_part(answer.result), task.data)
    return label is not None and why_undecided(task, answer.annotator, answer.result) is None


def starred_tasks(session: Session, project: str) -> set[str]:
    """Return the uids of the project's tasks that a star decides."""
    query = select(DecisionRow.task_uid).join(AnnotationTaskRow, AnnotationTaskRow.uid == DecisionRow.task_uid)
    of_stars = AnnotationTaskRow.project == project, DecisionRow.method == STARRED, DecisionRow.current
    return set(session.scalars(query.where(*of_stars)))


def record_star(session: Session, task_uid: str, starred: AnnotationRow | None, by: str, at: str) -> bool:
    """Let the label that carries Label Studio's star decide the task; without one, an earlier star decides no longer.

    What an expert decides later stands, however often the star is seen again.

    Returns:
        Whether the decision is new.
    """
    rows = decisions_on(session, task_uid)
    stars = [row for row in rows if row.method == STARRED]
    known = next((row for row in stars if starred is not None and row.inputs == [starred.annotation_id]), None)
    for row in stars:
        row.current = row.current and row is known
    if starred is None:
        return False
    if known is not None:
        if not any(row.current and row.method == EXPERT for row in rows):
            for row in rows:
                row.current = row is known
        return False
    return decide(
        session,
        task_uid,
        starred.result,
        method=STARRED,
        by=by,
        reason="marked as ground truth in Label Studio",
        inputs=[starred.annotation_id],
        at=at,
    )


def _decide(session: Session, uid: str, given: list[tuple[AnnotationTaskRow, AnnotationRow]]) -> bool:
    if not given:
        standing = current_decision(session, uid)
        if standing is not None and standing.method == EXPERT:
            standing.current = False
        return False
    task, answer = given[-1]
    return decide(
        session,
        uid,
        label_part(answer.result),
        method=EXPERT,
        by=answer.annotator,
        reason=reason_of(answer.result),
        inputs=list((task.origin or {}).get("inputs", [])),
        at=answer.created_at or now(),
    )
