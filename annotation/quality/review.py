"""Review: disputed tasks go to an expert's project; what nobody disputes is decided by consensus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from doyen.annotation.create import ensure_project
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.labelstudio.screens import ANSWERS, review_screen
from doyen.annotation.projects import open_backend, sync_lock
from doyen.annotation.quality.aggregation import consensus, gold_reliability
from doyen.annotation.quality.decisions import decide
from doyen.annotation.quality.disputes import Dispute, disputed
from doyen.annotation.quality.gold import gold_labels
from doyen.annotation.quality.labelled_items import gather
from doyen.annotation.store import (
    Session,
    current_decision,
    current_decisions,
    current_labels_of,
    find_project,
    get_annotation_project,
    get_project,
    new_task_row,
    task_type_of,
    tasks_in,
)
from doyen.annotation.sync import push
from doyen.annotation.types.typed_labels import LabelledText
from doyen.core.errors import InputError
from doyen.core.manifest import now, short_id
from doyen.core.progress import Reporter
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow, DecisionMethod, Purpose
from doyen.core.workspace import Workspace

SUFFIX, LONGEST_NAME = " review", 50
UNSURE = 0.5
"""Confidence up to which a consensus decides nothing: of two answers, each is as likely."""


@dataclass(frozen=True)
class AdjudicationReport:
    """What was sent to the expert.

    Attributes:
        review: the review project's name.
        sent: tasks that are new there.
        waiting: disputed tasks that had been sent before and are not decided yet.
    """

    project: str
    review: str
    location: str
    sent: int
    waiting: int


def find_disputes(store: Store, project: str, *, threshold: float | None = None, share: float | None = None) -> list[Dispute]:
    """Return what an expert should decide, worst first; annotators are trusted by gold items where there are enough.

    Args:
        threshold, share: as for ``disputed``.

    Raises:
        NotFoundError: there is no such project.
        InputError: threshold or share is not between 0 and 1.
    """
    several = task_type_of(get_project(store, project)).description.multiple
    labels, trusted = _open_labels(store, project)
    return disputed(labels, threshold=threshold, share=share, reliability=trusted, multiple=several)


def send_to_review(
    workspace: Workspace,
    store: Store,
    project: str,
    disputes: Sequence[Dispute],
    *,
    expert: str | None = None,
    reporter: Reporter | None = None,
) -> AdjudicationReport:
    """Send disputed tasks to the review project, which is made on first use; repeating it sends nothing twice.

    A task that an expert has decided is not sent again. One whose labels have changed since it was sent comes again
    with the new ones.

    Args:
        disputes: what to decide, worst first.
        expert: whose answers decide, of tasks that wait there already, too; default: whoever was asked before for
            these, and anybody's for new ones.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project itself, or another project has the name that its review project needs.
        ServiceError, StateError, Busy: as for ``push``.
    """
    parent = get_annotation_project(store, project)
    review = review_name(project)
    with sync_lock(workspace, review):
        _check_free(store, review, project)
        wanted = AnnotationProjectRow(
            name=review,
            task_type=parent.task_type,
            config=review_screen(task_type_of(parent).config),
            description=parent.description,
            purpose=Purpose.REVIEW,
            parent=project,
            overlap=1,
        )
        ensure_project(workspace, store, open_backend(workspace), wanted)
    with store.session() as session:
        sent = [_add_review_task(session, review, dispute, expert) for dispute in disputes]
        if expert is not None:
            _ask(session, review, expert)
    push(workspace, store, review, reporter=reporter)
    location = redact(get_project(store, review).backend or "")
    return AdjudicationReport(project, review, location, sent.count(True), sent.count(False))


def accept_consensus(store: Store, project: str, disputes: Sequence[Dispute] = (), *, threshold: float | None = None) -> int:
    """Let the annotators' aggregated answer decide every task with at least two labels that nobody disputes.

    An expert's decision stands. A consensus over the same labels is not recorded twice; one whose task is disputed by
    now, or has lost its labels, is withdrawn.

    Args:
        disputes: what was sent to the expert. Nothing else that is disputed is decided either, however few were sent.
        threshold: as for ``find_disputes``.

    Returns:
        How many decisions are new.

    Raises:
        NotFoundError: there is no such project.
        InputError: threshold is not between 0 and 1.
    """
    task_type = task_type_of(get_project(store, project))
    several = task_type.description.multiple
    labels, trusted = _open_labels(store, project)
    undecided = disputed(labels, threshold=threshold, reliability=trusted, multiple=several)
    left_out = {dispute.item_id for dispute in (*disputes, *undecided)}
    accepted = {
        uid: agreed
        for uid, agreed in consensus(labels, reliability=trusted, multiple=several).items()
        if uid not in left_out and len(agreed.annotators) > 1 and agreed.confidence > UNSURE
    }
    made = 0
    with store.session() as session:
        for row in current_decisions(session, project, DecisionMethod.CONSENSUS):
            row.current = row.task_uid in accepted
        for uid, agreed in accepted.items():
            inputs = [row.annotation_id for row in current_labels_of(session, uid)]
            standing = current_decision(session, uid)
            if standing is not None and (standing.method != DecisionMethod.CONSENSUS or standing.inputs == inputs):
                continue
            data = session.get_one(AnnotationTaskRow, uid).data
            result = task_type.write(agreed.label, data)
            made += decide(
                session,
                uid,
                result,
                task_type.understand(result, data).to_json(),
                method=DecisionMethod.CONSENSUS,
                by=agreed.method,
                reason=f"confidence {agreed.confidence:.3f} over {', '.join(agreed.annotators)}",
                inputs=inputs,
                at=now(),
            )
    return made


def review_name(project: str) -> str:
    """Return the name of a project's review project; one that Label Studio would not take is cut and gets a hash."""
    name = project + SUFFIX
    if len(name) <= LONGEST_NAME:
        return name
    end = f" {short_id(project)[:6]}{SUFFIX}"
    return project[: LONGEST_NAME - len(end)] + end


