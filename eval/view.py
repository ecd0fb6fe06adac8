"""One view of a report for everyone who shows it: terminal, page and browser.

What is decided here is decided nowhere else: titles, the order of metrics and kinds of questions, which mode of a row is the
best, whether a difference is one, and what becomes of figures that earlier versions did not write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from doyen.core.modes import Mode
from doyen.core.report_files import ALPHA
from doyen.eval.metrics import INFO, MetricInfo
from doyen.eval.refusing import Refusing

MAIN_METRIC = "token_f1"
"""The metric that plots, verdict and tags show."""
VERDICT_METRICS = (MAIN_METRIC, "key_facts")
"""Those in which a generated answer has to beat an extract."""
TAG_ORDER = ("seen-document", "unseen-document")


@dataclass(frozen=True)
class Figure:
    """A metric of one mode.

    Attributes:
        mean: None where no question gave a value.
        low: lower end of the 95% interval; None where the questions are too few or too equal for one.
        high: upper end.
        n: questions with a value.
        nan: questions without one.
        best: whether it is the one best mean of its row.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    nan: int = 0
    best: bool = False


@dataclass(frozen=True)
class MetricRow:
    """A metric in all modes of the report, None for a mode without it."""

    metric: str
    title: str
    explanation: str
    better: str
    figures: list[Figure | None]


@dataclass(frozen=True)
class Difference:
    """What mode ``a`` gains over mode ``b`` on the same questions.

    Attributes:
        verdict: better or worse where p is below 0.05, else unsure.
    """

    a: str
    b: str
    metric: str
    title: str
    delta: float
    low: float | None
    high: float | None
    p: float | None
    n: int | None
    verdict: Literal["better", "worse", "unsure"]


@dataclass(frozen=True)
class Part:
    """The figures of all questions, or of those with a tag."""

    n: int | None
    rows: list[MetricRow]
    differences: list[Difference]

    def row(self, metric: str) -> MetricRow | None:
        """Return the row of a metric, None where no mode has it."""
        return next((row for row in self.rows if row.metric == metric), None)


@dataclass(frozen=True)
class ReportView:
    """A report as it is shown.

    Attributes:
        modes: in the order of the figures of each row.
        whole: all questions.
        tags: tag → the questions that carry it, documents that training saw and did not see first.
        seconds: median time of each mode until the whole answer; None where it was not measured.
        words: median length of each mode's answers.
        retrieval: retrieval metric → mean.
        failures: mode → outcome → questions (`eval/failures.py`), of the modes that read passages.
        refusing: mode → what its probability that the passages answer is worth, of the modes that read them.
        gate: verdict on the adapter, None where none was evaluated: ``{"open", "rules": [Verdict.to_json()]}``.
    """

    adapter: str | None
    modes: list[str]
    whole: Part
    tags: dict[str, Part]
    seconds: list[float | None]
    words: list[float | None]
    retrieval: dict[str, float]
    failures: dict[str, dict[str, int]]
    refusing: dict[str, Refusing]
    gate: dict[str, Any] | None


def view_report(data: Mapping[str, Any]) -> ReportView:
    """Return the view of a report.json, also of one that an earlier version wrote."""
    modes = list(data["modes"])
    tags = data.get("tags", {})
    return ReportView(
        adapter=data.get("adapter"),
        modes=modes,
        whole=_part({**data, "n": data.get("questions", {}).get("n")}, modes),
        tags={tag: _part(tags[tag], modes) for tag in sorted(tags, key=lambda tag: (tag not in TAG_ORDER, tag))},
        seconds=[data["modes"][mode].get("latency_s", {}).get("p50") for mode in modes],
        words=[data["modes"][mode].get("answer_words", {}).get("p50") for mode in modes],
        retrieval=data.get("retrieval", {}),
        failures=data.get("failures", {}),
        refusing=TypeAdapter(dict[str, Refusing]).validate_python(data.get("refusing", {})),
        gate=data.get("gate"),
    )


