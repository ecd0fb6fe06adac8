"""Jobs: long work that is asked for now and runs in a process of its own, kept in the store.

queued ─▶ running ─▶ done | failed | cancelled
              └────▶ interrupted ─▶ queued …        its process died: what was done is kept, started again it goes on
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import exists, select, update
from sqlalchemy.orm import aliased

from doyen.core.errors import Busy, NotFoundError, StateError
from doyen.core.locks import hold
from doyen.core.manifest import now
from doyen.core.store import Store
from doyen.core.store.schema import JobRow, JobState
from doyen.core.workspace import Workspace

MOST_ATTEMPTS = 3
"""A job whose process died so often is left to a person: it may be what kills it."""
ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True)
class Progress:
    """How far the present piece of a job is.

    Attributes:
        title: what is being done; empty before anything is.
        done: units of it that are done.
        total: all of them; None where that is not known.
        note: about the last unit, such as a loss.
        seconds: since the piece began.
    """

    title: str = ""
    done: float = 0.0
    total: float | None = None
    note: str = ""
    seconds: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the piece is done at the rate so far; None where that cannot be told."""
        return self.seconds * (self.total - self.done) / self.done if self.total and self.done else None


@dataclass(frozen=True)
class Job:
    """A job as it stands in the store; the attributes are those of `JobRow`."""

    job_id: str
    kind: str
    arguments: dict[str, Any]
    resource: str
    by: str
    state: JobState
    attempts: int
    cancel_requested: bool
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    error: str = ""
    progress: Progress = field(default_factory=Progress)
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """The loss of a training at a step."""

    step: int
    loss: float


def add_job(store: Store, kind: str, arguments: dict[str, Any], resource: str, by: str = "") -> Job:
    """Put a job into the queue."""
    row = JobRow(
        job_id=uuid4().hex[:12],
        kind=kind,
        arguments=arguments,
        resource=resource,
        by=by,
        state=JobState.QUEUED,
        attempts=0,
        cancel_requested=False,
        progress={},
        result={},
        error="",
        created_at=now(),
        started_at=None,
        ended_at=None,
    )
    with store.session() as session:
        session.add(row)
    return _job(row)


def get_job(workspace: Workspace, store: Store, job_id: str) -> Job:
    """Return a job.

    Raises:
        NotFoundError: there is none of this id.
    """
    settle_interrupted(workspace, store)
    with store.session() as session:
        row = session.get(JobRow, job_id)
    if row is None:
        raise NotFoundError(f"there is no job {job_id!r}: `doyen jobs list` names them")
    return _job(row)


def list_jobs(workspace: Workspace, store: Store, *, limit: int = 100) -> list[Job]:
    """Return the newest jobs, newest first."""
    settle_interrupted(workspace, store)
    with store.session() as session:
        rows = session.scalars(select(JobRow).order_by(JobRow.created_at.desc(), JobRow.job_id).limit(limit)).all()
    return [_job(row) for row in rows]


def startable(store: Store) -> list[Job]:
    """Return the queued jobs whose resource no running job has, oldest first, one for each resource."""
    with store.session() as session:
        busy = set(session.scalars(select(JobRow.resource).where(JobRow.state == JobState.RUNNING)))
        rows = session.scalars(select(JobRow).where(JobRow.state == JobState.QUEUED).order_by(JobRow.created_at)).all()
    first: dict[str, Job] = {}
    for row in rows:
        if row.resource not in busy:
            first.setdefault(row.resource, _job(row))
    return list(first.values())


def claim(store: Store, job_id: str) -> Job | None:
    """Take a queued job to run it; None where it is not queued any more, or its resource is taken.

    One statement decides, so that of two processes that try only one gets it.
    """
    other = aliased(JobRow)
    mine = select(JobRow.resource).where(JobRow.job_id == job_id).scalar_subquery()
    taken = exists().where(other.state == JobState.RUNNING, other.resource == mine)
    wanted = update(JobRow).where(JobRow.job_id == job_id, JobRow.state == JobState.QUEUED, ~taken)
    values = {"state": JobState.RUNNING, "started_at": now(), "attempts": JobRow.attempts + 1, "progress": {}}
    with store.session() as session:
        if not session.execute(wanted.values(**values)).rowcount:  # type: ignore[attr-defined]
            return None
        row = session.get_one(JobRow, job_id)
    return _job(row)


def record_progress(store: Store, job_id: str, progress: Progress) -> bool:
    """Store how far a job is; return whether it is to be cancelled."""
    with store.session() as session:
        row = session.get_one(JobRow, job_id)
        row.progress = asdict(progress)
        return row.cancel_requested


