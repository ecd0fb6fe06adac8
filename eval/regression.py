"""Whether a run is worse than an earlier one: the same questions, paired, mode by mode and metric by metric.

scores.jsonl of the earlier run ─┐
                                 ├─▶ paired differences ─▶ Holm's correction ─▶ Change …, `worse` where one is sure
scores.jsonl of this run ────────┘
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from doyen.core.errors import InputError, StateError
from doyen.core.files import write_text_atomic
from doyen.core.records import Question
from doyen.core.report_files import ALPHA, ENOUGH
from doyen.core.settings import EvalSettings
from doyen.core.statistics import detectable_difference, holm, paired_difference
from doyen.eval.metrics import describe
from doyen.eval.report import Report
from doyen.eval.scores import Table

SCORES = "scores.jsonl"
Scores = dict[tuple[str, str], dict[str, float]]
"""(mode, hash of the question) → metric → score; NaN where there is no number."""


@dataclass(frozen=True)
class Change:
    """How one metric of one mode changed.

    Attributes:
        n: questions that both runs asked and the metric applies to in both.
        before: mean of the earlier run over those.
        now: mean of this run.
        delta: ``now - before``, with its 95% interval ``low`` to ``high``, None as in `Difference`.
        p: two-sided, of "no difference", corrected by Holm's method over all changes that are looked at.
        worse: whether this run is surely worse: ``p`` is below 0.05 and the difference on the bad side.
        detectable: the smallest difference that so many questions would show in four of five runs.
    """

    mode: str
    metric: str
    n: int
    before: float
    now: float
    delta: float
    low: float | None
    high: float | None
    p: float
    worse: bool = False
    detectable: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all fields, numbers with six digits."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


def compare_runs(now: Report, before: Report, settings: EvalSettings) -> list[Change]:
    """Return how the watched metrics (``eval.gate.watched``) changed in the modes that both runs have, the worst first.

    Raises:
        StateError: a run has no scores of its questions, as those of earlier versions.
        InputError: the runs share fewer than `ENOUGH` questions, or no mode.
    """
    scores, earlier = read_scores(now.folder), read_scores(before.folder)
    both = _shared(scores, earlier, now, before)
    changes = [
        change
        for mode, hashes in both.items()
        for metric in settings.gate.watched
        if (change := _change(mode, metric, hashes, scores, earlier, settings))
    ]
    corrected = holm([change.p for change in changes])
    judged = [replace(change, p=p, worse=_is_worse(change, p)) for change, p in zip(changes, corrected, strict=True)]
    return sorted(judged, key=lambda change: (not change.worse, change.p))


def write_scores(folder: Path, questions: Sequence[Question], tables: Mapping[str, Table]) -> None:
    """Write every score of every question, a line for each question and mode."""
    lines = []
    for mode, table in tables.items():
        for number, question in enumerate(questions):
            found = {name: float(column.values[number]) for name, column in table.items() if column.applies[number]}
            scores = {name: None if math.isnan(value) else round(value, 6) for name, value in found.items()}
            lines.append(json.dumps({"mode": mode, "id": question.id, "question": question.repeat_hash, "scores": scores}))
    write_text_atomic(folder / SCORES, "".join(f"{line}\n" for line in lines))


def read_scores(folder: Path) -> Scores:
    """Return the scores of a run.

    Raises:
        StateError: there are none, or they are damaged.
    """
    remedy = "run `doyen eval run` with this --out again: answers are kept"
    try:
        lines = [json.loads(line) for line in (folder / SCORES).read_text(encoding="utf-8").splitlines()]
        return {
            (line["mode"], line["question"]): {
                name: math.nan if value is None else float(value) for name, value in line["scores"].items()
            }
            for line in lines
        }
    except FileNotFoundError:
        raise StateError(f"{folder} has no {SCORES}, as runs of earlier versions: {remedy}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{folder / SCORES} is damaged ({error}): {remedy}") from error


def changes_text(changes: Sequence[Change]) -> str:
    """Return a line for each change."""
    return "\n".join(
        f"  {'WORSE' if item.worse else 'same' if item.p >= ALPHA else 'better'}: {item.metric} of {item.mode} "
        f"{item.before:.3f} → {item.now:.3f}, p {item.p:.4f}, n {item.n}"
        + (f" (differences from {item.detectable:.3f} would show)" if item.detectable else "")
        for item in changes
    )


def _shared(scores: Scores, earlier: Scores, now: Report, before: Report) -> dict[str, list[str]]:
    """Return mode → hashes of the questions that both runs asked in it."""
    both: dict[str, list[str]] = {}
    for mode, question in sorted(scores.keys() & earlier.keys()):
        both.setdefault(mode, []).append(question)
    if not {mode for mode, _ in scores} & {mode for mode, _ in earlier}:
        raise InputError(f"{now.folder} and {before.folder} have no mode in common: evaluate the same modes")
    most = max(map(len, both.values()), default=0)
    if most < ENOUGH:
        raise InputError(f"{now.folder} and {before.folder} asked {most} questions in common, and {ENOUGH} are needed")
    return both


def _change(
    mode: str, metric: str, hashes: Sequence[str], scores: Scores, earlier: Scores, settings: EvalSettings
) -> Change | None:
    known = [each for each in hashes if metric in scores[mode, each] and metric in earlier[mode, each]]
    if not known:
        return None
    a = np.array([scores[mode, each][metric] for each in known])
    b = np.array([earlier[mode, each][metric] for each in known])
    found = paired_difference(a, b, samples=settings.bootstrap_samples, seed=settings.seed)
    if found.delta is None or found.p is None:
        return None
    numbers = ~np.isnan(a - b)
    spread = float(np.std((a - b)[numbers], ddof=1)) if found.n > 1 else 0.0
    means = float(b[numbers].mean()), float(a[numbers].mean())
    detectable = detectable_difference(spread, found.n) if spread else None
    return Change(mode, metric, found.n, *means, found.delta, found.low, found.high, found.p, detectable=detectable)


def _is_worse(change: Change, p: float) -> bool:
    loss = change.delta if describe(change.metric)["better"] == "lower" else -change.delta
    return p < ALPHA and loss > 0
