"""Small models that are trained on the labels so far, within seconds: logistic regression on the embedder's vectors.

A text is one row of features (its vector) or a row for each of its tokens, and a row takes one decision (the class, the tag)
or several (whether each of several classes applies). Whatever the task, a model returns probabilities ``(rows, decisions,
options)``, and what is measured of a text is the mean over them: of entities the length-normalised uncertainty of a sequence
(Shen et al., arXiv 1707.05928).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from doyen.annotation.types.descriptions import TaskDescription, TypeName
from doyen.annotation.types.tokenizer import OUTSIDE, bio_tags, tokenise
from doyen.annotation.types.typed_labels import Classes, Entities, Label
from doyen.finetune.supervision.strategies import (
    Floats,
    Rows,
    Strategy,
    entropy,
    least_confidence,
    mutual_information,
    small_margin,
)

DROPOUT, SAMPLES = 0.3, 20
"""Share of the input features that BALD sets to zero, and how often it asks."""
STRENGTH = 10.0
"""Inverse of the regularisation: unit vectors need larger weights than scikit-learn's default lets be."""
Whole = NDArray[np.int64]


class TokenStates(Protocol):
    """An embedder: vectors of texts, and states of the word pieces in them (``retrieval.embedder.Embedder``)."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return the vectors, ``(len(texts), dim)``."""

    def token_states(self, texts: Sequence[str]) -> list[tuple[Whole, Floats]]:
        """Return places and states of word pieces."""


