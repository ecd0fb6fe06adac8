"""From the votes of many functions to the probability of each label."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import InputError
from doyen.finetune.supervision.weak.functions import Marked
from doyen.finetune.supervision.weak.label_model import LEAST_FUNCTIONS, fit_label_model
from doyen.finetune.supervision.weak.span_model import fit_span_model, majority_shares
from doyen.finetune.supervision.weak.span_tags import read_spans, tag_texts
from doyen.finetune.supervision.weak.votes import ABSTAIN, SeveralVotes, SpanVotes, Votes


class Method(StrEnum):
    """How votes become probabilities."""

    MAJORITY = "majority"
    """The share of the votes; abstentions do not count."""
    LABEL_MODEL = "label-model"
    """Snorkel's: each function counts by how far it agrees with the others."""
    DAWID_SKENE = "dawid-skene"
    """Dawid and Skene's: each function has a confusion matrix, fitted by expectation maximisation."""
    HMM = "hmm"
    """skweak's, for entities: what functions mark is a noisy sight of a chain of tags."""


CLASS_METHODS = (Method.LABEL_MODEL, Method.MAJORITY, Method.DAWID_SKENE)
SPAN_METHODS = (Method.HMM, Method.MAJORITY)
"""The first is the default."""


def choose_method(wanted: str | None, methods: Sequence[Method]) -> Method:
    """Return the method of that name, the first one by default.

    Raises:
        InputError: it does not aggregate labels of this kind.
    """
    if wanted is None:
        return methods[0]
    if wanted not in methods:
        raise InputError(f"votes of this kind cannot be aggregated by {wanted!r}: choose one of {', '.join(methods)}")
    return Method(wanted)


def aggregate_votes(
    votes: Votes,
    method: Method,
    *,
    balance: NDArray[np.float64] | None = None,
    epochs: int = 100,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return (n texts, k labels) probabilities; of a text on which no function votes, the shares of the classes.

    Args:
        balance: (k,) shares of the classes, for the label model; None: all alike.
        epochs, learning_rate, seed: of the label model.

    Raises:
        InputError: the label model is asked for with fewer than three functions, or no function votes at all.
        MissingPart: crowd-kit or scipy is not installed.
    """
    classes = len(votes.labels)
    shares = np.full(classes, 1 / classes) if balance is None else balance
    if not (votes.matrix != ABSTAIN).any():
        raise InputError("no labelling function votes on any text: look at the failures, or write functions that match")
    if method is Method.LABEL_MODEL:
        model = fit_label_model(votes.matrix, classes, balance=shares, epochs=epochs, learning_rate=learning_rate, seed=seed)
        return model.probabilities(votes.matrix)
    found = _dawid_skene(votes) if method is Method.DAWID_SKENE else _majority(votes)
    silent = (votes.matrix == ABSTAIN).all(axis=1)
    found[silent] = shares
    return found


def aggregate_several(
    votes: SeveralVotes, method: Method, *, balance: NDArray[np.float64], **fitting: Any
) -> NDArray[np.float64]:
    """Return (n texts, k classes) how probable it is that each class applies; NaN where no function says anything of it.

    Each class is decided by itself. Where too few functions speak of one for the label model, the majority decides.

    Args:
        balance: (k,) shares of the texts to which each class applies.
        fitting: as of ``aggregate_votes``.
    """
    found = np.full((len(votes.items), len(votes.labels)), np.nan)
    for number in range(len(votes.labels)):
        own = votes.of_class(number)
        spoken = (own.matrix != ABSTAIN).any(axis=1)
        if not spoken.any():
            continue
        few = method is Method.LABEL_MODEL and len(own.functions) < LEAST_FUNCTIONS
        shares = np.array([1 - balance[number], balance[number]])
        chances = aggregate_votes(own, Method.MAJORITY if few else method, balance=shares, **fitting)
        found[spoken, number] = chances[spoken, 1]
    if np.isnan(found).all():
        raise InputError("no labelling function votes on any text: look at the failures, or write functions that match")
    return found


def _majority(votes: Votes) -> NDArray[np.float64]:
    counts = np.stack([(votes.matrix == label).sum(axis=1) for label in range(len(votes.labels))], axis=1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _dawid_skene(votes: Votes) -> NDArray[np.float64]:
    from doyen.annotation.quality.annotator_models import fit

    cast = {
        row: {votes.functions[column]: votes.labels[said[column]] for column in np.flatnonzero(said != ABSTAIN)}
        for row, said in enumerate(votes.matrix)
        if (said != ABSTAIN).any()
    }
    found = np.zeros((len(votes.items), len(votes.labels)))
    for row, chances in fit(cast).chances.items():
        found[row] = [chances.get(label, 0.0) for label in votes.labels]
    return found


def aggregate_spans(votes: SpanVotes, method: Method) -> list[list[tuple[Marked, float]]]:
    """Return for each text the stretches that the functions mean, each with its probability."""
    texts = tag_texts(votes)
    labels = len(votes.labels)
    if method is Method.HMM:
        model = fit_span_model(texts, labels, len(votes.functions))
        shares = [model.probabilities(text.tags) for text in texts]
    else:
        shares = [majority_shares(text.tags, labels) for text in texts]
    return [list(read_spans(text.tokens, own, votes.labels)) for text, own in zip(texts, shares, strict=True)]
