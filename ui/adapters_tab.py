"""The adapters tab: what was trained, its cards, and which version answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from doyen.ui.adapter_cards import cards_html
from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import banner
from doyen.ui.report_tables import adapters_table, gate_table
from doyen.ui.sign_in import Gateway

# A link to this tab may name a version: #adapters/NAME:VERSION.
FROM_ADDRESS = "(_, ...rest) => [decodeURIComponent(location.hash.split('/')[1] || ''), ...rest]"
TO_ADDRESS = """(version) => {
  if (location.hash.slice(1).split('/')[0] !== 'adapters' || !version) return;
  history.replaceState(null, '', `#adapters/${encodeURIComponent(version)}`);
}"""


def build_adapters_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    said = gr.HTML(elem_id="adapters-said")
    table = gr.HTML(elem_id="adapters")
    with gr.Row(elem_classes="doyen-actions"):
        version = gr.Dropdown([], label="Version", elem_id="version", scale=3)
        report = gr.Dropdown([], label="Report that speaks for it", elem_id="promotion-report", scale=3)
        reason = gr.Textbox(label="Reason to promote without a report", max_lines=1, elem_id="reason", scale=3)
    gate = gr.HTML(elem_id="gate")
    with gr.Row(elem_classes="doyen-actions"):
        promote = gr.Button("Promote", variant="primary", elem_id="promote")
        stage = gr.Button("Put into staging", elem_id="stage")
        back = gr.Button("Roll back", elem_id="rollback")
        refresh = gr.Button("Refresh", elem_id="refresh-adapters")
    gr.HTML(
        "<p class='doyen-hint'>The version in production answers when no version is named; the report's figures must meet the "
        "rules for promotion. Rolling back brings back the version that was in production before. One in staging is asked as "
        "“hybrid@NAME:staging”. `doyen adapters` deletes and collects versions.</p>"
    )
    other = gr.Dropdown([], label="Compare its card with that of", elem_id="other-version")
    card = gr.HTML(elem_id="adapter-card")
    address = gr.Textbox(visible="hidden")
    inputs = [version, report]
    outputs = [said, table, version, report, other]
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    by = gateway.with_client
    report.change(by(verdict), [report], [gate], **options)
    gr.on([version.change, other.change], by(show_cards), [version, other], [card], **options)
    version.change(None, [version], None, js=TO_ADDRESS, **options)
    tab.select(by(open_tab), [address, *inputs], outputs, js=FROM_ADDRESS, **options)
    refresh.click(by(lambda client, *chosen: show(client, Chosen(*chosen))), inputs, outputs, **options)
    promote.click(by(lambda client, *chosen: promote_version(client, Chosen(*chosen))), [*inputs, reason], outputs, **options)
    stage.click(by(lambda client, *chosen: stage_version(client, Chosen(*chosen))), inputs, outputs, **options)
    back.click(by(lambda client, *chosen: roll_back(client, Chosen(*chosen))), inputs, outputs, **options)


@dataclass(frozen=True)
class Chosen:
    """What the pickers of the tab say.

    Attributes:
        version: "name:version".
        report: id of an evaluation.
        reason: why it is promoted without a report, or against it; blank asks the report.
    """

    version: str | None
    report: str | None
    reason: str = ""


Shown = tuple[str, str, Any, Any, Any]
"""What was said, the table, and the pickers of version, report and the version to compare with."""


def open_tab(client: GatewayClient, address: str, version: str | None, report: str | None) -> Shown:
    """Return the tab as it is opened; an address that names a version chooses it."""
    return show(client, Chosen(address or version, report))


def show(client: GatewayClient, chosen: Chosen, said: str = "") -> Shown:
    """Return what was said, the table and the pickers' choices."""
    try:
        found = client.adapters()
        reports = [item["id"] for item in client.evaluations()]
    except GatewayError as error:
        return banner(str(error), "red"), "", gr.skip(), gr.skip(), gr.skip()
    versions = [item["id"] for item in found]
    pickers = (_picker(versions, chosen.version), _picker(reports, chosen.report))
    return said, adapters_table(found), *pickers, gr.update(choices=[("none", ""), *((each, each) for each in versions)])


def verdict(client: GatewayClient, report: str | None) -> str:
    """Return what the chosen report's gate says."""
    if not report:
        return ""
    try:
        return gate_table(client.report(report))
    except GatewayError as error:
        return banner(str(error), "red")


def show_cards(client: GatewayClient, version: str | None, other: str | None) -> str:
    """Return the card of a version, beside that of another one if wished."""
    if not version:
        return ""
    wanted = [version, *([other] if other and other != version else [])]
    try:
        cards = [client.adapter_card(each) for each in wanted]
        losses = {item["id"]: item["manifest"].get("losses") or [] for item in client.adapters() if item["id"] in wanted}
    except GatewayError as error:
        return banner(str(error), "red")
    return cards_html(cards, losses)


def promote_version(client: GatewayClient, chosen: Chosen) -> Shown:
    """Promote the chosen version."""

    def promote(name: str, version: int) -> dict[str, Any]:
        return client.promote(name, version, chosen.report, chosen.reason)

    return _act(client, chosen, promote, "now answers")


def stage_version(client: GatewayClient, chosen: Chosen) -> Shown:
    """Put the chosen version into staging."""
    return _act(client, chosen, client.stage, "is in staging")


def roll_back(client: GatewayClient, chosen: Chosen) -> Shown:
    """Roll the chosen version's adapter back."""
    return _act(client, chosen, lambda name, _: client.roll_back(name), "answers again")


def _act(client: GatewayClient, chosen: Chosen, action: Callable[[str, int], dict[str, Any]], outcome: str) -> Shown:
    if not chosen.version:
        return show(client, chosen, banner("Choose a version first."))
    name, _, version = chosen.version.rpartition(":")
    try:
        changed = action(name, int(version))
    except GatewayError as error:
        return show(client, chosen, banner(str(error), "red"))
    return show(client, chosen, banner(f"{changed['id']} {outcome}.", "green"))


def _picker(names: list[str], chosen: str | None) -> Any:
    """Return a picker's choices, with the first one chosen where what was chosen is gone."""
    return gr.update(choices=names, value=chosen if chosen in names else next(iter(names), None))
