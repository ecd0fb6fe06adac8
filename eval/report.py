"""A report: its figures (report.json), its page (report.html), its text (report.md) and its table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import NotFoundError, storage_errors
from doyen.core.files import write_json_atomic, write_text_atomic
from doyen.core.records import Question
from doyen.core.report_files import DATA, read_figures
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.refusing import COVERAGE, Refusing, asked_kinds
from doyen.eval.scores import Table
from doyen.eval.view import MAIN_METRIC, TAG_ORDER, Difference, Figure, beats_extract, interval_text, view_report

PAGE, TEXT = "report.html", "report.md"
HEADLINE = ("token_f1", "key_facts", "rouge_l", "semantic_similarity", "citation_precision", "refusal_accuracy", "over_refusal")
"""Metrics of the terminal's table; the page shows all."""


@dataclass(frozen=True)
class Report:
    """A finished evaluation.

    Attributes:
        folder: where answers.jsonl, report.json, report.html and report.md lie.
        data: report.json.
    """

    folder: Path
    data: dict[str, Any]

    def metric(self, mode: str, name: str, tag: str | None = None) -> dict[str, Any]:
        """Return ``{mean, low, high, n, nan}`` of a metric, of all questions or of those with a tag.

        Raises:
            NotFoundError: the report has no such mode, metric or tag.
        """
        part = self.data if tag is None else self.data["tags"].get(tag, {"modes": {}})
        metrics = part["modes"].get(mode, {}).get("metrics", {})
        if name not in metrics:
            where = f" for tag {tag!r}" if tag else ""
            raise NotFoundError(f"{self.folder / DATA} has no {name} of mode {mode!r}{where}: evaluate that mode")
        found: dict[str, Any] = metrics[name]
        return found


def write_report(
    folder: Path,
    data: dict[str, Any],
    questions: Sequence[Question],
    records: Mapping[str, Sequence[AnswerRecord]],
    tables: Mapping[str, Table],
) -> Report:
    """Write report.html, report.md and then report.json, each in one step, and return the report.

    Raises:
        StorageError: the disk is full.
    """
    from doyen.eval.markdown_report import render_markdown
    from doyen.eval.page import render_page

    with storage_errors("writing the report"):
        write_text_atomic(folder / PAGE, render_page(data, questions, records, tables))
        write_text_atomic(folder / TEXT, render_markdown(data))
        write_json_atomic(folder / DATA, data)
    return Report(folder, data)


def load_report(folder: Path) -> Report:
    """Return the report of a folder.

    Raises:
        NotFoundError: there is none.
        StorageError: it cannot be read, or is no report.
    """
    return Report(folder, read_figures(folder))


def comparison_table(report: Report) -> str:
    """Return the headline figures as plain text for a terminal: modes × metrics, then the paired differences."""
    view = view_report(report.data)
    rows = [line for name in HEADLINE if (row := view.whole.row(name)) for line in _metric_lines(row.title, row.figures)]
    for tag in TAG_ORDER:
        if tag in view.tags and (row := view.tags[tag].row(MAIN_METRIC)):
            rows += _metric_lines(f"F1, {tag.split('-')[0]} documents", row.figures)
    rows.append(["Median length", *("–" if value is None else f"{value:.0f} words" for value in view.words)])
    rows.append(["Median time", *("–" if value is None else f"{value:.2f} s" for value in view.seconds)])
    lines = [f"{view.whole.n} questions; mean, and under it n and the 95% interval", "", *_grid(["", *view.modes], rows)]
    differences = [_difference_line(item) for item in view.whole.differences if item.metric == MAIN_METRIC]
    if differences:
        lines += ["", "Token F1, differences on the same questions with 95% interval", *_grid(None, differences)]
    if duels := beats_extract(view):
        lines += ["", *duels]
    if view.refusing:
        lines += [
            "",
            f"Refusing by probability: AUROC (all with its 95% interval) and risk at {COVERAGE:.0%} coverage",
            *_refusing(view.refusing),
        ]
    if view.failures:
        lines += ["", "Answerable questions with evidence, and what became of them", *_failures(view.failures)]
    if view.retrieval:
        lines += ["", "Retrieval: " + ", ".join(f"{name} {value:.3f}" for name, value in view.retrieval.items())]
    if view.gate:
        from doyen.eval.gate import verdict_text

        lines += ["", f"Gate: {'open' if view.gate['open'] else 'closed'}", verdict_text(view.gate["rules"])]
    return "\n".join(lines)


def _metric_lines(title: str, figures: Sequence[Figure | None]) -> list[list[str]]:
    """Return a line of means, and a line with the number of questions and the intervals."""
    known = [figure if figure and figure.mean is not None else None for figure in figures]
    counts = sorted({figure.n for figure in known if figure and figure.n is not None})
    asked = f"  n {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "") if counts else ""
    return [
        [title, *(f"{figure.mean:.3f}" if figure else "–" for figure in known)],
        [asked, *(interval_text(figure.low, figure.high, digits=2) if figure else "" for figure in known)],
    ]


def _difference_line(item: Difference) -> list[str]:
    interval = interval_text(item.low, item.high, digits=3, signed=True)
    return [f"{item.a} − {item.b}", f"{item.delta:+.3f}", interval, f"p {item.p:.4f}", f"n {item.n}"]


def _failures(modes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a line for each mode."""
    head = ["", "right", "wrong, shown", "refused, shown", "wrong, not found", "refused, not found"]
    order = ("right", "wrong_found", "refused_found", "wrong_not_found", "refused_not_found")
    return _grid(head, [[mode, *(str(counts[name]) for name in order)] for mode, counts in modes.items()])


def _refusing(modes: Mapping[str, Refusing]) -> list[str]:
    """Return a line for each mode, under the kinds of unanswerable questions that were asked."""
    first, *others = kinds = asked_kinds(modes)
    rows = []
    for mode, figures in modes.items():
        whole, *areas = [figures.auroc[kind] for kind in kinds]
        ends = interval_text(whole.low, whole.high, digits=2)
        rows.append(
            [mode, _number(whole.value), ends, *(_number(area.value) for area in areas), _number(figures.risk_at_coverage)]
        )
    return _grid(["", first, "", *others, f"risk@{COVERAGE:.0%}"], rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _grid(head: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns of equal width."""
    table = [*([head] if head else []), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return [*lines[:1], "─" * len(lines[0]), *lines[1:]] if head else lines
