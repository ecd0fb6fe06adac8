"""From scores to the figures of a report: means with intervals, differences between modes, latency and usage."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from doyen.core.records import Question
from doyen.core.statistics import mean_interval, paired_difference
from doyen.core.text import words
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import is_rate
from doyen.eval.scores import Column, Table

DIGITS = 6


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        samples: resamples.
        clusters: one label a question, or None when questions count as independent.
    """

    samples: int
    seed: int
    clusters: Sequence[Hashable] | None = None

    def of(self, chosen: np.ndarray) -> Bootstrap:
        """Return the same for the chosen questions."""
        if self.clusters is None:
            return self
        return Bootstrap(self.samples, self.seed, [label for label, keep in zip(self.clusters, chosen, strict=True) if keep])


def source_clusters(questions: Sequence[Question]) -> list[Hashable]:
    """Return the document of each question as its cluster; a question without one stands alone."""
    return [question.source or ("question", question.id) for question in questions]


def summarise_metrics(table: Table, bootstrap: Bootstrap, chosen: np.ndarray | None = None) -> dict[str, dict[str, Any]]:
    """Return ``{metric: {mean, low, high, n, nan}}`` of the chosen questions; metrics that apply to none are left out.

    Args:
        chosen: (n_questions,) bool; None takes all.
    """
    found = {}
    for name, column in table.items():
        taken = column.applies if chosen is None else column.applies & chosen
        if taken.any():
            of = bootstrap.of(taken)
            interval = mean_interval(
                column.values[taken], samples=of.samples, seed=of.seed, clusters=of.clusters, rate=is_rate(name)
            )
            found[name] = _rounded(asdict(interval))
    return found


def compare_modes(tables: Mapping[str, Table], bootstrap: Bootstrap, chosen: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Return the paired differences ``a - b`` of all pairs of modes, for each metric that both have.

    The later mode of a pair is ``a``: with the usual order of modes, delta is what the richer mode gains.
    """
    found = []
    for b, a in combinations(tables, 2):
        for name in [name for name in tables[a] if name in tables[b]]:
            taken = (
                _both(tables[a][name], tables[b][name]) if chosen is None else _both(tables[a][name], tables[b][name]) & chosen
            )
            if not taken.any():
                continue
            of = bootstrap.of(taken)
            left, right = tables[a][name].values[taken], tables[b][name].values[taken]
            difference = paired_difference(left, right, samples=of.samples, seed=of.seed, clusters=of.clusters)
            if difference.delta is not None:
                found.append({"a": a, "b": b, "metric": name, **_rounded(asdict(difference))})
    return found


def summarise_tags(
    questions: Sequence[Question], tables: Mapping[str, Table], bootstrap: Bootstrap
) -> dict[str, dict[str, Any]]:
    """Return for each tag of the questions the same metrics and differences as for all of them."""
    found = {}
    for tag in sorted({tag for question in questions for tag in question.tags}):
        chosen = np.array([tag in question.tags for question in questions], dtype=bool)
        found[tag] = {
            "n": int(chosen.sum()),
            "modes": {mode: {"metrics": summarise_metrics(table, bootstrap, chosen)} for mode, table in tables.items()},
            "comparisons": compare_modes(tables, bootstrap, chosen),
        }
    return found


def summarise_usage(records: Sequence[AnswerRecord]) -> dict[str, Any]:
    """Return latency in seconds (p50 and p95 until the whole answer, and until the first token) and the tokens used."""
    return {
        "latency_s": _percentiles([record.timings.total_s for record in records]),
        "first_token_s": _percentiles([record.timings.first_token_s for record in records]),
        "usage": {
            name: sum(getattr(record.usage, name) for record in records) for name in ("prompt_tokens", "completion_tokens")
        },
    }


def summarise_length(records: Sequence[AnswerRecord]) -> dict[str, float]:
    """Return how many words the answers have (p50 and p95), characters where a script puts no blanks between words."""
    return _percentiles([len(words(record.answer)) for record in records])


def summarise_retrieval(scores: Sequence[Mapping[str, float]], bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the retrieval metrics' means, and their intervals apart.

    Args:
        scores: of each question with evidence.
    """
    if not scores:
        return {"means": {}, "intervals": {}}
    intervals = {}
    for name in scores[0]:
        values = np.array([row[name] for row in scores])
        interval = mean_interval(values, samples=bootstrap.samples, seed=bootstrap.seed, clusters=bootstrap.clusters)
        intervals[name] = _rounded(asdict(interval))
    return {"means": {name: value["mean"] for name, value in intervals.items()}, "intervals": intervals}


def _both(a: Column, b: Column) -> np.ndarray:
    return a.applies & b.applies


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 4), "p95": round(float(p95), 4)}


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in values.items()}
