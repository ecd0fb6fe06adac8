"""How well a mode's probability tells which questions to answer: AUROC and the risk-coverage curve.

A mode that reads its passages refuses below a threshold. The figures here are of all thresholds at once: AUROC says how well
the probability sorts answerable questions above unanswerable ones, the curve what it costs in errors to answer more of them.

Sources: El-Yaniv & Wiener, "On the Foundations of Noise-free Selective Classification" (JMLR 2010); Geifman & El-Yaniv,
"Selective Classification for Deep Neural Networks" (NIPS 2017, arXiv 1705.08500).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from doyen.core.records import Question
from doyen.core.statistics import auroc_interval
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import is_right
from doyen.eval.summary import DIGITS, Bootstrap

ALL = "all"
UNANSWERABLE_KINDS = ("off-topic", "missing-property", "false-premise")
"""Tags of unanswerable questions, from easy to hard; each kind is also told apart from the answerable ones by itself."""
COVERAGE, RISK = 0.6, 0.1
"""Where the curve is read: `RiskCoverage.risk_at`, `RiskCoverage.coverage_at`."""


@dataclass(frozen=True)
class Auroc:
    """The area under the ROC curve: the chance that an answerable question gets a higher probability than an unanswerable one.

    Attributes:
        value: None where one side is empty.
        low: lower end of the 95% interval; None, as ``high``, also where the questions are too few or too equal for one.
        answerable: questions with a probability, as ``unanswerable``.
    """

    value: float | None
    low: float | None
    high: float | None
    answerable: int
    unanswerable: int


@dataclass(frozen=True)
class RiskCoverage:
    """Coverage and risk at each threshold, from the highest down to the lowest at which something was answered.

    Attributes:
        threshold: questions of at least this probability are answered; None for what was answered without any.
        coverage: share of all questions that is answered.
        risk: share of the answered that is wrong.
    """

    threshold: list[float | None]
    coverage: list[float]
    risk: list[float]

    def risk_at(self, coverage: float) -> float | None:
        """Return the risk at the highest threshold with this coverage or more, None where it was not reached."""
        return next((risk for reached, risk in zip(self.coverage, self.risk, strict=True) if reached >= coverage), None)

    def coverage_at(self, risk: float) -> float | None:
        """Return the largest coverage with this risk or less, None where there is none."""
        return max((share for share, wrong in zip(self.coverage, self.risk, strict=True) if wrong <= risk), default=None)


@dataclass(frozen=True)
class Refusing:
    """What a mode's probability is worth.

    Attributes:
        auroc: of "all" unanswerable questions and of each of `UNANSWERABLE_KINDS`, against all answerable questions.
        risk_at_coverage: the curve's risk at `COVERAGE`.
        coverage_at_risk: the curve's coverage at `RISK`.
    """

    auroc: dict[str, Auroc]
    curve: RiskCoverage
    risk_at_coverage: float | None
    coverage_at_risk: float | None


def summarise_refusing(
    questions: Sequence[Question], records: Mapping[str, Sequence[AnswerRecord]], bootstrap: Bootstrap
) -> dict[str, dict[str, Any]]:
    """Return ``{mode: Refusing}`` as JSON, for the modes that gave a probability.

    Args:
        records: mode → one answer a question, in the same order.
    """
    return {
        mode: asdict(_refusing(questions, answers, bootstrap))
        for mode, answers in records.items()
        if any(answer.probability is not None for answer in answers)
    }


def asked_kinds(modes: Mapping[str, Refusing]) -> list[str]:
    """Return what AUROC is shown of: "all", and the kinds of unanswerable questions that were asked."""
    asked = [kind for figures in modes.values() for kind, area in figures.auroc.items() if area.unanswerable]
    return list(dict.fromkeys([ALL, *asked]))


def separation(questions: Sequence[Question], records: Sequence[AnswerRecord], bootstrap: Bootstrap, kind: str = ALL) -> Auroc:
    """Return how well the probability separates the answerable questions from the unanswerable ones of a kind."""
    chosen = np.array(
        [
            record.probability is not None and (question.answerable or kind in (ALL, *question.tags))
            for question, record in zip(questions, records, strict=True)
        ],
        dtype=bool,
    )
    answerable = np.array([question.answerable for question in questions], dtype=bool)[chosen]
    sides = int(answerable.sum()), int((~answerable).sum())
    if not all(sides):
        return Auroc(None, None, None, *sides)
    scores = np.array([record.probability for record, taken in zip(records, chosen, strict=True) if taken], dtype=np.float64)
    of = bootstrap.of(chosen)
    area, low, high = auroc_interval(scores, answerable, samples=of.samples, seed=of.seed, clusters=of.clusters)
    return Auroc(_rounded(area), _rounded(low), _rounded(high), *sides)


def risk_coverage(questions: Sequence[Question], records: Sequence[AnswerRecord]) -> RiskCoverage:
    """Return the curve over the questions that were answered, which ends at the coverage that was reached.

    A refused question has no answer to judge and counts as not answered at any threshold. An answer is wrong where the
    question is unanswerable or `is_right` says so.
    """
    answered = [
        (-1.0 if record.probability is None else record.probability, not (question.answerable and is_right(question, record)))
        for question, record in zip(questions, records, strict=True)
        if not record.abstained
    ]
    curve = RiskCoverage([], [], [])
    for threshold in sorted({probability for probability, _ in answered}, reverse=True):
        above = [wrong for probability, wrong in answered if probability >= threshold]
        curve.threshold.append(None if threshold < 0 else threshold)
        curve.coverage.append(len(above) / len(questions))
        curve.risk.append(sum(above) / len(above))
    return curve


def _refusing(questions: Sequence[Question], records: Sequence[AnswerRecord], bootstrap: Bootstrap) -> Refusing:
    curve = risk_coverage(questions, records)
    return Refusing(
        {kind: separation(questions, records, bootstrap, kind) for kind in (ALL, *UNANSWERABLE_KINDS)},
        RiskCoverage(
            curve.threshold, [round(value, DIGITS) for value in curve.coverage], [round(value, DIGITS) for value in curve.risk]
        ),
        risk_at_coverage=_rounded(curve.risk_at(COVERAGE)),
        coverage_at_risk=_rounded(curve.coverage_at(RISK)),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
