"""Tables of the evaluation and adapters tabs as HTML, everything in them escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from doyen.ui.render import MODE_LABELS

SURE = 0.05
"""A difference with a smaller p is coloured."""
HEADLINE = "token_f1"
"""The metric that is shown for each tag of questions, and whose differences are not folded away."""
_WORDS = {"f1": "F1", "rouge": "ROUGE", "l": "L", "mrr": "MRR"}


def comparison_table(report: dict[str, Any]) -> str:
    """Return a report's modes side by side, the differences between them, and its retrieval metrics."""
    modes = report.get("modes", {})
    lower = frozenset(name for name, metric in report.get("metrics", {}).items() if metric["better"] == "lower")
    names = dict.fromkeys(name for result in modes.values() for name in result["metrics"])
    rows = [_metric_row(_words(name), name, list(modes.values()), lower) for name in names]
    for tag, part in report.get("tags", {}).items():
        rows.append(_metric_row(f"{_words(HEADLINE)}, {tag}", HEADLINE, [part["modes"].get(mode) for mode in modes], lower))
    latency = "".join(f"<td>{_number(result.get('latency_s', {}).get('p50'))} s</td>" for result in modes.values())
    rows.append(f"<tr class='doyen-quiet'><th>median time</th>{latency}</tr>")
    head = "".join(f"<th>{escape(MODE_LABELS.get(mode, mode))}<small>{escape(mode)}</small></th>" for mode in modes)
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    parts = [table, *_differences(report.get("comparisons", []), lower)]
    if report.get("retrieval"):
        cells = "".join(
            f"<span class='doyen-figure'><b>{_number(value)}</b>{escape(str(name))}</span>"
            for name, value in report["retrieval"].items()
            if isinstance(value, int | float)
        )
        parts.append(f"<section><h3>Retrieval</h3><div class='doyen-figures'>{cells}</div></section>")
    return f"<div class='doyen-tables'>{''.join(parts)}</div>"


def _metric_row(title: str, metric: str, results: Sequence[dict[str, Any] | None], lower: frozenset[str]) -> str:
    """Return one metric of all modes; the best mean stands out."""
    values = [result["metrics"].get(metric) if result else None for result in results]
    means = [value["mean"] for value in values if value and value["mean"] is not None]
    best = (min if metric in lower else max)(means) if len(set(means)) > 1 else None
    return f"<tr><th>{escape(title)}</th>{''.join(_metric_cell(value, best) for value in values)}</tr>"


def _metric_cell(value: dict[str, Any] | None, best: float | None) -> str:
    if not value or value["mean"] is None:
        return "<td>–</td>"
    kind = " class='doyen-best'" if value["mean"] == best else ""
    interval = f"<small>{_number(value.get('low'))} to {_number(value.get('high'))}, n {value.get('n', '–')}</small>"
    return f"<td{kind}><b>{_number(value['mean'])}</b>{interval}</td>"


def _differences(comparisons: Sequence[dict[str, Any]], lower: frozenset[str]) -> list[str]:
    """Return a table of paired differences for each metric, all but the headline's folded away."""
    groups: dict[str, list[str]] = {}
    for item in comparisons:
        groups.setdefault(item["metric"], []).append(_difference_row(item, lower))
    head = "<thead><tr><th></th><th>difference<small>95% interval</small></th><th>p<small>questions</small></th></tr></thead>"
    tables = []
    for metric in sorted(groups, key=lambda name: name != HEADLINE):
        shown = " open" if metric == HEADLINE else ""
        rows = "".join(groups[metric])
        tables.append(
            f"<details{shown}><summary>Differences in {escape(_words(metric))}, question by question</summary>"
            f"<table>{head}<tbody>{rows}</tbody></table></details>"
        )
    return tables


def _difference_row(item: dict[str, Any], lower: frozenset[str]) -> str:
    """Return one difference; it is coloured, as better or worse, where the permutation test is sure of it."""
    sure = item.get("p") is not None and item["p"] < SURE
    better = (item["delta"] > 0) != (item["metric"] in lower)
    kind = ("doyen-up" if better else "doyen-down") if sure else "doyen-quiet"
    return (
        f"<tr class='{kind}'><th>{escape(item['a'])} against {escape(item['b'])}</th>"
        f"<td><b>{_signed(item['delta'])}</b><small>{_signed(item.get('low'))} to {_signed(item.get('high'))}</small></td>"
        f"<td>{_number(item.get('p'))}<small>n {item.get('n', '–')}</small></td></tr>"
    )


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


def gate_table(report: dict[str, Any]) -> str:
    """Return what a report's gate says, rule by rule; nothing for a report of an older version."""
    gate = report.get("gate")
    if not gate:
        return ""
    rows = "".join(
        f"<tr><td><span class='doyen-chip doyen-{'green' if rule['met'] else 'amber'}'>{'met' if rule['met'] else 'not met'}"
        f"</span></td><th>{escape(rule['rule'])}<small>{escape(rule['why'])}</small></th><td><b>{_number(rule['figure'])}</b>"
        f"<small>{_number(rule['low'])} to {_number(rule['high'])}, n {rule['n']}, p {_number(rule['p'])}</small></td></tr>"
        for rule in gate["rules"]
    )
    verdict = f"The gate is {'open' if gate['open'] else 'closed'} for {report.get('adapter') or 'no adapter'}"
    return f"<div class='doyen-tables'><h3>{escape(verdict)}</h3><table><tbody>{rows}</tbody></table></div>"


def report_frame(page: str) -> str:
    """Return a report in a frame that shares nothing with this page."""
    source = escape(page, quote=True)
    return f"<iframe class='doyen-frame' sandbox='allow-scripts' title='Evaluation report' srcdoc='{source}'></iframe>"


def _status_colour(status: str) -> str:
    return {"promoted": "green", "candidate": "blue"}.get(status, "grey")


def _words(name: str) -> str:
    return " ".join(_WORDS.get(word, word) for word in name.split("_"))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
