"""Decisions: what an expert, a star in Label Studio, or the consensus of the annotators holds to be true about a task."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from doyen.annotation.labelstudio.regions import Result, label_part
from doyen.annotation.store import Session, current_decision, decisions_on, labels_of, task_type_of, tasks_in
from doyen.annotation.task_types import TaskType
from doyen.core.manifest import fingerprint, now, short_id
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationRow, AnnotationTaskRow, DecisionMethod, DecisionRow


def record_decisions(store: Store, review: str, task_type: TaskType) -> int:
    """Turn the experts' current answers of a review project into decisions about the reviewed tasks.

    The newest answer to a task counts; one that is no valid label, gives no reason, or is not the asked expert's, counts
    for nothing. A decision that was changed or withdrawn is kept, no longer current.

    Returns:
        How many decisions are new.
    """
    with store.session() as session:
        tasks = [task for task in tasks_in(session, review) if (task.origin or {}).get("task") is not None]
        labels = labels_of(session, [task.uid for task in tasks])
        answers: dict[str, list[tuple[AnnotationTaskRow, AnnotationRow]]] = defaultdict(list)
        for task in tasks:
            given = [row for row in labels[task.uid] if row.current and _counts(task, row, task_type)]
            answers[(task.origin or {})["task"]] += [(task, row) for row in given]
        reviewed = session.get_one(AnnotationProjectRow, session.get_one(AnnotationProjectRow, review).parent)
        decided = task_type_of(reviewed)
        return sum(_decide(session, uid, given, decided) for uid, given in sorted(answers.items()))


def why_undecided(task: AnnotationTaskRow, annotator: str, reason: str) -> str | None:
    """Return why an expert's answer in a review project decides nothing, valid or not; None where it may decide."""
    expert = (task.origin or {}).get("expert")
    if expert is not None and expert.casefold() != annotator.casefold():
        return f"it decides nothing, because {expert} was asked: change that with `adjudicate --expert`"
    if not reason:
        return "it decides nothing, because it gives no reason: write one over there, then pull again"
    return None


def decide(
    session: Session,
    task_uid: str,
    result: Result,
    typed: dict[str, Any],
    *,
    method: DecisionMethod,
    by: str,
    reason: str,
    inputs: list[str],
    at: str,
) -> bool:
    """Record a decision and make it the task's current one; return whether it is new. The older ones are kept.

    Args:
        typed: what ``result`` says under the task's own description (``TypedLabel.to_json``).
    """
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
            typed=typed,
            method=method,
            decided_by=by,
            reason=reason,
            inputs=inputs,
            current=True,
            decided_at=at,
        )
    )
    return True


def _counts(task: AnnotationTaskRow, answer: AnnotationRow, task_type: TaskType) -> bool:
    """Whether an answer decides: something of it is sound, and it is by the expert who was asked, with a reason."""
    typed = task_type.stored(answer.typed)
    return typed.label is not None and why_undecided(task, answer.annotator, typed.reason) is None


def record_star(session: Session, task_uid: str, starred: AnnotationRow | None, by: str, at: str) -> bool:
    """Let the label that carries Label Studio's star decide the task; without one, an earlier star decides no longer.

    What an expert decides later stands, however often the star is seen again.

    Returns:
        Whether the decision is new.
    """
    rows = decisions_on(session, task_uid)
    stars = [row for row in rows if row.method == DecisionMethod.GROUND_TRUTH]
    known = next((row for row in stars if starred is not None and row.inputs == [starred.annotation_id]), None)
    for row in stars:
        row.current = row.current and row is known
    if starred is None:
        return False
    if known is not None:
        if not any(row.current and row.method == DecisionMethod.EXPERT for row in rows):
            for row in rows:
                row.current = row is known
        return False
    return decide(
        session,
        task_uid,
        starred.result,
        starred.typed or {},
        method=DecisionMethod.GROUND_TRUTH,
        by=by,
        reason="marked as ground truth in Label Studio",
        inputs=[starred.annotation_id],
        at=at,
    )


def _decide(session: Session, uid: str, given: list[tuple[AnnotationTaskRow, AnnotationRow]], task_type: TaskType) -> bool:
    if not given:
        standing = current_decision(session, uid)
        if standing is not None and standing.method == DecisionMethod.EXPERT:
            standing.current = False
        return False
    task, answer = max(given, key=lambda pair: (pair[1].created_at, pair[1].annotation_id))
    result = label_part(answer.result)
    return decide(
        session,
        uid,
        result,
        task_type.understand(result, task.data).to_json(),
        method=DecisionMethod.EXPERT,
        by=answer.annotator,
        reason=task_type.stored(answer.typed).reason,
        inputs=list((task.origin or {}).get("inputs", [])),
        at=answer.created_at or now(),
    )
