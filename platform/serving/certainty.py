"""How sure a drafted answer is: what the verifier of refusals looks at, put as one number for the order of labelling."""

from __future__ import annotations

from statistics import fmean

from doyen.platform.serving.answer import Answer
from doyen.platform.serving.refusal import AbstentionModel
from doyen.platform.serving.signals import after_features, before_features

MEASURED = ("support", "answer_coverage", "asked_in_evidence")
"""Without a fitted rule: how much of the answer stands in one sentence, in all passages, and of the question beside it."""


def certainty(answer: Answer, judge: AbstentionModel | None) -> float:
    """Return from 0 to 1 how far an answer can be trusted; 0 for a refusal, and where nothing was shown to the model.

    Args:
        answer: with the passages that it was made from.
        judge: the abstention model of the answer's mode: its probability is the certainty. None: the mean of what is
            measured, which ranks answers but is no probability.
    """
    if answer.abstained or not answer.passages:
        return 0.0
    before = before_features(answer.question, answer.passages, None)
    features = after_features(before, answer.question, answer.answer, [], answer.passages)
    if judge is not None:
        return round(judge.after.probability(features), 3)
    return round(fmean(min(max(features.get(name, 0.0), 0.0), 1.0) for name in MEASURED), 3)
