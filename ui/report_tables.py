"""Tables of the evaluation and adapters tabs as HTML, everything in them escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from doyen.ui.markup import MODE_LABELS

HEADLINE = "token_f1"
"""The metric that is shown for each tag of questions, and whose differences are not folded away."""
COLOURS = {"better": "up", "worse": "down", "unsure": "quiet"}


def comparison_table(view: dict[str, Any]) -> str:
    """Return a report's modes side by side, the differences between them, and its retrieval metrics."""
    rows = [_metric_row(row["title"], row) for row in view["whole"]["rows"]]
    for tag, part in view["tags"].items():
        rows += [_metric_row(f"{row['title']}, {tag}", row) for row in part["rows"] if row["metric"] == HEADLINE]
    seconds = "".join(f"<td>{_number(value)} s</td>" for value in view["seconds"])
    rows.append(f"<tr class='doyen-quiet'><th>median time</th>{seconds}</tr>")
    head = "".join(f"<th>{escape(MODE_LABELS.get(mode, mode))}<small>{escape(mode)}</small></th>" for mode in view["modes"])
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    parts = [table, *_differences(view["whole"]["differences"])]
    if view["retrieval"]:
        cells = "".join(
            f"<span class='doyen-figure'><b>{_number(value)}</b>{escape(name)}</span>"
            for name, value in view["retrieval"].items()
        )
        parts.append(f"<section><h3>Retrieval</h3><div class='doyen-figures'>{cells}</div></section>")
    return f"<div class='doyen-tables'>{''.join(parts)}</div>"


def _metric_row(title: str, row: dict[str, Any]) -> str:
    """Return one metric of all modes; the best mean stands out."""
    return f"<tr><th>{escape(title)}</th>{''.join(map(_metric_cell, row['figures']))}</tr>"


def _metric_cell(figure: dict[str, Any] | None) -> str:
    if not figure or figure["mean"] is None:
        return "<td>–</td>"
    kind = " class='doyen-best'" if figure["best"] else ""
    interval = f"<small>{_interval(figure)}n {figure['n']}</small>"
    return f"<td{kind}><b>{_number(figure['mean'])}</b>{interval}</td>"


def _differences(differences: Sequence[dict[str, Any]]) -> list[str]:
    """Return a table of paired differences for each metric, all but the headline's folded away."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in differences:
        groups.setdefault(item["metric"], []).append(item)
    head = "<thead><tr><th></th><th>difference<small>95% interval</small></th><th>p<small>questions</small></th></tr></thead>"
    return [
        f"<details{' open' if metric == HEADLINE else ''}>"
        f"<summary>Differences in {escape(groups[metric][0]['title'])}, question by question</summary>"
        f"<table>{head}<tbody>{''.join(map(_difference_row, groups[metric]))}</tbody></table></details>"
        for metric in sorted(groups, key=lambda name: name != HEADLINE)
    ]


def _difference_row(item: dict[str, Any]) -> str:
    """Return one difference, coloured as better or worse where it is more than chance."""
    return (
        f"<tr class='doyen-{COLOURS[item['verdict']]}'><th>{escape(item['a'])} against {escape(item['b'])}</th>"
        f"<td><b>{item['delta']:+.3f}</b><small>{_interval(item, '+').removesuffix(', ')}</small></td>"
        f"<td>{_number(item['p'])}<small>n {item['n']}</small></td></tr>"
    )


def adapters_table(adapters: Sequence[dict[str, Any]]) -> str:
    """Return all adapter versions."""
    if not adapters:
        return "<div class='doyen-note'><h3>No adapters</h3><p>Train one with <code>doyen train</code>.</p></div>"
    rows = "".join(
        f"<tr><th>{escape(item['name'])}<small>{escape(item['kind'])}, version {item['version']}</small></th>"
        f"<td><span class='doyen-chip doyen-{_stage_colour(item['stage'])}'>{escape(item['stage'])}</span></td>"
        f"<td>{escape(item['base_model'])}</td><td><code>{escape(item['dataset_id'][:16])}</code></td>"
        f"<td>{escape(item['created_at'][:16].replace('T', ' '))}</td></tr>"
        for item in adapters
    )
    head = "<tr><th>adapter</th><th>stage</th><th>base model</th><th>dataset</th><th>trained</th></tr>"
    return f"<div class='doyen-tables'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def gate_table(view: dict[str, Any]) -> str:
    """Return what a report's gate says, rule by rule; nothing for a report of an older version."""
    gate = view["gate"]
    if not gate:
        return ""
    rows = "".join(
        f"<tr><td><span class='doyen-chip doyen-{'green' if rule['met'] else 'amber'}'>{'met' if rule['met'] else 'not met'}"
        f"</span></td><th>{escape(rule['rule'])}<small>{escape(rule['why'])}</small></th><td><b>{_number(rule['figure'])}</b>"
        f"<small>{_interval(rule)}n {rule['n']}, p {_number(rule['p'])}</small></td></tr>"
        for rule in gate["rules"]
    )
    verdict = f"The gate is {'open' if gate['open'] else 'closed'} for {view['adapter'] or 'no adapter'}"
    return f"<div class='doyen-tables'><h3>{escape(verdict)}</h3><table><tbody>{rows}</tbody></table></div>"


def report_frame(page: str) -> str:
    """Return a report in a frame that shares nothing with this page."""
    source = escape(page, quote=True)
    return f"<iframe class='doyen-frame' sandbox='allow-scripts' title='Evaluation report' srcdoc='{source}'></iframe>"


def _stage_colour(stage: str) -> str:
    return {"production": "green", "staging": "amber", "candidate": "blue"}.get(stage, "grey")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(figure: dict[str, Any], sign: str = "") -> str:
    """Return "0.100 to 0.200, ", or nothing where there is no interval."""
    if figure["low"] is None or figure["high"] is None:
        return ""
    return f"{figure['low']:{sign}.3f} to {figure['high']:{sign}.3f}, "
