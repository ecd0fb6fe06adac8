"""The cards of adapters as HTML: one, or two side by side with what differs marked; everything in them is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from doyen.ui.charts import Line, line_chart

Rows = dict[str, str]
"""What stands at the left → what stands in the card's column."""
FOLDED = frozenset({"Settings", "Libraries", "Hashes of inputs"})
"""Sections that are closed at first."""


def cards_html(cards: Sequence[dict[str, Any]], losses: Mapping[str, Sequence[float]]) -> str:
    """Return cards side by side.

    Args:
        losses: of each step, by adapter; those of earlier versions are not known.
    """
    sections = [_sections(card) for card in cards]
    shown = [_section(title, [each[title] for each in sections]) for title in sections[0]]
    head = "".join(f"<th dir='auto'>{escape(card['adapter'])}</th>" for card in cards)
    lines = [
        Line(card["adapter"], [(float(step), loss) for step, loss in enumerate(losses.get(card["adapter"], ()), start=1)])
        for card in cards
    ]
    chart = line_chart([line for line in lines if line.points], title="Loss by step")
    names = (
        f"<table><thead><tr><th></th>{head}</tr></thead></table>"
        if len(cards) > 1
        else f"<h3>{escape(cards[0]['adapter'])}</h3>"
    )
    return f"<div class='doyen-tables doyen-cards' tabindex='0'>{names}{''.join(shown)}{chart}</div>"


def _sections(card: dict[str, Any]) -> dict[str, Rows]:
    dataset, training = dict(card["dataset"]), dict(card["training"])
    forgetting = training.pop("forgetting", None) or {}
    return {
        "What it is": {
            "stage": card["stage"],
            "kind": card["kind"],
            "trained": card["created_at"][:16].replace("T", " ") or "–",
            "base model": card["base_model"],
            "trained from": ", ".join(card["lineage"]) or "the base model",
            "in use": "; ".join(card["in_use"]) or "by nothing",
        },
        "Dataset": _flat(dataset),
        "Training": _flat(training),
        "What it forgot": _flat(forgetting.get("change") or {}),
        "Estimate and what happened": _flat(card["cost"] or {}),
        "Reports": dict(_reports(card["evaluations"])),
        "Promotions": {str(n): _plain(each) for n, each in enumerate(card["promotions"], start=1)},
        "Settings": _flat({**card["settings"], "seed": card["seed"]}),
        "Hashes of inputs": _flat({**card["inputs"], "base weights": card["base_sha256"], "fingerprint": card["fingerprint"]}),
        "Libraries": _flat(card["libraries"]),
    }


def _reports(evaluations: Iterable[dict[str, Any]]) -> Iterable[tuple[str, str]]:
    for report in evaluations:
        gate = {True: "open", False: "closed"}.get(report["gate_open"], "not asked")
        yield report["report"], f"{report['n']} questions, gate {gate}"
        for mode, metrics in report["modes"].items():
            for metric, found in metrics.items():
                if found.get("mean") is not None:
                    between = "" if found.get("low") is None else f" ({found['low']:.3f} to {found['high']:.3f})"
                    yield f"{report['report']} · {mode} · {metric.replace('_', ' ')}", f"{found['mean']:.3f}{between}"


def _section(title: str, columns: Sequence[Rows]) -> str:
    names = list(dict.fromkeys(name for rows in columns for name in rows))
    if not names:
        return ""
    rows = "".join(_row(name, [rows.get(name, "–") for rows in columns]) for name in names)
    table = f"<table><tbody>{rows}</tbody></table>"
    closed = title in FOLDED or len(names) > 24
    return f"<details{'' if closed else ' open'}><summary>{escape(title)}</summary>{table}</details>"


def _row(name: str, values: Sequence[str]) -> str:
    kind = " class='doyen-differs'" if len(set(values)) > 1 else ""
    cells = "".join(f"<td dir='auto'>{escape(value)}</td>" for value in values)
    return f"<tr{kind}><th dir='auto'>{escape(name)}</th>{cells}</tr>"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Rows:
    """Return nested values as rows, "counts train" → "40"."""
    found: Rows = {}
    for name, value in values.items():
        title = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(value, dict):
            found |= _flat(value, title)
        elif value not in (None, "", []):
            found[title] = _plain(value)
    return found


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items() if each not in (None, ""))
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)
