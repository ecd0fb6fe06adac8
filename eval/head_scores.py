"""How often a head is right: accuracy, macro- and micro-averaged F1 of labels that it has not seen, each with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from doyen.annotation.types.typed_labels import Classes, Label
from doyen.core.report_files import ALPHA, ENOUGH
from doyen.core.statistics import Difference, Floats, Interval, mean_interval
from doyen.eval.gate import Verdict
from doyen.eval.pooled_statistics import macro_f1, micro_f1, pooled_difference, pooled_interval
from doyen.finetune.heads.head_config import HeadType

KEY_METRICS = {
    HeadType.CLASSIFICATION: "accuracy",
    HeadType.MULTI_LABEL: "micro_f1",
    HeadType.ENTITIES: "span_f1",
    HeadType.POS: "token_accuracy",
}
"""By which heads of a type are compared: a micro-averaged F1, which of texts or tokens with one class each is the accuracy."""


@dataclass(frozen=True)
class Sampling:
    """How intervals are made.

    Attributes:
        samples: bootstrap resamples.
        clusters: document or group of each text, drawn whole; None draws texts.
    """

    samples: int
    seed: int
    clusters: Sequence[Hashable] | None = None


def count_labels(predicted: Sequence[Label], true: Sequence[Label]) -> tuple[Floats, list[str]]:
    """Return (right, predicted, true) of each text and class, ``(n, classes, 3)``, and the classes.

    A class is right where the text has it; an entity or token with the same bounds and label.
    """
    facts = [(_facts(own), _facts(wanted)) for own, wanted in zip(predicted, true, strict=True)]
    names = sorted({name for pair in facts for side in pair for name, *_ in side})
    place = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(facts), len(names), 3))
    for row, (own, wanted) in enumerate(facts):
        for column, found in enumerate((own & wanted, own, wanted)):
            for name, *_ in found:
                counts[row, place[name], column] += 1
    return counts, names


def _facts(label: Label) -> set[tuple[Any, ...]]:
    if isinstance(label, Classes):
        return {(name,) for name in label.labels}
    return {(region.label, region.start, region.end) for region in label.stretches()}


def score_head(kind: HeadType, predicted: Sequence[Label], true: Sequence[Label], sampling: Sampling) -> dict[str, Any]:
    """Return the figures of a head as they stand in its manifest.

    Args:
        true: what people say of the same texts, none of which training saw.
    """
    counts, names = count_labels(predicted, true)
    drawn: dict[str, Any] = {"samples": sampling.samples, "seed": sampling.seed, "clusters": sampling.clusters}
    figures = {
        KEY_METRICS[kind]: pooled_interval(counts, micro_f1, **drawn),
        "macro_f1": pooled_interval(counts, macro_f1, **drawn),
    }
    if kind == HeadType.MULTI_LABEL:
        exact = np.array([own == wanted for own, wanted in zip(map(_facts, predicted), map(_facts, true), strict=True)], float)
        figures["exact_match"] = mean_interval(exact, rate=True, **drawn)
    sums = counts.sum(axis=0)
    classes = {
        name: {"f1": round(float(2 * right / (given + there)), 4), "n": int(there)}
        for name, (right, given, there) in zip(names, sums, strict=True)
    }
    return {
        "metric": KEY_METRICS[kind],
        "n": len(true),
        **{name: _told(each) for name, each in figures.items()},
        "classes": classes,
    }


def compare_heads(predicted: Sequence[Label], other: Sequence[Label], true: Sequence[Label], sampling: Sampling) -> Difference:
    """Return how far a head's key metric is above that of another, or of a baseline, on the same texts."""
    (own, names), (its, other_names) = count_labels(predicted, true), count_labels(other, true)
    every = sorted({*names, *other_names})
    return pooled_difference(
        _over(own, names, every),
        _over(its, other_names, every),
        micro_f1,
        samples=sampling.samples,
        seed=sampling.seed,
        clusters=sampling.clusters,
    )


def _over(counts: Floats, names: Sequence[str], every: Sequence[str]) -> Floats:
    """Return counts over more classes."""
    wider = np.zeros((len(counts), len(every), 3))
    wider[:, [every.index(name) for name in names]] = counts
    return wider


def judge_head(kind: HeadType, difference: Difference, against: str) -> Verdict:
    """Return whether a head is surely better than another one: p below 0.05 and the interval of the difference above zero."""
    rule = f"{KEY_METRICS[kind]} is surely above that of {against}"
    delta, low, p, n = difference.delta, difference.low, difference.p, difference.n
    why = ""
    if n < ENOUGH:
        why = f"{n} texts show too little: at least {ENOUGH} that neither has learned from are needed"
    elif delta is None or low is None or p is None:
        why = "the texts are too much alike for an interval"
    elif p >= ALPHA:
        why = f"the difference of {delta:+.3f} may be chance: p is {p:.4f} and must be below {ALPHA:g}"
    elif low <= 0:
        why = f"the difference of {delta:+.3f} may be down to {low:+.3f}: the interval must lie above 0"
    return Verdict(rule, not why, why, delta, n, low, difference.high, p)


def _told(interval: Interval) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(interval).items()}
