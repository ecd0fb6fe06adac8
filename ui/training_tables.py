"""Tables and charts of the tab of datasets and training as HTML, everything in them escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from doyen.ui.charts import Line, line_chart
from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import banner
from doyen.ui.plain_markdown import markdown_html

PARTS = ("train", "validation", "test")


def datasets_table(datasets: Sequence[dict[str, Any]]) -> str:
    """Return all datasets, newest first."""
    if not datasets:
        return banner("There are no datasets yet: build one under “Build”, from the labels of an annotation project.")
    rows = "".join(map(_dataset_row, datasets))
    head = "<tr><th>Dataset</th><th>Training</th><th>Validation</th><th>Test</th><th>Left out</th><th>Built</th></tr>"
    return f"<div class='doyen-tables' tabindex='0'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def _dataset_row(dataset: dict[str, Any]) -> str:
    counts = dataset["counts"]
    parts = "".join(f"<td>{counts.get(part, 0)}</td>" for part in PARTS)
    origin = ", ".join(f"{name} {value}" for name, value in dataset["origin"].items())
    left_out = sum(counts.get("dropped", {}).values())
    why = ", ".join(f"{step} {number}" for step, number in counts.get("dropped", {}).items())
    return (
        f"<tr><th dir='auto'>{escape(dataset['id'])}<small>{escape(origin)}</small></th>{parts}"
        f"<td>{left_out}<small>{escape(why)}</small></td><td>{escape(dataset['created_at'][:16].replace('T', ' '))}</td></tr>"
    )


def card_html(dataset: dict[str, Any]) -> str:
    """Return a dataset's card, with what its leak check compared."""
    return markdown_html(dataset["card"])


def loss_chart(client: GatewayClient, job: dict[str, Any]) -> str:
    """Return the loss of a training so far; nothing for other jobs."""
    if job["kind"] != "train":
        return ""
    try:
        losses = client.losses(job["id"])
    except GatewayError:
        return ""
    return line_chart(
        [Line("loss", [(each["step"], each["loss"]) for each in losses])],
        title="Loss by step, the mean of the last ten",
    )
