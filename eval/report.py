"""A report: its figures (report.json), its page (report.html) and its table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import NotFoundError, storage_errors
from doyen.core.evaluations import DATA, read_figures
from doyen.core.files import write_json_atomic, write_text_atomic
from doyen.core.records import Question
from doyen.eval.answers import AnswerRecord
from doyen.eval.metrics import INFO
from doyen.eval.scores import Table

PAGE = "report.html"
HEADLINE = ("token_f1", "key_facts", "rouge_l", "semantic_similarity", "citation_precision", "refusal_accuracy", "over_refusal")
"""Metrics of the terminal's table; the page shows all."""
HEADLINE_TAGS = ("seen-document", "unseen-document")


@dataclass(frozen=True)
class Report:
    """A finished evaluation.

    Attributes:
        folder: where answers.jsonl, report.json and report.html lie.
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
    """Write report.html and then report.json, each in one step, and return the report.

    Raises:
        StorageError: the disk is full.
    """
    from doyen.eval.page import render_page

    with storage_errors("writing the report"):
        write_text_atomic(folder / PAGE, render_page(data, questions, records, tables))
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
    data = report.data
    modes = data["modes"]
    names = [name for name in HEADLINE if any(name in part["metrics"] for part in modes.values())]
    rows = [
        row for name in names for row in _metric_rows(INFO[name].title, [part["metrics"].get(name) for part in modes.values()])
    ]
    for tag in HEADLINE_TAGS:
        if tag in data["tags"]:
            values = [part["metrics"].get("token_f1") for part in data["tags"][tag]["modes"].values()]
            rows += _metric_rows(f"F1, {tag.split('-')[0]} documents", values)
    rows.append(["Median length", *(f"{part['answer_words']['p50']:.0f} words" for part in modes.values())])
    rows.append(["Median time", *(f"{part['latency_s']['p50']:.2f} s" for part in modes.values())])
    lines = [f"{data['questions']['n']} questions; mean, and under it n and the 95% interval", "", *_grid(["", *modes], rows)]
    differences = _difference_rows(data["comparisons"])
    if differences:
        lines += ["", "Token F1, differences on the same questions with 95% interval", *_grid(None, differences)]
    if data["retrieval"]:
        lines += ["", "Retrieval: " + ", ".join(f"{name} {value:.3f}" for name, value in data["retrieval"].items())]
    if "gate" in data:
        from doyen.eval.gate import verdict_text

        lines += ["", f"Gate: {'open' if data['gate']['open'] else 'closed'}", verdict_text(data["gate"]["rules"])]
    return "\n".join(lines)


def _metric_rows(title: str, values: Sequence[Mapping[str, Any] | None]) -> list[list[str]]:
    """Return a line of means, and a line with the number of questions and the intervals."""
    known = [value if value and value["mean"] is not None else None for value in values]
    counts = sorted({value["n"] for value in known if value})
    asked = f"  n {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "") if counts else ""
    return [
        [title, *(f"{value['mean']:.3f}" if value else "–" for value in known)],
        [asked, *(interval_text(value, digits=2) if value else "" for value in known)],
    ]


def interval_text(value: Mapping[str, Any], *, digits: int, signed: bool = False) -> str:
    """Return "0.12 to 0.34", or a dash where the numbers were too few or too equal for an interval."""
    if value["low"] is None or value["high"] is None:
        return "–"
    form = f"{'+' if signed else ''}.{digits}f"
    return f"{value['low']:{form}} to {value['high']:{form}}"


def _difference_rows(comparisons: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [
            f"{item['a']} − {item['b']}",
            f"{item['delta']:+.3f}",
            interval_text(item, digits=3, signed=True),
            f"p {item['p']:.4f}",
            f"n {item['n']}",
        ]
        for item in comparisons
        if item["metric"] == "token_f1"
    ]


def _grid(head: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns of equal width."""
    table = [*([head] if head else []), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return [*lines[:1], "─" * len(lines[0]), *lines[1:]] if head else lines
