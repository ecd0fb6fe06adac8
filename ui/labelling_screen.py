"""The labelling screen: what the browser gets to show, and what becomes of what a person does there."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import banner

SCRIPT = (Path(__file__).parent / "labelling.js").read_text(encoding="utf-8")
MOST_PUT_OFF = 100
NOTHING_LEFT = (
    "Nothing waits for you in this project: every task has the labels that it asks for. "
    "To label more, make tasks under “New project” with the same name."
)


@dataclass(frozen=True)
class Trail:
    """What a person did in a project since the page was opened.

    Attributes:
        put_off: tasks for later, which come when nothing else is left.
        saved: tasks that were labelled, the last one last; "Back" leads to it.
    """

    project: str = ""
    put_off: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What the tab shows after a step; None leaves the screen as it is."""

    screen: str | None
    said: str
    trail: Trail


def open_screen(client: GatewayClient, project: str | None, annotator: str, trail: Trail) -> Shown:
    """Return the screen with the next task."""
    if not project:
        return Shown(banner("Choose a project first."), "", trail)
    if trail.project != project:
        trail = Trail(project)
    try:
        found = client.next_task(project, annotator, trail.put_off)
        return Shown(screen_html(client.annotation_project(project), found), "", trail)
    except GatewayError as error:
        return Shown("", banner(str(error), "red"), trail)


def act(client: GatewayClient, annotator: str, trail: Trail, said: str) -> Shown:
    """Save a label, put its task off or go back, and return the screen that comes then.

    Args:
        said: JSON with "action", "task", and, to save, "label" and "reason".
    """
    wanted = json.loads(said)
    task = str(wanted["task"])
    try:
        if wanted["action"] == "back":
            return _go_back(client, annotator, trail)
        if wanted["action"] == "save":
            client.give_label(trail.project, task, wanted["label"], annotator, wanted["reason"])
            trail = replace(trail, saved=(*(each for each in trail.saved if each != task), task)[-MOST_PUT_OFF:])
        else:
            trail = replace(trail, put_off=(*(each for each in trail.put_off if each != task), task)[-MOST_PUT_OFF:])
    except GatewayError as error:
        return Shown(None, banner(str(error), "red"), trail)
    return open_screen(client, trail.project, annotator, trail)


def _go_back(client: GatewayClient, annotator: str, trail: Trail) -> Shown:
    if not trail.saved:
        return Shown(None, banner("There is nothing to go back to: you have saved no label yet."), trail)
    *before, last = trail.saved
    found = client.labelling_task(trail.project, last, annotator)
    return Shown(screen_html(client.annotation_project(trail.project), found), "", replace(trail, saved=tuple(before)))


def screen_html(project: dict[str, Any], found: dict[str, Any]) -> str:
    """Return the place of the screen with what it shows as JSON, which its script reads."""
    if found["task"] is None:
        return banner(NOTHING_LEFT, "green")
    described = project["description"]
    work = {
        "project": project["name"],
        "type": project["type"],
        "description": {name: described[name] for name in ("title", "labels", "multiple", "relations")},
        "refusal": project["refusal"],
        "task": found["task"],
        "progress": found["progress"],
    }
    data = escape(json.dumps(work, ensure_ascii=False), quote=True)
    return f"<div class='doyen-labelling' data-work='{data}'><p class='doyen-hint'>The screen is being built …</p></div>"