@dataclass(frozen=True)
class Features:
    """Rows of numbers for some texts.

    Attributes:
        rows: ``(n_rows, dim)``.
        starts: where each text's rows begin, and at the end ``n_rows``; ``(n_texts + 1,)``.
    """

    rows: Floats
    starts: Rows

    @classmethod
    def of_vectors(cls, vectors: Floats) -> Features:
        """Return features of texts that are a row each."""
        return cls(vectors, np.arange(len(vectors) + 1))

    @classmethod
    def of_texts(cls, matrices: Sequence[Floats], dim: int = 0) -> Features:
        """Return features of texts with a matrix each."""
        rows = np.concatenate(matrices) if matrices else np.zeros((0, dim), np.float32)
        return cls(rows, np.concatenate([[0], np.cumsum([len(matrix) for matrix in matrices])]).astype(np.intp))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, texts: Rows) -> Features:
        """Return the features of these texts, in this order."""
        if np.array_equal(self.starts, np.arange(len(self) + 1)):
            return Features.of_vectors(self.rows[texts])
        return Features.of_texts([self.rows[self.starts[n] : self.starts[n + 1]] for n in texts], self.rows.shape[1])

    def split(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Cut what was computed of the rows into what belongs to each text."""
        return np.split(values, self.starts[1:-1])

    def mean(self, values: Floats) -> Floats:
        """Return for each text the mean over its rows; 0 for a text without rows."""
        owners = np.repeat(np.arange(len(self)), np.diff(self.starts))
        sums = np.bincount(owners, weights=values, minlength=len(self))
        return (sums / np.maximum(np.diff(self.starts), 1)).astype(np.float32)


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes:
        options: the names that a decision chooses among; of several classes, the classes, each of which applies or not.
        probabilities: of rows of features, ``(rows, decisions, options)``.
    """

    options: tuple[str, ...]
    probabilities: Callable[[Floats], Floats]

    def uncertainty(self, features: Features, strategy: Strategy, seed: int) -> Floats:
        """Return how unsure the model is of each text, ``(len(features),)``, as the strategy measures it."""
        if strategy == Strategy.BALD:
            values = self._disagreement(features, np.random.default_rng(seed))
        else:
            values = _MEASURES.get(strategy, small_margin)(self.probabilities(features.rows))
        return features.mean(values.mean(axis=1))

    def _disagreement(self, features: Features, chance: np.random.Generator) -> Floats:
        kept = 1 - DROPOUT
        masks = (chance.random((SAMPLES, features.rows.shape[1])) < kept).astype(np.float32) / kept
        return mutual_information(np.stack([self.probabilities(features.rows * mask) for mask in masks]))


_MEASURES = {Strategy.ENTROPY: entropy, Strategy.LEAST_CONFIDENCE: least_confidence}


class Learner(Protocol):
    """Labels of one task type as numbers, and a model of them."""

    @property
    def metric(self) -> str:
        """Name of the score that ``outcomes`` add up to."""

    def features(self, texts: Sequence[str]) -> Features:
        """Return what the model sees of texts."""

    def targets(self, texts: Sequence[str], labels: Sequence[Label]) -> list[Any]:
        """Return each label in the form that ``fit`` takes: a name, a set of names, or a tag for each token."""

    def fit(self, features: Features, targets: Sequence[Any]) -> Model | None:
        """Return a model trained from scratch; None where the labels do not differ."""

    def outcomes(self, model: Model, features: Features, targets: Sequence[Any]) -> Whole:
        """Return (right, predicted, true) of each text, ``(n, 3)``: an F1 of sums, which of single classes is the accuracy."""


def learner_for(
    description: TaskDescription, embedder: TokenStates, vectors: Callable[[Sequence[str]], Floats]
) -> Learner | None:
    """Return the learner of a task; None for types that have none.

    Args:
        vectors: the embedder's vectors of texts, perhaps remembered.
    """
    if description.type in {TypeName.CLASSIFICATION, TypeName.SENTIMENT}:
        return SeveralClasses(vectors) if description.multiple else OneClass(vectors)
    return Tagged(embedder) if description.type == TypeName.ENTITIES else None


def score(outcomes: Whole) -> float:
    """Return the F1 of outcomes, 0 to 1; 0 where there is nothing to find and nothing was found."""
    right, predicted, true = outcomes.sum(axis=0)
    return float(2 * right / (predicted + true)) if predicted + true else 0.0


class OneClass:
    """A text has one class."""

    metric = "accuracy"

    def __init__(self, vectors: Callable[[Sequence[str]], Floats]) -> None:
        self._vectors = vectors

    def features(self, texts: Sequence[str]) -> Features:
        """Return the texts' vectors."""
        return Features.of_vectors(self._vectors(texts))

    def targets(self, texts: Sequence[str], labels: Sequence[Label]) -> list[str]:
        """Return the class names."""
        return [cast(Classes, label).labels[0] for label in labels]

    def fit(self, features: Features, targets: Sequence[str]) -> Model | None:
        """Fit logistic regression."""
        return _fit_rows(features.rows, np.array(targets))

    def outcomes(self, model: Model, features: Features, targets: Sequence[str]) -> Whole:
        """Return whether each text got its class."""
        best = model.probabilities(features.rows)[:, 0].argmax(axis=1)
        right = np.array([model.options[n] == name for n, name in zip(best, targets, strict=True)], np.int64)
        return np.stack([right, np.ones_like(right), np.ones_like(right)], axis=1)


class SeveralClasses:
    """A text may have several classes, or none: each is decided apart."""

    metric = "micro F1"

    def __init__(self, vectors: Callable[[Sequence[str]], Floats]) -> None:
        self._vectors = vectors

    def features(self, texts: Sequence[str]) -> Features:
        """Return the texts' vectors."""
        return Features.of_vectors(self._vectors(texts))

    def targets(self, texts: Sequence[str], labels: Sequence[Label]) -> list[frozenset[str]]:
        """Return the sets of class names."""
        return [frozenset(cast(Classes, label).labels) for label in labels]

    def fit(self, features: Features, targets: Sequence[frozenset[str]]) -> Model | None:
        """Fit a logistic regression for each class that some texts have and others have not."""
        options = tuple(sorted({name for names in targets for name in names}))
        if not options:
            return None
        given = np.array([[name in names for name in options] for names in targets])
        models = [_fit_rows(features.rows, column) for column in given.T]

        def probabilities(rows: Floats) -> Floats:
            found = [_binary(model, rows, always=bool(column[0])) for model, column in zip(models, given.T, strict=True)]
            return np.stack(found, axis=1)

        return Model(options, probabilities)

    def outcomes(self, model: Model, features: Features, targets: Sequence[frozenset[str]]) -> Whole:
        """Count classes."""
        applies = model.probabilities(features.rows)[:, :, 1] > 0.5
        found = [frozenset(np.array(model.options)[row]) for row in applies]
        pairs = zip(found, targets, strict=True)
        return np.array([(len(own & true), len(own), len(true)) for own, true in pairs], np.int64).reshape(-1, 3)


class Tagged:
    """A text has entities: each token has a BIO tag, from the states of itself and its neighbours and how they are written."""

    metric = "entity F1"

    def __init__(self, embedder: TokenStates) -> None:
        self._embedder = embedder

    def features(self, texts: Sequence[str]) -> Features:
        """Return a row for each token."""
        pieces = self._embedder.token_states(texts)
        return Features.of_texts([_token_rows(text, *own) for text, own in zip(texts, pieces, strict=True)])

    def targets(self, texts: Sequence[str], labels: Sequence[Label]) -> list[list[str]]:
        """Return the tags of each text's tokens."""
        marked = zip(texts, labels, strict=True)
        return [bio_tags(tokenise(text), cast(Entities, label).regions) for text, label in marked]

    def fit(self, features: Features, targets: Sequence[Sequence[str]]) -> Model | None:
        """Fit logistic regression over all tokens."""
        return _fit_rows(features.rows, np.array([tag for tags in targets for tag in tags]))

    def outcomes(self, model: Model, features: Features, targets: Sequence[Sequence[str]]) -> Whole:
        """Count entities, right only with the same bounds and label."""
        found = []
        for own, tags in zip(features.split(model.probabilities(features.rows)[:, 0]), targets, strict=True):
            predicted, true = entity_spans(decode(own, model.options)), entity_spans(tags)
            found.append((len(predicted & true), len(predicted), len(true)))
        return np.array(found, np.int64).reshape(-1, 3)


def decode(probabilities: Floats, options: Sequence[str]) -> list[str]:
    """Return the likeliest tags in which no entity goes on that has not begun (Viterbi)."""
    if not len(probabilities):
        return []
    logs = np.log(np.maximum(probabilities, 1e-12))
    first, barred = _transitions(tuple(options))
    total = logs[0] + first
    came_from = []
    for own in logs[1:]:
        ways = total[:, None] + barred
        came_from.append(ways.argmax(axis=0))
        total = ways.max(axis=0) + own
    path = [int(total.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return [options[place] for place in reversed(path)]


def entity_spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Return (first token, token after the last, label) of each entity."""
    spans, start = set(), 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        before = tags[place - 1] if place else OUTSIDE
        if before != OUTSIDE and not (tag[:1] == "I" and tag[2:] == before[2:]):
            spans.add((start, place, before[2:]))
        if tag[:1] == "B" or (tag[:1] == "I" and not (before != OUTSIDE and before[2:] == tag[2:])):
            start = place
    return spans


@lru_cache(maxsize=8)
def _transitions(options: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Return 0 for each tag that may begin a text, ``(tags,)``, or follow another, ``(tags, tags)``; else minus infinity."""
    follows = [[_may_follow(before, tag) for tag in options] for before in (OUTSIDE, *options)]
    every = np.where(follows, 0.0, -np.inf).astype(np.float32)
    return every[0], every[1:]


def _may_follow(before: str, tag: str) -> bool:
    return tag[:1] != "I" or (before != OUTSIDE and before[2:] == tag[2:])


def _fit_rows(rows: Floats, targets: NDArray[Any]) -> Model | None:
    """Fit one decision over rows; None where there is nothing to decide."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(targets)) < 2:
        return None
    with warnings.catch_warnings():
        # It takes few texts of many classes for a regression.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        fitted = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3).fit(rows, targets)
    return Model(tuple(map(str, fitted.classes_)), lambda rows: fitted.predict_proba(rows)[:, None, :].astype(np.float32))


def _binary(model: Model | None, rows: Floats, *, always: bool) -> Floats:
    """Return (does not apply, applies) of a class; of one that all texts have, or none, what is so of all."""
    if model is not None:
        return model.probabilities(rows)[:, 0]
    return np.tile(np.array([not always, always], np.float32), (len(rows), 1))


def _token_rows(text: str, places: Whole, states: Floats) -> Floats:
    """Return a row for each token: state and form of itself, the token before and the one after."""
    tokens = tokenise(text)
    dim = states.shape[1] if states.size else 0
    own = np.zeros((len(tokens), dim), np.float32)
    for row, (start, end) in enumerate(tokens):
        inside = (places[:, 0] < end) & (places[:, 1] > start)
        if inside.any():
            own[row] = states[inside].mean(axis=0)
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
    forms = np.array([_form(text[start:end]) for start, end in tokens], np.float32).reshape(len(tokens), -1)
    return np.concatenate([_with_neighbours(own), _with_neighbours(forms)], axis=1)


def _form(token: str) -> list[bool]:
    """Return what an embedder that lower-cases its texts does not see."""
    return [
        token[:1].isupper(),
        token.isupper(),
        any(sign.isupper() for sign in token[1:]),
        any(sign.isdigit() for sign in token),
        not any(sign.isalnum() for sign in token),
        "-" in token,
    ]


def _with_neighbours(rows: Floats) -> Floats:
    edge = np.zeros((1, rows.shape[1] if rows.ndim > 1 else 0), np.float32)
    return np.concatenate([np.concatenate([edge, rows[:-1]]), rows, np.concatenate([rows[1:], edge])], axis=1)
