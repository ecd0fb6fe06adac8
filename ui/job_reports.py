"""A job as it is shown where it was started: how far it is, and what came of it, in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import Any

from doyen.ui.markup import banner

COLOURS = {"done": "green", "failed": "red", "interrupted": "amber", "cancelled": "grey", "queued": "grey", "running": "blue"}
NAMES = {
    "adjudicate": "Send disputed tasks to review",
    "build-dataset": "Build a dataset",
    "check-dataset": "Check a dataset for leaks",
    "create-project": "Make or update a project",
    "estimate-evaluation": "Estimate an evaluation",
    "estimate-training": "Estimate a training",
    "evaluate": "Evaluate",
    "pull": "Pull labels",
    "push": "Push tasks",
    "train": "Train",
}
WAITING = frozenset({"queued", "running"})
MOST_PROBLEMS = 50
_TIME_LEFT = re.compile(r",? \d+ s left$")
"""At the end of a training's note; the card says it itself."""


def job_card(job: dict[str, Any], extra: str = "") -> str:
    """Return a job: its state and progress, or what came of it.

    Args:
        extra: HTML that belongs to it, such as its loss.
    """
    name = NAMES.get(job["kind"], job["kind"])
    chip = f"<span class='doyen-chip doyen-{COLOURS[job['state']]}'>{escape(job['state'])}</span>"
    head = f"<header><b>{escape(name)}</b> {chip}<span class='doyen-hint'>job {escape(job['id'])}</span></header>"
    body = banner(job["error"], "red") if job["error"] else ""
    if job["state"] == "running":
        body += _progress(job["progress"])
    elif job["state"] == "done":
        body += job_report(job)
    return f"<article class='doyen-job' aria-live='polite'>{head}{body}{extra}</article>"


def job_report(job: dict[str, Any]) -> str:
    """Return what a job that is done has changed, a line for each thing that is worth saying."""
    result = job["result"]
    lines = REPORTS.get(job["kind"], _plain)(result)
    shown = "".join(f"<li>{escape(line)}</li>" for line in lines)
    problems = [str(problem) for problem in result.get("problems") or []]
    more = f"<li>and {len(problems) - MOST_PROBLEMS} more</li>" if len(problems) > MOST_PROBLEMS else ""
    told = "".join(f"<li>{escape(problem)}</li>" for problem in problems[:MOST_PROBLEMS])
    left_out = f"<details><summary>{len(problems)} problems</summary><ul>{told}{more}</ul></details>" if problems else ""
    return f"<ul class='doyen-report'>{shown}</ul>{left_out}"


def _progress(progress: dict[str, Any]) -> str:
    if not progress["title"]:
        return "<p class='doyen-hint'>It begins …</p>"
    left = f", {_duration(progress['seconds_left'])} left" if progress["seconds_left"] is not None else ""
    said = _TIME_LEFT.sub("", progress["note"])
    note = f" · {said}" if said else ""
    if not progress["total"]:
        return f"<p>{escape(progress['title'])} …{escape(note)}</p>"
    title = escape(f"{progress['title']}: {progress['done']:.0f} of {progress['total']:.0f}{left}")
    return (
        f"<p>{title}{escape(note)}</p>"
        f"<progress max='{progress['total']}' value='{progress['done']}' aria-label='{title}'></progress>"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _count(number: int, what: str, several: str = "") -> str:
    return f"{number} {what if number == 1 else several or what + 's'}"


def _pushed(result: dict[str, Any]) -> list[str]:
    lines = [f"{_count(result['sent'], 'task')} sent to {result['location']}"]
    if result["already_there"]:
        lines.append(f"{_count(result['already_there'], 'task')} had arrived before")
    if result["stale"]:
        lines.append(f"{_count(result['stale'], 'task')} not sent, because the document's text has changed")
    if result["overlap"]:
        lines.append(f"{_count(result['overlap'], 'task')} for {result['people']} people each")
    if result["kept_model"]:
        lines.append(f"drafts of {result['kept_model']} are shown, as somebody chose on the server")
    return lines


def _pulled(result: dict[str, Any]) -> list[str]:
    told = [
        (result["added"], "new label", ""),
        (result["updated"], "label changed", "labels changed"),
        (result["removed"], "label withdrawn", "labels withdrawn"),
        (result["skipped"], "task declined", "tasks declined"),
        (result["deleted_tasks"], "task gone", "tasks gone"),
        (result["decisions"], "new decision", ""),
        (result["foreign_tasks"], "task that is not ours, left alone", "tasks that are not ours, left alone"),
    ]
    return [_count(*each) for each in told if each[0]] or ["Nothing has changed."]


def _made(result: dict[str, Any]) -> list[str]:
    return [f"{_count(result['new_tasks'], 'new task')}; {result['project']} has {result['tasks']} now"]


def _adjudicated(result: dict[str, Any]) -> list[str]:
    lines = [f"{_count(result['sent'], 'task')} sent to {result['review']}"]
    if result["waiting"]:
        lines.append(f"{_count(result['waiting'], 'task')} waiting there already")
    if result["settled"]:
        lines.append(f"{_count(result['settled'], 'task')} decided by consensus")
    return lines


def _built(result: dict[str, Any]) -> list[str]:
    lines = [f"{result['dataset']}: {result['train']} pairs to train on, {result['validation']} to validate with"]
    if result["test"]:
        lines.append(f"{_count(result['test'], 'pair')} for a test")
    lines += [f"{_count(number, 'pair')} left out: {step}" for step, number in result["dropped"].items()]
    if result["disagreements"]:
        lines.append(f"{_count(result['disagreements'], 'item')} on which annotators disagreed")
    return [*lines, f"No leak between the parts, nor from {_count(result['frozen'], 'registered question')}"]


def _checked(result: dict[str, Any]) -> list[str]:
    found = [str(leak) for leak in result["leaks"]]
    lines = [f"{_count(len(found), 'leak')} found", *found[:MOST_PROBLEMS]] if found else ["No leak was found."]
    return [*lines, *(f"compared by {how}: {said}" for how, said in result["compared"].items())]


def _estimated(result: dict[str, Any]) -> list[str]:
    return [result["estimate"]]


def _trained(result: dict[str, Any]) -> list[str]:
    return [f"{result['adapter']} is a candidate now, trained on {result['dataset']}: see the tab “Adapters”"]


def _evaluated(result: dict[str, Any]) -> list[str]:
    return [f"{result['report']}: {_count(result['questions'], 'question')} in {', '.join(result['modes'])}"]


def _plain(result: dict[str, Any]) -> list[str]:
    told = {name: value for name, value in result.items() if isinstance(value, str | int | float) and value != ""}
    return [f"{name.replace('_', ' ')}: {value}" for name, value in told.items()]


REPORTS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "adjudicate": _adjudicated,
    "build-dataset": _built,
    "check-dataset": _checked,
    "create-project": _made,
    "estimate-evaluation": _estimated,
    "estimate-training": _estimated,
    "evaluate": _evaluated,
    "pull": _pulled,
    "push": _pushed,
    "train": _trained,
}