def verdict(view: ReportView) -> list[str]:
    """Return what the figures say in words: the best mode, whether each other mode is surely worse, and `beats_extract`."""
    row = view.whole.row(MAIN_METRIC)
    figures = zip(view.modes, row.figures, strict=True) if row else ()
    means = {mode: figure.mean for mode, figure in figures if figure and figure.mean is not None}
    if not means or row is None:
        return []
    best = max(means, key=lambda mode: means[mode])
    said = [f"{best} has the highest mean {row.title}, {means[best]:.3f}."]
    for item in view.whole.differences:
        if item.metric != MAIN_METRIC or best not in (item.a, item.b):
            continue
        sign, other = (1, item.b) if item.a == best else (-1, item.a)
        certainty = "not surely above" if item.verdict == "unsure" else "above"
        said.append(f"It is {certainty} {other}: by {sign * item.delta:+.3f}, p {item.p:.4f}, n {item.n}.")
    return said + beats_extract(view)


def beats_extract(view: ReportView) -> list[str]:
    """Return in words whether generating (mode hybrid) beats quoting (mode extract), a sentence for each metric."""
    return [
        _duel(item)
        for metric in VERDICT_METRICS
        for item in view.whole.differences
        if item.metric == metric and {item.a, item.b} == {Mode.HYBRID, Mode.EXTRACT}
    ]


def _duel(item: Difference) -> str:
    sign = 1 if item.a == Mode.HYBRID else -1
    beaten = item.verdict == ("better" if sign > 0 else "worse")
    said = "beats" if beaten else "does not beat"
    figures = f"by {sign * item.delta:+.3f}" if beaten else f"the difference is {sign * item.delta:+.3f}"
    return f"{Mode.HYBRID} {said} {Mode.EXTRACT} in {item.title}: {figures}, p {item.p:.4f}, n {item.n}."


def failures_text(failures: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return in words, a sentence for each mode, whether what is lost is lost by finding the evidence or by reading it."""
    said = []
    for mode, counts in failures.items():
        finding = counts["wrong_not_found"] + counts["refused_not_found"]
        reading = counts["wrong_found"] + counts["refused_found"]
        asked = f"{counts['right']} of {sum(counts.values())} answerable questions with evidence are right"
        said.append(f"{mode}: {asked}; {finding} fail because it was not found, {reading} although it was shown.")
    return said


def interval_text(low: float | None, high: float | None, *, digits: int = 3, signed: bool = False) -> str:
    """Return "0.12 to 0.34", or a dash where the numbers were too few or too equal for an interval."""
    if low is None or high is None:
        return "–"
    form = f"{'+' if signed else ''}.{digits}f"
    return f"{low:{form}} to {high:{form}}"


def metric_info(name: str) -> MetricInfo:
    """Return a metric's title and explanation; one of a newer version is shown by its name."""
    return INFO.get(name, MetricInfo(name.replace("_", " "), ""))


def _part(data: Mapping[str, Any], modes: Sequence[str]) -> Part:
    metrics = [data["modes"].get(mode, {}).get("metrics", {}) for mode in modes]
    there = dict.fromkeys(name for of_mode in metrics for name in of_mode)
    names = [name for name in INFO if name in there] + [name for name in there if name not in INFO]
    rows = [_row(name, [of_mode.get(name) for of_mode in metrics]) for name in names]
    return Part(data.get("n"), rows, [_difference(item) for item in data.get("comparisons", [])])


def _row(metric: str, values: Sequence[Mapping[str, Any] | None]) -> MetricRow:
    info = metric_info(metric)
    best = _best((value["mean"] for value in values if value), info.better)
    figures = [_figure(value, best) if value else None for value in values]
    return MetricRow(metric, info.title, info.explanation, info.better, figures)


def _best(means: Iterable[float | None], better: str) -> float | None:
    """Return the best of several means, None where there is no choice or a tie."""
    found = [mean for mean in means if mean is not None]
    wanted = (min if better == "lower" else max)(found, default=None)
    return wanted if len(found) > 1 and found.count(wanted) == 1 else None  # type: ignore[arg-type]


def _difference(item: Mapping[str, Any]) -> Difference:
    info = metric_info(item["metric"])
    sure = item.get("p") is not None and item["p"] < ALPHA
    better = (item["delta"] > 0) != (info.better == "lower")
    figures = {name: item.get(name) for name in ("a", "b", "metric", "delta", "low", "high", "p", "n")}
    return Difference(**figures, title=info.title, verdict=("better" if better else "worse") if sure else "unsure")  # type: ignore[arg-type]


def _figure(value: Mapping[str, Any], best: float | None) -> Figure:
    ends = {name: value.get(name) for name in ("mean", "low", "high", "n")}
    return Figure(**ends, nan=value.get("nan", 0), best=best is not None and value["mean"] == best)
