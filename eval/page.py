"""The report as one HTML page that needs nothing else: no script, no font, no image from outside."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from doyen.core.answers import MARK_MEANINGS, MARK_SIGNS, version_note
from doyen.core.records import Question
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.plots import Curve, CurvePlot, Plot, Row, curve_plot, interval_plot
from doyen.eval.refusing import COVERAGE, RISK, asked_kinds
from doyen.eval.scores import Table
from doyen.eval.view import (
    MAIN_METRIC,
    TAG_ORDER,
    Difference,
    Figure,
    MetricRow,
    ReportView,
    interval_text,
    metric_info,
    verdict,
    view_report,
)

_FOLDER = Path(__file__).parent
COLOURS = {"base": 1, "rag": 2, "finetune": 3, "hybrid": 4, "rag-short": 5, "extract": 6, "rag-reading": 7}
WIDE, NARROW = 760, 480


@dataclass(frozen=True)
class AnswerView:
    """One mode's answer to a question, with its own figures.

    Attributes:
        figures: (title, value) of the metrics that gave a number.
        main: token F1 from 0 to 1; for an unanswerable question whether it was refused; None without a value.
    """

    mode: str
    record: AnswerRecord
    figures: list[tuple[str, str]]
    main: float | None


@dataclass(frozen=True)
class QuestionView:
    """A question with the answers of all modes.

    Attributes:
        kinds: CSS classes that the filters look at.
    """

    question: Question
    answers: list[AnswerView]
    kinds: str


def render_page(
    data: Mapping[str, Any],
    questions: Sequence[Question],
    records: Mapping[str, Sequence[AnswerRecord]],
    tables: Mapping[str, Table],
) -> str:
    """Return the page. Everything that comes from documents, questions or models is escaped.

    Args:
        data: report.json.
        records: mode → one answer a question.
        tables: mode → scores.
    """
    view = view_report(data)
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(num=_number, signed=_signed, seconds=_seconds)
    environment.globals["interval"] = _interval
    template = environment.get_template("report.html.jinja")
    return template.render(
        data=data,
        css=(_FOLDER / "report.css").read_text(encoding="utf-8"),
        colours={mode: COLOURS.get(mode, 5) for mode in view.modes},
        view=view,
        verdict=verdict(view),
        main_plot=_main_plot(view),
        forest=_forest(view.whole.differences),
        refusals=_refusal_plots(view),
        risk_coverage=_risk_coverage_plot(view),
        kinds=asked_kinds(view.refusing),
        reading_at={"coverage": f"{COVERAGE:.0%}", "risk": f"{RISK:.0%}"},
        questions=[_question_view(number, question, records, tables) for number, question in enumerate(questions)],
        meanings=MARK_MEANINGS,
        signs=MARK_SIGNS,
        version_note=version_note,
        manifest=json.dumps(data["manifest"], indent=2, ensure_ascii=False, default=str),
    )


def _main_plot(view: ReportView) -> Plot | None:
    """Return the main metric of all questions, and of those on seen and unseen documents apart, on one axis."""
    parts = [("All questions", view.whole)]
    parts += [(tag.replace("-", " ").capitalize() + "s", view.tags[tag]) for tag in TAG_ORDER if tag in view.tags]
    groups = [(name, rows) for name, part in parts if (rows := _mode_rows(view, part.row(MAIN_METRIC)))]
    return interval_plot(groups, f"{metric_info(MAIN_METRIC).title} of each mode with 95% interval", width=WIDE)


def _refusal_plots(view: ReportView) -> list[tuple[MetricRow, Plot]]:
    rows = [row for row in map(view.whole.row, ("refusal_accuracy", "over_refusal")) if row]
    drawn = [
        (row, interval_plot([("", _mode_rows(view, row))], f"{row.title} of each mode with 95% interval", width=NARROW))
        for row in rows
    ]
    return [(row, plot) for row, plot in drawn if plot]


def _risk_coverage_plot(view: ReportView) -> CurvePlot | None:
    curves = [
        Curve(mode, list(zip(of.curve.coverage, of.curve.risk, strict=True)), f"m{COLOURS.get(mode, 5)}")
        for mode, of in view.refusing.items()
    ]
    return curve_plot(curves, "Risk against coverage of each mode that reads its passages", width=WIDE)


def _figures(view: ReportView, row: MetricRow | None) -> list[tuple[str, Figure]]:
    return [(mode, figure) for mode, figure in zip(view.modes, row.figures, strict=True) if figure] if row else []


def _mode_rows(view: ReportView, row: MetricRow | None) -> list[Row]:
    return [
        _row(
            mode,
            figure.mean,
            figure,
            f"{figure.mean:.3f}  [{interval_text(figure.low, figure.high, digits=3)}]  n {figure.n}",
            f"m{COLOURS.get(mode, 5)}",
        )
        for mode, figure in _figures(view, row)
        if figure.mean is not None
    ]


def _forest(differences: Sequence[Difference]) -> Plot | None:
    kinds = {"better": "up", "worse": "down", "unsure": "unsure"}
    rows = [
        _row(
            f"{item.a} − {item.b}",
            item.delta,
            item,
            f"{_signed(item.delta)}  p {item.p:.4f}  n {item.n}",
            kinds[item.verdict],
        )
        for item in differences
        if item.metric == MAIN_METRIC
    ]
    title = metric_info(MAIN_METRIC).title
    return interval_plot([("", rows)], f"Paired differences in {title} with 95% interval", width=WIDE, around_zero=True)


def _row(label: str, mean: float, value: Figure | Difference, figure: str, kind: str) -> Row:
    """Return a mark; without whiskers where there is no interval."""
    low, high = (mean if end is None else end for end in (value.low, value.high))
    return Row(label, mean, low, high, figure, kind)


def _question_view(
    number: int, question: Question, records: Mapping[str, Sequence[AnswerRecord]], tables: Mapping[str, Table]
) -> QuestionView:
    answers = []
    for mode, given in records.items():
        scores = {name: float(column.values[number]) for name, column in tables[mode].items()}
        scores = {name: score for name, score in scores.items() if not math.isnan(score)}
        figures = [(metric_info(name).title, f"{score:.2f}") for name, score in scores.items()]
        main = scores.get(MAIN_METRIC) if question.answerable else scores.get("refusal_accuracy")
        answers.append(AnswerView(mode, given[number], figures, main))
    values = [answer.main for answer in answers if answer.main is not None]
    kinds = ["differ"] if values and max(values) - min(values) >= 0.5 else []
    kinds += ["refused"] if any(answer.record.abstained for answer in answers) else []
    kinds += ["poor"] if values and max(values) < 0.3 else []
    return QuestionView(question, answers, " ".join(kinds))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def _interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    return interval_text(low, high, signed=signed).replace("-", "−")


def _seconds(value: float) -> str:
    return f"{value:.2f} s"
