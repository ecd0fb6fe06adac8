"""The settings tab: what is configured and where it comes from, health, models, servers, keys. Keys alone are changed here."""

from __future__ import annotations

from typing import Any

import gradio as gr

from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import banner
from doyen.ui.settings_tables import (
    health_table,
    keys_table,
    may,
    models_table,
    new_key,
    place,
    servers_table,
    settings_table,
)
from doyen.ui.sign_in import Gateway


def build_settings_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    said = gr.HTML(elem_id="settings-said")
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    by = gateway.with_client
    with gr.Column(visible=False) as administration:
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=340):
                gr.HTML("<h2 class='doyen-title'>Settings</h2>")
                with gr.Row(elem_classes="doyen-actions"):
                    contains = gr.Textbox(label="Name or meaning contains", max_lines=1, elem_id="settings-contain", scale=3)
                    only_set = gr.Checkbox(True, label="Only what is set", elem_id="only-set", scale=1)
                table = gr.HTML(elem_id="settings")
            with gr.Column(scale=5, min_width=320):
                gr.HTML("<h2 class='doyen-title'>Health</h2>")
                health = gr.HTML(elem_id="health")
                check = gr.Button("Check everything", elem_id="check", size="sm")
                gr.HTML("<h2 class='doyen-title'>Models</h2>")
                models = gr.HTML(elem_id="models")
                gr.HTML("<h2 class='doyen-title'>Servers</h2>")
                servers = gr.HTML(elem_id="servers")
        _lay_out_keys(gateway, tab, options)
    opened = tab.select(by(show), None, [said, administration, health, models, servers], **options)
    listed = by(_settings)
    opened.then(listed, [contains, only_set], [table], **options)
    gr.on([contains.submit, contains.blur, only_set.input], listed, [contains, only_set], [table], **options)
    check.click(by(check_all), None, [health], show_progress="minimal", api_visibility="private")


def _lay_out_keys(gateway: Gateway, tab: gr.Tab, options: dict[str, Any]) -> None:
    """Place what lists, makes and removes keys."""
    by = gateway.with_client
    gr.HTML("<h2 class='doyen-title'>Keys</h2>")
    told = gr.HTML(elem_id="key-said")
    keys = gr.HTML(elem_id="keys")
    with gr.Row(elem_classes="doyen-actions"):
        name = gr.Textbox(label="Name of a new key", max_lines=1, elem_id="key-name", scale=2, min_width=200)
        groups = gr.Textbox(label="Groups, separated by commas", max_lines=1, elem_id="key-groups", scale=2, min_width=200)
        admin = gr.Checkbox(label="Administrator", elem_id="key-admin", scale=1)
        adapters = gr.Checkbox(label="May ask adapters", elem_id="key-adapters", scale=1)
        labels = gr.Checkbox(label="May label", elem_id="key-labels", scale=1)
        make = gr.Button("Make key", variant="primary", elem_id="make-key", scale=1)
    with gr.Row(elem_classes="doyen-actions"):
        chosen = gr.Dropdown([], label="Key to remove", elem_id="key-chosen", scale=4)
        remove = gr.Button("Remove key", variant="stop", elem_id="remove-key", scale=1)
    tab.select(by(list_keys), None, [keys, chosen], **options)
    made = make.click(by(make_key), [name, groups, admin, adapters, labels], [told, name], **options)
    removed = remove.click(by(remove_key), [chosen], [told], **options)
    for done in (made, removed):
        done.then(by(list_keys), None, [keys, chosen], **options)


def show(client: GatewayClient) -> tuple[Any, ...]:
    """Return what was said, whether the rest is shown, readiness, models and servers.

    Others than administrators are told what their key may do.
    """
    try:
        key = client.key()
        if not key["admin"]:
            rights = may(key)
            said = banner(f"Your key {key['name']!r} {rights}. Settings are shown to administrators alone.")
            return said, gr.update(visible=False), "", "", ""
        missing = client.missing()
        checks = [{"name": name, "ok": False, "detail": reason} for name, reason in missing.items()]
        health = health_table(checks or [{"name": "gateway", "ok": True, "detail": "every mode can answer"}])
        settings = client.settings()
        models, servers = models_table(client.models()), servers_table(settings["data"])
    except GatewayError as error:
        return banner(str(error), "red"), gr.update(visible=False), "", "", ""
    return "", gr.update(visible=True), health, models, servers


def check_all(client: GatewayClient) -> str:
    """Return what the checks find."""
    try:
        return health_table(client.checks())
    except GatewayError as error:
        return banner(str(error), "red")


def list_keys(client: GatewayClient) -> tuple[str, Any]:
    """Return the keys, and the picker of the one to remove."""
    try:
        keys = client.keys()
    except GatewayError as error:
        return banner(str(error), "red"), gr.update(choices=[], value=None)
    return keys_table(keys), gr.update(choices=[key["name"] for key in keys["data"]], value=None)


def make_key(client: GatewayClient, name: str, groups: str, admin: bool, adapters: bool, labels: bool) -> tuple[str, Any]:
    """Make a key; return it to be copied, and the box of its name, emptied."""
    named = [group.strip() for group in groups.split(",") if group.strip()]
    try:
        rights = {"admin": admin, "adapters": adapters, "labels": labels}
        made = client.make_key({"name": name.strip(), "groups": named, **rights})
    except GatewayError as error:
        return banner(str(error), "red"), gr.skip()
    return new_key(made), ""


def remove_key(client: GatewayClient, name: str | None) -> str:
    """Remove a key; return what to say."""
    if not name:
        return banner("Choose a key first.")
    try:
        client.delete_key(name)
    except GatewayError as error:
        return banner(str(error), "red")
    return banner(f"The key of {name} is refused from now on.", "green")


def _settings(client: GatewayClient, contains: str, only_set: bool) -> str:
    try:
        settings = client.settings()
        return place(settings) + settings_table(settings["data"], contains, only_set)
    except GatewayError:
        return ""