def end_job(store: Store, job_id: str, state: JobState, *, result: dict[str, Any] | None = None, error: str = "") -> None:
    """Store how a running job ended."""
    values = {"state": state, "result": result or {}, "error": error, "ended_at": now()}
    with store.session() as session:
        session.execute(update(JobRow).where(JobRow.job_id == job_id, JobRow.state == JobState.RUNNING).values(**values))


def give_up(store: Store, job_id: str, error: str) -> None:
    """Let a queued job fail that cannot even be started."""
    values = {"state": JobState.FAILED, "error": error, "ended_at": now()}
    with store.session() as session:
        session.execute(update(JobRow).where(JobRow.job_id == job_id, JobRow.state == JobState.QUEUED).values(**values))


def cancel_job(workspace: Workspace, store: Store, job_id: str) -> Job:
    """Ask for a job to be stopped: a waiting one ends at once, a running one at the next point where it can go on later.

    Raises:
        NotFoundError: there is none of this id.
        StateError: it has ended.
    """
    job = get_job(workspace, store, job_id)
    if job.state in ENDED:
        raise StateError(f"job {job_id} is {job.state} already: there is nothing to cancel")
    waiting = JobRow.state.in_([JobState.QUEUED, JobState.INTERRUPTED])
    with store.session() as session:
        session.execute(update(JobRow).where(JobRow.job_id == job_id).values(cancel_requested=True))
        ended = {"state": JobState.CANCELLED, "ended_at": now()}
        session.execute(update(JobRow).where(JobRow.job_id == job_id, waiting).values(**ended))
    return get_job(workspace, store, job_id)


def resume_job(workspace: Workspace, store: Store, job_id: str) -> Job:
    """Put a job that did not end well into the queue again; what it has done is kept.

    Raises:
        NotFoundError: there is none of this id.
        StateError: it is waiting, running or done.
    """
    job = get_job(workspace, store, job_id)
    again = [JobState.INTERRUPTED, JobState.FAILED, JobState.CANCELLED]
    if job.state not in again:
        raise StateError(f"job {job_id} is {job.state}: only one that was interrupted, cancelled or failed can go on")
    values = {"state": JobState.QUEUED, "cancel_requested": False, "error": "", "ended_at": None, "attempts": 0}
    with store.session() as session:
        session.execute(update(JobRow).where(JobRow.job_id == job_id, JobRow.state.in_(again)).values(**values))
    return get_job(workspace, store, job_id)


def requeue_interrupted(workspace: Workspace, store: Store) -> list[str]:
    """Put interrupted jobs into the queue again, except those that were started `MOST_ATTEMPTS` times; return their ids."""
    settle_interrupted(workspace, store)
    wanted = JobRow.state == JobState.INTERRUPTED, JobRow.attempts < MOST_ATTEMPTS
    with store.session() as session:
        ids = list(session.scalars(select(JobRow.job_id).where(*wanted)))
        session.execute(update(JobRow).where(*wanted).values(state=JobState.QUEUED, ended_at=None))
    return ids


def settle_interrupted(workspace: Workspace, store: Store) -> None:
    """Note which running jobs have lost their process."""
    with store.session() as session:
        running = list(session.scalars(select(JobRow.job_id).where(JobRow.state == JobState.RUNNING)))
    for job_id in running:
        try:
            with running_lock(workspace, job_id):
                end_job(store, job_id, JobState.INTERRUPTED, error="its process ended in the middle: resume it to go on")
        except Busy:
            continue


@contextmanager
def running_lock(workspace: Workspace, job_id: str) -> Iterator[None]:
    """Hold what tells that a job's process is alive; it is let go when the process ends, however it ends.

    Raises:
        Busy: the process is alive.
    """
    path = workspace.state / "locks" / f"job-{job_id}.lock"
    with hold(path, f"job {job_id}", f"job {job_id} is running: {{holder}}"):
        yield


def log_path(workspace: Workspace, job_id: str) -> Path:
    """Return where a job's messages are, a line each; its folder is made if need be."""
    folder = workspace.state / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{job_id}.log"


def losses_path(workspace: Workspace, job_id: str) -> Path:
    """Return where the losses of a job's training are, a line of JSON each; its folder is made if need be."""
    return log_path(workspace, job_id).with_suffix(".losses.jsonl")


def read_losses(workspace: Workspace, job_id: str) -> list[Loss]:
    """Return the losses of a job's training, smoothed as its progress shows them, by step; of a step done twice the last."""
    path = losses_path(workspace, job_id)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    found = [Loss(**json.loads(line)) for line in lines if line.endswith("\n")]
    return sorted({loss.step: loss for loss in found}.values(), key=lambda loss: loss.step)


def _job(row: JobRow) -> Job:
    shown = {name: getattr(row, name) for name in Job.__dataclass_fields__ if name not in {"progress", "state"}}
    return Job(**shown, state=JobState(row.state), progress=Progress(**row.progress))
