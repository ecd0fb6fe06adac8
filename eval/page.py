"""The report as one HTML page that needs nothing else: no script, no font, no image from outside."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from doyen.core.evaluations import ALPHA
from doyen.core.records import Question
from doyen.eval.answers import AnswerRecord
from doyen.eval.metrics import INFO, MetricInfo
from doyen.eval.plots import Plot, Row, interval_plot
from doyen.eval.report import interval_text
from doyen.eval.scores import Table

_FOLDER = Path(__file__).parent
MAIN_METRIC = "token_f1"
COLOURS = {"base": 1, "rag": 2, "finetune": 3, "hybrid": 4, "rag-short": 5}
WIDE, NARROW = 760, 480
TAG_ORDER = ("seen-document", "unseen-document")


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
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(num=_number, signed=_signed, seconds=_seconds, interval=_interval)
    template = environment.get_template("report.html.jinja")
    return template.render(
        data=data,
        css=(_FOLDER / "report.css").read_text(encoding="utf-8"),
        modes=list(data["modes"]),
        colours={mode: COLOURS.get(mode, 5) for mode in data["modes"]},
        info=_info(data),
        verdict=verdict(data),
        main_plot=_main_plot(data),
        forest=_forest(data["comparisons"]),
        refusals=_refusal_plots(data),
        tags=sorted(data["tags"], key=lambda tag: (tag not in TAG_ORDER, tag)),
        best={name: _best(name, data["modes"]) for name in _names(data["modes"])},
        names=_names,
        best_of=_best,
        questions=[_question_view(number, question, records, tables) for number, question in enumerate(questions)],
        manifest=json.dumps(data["manifest"], indent=2, ensure_ascii=False, default=str),
    )


def verdict(data: Mapping[str, Any], metric: str = MAIN_METRIC) -> list[str]:
    """Return what the figures say in words: the best mode, and whether each other mode is surely worse."""
    means = {mode: part["metrics"][metric]["mean"] for mode, part in data["modes"].items() if metric in part["metrics"]}
    means = {mode: mean for mode, mean in means.items() if mean is not None}
    if not means:
        return []
    best = max(means, key=lambda mode: means[mode])
    title = INFO[metric].title
    said = [f"{best} has the highest mean {title}, {means[best]:.3f}."]
    for item in data["comparisons"]:
        if item["metric"] != metric or best not in (item["a"], item["b"]):
            continue
        sign = 1 if item["a"] == best else -1
        other = item["b"] if item["a"] == best else item["a"]
        certainty = "above" if item["p"] < ALPHA else "not surely above"
        said.append(f"It is {certainty} {other}: by {sign * item['delta']:+.3f}, p {item['p']:.4f}, n {item['n']}.")
    return said


def _main_plot(data: Mapping[str, Any]) -> Plot | None:
    """Return the main metric of all questions, and of those on seen and unseen documents apart, on one axis."""
    parts = [("All questions", data["modes"])]
    parts += [
        (tag.replace("-", " ").capitalize() + "s", data["tags"][tag]["modes"]) for tag in TAG_ORDER if tag in data["tags"]
    ]
    groups = [(name, rows) for name, modes in parts if (rows := _mode_rows(modes, MAIN_METRIC))]
    return interval_plot(groups, f"{INFO[MAIN_METRIC].title} of each mode with 95% interval", width=WIDE)


def _refusal_plots(data: Mapping[str, Any]) -> list[tuple[MetricInfo, Plot]]:
    plots = []
    for name in ("refusal_accuracy", "over_refusal"):
        summary = f"{INFO[name].title} of each mode with 95% interval"
        plots.append((INFO[name], interval_plot([("", _mode_rows(data["modes"], name))], summary, width=NARROW)))
    return [(info, plot) for info, plot in plots if plot]


def _mode_rows(modes: Mapping[str, Any], metric: str) -> list[Row]:
    rows = []
    for mode, part in modes.items():
        value = part["metrics"].get(metric)
        if value and value["mean"] is not None:
            figure = f"{value['mean']:.3f}  [{interval_text(value, digits=3)}]  n {value['n']}"
            rows.append(_row(mode, value["mean"], value, figure, f"m{COLOURS.get(mode, 5)}"))
    return rows


def _forest(comparisons: Sequence[Mapping[str, Any]]) -> Plot | None:
    rows = []
    for item in comparisons:
        if item["metric"] == MAIN_METRIC:
            kind = "unsure" if item["p"] >= ALPHA else "up" if item["delta"] > 0 else "down"
            figure = f"{_signed(item['delta'])}  p {item['p']:.4f}  n {item['n']}"
            rows.append(_row(f"{item['a']} − {item['b']}", item["delta"], item, figure, kind))
    title = INFO[MAIN_METRIC].title
    return interval_plot([("", rows)], f"Paired differences in {title} with 95% interval", width=WIDE, around_zero=True)


def _row(label: str, mean: float, value: Mapping[str, Any], figure: str, kind: str) -> Row:
    """Return a mark; without whiskers where there is no interval."""
    low, high = (mean if end is None else end for end in (value["low"], value["high"]))
    return Row(label, mean, low, high, figure, kind)


def _question_view(
    number: int, question: Question, records: Mapping[str, Sequence[AnswerRecord]], tables: Mapping[str, Table]
) -> QuestionView:
    answers = []
    for mode, given in records.items():
        scores = {name: float(column.values[number]) for name, column in tables[mode].items()}
        scores = {name: score for name, score in scores.items() if not math.isnan(score)}
        figures = [(INFO[name].title, f"{score:.2f}") for name, score in scores.items() if name in INFO]
        main = scores.get(MAIN_METRIC) if question.answerable else scores.get("refusal_accuracy")
        answers.append(AnswerView(mode, given[number], figures, main))
    values = [answer.main for answer in answers if answer.main is not None]
    kinds = ["differ"] if values and max(values) - min(values) >= 0.5 else []
    kinds += ["refused"] if any(answer.record.abstained for answer in answers) else []
    kinds += ["poor"] if values and max(values) < 0.3 else []
    return QuestionView(question, answers, " ".join(kinds))


def _info(data: Mapping[str, Any]) -> dict[str, MetricInfo]:
    """Return titles and explanations of the report's metrics; a metric of a newer version is shown by its name."""
    return {name: INFO.get(name, MetricInfo(name.replace("_", " "), "")) for name in _names(data["modes"])}


def _names(modes: Mapping[str, Any]) -> list[str]:
    """Return the metrics that any of the modes has, in the order of `INFO`."""
    there = dict.fromkeys(name for part in modes.values() for name in part["metrics"])
    return [name for name in INFO if name in there] + [name for name in there if name not in INFO]


def _best(name: str, modes: Mapping[str, Any]) -> str | None:
    """Return the mode with the best mean, or None where there is no choice or a tie."""
    means = {mode: part["metrics"][name]["mean"] for mode, part in modes.items() if name in part["metrics"]}
    values = [mean for mean in means.values() if mean is not None]
    if len(values) < 2:
        return None
    wanted = min(values) if name in INFO and INFO[name].better == "lower" else max(values)
    winners = [mode for mode, mean in means.items() if mean == wanted]
    return winners[0] if len(winners) == 1 else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def _interval(value: Mapping[str, Any], *, signed: bool = False) -> str:
    text = interval_text(value, digits=3, signed=signed)
    return text.replace("-", "−")


def _seconds(value: float) -> str:
    return f"{value:.2f} s"
