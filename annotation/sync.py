"""Pushing tasks to where people label, and pulling their labels back: incremental, repeatable, safe to interrupt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from doyen.annotation.labelstudio.people import keep_people
from doyen.annotation.overlap import apply_overlap, change_overlap, plan_overlap
from doyen.annotation.projects import Connection, connected
from doyen.annotation.pulled_labels import PullReport, store_changes, withdraw_deleted
from doyen.annotation.quality.decisions import record_decisions
from doyen.annotation.store import mark_pushed, tasks_in, update_project
from doyen.core.batches import batched
from doyen.core.manifest import short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.redaction import redact
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow, Purpose, TaskState
from doyen.core.workspace import Workspace

PUSH_BATCH, PULL_BATCH = 1000, 500
DRAFTS = "drafts"
"""What the versions of our drafts on a server begin with. Another version there (a model's server) is left in force."""
OVERLAP = timedelta(seconds=10)
"""A pull looks this far behind the last one: a server may commit a change a moment after the time that it notes."""


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    Attributes:
        already_there: tasks that an interrupted push had brought over before.
        scores: drafts that were sent again for tasks that are still open.
        stale: tasks that were not sent because their text is no longer the document's.
        overlap: of all tasks, those that several people label.
        people: how many label each of them.
        kept_model: the model that somebody chose on the server, whose drafts are shown instead of ours; else empty.
    """

    project: str
    location: str
    sent: int
    already_there: int
    scores: int = 0
    stale: int = 0
    overlap: int = 0
    people: int = 1
    kept_model: str = ""


def push(
    workspace: Workspace,
    store: Store,
    project: str,
    *,
    scores: bool = False,
    overlap: int | None = None,
    share: float | None = None,
    reporter: Reporter | None = None,
) -> PushReport:
    """Send the tasks that are not there yet, and have tasks served in order of draft uncertainty.

    Tasks that are marked stale are not sent: nobody should label a text that has changed.

    Interrupted anywhere, here or on the server, and repeated, it sends each task once: before sending, it asks which uids
    have arrived.

    Args:
        scores: send the drafts of open tasks again, for a model that drafts anew or a new order (``queue.set_order``).
        overlap: how many people label each gold item and each task of the share; default: as said before.
        share: share of the tasks that several people label, 0 to 1; default: as said before.

    Raises:
        NotFoundError: there is no such project.
        InputError: overlap or share cannot be, or is given for a project that reviews or was not made here.
        StateError: the project lives elsewhere than the settings say, or is gone there.
        ServiceError: the server failed; what had arrived stays.
        Busy: another process is syncing this project.
    """
    with connected(workspace, store, project) as connection:
        change_overlap(store, project, overlap, share)
        people, for_all = plan_overlap(store, project)
        count = connection.backend.count_tasks(connection.external_id)
        if connection.server and not for_all and not count:
            # Added for one person each, so that only the others have to be changed one by one.
            connection.server.limit_people(connection.external_id, 1)
        waiting = _tasks(store, project, TaskState.CREATED)
        arrived = connection.backend.known_uids(connection.external_id) if (waiting or scores) and count else {}
        mark_pushed(store, {task.uid: min(arrived[task.uid]) for task in waiting if task.uid in arrived})
        absent = [task for task in waiting if task.uid not in arrived]
        fresh = _gold_scattered([task for task in absent if task.stale is None])
        version, kept_model = _choose_version(connection, renew=scores)
        _send(connection, fresh, version, reporter or Silent())
        shared = apply_overlap(store, connection.backend, connection.external_id, project)
        again = _push_scores(connection, version, {uid for uids in arrived.values() for uid in uids}) if scores else 0
        drafted = again or any(task.predictions for task in fresh)
        # A server refuses a version under which it has no draft; in an adopted project its owner chose what is shown.
        if connection.server and drafted and not (kept_model or connection.server.screen):
            connection.server.show_version(connection.external_id, version)
    return PushReport(
        project,
        redact(connection.backend.location),
        sent=len(fresh),
        already_there=len(waiting) - len(absent),
        scores=again,
        stale=len(absent) - len(fresh),
        overlap=shared,
        people=people,
        kept_model=kept_model,
    )


def pull(workspace: Workspace, store: Store, project: str, *, reporter: Reporter | None = None) -> PullReport:
    """Fetch what changed since the last complete pull, and keep every version of every label.

    In a review project the experts' answers become decisions about the reviewed tasks.

    Raises:
        NotFoundError, StateError, ServiceError, Busy: as for ``push``.
        RecordError: a labels file is broken.
    """
    with connected(workspace, store, project) as connection:
        return pull_changes(connection, reporter=reporter)


def pull_changes(connection: Connection, *, reporter: Reporter | None = None) -> PullReport:
    """Pull, for a caller that holds the project's lock.

    The mark up to which changes were seen moves only when a pull has gone through, to a time noted before it began:
    an interrupted pull is repeated, and a change made during one is seen by the next.
    """
    synced_at, store = connection.row.synced_at, connection.store
    since = (datetime.fromisoformat(synced_at) - OVERLAP).isoformat() if synced_at else None
    report = PullReport(connection.name, redact(connection.backend.location))
    count = connection.backend.count_tasks(connection.external_id)
    newest, changed = connection.backend.read_changes(connection.external_id, since)
    with (reporter or Silent()).bar("pulling labels", None) as bar:
        for batch in batched(changed, PULL_BATCH):
            store_changes(connection, batch, report)
            bar.advance(len(batch))
    withdraw_deleted(connection, count, report)
    keep_people(connection.workspace.annotation_folder, connection.backend.people())
    if connection.row.purpose == Purpose.REVIEW:
        report.decisions = record_decisions(store, connection.name, connection.task_type)
    update_project(store, connection.name, synced_at=newest or synced_at)
    return report


def _tasks(store: Store, project: str, state: str) -> list[AnnotationTaskRow]:
    with store.session() as session:
        return tasks_in(session, project, states=[state])


def _gold_scattered(tasks: Sequence[AnnotationTaskRow]) -> list[AnnotationTaskRow]:
    """Return the tasks in their order, gold items scattered among them: a block of them would give itself away."""
    others = [task for task in tasks if task.gold is None]
    rank = {task.uid: number + 0.5 for number, task in enumerate(others)}
    return sorted(tasks, key=lambda task: rank.get(task.uid, int(short_id("place", task.uid), 16) % (len(others) + 1)))


def _choose_version(connection: Connection, *, renew: bool) -> tuple[str, str]:
    """Return under which version drafts are sent, and the model that somebody chose on the server instead, or ""."""
    shown = connection.server.shown_version(connection.external_id) if connection.server else ""
    ours = shown.startswith(DRAFTS)
    version = f"{DRAFTS} {datetime.now(UTC).isoformat()}" if renew else shown if ours else DRAFTS
    return version, "" if ours else shown


def _send(connection: Connection, tasks: Sequence[AnnotationTaskRow], version: str, reporter: Reporter) -> None:
    """Send tasks in batches, each noted as soon as it has arrived."""
    with reporter.bar("pushing tasks", len(tasks)) as bar:
        for batch in batched(tasks, PUSH_BATCH):
            sent = [{"data": task.data, "predictions": _drafts(task, version), "overlap": task.overlap} for task in batch]
            ids = connection.backend.add_tasks(connection.external_id, sent)
            mark_pushed(connection.store, dict(zip((task.uid for task in batch), ids, strict=True)))
            bar.advance(len(batch))


def _drafts(task: AnnotationTaskRow, version: str) -> list[dict[str, Any]]:
    """Return a task's drafts under one version, whoever made them: a server shows no other's."""
    return [{**draft, "model_version": version} for draft in task.predictions]


def _push_scores(connection: Connection, version: str, present: set[str]) -> int:
    """Send the drafts of open tasks again as a newer version, where the task is still there; return how many.

    In files, which nobody serves in any order, the order of the tasks follows the scores.
    """
    waiting = _tasks(connection.store, connection.name, TaskState.PUSHED)
    tasks = [task for task in waiting if task.external_id in present]
    drafts = [(task.external_id or "", draft) for task in tasks for draft in _drafts(task, version)]
    if connection.server:
        for batch in batched(drafts, PUSH_BATCH):
            connection.server.add_predictions(connection.external_id, batch)
    if connection.files:
        connection.files.set_drafts(connection.external_id, {task.uid: _drafts(task, version) for task in waiting})
    return len(drafts)
