"""The adapters tab: what was trained, and which version answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from doyen.ui.client import GatewayClient, GatewayError
from doyen.ui.render import banner
from doyen.ui.tables import adapters_table


def build_adapters_tab(client: GatewayClient, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    said = gr.HTML(elem_id="adapters-said")
    table = gr.HTML(elem_id="adapters")
    with gr.Row(elem_classes="doyen-actions"):
        version = gr.Dropdown([], label="Version", elem_id="version", scale=3)
        promote = gr.Button("Promote", variant="primary", elem_id="promote", scale=1)
        back = gr.Button("Roll back", elem_id="rollback", scale=1)
        refresh = gr.Button("Refresh", elem_id="refresh-adapters", scale=1)
    gr.HTML(
        "<p class='doyen-hint'>The promoted version answers when no version is named. "
        "Rolling back promotes the version that was promoted before it.</p>"
    )
    outputs = [said, table, version]
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(lambda chosen: show(client, chosen), [version], outputs, **options)
    refresh.click(lambda chosen: show(client, chosen), [version], outputs, **options)
    promote.click(lambda chosen: promote_version(client, chosen), [version], outputs, **options)
    back.click(lambda chosen: roll_back(client, chosen), [version], outputs, **options)


def show(client: GatewayClient, chosen: str | None, said: str = "") -> tuple[str, str, Any]:
    """Return what was said, the table and the picker's choices."""
    try:
        found = client.adapters()
    except GatewayError as error:
        return banner(str(error), "red"), "", gr.skip()
    names = [item["id"] for item in found]
    selected = chosen if chosen in names else next(iter(names), None)
    return said, adapters_table(found), gr.update(choices=names, value=selected)


def promote_version(client: GatewayClient, chosen: str | None) -> tuple[str, str, Any]:
    """Promote the chosen version."""
    return _act(client, chosen, lambda name, version: client.promote(name, version), "now answers")


def roll_back(client: GatewayClient, chosen: str | None) -> tuple[str, str, Any]:
    """Roll the chosen version's adapter back."""
    return _act(client, chosen, lambda name, _: client.roll_back(name), "answers again")


def _act(
    client: GatewayClient, chosen: str | None, action: Callable[[str, int], dict[str, Any]], outcome: str
) -> tuple[str, str, Any]:
    if not chosen:
        return show(client, chosen, banner("Choose a version first."))
    name, _, version = chosen.rpartition(":")
    try:
        changed = action(name, int(version))
    except GatewayError as error:
        return show(client, chosen, banner(str(error), "red"))
    return show(client, chosen, banner(f"{changed['id']} {outcome}.", "green"))
