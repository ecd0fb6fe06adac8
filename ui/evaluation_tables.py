"""Question sets, changes between two runs, and figures over runs as HTML, everything in them escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from doyen.ui.charts import Line, line_chart
from doyen.ui.markup import MODE_LABELS, banner

VERDICTS = {"worse": ("red", "worse"), "better": ("green", "better"), "same": ("grey", "no difference found")}


def questions_table(sets: Sequence[dict[str, Any]]) -> str:
    """Return the registered question sets."""
    if not sets:
        return banner("No questions are registered yet: a file in the workspace's folder can be registered below.")
    rows = "".join(
        f"<tr><th dir='auto'>{escape(item['name'])}<small>{escape(item['id'])}</small></th><td>{item['questions']}</td>"
        f"<td>{item['unanswerable']}</td>"
        f"<td dir='auto'>{escape(', '.join(f'{tag} {count}' for tag, count in item['tags'].items()))}</td></tr>"
        for item in sets
    )
    head = "<tr><th>Question set</th><th>Questions</th><th>Unanswerable</th><th>Tags</th></tr>"
    return f"<div class='doyen-tables' tabindex='0'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def changes_table(found: dict[str, Any]) -> str:
    """Return how the watched figures changed from one run to another, the worst first."""
    worse = sum(change["verdict"] == "worse" for change in found["data"])
    head = banner(
        f"{found['id']} is surely worse than {found['against']} in {worse} of {len(found['data'])} figures."
        if worse
        else f"{found['id']} is nowhere surely worse than {found['against']}.",
        "red" if worse else "green",
    )
    rows = "".join(map(_change_row, found["data"]))
    titles = (
        "<tr><th></th><th>before</th><th>now</th><th>difference<small>95% interval</small></th>"
        "<th>p<small>questions</small></th></tr>"
    )
    table = f"<table><thead>{titles}</thead><tbody>{rows}</tbody></table>"
    return f"{head}<div class='doyen-tables' tabindex='0'>{table}</div>"


def _change_row(change: dict[str, Any]) -> str:
    colour, said = VERDICTS[change["verdict"]]
    between = "" if change["low"] is None else f"{change['low']:+.3f} to {change['high']:+.3f}"
    mode = MODE_LABELS.get(change["mode"], change["mode"])
    return (
        f"<tr><th>{escape(change['title'])}<small>{escape(mode)}</small>"
        f"<span class='doyen-chip doyen-{colour}'>{said}</span></th>"
        f"<td>{change['before']:.3f}</td><td>{change['now']:.3f}</td><td><b>{change['delta']:+.3f}</b><small>{between}</small></td>"
        f"<td>{change['p']:.4f}<small>n {change['n']}</small></td></tr>"
    )


def history_chart(evaluations: Sequence[dict[str, Any]], metric: str, report: str) -> str:
    """Return a figure over the runs that asked the same questions as a report, a line for each mode."""
    chosen = next((item for item in evaluations if item["id"] == report), None)
    if chosen is None:
        return ""
    asked = chosen["questions_sha256"]
    same = [item for item in reversed(evaluations) if item is chosen or (asked and item["questions_sha256"] == asked)]
    lines = []
    for mode in dict.fromkeys(mode for item in same for mode in item["modes"]):
        values = [(n, item["means"].get(mode, {}).get(metric)) for n, item in enumerate(same)]
        points = [(float(n), value) for n, value in values if value is not None]
        if points:
            lines.append(Line(MODE_LABELS.get(mode, mode), points))
    runs = f"{len(same)} run{'' if len(same) == 1 else 's'}"
    title = f"{metric.replace('_', ' ')} in {runs} on the {chosen['questions']} questions of {report}"
    if not lines:
        return banner(f"No run on the questions of {report} has {metric}.")
    return line_chart(lines, title=title, names=[item["id"] for item in same])
