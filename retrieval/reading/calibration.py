"""What is fitted to a trained reader: how its scores order passages, and the probability that they answer the question.

The probability is a logistic regression over few scores (Platt, 1999): it needs little data, and cannot learn by heart what it
is fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

UNANSWERABLE_SHARE = 0.25
"""Share of questions that the documents do not answer, assumed in use; what a calibration is fitted to counts accordingly."""
_WEIGHT = "logisticregression__sample_weight"


@dataclass(frozen=True)
class Ranking:
    """How the reader's scores and the retriever's order are combined; fitted with the reader.

    Attributes:
        place_weight: what each place in the retriever's order costs, in logits.
        span_weight: of a span's score beside its passage's.
        reranks: whether passages are shown in the combined order; false where that was measured to be worse.
    """

    place_weight: float = 0.35
    span_weight: float = 0.5
    reranks: bool = True

    def score(self, answers: float, span: float, place: int) -> float:
        """Return a passage's score from its logit of answering, its best span's score and its place, counted from 0."""
        return answers + self.span_weight * span - self.place_weight * place


@dataclass(frozen=True)
class Observation:
    """What is known of a question and its passages before anything is said.

    Attributes:
        answers: highest logit of a passage answering.
        span: logit of the best span against "no answer".
        dense: highest cosine between the question and a passage.
        share: largest share of the question's rare words that a passage holds.
        stated: share of the question's codes, numbers and names that the passage most likely to answer states.
    """

    answers: float
    span: float
    dense: float
    share: float
    stated: float

    @property
    def values(self) -> tuple[float, float, float, float, float]:
        """The scores in the order of a calibration's weights."""
        return self.answers, self.span, self.dense, self.share, self.stated


@dataclass(frozen=True)
class SpanObservation:
    """What is known of a span before it is given as the answer.

    Attributes:
        score: combined score of the span (`Finding.score`).
        agreement: share of all spans' weight (softmax of their scores) that says the same.
        share: share of the question's words that its sentence, the headings above it and its document's name hold.
        kind: 1 where it states another kind of value than was asked for, else 0.
    """

    score: float
    agreement: float
    share: float
    kind: float

    @property
    def values(self) -> tuple[float, float, float, float]:
        """The scores in the order of a calibration's weights."""
        return self.score, self.agreement, self.share, self.kind


@dataclass(frozen=True)
class Calibration:
    """A fitted logistic regression.

    Attributes:
        weights: of the scores of an `Observation` or a `SpanObservation`.
        intercept: added to their sum.
        curve: (probability, share of wrong ones among those at least as probable), by rising probability, on questions that
            it was not fitted to.
    """

    weights: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0)
    intercept: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()

    def probability(self, seen: Observation | SpanObservation) -> float:
        """Return the probability that the passages answer, or that the span does."""
        logit = self.intercept + sum(weight * value for weight, value in zip(self.weights, seen.values, strict=True))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))

    def threshold(self, risk: float) -> float:
        """Return the lowest probability from which at most this share of the questions has no answer in its passages.

        It is 0, so that nothing is refused, for a risk of 1 and without a curve: that calibration was never tested.
        """
        if risk >= 1:
            return 0.0
        within = [probability for probability, wrong in self.curve if wrong <= risk]
        return min(within) if within else (1.0 if self.curve else 0.0)


def fit_calibration(seen: Sequence[Observation], answered: Sequence[bool], *, folds: int = 5, seed: int = 17) -> Calibration:
    """Fit a calibration, and draw its curve from questions that were left out, each in one of the folds.

    Args:
        seen: one observation for each question.
        answered: whether its passages answer it; both kinds must be there.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x, y = np.array([item.values for item in seen]), np.array(answered)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    weight = _weights_in_use(answered)
    out_of_fold = cross_val_predict(_regression(), x, y, cv=parts, params={_WEIGHT: weight}, method="predict_proba")[:, 1]
    return replace(fit_regression(seen, answered, answered), curve=_curve(out_of_fold, y, weight))


def fit_regression(
    seen: Sequence[Observation | SpanObservation], right: Sequence[bool], answered: Sequence[bool]
) -> Calibration:
    """Fit a calibration without a curve.

    Args:
        seen: one observation for each question.
        right: what is to be told; both kinds must be there.
        answered: whether the question's passages answer it.
    """
    import numpy as np

    model = _regression().fit(np.array([item.values for item in seen]), np.array(right), **{_WEIGHT: _weights_in_use(answered)})
    scale, regression = model[0], model[1]
    weights = regression.coef_[0] / scale.scale_
    return Calibration(tuple(weights.tolist()), float(regression.intercept_[0] - (weights * scale.mean_).sum()))


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0))


def _weights_in_use(answered: Sequence[bool]) -> Any:
    """Return what each question counts, so that the unanswerable ones are as many as in use."""
    import numpy as np

    known = np.array(answered)
    shares = (1 - UNANSWERABLE_SHARE) / max(1, known.sum()), UNANSWERABLE_SHARE / max(1, (~known).sum())
    return np.where(known, *shares) * len(known)


def _curve(probabilities: Any, answered: Any, weight: Any) -> tuple[tuple[float, float], ...]:
    """Return the points of the risk curve, at most a hundred of them and one for each probability."""
    import numpy as np

    order = np.argsort(-probabilities, kind="stable")
    wrong = np.cumsum((weight * ~answered)[order]) / np.cumsum(weight[order])
    # Of questions that are equally probable all are answered or none: the last one's share is that of them all.
    points = sorted(dict(zip(probabilities[order].tolist(), wrong.tolist(), strict=True)).items())
    return tuple(points[:: -(-len(points) // 100)])
