"""Models of annotators who err: Dawid–Skene and MACE, the only module that knows crowd-kit.

Sources: Dawid & Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm"; Zhang et al.
(2016, arXiv 1406.3824) for one coin an annotator; Hovy et al. (2013), "Learning whom to trust with MACE".
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Task: TypeAlias = Hashable
Votes: TypeAlias = Mapping[Task, Mapping[str, str]]
"""task → annotator → answer"""
Model = Literal["dawid-skene", "mace"]

ANSWERS_PER_LABEL = 5
"""Answers that an annotator must have given for each label, on average, for a whole confusion matrix to be fitted; with
fewer the one-coin model, which gives each annotator a single error rate, is less astray."""


@dataclass(frozen=True)
class Fit:
    """What a model makes of the answers.

    Attributes:
        verdicts: the likeliest answer of each task and its probability; models are surer of it than they should be.
        reliability: of each annotator from 0 to 1: how probable the right answer is (Dawid–Skene), or an answer that is
            not a guess (MACE).
    """

    verdicts: dict[Task, tuple[str, float]]
    reliability: dict[str, float]


def fit(votes: Votes, model: Model = "dawid-skene") -> Fit:
    """Fit a model by expectation maximisation, started from the majority; deterministic.

    Args:
        votes: at least one answer of each task.
        model: which one.
    """
    import numpy as np
    import pandas as pd
    from crowdkit.aggregation import MACE, DawidSkene, OneCoinDawidSkene

    tasks = list(votes)
    rows = [(number, name, answer) for number, task in enumerate(tasks) for name, answer in sorted(votes[task].items())]
    # MACE mixes up parameters unless workers and labels first appear in sorted order (crowd-kit 1.4.2): codes count from 0
    # in the order of appearance.
    workers = {name: code for code, name in enumerate(dict.fromkeys(name for _, name, _ in rows))}
    answers = {answer: code for code, answer in enumerate(dict.fromkeys(answer for _, _, answer in rows))}
    names, spelled = list(workers), list(answers)
    if len(spelled) == 1:
        return Fit(dict.fromkeys(tasks, (spelled[0], 1.0)), dict.fromkeys(sorted(names), 1.0))
    data = pd.DataFrame(
        [(number, workers[name], answers[answer]) for number, name, answer in rows], columns=["task", "worker", "label"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if model == "mace":
            # All its restarts begin at the same point (crowd-kit 1.4.2): one does as well.
            fitted = MACE(n_restarts=1).fit(data)
            trust = fitted.spamming_[:, 1]
        elif len(rows) >= ANSWERS_PER_LABEL * len(names) * len(spelled):
            fitted = DawidSkene(n_iter=100).fit(data)
            errors, priors = fitted.errors_, fitted.priors_
            trust = [
                sum(priors[code] * errors.loc[(worker, code), code] for code in priors.index if (worker, code) in errors.index)
                for worker in range(len(names))
            ]
        else:
            fitted = OneCoinDawidSkene(n_iter=100).fit(data)
            trust = fitted.skills_.loc[range(len(names))].to_numpy()
    chances = fitted.probas_.loc[range(len(tasks))]
    best = chances.to_numpy().argmax(1)
    verdicts = {
        task: (spelled[int(chances.columns[column])], float(chances.iat[number, column]))
        for number, (task, column) in enumerate(zip(tasks, best, strict=True))
    }
    return Fit(verdicts, {name: float(np.clip(trust[workers[name]], 0, 1)) for name in sorted(names)})