def _check_free(store: Store, review: str, project: str) -> None:
    """Raise InputError where a project that does not review this one has the name already."""
    row = find_project(store, review)
    if row is not None and (row.purpose, row.parent) != (Purpose.REVIEW, project):
        raise InputError(
            f"the disputed tasks of {project!r} go to a project named {review!r}, but that one is no review of it: "
            "annotate under another name"
        )


def _open_labels(store: Store, project: str) -> tuple[list[LabelledText], dict[str, float] | None]:
    """Return the annotators' labels of all but gold items, and how far each annotator is trusted by gold items."""
    gold = gold_labels(store, project)
    labels = list(labelled_texts(store, project, decided=False, gold=True))
    trusted = gold_reliability(gather(labels), gold) if gold else {}
    return [label for label in labels if label.item_id not in gold], trusted or None


def _add_review_task(session: Session, review: str, dispute: Dispute, expert: str | None) -> bool | None:
    """Add one task; return False when it is there already, and None when an expert has decided."""
    standing = current_decision(session, dispute.item_id)
    if standing is not None and standing.method != DecisionMethod.CONSENSUS:
        return None
    answers = current_labels_of(session, dispute.item_id)
    inputs = [row.annotation_id for row in answers]
    uid = short_id(review, dispute.item_id, *inputs)
    if session.get(AnnotationTaskRow, uid) is not None:
        return False
    task = session.get_one(AnnotationTaskRow, dispute.item_id)
    # Label Studio serves low scores first.
    urgency = round(1 / (1 + max(dispute.score, 0.0)), 4)
    predictions = [
        {"model_version": f"answer {number}", "score": urgency, "result": row.result}
        for number, row in enumerate(answers, start=1)
    ]
    # Names are left out: an expert should judge answers, not people.
    shown = {f"Answer {number}": own.label.describe(own.text) for number, own in enumerate(dispute.labels, start=1)}
    row = new_task_row(review, {**task.data, "uid": uid, ANSWERS: shown})
    row.predictions = predictions
    # To the microsecond: tasks are sent oldest first, and the worst was added first.
    row.created_at = datetime.now(UTC).isoformat()
    row.origin = {"task": task.uid, "inputs": inputs, "expert": expert, "reason": dispute.reason}
    session.add(row)
    return True


def _ask(session: Session, review: str, expert: str) -> None:
    """Ask this expert for every task that no expert has decided yet, whoever was asked before."""
    for task in tasks_in(session, review):
        origin = task.origin or {}
        standing = current_decision(session, origin.get("task", ""))
        if origin.get("expert") != expert and (standing is None or standing.method == DecisionMethod.CONSENSUS):
            task.origin = {**origin, "expert": expert}
