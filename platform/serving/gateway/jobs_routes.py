"""``/v1/jobs``: long work in the background, with its progress; for administrators."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from doyen.core.jobs import ENDED, Job, Loss, add_job, cancel_job, get_job, list_jobs, log_path, read_losses, resume_job
from doyen.core.store.schema import JobState
from doyen.platform.jobs.work import AnyWork
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AdminOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=StrictRoute)
TICK_S = 0.5
LONGEST_S = 3600.0
"""A stream of events ends then; the caller asks for the next one."""
LOG_BYTES = 200_000
"""Of a longer log the end is shown."""


class JobProgress(BaseModel):
    """How far the present piece of a job is.

    Attributes:
        total: null where that is not known.
        seconds_left: until the piece is done, at the rate so far; null where that cannot be told.
    """

    title: str
    done: float
    total: float | None
    note: str
    seconds_left: float | None


class JobOut(BaseModel):
    """A job.

    Attributes:
        state: queued, running, interrupted (its process ended in the middle), done, failed or cancelled.
        result: what came of it; empty before it is done.
        error: why it failed; empty where it did not.
    """

    object: Literal["job"] = "job"
    id: str
    kind: str
    arguments: dict[str, Any]
    by: str
    state: JobState
    cancel_requested: bool
    created_at: str
    started_at: str | None
    ended_at: str | None
    progress: JobProgress
    result: dict[str, Any]
    error: str


class JobList(BaseModel):
    """The newest jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[JobOut]


class JobLog(BaseModel):
    """What a job has said, oldest first."""

    object: Literal["job.log"] = "job.log"
    lines: list[str]


class JobLosses(BaseModel):
    """The losses of a training, by step, smoothed over ten steps; empty for other jobs."""

    object: Literal["job.losses"] = "job.losses"
    data: list[Loss]


@router.post("/jobs", status_code=202, responses=documented(400))
def start_job(work: Annotated[AnyWork, Body()], services: ServicesOf, access: AdminOf) -> JobOut:
    """Put a job into the queue. Of the jobs that need the same thing for themselves one runs at a time."""
    arguments = work.model_dump(exclude={"kind"}, mode="json")
    job = add_job(services.store, work.kind, arguments, work.resource, access.name)
    services.jobs.wake()
    return _shown(job)


@router.get("/jobs")
def show_jobs(services: ServicesOf, _: AdminOf, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> JobList:
    """List jobs, newest first."""
    return JobList(data=[_shown(job) for job in list_jobs(services.workspace, services.store, limit=limit)])


@router.get("/jobs/{job_id}", responses=documented(404))
def show_job(job_id: str, services: ServicesOf, _: AdminOf) -> JobOut:
    """Return a job."""
    return _shown(get_job(services.workspace, services.store, job_id))


@router.get("/jobs/{job_id}/log", responses=documented(404))
def show_log(job_id: str, services: ServicesOf, _: AdminOf) -> JobLog:
    """Return what a job has said."""
    path = log_path(services.workspace, get_job(services.workspace, services.store, job_id).job_id)
    text = path.read_bytes()[-LOG_BYTES:].decode("utf-8", "replace") if path.is_file() else ""
    return JobLog(lines=text.splitlines())


@router.get("/jobs/{job_id}/losses", responses=documented(404))
def show_losses(job_id: str, services: ServicesOf, _: AdminOf) -> JobLosses:
    """Return the losses of a training so far."""
    return JobLosses(data=read_losses(services.workspace, get_job(services.workspace, services.store, job_id).job_id))


@router.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses=documented(404))
async def follow_job(job_id: str, services: ServicesOf, _: AdminOf) -> StreamingResponse:
    """Follow a job as server-sent events: the job as it is now, again at each change, the last time when it has ended."""
    await run_sync(get_job, services.workspace, services.store, job_id)
    return StreamingResponse(_changes(services, job_id), media_type="text/event-stream")


@router.post("/jobs/{job_id}/cancel", responses=documented(404, 409))
def stop_job(job_id: str, services: ServicesOf, _: AdminOf) -> JobOut:
    """Ask a job to stop; what it has done is kept, so that it can go on later."""
    return _shown(cancel_job(services.workspace, services.store, job_id))


@router.post("/jobs/{job_id}/resume", status_code=202, responses=documented(404, 409))
def go_on(job_id: str, services: ServicesOf, _: AdminOf) -> JobOut:
    """Let a job that was interrupted, cancelled or failed go on."""
    job = resume_job(services.workspace, services.store, job_id)
    services.jobs.wake()
    return _shown(job)


async def _changes(services: Services, job_id: str) -> AsyncIterator[str]:
    last, end = "", time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        job = await run_sync(get_job, services.workspace, services.store, job_id)
        shown = json.dumps(_shown(job).model_dump(mode="json"), ensure_ascii=False)
        if shown != last:
            last = shown
            yield f"data: {shown}\n\n"
        if job.state in {*ENDED, JobState.INTERRUPTED}:
            return
        await asyncio.sleep(TICK_S)


def _shown(job: Job) -> JobOut:
    progress, left = job.progress, job.progress.seconds_left
    return JobOut(
        id=job.job_id,
        kind=job.kind,
        arguments=job.arguments,
        by=job.by,
        state=job.state,
        cancel_requested=job.cancel_requested,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        progress=JobProgress(
            title=progress.title,
            done=progress.done,
            total=progress.total,
            note=progress.note,
            seconds_left=None if left is None else round(left, 1),
        ),
        result=job.result,
        error=job.error,
    )
