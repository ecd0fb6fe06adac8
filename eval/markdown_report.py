"""The report as Markdown, for a pull request, a wiki or a message: what the page says first, without the single answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doyen.eval.view import Difference, Figure, ReportView, failures_text, interval_text, verdict, view_report

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def render_markdown(data: Mapping[str, Any]) -> str:
    """Return the text. Names that come from settings or questions are escaped.

    Args:
        data: report.json.
    """
    view = view_report(data)
    made = str(data["manifest"]["created_at"]).replace("T", " ")
    parts = [
        f"# {_plain(data['name'])}: evaluation report",
        f"{view.whole.n} questions, {len(view.modes)} modes, {made}, questions sha256 `{data['questions']['sha256'][:12]}`"
        + (f", adapter {_plain(view.adapter)}" if view.adapter else ""),
        _list(verdict(view)),
        "## Figures\n\nMean, 95% interval and number of questions; the best of a row is bold.",
        _table(["", *view.modes], ([_plain(row.title), *map(_figure, row.figures)] for row in view.whole.rows)),
        _differences(view.whole.differences),
        _failures(view),
        _gate(view),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _figure(figure: Figure | None) -> str:
    if figure is None or figure.mean is None:
        return "–"
    mean = f"**{figure.mean:.3f}**" if figure.best else f"{figure.mean:.3f}"
    return f"{mean} [{interval_text(figure.low, figure.high)}], n {figure.n}"


def _differences(differences: Sequence[Difference]) -> str:
    sure = [item for item in differences if item.verdict != "unsure"]
    if not differences:
        return ""
    if not sure:
        return "## Differences\n\nNone with p below 0.05."
    rows = (
        [
            f"{item.a} − {item.b}",
            _plain(item.title),
            f"{item.delta:+.3f}",
            interval_text(item.low, item.high, signed=True),
            f"{item.p:.4f}",
            str(item.n),
        ]
        for item in sure
    )
    head = ["modes", "metric", "difference", "95% interval", "p", "n"]
    return f"## Differences with p below 0.05\n\n{len(sure)} of {len(differences)}.\n\n{_table(head, rows)}"


def _failures(view: ReportView) -> str:
    said = failures_text(view.failures)
    return f"## Where answers fail\n\n{_list(said)}" if said else ""


def _gate(view: ReportView) -> str:
    if view.gate is None:
        return ""
    rows = ([_plain(rule["rule"]), "yes" if rule["met"] else "no", _plain(rule["why"])] for rule in view.gate["rules"])
    state = "open" if view.gate["open"] else "closed"
    return f"## The gate is {state}\n\n{_table(['rule', 'met', 'why'], rows)}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


def _plain(text: str) -> str:
    """Return a text with what Markdown would read as markup escaped, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
