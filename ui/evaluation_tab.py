"""The evaluation tab: the same questions in every mode, side by side."""

from __future__ import annotations

from typing import Any

import gradio as gr

from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import banner
from doyen.ui.report_tables import comparison_table, report_frame
from doyen.ui.sign_in import Gateway


def build_evaluation_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    with gr.Row(elem_classes="doyen-actions"):
        picker = gr.Dropdown([], label="Report", elem_id="report", scale=5)
        refresh = gr.Button("Refresh", elem_id="refresh-reports", scale=1)
    table = gr.HTML(elem_id="comparison")
    with gr.Accordion("Full report", open=False, elem_id="full-report") as full:
        frame = gr.HTML(elem_id="report-frame")
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    by = gateway.with_client
    tab.select(by(choices), [picker], [picker, table], **options)
    refresh.click(by(choices), [picker], [picker, table], **options)
    picker.change(by(lambda client, chosen: (compare(client, chosen), "")), [picker], [table, frame], **options)
    gr.on([full.expand, picker.change], by(page), [picker], [frame], **options)


def choices(client: GatewayClient, chosen: str | None) -> tuple[Any, str]:
    """Return the picker with all reports, the newest chosen at first, and the comparison of the chosen one."""
    try:
        found = client.evaluations()
    except GatewayError as error:
        return gr.skip(), banner(str(error), "red")
    if not found:
        return gr.update(choices=[], value=None), banner("There are no reports yet: run `doyen eval run` or `doyen demo`.")
    names = [item["id"] for item in found]
    selected = chosen if chosen in names else names[0]
    labels = [(f"{item['id']} · {item['questions']} questions · {item['created_at']}", item["id"]) for item in found]
    return gr.update(choices=labels, value=selected), compare(client, selected)


def compare(client: GatewayClient, chosen: str | None) -> str:
    """Return the comparison of a report's modes."""
    if not chosen:
        return ""
    try:
        return comparison_table(client.report(chosen))
    except GatewayError as error:
        return banner(str(error), "red")


def page(client: GatewayClient, chosen: str | None) -> str:
    """Return the whole report in a frame of its own."""
    if not chosen:
        return ""
    try:
        return report_frame(client.report_page(chosen))
    except GatewayError as error:
        return banner(str(error), "red")
