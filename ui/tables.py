"""Tables of the evaluation and adapters tabs as HTML, everything in them escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from doyen.ui.render import MODE_LABELS

SIGNIFICANT = 0.05


def comparison_table(report: dict[str, Any]) -> str:
    """Return a report's modes side by side, the differences between them, and its retrieval metrics."""
    parts = [_metrics_table(report.get("modes", {}))]
    if report.get("comparisons"):
        parts.append(_differences_table(report["comparisons"]))
    if report.get("retrieval"):
        cells = "".join(
            f"<span class='doyen-figure'><b>{_number(value)}</b>{escape(str(name))}</span>"
            for name, value in report["retrieval"].items()
            if isinstance(value, int | float)
        )
        parts.append(f"<h3>Retrieval</h3><div class='doyen-figures'>{cells}</div>")
    return f"<div class='doyen-tables'>{''.join(parts)}</div>"


def _metrics_table(modes: dict[str, Any]) -> str:
    """Return metrics × modes; the best mean of each row stands out."""
    names = list(dict.fromkeys(name for result in modes.values() for name in result["metrics"]))
    rows = []
    for name in names:
        values = [result["metrics"].get(name) for result in modes.values()]
        means = [value["mean"] for value in values if value and value["mean"] is not None]
        best = max(means, default=None)
        rows.append(f"<tr><th>{escape(_words(name))}</th>{''.join(_metric_cell(value, best) for value in values)}</tr>")
    latency = "".join(f"<td>{_number(result.get('latency_s', {}).get('p50'))} s</td>" for result in modes.values())
    rows.append(f"<tr class='doyen-quiet'><th>median time</th>{latency}</tr>")
    head = "".join(f"<th>{escape(MODE_LABELS.get(mode, mode))}<small>{escape(mode)}</small></th>" for mode in modes)
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _metric_cell(value: dict[str, Any] | None, best: float | None) -> str:
    if not value or value["mean"] is None:
        return "<td>–</td>"
    kind = " class='doyen-best'" if value["mean"] == best else ""
    interval = f"<small>{_number(value.get('low'))} to {_number(value.get('high'))}</small>"
    return f"<td{kind}><b>{_number(value['mean'])}</b>{interval}</td>"


def _differences_table(comparisons: Sequence[dict[str, Any]]) -> str:
    """Return paired differences; those whose interval excludes zero are coloured."""
    rows = []
    for item in comparisons:
        low, high = item.get("low"), item.get("high")
        sure = low is not None and high is not None and (low > 0 or high < 0)
        kind = ("doyen-up" if item["delta"] > 0 else "doyen-down") if sure else "doyen-quiet"
        rows.append(
            f"<tr class='{kind}'><th>{escape(item['a'])} against {escape(item['b'])}</th>"
            f"<td>{escape(_words(item['metric']))}</td>"
            f"<td><b>{_signed(item['delta'])}</b><small>{_signed(low)} to {_signed(high)}</small></td>"
            f"<td>{_number(item.get('p'))}</td></tr>"
        )
    head = "<thead><tr><th></th><th>metric</th><th>difference<small>95% interval</small></th><th>p</th></tr></thead>"
    table = f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"
    return f"<details open><summary>Differences, question by question</summary>{table}</details>"


def adapters_table(adapters: Sequence[dict[str, Any]]) -> str:
    """Return all adapter versions."""
    if not adapters:
        return "<div class='doyen-note'><h3>No adapters</h3><p>Train one with <code>doyen train</code>.</p></div>"
    rows = "".join(
        f"<tr><th>{escape(item['name'])}<small>version {item['version']}</small></th>"
        f"<td><span class='doyen-chip doyen-{_status_colour(item['status'])}'>{escape(item['status'])}</span></td>"
        f"<td>{escape(item['base_model'])}</td><td><code>{escape(item['dataset_id'][:16])}</code></td>"
        f"<td>{escape(item['created_at'][:16].replace('T', ' '))}</td></tr>"
        for item in adapters
    )
    head = "<tr><th>adapter</th><th>status</th><th>base model</th><th>dataset</th><th>trained</th></tr>"
    return f"<div class='doyen-tables'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def report_frame(page: str) -> str:
    """Return a report in a frame that shares nothing with this page."""
    source = escape(page, quote=True)
    return f"<iframe class='doyen-frame' sandbox='allow-scripts' title='Evaluation report' srcdoc='{source}'></iframe>"


def _status_colour(status: str) -> str:
    return {"promoted": "green", "candidate": "blue"}.get(status, "grey")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
