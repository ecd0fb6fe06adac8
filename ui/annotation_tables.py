"""The annotate tab's tables and charts as HTML, everything in them escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from doyen.ui.charts import Line, line_chart
from doyen.ui.markup import banner

MOST_ROWS = 30
PURPOSES = {"annotation": "", "review": "decides disputes of", "adopted": "made in Label Studio"}


def projects_table(projects: Sequence[dict[str, Any]]) -> str:
    """Return all projects with their progress."""
    if not projects:
        return banner("There are no annotation projects yet: make one below, under “New project”.")
    rows = "".join(map(_project_row, projects))
    head = "<tr><th>Project</th><th>Labelled</th><th>Labels by</th><th>Where</th></tr>"
    return f"<div class='doyen-tables' tabindex='0'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def _project_row(project: dict[str, Any]) -> str:
    status = project["status"]
    about = [project["type"], " ".join(part for part in (PURPOSES.get(project["purpose"], ""), project["reviews"]) if part)]
    told = f"{project['labelled']} of {project['tasks']}"
    notes = [
        f"{number} {what}"
        for number, what in (
            (status["labelled_twice"], "labelled twice"),
            (sum(status["decisions"].values()), "decided"),
            (status["skipped"], "declined"),
            (sum(status["stale"].values()), "with changed text"),
            (status["invalid"], "labels not valid"),
        )
        if number
    ]
    people = ", ".join(f"{name} {count}" for name, count in status["annotators"].items()) or "nobody yet"
    return (
        f"<tr><th>{escape(project['name'])}<small>{escape(' · '.join(filter(None, about)))}</small></th>"
        f"<td>{told}<progress max='{project['tasks'] or 1}' value='{project['labelled']}' aria-label='{told}'></progress>"
        f"<small>{escape(', '.join(notes))}</small></td><td>{escape(people)}</td><td>{_place(project)}</td></tr>"
    )


def _place(project: dict[str, Any]) -> str:
    """Return a link into Label Studio, where the project is there."""
    url = project["url"] or ""
    if not url.startswith(("http://", "https://")):
        return "this workspace"
    return f"<a href='{escape(url)}' target='_blank' rel='noopener noreferrer'>open in Label Studio</a>"


def guideline_html(project: dict[str, Any]) -> str:
    """Return what annotators are asked to do, and how far they are."""
    described, status = project["description"], project["status"]
    lines = "".join(f"<p dir='auto'>{escape(line)}</p>" for line in described["guideline"].splitlines() if line.strip())
    labels = "".join(map(_label_row, described["labels"]))
    table = f"<table><thead><tr><th>Label</th><th>When</th><th>Key</th></tr></thead><tbody>{labels}</tbody></table>"
    more = [f"Relations: {', '.join(described['relations'])}." if described["relations"] else ""]
    more += [f"Example: {example}" for example in described["examples"]]
    figures = [
        (sum(status["tasks"].values()), "tasks"),
        *((count, state) for state, count in status["tasks"].items()),
        (status["versions"], "versions of labels"),
        (status["gold"], "gold items"),
        *((count, f"open for {age}") for age, count in status["ages"].items()),
    ]
    shown = "".join(f"<span class='doyen-figure'><b>{count}</b>{escape(what)}</span>" for count, what in figures if count)
    return (
        f"<div class='doyen-tables'><section><h3 dir='auto'>{escape(described['title'] or project['name'])}</h3>{lines}"
        f"{''.join(f'<p>{escape(line)}</p>' for line in more if line)}</section>{table if labels else ''}"
        f"<div class='doyen-figures'>{shown}</div></div>"
    )


def _label_row(label: dict[str, Any]) -> str:
    examples = f"<small dir='auto'>for example {escape(', '.join(label['examples']))}</small>" if label["examples"] else ""
    return (
        f"<tr><th dir='auto'>{escape(label['name'])}</th><td dir='auto'>{escape(label['meaning'])}{examples}</td>"
        f"<td>{escape(label['hotkey'] or '')}</td></tr>"
    )


def agreement_html(found: dict[str, Any]) -> str:
    """Return how far annotators agree: overall, over time, by pair, by label, and with gold items."""
    report = found["report"]
    people = ", ".join(f"{name} {count}" for name, count in report["annotators"].items()) or "nobody"
    said = f"{report['items']} items have a label, {report['shared']} of two people or more ({people})."
    parts = [f"<p class='doyen-hint' dir='auto'>{escape(said)}</p>", _measures("Overall", [("", report["overall"])])]
    parts.append(_over_time(report))
    primary = report["primary"]
    pairs = [(" and ".join(pair["annotators"]), pair["measures"]) for pair in report["pairs"]]
    parts.append(_measures("Pair by pair", pairs, only=primary))
    parts.append(_measures("By label, least agreement first", sorted(report["labels"].items(), key=_first_value)))
    parts.append(_measures("With gold items: how often each person is right", list(report["gold"].items())))
    parts.append(_reliability(report["reliability"]))
    if found["problems"]:
        parts.append(banner(f"{len(found['problems'])} labels are not valid and were left out."))
    return f"<div class='doyen-tables' tabindex='0'>{''.join(parts)}</div>"


def _over_time(report: dict[str, Any]) -> str:
    primary = report["primary"]
    periods = [(name, own[primary]) for name, own in report["periods"].items() if own[primary]["value"] is not None]
    if len(periods) < 2:
        return ""
    bounds = [tuple(math.nan if own[end] is None else own[end] for end in ("low", "high")) for _, own in periods]
    line = Line(primary, [(n, own["value"]) for n, (_, own) in enumerate(periods)], [(low, high) for low, high in bounds])
    return line_chart([line], title=f"{primary} over time, with 95% intervals", names=[name for name, _ in periods])


def _measures(title: str, rows: Iterable[tuple[str, Mapping[str, Any]]], only: str | None = None) -> str:
    shown = [
        f"<tr><th dir='auto'>{escape(name or measure)}<small>{escape(measure) if name else ''}</small></th>"
        f"<td>{_figure(own)}</td></tr>"
        for name, measures in list(rows)[:MOST_ROWS]
        for measure, own in measures.items()
        if only in {None, measure}
    ]
    return f"<section><h3>{escape(title)}</h3><table><tbody>{''.join(shown)}</tbody></table></section>" if shown else ""


def _figure(own: Mapping[str, Any]) -> str:
    items = f"{own['items']} item{'' if own['items'] == 1 else 's'}"
    if own["value"] is None:
        return f"–<small>{escape(own.get('reason', ''))}, {items}</small>"
    between = f"{own['low']:.3f} to {own['high']:.3f}, " if own["low"] is not None else ""
    return f"<b>{own['value']:.3f}</b><small>{between}{items}</small>"


def _first_value(entry: tuple[str, Mapping[str, Any]]) -> tuple[float, str]:
    value = next(iter(entry[1].values()))["value"]
    return (math.inf if value is None else value), entry[0]


def _reliability(found: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th dir='auto'>{escape(name)}</th><td><b>{own['value']:.3f}</b>"
        f"<small>{escape(own['method'])}, {own['items']} items</small></td></tr>"
        for name, own in found.items()
    )
    return f"<section><h3>Reliability of annotators</h3><table><tbody>{rows}</tbody></table></section>" if rows else ""


def disputes_html(disputes: Sequence[dict[str, Any]]) -> str:
    """Return the disputed tasks, worst first, with the answers side by side and what was decided."""
    if not disputes:
        return banner("Nothing is disputed: no task has labels of two people that differ enough.", "green")
    return f"<div class='doyen-disputes'>{''.join(map(_dispute, disputes))}</div>"


def _dispute(dispute: dict[str, Any]) -> str:
    answers = "".join(
        f"<div class='doyen-answer'><h4>Answer {number}</h4><p dir='auto'>{escape(answer)}</p></div>"
        for number, answer in enumerate(dispute["answers"], start=1)
    )
    agreed = "one label" if dispute["agreement"] is None else f"agreement {dispute['agreement']:.0%}"
    decision = dispute["decision"]
    decided = (
        f"<p class='doyen-decided' dir='auto'><b>Decided ({escape(decision['method'])}, {escape(decision['by'])}):</b> "
        f"{escape(decision['label'])}<small>{escape(decision['reason'])}</small></p>"
        if decision
        else ""
    )
    return (
        f"<article class='doyen-card'><header dir='auto'>{escape(dispute['title'] or 'Text')} "
        f"<span class='doyen-chip doyen-amber'>{agreed}</span></header><p dir='auto'>{escape(dispute['text'])}</p>"
        f"<div class='doyen-answers'>{answers}</div>{decided}</article>"
    )
