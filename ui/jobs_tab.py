"""The jobs tab: long work, started here, followed, stopped and gone on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import banner
from doyen.ui.sign_in import Gateway

POLL_S = 2.0
KINDS = {
    "Read documents": "ingest",
    "Push annotation tasks": "push",
    "Pull labels": "pull",
    "Build a dataset": "build-dataset",
    "Train": "train",
    "Evaluate": "evaluate",
}
FIELDS: dict[str, tuple[str, str]] = {
    "paths": ("Files, folders or URLs, separated by commas", "documents"),
    "project": ("Annotation project", ""),
    "name": ("Name", ""),
    "dataset": ("Dataset", ""),
    "of": ("What is trained", "generator"),
    "questions": ("Questions", "questions.jsonl"),
    "report": ("Name of the report", ""),
    "modes": ("Modes, separated by commas; empty: all", ""),
    "frozen": ("Questions that training must not see", ""),
}
"""Argument → label and what stands in it at first. Files are named below the workspace's folder."""
USED = {
    "ingest": ("paths",),
    "push": ("project",),
    "pull": ("project",),
    "build-dataset": ("name", "project", "frozen"),
    "train": ("of", "dataset", "name"),
    "evaluate": ("questions", "report", "modes"),
}
"""Kind → the arguments that it has."""
LISTS = frozenset({"paths", "modes"})
TRAINED = ["generator", "reader", "embedder"]
WAITING = frozenset({"queued", "running"})
COLOURS = {"done": "green", "failed": "red", "interrupted": "amber", "cancelled": "grey", "queued": "grey", "running": "blue"}


@dataclass(frozen=True)
class View:
    """What the tab shows.

    Attributes:
        said: what came of the last click.
        table: the jobs.
        picker: the ids to choose from.
        timer: whether to look again soon.
    """

    said: Any
    table: Any
    picker: Any
    timer: Any

    def values(self) -> tuple[Any, Any, Any, Any]:
        """Return the outputs in their order."""
        return self.said, self.table, self.picker, self.timer


def build_jobs_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    said = gr.HTML(elem_id="jobs-said")
    first = next(iter(KINDS.values()))
    with gr.Row(elem_classes="doyen-actions"):
        kind = gr.Dropdown(list(KINDS.items()), value=first, label="Start", elem_id="job-kind", scale=2)
        fields = [_field(name, visible=name in USED[first]) for name in FIELDS]
        start = gr.Button("Start", variant="primary", elem_id="start-job", scale=1)
    table = gr.HTML(elem_id="jobs")
    with gr.Row(elem_classes="doyen-actions"):
        picker = gr.Dropdown([], label="Job", elem_id="job", scale=4)
        cancel = gr.Button("Cancel", elem_id="cancel-job")
        resume = gr.Button("Go on", elem_id="resume-job")
        refresh = gr.Button("Refresh", elem_id="refresh-jobs")
    with gr.Accordion("Log of the job", open=False, elem_id="job-log") as opened:
        log = gr.HTML(elem_id="job-log-lines")
    timer = gr.Timer(POLL_S, active=False)
    outputs = [said, table, picker, timer]
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    by = gateway.with_client
    kind.change(lambda chosen: [gr.update(visible=name in USED[chosen]) for name in FIELDS], [kind], fields, **options)
    gr.on([tab.select, refresh.click], by(lambda client, job: show(client, job).values()), [picker], outputs, **options)
    timer.tick(by(lambda client, job: show(client, job, gr.skip()).values()), [picker], outputs, **options)
    start.click(by(start_job), [kind, *fields], outputs, **options)
    cancel.click(by(lambda client, job: _act(client, job, client.cancel_job, "is asked to stop")), [picker], outputs, **options)
    resume.click(by(lambda client, job: _act(client, job, client.resume_job, "goes on")), [picker], outputs, **options)
    gr.on([opened.expand, picker.change, refresh.click], by(log_html), [picker], [log], **options)


