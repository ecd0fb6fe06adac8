"""``doyen jobs``: what the gateway does in the background."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.core.jobs import Job

app = typer.Typer(help="Jobs: long work that the gateway runs in the background.", no_args_is_help=True)
JobArgument = Annotated[str, typer.Argument(help="Id of the job.")]


@app.command("list")
@with_session
def list_(session: CliSession) -> None:
    """List the jobs, newest first."""
    from doyen.core.jobs import list_jobs

    jobs = list_jobs(session.doyen.workspace, session.doyen.store)
    text = "\n".join(map(_line, jobs)) or "There are no jobs: start some in the browser or with POST /v1/jobs."
    session.emit([asdict(job) for job in jobs], text)


@app.command()
@with_session
def show(session: CliSession, job: JobArgument) -> None:
    """Show a job, with what it has said."""
    from doyen.core.jobs import get_job, log_path

    found = get_job(session.doyen.workspace, session.doyen.store, job)
    path = log_path(session.doyen.workspace, found.job_id)
    log = path.read_text(encoding="utf-8") if path.is_file() else ""
    session.emit({**asdict(found), "log": log.splitlines()}, f"{_line(found)}\n{log}".rstrip())


@app.command()
@with_session
def cancel(session: CliSession, job: JobArgument) -> None:
    """Ask a job to stop; what it has done is kept."""
    from doyen.core.jobs import cancel_job

    _emit(session, cancel_job(session.doyen.workspace, session.doyen.store, job))


@app.command()
@with_session
def resume(session: CliSession, job: JobArgument) -> None:
    """Let a job that was interrupted, cancelled or failed go on: a running gateway starts it."""
    from doyen.core.jobs import resume_job

    _emit(session, resume_job(session.doyen.workspace, session.doyen.store, job))


def _emit(session: CliSession, job: Job) -> None:
    session.emit(asdict(job), _line(job))


def _line(job: Job) -> str:
    left = job.progress.seconds_left
    total = f"/{job.progress.total:.0f}" if job.progress.total else ""
    doing = f"{job.progress.title} {job.progress.done:.0f}{total}" if job.progress.title and job.state == "running" else ""
    arguments = ", ".join(f"{name} {value}" for name, value in job.arguments.items() if value not in (None, False))
    parts = (f"{job.kind} ({arguments})", doing, f"{left:.0f} s left" if doing and left else "", job.error)
    return f"{job.job_id}  {job.state:<11}  {job.created_at}  {'; '.join(part for part in parts if part)}"
