"""Models of annotators who err: Dawid–Skene and MACE, the only module that knows crowd-kit.

Sources: Dawid & Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm"; Zhang et al.
(2016, arXiv 1406.3824) for one coin an annotator; Hovy et al. (2013), "Learning whom to trust with MACE".
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

Task = TypeVar("Task", bound=Hashable)
Votes: TypeAlias = Mapping[Task, Mapping[str, str]]
"""task → annotator → answer"""
Model = Literal["dawid-skene", "mace"]

ANSWERS_PER_LABEL = 5
"""Answers that an annotator must have given for each label, on average, for a whole confusion matrix to be fitted; with
fewer the one-coin model, which gives each annotator a single error rate, is less astray."""
ROUNDS = 100
"""Most rounds of expectation and maximisation."""


@dataclass(frozen=True)
class Fit(Generic[Task]):
    """What a model makes of the answers.

    Attributes:
        verdicts: the likeliest answer of each task and its probability; models are surer of it than they should be.
        reliability: of each annotator from 0 to 1: how probable the right answer is (Dawid–Skene), or an answer that is
            not a guess (MACE).
        chances: the probability of each answer to each task.
    """

    verdicts: dict[Task, tuple[str, float]]
    reliability: dict[str, float]
    chances: dict[Task, dict[str, float]]


def fit(votes: Votes[Task], model: Model = "dawid-skene") -> Fit[Task]:
    """Fit a model by expectation maximisation, deterministic.

    Args:
        votes: at least one answer of each task.
        model: which one.
    """
    import pandas as pd

    answered = [(number, name, votes[task][name]) for number, task in enumerate(votes) for name in sorted(votes[task])]
    data = pd.DataFrame(answered, columns=["task", "worker", "label"])
    # MACE mixes up parameters unless workers and labels first appear in sorted order (crowd-kit 1.4.2): they become codes
    # from 0 in the order of appearance.
    data["worker"], workers = pd.factorize(data["worker"])
    data["label"], answers = pd.factorize(data["label"])
    if len(answers) == 1:
        certain = {task: {str(answers[0]): 1.0} for task in votes}
        return Fit(dict.fromkeys(votes, (answers[0], 1.0)), dict.fromkeys(sorted(workers), 1.0), certain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted, trust = _fit(data, len(workers), len(answers), model)
    chances = fitted.probas_.loc[range(len(votes))]
    likeliest = zip(votes, chances.idxmax(axis=1), chances.max(axis=1), strict=True)
    verdicts = {task: (answers[code], float(chance)) for task, code, chance in likeliest}
    names = [str(answers[code]) for code in chances.columns]
    shares = {task: dict(zip(names, map(float, own), strict=True)) for task, own in zip(votes, chances.to_numpy(), strict=True)}
    reliability = {name: min(max(own, 0.0), 1.0) for name, own in sorted(zip(workers, trust, strict=True))}
    return Fit(verdicts, reliability, shares)


def _fit(data: Any, workers: int, labels: int, model: Model) -> tuple[Any, list[float]]:
    """Return the fitted model and the reliability of each worker by code."""
    from crowdkit.aggregation import MACE, DawidSkene, OneCoinDawidSkene

    fitted: Any
    if model == "mace":
        # All its restarts begin at the same point (crowd-kit 1.4.2): one does as well.
        fitted = MACE(n_restarts=1).fit(data)
        return fitted, [float(knowing) for knowing in fitted.spamming_[:, 1]]
    if len(data) < ANSWERS_PER_LABEL * workers * labels:
        fitted = OneCoinDawidSkene(n_iter=ROUNDS).fit(data)
        return fitted, [float(fitted.skills_[worker]) for worker in range(workers)]
    fitted = DawidSkene(n_iter=ROUNDS).fit(data)
    errors, priors = fitted.errors_, fitted.priors_
    known = [[label for label in priors.index if (worker, label) in errors.index] for worker in range(workers)]
    return fitted, [
        float(sum(priors[label] * errors.loc[(worker, label), label] for label in own)) for worker, own in enumerate(known)
    ]