def show(client: GatewayClient, chosen: str | None, said: Any = "") -> View:
    """Return the jobs as they are now."""
    try:
        jobs = client.jobs()
    except GatewayError as error:
        return View(banner(str(error), "red"), "", gr.skip(), gr.Timer(active=False))
    ids = [job["id"] for job in jobs]
    labels = [(f"{job['kind']} · {job['id']}", job["id"]) for job in jobs]
    picker = gr.update(choices=labels, value=chosen if chosen in ids else next(iter(ids), None))
    return View(said, jobs_table(jobs), picker, gr.Timer(active=any(job["state"] in WAITING for job in jobs)))


def start_job(client: GatewayClient, kind: str, *values: Any) -> tuple[Any, Any, Any, Any]:
    """Start a job with what the fields of its kind say; empty ones are left out."""
    given = dict(zip(FIELDS, values, strict=True))
    arguments: dict[str, Any] = {name: str(given[name] or "").strip() for name in USED[kind]}
    for name in LISTS & arguments.keys():
        arguments[name] = [part.strip() for part in arguments[name].split(",") if part.strip()]
    try:
        job = client.start_job({"kind": kind, **{name: value for name, value in arguments.items() if value}})
    except GatewayError as error:
        return show(client, None, banner(str(error), "red")).values()
    return show(client, job["id"], banner(f"Job {job['id']} is queued.", "green")).values()


def log_html(client: GatewayClient, job: str | None) -> str:
    """Return what a job has said."""
    if not job:
        return ""
    try:
        return f"<pre class='doyen-log'>{escape(chr(10).join(client.job_log(job)))}</pre>"
    except GatewayError as error:
        return banner(str(error), "red")


def jobs_table(jobs: list[dict[str, Any]]) -> str:
    """Return the jobs as a table, newest first."""
    if not jobs:
        return banner("There are no jobs yet.")
    head = "<thead><tr><th>Job</th><th>State</th><th>Progress</th><th>Asked for</th></tr></thead>"
    return f"<div class='doyen-tables'><table>{head}<tbody>{''.join(map(_row, jobs))}</tbody></table></div>"


def _row(job: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name}: {_plain(value)}" for name, value in job["arguments"].items() if value)
    state = f"<span class='doyen-chip doyen-{COLOURS[job['state']]}'>{escape(job['state'])}</span>"
    by = f"<small>by {escape(job['by'])}</small>" if job["by"] else ""
    return (
        f"<tr><th>{escape(job['kind'])}<small>{escape(arguments)}</small></th><td>{state}</td>"
        f"<td>{_doing(job)}</td><td>{escape(job['created_at'])}{by}</td></tr>"
    )


def _doing(job: dict[str, Any]) -> str:
    """Return how far a job is, or what came of it."""
    progress = job["progress"]
    if job["error"]:
        return escape(job["error"])
    if job["state"] == "done":
        told = {name: value for name, value in job["result"].items() if isinstance(value, str | int | float) and value != ""}
        return escape(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in told.items()))
    if job["state"] != "running" or not progress["title"]:
        return ""
    left = f", {progress['seconds_left']:.0f} s left" if progress["seconds_left"] is not None else ""
    title = escape(f"{progress['title']}{left}")
    if not progress["total"]:
        return title
    return f"{title}<progress max='{progress['total']}' value='{progress['done']}' aria-label='{title}'></progress>"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _act(
    client: GatewayClient, job: str | None, action: Callable[[str], dict[str, Any]], outcome: str
) -> tuple[Any, Any, Any, Any]:
    if not job:
        return show(client, job, banner("Choose a job first.")).values()
    try:
        action(job)
    except GatewayError as error:
        return show(client, job, banner(str(error), "red")).values()
    return show(client, job, banner(f"Job {job} {outcome}.", "green")).values()


def _field(name: str, *, visible: bool) -> Any:
    label, value = FIELDS[name]
    if name == "of":
        return gr.Dropdown(TRAINED, value=value, label=label, elem_id="job-of", visible=visible, scale=2)
    return gr.Textbox(value=value, label=label, max_lines=1, elem_id=f"job-{name}", visible=visible, scale=3)
