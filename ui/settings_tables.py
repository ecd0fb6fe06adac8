"""Tables of the settings tab as HTML, everything in them escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from doyen.ui.markup import MODE_LABELS, banner

ORIGINS = {"default": ("grey", "default"), "file": ("blue", "doyen.toml"), "environment": ("green", "environment")}
SERVERS = {
    "platform.database_url": ("Database", "SQLite in the workspace"),
    "retrieval.chroma_url": ("Chroma", "embedded in Doyen"),
    "serving.openai_url": ("Generator", "in Doyen"),
    "annotation.label_studio_url": ("Label Studio", "none: tasks are files"),
    "eval.judge_url": ("Judge of evaluations", "none"),
    "supervision.generated.url": ("Writer of drafts", "the generator"),
}
"""Setting that names a server → what it is, and what stands in for it where none is named."""


def health_table(checks: Sequence[dict[str, Any]]) -> str:
    """Return what the checks found."""
    rows = "".join(
        f"<tr><td><span class='doyen-chip doyen-{'green' if check['ok'] else 'red'}'>{'in order' if check['ok'] else 'wrong'}"
        f"</span></td><th>{escape(check['name'])}</th><td>{escape(check['detail'])}</td></tr>"
        for check in checks
    )
    return _table("", rows, "Health")


def place(settings: dict[str, Any]) -> str:
    """Return which version runs, on which file."""
    return f"<p class='doyen-hint'>Doyen {escape(settings['version'])}, {escape(settings['file'])}</p>"


def models_table(models: Sequence[dict[str, Any]]) -> str:
    """Return the ways of answering that can be asked, with the name that a client sends as ``model``."""
    rows = "".join(
        f"<tr><th><code>{escape(model['id'])}</code></th><td>{escape(MODE_LABELS.get(model['mode'], model['mode']))}"
        f"<small>{escape(model['reason'] or '')}</small></td><td>{escape(model['adapter'] or '')}</td>"
        f"<td>{escape(model['owned_by'])}</td></tr>"
        for model in models
    )
    return _table("<th>Model</th><th>Answers with</th><th>Adapter</th><th>Base</th>", rows, "Models")


def servers_table(settings: Sequence[dict[str, Any]]) -> str:
    """Return the servers that are named in the settings."""
    named = {setting["name"]: setting for setting in settings}
    rows = "".join(
        f"<tr><th>{title}<small><code>{name}</code></small></th><td>{escape(str(named[name]['value'] or stand_in))}</td></tr>"
        for name, (title, stand_in) in SERVERS.items()
        if name in named
    )
    return _table("", rows, "Servers")


def settings_table(settings: Sequence[dict[str, Any]], contains: str, only_set: bool) -> str:
    """Return the settings whose name or meaning contains each of the words, by section."""
    words = contains.lower().split()
    shown = [
        setting
        for setting in settings
        if not (only_set and setting["origin"] == "default")
        and all(word in f"{setting['name']} {setting['about']}".lower() for word in words)
    ]
    if not shown:
        return banner("Nothing is set here: all settings have their defaults." if only_set else "No setting is like this.")
    rows = "".join(map(_setting, shown))
    return _table("<th>Setting</th><th>Value</th><th>From</th>", rows, "Settings")


def _setting(setting: dict[str, Any]) -> str:
    colour, origin = ORIGINS[setting["origin"]]
    waits = "<span class='doyen-chip doyen-amber'>changed: restart</span>" if setting["waits"] else ""
    default = f"<small>default: {escape(_value(setting['default']))}</small>" if setting["origin"] != "default" else ""
    return (
        f"<tr><th><code>{escape(setting['name'])}</code><small>{escape(setting['about'])}</small></th>"
        f"<td><code>{escape(_value(setting['value']))}</code>{default}</td>"
        f"<td><span class='doyen-chip doyen-{colour}' title='{escape(setting['variable'])}'>{origin}</span>{waits}</td></tr>"
    )


def keys_table(keys: dict[str, Any]) -> str:
    """Return the keys and what they may do."""
    rows = "".join(f"<tr><th>{escape(key['name'])}</th><td>{escape(may(key))}</td></tr>" for key in keys["data"])
    if keys["owner"]:
        rows = "<tr><th>owner</th><td>reads and changes everything (serving.api_key)</td></tr>" + rows
    if not rows:
        return banner("There are no keys: whoever reaches the gateway on this machine reads and changes everything.")
    return _table("", rows, "Keys")


def may(key: Mapping[str, Any]) -> str:
    """Return in words what a key may do."""
    if key["admin"]:
        return "reads and changes everything"
    read = f"reads {', '.join(key['groups'])} and open documents" if key["groups"] else "reads open documents"
    return read + (", asks adapters" if key["adapters"] else "") + (", labels in projects" if key["labels"] else "")


def new_key(made: dict[str, Any]) -> str:
    """Return a key that was made, to be copied now."""
    return (
        f"<div class='doyen-banner doyen-green' role='status'>The key of {escape(made['name'])}. It is stored nowhere: copy it "
        f"now.<br><code class='doyen-secret'>{escape(made['key'])}</code></div>"
    )


def _table(head: str, rows: str, label: str) -> str:
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    table = f"<table>{head}<tbody>{rows}</tbody></table>"
    return f"<div class='doyen-tables' tabindex='0' role='region' aria-label='{label}'>{table}</div>"


def _value(value: Any) -> str:
    if value in (None, "", []):
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
